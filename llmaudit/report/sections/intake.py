"""The files, one by one."""

from __future__ import annotations

from collections.abc import Sequence

from llmaudit.report import show
from llmaudit.report.blocks import Block, Cell, Para, Table, columns
from llmaudit.report.sections import Report
from llmaudit.report.sections.head import ledger
from llmaudit.report.text import logged

TITLE = "Files read"
ORDER = 90


def blocks(report: Report) -> Sequence[Block]:
    intake = report["intake"]
    said = Para(f"{show.noun(intake['rows_read'], 'record')} {ledger(report)}.")
    if not intake["files"]:
        return (said,)
    rows = tuple(
        (
            logged(file["path"], "unnamed", 200),
            logged(file["source"], "unknown source"),
            show.count(file["rows"]),
            Cell(show.count(file["quarantined"]), tone="bad" if file["quarantined"] else ""),
        )
        for file in sorted(intake["files"], key=lambda file: (-(file["quarantined"] or 0), str(file["path"])))
    )
    return (said, Table("Files", columns("File", "<Source", "Records", "Quarantined"), rows))
