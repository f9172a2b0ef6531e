"""Prices for tables of calls: names are resolved once, in Python; everything per call is one SQL join."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR
from functools import partial
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.pricing.book import CLASSES, EVER, NEVER, WIDE, Book, Place, load, midnight
from llmaudit.pricing.rates import RATE
from llmaudit.pricing.user import TOKEN_CLASSES, UNIT_CLASSES
from llmaudit.schema import TIME, USAGE_COLUMNS, USD

Frame = TypeVar("Frame", pl.DataFrame, pa.Table)

NAMES = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("service_tier", pa.string()),
        pa.field("region", pa.string()),
        pa.field("rate_key", pa.int32()),
        pa.field("range_key", pa.int32()),
        pa.field("priced_by", pa.string()),
    ]
)

_SPAN = ("input", "cache_read", "cache_write", "output")
_RANGES_FINE = pa.schema(
    [
        pa.field("range_key", pa.int32()),
        pa.field("valid_from", TIME),
        pa.field("valid_to", TIME),
        *(pa.field(f"{end}_{what}", RATE) for end in ("low", "high") for what in _SPAN),
    ]
)

STEPS_PER_USD = 10**15
"""`queries/priced.sql` counts in steps of 1e-15 dollars: whole numbers, which 64 bits hold up to 9,223 dollars a call."""

_LARGEST, _LARGEST_COUNT = 2**63 - 1, 10**12
_OUTPUTS = tuple(c for c in TOKEN_CLASSES if c == "reasoning" or c.startswith("output"))
_INPUTS = tuple(c for c in TOKEN_CLASSES if c not in _OUTPUTS)


def _whole_schema(fine: pa.Schema) -> pa.Schema:
    """The same columns with whole numbers for dollars."""
    whole = [pa.field(f.name.replace("_usd", "_steps"), pa.int64() if f.type == RATE else f.type) for f in fine]
    return pa.schema(whole)


_WHOLE = pa.schema(
    [
        *_whole_schema(WIDE),
        pa.field("lacking", pa.int64()),
        *(pa.field(f"lacks_{c}", pa.bool_()) for c in UNIT_CLASSES),
    ]
)
"""`lacking` has a bit for each token class without a rate, in the order of TOKEN_CLASSES."""


def price_usage(engine: Engine, usage: str, into: str, book: Book) -> str:
    """Price every row of the table `usage`; return `into`, one row per request_id (see `queries/priced.sql`).

    The table has request_id, provider, model, started_at, service_tier, region, billable, reported_cost_usd and
    the usage columns. Input or output tokens that are null on a billable call make its cost null; the other
    counts are parts of these two, and null there is read as 0: most logs leave out what did not occur.
    """
    named = queries.run(engine, "priced_names", into=f"{into}__names", usage=usage)
    bounds = queries.run(engine, "priced_bounds", into=f"{into}__bounds", usage=usage)
    asked = _asked(book, engine.fetch(named).to_pylist(), engine.fetch(bounds).to_pylist())
    for name, rows in asked.tables.items():
        engine.put(name, rows)
    return queries.run(engine, asked.query, into=into, usage=usage)


@dataclass(frozen=True)
class _Asked:
    """What a table of calls has to look up, and the query that does."""

    query: str
    tables: dict[str, pa.Table]


def _asked(book: Book, distinct: list[dict[str, Any]], bounds: list[dict[str, Any]]) -> _Asked:
    """Resolve each name once. `bounds` say between what the calls' times and counts lie, one line for each part of them."""
    places = [
        book.place(r["provider"] or None, r["model"] or None, r["service_tier"] or None, r["region"] or None)
        for r in distinct
    ]
    keys = {place: key for key, place in enumerate(dict.fromkeys(p for p in places if p), start=1)}
    spans = [book.ranges(r["provider"] or None, r["model"] or None) for r in distinct]
    range_keys = {span: key for key, span in enumerate(dict.fromkeys(name for name, _ in spans), start=1)}
    listed = [
        {
            **row,
            "rate_key": keys[place] if place else None,
            "range_key": range_keys[span[0]],
            "priced_by": place.priced_by if place else None,
        }
        for row, place, span in zip(distinct, places, spans, strict=True)
    ]
    names = pa.Table.from_pylist(listed, NAMES)
    rates = _in_reach(_rates(book, keys), bounds)
    ranges = _spans({range_keys[name]: table for name, table in dict(spans).items()})
    whole = _whole(rates, bounds)
    if whole is None:
        return _Asked("priced_fine", {"price_names": names, "price_rates_fine": rates, "price_ranges_fine": ranges})
    return _Asked("priced", {"price_names": names, "price_rates": whole, "price_ranges": _whole_spans(ranges)})


