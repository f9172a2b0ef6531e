"""What a reader should know before trusting a figure, with the dollars it touches."""

from __future__ import annotations

from collections.abc import Sequence

from llmaudit.report import show
from llmaudit.report.blocks import Block, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean

TITLE = "Warnings"
ORDER = 85


def blocks(report: Report) -> Sequence[Block]:
    if not report["warnings"]:
        return (Para("None."),)
    rows = tuple(
        (clean(show.words(warning["kind"]), 80), clean(warning["text"]), _touched(warning["usd"]))
        for warning in sorted(report["warnings"], key=lambda warning: -abs(warning["usd"] or 0))
    )
    return (Table("Warnings", columns("Kind", "<What", "Dollars touched"), rows),)


def terminal(report: Report) -> Sequence[Line]:
    number = len(report["warnings"])
    if not number:
        return ()
    kinds = sorted({clean(show.words(warning["kind"]), 40).lower() for warning in report["warnings"]})
    return (line("Warnings", f"{number}: {', '.join(kinds)}", "test"),)


def _touched(amount: float | None) -> str:
    return "" if amount is None else show.usd(amount)
