"""The plan: which changes in which order, and what each leaves of the bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Cell, Chart, Heading, Line, Para, Table, Tone, columns, line
from llmaudit.report.grades import GRADES, NEEDS_TEST
from llmaudit.report.sections import Report
from llmaudit.report.sections.head import further, share_of_spend
from llmaudit.report.text import clean

TITLE = "The plan"
ORDER = 30


def blocks(report: Report) -> Sequence[Block]:
    plan = report["plan"]
    return (*_headline(report, plan), *_evaluated(plan))


def terminal(report: Report) -> Sequence[Line]:
    plan, more = report["plan"], further(report)
    saving, factor = plan["headline_saving_usd"], report["window"]["month_factor"]
    notes = share_of_spend(saving, plan["baseline_usd"])
    if factor is not None and saving is not None:
        notes.append(f"{show.usd(saving * factor)} a month")
    return (
        line("Save now", ", ".join([show.spent(report["totals"], saving), *notes]), "good"),
        line("After tests", f"{show.spent(report['totals'], more)} further, {NEEDS_TEST}", "test"),
    )


def _headline(report: Report, plan: Mapping[str, Any]) -> Sequence[Block]:
    if not plan["steps"]:
        ids = tuple(analysis["id"] for analysis in report["analyses"])
        return (nothing(report, ids, "No change of grade A or B would have saved anything on this log."),)
    if not any(map(_does_something, plan["steps"])):
        return (Para(f"Replayed, and nothing to save was found by {_names(plan['steps'])}."),)
    return (
        Para(
            "Each step is replayed on what the steps before it left, so the savings add up and nothing is counted twice. "
            "None of these steps rests on a judgement of answer quality."
        ),
        Chart("plan_waterfall", "Spend before the plan, what each step takes off, and spend after"),
        *_table("Headline plan", plan["steps"], plan["headline_saving_usd"], plan["after_usd"]),
        *_spread(plan),
    )


def _evaluated(plan: Mapping[str, Any]) -> Sequence[Block]:
    evaluated = plan["with_evaluation"]
    if not any(step["grade"] == "C" for step in evaluated["steps"]):
        return ()
    if not any(map(_does_something, evaluated["steps"])):
        inferring = [step for step in evaluated["steps"] if step["grade"] == "C"]
        return (
            Heading(f"With evaluation: {NEEDS_TEST}"),
            Para(f"Nor is a saving shown by {_names(inferring)}; what an evaluation might show stands under findings."),
        )
    return (
        Heading(f"With evaluation: {NEEDS_TEST}"),
        Para(
            "All steps together, those marked C included. A step of grade C may change answers: it counts only "
            "once its acceptance test has passed, and none of it is in the headline.",
            "test",
        ),
        *_table("Plan with evaluation", evaluated["steps"], evaluated["saving_usd"], evaluated["after_usd"]),
        *_spread(evaluated),
    )


def _does_something(step: Mapping[str, Any]) -> bool:
    return any(step[name] for name in ("standalone_usd", "in_order_usd", "shapley_usd"))


def _names(steps: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(clean(show.words(step["lever"]), 80).lower() for step in steps)


def _table(caption: str, steps: Sequence[Mapping[str, Any]], saving: float, after: float) -> Sequence[Block]:
    """The steps that do something, and the names of those that were replayed and do nothing."""
    idle = [step for step in steps if not _does_something(step)]
    rows = [
        (
            clean(show.words(step["lever"]), 80),
            _grade(step["grade"]),
            show.usd(step["standalone_usd"]),
            Cell(show.usd(step["in_order_usd"]), tone=_loss(step["in_order_usd"])),
            show.usd(step["shapley_usd"]),
            show.usd(step["after_usd"]),
        )
        for step in steps
        if _does_something(step)
    ]
    total = (
        Cell("All steps", tone="good"),
        "",
        "",
        Cell(show.usd(saving), tone="good"),
        show.usd(saving),
        show.usd(after),
    )
    names = columns("Step", "<Grade", "Alone", "In this order", "Fair share", "Spend after")
    table = Table(caption, names, (*rows, total), fold=20)
    return (table, Para(f"Replayed, and found nothing to save: {_names(idle)}.", "muted")) if idle else (table,)


def _grade(grade: str) -> Cell:
    return Cell(f"{grade}: {GRADES.get(grade, 'unknown')}", tone="test" if grade == "C" else "")


def _loss(amount: float | None) -> Tone:
    return "bad" if amount is not None and amount < 0 else ""


def _spread(plan: Mapping[str, Any]) -> Sequence[Block]:
    spread = plan.get("order_spread_usd")
    if not spread or spread["low"] is None or spread["high"] is None:
        return ()
    low, high = show.usd(spread["low"]), show.usd(spread["high"])
    said = "the same" if low == high else f"between {low} and {high}"
    return (
        Para(f"In another order of the same steps the total would be {said}{_tried(spread)}.{_shared(plan)}", "muted"),
    )


def _tried(spread: Mapping[str, Any]) -> str:
    tried, orders = spread.get("orders_tried"), spread.get("orders")
    if not tried or not orders or tried >= orders:
        return ""
    where = ", on a sample" if spread.get("sampled") else ""
    return f" ({show.count(tried)} of {show.count(orders)} orders tried{where})"


def _shared(plan: Mapping[str, Any]) -> str:
    """How the fair shares were found, where that was not by every combination."""
    how = plan.get("shapley") or {}
    if how.get("method") == "largest_exact":
        return f" Fair shares are exact for the {show.count(how['players'])} largest levers; the smaller ones get what they add in order."
    if how.get("method") != "sampled":
        return ""
    errors = [step.get("shapley_error_usd") or 0 for step in plan["steps"]]
    return (
        f" Fair shares are estimated from {show.noun(how['calls'], 'call')} where levers meet, "
        f"each to within {show.usd(max(errors, default=0))} (90 %, seed {how['seed']})."
    )