def _rates(book: Book, keys: Mapping[Place, int]) -> pa.Table:
    listed = [{**wide, "rate_key": key} for place, key in keys.items() for wide in book.wide(place)]
    return pa.Table.from_pylist(listed, WIDE)


def _in_reach(rates: pa.Table, bounds: list[dict[str, Any]]) -> pa.Table:
    """The rates that hold at some time between the first and the last call."""
    times = [b[name] for b in bounds for name in ("first_at", "last_at") if b[name] is not None]
    if not times:
        return rates.slice(0, 0)
    begun = pc.less_equal(rates["valid_from"], pa.scalar(max(times), TIME))
    return rates.filter(pc.and_(begun, pc.greater(rates["valid_to"], pa.scalar(min(times), TIME))))


def _whole(rates: pa.Table, bounds: list[dict[str, Any]]) -> pa.Table | None:
    """Rates in whole steps; None where one is finer, or where a part of a call's cost could outgrow an integer."""
    listed = [_whole_row(row) for row in rates.to_pylist()]
    if any(row is None for row in listed):
        return None
    found = [row for row in listed if row is not None]
    largest = {f.name: max((b[f.name] for b in bounds), default=0) for f in USAGE_COLUMNS}
    for family in (_INPUTS, _OUTPUTS, UNIT_CLASSES):
        counted = len(largest) + sum(n for name, n in largest.items() if name.removesuffix("_tokens") in family)
        dearest = max((row[f"{lists}{c}_steps"] for row in found for c in family for lists in ("", "list_")), default=0)
        if counted > _LARGEST_COUNT or 4 * counted * dearest > _LARGEST:
            return None
    return pa.Table.from_pylist(found, _WHOLE)


def _whole_row(row: dict[str, Any]) -> dict[str, Any] | None:
    found = {name: value for name, value in row.items() if not name.endswith("_usd")}
    for name in (f"{lists}{c}" for lists in ("", "list_") for c in CLASSES):
        usd = row[f"{name}_usd"]
        steps = (usd or 0) * STEPS_PER_USD
        if steps != int(steps):
            return None
        found[f"{name}_steps"] = int(steps)
    found["lacking"] = sum(2**bit for bit, c in enumerate(TOKEN_CLASSES) if row[f"{c}_usd"] is None)
    return found | {f"lacks_{c}": row[f"{c}_usd"] is None for c in UNIT_CLASSES}


def _whole_spans(ranges: pa.Table) -> pa.Table:
    """The same spans in whole steps, rounded outwards."""
    listed = ranges.to_pylist()
    for row in listed:
        for name in (n for n in row if n.startswith(("low_", "high_"))):
            rounding = ROUND_FLOOR if name.startswith("low_") else ROUND_CEILING
            row[name] = int((row[name] * STEPS_PER_USD).to_integral_value(rounding))
    return pa.Table.from_pylist(listed, _whole_schema(_RANGES_FINE))


def _spans(ranges: Mapping[int, pa.Table]) -> pa.Table:
    found = []
    for key, table in ranges.items():
        for row in table.to_pylist():
            row["range_key"] = key
            row["valid_from"] = midnight(row["valid_from"] or EVER)
            row["valid_to"] = midnight(row["valid_to"] or NEVER)
            found.append(row)
    return pa.Table.from_pylist(found, _RANGES_FINE)


