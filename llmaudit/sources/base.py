"""A source turns one kind of file into canonical rows. Nothing downstream knows where a row came from."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from llmaudit import schema

PEEK_BYTES = 65_536
PEEK_RECORDS = 12
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")

Refuse = Callable[[int, str, bytes], None]

RECORD_FIELDS = [
    schema.col("record", pa.int64(), "Record number in the file, from 1."),
    schema.col("merged", pa.int64(), "Further records of the same file that this row already stands for."),
    schema.col("unread", pa.bool_(), "Nothing in the record could be read: look again, line by line."),
    schema.col("problem", pa.string(), "Why the record cannot be a row."),
    schema.col("not_call", pa.string(), "What kind of record this is, where it is none that we count."),
]
"""What every source says about a record besides its content."""

_COMMON = {"source", "source_file", "source_row", "batch_id"}

CALLS = pa.schema(
    [
        *RECORD_FIELDS,
        schema.col(
            "provider_id", pa.string(), "The provider's id of the answer: the same wherever the call was logged."
        ),
        schema.col("own_id", pa.string(), "The log's id of the call, meaningful in this source only."),
        *[f for f in schema.REQUESTS if f.name not in _COMMON and f not in schema.TEXT_COLUMNS],
        schema.col("system_text", pa.string(), "The system prompt, where the request has it outside its messages."),
        schema.col(
            "system_head", pa.string(), "The first 512 characters of the system prompt, where the pieces do not say."
        ),
        schema.col("messages", pa.list_(pa.string()), "Every message in order: role, unit separator, content."),
        schema.col("first_user", pa.string(), "Content of the first user message, where the messages do not say."),
        schema.col("tools_text", pa.string(), "The tool schemas as JSON."),
        schema.col("params_text", pa.string(), "The request without its texts, as JSON."),
        schema.col("output_text", pa.string(), "The answer; tool calls follow a unit separator."),
    ]
)
"""Calls as sources give them: the canonical columns, with texts where the lake keeps hashes."""

CHARGES = pa.schema([*RECORD_FIELDS, *[f for f in schema.CHARGES if f.name not in _COMMON]])
USAGE = pa.schema([*RECORD_FIELDS, *[f for f in schema.USAGE if f.name not in _COMMON]])

TABLES: Mapping[str, pa.Schema] = {"requests": CALLS, "charges": CHARGES, "usage": USAGE}


@dataclass(frozen=True)
class Peek:
    """The little a source may look at before it says yes: the name and the first bytes, decoded leniently.

    A Parquet file names its columns at its end: those are looked up, in lower case.
    """

    name: str
    head: str
    columns: frozenset[str] = frozenset()

    @classmethod
    def of(cls, path: Path) -> Peek:
        with open_bytes(path) as stream:
            start = stream.read(PEEK_BYTES)
        if start.startswith(_PARQUET):
            return cls(path.name, _PARQUET.decode(), _parquet_columns(path))
        encoding = "utf-16" if start[:2] in UTF_16_MARKS else "utf-8-sig"
        return cls(path.name, start.decode(encoding, errors="replace"))

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of the first records that the head shows, whole or torn: those of the objects themselves, not of what is inside."""
        first, *others = self.head.replace("\r", "\n").split("\n{", PEEK_RECORDS)[:PEEK_RECORDS]
        return frozenset(key for record in (first, *(f"{{{rest}" for rest in others)) for key in _outer_keys(record))

    @cached_property
    def header(self) -> frozenset[str]:
        """Headings of a table, lower-cased, if the first line reads like one; of a JSON file, nothing."""
        text = self.head.lstrip()
        if text[:1] in "{[<":
            return frozenset()
        first = text.splitlines()[0]
        delimiter = max(",;\t|", key=first.count)
        return frozenset(cell.strip().lower() for cell in next(csv.reader([first], delimiter=delimiter), []))

    def has(self, *keys: str) -> bool:
        """Whether the records have all of these keys."""
        return self.keys >= set(keys)


