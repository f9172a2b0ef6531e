"""What a section is made of. Sections say what there is; one writer per output says how it looks.

Strings in blocks are plain text, whoever wrote them: the writers escape every one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["", "muted", "good", "bad", "test"]


@dataclass(frozen=True)
class Para:
    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Figure:
    """One large number with its name."""

    label: str
    value: str
    notes: tuple[str, ...] = ()
    tone: Tone = ""


@dataclass(frozen=True)
class Figures:
    items: tuple[Figure, ...]


@dataclass(frozen=True)
class Facts:
    """Name and value, one pair a line."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]
    tone: Tone = ""


@dataclass(frozen=True)
class Cell:
    text: str
    bar: float | None = None
    """Length of a bar behind the text, 0..1."""
    tone: Tone = ""
    note: str = ""
    """A smaller second line."""


@dataclass(frozen=True)
class Column:
    name: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Table:
    """Rows beyond `fold` are folded away on a page, and those beyond the writer's own limit are counted."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    fold: int = 10


@dataclass(frozen=True)
class Chart:
    """A chart by the name of its function in `charts`, with what it shows in words."""

    name: str
    alt: str


@dataclass(frozen=True)
class Wording:
    """A prompt's fixed words; parts that vary from call to call are marked."""

    parts: tuple[tuple[str, bool], ...]
    """Text, and whether it stands for what varies."""


@dataclass(frozen=True)
class Fold:
    """A line that opens."""

    title: str
    inside: tuple[Block, ...]
    badge: str = ""
    where: str = ""
    amount: str = ""
    note: str = ""


Block = Para | Heading | Figures | Facts | Bullets | Table | Chart | Wording | Fold


@dataclass(frozen=True)
class Line:
    """One line of the terminal summary: a label and columns of (text, width); width 0 takes what the text needs.

    A negative width aligns right. `spare` lines go first when the screen is full.
    """

    label: str
    parts: tuple[tuple[str, int], ...]
    tone: Tone = ""
    spare: bool = field(default=False, kw_only=True)


def line(label: str, text: str, tone: Tone = "", *, spare: bool = False) -> Line:
    return Line(label, ((text, 0),), tone, spare=spare)


def cell(value: Cell | str) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def columns(*names: str) -> tuple[Column, ...]:
    """The first column is a name, the others are numbers; `<` before a name makes a further one text.

    >>> [c.align for c in columns("Endpoint", "Cost", "<Reason")]
    ['left', 'right', 'left']
    """
    first, *rest = names
    return (Column(first, "left"), *(Column(n.removeprefix("<"), "left" if n[0] == "<" else "right") for n in rest))