def price(frame: Frame, book: Book | None = None) -> Frame:
    """The same rows in the same order, with `cost_usd`, `list_usd`, `priced_by` and `price_id`.

    Takes a Polars or Arrow table with `provider`, `model` (as billed) and `started_at`, the usage columns of
    `schema.USAGE_COLUMNS` and, if there are any, `service_tier` and `region`. A missing usage column means 0; a
    null cell means unknown, and unknown usage has no cost. Times without a zone are UTC.
    """
    table = frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame
    priced = _priced(table, book or load())
    for name in _MONEY:
        at = table.schema.get_field_index(name)
        column = priced[name]
        table = table.set_column(at, name, column) if at >= 0 else table.append_column(name, column)
    if isinstance(frame, pl.DataFrame):
        return cast("Frame", pl.from_arrow(table))
    return cast("Frame", table)


_MONEY = ("cost_usd", "list_usd", "priced_by", "price_id")
_EVERY = ("*",)
SLICE_ROWS = 500_000


@dataclass(frozen=True)
class _Calls:
    """A slice of a frame as `queries/priced.sql` wants it. Its names stand as codes in `model`: numbers of the lines of `names`."""

    rows: pa.Table
    same: Mapping[str, pa.Scalar]
    """Columns that are equal in every row."""
    names: list[tuple[str, ...]]

    def coded(self, places: Mapping[tuple[str, ...], int]) -> _Calls:
        """With the numbers that all slices share."""
        codes = pa.array([str(places[name]) for name in self.names], pa.string())
        model = pa.DictionaryArray.from_arrays(self.rows["model"].combine_chunks(), codes).cast(pa.string())
        at = self.rows.schema.get_field_index("model")
        return _Calls(self.rows.set_column(at, "model", model), self.same, self.names)


def _priced(table: pa.Table, book: Book) -> pa.Table:
    """The four new columns. Slices are priced side by side, each on one core and none of them copied."""
    slices = [table.slice(at, SLICE_ROWS) for at in range(0, max(table.num_rows, 1), SLICE_ROWS)]
    engine = DuckDB(threads=1)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            calls = list(pool.map(_calls, slices))
            named = dict.fromkeys(name for part in calls for name in part.names)
            numbers = {name: number for number, name in enumerate(named)}
            calls = list(pool.map(partial(_Calls.coded, places=numbers), calls))
            bounds = [
                row
                for part in pool.map(partial(_answer, engine, "priced_bounds", ("*",)), calls)
                for row in part.to_pylist()
            ]
            asked = _asked(book, [dict(zip(_NAME, name, strict=True)) for name in named], bounds)
            for name, rows in asked.tables.items():
                engine.put(name, _by_code(rows) if name == "price_names" else rows)
            parts = list(pool.map(partial(_answer, engine, asked.query, ("request_id", *_MONEY)), calls))
    finally:
        engine.close()
    return pa.concat_tables(_in_order(part) for part in parts)


def _answer(engine: DuckDB, query: str, columns: Sequence[str], calls: _Calls) -> pa.Table:
    return engine.answer(queries.load(query).sql, columns, "usage", calls.rows, calls.same)


def _by_code(names: pa.Table) -> pa.Table:
    blank = pa.repeat(pa.scalar(""), names.num_rows)
    codes = pa.array([str(number) for number in range(names.num_rows)], pa.string())
    return _replaced(names, {"provider": blank, "model": codes, "service_tier": blank, "region": blank})


