"""One screen, whatever the report holds. Text goes out as text: nothing in it is Rich markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from llmaudit.report import show
from llmaudit.report.blocks import Line, line
from llmaudit.report.plain import plain
from llmaudit.report.sections import sections
from llmaudit.report.text import clean

LINES = 24
_LABEL = 14
_STYLES = {"": "", "muted": "dim", "good": "bold green", "bad": "bold red", "test": "yellow"}
_PLAIN = str.maketrans({"\u2212": "-", "¢": "c", "…": "~", "·": "-", "€": "EUR ", "£": "GBP ", "¥": "JPY "})


def to_terminal(report: Mapping[str, Any], console: Console, written: Sequence[Path | str] = ()) -> None:
    """Print the summary. `written` are the files the report went to; the last line counts the quarantined rows."""
    page = plain(report)
    lines = [found for section in sections() for found in section.terminal(page)]
    lines += [line("Written" if place == 0 else "", clean(str(path), 200)) for place, path in enumerate(written)]
    lines.append(_last(page))
    for found in _fitted(lines):
        console.print(_text(found, console), no_wrap=True, overflow="ellipsis", crop=True, highlight=False)


def _last(report: Mapping[str, Any]) -> Line:
    number = report["intake"]["rows_quarantined"]
    return line("Quarantined", show.noun(number, "record"), "bad" if number else "")


def _fitted(lines: Sequence[Line]) -> list[Line]:
    """The lines that fit one screen: spare ones go first, from the bottom."""
    kept = list(lines)
    for found in reversed(lines):
        if len(kept) <= LINES:
            break
        if found.spare:
            kept = [other for other in kept if other is not found]
    return kept


def _text(found: Line, console: Console) -> Text:
    text = Text()
    text.append(_encodable(set_cell_size(found.label, _LABEL), console), style="dim")
    for part, width in found.parts:
        text.append(_encodable(_padded(clean(part), width), console), style=_STYLES[found.tone])
    text.truncate(console.width, overflow="ellipsis" if _unicode(console) else "crop")
    return text


def _padded(text: str, width: int) -> str:
    if width > 0:
        return set_cell_size(text, width)
    return " " * (-width - cell_len(text)) + text


def _unicode(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")


def _encodable(text: str, console: Console) -> str:
    if _unicode(console):
        return text
    return text.translate(_PLAIN).encode(console.encoding, "replace").decode(console.encoding)
