"""Bills held against the priced calls. Every difference gets a cause that something shows, or none; nothing is plugged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from llmaudit import pricing, queries
from llmaudit.engine.base import Engine
from llmaudit.reconcile import cells, counts, cutoff, facts, quantities, units, witnesses
from llmaudit.reconcile.amounts import Amounts, lines_without_calls
from llmaudit.reconcile.cells import DAY_MINUTES, FINE_MINUTES, Bill, Row, Square
from llmaudit.reconcile.effective import Effective, effective
from llmaudit.reconcile.evidence import Evidence, call_rows
from llmaudit.reconcile.rounding import ZERO
from llmaudit.reconcile.units import Price, Want

UNEXPLAINED, CUTOFF = "unexplained", "utc_cutoff"
MOST_SLOTS = 200_000
"""Days of models, tiers, projects and classes beyond which half hours of them would not fit into memory with ease."""


@dataclass(frozen=True)
class Part:
    """One cause of the difference. `rows` is a SELECT that shows the rows behind its largest amount."""

    name: str
    amount: Decimal
    evidence: tuple[str, ...]
    rows: str | None


@dataclass(frozen=True)
class Place:
    """What both sides come to in one day, or for one model. The parts sum to billed less priced."""

    key: str | None
    billed: Decimal
    priced: Decimal
    parts: dict[str, Decimal]


@dataclass(frozen=True)
class Reconciled:
    """One bill against the log, in the bill's currency: parts and `unexplained` sum to billed less priced, to the last digit."""

    bill: Bill
    billed: Decimal
    priced: Decimal | None
    parts: tuple[Part, ...]
    unexplained: Decimal | None
    days: tuple[Place, ...]
    models: tuple[Place, ...]
    reason: str
    same_as: str | None
    off: Decimal | None
    effective: tuple[Effective, ...]
    assumptions: tuple[str, ...] = field(default=())


Rates = Callable[[str, datetime], Decimal | None]
"""(currency, moment) -> units of it for a US dollar; None where nobody knows."""


def reconcile(
    engine: Engine, book: pricing.Book, rates: Rates, first_at: datetime | None, last_at: datetime | None
) -> list[Reconciled]:
    """Hold every bill among `charges` against `requests`. `first_at` and `last_at` are the ends of the whole log."""
    names = _name_models(engine, book)
    bills = cells.bills(_rows(engine, queries.run(engine, "bill_cells")))
    if not bills:
        return []
    desk = _Desk(engine, book, names, rates, first_at, last_at)
    roles = witnesses.roles(bills)
    accounts: dict[tuple[str, str | None], set[str | None]] = defaultdict(set)
    for bill in bills:
        accounts[bill.source, bill.provider].add(bill.account_id)
    return [
        desk.work(bill, len(accounts[bill.source, bill.provider]), role, bills)
        for bill, role in zip(bills, roles, strict=True)
    ]


Names = dict[str, tuple[str, str]]
"""Our key for a model -> provider and model of the book."""


def _name_models(engine: Engine, book: pricing.Book) -> Names:
    """One key for a model, however bills and logs word it: the table `model_keys`."""
    found: Names = {}
    rows = []
    for row in _rows(engine, queries.run(engine, "model_words")):
        match = book.find_billed(row["provider"], row["model"])
        if match is not None:
            found[match.model] = (match.provider, match.model)
            rows.append({**row, "model_key": match.model})
    engine.put("model_keys", pa.Table.from_pylist(rows, _KEYS))
    return found


_KEYS = pa.schema([("provider", pa.string()), ("model", pa.string()), ("model_key", pa.string())])


