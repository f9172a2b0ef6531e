"""OpenAI's own count of calls and tokens, by bucket of a minute, an hour or a day, and by key if grouped so.

Pages of the admin API as they came, one or several: completions, embeddings, moderations, images, audio. Input
includes the cached part and the cache writes; its split by text, audio and image excludes them in newer files.
Spec: OpenAI API reference, organization usage; Python SDK 3.52.0 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OpenaiUsage(Source):
    name = "openai_usage"
    table = "usage"
    shape = "document"
    columns: ClassVar[Mapping[str, str]] = {
        "object": "VARCHAR",
        "data": "JSON",
        "start_time": "VARCHAR",
        "end_time": "VARCHAR",
        "results": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        """A page of empty buckets does not say whose it is, but its file may."""
        is_empty = '"bucket"' in peek.head and '"organization.' not in peek.head
        name = peek.name.lower()
        return '"organization.usage.' in peek.head or (is_empty and "usage" in name and "cost" not in name)


SOURCE = OpenaiUsage()
