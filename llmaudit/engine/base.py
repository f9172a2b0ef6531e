"""Where the work runs. A few verbs, and none of them knows what a token is.

Tables travel as names. Only the engine knows whether a name is a DuckDB table
or a Spark view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

Batches = Iterator[pa.RecordBatch]
BatchFn = Callable[[Batches], Batches]


class Engine(Protocol):
    name: str

    def attach(self, table: str, uris: Sequence[str], schema: pa.Schema) -> None:
        """Make these Parquet files readable as `table`: exactly the columns of `schema`.

        A column that a file lacks reads as null; no files at all is an empty table.
        """

    def put(self, table: str, rows: pa.Table) -> None:
        """Make a *small* Arrow table readable as `table`."""

    def alias(self, alias: str, table: str) -> None:
        """Let `alias` mean `table` until told otherwise. Never alias a name to itself."""

    def run(self, sql: str, into: str, params: Mapping[str, object]) -> None:
        """Run one SELECT in our SQL (docs/sql.md) and call the result `into`."""

    def map_batches(self, table: str, fn: BatchFn, schema: pa.Schema, into: str, columns: Sequence[str] = ()) -> None:
        """Stream `table` through `fn`, these columns of it if any are named. Batches come in any size and any order."""

    def fetch(self, table: str) -> pa.Table:
        """Bring a *small* table here."""

    def save(self, table: str, uri: str) -> None:
        """Write `table` as Parquet at `uri`."""

    def tables(self) -> list[str]:
        """Names of the tables that `put`, `run` and `map_batches` made, sorted."""

    def close(self) -> None:
        """Let go of everything held. The engine is not usable afterwards."""
