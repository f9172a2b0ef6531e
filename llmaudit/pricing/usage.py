"""Prices for tables of calls: names are resolved once, everything per call is arithmetic on whole columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from math import prod
from typing import TypeVar, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.errors import AuditError
from llmaudit.pricing import arithmetic
from llmaudit.pricing.arithmetic import PARTS, Whole
from llmaudit.pricing.book import Book, load
from llmaudit.pricing.card import PRICED_BY, REPORTED, Card, Flags, Ints, Name, card
from llmaudit.pricing.wide import midnight
from llmaudit.schema import REQUESTS, TIME, USAGE_COLUMNS, USD

Frame = TypeVar("Frame", pl.DataFrame, pa.Table)

MONEY = pa.schema(
    [
        REQUESTS.field("request_id"),
        pa.field("cost_usd", USD),
        pa.field("list_usd", USD),
        pa.field("priced_by", pa.string()),
        pa.field("price_id", pa.string()),
        *(pa.field(f"{part}_usd", USD) for part in PARTS),
        pa.field("low_usd", USD),
        pa.field("high_usd", USD),
    ]
)
"""A call and its money: see the doc of each column in `schema.PRICED`."""

_NAME = ("provider", "model", "service_tier", "region")
_COUNTS = tuple(f.name for f in USAGE_COLUMNS)
READS = ("request_id", "started_at", *_NAME, "billable", "reported_cost_usd", *_COUNTS)
"""The columns of a call that decide what it costs."""


def price_usage(engine: Engine, usage: str, into: str, book: Book, *, on: date | None = None) -> str:
    """Price every row of the table `usage`; return `into`, one row of MONEY per request_id.

    The table has request_id, provider, model, started_at, service_tier, region, billable, reported_cost_usd and
    the usage columns. Input or output tokens that are null on a billable call make its cost null; the other
    counts are parts of these two, and null there is read as 0: most logs leave out what did not occur.
    With `on`, every call is priced as if made on that day, at its own time of day.
    """
    named = engine.fetch(queries.run(engine, "priced_names", into=f"{into}__names", usage=usage)).to_pylist()
    rates = card(book, (tuple(row[word] for word in _NAME) for row in named))
    engine.map_batches(usage, _Pricing(rates, on), MONEY, into=into, columns=READS)
    return into


@dataclass(frozen=True)
class _Pricing:
    """From batches of calls to batches of MONEY. Nothing is kept from one to the next."""

    card: Card
    on: date | None

    def __call__(self, batches: Batches) -> Batches:
        return (_money(self.card, batch, self.on) for batch in batches if batch.num_rows)


def _money(rates: Card, batch: pa.RecordBatch, on: date | None) -> pa.RecordBatch:
    codes, names = _encoded(batch)
    counts = arithmetic.counted({name: batch[name] for name in _COUNTS}, batch.num_rows)
    started = batch["started_at"] if on is None else _moved(batch["started_at"], on)
    calls = arithmetic.Calls(rates.numbers(names).take(codes), started, counts)
    billable = pc.fill_null(batch["billable"], True).to_numpy(zero_copy_only=False)
    found = arithmetic.priced(rates, calls).among(billable)
    reported = _is_reported(batch["reported_cost_usd"], billable & ~found.known)
    settled = found.known | reported | ~billable
    logged = batch["reported_cost_usd"]
    parts = {part: _usd(found.parts.get(part), found.known, settled) for part in PARTS}
    whole = {"cost": _usd(found.cost, found.known, settled), "list": _usd(found.list_cost, found.known, settled)}
    spans = arithmetic.between(rates, calls, billable & counts.sound & counts.told & ~found.known & ~reported)
    columns = {
        "request_id": batch["request_id"],
        **{f"{name}_usd": _or(logged, reported, amounts) for name, amounts in whole.items()},
        "priced_by": _words(_HOW, np.where(reported, REPORTED, found.priced_by), found.known | reported),
        "price_id": _or(_REPORTED, reported, _words(rates.price_ids, found.ids, found.known)),
        **{f"{part}_usd": amounts for part, amounts in parts.items()},
        "other_usd": _or(logged, reported, parts["other"]),
        **{f"{end}_usd": amounts for end, amounts in spans.items()},
    }
    return pa.RecordBatch.from_pydict({name: columns[name] for name in MONEY.names})


def _moved(started: pa.Array, on: date) -> pa.Array:
    """The same times of another day."""
    midnights = pc.floor_temporal(started, unit="day")
    return pc.add(pc.subtract(started, midnights), pa.scalar(midnight(on), TIME))


_HOW = pa.array(PRICED_BY)
_REPORTED = pa.scalar(PRICED_BY[REPORTED])


def _is_reported(logged: pa.Array, asked: Flags) -> Flags:
    """Which of the calls asked about the log itself has a cost for."""
    if logged.null_count == len(logged):
        return np.zeros(len(logged), bool)
    above = pc.fill_null(pc.greater(logged, pa.scalar(0, pa.int64())), False)
    found: Flags = asked & above.to_numpy(zero_copy_only=False)
    return found


def _usd(amounts: Whole | None, known: Flags, settled: Flags) -> pa.Array:
    """0 where a call is settled and the book is not what settles it."""
    zero = np.zeros(len(known), np.int64)
    return arithmetic.dollars(zero if amounts is None else np.where(known, amounts, 0), settled)


def _words(words: pa.StringArray, numbers: Ints, known: Flags) -> pa.StringArray:
    return words.take(arithmetic.numbers(numbers, known))


def _or(chosen: pa.Array | pa.Scalar, where: Flags, others: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(where), chosen, others) if where.any() else others


def price(frame: Frame, book: Book | None = None) -> Frame:
    """The same rows in the same order, with `cost_usd`, `list_usd`, `priced_by` and `price_id`.

    Takes a Polars or Arrow table with `provider`, `model` (as billed) and `started_at`, the usage columns of
    `schema.USAGE_COLUMNS` and, if there are any, `service_tier` and `region`. A missing usage column means 0; a
    null cell means unknown, and unknown usage has no cost. Times without a zone are UTC.
    """
    asked = frame.select(_asked(frame.columns)).to_arrow() if isinstance(frame, pl.DataFrame) else frame
    money, rates = _priced(asked, book or load())
    listed = {"priced_by": _HOW, "price_id": rates.price_ids}
    if isinstance(frame, pl.DataFrame):
        found = pl.DataFrame({name: pl.from_arrow(money[name]) for name in money.column_names})
        return frame.with_columns(
            pl.Series(words).gather(found[name]).alias(name) if (words := listed.get(name)) else found[name]
            for name in found.columns
        )
    for name in money.column_names:
        at = frame.schema.get_field_index(name)
        column = money[name] if name not in listed else listed[name].take(money[name])
        frame = frame.set_column(at, name, column) if at >= 0 else frame.append_column(name, column)
    return frame


def _asked(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name in {*_NAME, "started_at", *_COUNTS}]


SLICE_ROWS = 131_072
"""So many calls at a time keep the columns in the processor's cache."""


