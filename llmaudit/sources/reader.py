"""Reads a file through its source: at DuckDB's speed, and again line by line where that was not enough.

The fast path reads JSON lines with the columns that the data sheet declares. A record of which nothing
could be read comes out all null; such files alone take the slow path, which mends a byte order mark and
lone surrogates, sorts readable from unreadable, and keeps the place and the reason of every record it gives up.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import tempfile
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources import files
from itertools import accumulate, dropwhile, islice
from pathlib import Path
from typing import IO, Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.engine.duckdb import MOST_OF_MEMORY, memory_bytes
from llmaudit.errors import AuditError
from llmaudit.sources import tables
from llmaudit.sources.ahead import Ahead
from llmaudit.sources.base import TABLES, UTF_16_MARKS, Refuse, Source, open_bytes
from llmaudit.sources.mapped import nowhere

BATCH_ROWS = 4_096
HEAD_BYTES = 200
FAST_RECORD_BYTES = 16 * 2**20
MOST_LINES_OF_A_RECORD = 20_000
COPIES_OF_A_LONG_LINE = 60
SMALL_FILE_BYTES = 64 * 2**20
RECORD_BITS = 32
FIRST_RECORD = 2**RECORD_BITS
"""Where several files are read as one, the upper half of a record's number says which file it is of."""
_BREAKS_OFF = (EOFError, OSError, zlib.error)
Rows = tuple[npt.NDArray[np.int64], pa.RecordBatch]
"""A batch, and the number of the file that each of its rows is of."""


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
    memory_limit: str = "1GB"
    longest_line: int = 0
    content_hash: str = ""
    named: bool = False
    """Whether the user named the file: then what is said of it has to hold."""


