"""How much of the money is priced, and how."""

from __future__ import annotations

from collections.abc import Sequence

from llmaudit.report import show
from llmaudit.report.blocks import Block, Cell, Chart, Facts, Line, Table, columns, line
from llmaudit.report.sections import Report

TITLE = "The money"
ORDER = 20

PRICED_BY = {
    "exact_usd": ("exact", "The provider's price for this model on this date"),
    "alias_usd": ("alias", "The same, under another name of the model"),
    "rule_usd": ("rule", "A pricing rule of the provider"),
    "user_usd": ("your prices", "Your own prices"),
    "reported_usd": ("as logged", "What the log itself said"),
}


def blocks(report: Report) -> Sequence[Block]:
    return (
        Chart("spend_by_day", "Spend for each day of the window"),
        Facts(tuple(_facts(report))),
        *_how_priced(report),
    )


def terminal(report: Report) -> Sequence[Line]:
    totals = report["totals"]
    lines = [
        line(
            "Spend",
            f"{show.spent(totals, totals['cost_usd'])} for {show.noun(totals['requests'], 'call')}{_list(report)}",
        )
    ]
    shares = [(name, show.of(totals["priced_by"][key], totals["cost_usd"])) for key, (name, _) in PRICED_BY.items()]
    priced = " + ".join(f"{name} {show.share(part)}" for name, part in shares if part)
    if priced:
        lines.append(line("Priced by", priced))
    if totals["unpriced_requests"]:
        lines.append(line("Unpriced", f"{_unpriced(report)}, not in the total", "bad"))
    return lines


def _list(report: Report) -> str:
    totals = report["totals"]
    if totals["list_usd"] in {None, totals["cost_usd"]}:
        return ""
    return f" ({show.usd(totals['list_usd'])} at list)"


def _facts(report: Report) -> list[tuple[str, str]]:
    totals = report["totals"]
    facts = [
        ("Spend, contracted", show.spent(totals, totals["cost_usd"])),
        ("At list price", show.spent(totals, totals["list_usd"])),
        ("What the logs said", show.usd(totals["reported_cost_usd"])),
        ("Unpriced, not in spend", _unpriced(report)),
        ("Of spend, on estimated usage", show.usd(totals["estimated_usage_usd"])),
        ("Not metered, list equivalent, not in spend", show.usd(totals["unmetered_list_usd"])),
        ("Failed calls", f"{show.count(totals['errors'])} of {show.count(totals['requests'])}"),
        ("Input tokens", _input(report)),
        (
            "Output tokens",
            f"{show.tokens(totals['output_tokens'])}, {show.tokens(totals['reasoning_tokens'])} reasoning",
        ),
    ]
    return [fact for fact in facts if fact[1] != show.UNKNOWN or fact[0].startswith("Spend")]


def _input(report: Report) -> str:
    totals = report["totals"]
    return (
        f"{show.tokens(totals['input_tokens'])}, of which {show.tokens(totals['cache_read_tokens'])} read from "
        f"a cache and {show.tokens(totals['cache_write_tokens'])} written to one"
    )


def _unpriced(report: Report) -> str:
    totals = report["totals"]
    if not totals["unpriced_requests"]:
        return "none"
    return f"{show.noun(totals['unpriced_requests'], 'call')}, {show.between(totals['unpriced_usd'])}"


def _how_priced(report: Report) -> Sequence[Block]:
    totals = report["totals"]
    if not totals["cost_usd"]:
        return ()
    rows = []
    for key, (_, meaning) in PRICED_BY.items():
        if not totals["priced_by"][key]:
            continue
        part = show.of(totals["priced_by"][key], totals["cost_usd"])
        rows.append((meaning, show.usd(totals["priced_by"][key]), Cell(show.share(part), part)))
    return (Table("How the spend was priced", columns("Priced by", "Spend", "Share"), tuple(rows)),)
