"""DuckDB, in this process: the default engine."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import duckdb
import pyarrow as pa

from llmaudit.engine.base import Batches, BatchFn
from llmaudit.errors import AuditError

BATCH_ROWS = 65_536
USUAL_LIMIT_BYTES = 1_500_000_000
MOST_OF_MEMORY = 0.6
"""Share of the machine's memory that a log may make the engine take, where no limit was set."""


class DuckDB:
    """Tables live in memory: what does not fit in `memory_limit` spills to a scratch folder.

    Some steps of a very large log cannot spill. Without a limit of the user's, such a step is tried again with twice the
    memory, up to MOST_OF_MEMORY of the machine's; AuditError says so where that is not enough.
    """

    name = "duckdb"

    def __init__(self, memory_limit: str | None = None, threads: int | None = None) -> None:
        self._limit_bytes = USUAL_LIMIT_BYTES
        self._is_fixed = memory_limit is not None
        self._aliases: set[str] = set()
        self._kinds: dict[str, str] = {}
        self._con = duckdb.connect()
        self._con.execute("set memory_limit = ?", [memory_limit or f"{self._limit_bytes}B"])
        if threads:
            self._con.execute("set threads = ?", [threads])
        self._con.execute("set preserve_insertion_order = false")
        self._con.execute("set TimeZone = 'UTC'")
        self._scratch = tempfile.TemporaryDirectory(prefix="llmaudit-", ignore_cleanup_errors=True)
        self._con.execute("set temp_directory = ?", [self._scratch.name])

    def attach(self, table: str, uris: Sequence[str], schema: pa.Schema) -> None:
        self._con.register(f"{table}__empty", schema.empty_table())
        if not uris:
            self._define(table, f'select * from "{table}__empty"')
            return
        files = ", ".join(_literal(uri) for uri in uris)
        columns = ", ".join(f'"{name}"' for name in schema.names)
        self._define(
            table,
            f'select {columns} from (select * from "{table}__empty" union all by name '
            f"select * from read_parquet([{files}], union_by_name = true, hive_partitioning = false))",
        )

    def put(self, table: str, rows: pa.Table) -> None:
        self._con.register("llmaudit_put", rows)
        self._with_room(lambda: self._replace(table, "select * from llmaudit_put"))
        self._con.unregister("llmaudit_put")

    def alias(self, alias: str, table: str) -> None:
        if alias == table or (alias not in self._aliases and alias in self._kinds):
            raise ValueError(f"{alias} is a table, so it cannot become another name for {table}")
        self._define(alias, f'select * from "{table}"')
        self._aliases.add(alias)

    def run(self, sql: str, into: str, params: Mapping[str, object]) -> None:
        names = set(re.findall(r"\$(\w+)", _without_comments(sql)))
        given = {name: params[name] for name in names if name in params}
        self._with_room(lambda: self._replace(into, sql, given))
        self._keep_integers(into)

    def map_batches(self, table: str, fn: BatchFn, schema: pa.Schema, into: str, columns: Sequence[str] = ()) -> None:
        self._with_room(lambda: self._map(table, fn, schema, into, columns))

    def _map(self, table: str, fn: BatchFn, schema: pa.Schema, into: str, columns: Sequence[str]) -> None:
        asked = ", ".join(_identifier(name) for name in columns) or "*"
        source = self._con.cursor().sql(f'select {asked} from "{table}"').to_arrow_reader(BATCH_ROWS)
        mapped = pa.RecordBatchReader.from_batches(schema, conform(fn(iter(source)), schema))
        self._con.register("llmaudit_mapped", mapped)
        self._replace(into, "select * from llmaudit_mapped")
        self._con.unregister("llmaudit_mapped")

    def fetch(self, table: str) -> pa.Table:
        self._con.execute("set preserve_insertion_order = true")
        try:
            return self._con.sql(f'select * from "{table}"').to_arrow_table()
        finally:
            self._con.execute("set preserve_insertion_order = false")

    def save(self, table: str, uri: str) -> None:
        self._con.execute(f'copy (select * from "{table}") to {_literal(uri)} (format parquet, compression zstd)')

    def tables(self) -> list[str]:
        return sorted(name for name, kind in self._kinds.items() if kind == "table")

    def close(self) -> None:
        self._con.close()
        self._scratch.cleanup()

    def _with_room(self, work: Callable[[], None]) -> None:
        """Do it, and where memory does not suffice do it again with more."""
        while True:
            try:
                return work()
            except duckdb.OutOfMemoryException as error:
                more = 2 * self._limit_bytes
                if self._is_fixed or more > MOST_OF_MEMORY * memory_bytes():
                    raise AuditError(
                        f"This log needs more memory than the {self._limit()} that the engine may take. Set engine_options."
                        "memory_limit in llmaudit.toml, audit a shorter window (--since, --until), or use --engine spark."
                    ) from error
                self._con.execute("set memory_limit = ?", [f"{more}B"])
                self._limit_bytes = more

    def _limit(self) -> str:
        [(limit,)] = self._con.execute("select current_setting('memory_limit')").fetchall()
        return str(limit)

    def _define(self, view: str, sql: str) -> None:
        self._drop(view)
        self._con.execute(f'create view "{view}" as {sql}')
        self._kinds[view] = "view"

    def _replace(self, table: str, sql: str, params: Mapping[str, object] | None = None) -> None:
        self._con.execute(f'create or replace table "{table}__new" as {sql}', dict(params or {}))
        self._drop(table)
        self._con.execute(f'alter table "{table}__new" rename to "{table}"')
        self._kinds[table] = "table"

    def _keep_integers(self, table: str) -> None:
        """A sum of integers is 128 bits wide here, which leaves as a decimal or, in Parquet, as a double."""
        wide = [name for name, kind, *_ in self._con.execute(f'describe "{table}"').fetchall() if kind == "HUGEINT"]
        for name in wide:
            self._con.execute(f'alter table "{table}" alter {_identifier(name)} type bigint')

    def _drop(self, name: str) -> None:
        self._aliases.discard(name)
        if kind := self._kinds.pop(name, ""):
            self._con.execute(f'drop {kind} "{name}"')


def conform(batches: Batches, schema: pa.Schema) -> Batches:
    """The same batches in exactly the columns and types of `schema`: engines trust what they are told."""
    for batch in batches:
        yield batch.select(schema.names).cast(schema)


def start(options: Mapping[str, str]) -> DuckDB:
    make = partial(DuckDB)
    try:
        if "memory_limit" in options:
            make = partial(make, memory_limit=options["memory_limit"])
        if "threads" in options:
            make = partial(make, threads=int(options["threads"]))
        return make()
    except (duckdb.Error, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AuditError(
            f"engine_options cannot be set ({reason}). memory_limit is a size such as 8GB, threads a whole number."
        ) from error


def memory_bytes() -> int:
    """The machine's memory; where nobody says, as much as is usual."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return USUAL_LIMIT_BYTES


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
