"""OpenRouter's records of single generations, as its API gives them: one object a call, bare or inside `data`.

What is billed are the `native_tokens_*`, counts of the model that answered; `tokens_*` count the same texts in another
tokenizer and stand in where those are missing. Native prompts include the cached, native completions the reasoning.
`total_cost` is US dollars; `usage` repeats it, and `upstream_inference_cost` was paid to the provider with the
customer's own key. An answer out of OpenRouter's own response cache names the generation that it repeats.
Spec: `GET /api/v1/generation`, openrouter 1.3.84 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_FIELDS = (
    "id",
    "upstream_id",
    "session_id",
    "created_at",
    "model",
    "provider_name",
    "api_type",
    "external_user",
    "streamed",
    "cancelled",
    "finish_reason",
    "native_finish_reason",
    "generation_time",
    "tokens_prompt",
    "tokens_completion",
    "native_tokens_prompt",
    "native_tokens_completion",
    "native_tokens_reasoning",
    "native_tokens_cached",
    "native_tokens_completion_images",
    "usage",
    "total_cost",
    "upstream_inference_cost",
    "service_tier",
    "data_region",
    "workspace_id",
    "response_cache_source_id",
)


class OpenrouterGenerationRecords(Source):
    name = "openrouter_generation_records"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(_FIELDS, "VARCHAR") | {"data": "JSON"}
    made: ClassVar[Mapping[str, str]] = {field: f"coalesce({field}, data ->> '$.{field}')" for field in _FIELDS}

    def matches(self, peek: Peek) -> bool:
        is_bare = peek.has("native_tokens_prompt", "provider_name")
        is_wrapped = peek.has("data") and '"native_tokens_prompt"' in peek.head and '"provider_name"' in peek.head
        return is_bare or is_wrapped


SOURCE = OpenrouterGenerationRecords()
