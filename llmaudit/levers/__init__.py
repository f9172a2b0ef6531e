"""What could have been different. Levers are found, never listed; their order is their stage and rank."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from llmaudit.errors import UnknownName
from llmaudit.levers.base import Lever, Stage

__all__ = ["Lever", "Stage", "by_name", "in_order", "registry"]


@cache
def registry() -> dict[str, type[Lever]]:
    """Every lever by name, in the order of replay."""
    modules = (import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__) if m.name != "base")
    found: list[type[Lever]] = [module.LEVER for module in modules]
    return {lever.name: lever for lever in sorted(found, key=_place)}


def by_name(name: str) -> type[Lever]:
    if name not in registry():
        raise UnknownName("lever", name, registry())
    return registry()[name]


def in_order(levers: list[Lever]) -> list[Lever]:
    return sorted(levers, key=lambda lever: _place(type(lever)))


def _place(lever: type[Lever]) -> tuple[int, int]:
    return int(lever.stage), lever.rank
