"""Rows of LiteLLM's table of spend logs: from its API (a list, a page, lines) or dumped from Postgres as JSON.

`prompt_tokens` includes cache reads and writes, for Anthropic too; the split is in `metadata.usage_object`. Times are
UTC, with or without saying so. `request_id` is the provider's id of the answer; a hit of the gateway's own cache has a
suffix to it, repeats the tokens and costs nothing. `/spend/logs` with dates gives a summary a day, which is no call.
Spec: LiteLLM 1.109.1, `LiteLLM_SpendLogs` of its Prisma schema (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_JSON = ("data", "request_tags", "metadata", "proxy_server_request", "response", "users", "models")
_TEXT = (
    "request_id",
    "litellm_call_id",
    "call_type",
    "api_key",
    "spend",
    "prompt_tokens",
    "completion_tokens",
    "startTime",
    "endTime",
    "completionStartTime",
    "model",
    "model_group",
    "model_id",
    "custom_llm_provider",
    "user",
    "end_user",
    "team_id",
    "session_id",
    "cache_hit",
    "status",
)


class LitellmSpendLogs(Source):
    name = "litellm_spend_logs"
    witness = 2
    pages = "data"
    bodies = ("proxy_server_request", "response")
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(_TEXT, "VARCHAR") | dict.fromkeys(_JSON, "JSON")

    def matches(self, peek: Peek) -> bool:
        """What callbacks are handed has `response_cost` where the rows have `spend`."""
        is_summary = peek.has("startTime", "spend", "users", "models")
        is_page = peek.has("data", "total_pages") and '"call_type"' in peek.head and '"spend"' in peek.head
        return peek.has("request_id", "call_type", "startTime", "spend") or is_summary or is_page


SOURCE = LitellmSpendLogs()
