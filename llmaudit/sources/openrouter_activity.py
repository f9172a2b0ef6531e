"""OpenRouter's activity by day, model and endpoint: pages of `GET /api/v1/activity`.

Counts of whole UTC days, the last thirty. `prompt_tokens` includes `cached_tokens`, but answers that OpenRouter replayed
from its own cache count as cached alone, so that the cached may be more. `usage` is US dollars and has no place here.
Spec: Python SDK openrouter 1.3.84 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OpenrouterActivity(Source):
    name = "openrouter_activity"
    table = "usage"
    columns: ClassVar[Mapping[str, str]] = {"data": "JSON", "error": "VARCHAR"}

    def matches(self, peek: Peek) -> bool:
        return peek.has("data") and '"model_permaslug"' in peek.head and '"byok_usage_inference"' in peek.head


SOURCE = OpenrouterActivity()