def _replaced(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    return pa.table({name: columns.get(name, table[name]) for name in table.column_names})


def _in_order(part: pa.Table) -> pa.Table:
    """Rows as they came: a join may have moved them about."""
    numbers = part["request_id"].to_numpy()
    return part if (np.diff(numbers) > 0).all() else part.take(np.argsort(numbers, kind="stable"))


def _calls(table: pa.Table) -> _Calls:
    missing = [name for name in ("provider", "model", "started_at") if name not in table.column_names]
    if missing:
        raise AuditError(
            f"price() needs the columns provider, model and started_at; the frame lacks {', '.join(missing)}. "
            f"It has: {', '.join(table.column_names)}."
        )
    codes, names = _encoded(table)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        "request_id": pa.array(np.arange(table.num_rows, dtype=np.int64)),
        "started_at": _utc(table["started_at"]),
        "model": codes,
    }
    same = {
        "billable": pa.scalar(value=True),
        "reported_cost_usd": pa.scalar(None, USD),
        **{name: pa.scalar("") for name in ("provider", "service_tier", "region")},
    }
    for field in USAGE_COLUMNS:
        counts = _counts(table, field.name) if field.name in table.column_names else None
        if counts is None or _is_zero(counts):
            same[field.name] = pa.scalar(0, pa.int64())
        else:
            columns[field.name] = counts
    return _Calls(pa.table(_with_unknown(columns, same)), same, names)


_NAME = ("provider", "model", "service_tier", "region")
_MOST_CODES = 1_000_000


def _encoded(table: pa.Table) -> tuple[pa.Array, list[tuple[str, ...]]]:
    """For every row the number of its provider, model, tier and region among the distinct ones; and these."""
    words: list[list[str]] = []
    combined = np.zeros(table.num_rows, dtype=np.int64)
    for name in _NAME:
        if name not in table.column_names:
            words.append([""])
            continue
        column = pc.cast(table[name], pa.string()).combine_chunks().dictionary_encode(null_encoding="encode")
        words.append([word or "" for word in column.dictionary.to_pylist()] or [""])
        combined = combined * len(words[-1]) + column.indices.to_numpy()
    found, numbers = _distinct(combined, prod(len(w) for w in words))
    places = np.unravel_index(found, [len(w) for w in words])
    names = [tuple(w[at] for w, at in zip(words, place, strict=True)) for place in zip(*places, strict=True)]
    return pa.array(numbers.astype(np.int32)), names


def _distinct(codes: np.ndarray, below: int) -> tuple[np.ndarray, np.ndarray]:
    """As `np.unique` with its inverse, without a sort where there are few codes."""
    if below > _MOST_CODES:
        return np.unique(codes, return_inverse=True)
    there = np.bincount(codes, minlength=below) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def _is_zero(counts: pa.ChunkedArray) -> bool:
    ends = pc.min_max(counts).as_py()
    return counts.null_count == 0 and (ends["min"] or 0) == 0 == (ends["max"] or 0)


def _with_unknown(
    columns: dict[str, pa.ChunkedArray | pa.Array], same: dict[str, pa.Scalar]
) -> dict[str, pa.ChunkedArray | pa.Array]:
    """A call with any unknown count has an unknown input: then nothing can be priced."""
    unsure = [columns[f.name] for f in USAGE_COLUMNS if f.name in columns and columns[f.name].null_count]
    rows = len(columns["request_id"])
    for counts in unsure:
        known = columns.get("input_tokens", pa.repeat(pa.scalar(0, pa.int64()), rows))
        columns["input_tokens"] = pc.if_else(counts.is_valid(), known, pa.scalar(None, pa.int64()))
        same.pop("input_tokens", None)
    return columns


def _counts(table: pa.Table, name: str) -> pa.ChunkedArray:
    try:
        return pc.cast(table[name], pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise AuditError(f"Column {name} must hold whole numbers: {error}.") from error


def _utc(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Microseconds in UTC, without a zone. A zone shifts what is displayed, not the instant stored."""
    if pa.types.is_timestamp(times.type) and times.type.tz is not None:
        return pc.cast(times, pa.timestamp("us", "UTC"), safe=False).cast(TIME)
    try:
        return pc.cast(times, TIME, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise AuditError(f"Column started_at must hold times or days, not {times.type}: {error}.") from error
