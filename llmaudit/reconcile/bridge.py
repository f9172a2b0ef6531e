"""From one period's cost to the next one's, in parts that sum exactly: the logarithmic mean Divisia index (LMDI-I).

The cost of a class of tokens is calls x the model's share of them x the tier's share of its calls x tokens per call x the
class's share of these x price. Each factor bears L(after, before) x ln(factor after / factor before), and these sum to the
change. Models that only one period has stand on lines of their own. Where a class has no cost in one period, no
logarithm can tell: its change goes to the factor that is zero there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from math import log
from typing import Any

from llmaudit.reconcile.rounding import MICRO, ZERO, shared

Row = Mapping[str, Any]

INPUTS = ("input", "cache_read", "cache_write", "cache_write_long")
CLASSES = (*INPUTS, "output", "other")
COUNTS = ("requests", *(f"{name}_tokens" for name in (*INPUTS, "output")))
COSTS = tuple(f"{name}_usd" for name in CLASSES)
PARTS = ("volume", "model_mix", "tier", "tokens_per_call", "cache_rate", "price", "currency", "new", "ended")
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Change:
    """What one cause did to the cost of one model."""

    part: str
    provider: str | None
    model: str | None
    amount: Decimal


@dataclass(frozen=True)
class Bridge:
    """`changes` sum to after less before, to the micro-unit."""

    start: str
    end: str
    before: Decimal
    after: Decimal
    changes: tuple[Change, ...]

    def parts(self) -> dict[str, Decimal]:
        """Cause -> amount, in the order of `PARTS`."""
        sums = dict.fromkeys(PARTS, ZERO)
        for change in self.changes:
            sums[change.part] += change.amount
        return {name: amount for name, amount in sums.items() if amount}


def periods(days: Iterable[Row]) -> dict[str, list[Row]]:
    """Days summed by month where there are two, else by whole week; keys are 2026-10, or the Monday a week begins with."""
    rows = list(days)
    months = {row["day"][:7] for row in rows}
    if len(months) > 1:
        return _summed(rows, lambda day: day[:7])
    weeks = _summed(rows, _monday)
    first, last = min((row["day"] for row in rows), default=""), max((row["day"] for row in rows), default="")
    return {
        week: found
        for week, found in weeks.items()
        if first <= week and str(date.fromisoformat(week) + WEEK - timedelta(days=1)) <= last
    }


def monthly(days: Iterable[Row]) -> dict[str, list[Row]]:
    return _summed(list(days), lambda day: day[:7])


def merged(rows: Iterable[Row]) -> list[Row]:
    """The same rows over all their periods together. Money may be written as numbers, as report.json has it."""
    exact = [{**row, "day": "all", **{name: Decimal(str(row[name] or 0)) for name in COSTS}} for row in rows]
    return _summed(exact, lambda day: day).get("all", [])


def consecutive(found: Mapping[str, Sequence[Row]], rates: Mapping[str, Decimal] | None = None) -> list[Bridge]:
    """A bridge from each period to the next."""
    names = sorted(found)
    return [bridge(a, found[a], b, found[b], rates) for a, b in pairwise(names)]


def bridge(
    start: str, before: Sequence[Row], end: str, after: Sequence[Row], rates: Mapping[str, Decimal] | None = None
) -> Bridge:
    """The change of cost between two periods. `rates` has units of another currency for a dollar, by period."""
    was, now = _by_model(before), _by_model(after)
    both = [model for model in was if model in now]
    rate = (float(rates[start]), float(rates[end])) if rates else (1.0, 1.0)
    changes: list[tuple[str, tuple[Any, Any], float]] = []
    calls = [sum(sum(row["requests"] for row in side[model]) for model in both) for side in (was, now)]
    for model in both:
        for part, amount in _of_model(was[model], now[model], calls, rate).items():
            changes.append((part, model, amount))
    changes += [("new", model, _cost(rows) * rate[1]) for model, rows in now.items() if model not in was]
    changes += [("ended", model, -_cost(rows) * rate[0]) for model, rows in was.items() if model not in now]
    totals = [_exact(rows) * (rates[name] if rates else 1) for name, rows in ((start, before), (end, after))]
    first, last = (total.quantize(MICRO) for total in totals)
    amounts = shared([Decimal(repr(amount)) for _, _, amount in changes], last - first)
    return Bridge(
        start, end, first, last,
        tuple(Change(part, *model, amount) for (part, model, _), amount in zip(changes, amounts, strict=True) if amount),
    )  # fmt: skip


def _summed(rows: Sequence[Row], key: Any) -> dict[str, list[Row]]:
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        place = (key(row["day"]), row["provider"], row["model"], row["service_tier"])
        names = ("period", "provider", "model", "service_tier")
        found = groups.setdefault(place, dict(zip(names, place, strict=True)))
        for name in COUNTS:
            found[name] = found.get(name, 0) + (row[name] or 0)
        for name in COSTS:
            found[name] = found.get(name, ZERO) + (row[name] or ZERO)
    out: dict[str, list[Row]] = defaultdict(list)
    for place, found in sorted(groups.items(), key=lambda item: str(item[0])):
        out[place[0]].append(found)
    return out


def _monday(day: str) -> str:
    at = date.fromisoformat(day)
    return (at - timedelta(days=at.weekday())).isoformat()


def _by_model(rows: Sequence[Row]) -> dict[tuple[Any, Any], list[Row]]:
    found: dict[tuple[Any, Any], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["provider"], row["model"]].append(row)
    return {model: found[model] for model in sorted(found, key=str)}


def _exact(rows: Sequence[Row]) -> Decimal:
    return sum((Decimal(row[name] or 0) for row in rows for name in COSTS), ZERO)


def _cost(rows: Sequence[Row]) -> float:
    return float(_exact(rows))


@dataclass(frozen=True)
class _Factors:
    """The factors of one class of tokens in one tier of one model. None where there is nothing to divide by."""

    model_mix: float
    tier: float
    tokens_per_call: float | None
    cache_rate: float | None
    price: float | None
    cost: float


def _of_model(
    was: Sequence[Row], now: Sequence[Row], calls: Sequence[int], rate: tuple[float, float]
) -> dict[str, float]:
    amounts: dict[str, float] = dict.fromkeys(PARTS[:-2], 0.0)
    tiers = sorted({row["service_tier"] for row in (*was, *now)}, key=str)
    for tier in tiers:
        for name in CLASSES:
            a, b = (_factors(rows, tier, name, total) for rows, total in ((was, calls[0]), (now, calls[1])))
            _add(amounts, a, b, calls, rate)
    return amounts


def _factors(rows: Sequence[Row], tier: Any, name: str, total: int) -> _Factors:
    mine = [row for row in rows if row["service_tier"] == tier]
    own, in_tier = sum(row["requests"] for row in rows), sum(row["requests"] for row in mine)
    cost = float(sum((Decimal(row[f"{name}_usd"] or 0) for row in mine), ZERO))
    if name == "other":  # whatever its unit, it is counted by the call
        units = group = in_tier
    else:
        units = sum(row[f"{name}_tokens"] for row in mine)
        group = units if name == "output" else sum(row[f"{of}_tokens"] for row in mine for of in INPUTS)
    return _Factors(
        own / total if total else 0.0,
        in_tier / own if own else 0.0,
        group / in_tier if in_tier else None,
        units / group if group else None,
        cost / units if units else None,
        cost,
    )


def _add(amounts: dict[str, float], a: _Factors, b: _Factors, calls: Sequence[int], rate: tuple[float, float]) -> None:
    before, after = a.cost * rate[0], b.cost * rate[1]
    if before == after == 0:
        return
    if before == 0 or after == 0:
        amounts[_zero(a if before == 0 else b)] += after - before
        return
    mean = after if after == before else (after - before) / log(after / before)
    amounts["volume"] += mean * log(calls[1] / calls[0])
    amounts["currency"] += mean * log(rate[1] / rate[0])
    for name in ("model_mix", "tier", "tokens_per_call", "cache_rate", "price"):
        amounts[name] += mean * log(getattr(b, name) / getattr(a, name))


def _zero(factors: _Factors) -> str:
    """The factor that makes a cost nothing."""
    if not factors.tier:
        return "tier"
    if not factors.tokens_per_call:
        return "tokens_per_call"
    return "price" if factors.cache_rate else "cache_rate"
