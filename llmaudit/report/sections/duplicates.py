"""Calls that were made before: which of them a cache could have answered, and which it could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Chart, Facts, Line, Para, Table, columns, line
from llmaudit.report.sections import Report
from llmaudit.report.text import clean

TITLE = "Duplicates"
ORDER = 65


def blocks(report: Report) -> Sequence[Block]:
    found = report["duplicates"]
    if not found["requests"]:
        return (nothing(report, ("exact_duplicates", "duplicates"), "No request was made twice."),)
    return (
        Para(
            "Cacheable is strict: temperature 0 and the very answer an earlier identical request got. "
            "Other repeats are listed by class and never counted as savings.",
            "muted",
        ),
        Facts(_facts(report, found)),
        *_classes(found),
        *_by_ttl(found),
    )


def terminal(report: Report) -> Sequence[Line]:
    found = report["duplicates"]
    if not found["requests"]:
        return ()
    text = f"{show.noun(found['requests'], 'repeated call')}, {show.count(found['cacheable_requests'])} cacheable"
    return (line("Duplicates", f"{text} ({show.usd(found['cacheable_usd'])})"),)


def _facts(report: Report, found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (
        ("Repeated calls", f"{show.count(found['requests'])} of {show.count(report['totals']['requests'])}"),
        ("Distinct requests among them", show.count(found["groups"])),
        ("What they cost", show.usd(found["cost_usd"])),
        ("Cacheable calls", show.count(found["cacheable_requests"])),
        ("What those cost", show.usd(found["cacheable_usd"])),
    )


def _classes(found: Mapping[str, Any]) -> Sequence[Block]:
    rows = tuple(
        (clean(show.words(part["class"]), 120), show.count(part["requests"]), show.usd(part["cost_usd"]))
        for part in found["classes"]
    )
    return (Table("Repeated calls by class", columns("Class", "Calls", "Cost"), rows, fold=20),) if rows else ()


def _by_ttl(found: Mapping[str, Any]) -> Sequence[Block]:
    rows = tuple(
        (show.lasting(point["ttl_seconds"]), show.count(point["requests"]), show.usd(point["saving_usd"]))
        for point in found["by_ttl"]
    )
    if not rows:
        return ()
    return (
        Chart("ttl_curve", "Saving by how long the cache keeps an answer"),
        Table("Saving by how long an answer is kept", columns("Kept for", "Calls answered", "Saving"), rows, fold=20),
    )
