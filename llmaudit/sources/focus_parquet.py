"""Bills in the words of FOCUS as Parquet: the columns of `focus`, with maps where the CSV has JSON.

Spec: FOCUS 1.4, Cost and Usage (ratified 2026-06; seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source
from llmaudit.sources.focus import Focus


class FocusParquet(Source):
    name = "focus_parquet"
    table = "charges"
    shape = "parquet"
    columns: ClassVar[Mapping[str, str]] = Focus.columns

    def matches(self, peek: Peek) -> bool:
        return peek.columns >= {"billedcost", "chargecategory", "chargeperiodstart", "billingcurrency"}


SOURCE = FocusParquet()
