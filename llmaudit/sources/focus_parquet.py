"""Bills in the words of FOCUS as Parquet: the columns of `focus`, with maps where the CSV has JSON.

A Parquet file names its columns at its end, which a first look does not reach in a large one. Such a file is told by
its name: where it does not say `focus`, the source must be named.
Spec: FOCUS 1.4, Cost and Usage (ratified 2026-06; seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source
from llmaudit.sources.focus import NAMES


class FocusParquet(Source):
    name = "focus_parquet"
    table = "charges"
    shape = "parquet"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(NAMES, "VARCHAR")

    def matches(self, peek: Peek) -> bool:
        says_so = "focus" in peek.name.lower() and "cur" not in peek.name.lower()
        is_focus = "ChargePeriodStart" in peek.head or says_so
        return peek.head.startswith("PAR1") and is_focus and "line_item_usage_type" not in peek.head


SOURCE = FocusParquet()
