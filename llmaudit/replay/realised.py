"""What a move to a cheaper model has come to since: its calls priced as they were and on the model of before.

A call that was asked of the new model and then of the old one again is paid for twice. Calls that never left are in neither sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from llmaudit import pricing, queries
from llmaudit.engine.base import Engine

FEWEST = 20
"""Calls on either model, before the move and after it: fewer are a trial."""
FALLBACK_SECONDS = 300
ENDS = ("low", "expected", "high")


@dataclass(frozen=True)
class Move:
    """One endpoint that went on on another model."""

    endpoint: str
    old_provider: str | None
    old_model: str
    new_provider: str | None
    new_model: str
    since: datetime
    until: datetime
    asked_requests: int
    """Calls of the new model, failed ones included."""
    moved_requests: int
    """Those it answered."""
    fell_back_requests: int
    stayed_requests: int
    cost_usd: Decimal | None
    """What the new model's calls and the fallbacks cost; None where a part of it has no price."""
    before_usd: Decimal | None
    """What the answered calls would have cost on the model of before, with the tokens that were counted."""

    @property
    def saving_usd(self) -> Decimal | None:
        if self.cost_usd is None or self.before_usd is None:
            return None
        return self.before_usd - self.cost_usd

    @property
    def fell_back_share(self) -> float:
        return self.fell_back_requests / self.asked_requests if self.asked_requests else 0.0


@dataclass(frozen=True)
class Promise:
    """What a report of before said of the endpoint, on the calls that were then made."""

    saving_usd: Mapping[str, Decimal] | None
    """Low, expected, high: the promised share of the cost, taken of what the moved calls would have cost."""
    agreement: Mapping[str, Any] | None


def migrations(engine: Engine, book: pricing.Book, fewest: int = FEWEST) -> list[Move]:
    """Every move that the calls of `requests` show. Leaves the tables migrations and migrations_parts."""
    found = engine.fetch(queries.run(engine, "migrations", params={"fewest": fewest}))
    if not found.num_rows:
        return []
    queries.run(engine, "migrations_parts", params={"fallback_seconds": FALLBACK_SECONDS})
    pricing.price_usage(engine, queries.run(engine, "migrations_back"), "as_before", book)
    return [_move(row) for row in engine.fetch(queries.run(engine, "migrations_costs")).to_pylist()]


def promise(move: Move, report: Mapping[str, Any]) -> Promise:
    """What `report`, a report.json made before the move, said about it."""
    said = next((row for row in report.get("fine_tune", ()) if row["endpoint"] == move.endpoint), None)
    if said is None:
        return Promise(None, None)
    saving, cost = said.get("saving_usd"), said.get("cost_usd")
    if saving is None or not cost or move.before_usd is None:
        return Promise(None, said.get("agreement"))
    scaled = {end: move.before_usd * Decimal(str(saving[end])) / Decimal(str(cost)) for end in ENDS}
    return Promise(scaled, said.get("agreement"))


def kept(move: Move, promised: Promise) -> str | None:
    """Whether the promise was kept or missed; None where there is nothing to compare."""
    if move.saving_usd is None or promised.saving_usd is None:
        return None
    return "kept" if move.saving_usd >= promised.saving_usd["low"] else "missed"


def _move(row: dict[str, Any]) -> Move:
    unpriced = row.pop("unpriced_requests")
    return Move(**{**row, "cost_usd": None if unpriced else row["cost_usd"]})
