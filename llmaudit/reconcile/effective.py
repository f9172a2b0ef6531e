"""What a bill charges per unit, inferred from amounts and tokens, against list and contract.

A bill that names token classes is divided. One that does not is solved: the amounts of its days are a sum of the classes'
tokens times unknown rates, none below zero (non-negative least squares). Classes whose tokens go up and down together
cannot be told apart by any number of days: they are one group with one ratio.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from llmaudit.reconcile.cells import FAMILIES, Bill, Row, slot_at
from llmaudit.reconcile.facts import Facts

MOST_CONDITION = 30.0
"""A system worse conditioned than this multiplies the noise of the amounts by as much: its closest columns are joined."""
FEWEST_DAYS = 5
NORMAL_95 = 1.96

Column = tuple[str | None, str]
"""Model and token class."""


@dataclass(frozen=True)
class Effective:
    """One rate. `ratio` is billed by list; `low` and `high` are its 95 % interval, None where lines were divided."""

    models: tuple[str | None, ...]
    token_classes: tuple[str, ...]
    ratio: float
    contract_ratio: float | None
    low: float | None
    high: float | None
    per_million: float | None
    """In the bill's currency, of one class of one model."""
    billed: float
    days: int
    residual_share: float
    """What the ratio leaves of the amounts, root mean square by day."""
    method: str


@dataclass
class _Used:
    """Tokens of one day, model and class, and what they come to."""

    units: float = 0.0
    list: float = 0.0
    contract: float = 0.0


Day = dict[Column, _Used]


def effective(bill: Bill, slots: Sequence[Row], told: Facts) -> list[Effective]:
    """Every rate that bill and tokens tell."""
    logged = _logged(bill, slots, told)
    groups: dict[Column, dict[datetime, float]] = defaultdict(lambda: defaultdict(float))
    used: dict[Column, dict[datetime, Day]] = defaultdict(dict)
    named = {square.key.model for square in bill.squares.values() if square.key.model is not None}
    for square in bill.squares.values():
        key, at = square.key, square.key.at
        if key.family == "other" or not square.lines:
            continue
        place = (key.model, key.family or "")
        groups[place][at] += float(square.billed)
        if square.billed_q is not None and square.list_unit and square.unit:
            mine = used[place].setdefault(at, {}).setdefault((key.model, str(key.family)), _Used())
            for name, unit in (("list", square.list_unit), ("contract", square.unit)):
                setattr(mine, name, getattr(mine, name) + float(Fraction(square.billed_q) * unit))
            mine.units += float(square.billed_q)
        else:
            used[place][at] = {
                column: one
                for column, one in logged.get(at, {}).items()
                if _belongs(column, key.model, key.family, named)
            }
    found = [one for place, days in groups.items() for one in _rates(days, used[place])]
    return sorted(found, key=lambda one: (-one.billed, str(one.models), one.token_classes))


def _belongs(column: Column, model: str | None, family: str | None, named: set[str]) -> bool:
    if model is None:
        return column[0] not in named
    return column[0] == model and family in (None, column[1])


def _logged(bill: Bill, slots: Sequence[Row], told: Facts) -> dict[datetime, Day]:
    days: dict[datetime, Day] = defaultdict(lambda: defaultdict(_Used))
    for row in slots:
        at = slot_at(row) + bill.shift
        if not bill.start_at <= at < bill.end_at or row["token_class"] not in FAMILIES or not row["quantity"]:
            continue
        bucket = bill.bucket(at)
        price = told.price(row["model"], row["service_tier"], row["token_class"], bucket)
        if price is not None:
            one = days[bucket][row["model"], row["token_class"]]
            one.units += float(row["quantity"])
            one.list += float(row["quantity"] * price.list)
            one.contract += float(row["quantity"] * price.contract)
    return days


