"""Endpoints that went on on a cheaper model: what was promised, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import Block, Cell, Para, Table, columns
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "After a move"
ORDER = 72


def blocks(report: Report) -> Sequence[Block]:
    rows = report.get("migrations") or ()
    if not rows:
        return ()
    intro = (
        "These endpoints went on on a model whose calls cost less than half. Realised is what the moved calls would have cost on the model of "
        "before, less what they and those that fell back to it cost. Promised is what the earlier report (--compare) said, on the same calls."
    )
    money = columns(
        "Endpoint",
        "<Before",
        "<Now",
        "Since",
        "Moved calls",
        "Fell back",
        "Stayed",
        "Cost",
        "Realised",
        "Promised",
        "<Promise",
    )
    answers = columns("Endpoint", "Same prompts", "Near-equal inputs", "Promised by the student")
    return (
        Para(intro, "muted"),
        Table("Promised and realised dollars", money, tuple(map(_money, rows))),
        Table("Agreement of the new model's answers with those of before", answers, tuple(map(_answers, rows))),
    )


def _money(row: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    promise = {"kept": Cell("kept", tone="good"), "missed": Cell("missed", tone="bad")}.get(
        row["promise"], Cell("not compared")
    )
    return (
        logged(row["endpoint"], "unattributed"),
        clean(row["old_model"], 60),
        clean(row["new_model"], 60),
        clean(row["since"][:10], 10),
        show.count(row["moved_requests"]),
        Cell(show.share(row["fell_back_share"]), row["fell_back_share"]),
        show.count(row["stayed_requests"]),
        show.usd(row["cost_usd"]),
        show.usd(row["saving_usd"]),
        _span(row["promised_saving_usd"]),
        promise,
    )


def _answers(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        logged(row["endpoint"], "unattributed"),
        _agreement(row["agreement"]),
        _agreement(row["near_agreement"]),
        _agreement(row["promised_agreement"]),
    )


def _span(span: Mapping[str, float] | None) -> str:
    if span is None:
        return "unknown"
    return f"{show.usd(span['expected'])} ({show.usd(span['low'])} to {show.usd(span['high'])})"


def _agreement(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "none"
    span = f"{show.share(found['low'])} to {show.share(found['high'])}"
    return f"{show.share(found['estimate'])} ({span}, n = {show.count(found['n'])})"
