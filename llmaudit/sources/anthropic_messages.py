"""Answers of Anthropic's Messages API as a program dumped them: one object a line, or a JSON array of them.

The API's answers have no time: a program has to add `timestamp` or `created_at`, else they are quarantined. `input_tokens`
excludes what was read from and written to the cache; `cache_creation_input_tokens` is both lifetimes together. Requests
are not in it.
Spec: Anthropic API reference, Messages (seen 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source
from llmaudit.sources.mapped import PLAIN

_MESSAGE = re.compile(r'"type"\s*:\s*"message"')
_OTHERS = {"message", "messages", "request", "response", "result", "custom_id", "sessionId", "provider", "object"}
_BODY = ("id", "type", "model", "stop_reason", "content", "usage", "error")


class AnthropicMessages(Source):
    name = "anthropic_messages"
    query = "plain_jsonl"
    columns: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(_BODY, "JSON"),
        "timestamp": "VARCHAR",
        "created_at": "VARCHAR",
        "request_id": "VARCHAR",
    }
    made: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(PLAIN, "cast(null as varchar)"),
        "timestamp": "coalesce(timestamp, created_at)",
        "request_id": "request_id",
        "tags": "cast(null as json)",
        "error": "cast(null as json)",
        "request": "cast(null as json)",
        "response": "json_object(" + ", ".join(f"'{name}', \"{name}\"" for name in _BODY) + ")",
    }

    def matches(self, peek: Peek) -> bool:
        """Only the bare answer: logs that wrap it have it under a key of their own."""
        is_message = peek.has("id", "type", "model", "usage") and bool(_MESSAGE.search(peek.head))
        return is_message and not peek.keys & _OTHERS


SOURCE = AnthropicMessages()
