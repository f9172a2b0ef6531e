"""What priced calls would cost otherwise: at the other source's rates, at prices to come, as they were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.pricing import contract
from llmaudit.pricing.book import Book
from llmaudit.pricing.upcoming import Coming, coming
from llmaudit.pricing.usage import price_usage

Row = Mapping[str, Any]
ZERO = Decimal(0)
HORIZON_DAYS = 400


@dataclass(frozen=True)
class Review:
    """Rows for the report, largest amounts first. Amounts are of the calls in the window."""

    disputed: list[dict[str, Any]]
    upcoming: list[dict[str, Any]]
    served: list[dict[str, Any]]


def review(engine: Engine, book: Book, usage: str, money: str, as_of: date) -> Review:
    """All three. `usage` is what the levers see of the calls that count, `money` their prices."""
    return Review(
        disputed(engine, book, usage, money),
        upcoming(engine, book, usage, money, as_of),
        served(engine, book, usage, money),
    )


def disputed(engine: Engine, book: Book, usage: str, money: str) -> list[dict[str, Any]]:
    """Per provider and model: what calls cost by rows on which the two sources differ, and what by the other source."""
    ids = engine.fetch(queries.run(engine, "price_rows", money=money))["price_id"].to_pylist()
    known = book.disputed_ids()
    found = [name for name in ids if any(name == known_id or name.startswith(f"{known_id}+") for known_id in known)]
    if not found:
        return []
    engine.put("disputed_ids", pa.table({"price_id": pa.array(found, pa.string())}))
    queries.run(engine, "disputed_calls", usage=usage, money=money)
    after = price_usage(engine, "disputed_calls", "disputed_money", book.other())
    rows = _twice(engine, "disputed_calls", money, after, ("provider", "model"))
    return sorted(rows, key=lambda r: (-(r["high_usd"] - r["low_usd"]), r["provider"] or "", r["model"] or ""))


def upcoming(engine: Engine, book: Book, usage: str, money: str, as_of: date) -> list[dict[str, Any]]:
    """Per day, endpoint and model: what these calls cost on the day before a price changes, and on that day.

    A model that retires stands with what its calls cost; where they go then, nobody knows.
    """
    last = as_of + timedelta(days=HORIZON_DAYS)
    changes = [c for c in coming(book, as_of) if c.on is None or c.on <= last]
    places = _places(engine, book, usage)
    rows: list[dict[str, Any]] = []
    for on, kind in sorted({(c.on or date.max, c.kind) for c in changes}):
        touched = _touched([c for c in changes if (c.on or date.max, c.kind) == (on, kind)], places)
        if touched:
            rows += _on(engine, book, usage, money, None if on == date.max else on, kind, touched)
    return rows


def _places(engine: Engine, book: Book, usage: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Provider and model of the book -> the names that calls have for it."""
    named: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for row in engine.fetch(queries.run(engine, "priced_names", into="review_names", usage=usage)).to_pylist():
        place = book.place(
            row["provider"] or None, row["model"] or None, row["service_tier"] or None, row["region"] or None
        )
        if place:
            named.setdefault((place.provider, place.model), set()).add((row["provider"], row["model"]))
    return named


def _touched(changes: Sequence[Coming], places: Mapping[tuple[str, str], set[tuple[str, str]]]) -> pa.Table | None:
    names = sorted({name for c in changes for name in places.get((c.provider, c.model), ())})
    if not names:
        return None
    columns = [pa.array([name[at] for name in names], pa.string()) for at in (0, 1)]
    return pa.table(columns, names=["provider", "model"])


def _on(
    engine: Engine, book: Book, usage: str, money: str, on: date | None, kind: str, touched: pa.Table
) -> list[dict[str, Any]]:
    engine.put("moved_models", touched)
    day = on or date(2000, 1, 2)
    by = ("endpoint", "provider", "model")
    if kind == "retirement":
        moved = _made_at(engine, usage, "moved_after", day)
        calls = queries.run(engine, "among", into="moved_usage", usage=usage, chosen=moved)
        return [{"on": on, "kind": kind, **row, "after_usd": None} for row in _twice(engine, calls, money, money, by)]
    before, after = (
        price_usage(engine, _made_at(engine, usage, name, moment), f"{name}_usd", book)
        for name, moment in (("moved_before", day - timedelta(days=1)), ("moved_after", day))
    )
    rows = _twice(engine, usage, before, after, by, into="moved_twice")
    told = [{"on": on, "kind": kind, **row} for row in rows]
    return [row for row in told if row["before_usd"] != row["after_usd"]]


