"""Re-prices history as if levers had been pulled. The only place that subtracts money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import partial
from itertools import chain, combinations, count, permutations
from math import factorial

import numpy as np
import pyarrow as pa

from llmaudit import levers as registry
from llmaudit import pricing, queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.levers.base import Lever

ZERO = Decimal(0)
BOOTSTRAP_DRAWS = 1_000
BOOTSTRAP_SEED = 20_261_101
CONFIDENCE = (0.05, 0.95)
MOST_ORDERS = 24
MICRO = Decimal("0.000001")


@dataclass(frozen=True)
class Interval:
    """US dollars."""

    low: Decimal
    expected: Decimal
    high: Decimal


@dataclass(frozen=True)
class Saved:
    """What one lever saved on one endpoint and model on one day: US dollars before and after, calls touched."""

    endpoint: str | None
    model: str | None
    day: date
    requests: int
    before_usd: Decimal | None
    after_usd: Decimal | None
    saving_usd: Decimal


@dataclass(frozen=True)
class Step:
    """One lever in a plan. `saved` is what it saved on what the levers before it had left."""

    lever: Lever
    saved: tuple[Saved, ...]
    standalone_usd: Decimal
    in_order_usd: Decimal
    shapley_usd: Decimal
    after_usd: Decimal


@dataclass(frozen=True)
class Plan:
    """Levers pulled in order. `in_order_usd` and `shapley_usd` of the steps each sum to `saving_usd`, to the micro-dollar."""

    baseline_usd: Decimal
    steps: tuple[Step, ...]
    saving_usd: Decimal
    order_spread_usd: tuple[Decimal, Decimal] | None
    """Smallest and largest total over the orders tried; None where there were too many to try all."""


@dataclass(frozen=True)
class _State:
    """What a run of levers has left: the usage table, and what each of its calls costs."""

    usage: str
    money: str


@dataclass(frozen=True)
class _Pull:
    """One lever pulled on one state."""

    saved: tuple[Saved, ...]
    touched: _State | None
    """The touched calls as they would have been; None where the lever found none."""

    @property
    def saving_usd(self) -> Decimal:
        return sum((row.saving_usd for row in self.saved), ZERO)


@dataclass
class Replay:
    """Pulls levers over one usage table, remembering what it has already worked out.

    `money` is the priced form of `usage` (see `pricing.price_usage`); it may hold further calls.
    """

    engine: Engine
    book: pricing.Book
    usage: str
    money: str
    _pulls: dict[tuple[_State, Lever], _Pull] = field(default_factory=dict)
    _lefts: dict[tuple[_State, Lever], _State] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _columns: pa.Schema | None = None

    def plan(self, levers: Sequence[Lever], baseline_usd: Decimal) -> Plan:
        """Pull `levers` in the order of replay."""
        ordered = tuple(registry.in_order(list(levers)))
        pulls = self._sequence(ordered)
        rounded = _rounded([pull.saving_usd for pull in pulls])
        shares = _rounded(self._shapley(ordered), total=sum(rounded, ZERO))
        baseline_usd = left = baseline_usd.quantize(MICRO)
        steps = []
        for number, lever in enumerate(ordered):
            left -= rounded[number]
            steps.append(
                Step(
                    lever,
                    pulls[number].saved,
                    standalone_usd=self._total((lever,)).quantize(MICRO),
                    in_order_usd=rounded[number],
                    shapley_usd=shares[number],
                    after_usd=left,
                )
            )
        return Plan(baseline_usd, tuple(steps), sum(rounded, ZERO), self._order_spread(ordered))

    def saves_by_endpoint(self, lever: Lever) -> dict[str | None, Decimal]:
        """What the lever saves on its own, per endpoint. Negative where it would cost more."""
        saves: dict[str | None, Decimal] = {}
        [pull] = self._sequence((lever,))
        for row in pull.saved:
            saves[row.endpoint] = saves.get(row.endpoint, ZERO) + row.saving_usd
        return saves

    def _total(self, levers: tuple[Lever, ...]) -> Decimal:
        return sum((pull.saving_usd for pull in self._sequence(levers)), ZERO)

    def _sequence(self, levers: tuple[Lever, ...]) -> list[_Pull]:
        """Pull each lever on what the ones before it left."""
        state = _State(self.usage, self.money)
        pulls = []
        for number, lever in enumerate(levers):
            pull = self._pull(state, lever)
            pulls.append(pull)
            if number + 1 < len(levers):
                state = self._left(state, lever)
        return pulls

    def _pull(self, state: _State, lever: Lever) -> _Pull:
        if (state, lever) not in self._pulls:
            self._pulls[state, lever] = self._pulled(state, lever)
        return self._pulls[state, lever]

    def _pulled(self, state: _State, lever: Lever) -> _Pull:
        name = self._name(state, lever)
        hits = lever.hits(self.engine, self._seen(state, lever))
        counted = queries.run(self.engine, "row_count", into=f"{name}_count", counted=hits)
        [found] = self.engine.fetch(counted).to_pylist()
        if not found["rows"]:
            return _Pull((), None)
        touched = queries.run(self.engine, "replay_touched", into=f"{name}_touched", usage=state.usage, hits=hits)
        columns = self._usage_columns()
        self.engine.map_batches(touched, partial(_each, lever, columns), columns, into=f"{name}_after")
        after = _State(
            f"{name}_after",
            pricing.price_usage(self.engine, f"{name}_after", f"{name}_after_usd", self.book),
        )
        saving = queries.run(
            self.engine, "replay_saving", into=f"{name}_saving", touched=touched, before=state.money, after=after.money
        )
        days = queries.run(self.engine, "replay_days", into=f"{name}_days", saving=saving)
        return _Pull(tuple(_saved(row) for row in self.engine.fetch(days).to_pylist()), after)

    def _seen(self, state: _State, lever: Lever) -> str:
        """The calls that a lever gets to see: those of its endpoints."""
        if lever.endpoints is None:
            return state.usage
        self.engine.put("lever_endpoints", pa.table({"endpoint": pa.array(lever.endpoints, pa.string())}))
        return queries.run(self.engine, "replay_within", into="replay_within", usage=state.usage)

    def _left(self, state: _State, lever: Lever) -> _State:
        """The state after a pull: the same one where the lever found nothing."""
        touched = self._pull(state, lever).touched
        if touched is None:
            return state
        if (state, lever) not in self._lefts:
            usage, money = (
                queries.run(self.engine, "replay_next", into=f"{touched.usage}_{kind}", usage=whole, after=part)
                for kind, whole, part in (("usage", state.usage, touched.usage), ("money", state.money, touched.money))
            )
            self._lefts[state, lever] = _State(usage, money)
        return self._lefts[state, lever]

    def _name(self, state: _State, lever: Lever) -> str:
        """A name for the tables of a pull that no other pull has, whatever the settings of its levers."""
        earlier = state.usage.removesuffix("_after_usage") if state.usage != self.usage else "replay"
        whole = f"{earlier}_{lever.name}"
        name = next(n for n in chain([whole], (f"{whole}_{n}" for n in count(2))) if n not in self._names)
        self._names.add(name)
        return name

    def _usage_columns(self) -> pa.Schema:
        if self._columns is None:
            empty = queries.run(self.engine, "no_rows", into="no_rows", rows=self.usage)
            self._columns = self.engine.fetch(empty).schema
        return self._columns

    def _shapley(self, ordered: tuple[Lever, ...]) -> list[Decimal]:
        """Each lever's average contribution over all coalitions, every coalition pulled in the order of replay."""
        players = range(len(ordered))
        shares = []
        for player in players:
            others = [other for other in players if other != player]
            share = Fraction(0)
            for size in players:
                weight = Fraction(factorial(size) * factorial(len(others) - size), factorial(len(ordered)))
                for chosen in combinations(others, size):
                    without = tuple(ordered[at] for at in chosen)
                    with_it = tuple(ordered[at] for at in sorted((player, *chosen)))
                    share += weight * Fraction(self._total(with_it) - self._total(without))
            shares.append(share)
        return [Decimal(share.numerator) / share.denominator for share in shares]

    def _order_spread(self, ordered: tuple[Lever, ...]) -> tuple[Decimal, Decimal] | None:
        if factorial(len(ordered)) > MOST_ORDERS:
            return None
        totals = [self._total(order).quantize(MICRO) for order in permutations(ordered)]
        return min(totals), max(totals)