def _rates(amounts: Mapping[datetime, float], used: Mapping[datetime, Day]) -> Iterator[Effective]:
    days = [day for day in sorted(amounts) if any(one.list > 0 for one in used.get(day, {}).values())]
    columns = sorted({column for day in days for column, one in used[day].items() if one.list > 0}, key=str)
    if not columns:
        return
    if len(columns) == 1 or len(days) < FEWEST_DAYS:
        yield _divided(days, columns, amounts, used)
    else:
        yield from _solved(days, columns, amounts, used)


def _divided(
    days: Sequence[datetime], columns: Sequence[Column], amounts: Mapping[datetime, float], used: Mapping[datetime, Day]
) -> Effective:
    lists = [sum(used[day][c].list for c in columns if c in used[day]) for day in days]
    billed = [amounts[day] for day in days]
    ratio = sum(billed) / sum(lists)
    off = sum((b - ratio * v) ** 2 for b, v in zip(billed, lists, strict=True)) ** 0.5
    return _one(
        columns, ratio, None, days, used, sum(billed), off / (sum(b * b for b in billed) ** 0.5 or 1.0), "divided"
    )


def _solved(
    days: Sequence[datetime], columns: Sequence[Column], amounts: Mapping[datetime, float], used: Mapping[datetime, Day]
) -> Iterator[Effective]:
    import numpy as np
    from scipy.optimize import nnls

    empty = _Used()
    matrix = np.array([[used[day].get(column, empty).list for column in columns] for day in days])
    billed = np.array([amounts[day] for day in days])
    groups = _told_apart(matrix, columns, len(days))
    joined = _joined(matrix, columns, groups)
    ratios, residual = nnls(joined, billed)
    free = max(len(days) - len(groups), 1)
    spread = np.sqrt(np.diag(np.linalg.pinv(joined.T @ joined)) * residual**2 / free) * NORMAL_95
    norm = float(np.linalg.norm(billed)) or 1.0
    for at, group in enumerate(groups):
        ratio, wide = float(ratios[at]), float(spread[at])
        share = ratio * float(joined[:, at].sum())
        yield _one(
            group, ratio, (max(ratio - wide, 0.0), ratio + wide), days, used, share, float(residual) / norm, "solved"
        )


def _joined(matrix: Any, columns: Sequence[Column], groups: Sequence[tuple[Column, ...]]) -> Any:
    import numpy as np

    return np.stack([matrix[:, [columns.index(c) for c in group]].sum(axis=1) for group in groups], axis=1)


def _told_apart(matrix: Any, columns: Sequence[Column], days: int) -> list[tuple[Column, ...]]:
    """Join the two most alike columns until the rest can be told apart, and days are left to test them."""
    import numpy as np

    groups: list[tuple[Column, ...]] = [(column,) for column in columns]
    while len(groups) > 1:
        joined = _joined(matrix, columns, groups)
        unit = joined / np.linalg.norm(joined, axis=0)
        if np.linalg.cond(unit) <= MOST_CONDITION and len(groups) + 2 <= days:
            break
        alike = unit.T @ unit
        np.fill_diagonal(alike, -1.0)
        a, b = sorted(int(n) for n in np.unravel_index(int(np.argmax(alike)), alike.shape))
        groups = [group for at, group in enumerate(groups) if at not in (a, b)] + [groups[a] + groups[b]]
    return sorted(groups, key=str)


def _one(
    columns: Sequence[Column],
    ratio: float,
    span: tuple[float, float] | None,
    days: Sequence[datetime],
    used: Mapping[datetime, Day],
    billed: float,
    residual_share: float,
    method: str,
) -> Effective:
    every = [used[day][column] for day in days for column in columns if column in used[day]]
    units, listed, contract = (sum(getattr(one, name) for one in every) for name in ("units", "list", "contract"))
    return Effective(
        tuple(dict.fromkeys(model for model, _ in columns)),
        tuple(dict.fromkeys(name for _, name in columns)),
        ratio,
        ratio * listed / contract if contract else None,
        span[0] if span else None,
        span[1] if span else None,
        ratio * listed / units * 1_000_000 if len(columns) == 1 and units else None,
        billed,
        len(days),
        residual_share,
        method,
    )
