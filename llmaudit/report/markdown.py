"""The report to paste into a pull request or a wiki.

Names from the log become code spans, in which nothing is a link, a mention or markup; other text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import (
    Block,
    Bullets,
    Cell,
    Chart,
    Facts,
    Figures,
    Fold,
    Heading,
    Para,
    Table,
    Wording,
    cell,
)
from llmaudit.report.plain import plain
from llmaudit.report.sections import sections
from llmaudit.report.text import Logged, clean

ROWS = 20

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~#&]|\$(?!\d)|(?<=:)//|(?<=www)\.", re.IGNORECASE)
_MENTION = re.compile(r"@(?=\w)")
_OPENING = re.compile(r"^(\s*)(?:([-+=])(?!\d)|(\d+)([.)])(?=\s|$))")


def to_markdown(report: Mapping[str, Any]) -> str:
    page = plain(report)
    window = page["window"]
    span = show.span(window["start"], window["end"], window["timezone"] or "UTC")
    lines = [f"# LLM spend audit, {escape(span)}", ""]
    for section in sections():
        blocks = section.blocks(page)
        if blocks:
            lines += [f"## {escape(section.title)}", "", *_written(blocks)]
    lines.append(f"Made by llmaudit {escape(page['llmaudit_version'])} on {escape(show.day(page['generated_at']))}.")
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    r"""The text as Markdown that shows it.

    >>> escape("| a | *b* <i> [x](javascript:y)"), escape("- https://x.example @me")
    ('\\| a \\| \\*b\\* \\<i\\> \\[x\\](javascript:y)', '\\- https:&#47;&#47;x.example @&#8203;me')
    >>> escape(Logged("a|`b`"))
    '`` a\\|`b` ``'
    """
    shown = clean(text)
    if isinstance(text, Logged):
        return _code(shown)
    shown = _SPECIAL.sub(_escaped, shown)
    shown = _MENTION.sub("@&#8203;", shown)
    return _OPENING.sub(lambda m: f"{m[1]}\\{m[2]}" if m[2] else f"{m[1]}{m[3]}\\{m[4]}", shown)


def _escaped(match: re.Match[str]) -> str:
    found = match[0]
    return "".join(f"&#{ord(char)};" for char in found) if found in {"//", ".", "&"} else f"\\{found}"


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in text else ""
    inner = text.replace("|", "\\|")
    return f"{fence}{pad}{inner}{pad}{fence}"


def _written(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        lines = list(_WRITERS[type(block)](block))
        if lines:
            yield from (*lines, "")


def _para(block: Para) -> Iterator[str]:
    yield f"**{escape(block.text)}**" if block.tone in {"bad", "test"} else escape(block.text)


def _heading(block: Heading) -> Iterator[str]:
    yield f"### {escape(block.text)}"


def _figures(block: Figures) -> Iterator[str]:
    yield _row(escape(figure.label) for figure in block.items)
    yield _row("---" for _ in block.items)
    yield _row(f"**{escape(figure.value)}**" for figure in block.items)
    yield _row("<br>".join(map(escape, figure.notes)) for figure in block.items)


def _facts(block: Facts) -> Iterator[str]:
    for name, value in block.items:
        yield f"- {escape(name)}: {escape(value)}"


def _wording(block: Wording) -> Iterator[str]:
    yield _code(clean("".join(part for part, _ in block.parts)))


def _bullets(block: Bullets) -> Iterator[str]:
    for item in block.items:
        yield f"- {escape(item)}"


def _table(block: Table) -> Iterator[str]:
    yield _row(escape(column.name) for column in block.columns)
    yield _row("---:" if column.align == "right" else "---" for column in block.columns)
    for row in block.rows[:ROWS]:
        yield _row(map(_cell, row))
    if len(block.rows) > ROWS:
        yield ""
        yield f"{len(block.rows) - ROWS:,} further rows are in report.json."


def _cell(value: Cell | str) -> str:
    found = cell(value)
    return f"{escape(found.text)}<br>{escape(found.note)}" if found.note else escape(found.text)


def _fold(block: Fold) -> Iterator[str]:
    title = [escape(block.title), escape(block.where), f"**{escape(block.amount)}**" if block.amount else ""]
    grade = f"[{escape(block.badge)}] " if block.badge else ""
    note = f" ({escape(block.note)})" if block.note else ""
    yield f"### {grade}{', '.join(filter(None, title))}{note}"
    yield ""
    for inner in block.inside:
        yield from _inner(inner)


def _inner(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"**{escape(block.text)}**"
        yield ""
        return
    yield from _written((block,))


def _chart(_: Chart) -> Iterator[str]:
    """Left out: its figures stand in the table beside it."""
    return iter(())


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


_WRITERS: dict[type[Any], Callable[[Any], Iterator[str]]] = {
    Para: _para,
    Heading: _heading,
    Figures: _figures,
    Facts: _facts,
    Wording: _wording,
    Bullets: _bullets,
    Table: _table,
    Fold: _fold,
    Chart: _chart,
}