class Source(ABC):
    """One kind of file. `columns` and the `.sql` beside the data sheet say how it is read."""

    name: ClassVar[str]
    table: ClassVar[str] = "requests"
    """requests, charges or usage: where its rows go."""
    witness: ClassVar[int] = 1
    """Whose word a row is: 1 the provider's own log, 2 a gateway, 3 a trace."""
    columns: ClassVar[Mapping[str, str]]
    """JSON keys that are read, with their DuckDB types. Anything that may change its type is VARCHAR or JSON."""
    bodies: ClassVar[tuple[str, str] | None] = None
    """Columns with a request and its answer as any provider's own bodies: its SELECT sees them in OpenAI's words."""
    pages: ClassVar[str] = ""
    """JSON column that is a list of records where a record is a page of them: its SELECT sees those, each with the number
    of its page as `document`, and of a page without any a single one with the empty list."""
    shape: ClassVar[str] = "lines"
    """lines: one JSON record a line. document: one JSON document, or several. csv, parquet: a table, a record a row.
    own: anything else, of which `records` makes JSON objects."""
    caveats: ClassVar[Mapping[str, str]] = {}
    """What every file of this kind leaves out or may mislead about: kind of warning -> text, said once a run."""
    query: ClassVar[str] = ""
    """The `.sql` that reads it, where that is not the one of its own name."""
    made: ClassVar[Mapping[str, str]] = {}
    """Columns that its SELECT reads instead of the file's: name -> SQL over `columns`."""
    kept: ClassVar[Mapping[str, str]] = {}
    """What is looked at instead of the file's columns, where that is little of each record: name -> SQL over `columns`
    and `number`, which grows from record to record. Files are then parsed once, and only what is `folded` is held."""
    folded: ClassVar[Mapping[str, str]] = {}
    """What its SELECT reads then, beside `merged` and the keys: name -> aggregate over what is `kept` of records that are one."""
    one: ClassVar[tuple[str, ...]] = ()
    """Names in `kept`: records are one where these agree and are not all null."""
    usual_places: ClassVar[tuple[str, ...]] = ()
    """Globs under the home folder where this tool keeps its logs."""

    @abstractmethod
    def matches(self, peek: Peek) -> bool:
        """Say whether this file is yours, from its name and first bytes alone."""

    def records(self, path: Path, refuse: Refuse) -> Iterator[tuple[int, bytes]]:
        """Line number and JSON object of every record of a file of shape `own`; `refuse` takes what is none."""
        raise NotImplementedError(f"{self.name} has shape {self.shape}, which the reader knows")


_PARQUET = b"PAR1"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?P<key>\s*:)?|[{}\[\]]')


def _outer_keys(record: str) -> Iterator[str]:
    """Keys of the outermost object in a piece of JSON, whole or torn. An array around it does not count."""
    try:
        whole = json.loads(record)
    except (ValueError, RecursionError):
        yield from _keys_of_torn(record)
        return
    yield from (key for each in _objects_of(whole) for key in each)


def _objects_of(value: object) -> Iterator[dict[str, object]]:
    """The outermost objects: arrays around them, as pages of pages have, do not count."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (found for each in value for found in _objects_of(each))


def _keys_of_torn(record: str) -> Iterator[str]:
    start = record.replace(" ", "").replace("\n", "")
    depth = len(start.lstrip("[")) - len(start)
    for token in _TOKEN.finditer(record):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif depth == 1 and token["key"]:
            yield token[0][1:].partition('"')[0]


def _parquet_columns(path: Path) -> frozenset[str]:
    """Names of the outermost columns; none of a file that breaks off before them."""
    try:
        return frozenset(name.lower() for name in pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return frozenset()


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain, `.gz` or `.zst` file for reading its content."""
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"))
    if path.suffix == ".zst":
        stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return stream
    return path.open("rb")


def open_text(path: Path) -> io.TextIOWrapper:
    """The file decoded: UTF-16 where its first bytes say so, else UTF-8; what is neither is marked, not lost."""
    stream = open_bytes(path)
    held = io.BytesIO(stream.read()) if not stream.seekable() else stream
    start = held.read(2)
    held.seek(0)
    encoding = "utf-16" if start in UTF_16_MARKS else "utf-8-sig"
    return io.TextIOWrapper(held, encoding=encoding, errors="replace", newline="")
