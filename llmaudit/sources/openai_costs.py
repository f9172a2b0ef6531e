"""OpenAI's organization costs: what was billed, by bucket of a day, and by line item, project and key if grouped so.

Pages of the admin API as they came, one or several. Amounts are US dollars as a number or a long decimal text.
The line items of a model are disjoint: `input` is what the cached part and the cache writes leave.
Spec: OpenAI API reference, organization costs; Python SDK 3.52.0 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OpenaiCosts(Source):
    name = "openai_costs"
    table = "charges"
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
        return '"organization.costs.result"' in peek.head or (is_empty and "cost" in peek.name.lower())


SOURCE = OpenaiCosts()
