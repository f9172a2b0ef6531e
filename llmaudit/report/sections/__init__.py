"""One file, one section of the report, found by looking here.

A section has a `TITLE`, an `ORDER` on the page and `blocks(report)`, what it shows; none at all leaves it out.
`terminal(report)`, if it has one, gives its lines of the terminal summary. Sections add nothing up:
every figure is in the report already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from llmaudit.report.blocks import Block, Line

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    order: int
    blocks: Callable[[Report], Sequence[Block]]
    terminal: Callable[[Report], Sequence[Line]]


@cache
def sections() -> tuple[Section, ...]:
    found = (_section(module.name) for module in iter_modules(__path__))
    return tuple(sorted(found, key=lambda section: (section.order, section.name)))


def _section(name: str) -> Section:
    module = import_module(f"{__name__}.{name}")
    return Section(name, module.TITLE, module.ORDER, module.blocks, getattr(module, "terminal", _silent))


def _silent(_: Report) -> Sequence[Line]:
    return ()
