"""What a newer price book, or other rates of the user's own, make of calls that were reported before.

The lake stores no price: every report prices anew. So that history is not rewritten without a word, the lake remembers what
each month came to, by model and price row, when it was last reported. A report that comes to other amounts for the same
calls says so; `llmaudit reprice` shows what changed and why, and makes the new amounts the remembered ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.lake import TABLES, Lake

ZERO = Decimal(0)
GROUP = ("month", "provider", "model", "service_tier")
COLUMNS = (*GROUP, "reason", "requests", "before_usd", "after_usd", "change_usd", "before_price", "after_price")


@dataclass(frozen=True)
class Repriced:
    """Calls of one month, provider, model and tier whose cost has changed though they have not."""

    month: date
    provider: str | None
    model: str | None
    service_tier: str
    reason: str
    requests: int
    before_usd: Decimal
    after_usd: Decimal
    before_price: str
    after_price: str

    @property
    def change_usd(self) -> Decimal:
        return self.after_usd - self.before_usd


@dataclass(frozen=True)
class Difference:
    """What was remembered beside what is true now."""

    recorded: bool
    """False: no report of this lake has been remembered yet, so there is nothing to compare."""
    book_before: str
    book_after: str
    changes: tuple[Repriced, ...] = ()
    further_requests: int = 0
    further_usd: Decimal = ZERO
    """Calls taken in since, at today's prices: no change of price."""

    @property
    def change_usd(self) -> Decimal:
        return sum((change.change_usd for change in self.changes), ZERO)

    def told(self, *, dry_run: bool) -> Iterator[str]:
        """For people, before the table of changes."""
        if not self.recorded:
            yield "No report over this whole lake is remembered yet: there is nothing to compare." + (
                "" if dry_run else " Today's amounts are remembered from now on."
            )
            return
        books = (
            "the same" if self.book_before == self.book_after else f"{self.book_before[:12]} -> {self.book_after[:12]}"
        )
        yield f"Price book: {books} (your own prices included)."
        for reason, changes in self._by_reason():
            before, after = (sum((getattr(c, n) for c in changes), ZERO) for n in ("before_usd", "after_usd"))
            calls = sum(c.requests for c in changes)
            yield f"{reason}: {calls:,} calls, ${before:,.6f} -> ${after:,.6f} ({after - before:+,.6f})"
        yield f"Calls that were reported before: {self.change_usd:+,.6f} US dollars."
        if self.further_requests:
            yield f"Taken in since: {self.further_requests:,} calls, ${self.further_usd:,.6f}; they are no change of price."
        if self.changes and not dry_run:
            yield "The new amounts are remembered now."

    def _by_reason(self) -> Iterator[tuple[str, list[Repriced]]]:
        for reason in sorted({change.reason for change in self.changes}):
            yield reason, [change for change in self.changes if change.reason == reason]

    def frame(self) -> pl.DataFrame:
        return _frame(self.changes)


@dataclass(frozen=True)
class AnotherDay:
    """What the lake's calls would have come to at the prices of one day."""

    day: date
    before_usd: Decimal
    after_usd: Decimal
    changes: tuple[Repriced, ...]

    def told(self, *, dry_run: bool = True) -> Iterator[str]:  # noqa: ARG002 - nothing is remembered either way
        """For people, before the table of changes."""
        change = self.after_usd - self.before_usd
        yield (
            f"As if made on {self.day}: ${self.before_usd:,.6f} -> ${self.after_usd:,.6f} ({change:+,.6f}), "
            "of calls that have a price on either day. Nothing of it is remembered."
        )

    def frame(self) -> pl.DataFrame:
        return _frame(self.changes)


def another_day(day: date, before: pl.DataFrame, after: pl.DataFrame) -> AnotherDay:
    """Two snapshots of the same calls, the second at the prices of a day."""
    changes = tuple(
        replace(change, reason="price of that day") if change.reason in _OF_A_DAY else change
        for change in compare(before, after)
    )
    before_usd, after_usd = (sum((usd or ZERO for usd in found["cost_usd"]), ZERO) for found in (before, after))
    return AnotherDay(day, before_usd, after_usd, changes)


_OF_A_DAY = ("price row replaced", "price corrected", "your prices changed")


def _frame(changes: Sequence[Repriced]) -> pl.DataFrame:
    money = pl.Decimal(38, 12)
    kinds: list[pl.DataType] = [
        pl.Date(),
        *[pl.String()] * 4,
        pl.Int64(),
        money,
        money,
        money,
        pl.String(),
        pl.String(),
    ]
    rows = [tuple(getattr(change, name) for name in COLUMNS) for change in changes]
    return pl.DataFrame(rows, schema=list(zip(COLUMNS, kinds, strict=True)), orient="row")


