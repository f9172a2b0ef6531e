"""What each field of structured answers is: copied out of the input, one of a few values, always the same, or made up."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from llmaudit.detectors.answers import MAX_LABEL_SHARE, Pairs

COPIED, CLOSED, CONSTANT, OPEN = "copied", "closed", "constant", "open"
_COPIED, _REPEATED = 0.9, 0.9
_MOSTLY_COPIED = 0.7
_WORDS = re.compile(r"\w+")


def kinds(answers: Sequence[Pairs], texts: Sequence[str]) -> dict[str, str]:
    """The kind of each path: see FieldEvidence."""
    values: defaultdict[str, list[str]] = defaultdict(list)
    apart: defaultdict[str, list[str]] = defaultdict(list)
    for answer, text in zip(answers, (text.casefold() for text in texts), strict=True):
        words = set(_WORDS.findall(text))
        for path, value in answer:
            values[path].append(value)
            if not stands_in(value, text, words):
                apart[path].append(text)
    return {path: _kind(found, apart[path], len(answers)) for path, found in sorted(values.items())}


def _kind(values: Sequence[str], apart: Sequence[str], answers: int) -> str:
    """`apart`: the inputs that a value was not found in."""
    counts = Counter(values)
    if len(counts) == 1 and len(values) >= 2 * answers / 3:
        return CONSTANT
    copied = len(values) - len(apart)
    # Of ten logged answers one or two may be wrong: then another value of the field stands in the input.
    mostly = copied >= _MOSTLY_COPIED * len(values)
    if mostly and copied + sum(_has_any(text, counts) for text in apart) >= _COPIED * len(values):
        return COPIED
    again = sum(n for n in counts.values() if n > 1)
    if len(counts) <= MAX_LABEL_SHARE * len(values) and again >= _REPEATED * len(values):
        return CLOSED
    return COPIED if mostly else OPEN


def _has_any(text: str, values: Iterable[str]) -> bool:
    words = set(_WORDS.findall(text))
    return any(stands_in(value, text, words) for value in values)


def stands_in(value: str, text: str, words: Collection[str]) -> bool:
    """A digit or two is in anything: so short a value has to be a word."""
    return value in (words if len(value) < 3 else text)  # noqa: PLR2004
