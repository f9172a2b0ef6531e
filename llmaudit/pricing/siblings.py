"""Which cheaper model could take the place of another: successors and smaller models of a line, as dated data.

Nothing is read off a name: a pair is in `data/siblings.csv` with its source, or the log itself has both models. No
money: only whether a model costs less than another on every kind of token.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.pricing.book import Book
from llmaudit.pricing.relations import in_force
from llmaudit.pricing.wide import Wide

LEAST_DAYS_LEFT = 180
"""A model that retires within so many days of the book is no place to move to."""

SIBLINGS = pa.schema(
    [
        ("provider", pa.string()),
        ("model", pa.string()),
        ("to_provider", pa.string()),
        ("to_model", pa.string()),
        ("kind", pa.string()),
        ("place", pa.int64()),
        ("is_going", pa.bool_()),
        ("input_ratio", pa.float64()),
        ("output_ratio", pa.float64()),
        ("note", pa.string()),
        ("source", pa.string()),
        ("as_of", pa.string()),
    ]
)
"""Providers and models as the log has them. `kind`: successor, sibling, or logged (the log has both). `place` counts from 1,
what is listed first being the smaller step. `is_going`: the target retires soon, which only a logged one may. Ratios are of the target's price to the model's, for short prompts today."""

_COMPARED = ("input_usd", "output_usd", "cache_read_usd")


@dataclass(frozen=True)
class _Model:
    """A model as the log or the table names it, with its rates."""

    provider: str
    name: str
    rates: Wide
    is_going: bool


def put_siblings(engine: Engine, usage: str, book: Book) -> str:
    """Make the table `siblings` for the models of `usage`."""
    named = engine.fetch(queries.run(engine, "priced_names", into="sibling_names", usage=usage)).to_pylist()
    pairs = dict.fromkeys((row["provider"], row["model"]) for row in named if row["model"])
    going = _going(book)
    known = [model for pair in pairs if (model := _model(book, *pair, going))]
    rows = [row for model in known for row in (*_listed(book, model, going), *_logged(model, known))]
    engine.put("siblings", pa.Table.from_pylist(rows, schema=SIBLINGS))
    return "siblings"


def _model(book: Book, provider: str, name: str, going: frozenset[tuple[str, str]]) -> _Model | None:
    """None where it has no price by the token."""
    rates, place = in_force(book, provider, name), book.place(provider or None, name, None, None)
    if rates is None or place is None or not rates["input_usd"] or not rates["output_usd"]:
        return None
    return _Model(provider, name, rates, (place.provider, place.model) in going)


def _listed(book: Book, model: _Model, going: frozenset[tuple[str, str]]) -> Iterator[dict[str, object]]:
    for place, pair in enumerate(_pairs_of(book, model.provider, model.name), start=1):
        other = _model(book, model.provider, pair["to_model"], going)
        if other and not other.is_going and _costs_less(other, model):
            said = {name: pair[name] or None for name in ("kind", "note", "source", "as_of")}
            yield {**_pair(model, other), **said, "place": place}


def _logged(model: _Model, known: Iterable[_Model]) -> Iterator[dict[str, object]]:
    for other in known:
        if _costs_less(other, model):
            yield {**_pair(model, other), "kind": "logged", "place": 0}


def _costs_less(other: _Model, model: _Model) -> bool:
    """On some kind of token, and more on none."""
    pairs = [(other.rates[name], model.rates[name]) for name in _COMPARED]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)  # type: ignore[operator]


def _pair(model: _Model, other: _Model) -> dict[str, object]:
    return {
        "provider": model.provider,
        "model": model.name,
        "to_provider": other.provider,
        "to_model": other.name,
        "is_going": other.is_going,
        **{
            f"{side}_ratio": float(other.rates[f"{side}_usd"] / model.rates[f"{side}_usd"])  # type: ignore[operator]
            for side in ("input", "output")
        },
    }


def _going(book: Book) -> frozenset[tuple[str, str]]:
    """Models that are retired, soon will be, or are deprecated without a day."""
    last: date = book.as_of + timedelta(days=LEAST_DAYS_LEFT)
    return frozenset(
        (row["provider"], row["model"])
        for row in book.retirements()
        if row["retires_on"] is None or row["retires_on"] <= last
    )


def _pairs_of(book: Book, provider: str, model: str) -> list[Mapping[str, str]]:
    """The listed pairs of a model, whoever serves it and however its name is written."""
    place = book.place(provider or None, model, None, None)
    names = [model, *([place.model] if place else [])]
    for maker in _makers():
        for name in names:
            match = book.find(maker, name) or book.find_billed(maker, name)
            found = [pair for pair in _table() if match and (pair["maker"], pair["model"]) == (maker, match.model)]
            if found:
                return found
    return []


@cache
def _makers() -> tuple[str, ...]:
    return tuple(dict.fromkeys(pair["maker"] for pair in _table()))


@cache
def _table() -> tuple[Mapping[str, str], ...]:
    text = files(__package__).joinpath("data/siblings.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))
