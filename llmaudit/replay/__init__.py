"""Re-prices history as if levers had been pulled. The only place that subtracts money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import combinations, permutations
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
EXACT_SHAPLEY_LEVERS = 8
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


@dataclass
class Replay:
    """Pulls levers over one usage table, remembering what it has already worked out."""

    engine: Engine
    book: pricing.Book
    usage: str
    _after: dict[tuple[Lever, ...], str] = field(default_factory=dict)
    _saved: dict[tuple[Lever, ...], tuple[Saved, ...]] = field(default_factory=dict)
    _lefts: dict[tuple[Lever, ...], str] = field(default_factory=dict)

    def plan(self, levers: Sequence[Lever], baseline_usd: Decimal) -> Plan:
        """Pull `levers` in the order of replay."""
        ordered = tuple(registry.in_order(list(levers)))
        rounded = _rounded([self._saving(ordered[: n + 1]) for n in range(len(ordered))])
        shares = _rounded(self._shapley(ordered), total=sum(rounded, ZERO))
        left = baseline_usd
        steps = []
        for number, lever in enumerate(ordered):
            left -= rounded[number]
            steps.append(
                Step(
                    lever,
                    self._steps(ordered[: number + 1]),
                    standalone_usd=self._saving((lever,)).quantize(MICRO),
                    in_order_usd=rounded[number],
                    shapley_usd=shares[number],
                    after_usd=left,
                )
            )
        return Plan(baseline_usd, tuple(steps), sum(rounded, ZERO), self._order_spread(ordered))

    def saves_by_endpoint(self, lever: Lever) -> dict[str | None, Decimal]:
        """What the lever saves on its own, per endpoint. Negative where it would cost more."""
        saves: dict[str | None, Decimal] = {}
        for row in self._steps((lever,)):
            saves[row.endpoint] = saves.get(row.endpoint, ZERO) + row.saving_usd
        return saves

    def _saving(self, sequence: tuple[Lever, ...]) -> Decimal:
        """What the last lever of the sequence saves after the others."""
        return sum((row.saving_usd for row in self._steps(sequence)), ZERO)

    def _total(self, sequence: tuple[Lever, ...]) -> Decimal:
        return sum((self._saving(sequence[: n + 1]) for n in range(len(sequence))), ZERO)

    def _steps(self, sequence: tuple[Lever, ...]) -> tuple[Saved, ...]:
        if sequence not in self._saved:
            self._pull(sequence)
        return self._saved[sequence]

    def _pull(self, sequence: tuple[Lever, ...]) -> None:
        """Pull the last lever of the sequence on the usage that the others leave."""
        *earlier, lever = sequence
        usage = self._left(tuple(earlier))
        name = "_".join(["replay", *(each.name for each in sequence)])
        hits = lever.hits(self.engine, usage)
        [count] = self.engine.fetch(
            queries.run(self.engine, "row_count", into=f"{name}_count", counted=hits)
        ).to_pylist()
        if not count["rows"]:
            self._saved[sequence] = ()
            self._lefts[sequence] = usage
            return
        touched = queries.run(self.engine, "replay_touched", into=f"{name}_touched", usage=usage, hits=hits)
        after = f"{name}_after"
        columns = self._columns()
        self.engine.map_batches(touched, partial(_each, lever, columns), columns, into=after)
        before_usd = pricing.price_usage(self.engine, touched, f"{name}_before_usd", self.book)
        after_usd = pricing.price_usage(self.engine, after, f"{name}_after_usd", self.book)
        saving = queries.run(
            self.engine, "replay_saving", into=f"{name}_saving", touched=touched, before=before_usd, after=after_usd
        )
        days = queries.run(self.engine, "replay_days", into=f"{name}_days", saving=saving)
        self._saved[sequence] = tuple(_saved(row) for row in self.engine.fetch(days).to_pylist())
        self._after[sequence] = after

    def _left(self, sequence: tuple[Lever, ...]) -> str:
        """The usage table after a whole sequence."""
        if not sequence:
            return self.usage
        self._steps(sequence)
        if sequence not in self._lefts:
            self._lefts[sequence] = self._next(sequence)
        return self._lefts[sequence]

    def _next(self, sequence: tuple[Lever, ...]) -> str:
        name = "_".join(["replay", *(each.name for each in sequence), "usage"])
        return queries.run(
            self.engine, "replay_next", into=name, usage=self._left(sequence[:-1]), after=self._after[sequence]
        )

    def _columns(self) -> pa.Schema:
        return self.engine.fetch(queries.run(self.engine, "no_rows", into="no_rows", rows=self.usage)).schema

    def _shapley(self, ordered: tuple[Lever, ...]) -> list[Decimal]:
        """Each lever's average contribution over all coalitions, every coalition pulled in the order of replay."""
        count = len(ordered)
        shares = []
        for lever in ordered:
            others = [each for each in ordered if each is not lever]
            share = ZERO
            for size in range(count):
                weight = Decimal(factorial(size) * factorial(count - size - 1)) / factorial(count)
                for chosen in combinations(others, size):
                    with_it = tuple(each for each in ordered if each is lever or each in chosen)
                    share += weight * (self._total(with_it) - self._total(chosen))
            shares.append(share)
        return shares

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
    """Parts at six decimals that sum to their total at six decimals: largest remainders are rounded up first."""
    goal = (sum(parts, ZERO) if total is None else total).quantize(MICRO)
    floors = [part.quantize(MICRO, rounding="ROUND_FLOOR") for part in parts]
    missing = int((goal - sum(floors, ZERO)) / MICRO)
    by_remainder = sorted(range(len(parts)), key=lambda at: (floors[at] - parts[at], at))
    for at in by_remainder[: max(missing, 0)]:
        floors[at] += MICRO
    return floors