def _made_at(engine: Engine, usage: str, into: str, day: date) -> str:
    """The calls to models whose price changes as if they were made at noon of a day."""
    noon = datetime.combine(day, time(12))
    return queries.run(engine, "moved_calls", into=into, params={"moment": noon}, usage=usage)


def served(engine: Engine, book: Book, usage: str, money: str) -> list[dict[str, Any]]:
    """Calls served by another tier than asked for, or by a model of another price: what they cost, and what as asked."""
    asked = queries.run(engine, "as_requested", usage=usage)
    calls = queries.run(engine, "among", into="served_otherwise", usage=usage, chosen=asked)
    after = price_usage(engine, asked, "as_requested_usd", book)
    by = ("endpoint", "provider", "request_model", "model", "requested_service_tier", "service_tier")
    rows = _twice(engine, calls, money, after, by)
    told = [row for row in rows if _tier(row, "requested_service_tier") or row["before_usd"] != row["after_usd"]]
    return sorted(
        told, key=lambda r: (-abs((r["before_usd"] or ZERO) - (r["after_usd"] or ZERO)), str([r[n] for n in by]))
    )


def _tier(row: Row, name: str) -> bool:
    """Whether another tier was asked for than was served."""
    wanted = (row[name] or "").lower()
    return wanted not in _NO_WISH and wanted != (row["service_tier"] or "").lower()


_NO_WISH = {"", "auto", "default", "standard", "standard_only"}


def _twice(
    engine: Engine, usage: str, before: str, after: str, by: Sequence[str], into: str = ""
) -> list[dict[str, Any]]:
    """Both prices of the calls that have both, summed by some of the columns."""
    table = engine.fetch(
        queries.run(engine, "priced_twice", into=into or f"{usage}_twice", usage=usage, before=before, after=after)
    )
    frame = pl.DataFrame(table)
    money = ("before_usd", "after_usd", "low_usd", "high_usd")
    sums = [pl.col("requests", "priced_requests").sum(), *(_sum(name) for name in money)]
    return frame.group_by(by).agg(sums).sort(by, nulls_last=True).to_dicts()


def _sum(name: str) -> pl.Expr:
    """A sum that is unknown where every part is."""
    return pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()).alias(name)


def due(engine: Engine, terms: contract.Contract, window: contract.Window | None) -> dict[str, Any] | None:
    """The contract's ledger for the calls of the window: list, contracted, and what is due; None without any terms."""
    if not terms:
        return None
    spent = spend_of(engine, terms)
    months = contract.due(spent, terms, window)
    by_team = pl.DataFrame(engine.fetch(queries.run(engine, "spend_months")))
    lists = by_team.group_by("month", "provider").agg(pl.col("list_usd").sum())
    lists = lists.sort("month", "provider", nulls_last=True)
    shown = contract.showback(by_team, terms).group_by("team").agg(pl.col("contracted_usd", "showback_usd").sum())
    return {
        "months": months.join(
            lists, on=["month", "provider"], how="left", nulls_equal=True, maintain_order="left"
        ).to_dicts(),
        "lines": changes(spent, terms, window).to_dicts(),
        "commitments": [
            {
                "name": p.name,
                "start": p.start,
                "end": p.end,
                "committed_usd": p.committed_usd,
                "counted_usd": p.counted_usd,
                "true_up_usd": p.true_up_usd,
                "is_complete": p.is_complete,
            }
            for p in contract.promises(spent, terms, window)
        ],
        "showback": shown.sort("team", nulls_last=True).to_dicts() if terms.margins else [],
        "due_usd": sum(months["due_usd"].to_list(), ZERO),
    }


def spend_of(engine: Engine, terms: contract.Contract) -> pl.DataFrame:
    """What calls cost as a contract asks for it: by kind of token, and by day where its terms begin or end within months."""
    return pl.DataFrame(engine.fetch(queries.run(engine, "spend_terms", params={"by_day": terms.needs_days()})))


def changes(spent: pl.DataFrame, terms: contract.Contract, window: contract.Window | None) -> pl.DataFrame:
    """What the contract's terms add to or take off the spend of each month, by provider and model."""
    lines = contract.ledger(spent, terms, window).filter(pl.col("line") != "usage")
    by = ("month", "line", "name", "provider", "model")
    return lines.group_by(by, maintain_order=True).agg(pl.col("usd").sum())
