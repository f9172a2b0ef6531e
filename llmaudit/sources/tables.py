"""Bills that come as tables: CSV and Parquet, brought to the JSON lines that everything else reads.

Cells travel as text, by the names in the header, so that a column that is missing, moved or new harms nothing.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
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


def csv_records(path: Path, refuse: Refuse, wanted: Collection[str] = ()) -> Records:
    """Line number and JSON object of every row. A row with more cells than the header is refused; empty cells are null.

    A cell stands under its heading as written, in lower case and, whatever case a tool writes headings in, as `wanted` spells it.
    """
    spelled = {name.lower(): name for name in wanted}
    rows = csv_rows(path)
    header = [name.strip() for name in next(rows, (1, Row([])))[1]]
    for began, row in rows:
        if row.torn and len(row) < len(header):
            refuse(began, f"the file breaks off: {len(row)} cells under {len(header)} headings", _line(row))
        elif len(row) > len(header) and any(row[len(header) :]):
            refuse(began, f"{len(row)} cells under {len(header)} headings", _line(row))
        elif any(row):
            cells = {name: cell for name, cell in zip(header, row, strict=False) if cell}
            lower = {name.lower(): cell for name, cell in cells.items()}
            yield began, _line(cells | lower | {spelled[name]: cell for name, cell in lower.items() if name in spelled})


class Row(list[str]):
    """Cells as written; what holds nothing is empty. `torn` where the file ends in the row, before the end of the line."""

    torn = False


def csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Line number and cells of every row, header and all. Blanks and words for nothing are empty, decimal commas are points."""
    csv.field_size_limit(LONGEST_CELL)
    with open_text(path) as text:
        start = text.read(SNIFFED_BYTES)
        text.seek(0)
        delimiter = _delimiter(start)
        plain = _with_points if _has_decimal_commas(start, delimiter) else str
        lines = _Told(text)
        rows = csv.reader(lines, delimiter=delimiter, strict=False)
        began = 1
        for cells in rows:
            row = Row("" if cell.strip() in NOTHING else plain(cell) for cell in cells)
            row.torn = not lines.ended
            yield began, row
            began = rows.line_num + 1


class _Told:
    """Lines of a text; `ended` says whether the last one had its line break."""

    def __init__(self, text: Iterable[str]) -> None:
        self._lines = iter(text)
        self.ended = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.ended = line.endswith(("\n", "\r"))
        return line


NOTHING = {"", "NULL", "null", "\\N"}
"""What stands in a cell that holds nothing; databases have words for it."""

_THOUSANDS = r"[+-]?[1-9]\d{0,2}(?:%s\d{3})+"
_COMMA_DECIMAL = re.compile(rf"{_THOUSANDS % '[.]'},\d+|[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_POINT_DECIMAL = re.compile(rf"{_THOUSANDS % ','}[.]\d+|[+-]?\d*[.]\d+(?:[eE][+-]?\d+)?")
_COMMA_THOUSANDS, _POINT_THOUSANDS = re.compile(_THOUSANDS % ","), re.compile(_THOUSANDS % "[.]")


def _has_decimal_commas(start: str, delimiter: str) -> bool:
    """Whether a table, of which this is the start, writes 1.234,50 for what others write 1,234.50.

    Where a comma divides the cells it does not divide numbers. One number that must have a decimal comma, and none that must
    have a decimal point, settle it: 1,234 alone may be either.
    """
    if delimiter == ",":
        return False
    rows = csv.reader(io.StringIO(start), delimiter=delimiter, strict=False)
    cells = {cell.strip() for row in islice(rows, 1, None) for cell in row}
    return _any_is(_COMMA_DECIMAL, cells, _COMMA_THOUSANDS) and not _any_is(_POINT_DECIMAL, cells, _POINT_THOUSANDS)


def _any_is(number: re.Pattern[str], cells: Iterable[str], unless: re.Pattern[str]) -> bool:
    return any(number.fullmatch(cell) and not unless.fullmatch(cell) for cell in cells)


def _with_points(cell: str) -> str:
    """The cell with a decimal point, where it is a number with a decimal comma.

    >>> _with_points("1.234,50"), _with_points(" 0,072 "), _with_points("1.234"), _with_points("31.10.2026")
    ('1234.50', '0.072', '1234', '31.10.2026')
    """
    number = cell.strip()
    if _COMMA_DECIMAL.fullmatch(number):
        return number.replace(".", "").replace(",", ".")
    return number.replace(".", "") if _POINT_THOUSANDS.fullmatch(number) else cell


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
