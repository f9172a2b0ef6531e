"""What providers counted themselves: useful with nothing but such an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.apart import told_apart, unless_calls
from llmaudit.report.blocks import Block, Cell, Fold, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "What providers counted"
ORDER = 27

DIMENSIONS = {
    "model": "Model",
    "operation": "Operation",
    "provider": "Provider",
    "account_id": "Account",
    "project": "Project",
    "service_tier": "Service tier",
    "api_key_id": "API key",
    "user_id": "User",
}

Export = Mapping[str, Any]


def blocks(report: Report) -> Sequence[Block]:
    exports = report.get("counted", ())
    if not exports:
        return ()
    found: list[Block] = [
        Para(
            "Tokens as the provider's own export counts them. They are no calls and no bill, and never added to either."
        )
    ]
    for export in exports:
        title = f"{_name(export)}, {clean(show.span(export['start'], export['end']), 80)}"
        found += unless_calls(report, title, _export(export))
    return found


def terminal(report: Report) -> Sequence[Line]:
    """What each export counts, where there are no calls."""
    if report["totals"]["requests"]:
        return ()
    return tuple(
        line(
            "Counted",
            f"{show.tokens(export['input_tokens'])} in, {show.tokens(export['output_tokens'])} out ({_name(export)})",
        )
        for export in report.get("counted", ())
    )


def _export(export: Export) -> tuple[Block, ...]:
    whole = Table(f"{_name(export)} in whole", _columns("Buckets"), (_row(export, show.count(export["buckets"])),))
    facts, tables = told_apart(export["by"], DIMENSIONS)
    return (whole, *facts, *(_table(name, export) for name in tables), _days(export))


def _columns(first: str) -> tuple[Any, ...]:
    return columns(first, "Calls", "Input", "Cache reads", "Cache writes", "Output", "Reasoning")


def _table(name: str, export: Export) -> Table:
    rows = tuple(_row(row, logged(row["key"])) for row in export["by"][name])
    return Table(f"Counted by {DIMENSIONS[name].lower()}, {_name(export)}", _columns(DIMENSIONS[name]), rows)


def _days(export: Export) -> Fold:
    days = sorted(export["by"]["day"], key=lambda row: str(row["key"]))
    rows = tuple(_row(row, clean(show.day(row["key"]), 40)) for row in days)
    table = Table(f"Counted by day, {_name(export)}", _columns("Day"), rows, fold=len(rows))
    return Fold(f"All {show.noun(len(rows), 'day')}", (table,))


def _row(row: Mapping[str, Any], key: Cell | str) -> tuple[Cell | str, ...]:
    counts = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return (key, show.count(row["requests"]), *(show.tokens(row[name]) for name in counts))


def _name(export: Export) -> str:
    return logged(export["source"], "an export", limit=40)
