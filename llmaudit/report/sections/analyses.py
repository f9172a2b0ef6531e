"""What ran and what did not, so that silence is never taken for a good result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report.absent import STATUS
from llmaudit.report.blocks import Block, Cell, Fold, Para, Table, columns
from llmaudit.report.sections import Report
from llmaudit.report.text import clean

TITLE = "What was examined"
ORDER = 80


def blocks(report: Report) -> Sequence[Block]:
    rows = report["analyses"]
    if not rows:
        return (Para("No analysis was run.", "bad"),)
    ran = [row for row in rows if row["status"] == "ran"]
    others = [row for row in rows if row["status"] != "ran"]
    found: list[Block] = [Para(f"{len(ran)} of {len(rows)} analyses ran.")]
    if others:
        found.append(_table("Analyses that did not run", others))
    if ran:
        found.append(Fold("Analyses that ran", (_table("Analyses that ran", ran),)))
    return found


def _table(caption: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = tuple(
        (
            clean(row["id"], 80),
            Cell(STATUS.get(row["status"], clean(row["status"], 40)), tone="" if row["status"] == "ran" else "test"),
            clean(row["reason"] or "", 300),
        )
        for row in rows
    )
    return Table(caption, columns("Analysis", "<Status", "<Reason"), cells, fold=len(cells))
