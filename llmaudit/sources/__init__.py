"""Which source reads which file. Sources are found, never listed; two claims on a file are an error."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules

from llmaudit.errors import AuditError, UnknownName
from llmaudit.sources.base import Peek, Source

__all__ = ["Source", "Unclaimed", "by_name", "identify", "registry"]

_NOT_SOURCES = {"base", "reader", "tables"}


class Unclaimed(AuditError):
    """A file that no source, or more than one, takes for its own. `head` is how the file starts."""

    def __init__(self, shown: str, claims: list[str], head: str) -> None:
        self.shown, self.claims, self.head = shown, claims, head
        self.reason = f"claimed by {' and '.join(claims)}" if claims else "no source knows this file"
        cure = (
            "Pick one with --source NAME."
            if claims
            else f"It starts with {head[:60]!r}. Known sources: {', '.join(sorted(registry()))}. "
            "If it is one of these, say so with --source NAME."
        )
        super().__init__(f"{shown}: {self.reason}. {cure}")


@cache
def registry() -> dict[str, Source]:
    """Every source by name: ours, and those that other packages offer under `llmaudit.sources`."""
    ours = (import_module(f"{__name__}.{m.name}").SOURCE for m in iter_modules(__path__) if m.name not in _NOT_SOURCES)
    theirs = (entry.load().SOURCE for entry in entry_points(group="llmaudit.sources"))
    return {source.name: source for source in (*ours, *theirs)}


def by_name(name: str) -> Source:
    if name not in registry():
        raise UnknownName("source", name, registry())
    return registry()[name]


def identify(path: Path, shown: str = "") -> Source:
    """The one source that claims this file. Raises `Unclaimed` naming the claimants, or what the file starts with."""
    peek = Peek.of(path)
    claims = sorted(source.name for source in registry().values() if source.matches(peek))
    if len(claims) != 1:
        raise Unclaimed(shown or str(path), claims, peek.head[:200])
    return registry()[claims[0]]
