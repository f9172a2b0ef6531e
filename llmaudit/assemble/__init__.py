"""Puts `report.json` together from the tables of a run. Everything here is arranging; sums were made upstream."""

from llmaudit.assemble.about import analyses, covered, display, generated_at, intake, window
from llmaudit.assemble.bills import billed, bills, counted, prices, upcoming, upcoming_frame
from llmaudit.assemble.numbers import Site
from llmaudit.assemble.saved import by_site, findings, migrations, plan, prompt_caching, steps
from llmaudit.assemble.spent import (
    DIMENSIONS,
    FURTHER_DIMENSIONS,
    TTLS_SECONDS,
    bridges,
    discovered,
    duplicates,
    segments,
    spend,
    totals,
)

__all__ = [
    "DIMENSIONS",
    "FURTHER_DIMENSIONS",
    "TTLS_SECONDS",
    "Site",
    "analyses",
    "billed",
    "bills",
    "bridges",
    "by_site",
    "counted",
    "covered",
    "discovered",
    "display",
    "duplicates",
    "findings",
    "generated_at",
    "intake",
    "migrations",
    "plan",
    "prices",
    "prompt_caching",
    "segments",
    "spend",
    "steps",
    "totals",
    "upcoming",
    "upcoming_frame",
    "window",
]
