"""Anthropic's costs as the Console exports them: a row a day, model, key and kind of token, in US dollars.

Models are display names (`Claude Haiku 4.5`) and keys are names, not ids. Amounts have two decimals: small rows are
0.00, so the file bills a little less or more than the invoice. No token counts. Subscriptions are not in it.
Spec: headings of three generations of exports, 2025-12, 2026-04 and 2026-09 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AnthropicCostCsv(Source):
    name = "anthropic_cost_csv"
    table = "charges"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = {
        "usage_date_utc": "VARCHAR",
        "model": "VARCHAR",
        "workspace": "VARCHAR",
        "api_key": "VARCHAR",
        "usage_type": "VARCHAR",
        "context_window": "VARCHAR",
        "token_type": "VARCHAR",
        "cost_usd": "VARCHAR",
        "list_price_usd": "VARCHAR",
        "cost_type": "VARCHAR",
        "inference_geo": "VARCHAR",
        "speed": "VARCHAR",
        "api_key_id": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"usage_date_utc", "token_type", "cost_usd"}


SOURCE = AnthropicCostCsv()
