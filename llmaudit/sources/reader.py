"""Reads a file through its source: at DuckDB's speed, and again line by line where that was not enough.

The fast path reads JSON lines with the columns that the data sheet declares. A record of which nothing
could be read comes out all null; such files alone take the slow path, which mends a byte order mark and
lone surrogates, sorts readable from unreadable, and keeps the place and the reason of every record it gives up.
"""

from __future__ import annotations

import json
import re
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.sources.base import TABLES, Source, open_bytes

BATCH_ROWS = 4_096
HEAD_BYTES = 200
FAST_RECORD_BYTES = 16 * 2**20
_LONE_SURROGATE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Refused:
    """One record nobody could read."""

    line: int | None
    reason: str
    head: str


@dataclass
class Reading:
    """What became of the records of one file: read = kept + merged + not calls + refused."""

    source: str
    rows_read: int = 0
    rows_kept: int = 0
    rows_merged: int = 0
    not_calls: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ReadOptions:
    """How a file is read: the zone of times that name none, the memory the reader may use, what the file is."""

    timezone: str = "UTC"
    memory_limit: str = "512MB"
    longest_line: int = 0
    content_hash: str = ""


def read(source: Source, path: Path, reading: Reading, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file in file order, in the source's table of `base.TABLES`; fill in `reading`."""
    with _connection(options) as con:
        if source.shape == "lines" and _reads_fast(con, source, path, options):
            _open_lines(con, source, path, options)
            yield from _rows(con, source, options, reading, None)
            return
        with tempfile.TemporaryDirectory(prefix="llmaudit-") as scratch:
            mended = Path(scratch) / "mended.jsonl"
            lines = _mend(path, mended, reading, source.shape)
            wide = ReadOptions(options.timezone, options.memory_limit, mended.stat().st_size if lines else 0)
            _open_lines(con, source, mended, wide)
            yield from _rows(con, source, options, reading, _Places(mended, lines))


def _reads_fast(con: duckdb.DuckDBPyConnection, source: Source, path: Path, options: ReadOptions) -> bool:
    """One cheap pass over the columns: does every record give something, and may every record be kept?"""
    try:
        _open_lines(con, source, path, options)
        [(unread, records)] = con.sql("select count(*) filter (where unread), count(*) from raw").fetchall()
    except duckdb.Error:
        return False
    return unread == 0 and records > 0


def _open_lines(con: duckdb.DuckDBPyConnection, source: Source, path: Path, options: ReadOptions) -> None:
    columns = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in source.columns.items())
    nothing = " and ".join(f'"{name}" is null' for name in source.columns)
    longest = max(FAST_RECORD_BYTES, int(options.longest_line * 1.05) + 1_024)
    con.execute(
        f"create or replace view raw as select row_number() over () as record, {nothing} as unread, * "
        f"from read_json({_literal(str(path))}, columns = {{{columns}}}, format = 'newline_delimited', "
        f"ignore_errors = true, maximum_object_size = {longest}, compression = {_literal(_compression(path))})"
    )


def _compression(path: Path) -> str:
    return {".gz": "gzip", ".zst": "zstd"}.get(path.suffix, "none")


def _rows(
    con: duckdb.DuckDBPyConnection, source: Source, options: ReadOptions, reading: Reading, places: _Places | None
) -> Iterator[pa.RecordBatch]:
    for batch in con.sql(_select(con, source, options)).to_arrow_reader(BATCH_ROWS):
        reading.rows_read += batch.num_rows + int(pc.sum(batch["merged"]).as_py() or 0)
        reading.rows_merged += int(pc.sum(batch["merged"]).as_py() or 0)
        kept = _sorted_out(batch, reading, places)
        reading.rows_kept += kept.num_rows
        yield kept


