"""The page: one file, no script, no reference to anything outside it.

Every string passes `clean` and then Jinja's escaping; the only markup let through is our own CSS and our own charts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from llmaudit.report import charts, show
from llmaudit.report.blocks import Chart, cell
from llmaudit.report.plain import plain
from llmaudit.report.sections import Section, sections
from llmaudit.report.text import Logged, clean

ROWS = 200
"""Most rows of a table; what lies beyond is counted and is in report.json."""


def to_html(report: Mapping[str, Any]) -> str:
    page = plain(report)
    window = page["window"]
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            css=Markup(files(__package__).joinpath("templates/style.css").read_text("utf-8")),  # noqa: S704 - our own file
            span=show.span(window["start"], window["end"], window["timezone"] or "UTC"),
            report=page,
            parts=[part for section in sections() if (part := _part(section, page))],
            chart=_drawer(page),
            rows=ROWS,
        )
    )


def _part(section: Section, report: Mapping[str, Any]) -> dict[str, Any] | None:
    blocks = section.blocks(report)
    return {"name": section.name, "title": section.title, "blocks": blocks} if blocks else None


def _drawer(report: Mapping[str, Any]) -> Callable[[Chart], Markup]:
    def draw(block: Chart) -> Markup:
        chart = getattr(charts, block.name)(report)
        return Markup() if chart is None else Markup(charts.svg(chart, block.name, block.alt))  # noqa: S704 - escaped by the XML writer

    return draw


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("llmaudit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(cell=cell, kind=lambda block: type(block).__name__.lower(), day=show.day)
    templates.tests.update(logged=lambda value: isinstance(value, Logged))
    return templates


def _shown(value: object) -> object:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
