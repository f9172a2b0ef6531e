"""What a user can fix, and how to say it: the thing, the facts that clash, the next move."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection

_OF_THE_DISK = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EROFS, errno.EDQUOT))


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


def of_the_disk(error: BaseException) -> str | None:
    """What the disk said, where that is what stopped a run. Engines and file formats put it into errors of their own.

    >>> of_the_disk(RuntimeError('IO Error: Could not write file "focus.parquet": No space left on device'))
    'No space left on device'
    >>> of_the_disk(ValueError("no space between words"))
    """
    said: BaseException | None = error
    while said is not None:
        for reason in _OF_THE_DISK:
            if reason in str(said):
                return reason
        said = said.__cause__ or said.__context__
    return None