def _priced(table: pa.Table, book: Book) -> tuple[pa.Table, Card]:
    """The four new columns, words as numbers of the card's. Slices are priced side by side, and none of them is copied."""
    missing = [name for name in ("provider", "model", "started_at") if name not in table.column_names]
    if missing:
        raise AuditError(
            f"price() needs the columns provider, model and started_at; the frame lacks {', '.join(missing)}. "
            f"It has: {', '.join(table.column_names)}."
        )
    slices = [table.slice(at, SLICE_ROWS) for at in range(0, max(table.num_rows, 1), SLICE_ROWS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        encoded = list(pool.map(_encoded, slices))
        rates = card(book, (name for _, names in encoded for name in names))
        parts = list(pool.map(partial(_slice_priced, rates), slices, encoded))
    return pa.concat_tables(parts), rates


def _slice_priced(rates: Card, table: pa.Table, encoded: tuple[Ints, Sequence[Name]]) -> pa.Table:
    codes, names = encoded
    given = {name: _counts(table, name) for name in _COUNTS if name in table.column_names}
    counts = arithmetic.counted(given, table.num_rows, unknown=_COUNTS)
    found = arithmetic.priced(
        rates, arithmetic.Calls(rates.numbers(names).take(codes), _utc(table["started_at"]), counts)
    )
    cost = arithmetic.dollars(found.cost, found.known)
    return pa.table(
        {
            "cost_usd": cost,
            "list_usd": cost if found.list_cost is found.cost else arithmetic.dollars(found.list_cost, found.known),
            "priced_by": arithmetic.numbers(found.priced_by, found.known),
            "price_id": arithmetic.numbers(found.ids, found.known),
        }
    )


_TEXT = (pa.string(), pa.large_string())
_MOST_CODES = 1_000_000


def _encoded(table: pa.Table | pa.RecordBatch) -> tuple[Ints, list[Name]]:
    """For every row the number of its provider, model, tier and region among the distinct ones; and these."""
    words: list[list[str]] = []
    combined = np.zeros(table.num_rows, dtype=np.int64)
    for name in _NAME:
        if name not in table.schema.names:
            words.append([""])
            continue
        column = _one(table[name])
        if column.type not in _TEXT:
            column = column.cast(pa.string())
        column = column.dictionary_encode(null_encoding="encode")
        words.append([word or "" for word in column.dictionary.to_pylist()] or [""])
        if len(words[-1]) > 1:
            combined = combined * len(words[-1]) + column.indices.to_numpy()
    found, numbers = _distinct(combined, prod(len(w) for w in words))
    places = np.unravel_index(found, [len(w) for w in words])
    names = [tuple(w[at] for w, at in zip(words, place, strict=True)) for place in zip(*places, strict=True)]
    return numbers, cast("list[Name]", names)


def _distinct(codes: Ints, below: int) -> tuple[Ints, Ints]:
    """As `np.unique` with its inverse, without a sort where there are few codes."""
    if below > _MOST_CODES:
        return np.unique(codes, return_inverse=True)
    there = np.bincount(codes, minlength=below) > 0
    return np.flatnonzero(there), (np.cumsum(there) - 1)[codes]


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Without chunks; a copy only where there are several."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _counts(table: pa.Table, name: str) -> pa.Array:
    try:
        return _one(table[name].cast(pa.int64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise AuditError(f"Column {name} must hold whole numbers: {error}.") from error


def _utc(times: pa.ChunkedArray) -> pa.Array:
    """Microseconds in UTC, without a zone. A zone shifts what is displayed, not the instant stored."""
    if pa.types.is_timestamp(times.type) and times.type.tz is not None:
        return _one(pc.cast(times, pa.timestamp("us", "UTC"), safe=False).cast(TIME))
    try:
        return _one(pc.cast(times, TIME, safe=False))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise AuditError(f"Column started_at must hold times or days, not {times.type}: {error}.") from error
