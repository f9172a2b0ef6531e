"""What a change itself costs to run: quantities of skus, priced by the book or by the user's own entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import polars as pl

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.pricing.book import Book
from llmaudit.pricing.tuning import unit_usd
from llmaudit.pricing.usage import price
from llmaudit.schema import USAGE_COLUMNS

_COUNTS = {field.name for field in USAGE_COLUMNS}


@dataclass(frozen=True)
class Charged:
    """So much of a sku, for one endpoint and model on one day. `cost_usd` is None where nobody says what it costs."""

    endpoint: str | None
    model: str | None
    day: date
    sku: str
    quantity: Decimal
    cost_usd: Decimal | None


def priced_charges(engine: Engine, table: str | None, book: Book) -> tuple[Charged, ...]:
    """The rows of a table of `levers.base.CHARGES` with their money.

    A sku `<provider>/<model>/<usage column>` is priced as one such token on its day; any other name as a model of
    prices.toml that is billed by the piece (`requests_usd`), else as a fact about tuning (pricing/tuning.py).
    """
    if table is None:
        return ()
    rows = engine.fetch(queries.run(engine, "charged", into="charges_of_lever", lever_charges=table)).to_pylist()
    units = unit_prices({(row["sku"], row["day"]) for row in rows}, book)
    return tuple(
        Charged(**row, cost_usd=None if (unit := units[row["sku"], row["day"]]) is None else row["quantity"] * unit)
        for row in rows
    )


def unit_prices(skus: Iterable[tuple[str, date]], book: Book) -> dict[tuple[str, date], Decimal | None]:
    """What one of each sku costs on each day; None where nobody says."""
    facts = {(sku, day): _fact(sku, book) for sku, day in sorted(skus)}
    asked = [place for place, usd in facts.items() if usd is None]
    if not asked:
        return facts
    calls = pl.DataFrame([_call(sku, day) for sku, day in asked], schema_overrides={"provider": pl.String})
    return facts | dict(zip(asked, price(calls.fill_null(0), book)["cost_usd"], strict=True))


def _fact(sku: str, book: Book) -> Decimal | None:
    """What the shipped facts say of a sku; None where they do not, or the user knows better."""
    return None if book.user.rates_of(None, sku) else unit_usd(sku, book.targets)


def _call(sku: str, day: date) -> dict[str, object]:
    provider, model, column = _parts(sku)
    counted = {column: 1} if column else {}
    if column and column not in {"input_tokens", "output_tokens"}:
        counted["output_tokens" if column.startswith(("output", "reasoning")) else "input_tokens"] = 1
    none = dict.fromkeys(("input_tokens", "output_tokens"), 0)
    return {
        "provider": provider,
        "model": model,
        "started_at": datetime(day.year, day.month, day.day),  # noqa: DTZ001 - the tables keep UTC without a zone
        **none,
        **counted,
    }


def _parts(sku: str) -> tuple[str | None, str, str | None]:
    head, slash, column = sku.rpartition("/")
    provider, between, model = head.partition("/")
    if slash and between and column in _COUNTS:
        return provider, model, column
    return None, sku, None
