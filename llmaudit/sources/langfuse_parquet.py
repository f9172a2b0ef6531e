"""Langfuse's observations as Parquet: what it exports to a bucket unless told otherwise. The same fields, usage as a map.

What they mean is said in `langfuse`. Times name no zone and are UTC.
Spec: langfuse/langfuse at 6275144 of 2026-08-22 (seen 2026-11).
"""

from __future__ import annotations

from llmaudit.sources.base import Peek
from llmaudit.sources.langfuse import Langfuse


class LangfuseParquet(Langfuse):
    name = "langfuse_parquet"
    shape = "parquet"
    query = "langfuse"

    def matches(self, peek: Peek) -> bool:
        return peek.columns >= {"trace_id", "type", "start_time", "provided_model_name"}


SOURCE = LangfuseParquet()
