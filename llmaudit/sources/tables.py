"""Bills that come as tables: CSV and Parquet, brought to the JSON lines that everything else reads.

Cells travel as text, by the names in the header, so that a column that is missing, moved or new harms nothing.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from llmaudit.sources.base import Refuse, open_text

Records = Iterator[tuple[int, bytes]]

SNIFFED_BYTES = 65_536
LONGEST_CELL = 2**31 - 1
DELIMITERS = ",;\t|"
ROWS_AT_ONCE = 4_096


def csv_records(path: Path, refuse: Refuse) -> Records:
    """Line number and JSON object of every row. A row with more cells than the header is refused; empty cells are null.

    A cell stands under its heading as written and, as tools spell headings in several cases, in lower case too.
    """
    csv.field_size_limit(LONGEST_CELL)
    with open_text(path) as text:
        start = text.read(SNIFFED_BYTES)
        text.seek(0)
        rows = csv.reader(text, delimiter=_delimiter(start), strict=False)
        header = [name.strip() for name in next(rows, [])]
        began = rows.line_num + 1
        for row in rows:
            if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
                refuse(began, f"{len(row)} cells under {len(header)} headings", _line(row))
            elif any(cell.strip() for cell in row):
                cells = {name: cell for name, cell in zip(header, row, strict=False) if cell.strip()}
                yield began, _line(cells | {name.lower(): cell for name, cell in cells.items()})
            began = rows.line_num + 1


def parquet_records(path: Path, refuse: Refuse, wanted: Collection[str]) -> Records:
    """Row number and JSON object of every row: those columns that are wanted, in lower case, nested ones as they are."""
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name.lower() in wanted]
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=names):
                for row in batch.to_pylist(maps_as_pydicts="lossy"):
                    number += 1
                    yield number, _line({name.lower(): _elements(value) for name, value in row.items()})
    except (pa.ArrowException, OSError) as error:
        refuse(number + 1, f"the file breaks off: {error}", b"")


def _elements(value: Any) -> Any:
    """A list as a list, where a writer put each of its elements under a name: `{"list": [{"element": ...}]}`."""
    if not isinstance(value, dict) or value.keys() != {"list"} or not isinstance(value["list"], list):
        return value
    return [
        next(iter(each.values()), None) if isinstance(each, dict) and len(each) == 1 else each for each in value["list"]
    ]


def _delimiter(start: str) -> str:
    header = start.splitlines()[0] if start else ""
    return max(DELIMITERS, key=lambda mark: (header.count(mark), mark == ","))


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=_plain, separators=(",", ":")).encode("utf-8", "replace")


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
