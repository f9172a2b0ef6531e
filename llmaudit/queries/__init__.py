"""All our SQL, one question a file. The header comment is the documentation and is tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile

import pyarrow as pa

from llmaudit.engine.base import Engine
from llmaudit.errors import UnknownName

HEADER = ("question", "reads", "grain", "params", "columns")


@dataclass(frozen=True)
class Query:
    """One `.sql` file. `header` has the keys of HEADER; lists in it are comma-separated."""

    name: str
    sql: str
    header: Mapping[str, str]

    def listed(self, key: str) -> list[str]:
        return [item.strip() for item in self.header[key].split(",") if item.strip()]


@cache
def names() -> list[str]:
    folder = files(__package__)
    return sorted(f.name.removesuffix(".sql") for f in folder.iterdir() if f.name.endswith(".sql"))


@cache
def load(name: str) -> Query:
    if name not in names():
        raise UnknownName("query", name, names())
    sql = files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
    return Query(name, sql, _header(sql))


def run(engine: Engine, name: str, *, into: str = "", params: Mapping[str, object] | None = None, **tables: str) -> str:
    """Run one query over the named tables; return the name of the result.

    `tables` says which table each name in the query's `reads:` stands for; one that is left out stands for itself.
    """
    query = load(name)
    for alias, table in tables.items():
        if alias != table:
            engine.alias(alias, table)
    engine.run(query.sql, into or name, params or {})
    return into or name


def gather(engine: Engine, parts: Iterable[pa.Table], schema: pa.Schema, into: str) -> str:
    """Make one table of many, of which one at a time is here and the rest are with the engine, which may spill.

    Tables made of as many parts are made one, so that a row is copied as often as the parts can be halved.
    """
    held: list[tuple[int, str]] = []
    for number, part in enumerate(parts):
        engine.put(f"{into}_part_{number}", part)
        held.append((1, f"{into}_part_{number}"))
        while len(held) > 1 and held[-1][0] == held[-2][0]:
            _union(engine, held, schema, f"{into}_upto_{number}_{len(held)}")
    while len(held) > 1:
        _union(engine, held, schema, f"{into}_rest_{len(held)}")
    engine.put(f"{into}_none", schema.empty_table())
    held = [*(held or [(0, f"{into}_none")]), (0, f"{into}_none")]
    _union(engine, held, schema, into)
    return into


def _union(engine: Engine, held: list[tuple[int, str]], schema: pa.Schema, into: str) -> None:
    """The last two tables become one, and give back their room."""
    (more, second), (parts, first) = held.pop(), held.pop()
    run(engine, "replay_both", into=into, first=first, second=second)
    for table in {first, second}:
        engine.put(table, schema.empty_table())
    held.append((parts + more, into))


def _header(sql: str) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in takewhile(lambda line: line.startswith("--"), sql.splitlines()):
        key, colon, rest = line[3:].partition(":")
        if colon and key in HEADER:
            header[key] = rest.strip()
        else:
            header[list(header)[-1]] += " " + line[3:].strip()
    return header
