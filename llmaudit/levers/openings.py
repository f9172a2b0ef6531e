"""What a call has left once words in its prompt's opening are left out."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.levers.base import with_column


def without(batch: pa.RecordBatch, dropped: pa.Array) -> pa.RecordBatch:
    """The same calls with so many input tokens less. They stood at the front, so what was read from a cache was read from them."""
    tokens = batch["input_tokens"]
    none = pa.scalar(0, tokens.type)
    read = pc.max_element_wise(pc.subtract(batch["cache_read_tokens"], dropped), none, skip_nulls=False)
    batch = with_column(batch, "cache_read_tokens", read)
    left = pc.subtract(pc.subtract(tokens, dropped), pc.coalesce(read, none))
    for name in ("cache_write_tokens", "cache_write_long_tokens"):
        batch = with_column(batch, name, pc.min_element_wise(batch[name], left, skip_nulls=False))
    return with_column(batch, "input_tokens", pc.subtract(tokens, dropped))
