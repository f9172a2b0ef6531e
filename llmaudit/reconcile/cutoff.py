"""Days that begin at another hour: found by moving the log's clock until its days are the bill's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from llmaudit.reconcile.cells import FAMILIES, Bill, Row, family

HOURS = range(-28, 25)
"""Half hours a clock may differ from UTC."""
HALF = 0.5
FEWEST_DAYS = 3
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the lake keeps UTC bare

_KEYS = ["day", "model", "token_class"]


def is_suspected(bill: Bill) -> bool:
    """Whether days differ far more than their sum: what one day lacks, its neighbour has."""
    if not bill.is_daily or (bill.end_at - bill.start_at).days < FEWEST_DAYS:
        return False
    daily: dict[tuple[object, ...], float] = defaultdict(float)
    whole: dict[tuple[object, ...], float] = defaultdict(float)
    for square in bill.squares.values():
        if bill.counted and (square.billed_q is None or square.key.family not in FAMILIES):
            continue
        amount = (
            float(square.more * (square.priced / square.logged_q))
            if square.billed_q is not None and square.logged_q
            else float(square.difference)
        )
        place = (square.key.model, square.key.family)
        daily[square.key.at, *place] += amount
        whole[place] += amount
    moved = sum(map(abs, daily.values()))
    return moved > 0 and moved - sum(map(abs, whole.values())) >= HALF * moved


def find(bill: Bill, slots: Sequence[Row]) -> tuple[timedelta, int, int]:
    """How far the log's clock must move for its days to be the bill's, and how many of the bill's squares agree then and before.

    Nothing where no hour makes the days differ by less than half of what they do in UTC.
    """
    billed = _billed(bill)
    logged = _logged(bill, slots)
    if billed.is_empty() or logged.is_empty():
        return timedelta(0), 0, 0
    scores = {half_hours: _score(bill, billed, logged, half_hours) for half_hours in HOURS}
    best = min(HOURS, key=lambda half_hours: (scores[half_hours][0], abs(half_hours), half_hours))
    if scores[best][0] > HALF * scores[0][0]:
        return timedelta(0), scores[0][1], scores[0][1]
    return best * timedelta(minutes=30), scores[best][1], scores[0][1]


def _billed(bill: Bill) -> pl.DataFrame:
    amounts: dict[tuple[int, str, str], float] = defaultdict(float)
    for row in bill.usage:
        of = family(row["token_class"])
        if bill.counted and of not in FAMILIES:
            continue
        value = row["quantity"] if bill.counted else row["billed_cost"]
        day = (row["start_at"] - _EPOCH).days
        amounts[day, *_place(bill, row["model"], of)] += float(value or 0)
    rows = [(*key, value) for key, value in amounts.items()]
    return pl.DataFrame(
        rows,
        schema=[*((k, pl.Int64 if k == "day" else pl.String) for k in _KEYS), ("billed", pl.Float64)],
        orient="row",
    )


def _logged(bill: Bill, slots: Sequence[Row]) -> pl.DataFrame:
    value = "quantity" if bill.counted else "cost_usd"
    rows = [
        (
            row["slot"],
            *_place(bill, row["model"], row["token_class"]),
            float(row[value] or 0),
            float(row["cost_usd"] or 0),
        )
        for row in slots
        if not bill.counted or row["token_class"] in FAMILIES
    ]
    return pl.DataFrame(
        rows,
        schema=[
            ("slot", pl.Int64),
            ("model", pl.String),
            ("token_class", pl.String),
            ("logged", pl.Float64),
            ("usd", pl.Float64),
        ],
        orient="row",
    )


def _place(bill: Bill, model: str | None, of: str | None) -> tuple[str, str]:
    """Models and classes as far as every line of the bill names them."""
    named = all(row["model"] is not None for row in bill.usage)
    classed = all(row["token_class"] is not None for row in bill.usage)
    return (model or "") if named else "", (of or "") if named and classed else ""


def _score(bill: Bill, billed: pl.DataFrame, logged: pl.DataFrame, half_hours: int) -> tuple[float, int]:
    """What the days differ by in money, and how many squares agree."""
    first, last = ((moment - _EPOCH).days for moment in (bill.start_at, bill.end_at))
    moved = logged.with_columns(day=(pl.col("slot") + half_hours) // 48).filter(
        pl.col("day").is_between(first, last - 1)
    )
    sums = moved.group_by(_KEYS).agg(pl.col("logged").sum(), pl.col("usd").sum())
    joined = billed.join(sums, on=_KEYS, how="full", coalesce=True).fill_null(0)
    factor = 1.0
    if not bill.counted and (total := float(joined["logged"].sum() or 0)):
        factor = float(joined["billed"].sum()) / total
    units = joined.group_by("model", "token_class").agg(unit=pl.col("usd").sum() / pl.col("logged").sum())
    priced = joined.join(units, on=["model", "token_class"], how="left")
    worth = pl.col("unit").fill_nan(0).fill_null(0) if bill.counted else pl.lit(1.0)
    off = (pl.col("billed") - pl.col("logged") * factor).abs()
    agree = (off <= pl.max_horizontal(pl.lit(0.005), pl.col("billed").abs() * 1e-6)).sum()
    told = priced.select(score=(off * worth).sum(), agree=agree).row(0)
    return float(told[0]), int(told[1])
