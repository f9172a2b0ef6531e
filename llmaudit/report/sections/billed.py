"""What was billed, bill by bill: useful with nothing but a bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.apart import told_apart, unless_calls
from llmaudit.report.blocks import Block, Cell, Fold, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "What was billed"
ORDER = 26
MOST_LINES = 3

DIMENSIONS = {
    "model": "Model",
    "token_class": "Kind of unit",
    "account_id": "Account",
    "sub_account_id": "Project or resource",
    "provider": "Provider",
    "service_tier": "Service tier",
    "region": "Region",
    "api_key_id": "API key",
    "user_id": "User",
    "charge_category": "Kind of charge",
}

Bill = Mapping[str, Any]


def blocks(report: Report) -> Sequence[Block]:
    bills = report.get("billed", ())
    if not bills:
        return ()
    found: list[Block] = [Para("As the bills have it, before anything is held against the log.")]
    if len(bills) > 1:
        found.append(Para("Bills may repeat one another (an export and a cost report, say): they are never added up."))
    for bill in bills:
        found += unless_calls(report, f"{_name(bill)}, {clean(show.span(bill['start'], bill['end']), 80)}", _bill(bill))
    return found


def terminal(report: Report) -> Sequence[Line]:
    """The dearest models of each bill, where there is nothing but bills."""
    if report["totals"]["requests"]:
        return ()
    lines: list[Line] = []
    for bill in report.get("billed", ()):
        whole = f"{_money(bill, bill['billed'])} on {show.noun(bill['lines'], 'line')} ({_name(bill)})"
        lines += [line("Billed", whole), *(line("", _model(bill, row)) for row in bill["by"]["model"][:MOST_LINES])]
    return lines


def _model(bill: Bill, row: Mapping[str, Any]) -> str:
    return f"{logged(row['key'], limit=40)} {_money(bill, row['billed'])} {show.share(row['share'])}"


def _bill(bill: Bill) -> tuple[Block, ...]:
    facts, tables = told_apart(bill["by"], DIMENSIONS)
    return (_whole(bill), *facts, *(_table(name, bill) for name in tables), _days(bill))


def _whole(bill: Bill) -> Table:
    cells = tuple(_money(bill, bill[name]) for name in ("billed", "effective", "list"))
    names = columns("Lines", "Billed", "Accrued", "At list price", "Tokens")
    return Table(f"{_name(bill)} in whole", names, ((show.count(bill["lines"]), *cells, show.tokens(bill["tokens"])),))


def _table(name: str, bill: Bill) -> Table:
    rows = tuple(_row(bill, row, logged(row["key"])) for row in bill["by"][name])
    return Table(
        f"Billed by {DIMENSIONS[name].lower()}, {_name(bill)}",
        columns(DIMENSIONS[name], "Billed", "Share", "Tokens", "Lines"),
        rows,
    )


def _days(bill: Bill) -> Fold:
    days = sorted(bill["by"]["day"], key=lambda row: str(row["key"]))
    rows = tuple(_row(bill, row, clean(show.day(row["key"]), 40)) for row in days)
    table = Table(
        f"Billed by day, {_name(bill)}", columns("Day", "Billed", "Share", "Tokens", "Lines"), rows, fold=len(rows)
    )
    return Fold(f"All {show.noun(len(rows), 'day')}", (table,))


def _row(bill: Bill, row: Mapping[str, Any], key: Cell | str) -> tuple[Cell | str, ...]:
    share = Cell(show.share(row["share"]), row["share"])
    return (key, _money(bill, row["billed"]), share, show.tokens(row["tokens"]), show.count(row["lines"]))


def _money(bill: Bill, amount: float | None) -> str:
    return show.money(amount, clean(bill["currency"] or "USD", 8))


def _name(bill: Bill) -> str:
    return f"{logged(bill['source'], 'a bill', limit=40)} in {clean(bill['currency'] or 'an unknown currency', 20)}"