def read(source: Source, path: Path, reading: Reading, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one file in file order, in the source's table of `base.TABLES`; fill in `reading`."""
    with _connection(options) as con, _says_what_needs_room(con, str(path)):
        _make_room(con, options, options.longest_line)
        if source.shape == "lines" and _reads_fast(con, source, path, options.longest_line):
            yield from _rows(con, source, options, reading, None)
            return
        with tempfile.TemporaryDirectory(prefix="llmaudit-") as scratch:
            mended = _mend(path, Path(scratch) / "mended.jsonl", reading, source)
            _make_room(con, options, mended.longest)
            _open_lines(con, source, mended.path, mended.longest)
            yield from _rows(con, source, options, reading, mended)


def read_together(source: Source, files: Sequence[tuple[Path, Reading, ReadOptions]]) -> Iterator[Rows]:
    """The rows of several files, each with the number of its file in `files`.

    Planning a source's SELECT takes longer than reading a small file, so small files go through it as one table.
    A file of which a record could not be read at once is read again by itself.
    """
    names = ", ".join(str(path) for path, _, _ in files)
    with _connection(files[0][2]) as con, _says_what_needs_room(con, names):
        longest = max(options.longest_line for _, _, options in files)
        _make_room(con, files[0][2], longest)
        if source.kept:
            con.execute("set threads = 1")
        whole = _open_together(con, source, [path for path, _, _ in files], longest)
        if whole:
            refused: list[tuple[int, int, str]] = []
            readings = [reading for _, reading, _ in files]
            for batch in _fetched(con, _select(con, source, *[each for _, _, each in files])):
                numbers, rows = _sorted_out(*_by_file(batch), readings, refused)
                yield numbers, rows.select(TABLES[source.table].names)
            for file, at, reason in refused:
                readings[file].refused.append(Refused(at, reason, ""))
        _close_lines(con)
    for file in sorted({*range(len(files))} - whole):
        yield from ((np.full(len(batch), file), batch) for batch in read(source, *files[file]))


def fits_together(source: Source, path: Path) -> bool:
    """Whether a file is one of the small plain ones that `read_together` is for."""
    return (
        source.shape == "lines"
        and not source.made
        and _compression(path) == "none"
        and path.stat().st_size <= SMALL_FILE_BYTES
    )


def _open_together(
    con: duckdb.DuckDBPyConnection, source: Source, paths: Sequence[Path], longest_line: int
) -> set[int]:
    """Make `raw` the records of all files that can be read at once, one file after the other; return which those are."""
    if source.kept:
        return _hold(con, source, paths, longest_line)
    all_json = _json(source, paths, longest_line)
    looked = (
        f"select file_index, count(*), count(*) filter (where {_all_null(_plain(source))}), bool_or({_is_foreign(source)}) "
        f"from {all_json} group by file_index order by file_index"
    )
    unread = f"select distinct file_index from {all_json} where {_all_null(source.columns)}"
    try:
        found = con.sql(looked).fetchall()
        bad = {file for (file,) in con.sql(unread).fetchall()} if any(silent for *_, silent, _ in found) else set()
    except duckdb.Error:
        return set()
    whole = [(file, records, foreign) for file, records, _, foreign in found if file not in bad]
    if not whole:
        return set()
    numbers = [file for file, _, _ in whole]
    before = list(accumulate((records for _, records, _ in whole), initial=0))[:-1]
    places = [FIRST_RECORD * file - start for file, start in zip(numbers, before, strict=True)]
    _close_lines(con)
    con.execute(
        f"create view raw as select {places}[file_index::bigint + 1] + row_number() over () as record, false as unread, * "
        f"from {_json(source, [paths[file] for file in numbers], longest_line)}"
    )
    if source.pages:
        _leaf_through(con, source)
    if any(foreign for _, _, foreign in whole):
        _in_one_language(con, source)
    return set(numbers)


def _hold(con: duckdb.DuckDBPyConnection, source: Source, paths: Sequence[Path], longest_line: int) -> set[int]:
    """The same for a source that needs little of each record: that little is held, so the files are parsed once."""
    _close_lines(con)
    try:
        con.execute(f"create table held as {_folded(source, paths, longest_line)}")
    except duckdb.Error:
        return set()
    found = con.sql("select file, min(number), bool_or(unread) from held group by file").fetchall()
    places = [0] * len(paths)
    for file, first, _ in found:
        places[file] = FIRST_RECORD * file - first + 1
    whole = {file for file, _, is_bad in found if not is_bad}
    con.execute(
        f"create view raw as select {places}[file + 1] + number as record, * exclude (file, number) from held "
        f"where list_contains({sorted(whole)}::bigint[], file)"
    )
    return whole


def _folded(source: Source, paths: Sequence[Path], longest_line: int) -> str:
    """SELECT: a row for the records of a file that are one, in their order. What agrees with no other is one by itself."""
    seen, told = _named(source.kept), _named(source.folded)
    names = ", ".join(f'"{name}"' for name in source.one)
    return (
        f"select file, min(number) as number, count(*) - 1 as merged, bool_or(unread) as unread, {names}, {told} "
        f"from (select *, case when unread or ({_all_null(source.one)}) then number end as alone "
        f"from (select file, number, unread, {seen} from (select *, file_index::bigint as file, row_number() over () as number, "
        f"{_all_null(source.columns)} as unread from {_json(source, paths, longest_line)}))) "
        f"group by file, alone, {names} order by 2"
    )


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f'{value} as "{name}"' for name, value in columns.items())


def _by_file(batch: pa.RecordBatch) -> Rows:
    files: npt.NDArray[np.int64] = pc.shift_right(batch["record"], RECORD_BITS).to_numpy(zero_copy_only=False)
    for column in ("record", _DOCUMENT):
        at = batch.schema.get_field_index(column)
        batch = batch.set_column(at, batch.schema.field(at), pc.bit_wise_and(batch[column], FIRST_RECORD - 1))
    return files, batch


def _make_room(con: duckdb.DuckDBPyConnection, options: ReadOptions, longest_line: int) -> None:
    """Lift the memory limit for a file with very long lines: several copies of one must fit, for each thread."""
    con.execute("set memory_limit = ?", [options.memory_limit])
    if longest_line > FAST_RECORD_BYTES:
        megabytes = COPIES_OF_A_LONG_LINE * longest_line // 10**6
        con.execute("set threads = 1")
        con.execute("set memory_limit = ?", [f"{max(megabytes, 512)}MB"])
    else:
        con.execute("reset threads")