def now(engine: Engine) -> pl.DataFrame:
    """What the engine's `requests` come to, as the lake remembers it."""
    return pl.DataFrame(engine.fetch(queries.run(engine, "price_snapshot")))


def record(lake: Lake, engine: Engine, book: str) -> None:
    """Remember what the lake's calls come to today."""
    name = uuid.uuid4().hex
    held = lake.ingests().select("batch_id", "path").to_arrow()
    lake.replace("reported_batches", held.append_column("snapshot", pa.repeat(pa.scalar(name), held.num_rows)))
    told = now(engine).to_arrow()
    told = told.append_column("snapshot", pa.repeat(pa.scalar(name), told.num_rows))
    told = told.append_column("book_sha256", pa.repeat(pa.scalar(book), told.num_rows))
    lake.replace("reported_prices", told.select(TABLES["reported_prices"].names))


def remembered(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The amounts of the last report, and the batches of files that it was over. Empty where there was none."""
    told, held = lake.frame("reported_prices"), lake.frame("reported_batches")
    if not told.is_empty() and held.filter(pl.col("snapshot") == told["snapshot"][0]).is_empty():
        return told.clear(), held.clear()  # two runs wrote at once, or one was stopped between the two tables
    return told, held


def compare(before: pl.DataFrame, after: pl.DataFrame) -> tuple[Repriced, ...]:
    """Groups whose calls are the same and whose cost is not, the largest change first. Groups with other calls are left out."""
    old, new = _groups(before), _groups(after)
    found = [
        _repriced(place, old[place], new[place])
        for place in old
        if place in new and _calls(old[place]) == _calls(new[place]) and _usd(old[place]) != _usd(new[place])
    ]
    return tuple(
        sorted(found, key=lambda c: (-abs(c.change_usd), c.month, str(c.provider), str(c.model), c.service_tier))
    )


def changed_calls(before: pl.DataFrame, after: pl.DataFrame) -> tuple[int, Decimal]:
    """How many more calls there are now, and what the groups that they are in have grown by."""
    count = int(after["requests"].sum()) - int(before["requests"].sum())
    old, new = _groups(before), _groups(after)
    grown = [place for place in new if place not in old or _calls(old[place]) != _calls(new[place])]
    return count, sum((_usd(new[place]) - _usd(old.get(place, [])) for place in grown), ZERO)


Rows = Sequence[dict[str, Any]]


def _groups(table: pl.DataFrame) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table.iter_rows(named=True):
        found.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    return found


def _calls(rows: Rows) -> tuple[int, int]:
    return _total(rows, "requests"), _total(rows, "tokens")


def _total(rows: Rows, name: str) -> int:
    return sum(row[name] or 0 for row in rows)


def _usd(rows: Rows) -> Decimal:
    return sum((row["cost_usd"] or ZERO for row in rows), ZERO)


def _repriced(place: tuple[Any, ...], old: Rows, new: Rows) -> Repriced:
    month, provider, model, tier = place
    return Repriced(
        month,
        provider,
        model,
        tier,
        _reason(old, new),
        _total(new, "requests"),
        _usd(old),
        _usd(new),
        _named(old),
        _named(new),
    )


def _reason(old: Rows, new: Rows) -> str:
    """Why, as far as the price rows tell."""
    if _total(old, "charged_requests") != _total(new, "charged_requests"):
        return "billing mode changed"
    if _total(old, "unpriced_requests") != _total(new, "unpriced_requests"):
        return (
            "newly priced"
            if _total(new, "unpriced_requests") < _total(old, "unpriced_requests")
            else "no longer priced"
        )
    before, after = (set(_ids(rows)) for rows in (old, new))
    if "reported" in before ^ after:
        return "log's own figure replaced" if "reported" in before else "log's own figure used"
    if {_row_of(name) for name in before} != {_row_of(name) for name in after}:
        return "name read as another model"
    if _is_users(old) or _is_users(new):
        return "your prices changed"
    return "price corrected" if before == after else "price row replaced"


def _ids(rows: Rows) -> Iterator[str]:
    return (row["price_id"] for row in rows if row["price_id"])


def _row_of(price_id: str) -> str:
    """Provider, model and tier of a price row, without its dates and rules."""
    return price_id.rpartition("/")[0]


def _is_users(rows: Rows) -> bool:
    return any(row["priced_by"] == "user" for row in rows)


def _named(rows: Rows) -> str:
    return ", ".join(sorted(set(_ids(rows)))) or "none"
