"""OpenAI's costs as the usage dashboard exports them: `cost_<from>_<to>.csv`, a row a day and line item.

The same bill as the `openai_costs` API gives, under the same charge ids. Amounts are US dollars as long decimal
text. Headings vary with the grouping and over time. A row with nothing but its times is a day without costs.
Spec: headings of exports of 2025-10 and 2026-09 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OpenaiCostCsv(Source):
    name = "openai_cost_csv"
    table = "charges"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = {
        "start_time": "VARCHAR",
        "end_time": "VARCHAR",
        "start_time_iso": "VARCHAR",
        "end_time_iso": "VARCHAR",
        "amount_value": "VARCHAR",
        "amount_currency": "VARCHAR",
        "quantity": "VARCHAR",
        "quantity_unit": "VARCHAR",
        "line_item": "VARCHAR",
        "user_id": "VARCHAR",
        "api_key_id": "VARCHAR",
        "project_id": "VARCHAR",
        "organization_id": "VARCHAR",
        "api_source": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"start_time", "end_time", "amount_value", "amount_currency"}


SOURCE = OpenaiCostCsv()