def _select(con: duckdb.DuckDBPyConnection, source: Source, options: ReadOptions) -> str:
    """The source's own SELECT, brought to the columns and types of its table."""
    sql = _sql(source)
    has = set(con.sql(f"select * from ({sql}) limit 0").columns)
    wanted = TABLES[source.table]
    if unknown := has - set(wanted.names):
        raise ValueError(f"{source.name}.sql gives columns that {source.table} does not have: {sorted(unknown)}")
    columns = ", ".join(
        f'{_as(field, f"{chr(34)}{field.name}{chr(34)}" if field.name in has else "null")} as "{field.name}"'
        for field in wanted
        if field.name not in _IDENTITY
    )
    shaped = f"select {columns} from ({sql})"
    if source.table != "requests":
        return shaped
    return (
        f"select *, coalesce(own_id, provider_id, left(call_key, 16)) as request_id from (select *, "
        f"{_CALL_KEY.format(source=_literal(source.name), file=_literal(options.content_hash))} as call_key from ({shaped}))"
    )


_IDENTITY = {"call_key", "request_id"}

# A provider's id names one call wherever it was logged. A log's own id does so only inside its source and together
# with time and model, since home-made ids repeat. Without either, a call is its place in the file.
_CALL_KEY = """md5(case
    when provider_id is not null then concat('provider:', provider_id)
    when own_id is not null then concat_ws('|', {source}, own_id, started_at, request_model)
    else concat_ws('|', {file}, record)
end)"""


def _as(wanted: pa.Field, value: str) -> str:
    if wanted.name == "merged":
        return f"coalesce({value}, 0)::bigint"
    return f"try_cast({value} as {_TYPES[str(wanted.type)]})"


_TYPES = {
    "int64": "bigint",
    "int32": "integer",
    "double": "double",
    "bool": "boolean",
    "string": "varchar",
    "timestamp[us]": "timestamp",
    "decimal128(38, 12)": "decimal(38, 12)",
    "list<item: string>": "varchar[]",
}


def _sorted_out(batch: pa.RecordBatch, reading: Reading, places: _Places | None) -> pa.RecordBatch:
    """Set aside what is no row, with its reason; what is left are rows."""
    kind = batch["not_call"]
    for value in pc.value_counts(kind.drop_null()).to_pylist():
        reading.not_calls[value["values"]] = reading.not_calls.get(value["values"], 0) + value["counts"]
    bad = pc.and_(pc.is_valid(batch["problem"]), pc.is_null(kind))
    if pc.any(bad).as_py():
        for row in batch.select(["record", "problem"]).filter(bad).to_pylist():
            reading.refused.append(_refusal(row["record"], row["problem"], places))
    return batch.filter(pc.and_(pc.invert(bad), pc.is_null(kind)))


def _refusal(record: int, problem: str, places: _Places | None) -> Refused:
    if places is None:
        return Refused(record, problem, "")
    return Refused(places.line(record), problem, places.head(record))


@dataclass(frozen=True)
class _Places:
    """Where the records of a mended file stood in the original."""

    mended: Path
    lines: array[int]

    def line(self, record: int) -> int:
        return self.lines[record - 1]

    def head(self, record: int) -> str:
        with self.mended.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if number == record:
                    return line[:HEAD_BYTES].decode("utf-8", errors="replace")
        return ""


def heads(path: Path, records: set[int]) -> dict[int, tuple[int, str]]:
    """Record number -> (line number, first bytes), for records of a file that the fast path read."""
    found: dict[int, tuple[int, str]] = {}
    record = 0
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            record += 1
            if record in records:
                found[record] = (number, line[:HEAD_BYTES].decode("utf-8", errors="replace"))
    return found


def _mend(path: Path, mended: Path, reading: Reading, shape: str) -> array[int]:
    """Write every readable record of `path` to `mended`, one a line; return the line each began on."""
    lines = array("q")
    with mended.open("wb") as out:
        for line, record in _documents(path, reading) if shape == "document" else _records(path, reading):
            out.write(record)
            out.write(b"\n")
            lines.append(line)
    return lines


