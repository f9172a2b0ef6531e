"""Which endpoints could move to a small fine-tuned model, and on what evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmaudit.report import show, tasks
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import (
    Block,
    Bullets,
    Cell,
    Chart,
    Facts,
    Fold,
    Heading,
    Line,
    Para,
    Table,
    Tone,
    columns,
    line,
)
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
        *(_dossier(row) for row in ranked if row.get("profile") or row.get("evidence") or row.get("economics")),
    )


def _curves(rows: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    if any(row.get("evidence") for row in rows):
        yield Heading("How the student learns, and what it could leave alone")
        yield Chart("learning_curves", "Agreement of the student by the number of inputs it was trained on")
        yield Chart("risk_coverage", "Agreement on the calls a student would take, by the share of calls it takes")
    if any(row.get("economics") for row in rows):
        yield Heading("When tuning pays back")
        yield Chart("payback_curves", "Days until what is paid once is back, by calls a day; large: today's volume")


def _dossier(row: Mapping[str, Any]) -> Fold:
    """One endpoint in full: what costs less to do, the money, the evidence, the risks, and what would refute it."""
    inside = (*_task(row), *_alternatives(row), *_money(row), *_evidence(row), *_doubts(row))
    economics = row.get("economics")
    note = clean(economics["summary"] or "", 300) if economics else ""
    return Fold(logged(row["endpoint"]), inside, where=row["verdict"] or "no verdict", note=note)


def _task(row: Mapping[str, Any]) -> Iterator[Block]:
    """The verdict with its reason, and what the endpoint does."""
    why = f"{(row['verdict'] or 'no verdict').capitalize()}: {clean(row['reason'] or '', 400)}"
    yield Facts((("Verdict", why), *tasks.facts(row.get("profile") or {})))


def _alternatives(row: Mapping[str, Any]) -> Iterator[Block]:
    """The cheapest thing to try comes first."""
    found = row.get("alternatives")
    if not found:
        return
    names = columns("Before tuning", "Saving", "Effort")
    yield Table("What costs less to do", names, tuple(_alternative(one) for one in found))


def _alternative(one: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    name, effort = _ALTERNATIVES.get(one["lever"], show.words(one["lever"] or "")), one["effort"] or ""
    saving = one["saving_usd"]
    if not saving:
        return name, Cell(show.UNKNOWN, tone="muted", note="nothing found, or not looked for"), effort
    if one["lever"] == "shorter_prompt":
        return name, Cell(f"at most {show.usd(saving['high'])}", note="at the price those words have today"), effort
    if not saving["expected"] and saving["high"]:
        return name, Cell(f"up to {show.usd(saving['high'])}", note="if its own evaluation is passed"), effort
    return name, Cell(show.usd(saving["expected"]), note=show.between(saving)), effort


_ALTERNATIVES = {
    "right_size": "A smaller sibling model",
    "shorter_prompt": "A shorter prompt",
    "prompt_caching": "Prompt caching",
    "batchable": "The batch tier",
}


def _money(row: Mapping[str, Any]) -> Iterator[Block]:
    economics = row.get("economics")
    if not economics:
        return
    yield Facts(tuple(_terms(economics)))
    names = columns(
        "Target", "Today", "Inference", "Hosting", "Retraining", "Paid once", "Net", "Payback", "Break-even"
    )
    caption = f"Targets compared, US dollars in {show.noun(economics['window_days'], 'day')}; of what is paid once, the net bears the part of these days"
    if economics["targets"]:
        yield Table(caption, names, tuple(map(_offer, economics["targets"])))
    if economics["left_out"]:
        said = (f"{clean(one['target'] or '', 60)}: {clean(one['why'] or '', 160)}" for one in economics["left_out"])
        yield Fold("Targets that are not proposed", (Bullets(tuple(said), "muted"),))


def _terms(economics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    share, back = economics["moved_share"], economics["payback_days"]
    yield (
        "Calls that move",
        f"{show.share(share['expected'])} ({show.share(share['low'])} to {show.share(share['high'])}); the others stay with today's model",
    )
    yield (
        "Paid back after",
        f"{_days(back['expected'])} (soonest {_days(back['soonest'])}, latest {_days(back['latest'])})",
    )
    yield (
        "Break-even",
        f"{show.count(economics['break_even_calls_per_day'])} calls a day to be back within {show.noun(economics['spread_days'], 'day')}; the log has {show.count(economics['calls_per_day'])}",
    )
    if economics["affordable_usd"] is not None:
        yield (
            "Left for labour",
            f"{show.usd(economics['affordable_usd'])} may be paid once besides and still come back in that time",
        )
    words = economics["shared_words"]
    if words["share"] is not None:
        yield (
            "Words that all prompts share",
            f"{show.share(words['share'])} of the prompt, {show.usd(words['cost_usd'])} at the rate they have today",
        )


def _days(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f} days"


def _offer(one: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    beside = f"no price for {', '.join(one['unpriced'])}" if one["unpriced"] else f"how sure: {one['confidence']}"
    once = ", ".join(f"{name} {show.usd(one[f'{name}_usd'])}" for name in ("training", "evaluation", "labelling"))
    net = one["net_usd"]
    return (
        Cell(
            clean(one["target"] or "", 60),
            tone="good" if one["best"] else "",
            note=clean(f"{one['licence'] or ''}; {beside}", 160),
        ),
        show.usd(one["today_usd"]),
        Cell(
            show.usd(one["inference_usd"]),
            note=f"asked in vain {show.usd(one['fallback_usd'])}" if one["fallback_usd"] else "",
        ),
        show.usd(one["hosting_usd"]),
        Cell(show.usd(one["retraining_usd"]), note=f"upkeep {show.usd(one['upkeep_usd'])}"),
        Cell(show.usd(one["one_off_usd"]), note=once),
        Cell(show.usd(net["expected"]), note=show.between(net)),
        _days(one["payback_days"]) if net["expected"] is not None else show.UNKNOWN,
        Cell(show.count(one["break_even_calls_per_day"]), note="calls a day"),
    )


def _evidence(row: Mapping[str, Any]) -> Iterator[Block]:
    found = row.get("evidence")
    if not found:
        return
    yield Facts(tuple(_facts(row, found)))
    if found["fields"]:
        names = columns("Field", "<Kind", "In answers", "Right", "Usual value")
        yield Table("Field by field", names, tuple(map(_field, found["fields"])))
    if found["disagreements"]:
        names = columns("Input", "<Logged answer", "<Student's answer")
        yield Table(
            "Where the student is surest and the log says otherwise", names, tuple(map(_other, found["disagreements"]))
        )


def _doubts(row: Mapping[str, Any]) -> Iterator[Block]:
    if row.get("risks"):
        yield Table("Risks", columns("Risk", "<What is known", "<Checked"), tuple(map(_risk, row["risks"])))
    if row.get("falsified_by"):
        yield Heading("What would show that this is wrong")
        yield Bullets(tuple(clean(said, 300) for said in row["falsified_by"]))


def _risk(one: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    checked = Cell(one["checked"] or "this log", note=clean(one["source"] or "", 160))
    return show.words(one["kind"] or ""), clean(one["text"] or "", 300), checked


def _facts(row: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "What it rests on",
        (
            f"{show.count(row['agreement']['n'])} different inputs in {show.count(found['families'])} families of near-copies, "
            f"{show.count(found['labels'])} different answers"
        ),
    )
    if found["late_agreement"] is not None:
        yield "Trained on the earlier calls", f"{show.share(found['late_agreement'])} of the later ones"
    if found["by_looks"] is not None:
        yield (
            "A rule that reads no word",
            f"{show.share(found['by_looks'])}, by length, digits and marks of the input alone",
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
        f"{show.count(verdicts[name])} {name}" for name in ("move", "evaluate", "keep", "no verdict") if verdicts[name]
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
