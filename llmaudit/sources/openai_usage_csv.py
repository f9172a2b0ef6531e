"""OpenAI's usage as the dashboard exports it: `completions_usage_<from>_<to>.csv`, a row a bucket, model and key.

The same counts as the `openai_usage` API gives, under the same usage ids. Numbers are written as floats. Input
includes the cached part and the cache writes. A row with nothing but its times is a bucket without usage.
Spec: headings of an export of 2025-10; the sibling tables (embeddings, images) after the API (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OpenaiUsageCsv(Source):
    name = "openai_usage_csv"
    table = "usage"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = {
        "start_time": "VARCHAR",
        "end_time": "VARCHAR",
        "start_time_iso": "VARCHAR",
        "end_time_iso": "VARCHAR",
        "organization_id": "VARCHAR",
        "project_id": "VARCHAR",
        "user_id": "VARCHAR",
        "api_key_id": "VARCHAR",
        "api_source": "VARCHAR",
        "model": "VARCHAR",
        "batch": "VARCHAR",
        "service_tier": "VARCHAR",
        "size": "VARCHAR",
        "source": "VARCHAR",
        "context_level": "VARCHAR",
        "num_model_requests": "VARCHAR",
        "num_requests": "VARCHAR",
        "images": "VARCHAR",
        "characters": "VARCHAR",
        "seconds": "VARCHAR",
        "input_tokens": "VARCHAR",
        "input_uncached_tokens": "VARCHAR",
        "input_cached_tokens": "VARCHAR",
        "input_cache_write_tokens": "VARCHAR",
        "input_cache_write_12h_tokens": "VARCHAR",
        "input_text_tokens": "VARCHAR",
        "input_audio_tokens": "VARCHAR",
        "input_image_tokens": "VARCHAR",
        "input_cached_audio_tokens": "VARCHAR",
        "input_cached_image_tokens": "VARCHAR",
        "output_tokens": "VARCHAR",
        "output_audio_tokens": "VARCHAR",
        "output_image_tokens": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        """Costs have the same times but amounts; without any column besides the times, the name must say usage."""
        if "amount_value" in peek.header or not peek.header >= {"start_time", "end_time", "start_time_iso"}:
            return False
        is_bare = peek.header <= {"start_time", "end_time", "start_time_iso", "end_time_iso"}
        return "num_model_requests" in peek.header or (is_bare and "usage" in peek.name.lower())


SOURCE = OpenaiUsageCsv()
