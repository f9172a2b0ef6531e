"""Anthropic's cost report: what was billed, by day, and by description and workspace if grouped so.

Pages of the admin API as they came, one or several; those of the analytics API are alike and add a list amount.
Amounts are US CENTS as a decimal text. Without `group_by[]=description` a day is one sum without a model. Priority
Tier is not in it. Null workspace is the default one.
Spec: Anthropic API reference, cost_report; Python SDK 2.11.0 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AnthropicCostReport(Source):
    name = "anthropic_cost_report"
    table = "charges"
    shape = "document"
    columns: ClassVar[Mapping[str, str]] = {
        "data": "JSON",
        "starting_at": "VARCHAR",
        "ending_at": "VARCHAR",
        "results": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        """A page of empty buckets does not say what it reports, but its file may."""
        if not (peek.keys & {"data", "results"} and '"starting_at"' in peek.head and '"results"' in peek.head):
            return False
        is_empty = '"amount"' not in peek.head and '_tokens"' not in peek.head
        return '"amount"' in peek.head or (is_empty and "cost" in peek.name.lower())


SOURCE = AnthropicCostReport()
