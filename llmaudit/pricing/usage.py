"""Prices for tables of calls: names are resolved once, in Python; everything per call is one SQL join."""

from __future__ import annotations

from typing import TypeVar, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import engine as engines
from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.pricing.book import EVER, NEVER, WIDE, Book, Place, load, midnight
from llmaudit.pricing.rates import RANGES
from llmaudit.schema import TIME, USAGE_COLUMNS, USD

Frame = TypeVar("Frame", pl.DataFrame, pa.Table)

NAMES = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("service_tier", pa.string()),
        pa.field("region", pa.string()),
        pa.field("rate_key", pa.int32()),
        pa.field("range_key", pa.string()),
        pa.field("priced_by", pa.string()),
    ]
)

_RANGES = pa.schema(
    [
        pa.field("range_key", pa.string()),
        pa.field("valid_from", pa.timestamp("us")),
        pa.field("valid_to", pa.timestamp("us")),
        *list(RANGES)[3:],
    ]
)


def price_usage(engine: Engine, usage: str, into: str, book: Book) -> str:
    """Price every row of the table `usage`; return `into`, one row per request_id (see `queries/priced.sql`).

    The table has request_id, provider, model, started_at, service_tier, region, billable, reported_cost_usd and
    the usage columns. Input or output tokens that are null on a billable call make its cost null; the other
    counts are parts of these two, and null there is read as 0: most logs leave out what did not occur.
    """
    named = queries.run(engine, "priced_names", into=f"{into}__names", usage=usage)
    distinct = engine.fetch(named).to_pylist()
    places = [
        book.place(r["provider"] or None, r["model"] or None, r["service_tier"] or None, r["region"] or None)
        for r in distinct
    ]
    keys = {place: key for key, place in enumerate(dict.fromkeys(p for p in places if p), start=1)}
    ranges = [book.ranges(r["provider"] or None) for r in distinct]
    listed = [
        {
            **row,
            "rate_key": keys[place] if place else None,
            "range_key": span[0],
            "priced_by": place.priced_by if place else None,
        }
        for row, place, span in zip(distinct, places, ranges, strict=True)
    ]
    engine.put("price_names", pa.Table.from_pylist(listed, NAMES))
    engine.put("price_rates", _rates(book, keys))
    engine.put("price_ranges", _spans(dict(ranges)))
    return queries.run(engine, "priced", into=into, usage=usage)


def _rates(book: Book, keys: dict[Place, int]) -> pa.Table:
    listed = [{**wide, "rate_key": key} for place, key in keys.items() for wide in book.wide(place)]
    return pa.Table.from_pylist(listed, WIDE)


def _spans(ranges: dict[str, pa.Table]) -> pa.Table:
    found = []
    for key, table in ranges.items():
        for row in table.to_pylist():
            row["range_key"] = key
            row["valid_from"] = midnight(row["valid_from"] or EVER)
            row["valid_to"] = midnight(row["valid_to"] or NEVER)
            found.append(row)
    return pa.Table.from_pylist(found, _RANGES)


def price(frame: Frame, book: Book | None = None) -> Frame:
    """The same rows in the same order, with `cost_usd`, `list_usd`, `priced_by` and `price_id`.

    Takes a Polars or Arrow table with `provider`, `model` (as billed) and `started_at`, the usage columns of
    `schema.USAGE_COLUMNS` and, if there are any, `service_tier` and `region`. A missing usage column means 0; a
    null cell means unknown, and unknown usage has no cost. Times without a zone are UTC.
    """
    table = frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame
    engine = engines.start("duckdb")
    try:
        engine.put("price_calls", _calls(table))
        price_usage(engine, "price_calls", "price_priced", book or load())
        priced = engine.fetch("price_priced").sort_by("request_id")
    finally:
        engine.close()
    for name in ("cost_usd", "list_usd", "priced_by", "price_id"):
        column = priced[name]
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, column) if at >= 0 else table.append_column(name, column)
    if isinstance(frame, pl.DataFrame):
        return cast("Frame", pl.from_arrow(table))
    return cast("Frame", table)


def _calls(table: pa.Table) -> pa.Table:
    """The table as `price_usage` wants it; request_id is the row's number."""
    missing = [name for name in ("provider", "model", "started_at") if name not in table.column_names]
    if missing:
        raise AuditError(
            f"price() needs the columns provider, model and started_at; the frame lacks {', '.join(missing)}. "
            f"It has: {', '.join(table.column_names)}."
        )
    rows = table.num_rows
    columns: dict[str, pa.ChunkedArray | pa.Array] = {
        "request_id": pa.array(range(rows), pa.int64()),
        "started_at": _utc(table["started_at"]),
        "billable": pa.repeat(pa.scalar(value=True), rows),
        "reported_cost_usd": pa.nulls(rows, USD),
    }
    for name in ("provider", "model", "service_tier", "region"):
        known = name in table.column_names
        columns[name] = pc.cast(table[name], pa.string()) if known else pa.nulls(rows, pa.string())
    for field in USAGE_COLUMNS:
        known = field.name in table.column_names
        columns[field.name] = _counts(table, field.name) if known else pa.repeat(pa.scalar(0, pa.int64()), rows)
    return pa.table(_with_unknown(columns))


def _with_unknown(columns: dict[str, pa.ChunkedArray | pa.Array]) -> dict[str, pa.ChunkedArray | pa.Array]:
    """A call with any unknown count has an unknown input: then nothing can be priced."""
    unknown = columns["input_tokens"].is_null()
    for field in USAGE_COLUMNS:
        unknown = pc.or_(unknown, columns[field.name].is_null())
    columns["input_tokens"] = pc.if_else(unknown, pa.scalar(None, pa.int64()), columns["input_tokens"])
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
