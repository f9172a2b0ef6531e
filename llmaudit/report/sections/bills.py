"""Logs held against bills, each in the bill's own currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Cell, Heading, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Against the bills"
ORDER = 25
MOST_LINES = 3


def blocks(report: Report) -> Sequence[Block]:
    bills = report["bills"]
    if not bills:
        return (nothing(report, ("bills", "reconcile", "reconciliation"), "No bill was among the files read."),)
    found: list[Block] = [
        Para(
            "Billed is what the provider charged; priced is what this log comes to at our prices. They are compared, never added."
        ),
        _table(bills),
    ]
    for bill in bills:
        if bill["classes"]:
            found += [Heading(f"Where {_name(bill)} differs"), _classes(bill)]
    return found


def terminal(report: Report) -> Sequence[Line]:
    rates = [bill for bill in report["bills"] if bill["capture_rate"] is not None]
    if not rates:
        return tuple(
            line("Bills", f"{_amount(bill, 'billed')} billed, no logged calls to hold against it ({_name(bill)})")
            for bill in report["bills"][:MOST_LINES]
        )
    worst = min(rates, key=lambda bill: bill["capture_rate"])
    text = f"{show.share(worst['capture_rate'])} found in the log, {_amount(worst, 'unexplained')} unexplained"
    which = f"{_name(worst)}, the lowest of {len(rates)}" if len(rates) > 1 else _name(worst)
    return (line("Bills", f"{text} ({which})"),)


def _table(bills: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            logged(bill["source"], "unknown source"),
            logged(bill["account_id"], "no account"),
            clean(show.span(bill["start"], bill["end"]), 80),
            _amount(bill, "billed"),
            _amount(bill, "priced"),
            Cell(show.share(bill["capture_rate"]), bill["capture_rate"]),
            _amount(bill, "unexplained"),
        )
        for bill in bills
    )
    names = columns("Bill", "<Account", "<Period", "Billed", "Priced from the log", "Capture rate", "Unexplained")
    return Table("Bills against the log", names, rows)


def _classes(bill: Mapping[str, Any]) -> Table:
    currency = clean(bill["currency"] or "USD", 8)
    rows = tuple(
        (clean(show.words(part["class"]), 120), show.money(part["amount"], currency)) for part in bill["classes"]
    )
    last = ("Unexplained", _amount(bill, "unexplained"))
    return Table(f"Parts of the difference, {_name(bill)}", columns("Part", "Amount"), (*rows, last), fold=20)


def _amount(bill: Mapping[str, Any], key: str) -> str:
    return show.money(bill[key], clean(bill["currency"] or "USD", 8))


def _name(bill: Mapping[str, Any]) -> str:
    account = f" {logged(bill['account_id'], limit=40)}" if bill["account_id"] is not None else ""
    return f"{logged(bill['source'], 'a bill', limit=40)}{account}"
