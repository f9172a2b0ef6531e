"""Langfuse's observations as CSV: exported from its page or to a bucket. The same fields, JSON in cells.

What they mean is said in `langfuse`. Cells of times may have quotes of their own inside the cell.
Spec: langfuse/langfuse at 6275144 of 2026-08-22 (seen 2026-11).
"""

from __future__ import annotations

from llmaudit.sources.base import Peek
from llmaudit.sources.langfuse import Langfuse


class LangfuseCsv(Langfuse):
    name = "langfuse_csv"
    shape = "csv"

    def matches(self, peek: Peek) -> bool:
        is_page = peek.header >= {"traceid", "type", "starttime", "usagedetails"}
        return is_page or peek.header >= {"trace_id", "type", "start_time", "provided_model_name"}


SOURCE = LangfuseCsv()
