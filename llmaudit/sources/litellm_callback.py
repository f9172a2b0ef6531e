"""LiteLLM's StandardLoggingPayload: what its gateway and library hand to logging callbacks, one object a call.

One object a line, or one a file (S3, GCS). Input tokens include the cache, for Anthropic too. Times are epoch
seconds; `response_time` of a stream is the time to its first token, so durations come from start and end.
A hit of the gateway's own cache repeats the id, the tokens and the answer of the first call.
Spec: LiteLLM 1.109.1, `litellm/types/utils.py` (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class LitellmCallback(Source):
    name = "litellm_callback"
    witness = 2
    bodies = ("messages", "response")
    columns: ClassVar[Mapping[str, str]] = {
        "id": "VARCHAR",
        "litellm_call_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "session_id": "VARCHAR",
        "call_type": "VARCHAR",
        "cache_hit": "VARCHAR",
        "stream": "VARCHAR",
        "status": "VARCHAR",
        "custom_llm_provider": "VARCHAR",
        "startTime": "VARCHAR",
        "endTime": "VARCHAR",
        "completionStartTime": "VARCHAR",
        "model": "VARCHAR",
        "model_group": "VARCHAR",
        "model_id": "VARCHAR",
        "metadata": "JSON",
        "response_cost": "VARCHAR",
        "prompt_tokens": "VARCHAR",
        "completion_tokens": "VARCHAR",
        "request_tags": "JSON",
        "end_user": "VARCHAR",
        "messages": "JSON",
        "response": "JSON",
        "model_parameters": "JSON",
        "hidden_params": "JSON",
        "error_str": "VARCHAR",
        "error_information": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        """Rows of LiteLLM's database have `spend` where the payload has `response_cost`."""
        return peek.has("call_type", "startTime", "response_cost", "model")


SOURCE = LitellmCallback()
