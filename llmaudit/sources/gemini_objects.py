"""Answers of Gemini's generateContent as a program dumped them: one response object a line, or a JSON array of them.

Only Vertex AI's answers say when they were made (`createTime`); a program may add `timestamp`. The chunks of a stream
bear one `responseId` and count cumulatively: the fullest holds, the others are merged into it. `promptTokenCount`
includes the cached part; thoughts and what tools sent in are counted beside candidates and prompt.
Spec: google-genai 3.4.0, `types.py` (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class GeminiObjects(Source):
    name = "gemini_objects"
    columns: ClassVar[Mapping[str, str]] = {
        "candidates": "JSON",
        "promptFeedback": "JSON",
        "prompt_feedback": "JSON",
        "usageMetadata": "JSON",
        "usage_metadata": "JSON",
        "modelVersion": "VARCHAR",
        "model_version": "VARCHAR",
        "responseId": "VARCHAR",
        "response_id": "VARCHAR",
        "createTime": "VARCHAR",
        "create_time": "VARCHAR",
        "timestamp": "VARCHAR",
        "error": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        """Only the bare answer: logs that wrap it have it under a key of their own."""
        has_usage = bool(peek.keys & {"usageMetadata", "usage_metadata"})
        is_wrapped = bool(peek.keys & {"request", "response", "full_response", "sessionId"})
        return has_usage and bool(peek.keys & {"modelVersion", "model_version", "candidates"}) and not is_wrapped


SOURCE = GeminiObjects()
