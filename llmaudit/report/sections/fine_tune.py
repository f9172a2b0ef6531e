"""Which endpoints could move to a small fine-tuned model, and on what evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Cell, Chart, Facts, Fold, Heading, Line, Para, Table, Tone, columns, line
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
    return (
        Para(intro, "muted"),
        *chart,
        Table("Verdict by endpoint", names, tuple(map(_row, ranked))),
        *_curves(rows),
        *(_dossier(row) for row in ranked if row.get("evidence")),
    )


def _curves(rows: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    if any(row.get("evidence") for row in rows):
        yield Heading("How the student learns, and what it could leave alone")
        yield Chart("learning_curves", "Agreement of the student by the number of inputs it was trained on")
        yield Chart("risk_coverage", "Agreement on the calls a student would take, by the share of calls it takes")


def _dossier(row: Mapping[str, Any]) -> Fold:
    """One endpoint's evidence, in full."""
    found = row["evidence"]
    inside: list[Block] = [Facts(tuple(_facts(row, found)))]
    if found["fields"]:
        names = columns("Field", "<Kind", "In answers", "Right", "Usual value")
        inside.append(Table("Field by field", names, tuple(map(_field, found["fields"]))))
    if found["disagreements"]:
        names = columns("Input", "<Logged answer", "<Student's answer")
        inside.append(
            Table(
                "Where the student is surest and the log says otherwise",
                names,
                tuple(map(_other, found["disagreements"])),
            )
        )
    return Fold(logged(row["endpoint"]), tuple(inside), where=row["verdict"] or "no verdict")


def _facts(row: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Why", clean(row["reason"] or "", 400)
    yield (
        "What it rests on",
        (
            f"{show.count(row['agreement']['n'])} different inputs in {show.count(found['families'])} families of near-copies, "
            f"{show.count(found['labels'])} different answers"
        ),
    )
    if found["late_agreement"] is not None:
        yield "Trained on the earlier calls", f"{show.share(found['late_agreement'])} of the later ones"
    if found["repeats"]:
        yield (
            "The model of today, asked again",
            (
                f"same answer {show.share(found['self_agreement'])} of the time, over {show.noun(found['repeats'], 'pair')}"
            ),
        )
    if found["forecast"]:
        ahead = found["forecast"]
        yield (
            "With more examples",
            (
                f"{show.share(ahead['estimate'])} to expect from {show.count(ahead['n'])} "
                f"({show.share(ahead['low'])} to {show.share(ahead['high'])})"
            ),
        )
    if found["covered_agreement"] is not None:
        yield (
            "If it leaves alone what it is unsure of",
            (
                f"takes {show.share(row['coverage'])} of calls, right on {show.share(found['covered_agreement'])} of them, "
                f"on at least {show.share(found['covered_low'])} with 95 % certainty"
            ),
        )


def _field(field: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    span = "" if field["low"] is None else f"{show.share(field['low'])} to {show.share(field['high'])}"
    return (
        clean(field["path"] or "the whole answer", 60),
        field["kind"],
        show.share(field["share"]),
        Cell(show.share(field["agreement"]), note=span),
        show.share(field["baseline"]),
    )


def _other(found: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    return tuple(clean(found[name], 200) for name in ("input", "logged", "given"))


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
