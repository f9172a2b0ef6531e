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

WRITES = {
    "nothing": "nothing",
    "everything": "whole prompts",
    "shared": "what two prompts share",
    "common": "what many calls share",
    "free": "at no cost",
    "free_gain": "at no cost",
}
"""How far prompts are written, in words."""


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
    return (
        Para(intro, "muted"),
        Table("Prompt caching by endpoint", names, tuple(map(_row, ranked))),
        *_breaks(ranked),
        *_policies(ranked),
        *_not_replayed(report),
    )


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


def _breaks(ranked: Sequence[Mapping[str, Any]]) -> Sequence[Block]:
    """The text in which something changes, as one call had it: what to move behind what does not change."""
    rows = tuple(
        (logged(row["endpoint"]), logged(row["model"], "unknown"), place(found), logged(found["example"], "", 300))
        for row in ranked
        if (found := row["break"]) and found["example"] is not None
    )
    names = columns("Endpoint", "<Model", "<Where", "<As one call had it")
    return (Table("What breaks prompts", names, rows),) if rows else ()


def _policies(ranked: Sequence[Mapping[str, Any]]) -> Sequence[Block]:
    """What each way of caching would do to the input bill, where some of them would read anything."""
    rows = tuple(
        (
            logged(row["endpoint"]),
            logged(row["model"], "unknown"),
            clean(way["policy"], 20),
            WRITES.get(way["writes"], clean(way["writes"], 40)),
            show.share(way["read_share"]),
            show.share(way["written_share"]),
            Cell(f"{way['input_bill_ratio']:.3f}", tone="bad" if way["loses_money"] else ""),
            Cell("loses money" if way["loses_money"] else "", tone="bad"),
        )
        for row in ranked
        for way in row.get("policies", ())
        if row["read_share_possible"]
    )
    if not rows:
        return ()
    note = (
        "Input bill is a multiple of what the same input would cost without any cache. A way loses money where it makes "
        "a larger bill than is paid today."
    )
    names = columns("Endpoint", "<Model", "<Policy", "<Writes", "Read", "Written", "Input bill", "<")
    return (Table("What each policy would do", names, rows), Para(note, "muted"))


def _not_replayed(report: Report) -> Sequence[Block]:
    reasons = [one["reason"] for one in report["analyses"] if one["id"] == "prompt_caching" and one["reason"]]
    return tuple(Para(clean(f"Not looked at: {reason}.", 400), "muted") for reason in reasons)


def place(found: Mapping[str, Any]) -> str:
    """Where a break is.

    >>> place({"where": "system", "byte_offset": 14}), place({"where": None, "byte_offset": None})
    ('system, byte 14', '')
    """
    at = f"byte {show.count(found['byte_offset'])}" if found["byte_offset"] is not None else ""
    return ", ".join(part for part in (clean(str(found["where"] or ""), 60), at) if part)


def _break(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "nothing found"
    kinds = clean(", ".join(map(str, found["kinds"])) or "a change", 200)
    where = f" in {clean(str(found['where']), 60)}" if found["where"] is not None else ""
    at = f" at byte {show.count(found['byte_offset'])}" if found["byte_offset"] is not None else ""
    example = f": {clean(str(found['example']), 100)}" if found["example"] else ""
    return f"{kinds}{where}{at}{example}"
