"""AWS's cost and usage reports as Parquet: the columns of `aws_cur`, with maps where the CSV has JSON.

A Parquet file names its columns at its end, which a first look does not reach in a large one. Such a file is told by
its name, that of the export: where it does not say `cur`, the source must be named.
Spec: AWS Data Exports user guide, CUR 2.0 columns (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.aws_cur import COLUMNS
from llmaudit.sources.base import Peek, Source


class AwsCurParquet(Source):
    name = "aws_cur_parquet"
    table = "charges"
    shape = "parquet"
    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def matches(self, peek: Peek) -> bool:
        is_cur = "line_item_usage_type" in peek.head or "cur" in peek.name.lower()
        return peek.head.startswith("PAR1") and is_cur and "ChargePeriodStart" not in peek.head


SOURCE = AwsCurParquet()
