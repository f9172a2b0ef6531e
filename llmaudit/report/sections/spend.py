"""Where the money goes, by every dimension the log knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import Block, Cell, Chart, Column, Fold, Heading, Line, Para, Table, columns
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Where it goes"
ORDER = 50

DIMENSIONS = {
    "endpoint": "Endpoint",
    "model": "Model",
    "provider": "Provider",
    "team": "Team",
    "project": "Project",
    "user_id": "User",
    "api_key_id": "API key",
    "account_id": "Account",
    "operation": "Operation",
    "service_tier": "Service tier",
    "region": "Region",
}
ALWAYS = ("endpoint", "model")
"""Shown even where there is only one: these rows say more than others do."""
IN_TERMINAL = 5
SURE_IN_TERMINAL = 3
_TERMINAL_NAME = 34

Row = Mapping[str, Any]

FURTHER: dict[str, tuple[str, Callable[[Row], Cell | str]]] = {
    "cost_per_call_usd": ("A call", lambda row: show.per_call(row.get("cost_per_call_usd"))),
    "tokens_per_call": ("Tokens a call", lambda row: show.tokens(row.get("tokens_per_call"))),
    "duration_ms_p50": ("Time, median", lambda row: _time(row.get("duration_ms_p50"), row.get("duration_ms_p95"))),
    "error_share": ("Failed", lambda row: show.share(row.get("error_share"))),
    "cached_share": ("Cached input", lambda row: show.share(row.get("cached_share"))),
}
"""Columns a row may have beyond those every row has."""


def blocks(report: Report) -> Sequence[Block]:
    spend = report["spend"]
    known = [name for name in DIMENSIONS if _has_names(spend[name])]
    found: list[Block] = [Chart("spend_by_endpoint", "Spend of the ten dearest endpoints")] if spend["endpoint"] else []
    alike = [name for name in known if name not in ALWAYS and len(spend[name]) == 1]
    for name in known:
        if name in alike:
            continue
        found += [Heading(f"By {_noun(name)}"), _table(name, spend[name])]
    found += [*_token_classes(spend["token_class"]), *_days(spend["day"])]
    if alike:
        said = ", ".join(f"{_noun(name)} {logged(spend[name][0]['key'])}" for name in alike)
        found.append(Para(f"All of it: {said}.", "muted"))
    unknown = [_noun(name) for name in DIMENSIONS if name not in known]
    if unknown:
        found.append(Para(f"The log does not say: {', '.join(unknown)}.", "muted"))
    return found


def terminal(report: Report) -> Sequence[Line]:
    lines = []
    for place, row in enumerate(_ranked(report["spend"]["endpoint"])[:IN_TERMINAL]):
        parts = (
            (logged(row["key"], limit=_TERMINAL_NAME), _TERMINAL_NAME),
            (show.usd(row["cost_usd"]), -11),
            (show.share(row["share"]) if row["share"] is not None else "", -7),
            (show.count(row["requests"]), -11),
        )
        lines.append(Line("Endpoints" if place == 0 else "", parts, spare=place >= SURE_IN_TERMINAL))
    return lines


def _has_names(rows: Sequence[Row]) -> bool:
    return any(row["key"] is not None for row in rows)


def _noun(name: str) -> str:
    noun = DIMENSIONS[name]
    return noun if noun.isupper() or noun.startswith("API") else noun.lower()


def _ranked(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -(row["cost_usd"] or 0))


def _table(name: str, rows: Sequence[Row]) -> Table:
    further = [key for key in FURTHER if any(row.get(key) is not None for row in rows)]
    names: tuple[Column, ...] = columns(DIMENSIONS[name], "Spend", "Share", "Calls", "Input", "Output")
    return Table(
        f"Spend by {_noun(name)}",
        (*names, *(Column(FURTHER[key][0]) for key in further)),
        tuple(_row(row, further) for row in _ranked(rows)),
    )


def _row(row: Row, further: Sequence[str]) -> tuple[Cell | str, ...]:
    return (
        logged(row["key"]),
        show.usd(row["cost_usd"]),
        Cell(show.share(row["share"]), row["share"]),
        show.count(row["requests"]),
        show.tokens(row["input_tokens"]),
        show.tokens(row["output_tokens"]),
        *(FURTHER[key][1](row) for key in further),
    )


def _time(median: float | None, slow: float | None) -> Cell:
    return Cell(show.millis(median), note="" if slow is None else f"95% under {show.millis(slow)}")


def _token_classes(rows: Sequence[Row]) -> Sequence[Block]:
    if not rows:
        return ()
    cells = tuple(
        (
            clean(show.words(row["key"] or "other"), 80),
            show.usd(row["cost_usd"]),
            Cell(show.share(row["share"]), row["share"]),
            show.tokens(row["tokens"]),
        )
        for row in _ranked(rows)
    )
    caption = "Spend by kind of token"
    return (Heading("By kind of token"), Table(caption, columns("Kind", "Spend", "Share", "Tokens"), cells))


def _days(rows: Sequence[Row]) -> Sequence[Block]:
    if not rows:
        return ()
    cells = tuple(
        (
            clean(show.day(row["key"]), 40),
            show.usd(row["cost_usd"]),
            Cell(show.share(row["share"]), row["share"]),
            show.count(row["requests"]),
        )
        for row in sorted(rows, key=lambda row: str(row["key"]))
    )
    table = Table("Spend by day", columns("Day", "Spend", "Share", "Calls"), cells, fold=len(cells))
    return (Heading("By day"), Fold(f"All {show.noun(len(cells), 'day')}", (table,)))
