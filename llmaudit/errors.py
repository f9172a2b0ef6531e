"""What a user can fix, and how to say it: the thing, the facts that clash, the next move."""

from __future__ import annotations

from collections.abc import Collection


class AuditError(Exception):
    """Anything a user can fix. The command prints it without a traceback and exits 2."""


class UnknownName(AuditError):
    """A name that is not in the list it was looked up in.

    >>> str(UnknownName("query", "spendd", ["spend", "requests"]))
    "No query called 'spendd'. Known: requests, spend."
    """

    def __init__(self, kind: str, got: str, known: Collection[str]) -> None:
        self.kind, self.got, self.known = kind, got, sorted(known)
        super().__init__(f"No {kind} called {got!r}. Known: {', '.join(self.known)}.")


class MissingExtra(AuditError):
    """An optional dependency that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature, self.extra = feature, extra
        super().__init__(f"{feature} needs an extra: pip install 'llm-spend-audit[{extra}]'")
