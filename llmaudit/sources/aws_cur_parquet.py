"""AWS's cost and usage reports as Parquet: the columns of `aws_cur`, with maps where the CSV has JSON.

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
        return peek.columns >= {"line_item_line_item_type", "line_item_usage_type", "line_item_unblended_cost"}


SOURCE = AwsCurParquet()
