"""The owners file: whose calls are, where the log does not say. A table of labels by key, project, user or endpoint, dated."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from llmaudit import schema
from llmaudit.errors import AuditError, UnknownName

OWNERS = pa.schema(
    [
        *(schema.REQUESTS.field(name) for name in ("api_key_id", "project", "user_id", "endpoint")),
        *(schema.REQUESTS.field(name) for name in ("team", "cost_centre", "environment")),
        ("valid_from", schema.TIME),
        ("names", pa.int64()),
        ("line", pa.int64()),
    ]
)
"""names: how many of the first four a line names. line: where it stands in the file."""

SPELLINGS = {
    "key": "api_key_id",
    "api_key": "api_key_id",
    "api_key_id": "api_key_id",
    "project": "project",
    "user": "user_id",
    "user_id": "user_id",
    "endpoint": "endpoint",
    "team": "team",
    "cost_centre": "cost_centre",
    "cost_center": "cost_centre",
    "environment": "environment",
    "valid_from": "valid_from",
}
WHOSE = ("api_key_id", "project", "user_id", "endpoint")
LABELS = ("team", "cost_centre", "environment")
ALWAYS = datetime(1, 1, 2)  # noqa: DTZ001 - the lake keeps UTC bare


@dataclass(frozen=True)
class _Line:
    number: int
    cells: Mapping[str, str]
    valid_from: datetime

    @property
    def whose(self) -> tuple[str | None, ...]:
        return tuple(self.cells.get(name) for name in WHOSE)


def load(path: Path | None, zone: ZoneInfo, key_name: Callable[[str], str]) -> pa.Table:
    """The lines of an owners file; none without one. Raises AuditError naming the file, the line and what is wrong.

    `key_name` gives an API key the name that the lake has for it.
    """
    if path is None:
        return OWNERS.empty_table()
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for line in _lines(path, zone):
        same = seen.setdefault((*line.whose, line.valid_from), line.number)
        if same != line.number:
            raise AuditError(
                f"{path} lines {same} and {line.number} name the same calls from the same day. "
                "Delete one, or give it a later valid_from."
            )
        row = {**line.cells, "valid_from": line.valid_from, "line": line.number}
        row["names"] = sum(name is not None for name in line.whose)
        rows.append(row | ({"api_key_id": key_name(line.cells["api_key_id"])} if "api_key_id" in line.cells else {}))
    return pa.Table.from_pylist(rows, schema=OWNERS)


def _lines(path: Path, zone: ZoneInfo) -> Iterator[_Line]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = _header(path, next(rows, []))
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    yield _line(path, rows.line_num, header, cells, zone)
    except OSError as error:
        raise AuditError(f"owners file {path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise AuditError(f"owners file {path}: it is not UTF-8 text. Save it as UTF-8.") from error


def _header(path: Path, cells: list[str]) -> list[str]:
    said = [cell.strip().lower().replace(" ", "_") for cell in cells]
    for name in said:
        if name not in SPELLINGS:
            raise UnknownName(f"column in {path}", name, SPELLINGS)
    header = [SPELLINGS[name] for name in said]
    if not set(header) & set(WHOSE) or not set(header) & set(LABELS):
        raise AuditError(
            f"{path}: an owners file needs a column of key, project, user or endpoint, and one of team, cost_centre or environment."
        )
    if len(set(header)) < len(header):
        raise AuditError(f"{path}: two columns mean the same: {', '.join(said)}.")
    return header


def _line(path: Path, number: int, header: list[str], cells: list[str], zone: ZoneInfo) -> _Line:
    where = f"{path} line {number}"
    if len(cells) > len(header):
        raise AuditError(f"{where}: {len(cells)} cells under {len(header)} headings.")
    said = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
    day = said.pop("valid_from", None)
    if not set(said) & set(WHOSE):
        raise AuditError(
            f"{where} names no key, project, user or endpoint: it would own every call. Name at least one."
        )
    if not set(said) & set(LABELS):
        raise AuditError(
            f"{where} gives no team, cost_centre or environment: it says nothing. Fill one in or delete it."
        )
    return _Line(number, said, _start(where, day, zone))


def _start(where: str, day: str | None, zone: ZoneInfo) -> datetime:
    if day is None:
        return ALWAYS
    try:
        first = date.fromisoformat(day)
        local = datetime(first.year, first.month, first.day, tzinfo=zone)
        return local.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise AuditError(f"{where}: valid_from = {day!r} is no day such as 2026-10-01.") from None