@dataclass
class _Desk:
    """What one run of `reconcile` works with."""

    engine: Engine
    book: pricing.Book
    names: Names
    rates: Rates
    first_at: datetime | None
    last_at: datetime | None
    _tables: dict[str, list[Row]] = field(default_factory=dict)

    def work(self, bill: Bill, accounts: int, role: witnesses.Role, bills: Sequence[Bill]) -> Reconciled:
        found = Evidence()
        cells.extend(bill, self.last_at)
        slots = cells.in_scope(bill, self._slots(DAY_MINUTES), accounts)
        cells.lay_out(bill, slots, self._rate(bill))
        in_utc: dict[tuple[Any, ...], Decimal] = defaultdict(lambda: ZERO)
        for square in bill.squares.values():
            in_utc[square.key.at, square.key.model] += square.priced
        slots = self._settle_clock(bill, accounts, slots, found)
        lines_without_calls(bill, found)
        if not bill.has_calls or bill.rate_missing:
            return self._alone(bill, role, bills)
        told = self._facts(bill, accounts, slots)
        self._price(bill, told)
        quantities.explain(bill, told, found)
        Amounts(bill, told, found).explain()
        return _summed(bill, found, in_utc, role, bills, tuple(effective(bill, slots, told)))

    def _settle_clock(self, bill: Bill, accounts: int, slots: list[Row], found: Evidence) -> list[Row]:
        """Move the log's clock if the bill's days begin at another hour."""
        if not cutoff.is_suspected(bill):
            return slots
        if len(slots) > MOST_SLOTS:
            bill.assumptions.append(
                "The log is too wide to try other hours for the bill's days: they are taken to be UTC's."
            )
            return slots
        fine = cells.in_scope(bill, self._slots(FINE_MINUTES), accounts)
        shift, now, before = cutoff.find(bill, fine)
        if not shift:
            return slots
        bill.shift = shift
        priced = bill.priced
        cells.lay_out(bill, fine, self._rate(bill))
        hours = shift.total_seconds() / 3_600
        text = f"With the log's clock at UTC{hours:+g} h, {now:,} of the bill's days agree by model and class; in UTC {before:,} do."
        found.add(
            CUTOFF,
            text,
            bill.priced - priced,
            call_rows(bill, bill.start_at - abs(shift), end=bill.start_at + abs(shift)),
        )
        return fine

    def _slots(self, minutes: int) -> list[Row]:
        name = f"call_slots_{minutes}"
        if name not in self._tables:
            table = queries.run(self.engine, "call_slots", into=name, params={"slot_minutes": minutes})
            self._tables[name] = [{**row, "slot_minutes": minutes} for row in _rows(self.engine, table)]
        return self._tables[name]

    def _table(self, name: str) -> list[Row]:
        if name not in self._tables:
            self._tables[name] = _rows(self.engine, queries.run(self.engine, name))
        return self._tables[name]

    def _rate(self, bill: Bill) -> cells.Rate:
        return lambda moment: self.rates(bill.currency, moment)

    def _facts(self, bill: Bill, accounts: int, slots: Sequence[Row]) -> facts.Facts:
        suspects = facts.suspects(bill, cells.in_scope(bill, self._table("bill_suspects"), accounts))
        counted_by, counted = facts.counted(bill, cells.in_scope(bill, self._table("counted_cells"), accounts))
        known = units.prices(self.engine, self.book, self._wants(bill, counted.values(), slots))

        def price(model: str | None, tier: str | None, token_class: str | None, at: datetime) -> Price | None:
            rate = self.rates(bill.currency, at)
            want = self._want(model, tier, token_class, at)
            usd = known.get(want) if want else None
            return (
                None if usd is None or rate is None else Price(usd.contract * Fraction(rate), usd.list * Fraction(rate))
            )

        return facts.Facts(
            price, self.first_at, self.last_at, suspects, counted, counted_by, facts.calls_by_place(bill, slots)
        )

    def _wants(self, bill: Bill, counted: Iterable[facts.Tally], slots: Sequence[Row]) -> set[Want]:
        tiers = {tier for tally in counted for tier in tally.tiers} | {"standard", "batch", "flex", "priority"}
        used = {
            (r["model"], r["service_tier"], r["token_class"], bill.bucket(cells.slot_at(r) + bill.shift)) for r in slots
        }
        wants = {self._want(*place) for place in used if bill.start_at <= place[-1] < bill.end_at}
        for square in bill.squares.values():
            places = {(square.key.model, square.key.tier, square.key.family), *square.classes}
            more = {t for pair in square.tiers for t in pair} | (tiers if square.key.tier is None else set())
            for model, tier, token_class in places:
                for asked in {tier, *more}:
                    wants.add(self._want(model, asked, token_class, square.key.at))
        return {want for want in wants if want is not None}

    def _want(self, model: str | None, tier: str | None, token_class: str | None, at: datetime) -> Want | None:
        if model not in self.names or token_class is None:
            return None
        provider, name = self.names[str(model)]
        return Want(provider, name, tier or "standard", token_class, at)

    def _price(self, bill: Bill, told: facts.Facts) -> None:
        """What a unit of each square costs: the log's own average where it reproduces the bill as well as the book does."""
        counts.borrow(bill, told)
        counts.read_off(bill, told)
        for square in bill.squares.values():
            square.unit, square.list_unit = _unit(square, told)

    def _alone(self, bill: Bill, role: witnesses.Role, bills: Sequence[Bill]) -> Reconciled:
        said = list(bill.assumptions)
        if bill.rate_missing:
            said.append(
                f"No rate of {bill.currency} for the US dollar is known for these days, so no priced call is compared."
            )
        return Reconciled(
            bill=bill,
            billed=bill.billed,
            priced=None,
            parts=(),
            unexplained=None,
            days=(),
            models=(),
            reason=role.reason,
            same_as=_same(role, bills),
            off=role.off,
            effective=(),
            assumptions=tuple(said),
        )


