"""Anthropic's usage as the Console exports it: tokens by day, model, key, workspace and kind of usage.

The kinds of input are disjoint; our input is their sum. Keys and workspaces are names, not ids. The oldest files
have one column for cache writes, later ones two. No calls are counted, and no costs.
Spec: headings of exports of 2025-06 and 2026-08 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AnthropicUsageCsv(Source):
    name = "anthropic_usage_csv"
    table = "usage"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = {
        "usage_date_utc": "VARCHAR",
        "model_version": "VARCHAR",
        "api_key": "VARCHAR",
        "workspace": "VARCHAR",
        "usage_type": "VARCHAR",
        "context_window": "VARCHAR",
        "usage_input_tokens_no_cache": "VARCHAR",
        "usage_input_tokens_cache_write": "VARCHAR",
        "usage_input_tokens_cache_write_5m": "VARCHAR",
        "usage_input_tokens_cache_write_1h": "VARCHAR",
        "usage_input_tokens_cache_read": "VARCHAR",
        "usage_output_tokens": "VARCHAR",
        "web_search_count": "VARCHAR",
        "inference_geo": "VARCHAR",
        "speed": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"usage_date_utc", "usage_input_tokens_no_cache"}


SOURCE = AnthropicUsageCsv()
