"""OpenRouter's detailed activity as CSV: one row a generation, with what it cost.

`tokens_prompt` includes the cached, `tokens_completion` the reasoning; cache writes are not counted. `cost_total` is US
dollars and net of `cost_cache`, which is negative for reads and positive for writes. Times name no zone and are UTC.
What `byok_usage_inference` says was paid to the provider with the customer's own key, and is no part of `cost_total`.
Spec: export of 2026-08-24 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_COLUMNS = (
    "generation_id",
    "created_at",
    "cost_total",
    "byok_usage_inference",
    "tokens_prompt",
    "tokens_completion",
    "tokens_reasoning",
    "tokens_cached",
    "model_permaslug",
    "provider_name",
    "variant",
    "cancelled",
    "streamed",
    "user",
    "finish_reason_raw",
    "finish_reason_normalized",
    "generation_time_ms",
    "time_to_first_token_ms",
    "app_name",
    "api_key_name",
)


class OpenrouterGenerations(Source):
    name = "openrouter_generations"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(_COLUMNS, "VARCHAR")

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"generation_id", "created_at", "cost_total", "model_permaslug"}


SOURCE = OpenrouterGenerations()
