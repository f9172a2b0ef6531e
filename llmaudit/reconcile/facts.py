"""What the log and the provider's own counts can testify to, by day and model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from llmaudit.reconcile.cells import FAMILIES, Bill, Row, slot_at, tier_of
from llmaudit.reconcile.rounding import ZERO
from llmaudit.reconcile.units import Price

Place = tuple[datetime, str | None]
"""A bucket of the bill, and a model."""


@dataclass
class Tally:
    """Calls and tokens of one kind. `known_input` is of the `known` calls whose prompt an answered call shares."""

    calls: int = 0
    says_calls: bool = True
    """Whether every row says how many calls it counts."""
    known: int = 0
    known_input: Decimal = ZERO
    tokens: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(FAMILIES, ZERO))
    tiers: dict[str | None, dict[str, Decimal]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        self.calls += row["calls"] or 0
        self.says_calls &= row["calls"] is not None
        self.known += row.get("known_calls") or 0
        self.known_input += Decimal(row.get("known_input_tokens") or 0)
        tier = self.tiers.setdefault(tier_of(row.get("service_tier")), dict.fromkeys(FAMILIES, ZERO))
        for name in FAMILIES:
            self.tokens[name] += Decimal(row[f"{name}_q"] or 0)
            tier[name] += Decimal(row[f"{name}_q"] or 0)


PriceOf = Callable[[str | None, str | None, str | None, datetime], Price | None]
"""(model, tier, token class, moment) -> price of a unit in the bill's currency."""


@dataclass
class Facts:
    """Everything that may be evidence about one bill."""

    price: PriceOf
    first_at: datetime | None
    last_at: datetime | None
    """First and last moment of the whole log."""
    suspects: Mapping[str, Mapping[Place, Tally]]
    counted: Mapping[Place, Tally]
    """The provider's own counts; empty where no usage report was read."""
    counted_by: str | None
    calls: Mapping[Place, int]

    def suspect(self, kind: str, place: Place) -> Tally | None:
        return self.suspects.get(kind, {}).get(place)


def calls_by_place(bill: Bill, slots: Sequence[Row]) -> dict[Place, int]:
    """Logged calls with usage, by bucket and model: `slots` repeats them for each token class."""
    wide: dict[tuple[Any, ...], int] = {}
    for row in slots:
        at = slot_at(row) + bill.shift
        if bill.start_at <= at < bill.end_at:
            names = ("slot", "account_id", "project", "model", "service_tier", "requested_service_tier")
            wide[bill.bucket(at), *(row[name] for name in names)] = row["calls"]
    found: dict[Place, int] = defaultdict(int)
    for (at, _, _, _, model, *_), calls in wide.items():
        found[at, model] += calls
    return found


def suspects(bill: Bill, rows: Iterable[Row]) -> dict[str, dict[Place, Tally]]:
    found: dict[str, dict[Place, Tally]] = defaultdict(dict)
    for row in rows:
        if bill.start_at <= row["day_at"] < bill.end_at:
            found[row["suspect"]].setdefault((bill.bucket(row["day_at"]), row["model"]), Tally()).add(row)
    return found


def counted(bill: Bill, rows: Sequence[Row]) -> tuple[str | None, dict[Place, Tally]]:
    """The provider's counts of the bill's days, from the one report that counts most: reports repeat each other."""
    inside = [row for row in rows if bill.start_at <= row["day_at"] < bill.end_at]
    sizes: dict[str, int] = defaultdict(int)
    for row in inside:
        sizes[row["source"]] += row["calls"] or 0
        sizes[row["source"]] += int(row["input_q"] or 0)
    if not sizes:
        return None, {}
    source = max(sorted(sizes), key=lambda name: sizes[name])
    found: dict[Place, Tally] = {}
    for row in inside:
        if row["source"] == source:
            found.setdefault((bill.bucket(row["day_at"]), row["model"]), Tally()).add(row)
    return source, found