def _reads_fast(con: duckdb.DuckDBPyConnection, source: Source, path: Path, longest_line: int) -> bool:
    """Make one cheap pass over the columns: whether every record gives something, so that every record may be kept.

    What the same pass tells of the bodies' languages is made use of at once.
    """
    is_foreign = "false" if source.made else _is_foreign(source)
    silent = "unread" if source.kept else _all_null(_plain(source))
    try:
        _open_lines(con, source, path, longest_line)
        [(silent, records, foreign)] = con.sql(
            f"select count(*) filter (where {silent}), count(*), bool_or({is_foreign}) from raw"
        ).fetchall()
        if silent:
            [(silent,)] = con.sql("select count(*) filter (where unread) from raw").fetchall()
    except duckdb.Error:
        return False
    if foreign:
        _in_one_language(con, source)
    return bool(silent == 0 and records > 0)


def _open_lines(con: duckdb.DuckDBPyConnection, source: Source, path: Path, longest_line: int) -> None:
    _close_lines(con)
    if source.kept:
        con.execute(f"create table held as {_folded(source, [path], longest_line)}")
        con.execute("create view raw as select number as record, * exclude (file, number) from held")
        return
    con.execute(
        f"create view raw as select row_number() over () as record, {_all_null(source.columns)} as unread, * "
        f"from {_json(source, [path], longest_line)}"
    )
    if source.pages:
        _leaf_through(con, source)