def interval(saved: Sequence[Saved], days: int) -> Interval:
    """Bootstrap over days: what a month like this one, drawn again day by day, would save. 90 % interval.

    `days` is the length of the window; days without a saving count as zero.
    """
    expected = sum((row.saving_usd for row in saved), ZERO)
    by_day: dict[date, Decimal] = {}
    for row in saved:
        by_day[row.day] = by_day.get(row.day, ZERO) + row.saving_usd
    daily = np.zeros(max(days, len(by_day), 1))
    daily[: len(by_day)] = [float(value) for _, value in sorted(by_day.items())]
    draws = np.random.default_rng(BOOTSTRAP_SEED).choice(daily, (BOOTSTRAP_DRAWS, len(daily))).sum(axis=1)
    low, high = (Decimal(repr(float(value))) for value in np.quantile(draws, CONFIDENCE))
    return Interval(min(low, expected).quantize(MICRO), expected.quantize(MICRO), max(high, expected).quantize(MICRO))


def _each(lever: Lever, columns: pa.Schema, batches: Batches) -> Batches:
    for batch in batches:
        yield lever.change(batch).select(columns.names).cast(columns)


def _saved(row: dict[str, object]) -> Saved:
    saving = row.pop("saving_usd")
    return Saved(**row, saving_usd=saving if saving is not None else ZERO)  # type: ignore[arg-type]


def _rounded(parts: Sequence[Decimal], total: Decimal | None = None) -> list[Decimal]:
    """Parts at six decimals that sum to `total` (or theirs) at six decimals: the largest remainders are rounded up first.

    A total further off than rounding explains is met all the same, every part taking an equal share of the difference.
    """
    goal = (sum(parts, ZERO) if total is None else total).quantize(MICRO)
    floors = [part.quantize(MICRO, rounding=ROUND_FLOOR) for part in parts]
    if not parts:
        return floors
    each, more = divmod(int((goal - sum(floors, ZERO)) / MICRO), len(parts))
    by_remainder = sorted(range(len(parts)), key=lambda at: (floors[at] - parts[at], at))
    raised = set(by_remainder[:more])
    return [floor + MICRO * (each + (at in raised)) for at, floor in enumerate(floors)]
