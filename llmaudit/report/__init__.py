"""The finished report, as a page, as JSON, as Markdown or on a terminal.

Everything here works from the dict that report.json is (docs/report.schema.json) and from nothing else.
Whatever a log put into it is shown as text, never run.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmaudit.errors import AuditError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check", "last", "render", "to_html", "to_json", "to_markdown", "to_terminal"]


def render(report: Mapping[str, Any], path: Path) -> None:
    """Write the report where its extension says: .html, .json or .md. The file appears whole or not at all."""
    writer = _writer(path)
    _replace(path, writer(report))


def to_json(report: Mapping[str, Any]) -> str:
    """report.json: the same report gives the same bytes; money is rounded to a millionth of a dollar."""
    from llmaudit.report import plain

    return plain.to_json(report)


def to_html(report: Mapping[str, Any]) -> str:
    """One page that needs nothing outside itself and runs no script."""
    from llmaudit.report import html

    return html.to_html(report)


def to_markdown(report: Mapping[str, Any]) -> str:
    """The report as GitHub-flavoured Markdown."""
    from llmaudit.report import markdown

    return markdown.to_markdown(report)


def to_terminal(report: Mapping[str, Any], console: Console, written: Sequence[Path | str] = ()) -> None:
    """One screen. `written` names the files the report went to."""
    from llmaudit.report import terminal

    terminal.to_terminal(report, console, written)


def check(path: Path) -> None:
    """Refuse a path no report can be written to, before the work is done and not after it."""
    _writer(path)
    if not path.parent.is_dir():
        raise AuditError(f"{path}: there is no folder {path.parent}. Create it, or choose another place with -o.")
    if path.is_dir():
        raise AuditError(f"{path}: this is a folder. Name a file in it with -o.")


def last(path: Path) -> dict[str, Any]:
    """An earlier report.json. Raises AuditError for a file that is none, or that is too old to lead from."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise AuditError(f"{path}: no report.json can be read here ({error}).") from error
    if not isinstance(found, dict) or "totals" not in found:
        raise AuditError(f"{path}: this is not a report.json of llmaudit.")
    if "segments" not in found:
        raise AuditError(
            f"{path}: this report has no segments: it is older than bridges. Make it again with this version."
        )
    return found


_WRITERS: dict[str, Callable[[Mapping[str, Any]], str]] = {".html": to_html, ".json": to_json, ".md": to_markdown}


def _writer(path: Path) -> Callable[[Mapping[str, Any]], str]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise AuditError(
            f"{path}: a report is written as .html, .json or .md, not {path.suffix or 'without an ending'}."
        )
    return writer


def _replace(path: Path, text: str) -> None:
    temporary = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        raise AuditError(f"{path}: cannot write the report here: {error.strerror}.") from error


def _umask() -> int:
    """The permissions withheld from new files; there is no way to ask without setting them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