def _leaf_through(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Make `raw` the records on the pages. A page has ten thousand at most: numbered by that they need not be sorted."""
    plain = [name for name in source.columns if name != source.pages]
    shape = ", ".join(f'"{name}": "{source.columns[name]}"' for name in plain)
    itself = ", ".join(f'"{name}" := "{name}"' for name in plain)
    con.execute("alter view raw rename to pages")
    con.execute(
        f"create view raw as select case when is_page then record + (record - (record >> {RECORD_BITS} << {RECORD_BITS}) - 1) * 9999 + nth - 1 "
        f'else record end as record, record as document, unread, case when is_page and found is null then page end as "{source.pages}", unnest(found) '
        f"from (select record, unread, page, is_page, generate_subscripts(on_it, 1) as nth, unnest(on_it) as found "
        f"""from (select record, unread, "{source.pages}" as page, coalesce(json_type("{source.pages}") = 'ARRAY', false) as is_page, """
        f"case when is_page then coalesce(nullif(from_json(page, {_literal(f'[{{{shape}}}]')}), []), [null]) "
        f"else [struct_pack({itself})] end as on_it from pages))"
    )


def _close_lines(con: duckdb.DuckDBPyConnection) -> None:
    for view in ("raw", "records", "own_words", "file_columns", "pages"):
        con.execute(f"drop view if exists {view}")
    con.execute("drop table if exists held")


def _looked_up(con: duckdb.DuckDBPyConnection, source: Source, options: ReadOptions, reading: Reading) -> None:
    """Make `raw` the columns that a user's paths lead to, and say which of them lead nowhere."""
    fields = list(nowhere(source))
    counts = ", ".join(["count(*)", *(f"count({found})" for _, _, found in fields)])
    [(records, *found)] = con.sql(f"select {counts} from raw").fetchall()
    for (name, path, _), hits in zip(fields, found, strict=True):
        if hits or not records:
            continue
        if name == "started_at" and options.named:
            raise AuditError(
                f"[sources.{source.name}]: none of the {records:,} records has a time at {path!r}. Correct started_at, "
                "or the files that the table is for."
            )
        reading.warnings.append(
            ("path_not_found", f"[sources.{source.name}]: {name} = {path!r} is in none of {records:,} records.")
        )
    con.execute("alter view raw rename to file_columns")
    con.execute(f"create view raw as select record, unread, {_named(source.made)} from file_columns")


def _is_foreign(source: Source) -> str:
    """Condition: whether a record holds bodies of another make than OpenAI's and Anthropic's."""
    if source.bodies is None:
        return "false"
    asked, answered = source.bodies
    on_a_page = f' or asks_foreign("{source.pages}") or answers_foreign("{source.pages}")' if source.pages else ""
    return f'asks_foreign("{asked}") or answers_foreign("{answered}"){on_a_page}'


def _hold_foreign(con: duckdb.DuckDBPyConnection, source: Source) -> bool:
    return source.bodies is not None and bool(
        con.sql(f"select 1 from raw where {_is_foreign(source)} limit 1").fetchall()
    )


def _in_one_language(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Bring the bodies of `raw` to OpenAI's words. Planning that takes long, so only where some are of another make."""
    assert source.bodies is not None
    own = {name: word for name, word in zip(source.bodies, ("request", "response"), strict=True) if name != word}
    con.execute("alter view raw rename to own_words")
    # Inside a macro DuckDB finds what a lambda captures by its name in the table.
    named = "".join(f', "{name}" as {word}' for name, word in own.items())
    con.execute(f"create view records as select *{named} from own_words")
    asked, answered = source.bodies
    told = f'as_openai_request(request) as "{asked}", as_openai_response(response) as "{answered}"'
    left = f" exclude ({', '.join(own.values())})" if own else ""
    con.execute(f"create view raw as select *{left} replace ({told}) from records")


def _json(source: Source, paths: Sequence[Path], longest_line: int) -> str:
    """Table function for the records of files of one compression, with the columns that the data sheet declares."""
    names = ", ".join(_literal(str(path)) for path in paths)
    columns = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in source.columns.items())
    longest = max(FAST_RECORD_BYTES, int(longest_line * 1.05) + 1_024)
    return (
        f"read_json([{names}], columns = {{{columns}}}, format = 'newline_delimited', "
        f"ignore_errors = true, maximum_object_size = {longest}, compression = {_literal(_compression(paths[0]))})"
    )


def _plain(source: Source) -> list[str]:
    """Columns that cost little to look at. A record that gives none of them may still give another."""
    return [name for name, kind in source.columns.items() if kind == "VARCHAR"] or list(source.columns)


def _all_null(columns: Iterable[str]) -> str:
    return " and ".join(f'"{name}" is null' for name in columns)


def _compression(path: Path) -> str:
    return {".gz": "gzip", ".zst": "zstd"}.get(path.suffix, "none")


def _rows(
    con: duckdb.DuckDBPyConnection, source: Source, options: ReadOptions, reading: Reading, mended: _Mended | None
) -> Iterator[pa.RecordBatch]:
    if source.made:
        _looked_up(con, source, options, reading)
    if (source.made or mended) and _hold_foreign(con, source):
        _in_one_language(con, source)
    refused: list[tuple[int, int, str]] = []
    with closing(Ahead(_fetched(con, _select(con, source, options)))) as batches:
        for batch in batches:
            _, kept = _sorted_out(np.zeros(len(batch), np.int64), batch, [reading], refused)
            yield kept.select(TABLES[source.table].names)
    found = [(at, reason) for _, at, reason in refused]
    reading.refused += mended.refusals(found) if mended else [Refused(at, reason, "") for at, reason in found]


def _fetched(con: duckdb.DuckDBPyConnection, sql: str) -> Iterator[pa.RecordBatch]:
    """The rows in their order. Where memory does not suffice they are asked for again with more, from the first not yet given.

    DuckDB's JSON functions hold a text a dozen times over, for two thousand records at once: long prompts take gigabytes.
    """
    given = 0
    while True:
        try:
            for batch in _from(given, con.sql(sql).to_arrow_reader(BATCH_ROWS)):
                given += len(batch)
                yield batch
        except duckdb.OutOfMemoryException:
            if not _more_room(con):
                raise
        else:
            return


def _from(row: int, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if row < len(batch):
            yield batch.slice(row)
        row = max(row - len(batch), 0)


def _more_room(con: duckdb.DuckDBPyConnection) -> bool:
    """Twice the memory, for one thread; False where the machine does not have it."""
    [(now,)] = con.execute("select parse_formatted_bytes(current_setting('memory_limit'))").fetchall()
    if 2 * now > MOST_OF_MEMORY * memory_bytes():
        return False
    con.execute("set threads = 1")
    con.execute("set memory_limit = ?", [f"{2 * now}B"])
    return True


@contextmanager
def _says_what_needs_room(con: duckdb.DuckDBPyConnection, names: str) -> Iterator[None]:
    """Where even the most memory that may be taken does not suffice, name the files and what can be done."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        [(limit,)] = con.execute("select current_setting('memory_limit')").fetchall()
        raise AuditError(
            f"{names}: reading this needs more memory than {limit}; the reader takes up to {MOST_OF_MEMORY:.0%} of the "
            f"machine's {memory_bytes() / 2**30:.1f} GiB. Cut it into files of some hundred records each, or read it on a "
            "larger machine."
        ) from error


def _select(con: duckdb.DuckDBPyConnection, source: Source, *options: ReadOptions) -> str:
    """The source's own SELECT, brought to the columns and types of its table."""
    sql = _sql(source)
    has = _columns(con, source)
    wanted = TABLES[source.table]
    columns = ", ".join(
        f'{_as(field, f"{chr(34)}{field.name}{chr(34)}" if field.name in has else "null")} as "{field.name}"'
        for field in wanted
        if field.name not in _IDENTITY
    )
    document = _DOCUMENT if _DOCUMENT in has else "record"
    shaped = f"select {columns}, {document} as {_DOCUMENT} from ({sql})"
    if source.table != "requests":
        return shaped
    hashes = ", ".join(_literal(each.content_hash) for each in options)
    return (
        f"select *, coalesce(own_id, provider_id, left(call_key, 16)) as request_id from (select *, "
        f"{_CALL_KEY.format(source=_literal(source.name), files=hashes, bits=RECORD_BITS, mask=FIRST_RECORD - 1)} as call_key from ({shaped}))"
    )


_IDENTITY = {"call_key", "request_id"}
_DOCUMENT = "document"
"""Which line or document of the file a row stood in, where that is not its record number."""

_COLUMNS: dict[str, frozenset[str]] = {}


def _columns(con: duckdb.DuckDBPyConnection, source: Source) -> frozenset[str]:
    """The columns that the source's SELECT gives; asked once, since asking means planning it."""
    if source.name not in _COLUMNS:
        has = frozenset(con.sql(f"select * from ({_sql(source)}) limit 0").columns)
        if unknown := has - {*TABLES[source.table].names, _DOCUMENT}:
            raise ValueError(f"{source.name}.sql gives columns that {source.table} does not have: {sorted(unknown)}")
        _COLUMNS[source.name] = has
    return _COLUMNS[source.name]


# A provider's id names one call wherever it was logged. A log's own id does so only inside its source and together
# with time and model, since home-made ids repeat. Without either, a call is its place in the file.
_CALL_KEY = """md5(case
    when provider_id is not null then concat('provider:', provider_id)
    when own_id is not null then concat_ws('|', {source}, own_id, started_at, request_model)
    else concat_ws('|', [{files}][1 + (record >> {bits})], record & {mask})
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


def _sorted_out(
    files: npt.NDArray[np.int64],
    batch: pa.RecordBatch,
    readings: Sequence[Reading],
    refused: list[tuple[int, int, str]],
) -> Rows:
    """Set aside what is no row, with its reason; what is left are rows. Each is counted in the reading of its file.

    `merged` counts further records that a row stands for: of the same call or, where it is no call, of the same kind.
    """
    is_call = pc.is_null(batch["not_call"])
    bad = pc.and_(is_call, pc.is_valid(batch["problem"]))
    kept = pc.and_(is_call, pc.invert(bad))
    merged: npt.NDArray[np.int64] = batch["merged"].to_numpy(zero_copy_only=False)
    calls, rows = (flags.to_numpy(zero_copy_only=False) for flags in (is_call, kept))
    for file in np.unique(files).tolist():
        here = files == file
        reading = readings[file]
        reading.rows_read += int(here.sum() + merged[here].sum())
        reading.rows_merged += int(merged[here & calls].sum())
        reading.rows_kept += int((here & rows).sum())
    if pc.all(kept).as_py():
        return files, batch
    for file, row in zip(files[~calls].tolist(), _words_of(batch, pc.invert(is_call)), strict=True):
        counts = readings[file].not_calls
        counts[row["not_call"]] = counts.get(row["not_call"], 0) + 1 + row["merged"]
    of_bad = files[bad.to_numpy(zero_copy_only=False)].tolist()
    refused += [(file, r[_DOCUMENT], r["problem"]) for file, r in zip(of_bad, _words_of(batch, bad), strict=True)]
    return files[rows], batch.filter(kept)


def _words_of(batch: pa.RecordBatch, chosen: pa.Array) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = batch.select(["not_call", "merged", "problem", _DOCUMENT]).filter(chosen).to_pylist()
    return found


def heads(path: Path, records: set[int]) -> dict[int, tuple[int, str]]:
    """Record number -> (line number, first bytes), for records of a file that the fast path read."""
    found: dict[int, tuple[int, str]] = {}
    record = 0
    with suppress(*_BREAKS_OFF), _open(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            record += 1
            if record in records:
                found[record] = (number, _head(line))
    return found


@dataclass(frozen=True)
class _Mended:
    """The readable records of a file, one a line, and where each began in the original."""

    path: Path
    lines: array[int]
    longest: int

    def refusals(self, refused: list[tuple[int, str]]) -> list[Refused]:
        wanted = {record for record, _ in refused}
        with self.path.open("rb") as stream:
            found = {n: _head(line) for n, line in enumerate(islice(stream, max(wanted, default=0)), 1) if n in wanted}
        return [Refused(self.lines[record - 1], reason, found[record]) for record, reason in refused]


def _mend(path: Path, mended: Path, reading: Reading, source: Source) -> _Mended:
    """Write every readable record of `path` to `mended`, one a line, otherwise as it was."""
    lines = array("q")
    longest = 0
    with mended.open("wb") as out:
        for line, record in _shaped(source)(path, reading):
            out.write(record + b"\n")
            lines.append(line)
            longest = max(longest, len(record))
    return _Mended(mended, lines, longest)


def _documents(path: Path, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """Records of a file that is one JSON document, or several of them."""
    try:
        with _open(path) as stream:
            records, rest = _objects(1, stream.read().removeprefix(_BOM).rstrip(_BLANKS))
    except _BREAKS_OFF:
        records, rest = [], b"?"
    yield from _records(path, reading) if rest else records


def _records(path: Path, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """Records of a file of JSON, whatever its line breaks: an object may span lines, a line may hold several.

    Between objects, commas and square brackets say nothing, so that an array of records reads like lines of them.
    """
    with _open(path) as stream:
        lines = _Lines(stream, reading)
        for line in lines:
            records, rest = _objects(line.number, line.text)
            yield from records
            if rest.startswith(b"{") and not _Shape.of(rest).torn:
                yield from _over_lines(_Line(line.number, line.indent, rest), lines, reading)
            elif rest:
                _refuse(reading, line.number, _why(rest if records else line.text), rest)


def _over_lines(first: _Line, lines: _Lines, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """The object that `first` opens and later lines close. If none does, `first` is given up and the others read anew."""
    held = [first]
    depth = _Shape.of(first.text).change
    for line in lines:
        held.append(line)
        shape = _Shape.of(line.text)
        if shape.torn or len(held) > MOST_LINES_OF_A_RECORD or _alike(first.text, line.text):
            break
        if depth + shape.lowest <= 0:
            records, rest = _objects(first.number, b"\n".join(each.text for each in held))
            if not records:
                break
            yield from records
            if rest:
                lines.again([_Line(line.number, line.indent, rest)])
            return
        depth += shape.change
    _refuse(reading, first.number, _why(b"\n".join(each.text for each in held)), first.text)
    inside = dropwhile(lambda each: each.indent > first.indent or not each.text.startswith(b"{"), held[1:])
    lines.again(list(inside))


_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n\x00"


@dataclass(frozen=True)
class _Line:
    number: int
    indent: int
    text: bytes


class _Lines:
    """Lines that hold something, ended by LF, CRLF or a lone CR. Those held in vain can be had again."""

    def __init__(self, stream: IO[bytes], reading: Reading) -> None:
        self._fresh = self._read(stream, reading)
        self._again: deque[_Line] = deque()

    def __iter__(self) -> Iterator[_Line]:
        return self

    def __next__(self) -> _Line:
        return self._again.popleft() if self._again else next(self._fresh)

    def again(self, lines: list[_Line]) -> None:
        self._again.extendleft(reversed(lines))

    @staticmethod
    def _read(stream: IO[bytes], reading: Reading) -> Iterator[_Line]:
        number = 0
        try:
            for chunk in stream:
                for raw in chunk.rstrip(b"\r\n").split(b"\r"):
                    number += 1
                    text = raw.removeprefix(_BOM).strip(_BLANKS)
                    if text:
                        yield _Line(number, len(raw) - len(raw.lstrip()), text)
        except _BREAKS_OFF as error:
            _refuse(reading, number + 1, f"the file breaks off: {error}", b"")


@dataclass(frozen=True)
class _Shape:
    """What a line opens and closes. `torn` if it ends inside a string, which no later line can mend."""

    change: int
    lowest: int
    torn: bool

    @classmethod
    def of(cls, line: bytes) -> _Shape:
        bare = _STRING.sub(b"", line)
        depth = lowest = 0
        for bracket in _BRACKET.findall(bare):
            depth += 1 if bracket in b"{[" else -1
            lowest = min(lowest, depth)
        return cls(depth, lowest, b'"' in bare)


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[{}\[\]]")
_FIRST_KEY = re.compile(rb'\{\s*"(?:[^"\\]|\\.)*"\s*:')
_BETWEEN = re.compile(r"[\s,\[\]]*")
_DECODER = json.JSONDecoder()


def _alike(first: bytes, line: bytes) -> bool:
    """Whether `line` starts with the key that `first` starts with: then it is the next record, not a part of this one."""
    key = _FIRST_KEY.match(first)
    return key is not None and line.startswith(key[0])


def _objects(number: int, data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The objects that `data` starts with, each with its line, and what is left when no further one follows."""
    records: list[tuple[int, bytes]] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return records, data
    at = _after(_BETWEEN, text, 0)
    while text.startswith("{", at):
        try:
            _, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        records.append((number + text.count("\n", 0, at), _on_one_line(text[at:end].encode())))
        at = _after(_BETWEEN, text, end)
    return records, text[at:].encode()


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _on_one_line(record: bytes) -> bytes:
    """The same object in one line, as it was but for halves of surrogate pairs, which no UTF-8 can hold."""
    record = record.replace(b"\r", b" ").replace(b"\n", b" ")
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], record) if b"\\u" in record else record


_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.")


def _why(data: bytes) -> str:
    """Why there is no object in this."""
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start + 1}"
    except RecursionError:
        return "not JSON: nested too deeply"
    except ValueError as error:
        return f"not JSON: {error}"
    return f"not an object but {_KINDS.get(type(value), 'null')}"