def _unit(square: Square, told: facts.Facts) -> tuple[Fraction | None, Fraction | None]:
    logged = (
        Fraction(square.priced) / Fraction(square.logged_q) if square.logged_q and not square.unpriced_calls else None
    )
    booked = _booked(square, told)
    listed = booked.list if booked else logged
    own = Fraction(square.billed) / Fraction(square.billed_q) if square.billed_q else None
    if logged is None or booked is None:
        return (logged if logged is not None else booked.contract if booked else own), listed
    off = {unit: abs(Fraction(square.difference) - Fraction(square.more) * unit) for unit in (logged, booked.contract)}
    return min(off, key=lambda unit: off[unit]), listed


def _booked(square: Square, told: facts.Facts) -> Price | None:
    """The book's price of what the bill's lines name, averaged over their quantities."""
    key = square.key
    total = sum(square.classes.values(), ZERO)
    if not total:
        return told.price(key.model, key.tier, key.family, key.at)
    contract = listed = Fraction(0)
    for (model, tier, token_class), quantity in square.classes.items():
        price = told.price(model, tier or key.tier, token_class, key.at)
        if price is None:
            return None
        contract += Fraction(quantity) * price.contract
        listed += Fraction(quantity) * price.list
    return Price(contract / Fraction(total), listed / Fraction(total))


def _summed(
    bill: Bill,
    found: Evidence,
    in_utc: dict[tuple[Any, ...], Decimal],
    role: witnesses.Role,
    bills: Sequence[Bill],
    rates: tuple[Effective, ...],
) -> Reconciled:
    days = _places(bill, in_utc, 0, lambda row: bill.bucket(max(row["start_at"], bill.start_at)))
    models = _places(bill, in_utc, 1, lambda _: None)
    totals: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for place in days:
        for name, amount in place.parts.items():
            totals[name] += amount
    unexplained = totals.pop(UNEXPLAINED, ZERO)
    parts = [
        Part(name, amount, tuple(found.texts(name)), found.rows(name))
        for name, amount in totals.items()
        if amount or found.facts[name]
    ]
    parts.sort(key=lambda part: (-abs(part.amount), part.name))
    priced = sum((place.priced for place in days), ZERO)
    return Reconciled(
        bill,
        bill.billed,
        priced,
        tuple(parts),
        unexplained,
        tuple(days),
        tuple(models),
        role.reason,
        _same(role, bills),
        role.off,
        rates,
        tuple(_assumed(bill)),
    )


def _places(bill: Bill, in_utc: dict[tuple[Any, ...], Decimal], by: int, of_line: Callable[[Row], Any]) -> list[Place]:
    """Squares summed by day (0) or model (1). What another clock moves is a part of its own."""
    keys: dict[Any, tuple[Decimal, Decimal, dict[str, Decimal]]] = {}

    def at(key: Any, billed: Decimal, priced: Decimal, parts: dict[str, Decimal]) -> None:
        b, p, sofar = keys.get(key, (ZERO, ZERO, {}))
        keys[key] = (b + billed, p + priced, {n: sofar.get(n, ZERO) + parts.get(n, ZERO) for n in {**sofar, **parts}})

    for square in bill.squares.values():
        at((square.key.at, square.key.model)[by], square.billed, square.priced, square.parts)
        if bill.shift:
            at((square.key.at, square.key.model)[by], ZERO, -square.priced, {CUTOFF: square.priced})
    for place, priced in in_utc.items() if bill.shift else ():
        at(place[by], ZERO, priced, {CUTOFF: -priced})
    for row in bill.other:
        at(of_line(row), row["billed_cost"], ZERO, {row["line_kind"]: row["billed_cost"]})
    return [
        Place(_text(key), billed, priced, {n: amount for n, amount in sorted(parts.items()) if amount})
        for key, (billed, priced, parts) in sorted(keys.items(), key=lambda item: str(item[0]))
    ]


def _text(key: Any) -> str | None:
    return None if key is None else key.date().isoformat() if isinstance(key, datetime) else str(key)


def _same(role: witnesses.Role, bills: Sequence[Bill]) -> str | None:
    return None if role.same_as is None else bills[role.same_as].source


def _assumed(bill: Bill) -> list[str]:
    said = list(bill.assumptions)
    projects = {row["project"] for row in bill.usage} - {None}
    if projects and not bill.by_project:
        said.append(
            f"The calls do not name the bill's {len(projects):,} projects or workspaces, so these are taken together."
        )
    if not any(row["service_tier"] for row in bill.usage):
        said.append("The bill names no service tiers, so tiers are told by price alone.")
    if not bill.is_daily:
        said.append("The bill has no days: its periods are compared whole.")
    if bill.currency != "USD":
        said.append(f"Priced calls are converted into {bill.currency} at the published rate of their month.")
    return said


def _rows(engine: Engine, table: str) -> list[Row]:
    rows: list[Row] = engine.fetch(table).to_pylist()
    return rows
