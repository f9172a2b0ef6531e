"""What could have been different. Levers are found, never listed; their order is their stage and rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from llmaudit.errors import AuditError, UnknownName
from llmaudit.levers.base import Lever, Stage

__all__ = ["Lever", "Stage", "by_name", "in_order", "make", "registry"]


@cache
def registry() -> dict[str, type[Lever]]:
    """Every lever by name, in the order of replay."""
    modules = (import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__) if m.name != "base")
    found: list[type[Lever]] = [module.LEVER for module in modules if hasattr(module, "LEVER")]
    return {lever.name: lever for lever in sorted(found, key=_place)}


def by_name(name: str) -> type[Lever]:
    if name not in registry():
        raise UnknownName("lever", name, registry())
    return registry()[name]


def make(name: str, settings: Mapping[str, Any]) -> Lever:
    """A lever with its settings, as `[levers.<name>]` of llmaudit.toml has them.

    Raises AuditError naming the setting and what it should be.
    """
    lever = by_name(name)
    known = {f.name for f in fields(lever) if f.metadata.get("setting", True)}
    hints = get_type_hints(lever)
    for setting in settings:
        if setting not in known:
            raise UnknownName(f"setting of the lever {name}", setting, known)
    return lever(**{setting: _typed(name, setting, value, hints[setting]) for setting, value in settings.items()})


def in_order(levers: list[Lever]) -> list[Lever]:
    return sorted(levers, key=lambda lever: _place(type(lever)))


def _place(lever: type[Lever]) -> tuple[int, int]:
    return int(lever.stage), lever.rank


def _typed(lever: str, setting: str, value: Any, hint: Any) -> Any:
    """A value of TOML as the lever's field wants it."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for kind in kinds:
        if kind in _TAKES and type(value) in _TAKES[kind]:
            return Decimal(repr(value)) if kind is Decimal and isinstance(value, float) else kind(value)
        if get_origin(kind) is not None and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    wanted = " or ".join(_SAID.get(kind, "a list of texts") for kind in kinds if kind is not type(None))
    raise AuditError(f"levers.{lever}.{setting} = {value!r} should be {wanted}.")


_TAKES: Mapping[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    Decimal: (int, float),
    str: (str,),
}
"""A switch is no number, and a number is no text."""

_SAID: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    str: "a text",
}