_KINDS = {str: "a string", int: "a number", float: "a number", bool: "true or false", list: "an array of other things"}


def _open(path: Path) -> IO[bytes]:
    """The content as UTF-8: what begins with the mark of UTF-16 is brought to it."""
    opened = open_bytes(path)
    stream = opened if isinstance(opened, io.BufferedReader) else io.BufferedReader(opened)  # type: ignore[type-var]
    if stream.peek(2)[:2] not in UTF_16_MARKS:
        return stream
    recoder: IO[bytes] = codecs.EncodedFile(stream, "utf-8", "utf-16", errors="replace")
    return recoder


def _refuse(reading: Reading, line: int, reason: str, record: bytes) -> None:
    reading.rows_read += 1
    reading.refused.append(Refused(line, reason, _head(record)))


def _head(record: bytes) -> str:
    return record[:HEAD_BYTES].decode("utf-8", errors="replace")


def _table(read_table: Callable[[Path, Refuse], tables.Records]) -> _Shaped:
    return lambda path, reading: read_table(path, partial(_refuse, reading))


def _shaped(source: Source) -> _Shaped:
    if source.shape == "parquet":
        return _table(partial(tables.parquet_records, wanted=source.columns.keys()))
    if source.shape == "own":
        return _table(source.records)
    if source.shape == "csv":
        return _table(partial(tables.csv_records, wanted=source.columns.keys()))
    return _SHAPES[source.shape]


_Shaped = Callable[[Path, Reading], Iterator[tuple[int, bytes]]]
_SHAPES: dict[str, _Shaped] = {
    "lines": _records,
    "document": _documents,
}

_IDLE: dict[int, list[duckdb.DuckDBPyConnection]] = {}
"""Connections with their macros, by process: a folder of small files would pay for each anew."""


@contextmanager
def _connection(options: ReadOptions) -> Iterator[duckdb.DuckDBPyConnection]:
    idle = _IDLE.setdefault(os.getpid(), [])
    con = idle.pop() if idle else _connect()
    con.execute("set TimeZone = ?", [options.timezone])
    try:
        yield con
    except BaseException:
        con.close()
        raise
    idle.append(con)


def _connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set preserve_insertion_order = true")
    for macros in sorted(file.name for file in files(__package__).iterdir() if file.name.startswith("bodies")):
        con.execute(files(__package__).joinpath(macros).read_text("utf-8"))
    return con


@cache
def _sql_text(package: str, name: str) -> str:
    return files(package).joinpath(f"{name}.sql").read_text("utf-8").strip().rstrip(";")


def _sql(source: Source) -> str:
    return _sql_text(type(source).__module__.rpartition(".")[0], source.query or source.name)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
