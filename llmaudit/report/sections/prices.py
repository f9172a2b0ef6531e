"""Prices seen from elsewhere: where sources differ, what will change, what was asked for but not served, what is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Heading, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean

TITLE = "Prices"
ORDER = 57
WIDTH = 60
Row = Mapping[str, Any]
_NONE: Row = {"due": None, "disputed": [], "upcoming": [], "served": []}


def blocks(report: Report) -> Sequence[Block]:
    found = report.get("prices") or _NONE
    said = [
        *_due(found["due"]),
        *_disputed(found["disputed"]),
        *_upcoming(found["upcoming"]),
        *_served(found["served"]),
    ]
    if said:
        return said
    examined = (
        "Sources agree on every price used here, none of them is known to change, and every call was served as asked."
    )
    return (nothing(report, ("disputed_prices", "upcoming_prices", "served_otherwise"), examined),)


def terminal(report: Report) -> Sequence[Line]:
    due = (report.get("prices") or _NONE)["due"]
    return (line("Due", f"{show.usd(due['due_usd'])} under the contract"),) if due else ()


def _due(due: Row | None) -> Sequence[Block]:
    if due is None:
        return ()
    said = "Spend at contracted prices, less free tiers and credits, plus what a commitment asks for beyond it."
    found: list[Block] = [Heading("What is due"), Para(said, "muted"), _months(due["months"])]
    if due["commitments"]:
        found.append(_commitments(due["commitments"]))
    if due["showback"]:
        found.append(_showback(due["showback"]))
    return found


def _months(rows: Sequence[Row]) -> Table:
    amounts = ("list", "contracted", "free_tier", "credit", "true_up", "due")
    return Table(
        "By month and provider",
        columns("Month", "<Provider", "List", "Contracted", "Free tier", "Credits", "True-up", "Due"),
        tuple(
            (row["month"][:7], _name(row["provider"]), *(show.usd(row[f"{name}_usd"]) for name in amounts))
            for row in rows
        ),
    )


def _commitments(rows: Sequence[Row]) -> Table:
    return Table(
        "Commitments",
        columns("Name", "<Period", "Committed", "Spent", "Still to pay", "<Covered"),
        tuple(
            (
                clean(row["name"], WIDTH),
                f"{row['start']} to {row['end']}",
                *(show.usd(row[f"{name}_usd"]) for name in ("committed", "counted", "true_up")),
                "whole period" if row["is_complete"] else "a part: amount by days",
            )
            for row in rows
        ),
    )


def _showback(rows: Sequence[Row]) -> Table:
    shown = tuple((_name(row["team"]), show.usd(row["contracted_usd"]), show.usd(row["showback_usd"])) for row in rows)
    return Table("Shown to teams, with margins", columns("Team", "Cost", "Shown"), shown)


def _disputed(rows: Sequence[Row]) -> Sequence[Block]:
    if not rows:
        return ()
    lines = tuple(
        (
            _name(r["provider"]),
            _name(r["model"]),
            show.count(r["requests"]),
            show.usd(r["cost_usd"]),
            show.usd(r["other_usd"]),
        )
        for r in rows
    )
    return (
        Heading("Prices that the book's sources do not agree on"),
        Para("The totals use the first price. `llmaudit prices show MODEL` has both, with their sources.", "muted"),
        Table(
            "Calls priced by them", columns("Provider", "<Model", "Calls", "As priced", "By the other source"), lines
        ),
    )


def _upcoming(rows: Sequence[Row]) -> Sequence[Block]:
    if not rows:
        return ()
    lines = tuple(
        (
            row["on"] or "no day named",
            _name(row["endpoint"]),
            _name(row["model"]),
            "price" if row["kind"] == "price" else "retires",
            show.usd(row["before_usd"]),
            show.usd(row["after_usd"]),
            show.usd(row["monthly_change_usd"]),
        )
        for row in rows
    )
    head = columns("From", "<Endpoint", "<Model", "<What", "These calls before", "These calls then", "Change a month")
    return (Heading("What is known to change"), Table("Prices and models", head, lines))


def _served(rows: Sequence[Row]) -> Sequence[Block]:
    if not rows:
        return ()
    lines = tuple(
        (
            _name(row["endpoint"]),
            f"{_name(row['request_model'])} {row['requested_service_tier'] or ''}".strip(),
            f"{_name(row['model'])} {row['service_tier'] or ''}".strip(),
            show.count(row["requests"]),
            show.usd(row["cost_usd"]),
            show.usd(row["as_requested_usd"]),
        )
        for row in rows
    )
    head = columns("Endpoint", "<Asked for", "<Served", "Calls", "Cost", "Had it been served as asked")
    return (
        Heading("Served otherwise than asked"),
        Para(
            "Calls are priced as they were served. The difference is no saving: it is what the request would have cost.",
            "muted",
        ),
        Table("Tiers and models", head, lines),
    )


def _name(value: str | None) -> str:
    return clean(value, WIDTH) if value else "not named"
