"""What a change itself costs to run: quantities of skus, priced by the book or by the user's own entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.pricing.book import Book
from llmaudit.pricing.tuning import unit_usd
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
    return {(sku, day): _unit_usd(sku, day, book) for sku, day in sorted(skus)}


def _unit_usd(sku: str, day: date, book: Book) -> Decimal | None:
    provider, model, token_class = _parts(sku)
    fact = _fact(sku, book)
    if fact is not None:
        return fact
    rate = book.rate(provider, model, token_class, at=day)
    return rate.usd if rate else None


def _fact(sku: str, book: Book) -> Decimal | None:
    """What the shipped facts say of a sku; None where they do not, or the user knows better."""
    return None if book.user.rates_of(None, sku) else unit_usd(sku, book.targets)


def _parts(sku: str) -> tuple[str | None, str, str]:
    """Provider, model and class of a sku.

    >>> _parts("openai/gpt-5-mini/cache_read_tokens"), _parts("gpu/h100/hour")
    (('openai', 'gpt-5-mini', 'cache_read'), (None, 'gpu/h100/hour', 'requests'))
    """
    head, slash, column = sku.rpartition("/")
    provider, between, model = head.partition("/")
    if slash and between and column in _COUNTS:
        return provider, model, column.removesuffix("_tokens")
    return None, sku, "requests"
