"""Request logs that teams write themselves: one JSON object a line, in the documented plain shape.

`request` and `response` hold the provider's own bodies (OpenAI Chat Completions or Responses and what speaks like
them, Anthropic Messages, Gemini, Bedrock's Converse and InvokeModel; streamed answers as their events). Required: a time, a model, and either usage or the texts.
Token counts are as the body's provider means them; `bodies.sql` resolves what includes what.
Spec: docs/sources/plain_jsonl.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class PlainJsonl(Source):
    name = "plain_jsonl"
    bodies = ("request", "response")
    columns: ClassVar[Mapping[str, str]] = {
        "timestamp": "VARCHAR",
        "request_id": "VARCHAR",
        "endpoint": "VARCHAR",
        "team": "VARCHAR",
        "project": "VARCHAR",
        "environment": "VARCHAR",
        "cost_centre": "VARCHAR",
        "sample_rate": "VARCHAR",
        "user": "VARCHAR",
        "api_key_id": "VARCHAR",
        "account_id": "VARCHAR",
        "session_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "parent_id": "VARCHAR",
        "attempt": "VARCHAR",
        "tags": "JSON",
        "provider": "VARCHAR",
        "region": "VARCHAR",
        "operation": "VARCHAR",
        "billing_mode": "VARCHAR",
        "model": "VARCHAR",
        "request": "JSON",
        "response": "JSON",
        "latency_ms": "VARCHAR",
        "ttft_ms": "VARCHAR",
        "status": "VARCHAR",
        "error": "JSON",
        "cost_usd": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.has("timestamp") and bool(peek.keys & {"request", "response"}) and "sessionId" not in peek.keys


SOURCE = PlainJsonl()
