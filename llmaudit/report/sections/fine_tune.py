"""Which endpoints could move to a small fine-tuned model, and on what evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Cell, Chart, Line, Para, Table, Tone, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Fine-tuning"
ORDER = 70

_TONES: dict[str | None, Tone] = {"move": "good", "evaluate": "test", "keep": "muted"}


def blocks(report: Report) -> Sequence[Block]:
    rows = report["fine_tune"]
    if not rows:
        return (nothing(report, ("fine_tune",), "No endpoint had enough calls to judge."),)
    ranked = sorted(rows, key=lambda row: -(row["cost_usd"] or 0))
    intro = (
        "A deliberately weak student model was trained on logged answers and tested on others. Where even it agrees "
        "far more often than always giving the commonest answer, a small tuned model is worth an acceptance test."
    )
    names = columns("Endpoint", "<Verdict", "Agreement", "Commonest answer", "Coverage", "Spend", "Saving", "<Why")
    chart: Sequence[Block] = ()
    if any(row["agreement"] for row in rows):
        chart = (
            Chart("agreement_intervals", "Agreement of the student with the logged answers, against the baseline"),
        )
    return (Para(intro, "muted"), *chart, Table("Verdict by endpoint", names, tuple(map(_row, ranked))))


def terminal(report: Report) -> Sequence[Line]:
    rows = report["fine_tune"]
    if not rows:
        return ()
    verdicts = Counter(row["verdict"] or "no verdict" for row in rows)
    counted = ", ".join(
        f"{verdicts[name]} {name}" for name in ("move", "evaluate", "keep", "no verdict") if verdicts[name]
    )
    return (line("Fine-tune", f"{counted} of {show.noun(len(rows), 'endpoint')}"),)


def _row(row: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    agreement = row["agreement"]
    return (
        logged(row["endpoint"]),
        Cell(row["verdict"] or "no verdict", tone=_TONES.get(row["verdict"], "muted")),
        _agreement(agreement),
        show.share(agreement["baseline"]) if agreement else show.UNKNOWN,
        show.share(row["coverage"]),
        show.usd(row["cost_usd"]),
        _saving(row["saving_usd"], row["payback_days"]),
        clean(row["reason"] or "", 400),
    )


def _agreement(found: Mapping[str, Any] | None) -> Cell:
    if not found or found["estimate"] is None:
        return Cell(show.UNKNOWN)
    interval = f"{show.share(found['low'])} to {show.share(found['high'])}"
    return Cell(show.share(found["estimate"]), note=f"{interval}, n {show.count(found['n'])}")


def _saving(found: Mapping[str, Any] | None, payback_days: float | None) -> Cell:
    if not found:
        return Cell(show.UNKNOWN)
    payback = "" if payback_days is None else f", paid back in {payback_days:,.0f} days"
    return Cell(show.usd(found["expected"]), note=f"{show.between(found)}{payback}")
