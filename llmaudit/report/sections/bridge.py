"""What led from one period's cost to the next one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import Block, Fold, Heading, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Since last time"
ORDER = 52

PARTS = {
    "volume": "More or fewer calls",
    "model_mix": "Calls that went to other models",
    "tier": "Calls that went to other tiers",
    "tokens_per_call": "Tokens per call",
    "cache_rate": "Share of input read from or written to a cache",
    "price": "Price per token",
    "currency": "Rate of exchange",
    "new": "Models that are new",
    "ended": "Models no longer called",
}


def blocks(report: Report) -> Sequence[Block]:
    steps = report.get("bridge") or ()
    if not steps:
        return ()
    return (
        Para(
            "Each part is what the cost would have changed by, had only that changed; they sum to the whole change. Calls without a price are not in it.",
            "muted",
        ),
        *(block for step in reversed(steps) for block in _step(step)),
    )


def terminal(report: Report) -> Sequence[Line]:
    steps = report.get("bridge") or ()
    if not steps:
        return ()
    step = steps[0] if steps[0]["basis"] == "report" else steps[-1]
    largest = sorted(step["parts"], key=lambda part: -abs(part["amount"]))[:3]
    said = ", ".join(f"{clean(show.words(part['part'])).lower()} {_money(part['amount'], step)}" for part in largest)
    return (
        line(
            "Change",
            f"{_name(step)}: {_money(step['before'], step)} to {_money(step['after'], step)} ({said})",
            spare=True,
        ),
    )


def _step(step: Mapping[str, Any]) -> Sequence[Block]:
    rows = (
        ("Before", _money(step["before"], step)),
        *(
            (PARTS.get(part["part"], clean(show.words(part["part"]))), _money(part["amount"], step))
            for part in step["parts"]
        ),
        ("After", _money(step["after"], step)),
    )
    models = tuple(
        (
            logged(change["model"], "no model named"),
            PARTS.get(change["part"], clean(change["part"])),
            _money(change["amount"], step),
        )
        for change in sorted(step["models"], key=lambda change: -abs(change["amount"]))
    )
    table = Table(f"Cost, {_name(step)}", columns("Part", "Amount"), rows, fold=20)
    detail = Table(f"By model, {_name(step)}", columns("Model", "<Part", "Amount"), models)
    shown = (Heading(_heading(step)), table)
    return (*shown, Fold("By model", (detail,))) if models else shown


def _name(step: Mapping[str, Any]) -> str:
    if step["basis"] == "report":
        return "from the last report to this one"
    kind = "week of " if step["basis"] == "week" else ""
    return clean(f"{kind}{step['from']} to {kind}{step['to']}", 80)


def _heading(step: Mapping[str, Any]) -> str:
    name = _name(step)
    return name[:1].upper() + name[1:]


def _money(amount: float | None, step: Mapping[str, Any]) -> str:
    return show.money(amount, clean(step["currency"], 8))
