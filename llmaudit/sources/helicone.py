"""Helicone's request log: lines of its exporter, pages of its API.

What `prompt_tokens` includes changed: for Anthropic never the cache; for others the cache until about September 2025,
and not since. So a body that is there decides; without one, a cache larger than the input is beside it. The same holds
of reasoning. `cost` is US dollars. A hit of Helicone's own cache refers to another row, has its tokens and costs nothing.
Spec: Helicone/helicone, jawn `request.ts` and the export command (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_TEXT = (
    "request_id",
    "response_id",
    "request_created_at",
    "response_created_at",
    "response_status",
    "request_user_id",
    "provider",
    "model",
    "request_model",
    "response_model",
    "model_override",
    "delay_ms",
    "time_to_first_token",
    "prompt_tokens",
    "completion_tokens",
    "prompt_cache_read_tokens",
    "prompt_cache_write_tokens",
    "reasoning_tokens",
    "prompt_audio_tokens",
    "completion_audio_tokens",
    "cost",
    "costUSD",
    "cache_reference_id",
    "request_path",
)
_JSON = (
    "data",
    "request_body",
    "response_body",
    "request_properties",
    "properties",
)


class Helicone(Source):
    name = "helicone"
    witness = 2
    pages = "data"
    bodies = ("request_body", "response_body")
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(_TEXT, "VARCHAR") | dict.fromkeys(_JSON, "JSON")
    caveats: ClassVar[Mapping[str, str]] = {
        "cache_maybe_outside_input": "Helicone rows without bodies do not say whether their prompt tokens include what was read from a cache, or their completion tokens the reasoning. "
        "They count as including both unless the part is larger than the whole, or the model is Anthropic's: export with --include-body to be sure."
    }

    def matches(self, peek: Peek) -> bool:
        is_row = peek.has("request_created_at", "response_status") and bool(
            peek.keys & {"request_properties", "request_user_id", "prompt_tokens", "delay_ms", "cache_reference_id"}
        )
        is_page = peek.has("data") and '"request_created_at"' in peek.head and '"response_status"' in peek.head
        return is_row or is_page


SOURCE = Helicone()
