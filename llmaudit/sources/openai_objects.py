"""Answers of OpenAI's API as a program dumped them: Chat Completions and Responses objects, one a line.

Pages of stored completions (`GET /v1/chat/completions`) are the same objects in a list. The time is the object's
`created` or `created_at`. Requests are not in it. Polling a background response gives one id many times: unfinished
answers are no calls. Servers that speak OpenAI's language write the same objects, so only OpenAI's own model names
are put down to OpenAI.
Spec: OpenAI API reference; Python SDK 3.52.0 (seen 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_STORED = re.compile(r'"object"\s*:\s*"(chat\.completion|response|text_completion)"')


class OpenaiObjects(Source):
    name = "openai_objects"
    columns: ClassVar[Mapping[str, str]] = {
        "id": "VARCHAR",
        "object": "VARCHAR",
        "created": "VARCHAR",
        "created_at": "VARCHAR",
        "completed_at": "VARCHAR",
        "model": "VARCHAR",
        "status": "VARCHAR",
        "service_tier": "VARCHAR",
        "background": "VARCHAR",
        "usage": "JSON",
        "choices": "JSON",
        "output": "JSON",
        "error": "JSON",
        "incomplete_details": "JSON",
        "metadata": "JSON",
        "temperature": "VARCHAR",
        "max_output_tokens": "VARCHAR",
        "user": "VARCHAR",
        "prompt_filter_results": "JSON",
        "data": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        """Only the bare object: logs that wrap it, or add to it who called and how long it took, are other sources'."""
        is_object = peek.has("object", "model") and bool(peek.keys & {"choices", "output", "usage"})
        is_timed = bool(peek.keys & {"created", "created_at"})
        is_page = peek.has("object", "data") and "model" not in peek.keys
        return not peek.keys & _OTHERS and bool(_STORED.search(peek.head)) and ((is_object and is_timed) or is_page)


_OTHERS = {"timestamp", "request", "response", "messages", "custom_id", "input_file_id", "provider", "type"}

SOURCE = OpenaiObjects()
