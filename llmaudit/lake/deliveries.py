"""Which delivery of a bill a file belongs to, so that of a line delivered twice the later one counts.

Bills are delivered whole again until a month closes, mostly under names that differ in a date or a number, sometimes
in parts. Content says more than names do, so `queries/charges.sql` asks these columns last.
"""

from __future__ import annotations

import re

import polars as pl
import pyarrow as pa

DELIVERIES = pa.schema(
    [
        ("batch_id", pa.string()),
        ("path", pa.string()),
        ("run", pa.int64()),
        ("delivery", pa.string()),
        ("series", pa.string()),
        ("place", pa.int64()),
    ]
)
"""run: when the file was taken in, counted up. delivery: the name without the number of a part. series: the name
without its numbers. place: the order of names inside a series."""

_PART = re.compile(r"(?<!\d)(?!20\d{6}\.)\d{4,12}(\.[A-Za-z]\w*)+$")
"""Parts bear numbers with leading zeros, from `0001` to `000000000000`; eight digits may be a day."""
_NUMBER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")


def deliveries(ingests: pl.DataFrame) -> pa.Table:
    """One row per file in the lake."""
    files = ingests.select("batch_id", "path", pl.col("ingested_at").rank("dense").cast(pl.Int64).alias("run")).rows()
    order = {path: place for place, path in enumerate(sorted({path for _, path, _ in files}, key=natural))}
    rows = [
        {
            "batch_id": batch_id,
            "path": path,
            "run": run,
            "delivery": _PART.sub("", path),
            "series": _NUMBER.sub("#", path),
            "place": order[path],
        }
        for batch_id, path, run in files
    ]
    return pa.Table.from_pylist(rows, schema=DELIVERIES)


def natural(path: str) -> list[tuple[int, str]]:
    """Sorts numbers inside names by their size.

    >>> sorted(["v10.csv", "v9.csv", "v9b.csv"], key=natural)
    ['v9.csv', 'v9b.csv', 'v10.csv']
    """
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", path)]
