"""Which source reads which file. Sources are found, never listed; two claims on a file are an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from llmaudit.errors import AuditError, UnknownName
from llmaudit.sources.base import Peek, Source
from llmaudit.sources.mapped import Mapped, sources_of

__all__ = ["Source", "Unclaimed", "by_name", "described", "identify", "registry"]

_NOT_SOURCES = {"ahead", "base", "mapped", "reader", "tables", "unread"}


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


def described(tables: Mapping[str, Any]) -> dict[str, Source]:
    """The sources that a user describes, as `[sources.NAME]` of llmaudit.toml has them."""
    return sources_of(tables, registry())


def by_name(name: str, own: Mapping[str, Source] = MappingProxyType({})) -> Source:
    """The source of this name, ours or one of the user's `own`."""
    known = {**registry(), **own}
    if name not in known:
        raise UnknownName("source", name, known)
    return known[name]


def identify(path: Path, shown: str = "", own: Mapping[str, Source] = MappingProxyType({})) -> Source:
    """The one source that claims this file; what the user says of it goes first.

    Raises `Unclaimed` naming the claimants, or what the file starts with.
    """
    said = sorted(
        name for name, source in own.items() if isinstance(source, Mapped) and source.claims(shown or str(path))
    )
    if len(said) == 1:
        return own[said[0]]
    peek = Peek.of(path)
    claims = said or sorted(source.name for source in registry().values() if source.matches(peek))
    if len(claims) != 1:
        raise Unclaimed(shown or str(path), claims, peek.head[:200])
    return registry()[claims[0]]
