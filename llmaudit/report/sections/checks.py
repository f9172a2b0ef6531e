"""Self-checks that failed. They stand above everything else, because they cast doubt on it."""

from __future__ import annotations

from collections.abc import Sequence

from llmaudit.report.blocks import Block, Bullets, Line, Para, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean

TITLE = "Self-checks that failed"
ORDER = 0


def blocks(report: Report) -> Sequence[Block]:
    failed = _failed(report)
    if not failed:
        return ()
    return (
        Para("The audit checks its own sums. These did not hold, so read the figures below with care.", "bad"),
        Bullets(tuple(failed), "bad"),
    )


def terminal(report: Report) -> Sequence[Line]:
    failed = _failed(report)
    if not failed:
        return ()
    return (line("CHECK FAILED", failed[0] if len(failed) == 1 else f"{len(failed)} checks; {failed[0]}", "bad"),)


def _failed(report: Report) -> list[str]:
    return [clean(warning["text"]) for warning in report["warnings"] if warning["kind"] == "check_failed"]
