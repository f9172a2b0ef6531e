"""Endpoints that were found without a label: what their prompts have in common, and examples to judge by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import Block, Bullets, Fold, Line, Para, Wording
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Endpoints found"
ORDER = 68

_SLOT = re.compile(r"(\{…\})")
_LONGEST = 600


def blocks(report: Report) -> Sequence[Block]:
    rows = report.get("discovered") or ()
    if not rows:
        return ()
    intro = (
        "These calls bear no label of an endpoint. They were put together by the wording of their prompts; what varies from call to call "
        "is marked. Label calls in the log to replace these names."
    )
    return (Para(intro, "muted"), *map(_endpoint, rows))


def terminal(report: Report) -> Sequence[Line]:  # noqa: ARG001  spend by endpoint names them
    return ()


def _endpoint(row: Mapping[str, Any]) -> Fold:
    size = show.noun(row["sampled"], "sampled call")
    if row["requests"] is not None:
        size = f"{show.noun(row['requests'], 'call')}, {size}"
    inside: list[Block] = []
    if row["template"] and row["template"] != "left out":
        inside.append(Wording(tuple(_parts(row["template"]))))
    examples = tuple(logged(clean(text, _LONGEST)) for text in row["examples"] or () if text != "left out")
    if examples:
        inside.append(Bullets(examples))
    return Fold(logged(row["endpoint"]), tuple(inside), where=size, amount=show.usd(row["cost_usd"]))


def _parts(template: str) -> list[tuple[str, bool]]:
    """Fixed words and slots in turn, slots marked.

    >>> _parts("Tag {…} now")
    [('Tag ', False), ('{…}', True), (' now', False)]
    """
    return [(part, _SLOT.fullmatch(part) is not None) for part in _SLOT.split(template) if part]
