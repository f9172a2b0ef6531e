"""Logs held against bills, each in the bill's own currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Bullets, Cell, Fold, Heading, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Against the bills"
ORDER = 25
MOST_LINES = 3
Bill = Mapping[str, Any]


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
        if bill["classes"] or bill.get("assumptions"):
            found += [Heading(f"Where {_name(bill)} differs"), *_parts(bill), *_detail(bill)]
    return found


def terminal(report: Report) -> Sequence[Line]:
    references = [bill for bill in report["bills"] if not bill.get("same_spend_as")]
    rates = [bill for bill in references if bill["capture_rate"] is not None]
    if not rates:
        return tuple(
            line("Bills", f"{_amount(bill, 'billed')} billed, no logged calls to hold against it ({_name(bill)})")
            for bill in references[:MOST_LINES]
        )
    worst = min(rates, key=lambda bill: bill["capture_rate"])
    text = f"{show.share(worst['capture_rate'])} found in the log, {_amount(worst, 'unexplained')} unexplained"
    which = f"{_name(worst)}, the lowest of {len(rates)}" if len(rates) > 1 else _name(worst)
    lines = [line("Bills", f"{text} ({which})")]
    if worst["classes"]:
        named = ", ".join(
            f"{show.words(part['class']).lower()} {show.money(part['amount'], _currency(worst))}"
            for part in worst["classes"][:MOST_LINES]
        )
        lines.append(line("", clean(named, 160), spare=True))
    return lines


def text(bills: Sequence[Bill]) -> str:
    """The same for a terminal, every amount to its last digit, with what shows each part."""
    said: list[str] = []
    for bill in bills:
        rate = show.share(bill["capture_rate"])
        said.append(f"{_name(bill)}, {show.span(bill['start'], bill['end'])}, {_currency(bill)}")
        said.append(f"{_exact(bill['billed'])}  billed")
        said.append(f"{_exact(bill['priced'])}  priced from the log, capture rate {rate}")
        if bill.get("same_spend_as"):
            said.append(f"{'':16}  {_repeats(bill)}: counts nothing more")
        for part in bill["classes"]:
            said.append(f"{_exact(part['amount'])}  {show.words(part['class']).lower()}")
            said += [f"{'':20}{clean(sentence, 300)}" for sentence in part["evidence"]]
        said.append(f"{_exact(bill['unexplained'])}  unexplained")
        said += [f"{'assumed':>16}  {clean(sentence, 300)}" for sentence in bill["assumptions"]]
    return "\n".join(said)


def _exact(amount: float | None) -> str:
    return f"{show.UNKNOWN:>16}" if amount is None else f"{amount:16,.6f}"


def _table(bills: Sequence[Bill]) -> Table:
    rows = tuple(
        (
            logged(bill["source"], "unknown source"),
            logged(bill["account_id"], "no account"),
            clean(show.span(bill["start"], bill["end"]), 80),
            _amount(bill, "billed"),
            _amount(bill, "priced"),
            Cell(show.share(bill["capture_rate"]), bill["capture_rate"], note=_repeats(bill)),
            _amount(bill, "unexplained"),
        )
        for bill in bills
    )
    names = columns("Bill", "<Account", "<Period", "Billed", "Priced from the log", "Capture rate", "Unexplained")
    return Table("Bills against the log", names, rows)


def _repeats(bill: Bill) -> str:
    other, off = bill.get("same_spend_as"), bill.get("same_spend_off")
    if not other:
        return ""
    same = "agrees" if not off else f"differs by {show.money(off, _currency(bill))}"
    return f"same spend as {clean(str(other), 40)}, {same}"


def _parts(bill: Bill) -> Sequence[Block]:
    if not bill["classes"]:
        return ()
    rows = tuple(
        (
            clean(show.words(part["class"]), 120),
            show.money(part["amount"], _currency(bill)),
            clean(" ".join(part.get("evidence") or ("",))[:600], 600),
        )
        for part in bill["classes"]
    )
    last = (
        "Unexplained",
        _amount(bill, "unexplained"),
        "nothing in the inputs shows why" if bill["unexplained"] else "",
    )
    names = columns("Part", "Amount", "<What shows it")
    return (Table(f"Parts of the difference, {_name(bill)}", names, (*rows, last), fold=20),)


def _detail(bill: Bill) -> Sequence[Block]:
    """By day and by model, the assumptions, and the queries that show the rows."""
    inside: list[Block] = []
    for key, title in (("days", "By day"), ("models", "By model")):
        places = [place for place in bill.get(key) or () if place["classes"]]
        if places:
            inside.append(_places(bill, title, places))
    if bill.get("effective"):
        inside.append(_effective(bill))
    queries = tuple(
        f"{show.words(part['class'])}: {clean(part['rows'], 900)}" for part in bill["classes"] if part.get("rows")
    )
    if queries:
        inside += [
            Para("The rows behind the largest amount of each part, for llmaudit query:", "muted"),
            Bullets(queries),
        ]
    if bill.get("assumptions"):
        inside += [Para("What was assumed:", "muted"), Bullets(tuple(clean(said, 300) for said in bill["assumptions"]))]
    return (Fold("Days, models, assumptions and queries", tuple(inside)),) if inside else ()


def _effective(bill: Bill) -> Table:
    currency = _currency(bill)
    rows = tuple(
        (
            logged(", ".join(str(model or "every model") for model in rate["models"]), limit=80),
            clean(", ".join(show.words(name).lower() for name in rate["token_classes"]), 120),
            Cell(f"{rate['ratio']:.4g}", note=_span_of(rate)),
            "unknown" if rate["contract_ratio"] is None else f"{rate['contract_ratio']:.4g}",
            show.UNKNOWN if rate["per_million"] is None else show.money(rate["per_million"], currency),
            show.share(rate["residual_share"]),
        )
        for rate in bill["effective"]
    )
    names = columns("Model", "<Token class", "Of list", "Of contract", "A million", "Left over")
    return Table(f"What is paid per unit, {_name(bill)}", names, rows)


def _span_of(rate: Mapping[str, Any]) -> str:
    return "" if rate["low"] is None else f"{rate['low']:.4g} to {rate['high']:.4g}"


def _places(bill: Bill, title: str, places: Sequence[Mapping[str, Any]]) -> Table:
    currency = _currency(bill)
    rows = tuple(
        (
            logged(place["key"], "no model named"),
            show.money(place["billed"], currency),
            show.money(place["priced"], currency),
            ", ".join(
                f"{clean(show.words(part['class']), 60)} {show.money(part['amount'], currency)}"
                for part in place["classes"]
            ),
        )
        for place in places
    )
    return Table(
        f"{title}, {_name(bill)}", columns(title.removeprefix("By ").title(), "Billed", "Priced", "<Parts"), rows
    )


def _currency(bill: Bill) -> str:
    return clean(bill["currency"] or "USD", 8)


def _amount(bill: Bill, key: str) -> str:
    return show.money(bill[key], _currency(bill))


def _name(bill: Bill) -> str:
    account = f" {logged(bill['account_id'], limit=40)}" if bill["account_id"] is not None else ""
    return f"{logged(bill['source'], 'a bill', limit=40)}{account}"