def _records(path: Path, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """Records of a file of JSON lines, whatever its line breaks: an object may span lines, an array may hold all."""
    waiting: list[bytes] = []
    began = 1
    with open_bytes(path) as stream:
        for number, raw in enumerate(_lines(stream), 1):
            line = raw.strip(b" \t\r\n\x00")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line:
                continue
            if not waiting:
                began = number
            found = _parse(b"\n".join([*waiting, line]) if waiting else line)
            if isinstance(found, list):
                waiting = []
                for record in found:
                    yield began, record
            elif waiting and _starts_record(line) and not isinstance((alone := _parse(line)), str):
                _refuse(reading, began, _why(waiting), waiting[0])
                waiting = []
                for record in alone:
                    yield number, record
            elif _may_go_on(waiting, line):
                waiting.append(line)
            else:
                _refuse(reading, began, found, waiting[0] if waiting else line)
                waiting = []
    if waiting:
        _refuse(reading, began, _why(waiting), waiting[0])


def _lines(stream: object) -> Iterator[bytes]:
    """Lines ended by LF, CRLF or a lone CR."""
    for chunk in stream:  # type: ignore[attr-defined]
        body = chunk.rstrip(b"\r\n")
        yield from body.split(b"\r") if b"\r" in body else [chunk]


MOST_LINES_OF_A_RECORD = 20_000


def _may_go_on(waiting: list[bytes], line: bytes) -> bool:
    """An object or array that was opened on a line of its own may close on a later one."""
    if waiting:
        return len(waiting) < MOST_LINES_OF_A_RECORD
    return line in (b"{", b"[") or (line[:1] in b"{[" and line[-1:] in b",{[")


def _starts_record(line: bytes) -> bool:
    return line.startswith(b"{") and len(line) > 1


def _documents(path: Path, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """A file that is one JSON document, or several of them one a line."""
    with open_bytes(path) as stream:
        whole = stream.read().removeprefix(b"\xef\xbb\xbf")
    found = _parse(whole)
    if isinstance(found, list):
        for record in found:
            yield 1, record
        return
    yield from _records(path, reading)


def _parse(line: bytes) -> list[bytes] | str:
    """The objects in one piece of JSON, compact, or why there are none."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start + 1}"
    try:
        value = json.loads(text)
    except RecursionError:
        return "not JSON: nested too deeply"
    except ValueError as error:
        return f"not JSON: {error}"
    records = value if isinstance(value, list) else [value]
    if not all(isinstance(record, dict) for record in records):
        return f"not an object but {_kind(value)}"
    if len(records) == 1 and isinstance(value, dict) and b"\n" not in line and not _LONE_SURROGATE.search(line):
        return [line]
    return [_compact(record) for record in records]


def _compact(record: object) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub("\ufffd", text).encode()


def _why(waiting: list[bytes]) -> str:
    found = _parse(b"\n".join(waiting))
    return found if isinstance(found, str) else "not JSON"


def _kind(value: object) -> str:
    names = {str: "a string", int: "a number", float: "a number", bool: "true or false", list: "an array of other things"}
    return names.get(type(value), "null")


def _refuse(reading: Reading, line: int, reason: str, head: bytes) -> None:
    reading.rows_read += 1
    reading.refused.append(Refused(line, reason, head[:HEAD_BYTES].decode("utf-8", errors="replace")))


@contextmanager
def _connection(options: ReadOptions) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect()
    try:
        con.execute("set TimeZone = ?", [options.timezone])
        con.execute("set memory_limit = ?", [options.memory_limit])
        con.execute("set preserve_insertion_order = true")
        con.execute(files(__package__).joinpath("bodies.sql").read_text("utf-8"))
        yield con
    finally:
        con.close()


@cache
def _sql_text(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.sql").read_text("utf-8").strip().rstrip(";")


def _sql(source: Source) -> str:
    return _sql_text(type(source).__module__.rpartition(".")[0], source.name)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
