"""One test: every folder tests/queries/<query>/<case>/. A case is data an analyst can write in a spreadsheet.

    <table>.csv         one file for each table the query reads; a column left out, or an empty cell, is null
    <table>.types.csv   column,type of columns whose name says neither a canonical column nor a unit
    params.toml         values of the $names; one left out is null
    expected.csv        the answer, row for row, to the last digit
    why.md              what would go wrong without this case, in one sentence

Text is written as it is, '' is the empty text, lists are JSON, bytes are hex. `expected.csv` may leave out columns
only where the query hands on a whole table.
"""

import csv
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from llmaudit import queries, schema
from llmaudit.engine import Engine
from llmaudit.lake.deliveries import DELIVERIES
from llmaudit.lake.owners import OWNERS

CASES = Path(__file__).parent / "queries"
FOLDERS = sorted(path for path in CASES.glob("*/*") if path.is_dir())

WHOLE_TABLES = {name: value for name, value in vars(schema).items() if isinstance(value, pa.Schema)}

STORED = {
    "request_rows": schema.REQUEST_ROWS,
    "charge_rows": pa.schema([*schema.CHARGES, schema.BATCH_ID]),
    "usage_rows": pa.schema([*schema.USAGE, schema.BATCH_ID]),
    "deliveries": DELIVERIES,
    "merged_calls": pa.schema(
        [*schema.REQUESTS, schema.PRICED.field("model"), schema.PRICED.field("billable"), schema.STRATUM]
    ),
    "owners": OWNERS,
    "texts": schema.TEXTS,
    "ingests": schema.INGESTS,
    "quarantine": schema.QUARANTINE,
}
"""Tables of the lake, by the name queries give them. A table called as a query has the columns of its header."""

UNITS = {
    r".*(_usd|_usd_per_token|_cost)": schema.USD,
    r".*(tokens|_bytes|_seconds|_minutes|_hash|requests|calls)": pa.int64(),
    r".*(_ms|share|rate)": pa.float64(),
    r".*(_at|_from|_to|_start|_end)": schema.TIME,
    r".*(_id|_key|name|model|key|kind|class)|lever": pa.string(),
}
"""What a column's name says about its type."""

WRITTEN_TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "money": schema.USD,
    "time": schema.TIME,
    "day": pa.date32(),
    "yes or no": pa.bool_(),
    "integers": pa.list_(pa.int64()),
}
"""Types as `<table>.types.csv` writes them."""


