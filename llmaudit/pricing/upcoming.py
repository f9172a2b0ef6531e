"""What the book already knows of the days to come: prices that will change, models that will no longer be served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from llmaudit.pricing.book import Book

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Coming:
    """One change of one rate, or one model's end (then without a class and rates)."""

    on: date | None
    """None: deprecated, without a day."""
    kind: str
    """price or retirement"""
    provider: str
    model: str
    tier: str | None
    token_class: str | None
    from_tokens: int | None
    before_usd_per_unit: Decimal | None
    after_usd_per_unit: Decimal | None
    source: str


COLUMNS = tuple(Coming.__dataclass_fields__)


def coming(book: Book, as_of: date) -> list[Coming]:
    """Everything dated after `as_of`, the soonest first."""
    found = [*_prices(book, as_of), *_retirements(book, as_of)]
    return sorted(
        found, key=lambda c: (c.on or date.max, c.provider, c.model, c.kind, c.tier or "", c.token_class or "")
    )


def _prices(book: Book, as_of: date) -> Iterator[Coming]:
    """A rate whose row ends on a later day, beside the row that begins on it."""
    rows = book.rates_after(as_of)
    begins = {(*_key(row), row["valid_from"]): row for row in rows if row["valid_from"] and row["valid_from"] > as_of}
    for row in rows:
        later = begins.get((*_key(row), row["valid_to"]))
        if later and later["usd_per_unit"] != row["usd_per_unit"]:
            yield Coming(
                row["valid_to"],
                "price",
                row["provider"],
                row["model"],
                row["tier"],
                row["token_class"],
                row["from_tokens"],
                row["usd_per_unit"],
                later["usd_per_unit"],
                f"{later['source']} {later['source_version']}",
            )


def _key(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(
        row[name]
        for name in ("provider", "model", "tier", "token_class", "from_tokens", "daily_from_second", "weekdays")
    )


def _retirements(book: Book, as_of: date) -> Iterator[Coming]:
    for row in book.retirements():
        if row["retires_on"] is None or row["retires_on"] > as_of:
            at = (row["provider"], row["model"])
            yield Coming(row["retires_on"], "retirement", *at, None, None, None, None, None, row["source"])


def frame(book: Book, as_of: date, *, deprecated: bool = False) -> pl.DataFrame:
    """The same as a table. Models that are deprecated without a day only if asked for."""
    import polars as pl

    rows = [c for c in coming(book, as_of) if c.on or deprecated]
    kinds = dict.fromkeys(COLUMNS, pl.String()) | {
        "on": pl.Date(),
        "from_tokens": pl.Int64(),
        "before_usd_per_unit": pl.Decimal(22, 18),
        "after_usd_per_unit": pl.Decimal(22, 18),
    }
    return pl.DataFrame([{name: getattr(c, name) for name in COLUMNS} for c in rows], schema=kinds)
