"""A source turns one kind of file into canonical rows. Nothing downstream knows where a row came from."""

from __future__ import annotations

import gzip
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import pyarrow as pa

from llmaudit import schema

PEEK_BYTES = 65_536

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
        schema.col("provider_id", pa.string(), "The provider's id of the answer: the same wherever the call was logged."),
        schema.col("own_id", pa.string(), "The log's id of the call, meaningful in this source only."),
        *[f for f in schema.REQUESTS if f.name not in _COMMON and f not in schema.TEXT_COLUMNS],
        schema.col("system_text", pa.string(), "The system prompt, where the request has it outside its messages."),
        schema.col("system_head", pa.string(), "The first 512 characters of the system prompt, wherever it stands."),
        schema.col("messages", pa.list_(pa.string()), "Every message in order: role, unit separator, content."),
        schema.col("first_user", pa.string(), "Content of the first user message."),
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
    """The little a source may look at before it says yes: the name and the first bytes, decoded leniently."""

    name: str
    head: str

    @classmethod
    def of(cls, path: Path) -> Peek:
        with open_bytes(path) as stream:
            return cls(path.name, stream.read(PEEK_BYTES).decode("utf-8-sig", errors="replace"))


class Source(ABC):
    """One kind of file. `columns` and the `.sql` beside the data sheet say how it is read."""

    name: ClassVar[str]
    table: ClassVar[str] = "requests"
    """requests, charges or usage: where its rows go."""
    witness: ClassVar[int] = 1
    """Whose word a row is: 1 the provider's own log, 2 a gateway, 3 a trace."""
    columns: ClassVar[Mapping[str, str]]
    """JSON keys that are read, with their DuckDB types. Anything that may change its type is VARCHAR or JSON."""
    shape: ClassVar[str] = "lines"
    """lines: one JSON record a line. document: the file is one JSON document, read as one record."""
    usual_places: ClassVar[tuple[str, ...]] = ()
    """Globs under the home folder where this tool keeps its logs."""

    @abstractmethod
    def matches(self, peek: Peek) -> bool:
        """Say whether this file is yours, from its name and first bytes alone."""


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain, `.gz` or `.zst` file for reading its content."""
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"))  # type: ignore[arg-type]
    if path.suffix == ".zst":
        stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return stream
    return path.open("rb")
