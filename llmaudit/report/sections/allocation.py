"""Who bears the cost, once what several share is divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import Block, Cell, Column, Heading, Para, Table, columns
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Allocation"
ORDER = 55


def blocks(report: Report) -> Sequence[Block]:
    found: list[Block] = []
    for table in report.get("allocation") or ():
        name = clean(table["by"], 60)
        found += [Heading(f"By {name}"), _rows(table, name), *_pools(table, name)]
    if found:
        found.insert(
            0,
            Para(
                "Direct is what a key's own calls cost; shared is what the rules of [allocation] add to it or take from it. "
                "Every table comes to the whole cost. What no key bears is shown as unattributed."
            ),
        )
    return found


def _rows(table: Mapping[str, Any], name: str) -> Table:
    shown = any(row["showback_usd"] is not None for row in table["rows"])
    names: tuple[Column, ...] = columns(name, "Allocated", "Share", "Direct", "Shared", "Calls")
    rows = tuple(
        (
            logged(row["key"], "unattributed"),
            show.usd(row["allocated_usd"]),
            Cell(show.share(row["share"]), row["share"]),
            show.usd(row["direct_usd"]),
            show.usd(row["shared_usd"]),
            show.count(row["requests"]),
            *((show.usd(row["showback_usd"]),) if shown else ()),
        )
        for row in table["rows"]
    )
    return Table(f"Cost allocated by {name}", (*names, *((Column("With margin"),) if shown else ())), rows)


def _pools(table: Mapping[str, Any], name: str) -> Sequence[Block]:
    if not table["pools"]:
        return ()
    rows = tuple(
        (
            clean(show.words(pool["name"]), 80),
            clean(pool["rule"], 120),
            show.usd(pool["usd"]),
            show.count(pool["requests"]),
        )
        for pool in table["pools"]
    )
    return (Table(f"What was shared by {name}", columns("What", "<Rule", "Amount", "Calls"), rows),)
