"""Prompt caching: what is read from providers' caches now, what could be, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Cell, Para, Table, columns
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Prompt caching"
ORDER = 60


def blocks(report: Report) -> Sequence[Block]:
    rows = report["prompt_caching"]
    if not rows:
        return (nothing(report, ("prompt_caching",), "No prompt opening repeats often enough to be worth a cache."),)
    ranked = sorted(rows, key=lambda row: -(row["saving_usd"] or 0))
    intro = (
        "How much of the input is read from the provider's prompt cache, how much could be, and the first thing in "
        "the prompt that changes from call to call and so ends what can be cached. Mend the break, and the saving follows."
    )
    names = columns("Endpoint", "<Model", "Read now", "Possible", "<What breaks it", "<Best policy", "Saving")
    return (Para(intro, "muted"), Table("Prompt caching by endpoint", names, tuple(map(_row, ranked))))


def _row(row: Mapping[str, Any]) -> tuple[Cell | str, ...]:
    saving = row["saving_usd"]
    return (
        logged(row["endpoint"]),
        logged(row["model"], "unknown"),
        show.share(row["read_share_now"]),
        Cell(show.share(row["read_share_possible"]), row["read_share_possible"]),
        _break(row["break"]),
        clean(row["best_policy"] or show.UNKNOWN, 40),
        Cell(show.usd(saving), tone="bad" if saving is not None and saving < 0 else ""),
    )


def _break(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "nothing found"
    kinds = clean(", ".join(map(str, found["kinds"])) or "a change", 200)
    where = f" in {clean(str(found['where']), 60)}" if found["where"] is not None else ""
    at = f" at byte {show.count(found['byte_offset'])}" if found["byte_offset"] is not None else ""
    example = f": {clean(str(found['example']), 100)}" if found["example"] else ""
    return f"{kinds}{where}{at}{example}"
