"""Strings out of a log, made fit to be looked at. What they hold is shown, never obeyed."""

from __future__ import annotations

LIMIT = 1_000
"""Longest text a page shows. `report.json` holds the whole of it."""

_SPACE = "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
_JOINERS = "\u200c\u200d"  # several scripts cannot be spelled without them


class Logged(str):
    """A name that came out of a log: an endpoint, a model, a path. Pages set it apart from our own words."""

    __slots__ = ()


def logged(value: object, none: str = "unattributed", limit: int = 120) -> str:
    """A log's name for something, short enough for a table; `none`, in our words, where it has none.

    >>> logged(None), logged("/classify"), type(logged("/classify")).__name__
    ('unattributed', '/classify', 'Logged')
    """
    if value is None:
        return none
    text = clean(str(value), limit)
    return Logged(text) if text.strip() else "(blank)"


def clean(text: str, limit: int = LIMIT) -> str:
    r"""The same text with everything that could steer a screen written out, and its middle cut beyond `limit`.

    >>> clean("\x1b[31mred\u202e\nnext")
    '\\x1b[31mred\\u202e next'
    >>> clean("a" * 50, limit=10)
    'aaaaaa…aaa'
    """
    if len(text) > limit:
        tail = limit // 3
        text = f"{text[: limit - tail - 1]}…{text[-tail:]}"
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return text if len(text) <= 2 * limit else f"{text[:limit]}…"


def _visible(char: str) -> str:
    if char.isprintable() or char in _JOINERS:
        return char
    if char in _SPACE or char.isspace():
        return " "
    return char.encode("unicode_escape").decode()
