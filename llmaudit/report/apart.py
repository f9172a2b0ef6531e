"""How what is no call is shown: bills and providers' own counts stand open where there is nothing else, else folded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report.blocks import Block, Facts, Fold, Heading
from llmaudit.report.sections import Report
from llmaudit.report.text import logged


def unless_calls(report: Report, title: str, inside: Sequence[Block]) -> tuple[Block, ...]:
    """`inside` under its heading, or in a fold of that name where the report is about calls."""
    if report["totals"]["requests"]:
        return (Fold(title, tuple(inside)),)
    return (Heading(title), *inside)


def told_apart(
    by: Mapping[str, Sequence[Mapping[str, Any]]], names: Mapping[str, str]
) -> tuple[tuple[Facts, ...], tuple[str, ...]]:
    """What holds for all of it, as facts, and the dimensions that tell parts of it apart, which are worth a table."""
    known = [name for name in names if any(row["key"] is not None for row in by[name])]
    tables = tuple(name for name in known if len(by[name]) > 1)
    facts = tuple((names[name], logged(by[name][0]["key"])) for name in known if name not in tables)
    return ((Facts(facts),) if facts else ()), tables