def title(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_query_answers_its_case(folder: Path, engine: Engine) -> None:
    query = queries.load(folder.parent.name)
    tables = {table: read_table(folder, table) for table in query.listed("reads")}
    for table, rows in tables.items():
        engine.put(table, rows)
    engine.run(query.sql, "the_answer", params_of(folder, query))
    answer = engine.fetch("the_answer")

    assert answer.schema.names == columns_of(query, tables), "the header's columns: are not those of the answer"
    with (folder / "expected.csv").open(encoding="utf-8", newline="") as file:
        wanted = list(csv.DictReader(file))
        names = wanted[0].keys() if wanted else answer.schema.names
    if not hands_on_a_table(query):
        assert list(names) == answer.schema.names, "expected.csv has other columns than the answer"
    compare(answer.select(list(names)), wanted, in_order=has_an_order(query))


@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_a_case_has_its_files_and_no_others(folder: Path) -> None:
    assert folder.parent.name in queries.names(), f"no query called {folder.parent.name}"
    reads = queries.load(folder.parent.name).listed("reads")
    must = {"expected.csv", "why.md", *(f"{table}.csv" for table in reads)}
    may = {"params.toml", *(f"{table}.types.csv" for table in reads)}
    there = {path.name for path in folder.iterdir()}
    assert must <= there, f"missing: {', '.join(sorted(must - there))}"
    assert there <= must | may, f"unknown: {', '.join(sorted(there - must - may))}"
    assert len((folder / "why.md").read_text("utf-8").strip().splitlines()) == 1, "why.md is one sentence"


def test_every_query_has_a_case() -> None:
    without = sorted(set(queries.names()) - {folder.parent.name for folder in FOLDERS})
    assert not without, f"no folder tests/queries/<query>/<case>/ for: {', '.join(without)}"


@pytest.mark.parametrize("name", queries.names())
def test_the_header_says_what_the_query_is_asked_with(name: str) -> None:
    query = queries.load(name)
    assert tuple(query.header) == queries.HEADER
    assert query.header["question"].endswith("?")
    assert query.header["grain"].startswith(("one row", "none:"))
    assert set(query.listed("params")) == set(re.findall(r"\$(\w+)", body(query)))
    assert set(query.listed("reads")) == tables_in(query)


@pytest.mark.parametrize("name", queries.names())
def test_the_query_has_one_meaning_on_every_engine(name: str) -> None:
    spark = pytest.importorskip("llmaudit.engine.spark", exc_type=Exception)
    spark.translate(queries.load(name).sql)


LOOSE_WINDOW = (
    r"\b(?:row_number|lag|lead)\([^()]*\)\s+over\s*\([^()]*order by (?![^(),]*(?:request_id|call_key))[^(),]+\)"
)


def test_windows_break_their_ties() -> None:
    """Ordered by one column that is not unique, equal rows come in any order, another one on each engine."""
    loose = {name: re.findall(LOOSE_WINDOW, body(queries.load(name))) for name in queries.names()}
    assert not {name: found for name, found in loose.items() if found}


def body(query: queries.Query) -> str:
    return "\n".join(line for line in query.sql.splitlines() if not line.startswith("--"))


def has_an_order(query: queries.Query) -> bool:
    return any(modifier["type"] == "ORDER_MODIFIER" for modifier in statement(query)["modifiers"])


def tables_in(query: queries.Query) -> set[str]:
    nodes = list(dicts_in(statement(query)))
    own = {entry["key"] for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    return {node["table_name"] for node in nodes if node.get("type") == "BASE_TABLE"} - own


def statement(query: queries.Query) -> dict[str, Any]:
    """The query as DuckDB understood it."""
    [(tree,)] = duckdb.execute("select json_serialize_sql(?)", [body(query)]).fetchall()
    [found] = json.loads(tree)["statements"]
    return found["node"]


def dicts_in(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from dicts_in(part)


def hands_on_a_table(query: queries.Query) -> bool:
    return any(is_a_table(item, query) for item in query.listed("columns"))


def is_a_table(item: str, query: queries.Query) -> bool:
    """`columns:` may name a schema in capitals, or a table the query reads and hands on with a star."""
    stars = re.search(r"(?:\bselect|\w\.)\s*\*", body(query))
    return item in WHOLE_TABLES or (stars is not None and item in query.listed("reads"))


def columns_of(query: queries.Query, tables: Mapping[str, pa.Table]) -> list[str]:
    names: dict[str, None] = {}
    for item in query.listed("columns"):
        if item in WHOLE_TABLES:
            names |= dict.fromkeys(WHOLE_TABLES[item].names)
        else:
            names |= dict.fromkeys(tables[item].schema.names if is_a_table(item, query) else [item])
    return list(names)


def params_of(folder: Path, query: queries.Query) -> dict[str, object]:
    path = folder / "params.toml"
    given = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    assert set(given) <= set(query.listed("params")), "params.toml names something the query does not ask for"
    return {name: given.get(name) for name in query.listed("params")}


# --- cells ----------------------------------------------------------------------------------------


def read_table(folder: Path, table: str) -> pa.Table:
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        written = list(reader.fieldnames or ())
    own = own_types(folder, table)
    known = column_names(table)
    if unknown := set(written) - set(known) - set(own):
        assert not known, f"{table} has no {', '.join(sorted(unknown))}"
    fields = pa.schema([(name, own.get(name) or type_of(name)) for name in dict.fromkeys([*known, *written])])
    return pa.Table.from_pylist(
        [{name: parsed(row[name], fields.field(name).type) for name in written} for row in rows], fields
    )


def own_types(folder: Path, table: str) -> dict[str, pa.DataType]:
    path = folder / f"{table}.types.csv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["column"]: WRITTEN_TYPES[row["type"]] for row in csv.DictReader(file)}


def column_names(table: str) -> list[str]:
    """Columns of a table of the lake or of a query's answer; none where any columns will do."""
    if table in STORED:
        return STORED[table].names
    if table not in queries.names():
        return []
    query = queries.load(table)
    whole = {item: is_a_table(item, query) for item in query.listed("columns")}
    return [name for item in whole for name in (all_of(item) if whole[item] else [item])]


def all_of(item: str) -> list[str]:
    return WHOLE_TABLES[item].names if item in WHOLE_TABLES else column_names(item)


@cache
def type_of(column: str) -> pa.DataType:
    known = [table.field(column).type for table in (*WHOLE_TABLES.values(), *STORED.values()) if column in table.names]
    said = [kind for pattern, kind in UNITS.items() if re.fullmatch(pattern, column)]
    assert known or said, f"what type is {column}? Say so in <table>.types.csv"
    return (known or said)[0]


def parsed(cell: str, kind: pa.DataType) -> object:
    if not cell:
        return None
    return next(read for is_kind, read in READ.items() if is_kind(kind))(cell)


READ: dict[Callable[[pa.DataType], bool], Callable[[str], object]] = {
    pa.types.is_string: lambda cell: "" if cell == "''" else cell,
    pa.types.is_boolean: {"true": True, "false": False}.__getitem__,
    pa.types.is_decimal: Decimal,
    pa.types.is_floating: float,
    pa.types.is_integer: int,
    pa.types.is_timestamp: datetime.fromisoformat,
    pa.types.is_date: date.fromisoformat,
    pa.types.is_binary: bytes.fromhex,
    pa.types.is_list: json.loads,
}


def compare(answer: pa.Table, wanted: list[dict[str, str]], *, in_order: bool) -> None:
    kinds = dict(zip(answer.schema.names, answer.schema.types, strict=True))
    got = [[shown(value) for value in row.values()] for row in answer.to_pylist()]
    want = [[shown(parsed(cell, kinds[name])) for name, cell in row.items()] for row in wanted]
    if not in_order:
        got, want = sorted(got), sorted(want)
    assert "\n".join(lines(kinds, got)) == "\n".join(lines(kinds, want))


def lines(names: Mapping[str, object], rows: list[list[str]]) -> Iterator[str]:
    yield ",".join(names)
    yield from (",".join(row) for row in rows)


def shown(value: object) -> str:
    """One spelling for each value. Money is exact; a double is shown to twelve digits."""
    if value is None:
        return "null"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, float):
        return f"{value:.12g}"
    return repr(value) if isinstance(value, (str, bytes)) else str(value)
