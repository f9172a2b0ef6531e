"""All our SQL, one question a file. The header comment is the documentation and is tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile

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


def _header(sql: str) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in takewhile(lambda line: line.startswith("--"), sql.splitlines()):
        key, colon, rest = line[3:].partition(":")
        if colon and key in HEADER:
            header[key] = rest.strip()
        else:
            header[list(header)[-1]] += " " + line[3:].strip()
    return header
