"""Whether a lake holds what was committed to it. Only looks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llmaudit.lake import TABLES, Lake

ROWS = ("requests", "charges", "usage")
"""Tables that a source's rows go to."""


@dataclass(frozen=True)
class Health:
    files: int
    """Sources' files that are in the lake."""
    rows: int
    unreadable: tuple[str, ...]
    """Files of a table that are committed and cannot be read, each with the reason."""
    short: tuple[str, ...]
    """Sources' files of which fewer rows are there than were committed."""
    strays: tuple[Path, ...]
    """Files that no commit names: what an interrupted run left, or what a compaction put aside."""


def health(lake: Lake) -> Health:
    """Read every committed file's outline and the batch of every row."""
    unreadable = tuple(_unreadable(lake))
    if unreadable:
        return Health(0, 0, unreadable, (), ())
    stored = _stored(lake)
    ingests = lake.ingests()
    kept: Counter[str] = Counter()
    for batch_id, rows in ingests.select("batch_id", "rows_kept").iter_rows():
        kept[batch_id] += rows or 0
    less = {batch_id for batch_id, rows in kept.items() if stored[batch_id] < rows}
    short = tuple(path for path, batch_id in ingests.select("path", "batch_id").iter_rows() if batch_id in less)
    return Health(ingests.height, sum(kept.values()), (), short, tuple(_strays(lake)))


def _unreadable(lake: Lake) -> Iterator[str]:
    for table in TABLES:
        for file in lake.files(table):
            try:
                pq.read_metadata(file)
            except (OSError, pa.ArrowException) as error:
                yield f"{file}: {str(error).splitlines()[0]}"


def _stored(lake: Lake) -> Counter[str]:
    """Rows of each batch."""
    found: Counter[str] = Counter()
    for file in (file for table in ROWS for file in lake.files(table)):
        with pq.ParquetFile(file) as rows:
            for batch in rows.iter_batches(columns=["batch_id"]):
                counted = batch.column(0).value_counts()
                found.update(dict(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)))
    return found


def _strays(lake: Lake) -> Iterator[Path]:
    for table in TABLES:
        named = {Path(file).name for file in lake.files(table)}
        yield from (path for path in sorted((lake.path / table).glob("*.parquet")) if path.name not in named)
