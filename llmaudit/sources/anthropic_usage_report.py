"""Anthropic's own count of tokens of the Messages API, by bucket of a minute, an hour or a day, and by key if grouped so.

Pages of the admin API as they came, one or several. The four kinds of input are disjoint; our input is their sum.
The report counts no calls; the analytics API's, which is alike, does. Null workspace is the default one.
Spec: Anthropic API reference, usage_report/messages; Python SDK 2.11.0 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AnthropicUsageReport(Source):
    name = "anthropic_usage_report"
    table = "usage"
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
        is_bill = '"amount"' in peek.head or "cost" in peek.name.lower()
        has_tokens = '"uncached_input_tokens"' in peek.head or '"cache_read_input_tokens"' in peek.head
        return '"amount"' not in peek.head and (has_tokens or ("usage" in peek.name.lower() and not is_bill))


SOURCE = AnthropicUsageReport()
