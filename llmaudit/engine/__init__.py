"""Pick an engine by name. The embedded one is the default; the others import late."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from llmaudit.engine.base import Batches, BatchFn, Engine
from llmaudit.errors import UnknownName

__all__ = ["BatchFn", "Batches", "Engine", "known", "start"]


def known() -> list[str]:
    return sorted(m.name for m in iter_modules(__path__) if m.name != "base")


def start(name: str = "duckdb", options: dict[str, str] | None = None) -> Engine:
    """Start the engine called `name`. `options` are the engine's own settings, such as `memory_limit` or `master`."""
    if name not in known():
        raise UnknownName("engine", name, known())
    engine: Engine = import_module(f"{__name__}.{name}").start(options or {})
    return engine
