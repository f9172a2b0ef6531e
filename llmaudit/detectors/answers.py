"""What kind of answer an endpoint gives: the form says which evidence a verdict can rest on."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from llmaudit.detectors.words import ends

MAX_LABEL_SHARE = 0.3
"""A closed set of labels has at most this many distinct answers per call."""

_REPEATED, _MOST, _SHORT_WORDS, _LABEL_WORDS, _SHORT_VALUE = 0.9, 0.5, 12, 8, 3
_NUMBER = re.compile(r"[-+\u2212]?\s?(?:[$€£¥₹]|[A-Z]{3}\s)?\s?\d[\d.,'\u2019 \u00a0\u202f]*\s?(?:[%‰€£¥₹$]|[A-Z]{3})?")
_CODE = re.compile(
    r"^\s*(return|def|class|for|while|if|elif|else|try|except|with|import|from|const|let|var|function|public|private"
    r"|static|select|insert|update|create|#include|fn|func|package|@\w+|//|/\*|<\w+|assert|raise|print)\b.*[:;(){}=\[\].\w]$"
    r"|[;{}]\s*$|^\s*[\w.\[\], ]+\s(=|\+=|-=|:=)\s\S|^\s*[\w.]+\(.*\)$",
    re.IGNORECASE,
)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_OPTION = re.compile(r"^\s*\(?([A-Za-z]|\d{1,2})[).:]\s*(\S.*)$", re.MULTILINE)
_MARKER = re.compile(r"\(?([a-z]|\d{1,2})[).:]?")


Pairs = frozenset[tuple[str, str]]
"""An answer as (path, value) pairs; values without case."""

WHOLE = ""
"""Path of an answer that has no fields."""


@dataclass(frozen=True)
class Profile:
    """Answers of one endpoint, in numbers. Shares are of the sampled calls with an answer."""

    form: str
    """closed_label, json, extraction, short_text, long_text, code, tool_call or number."""
    answers: int
    labels: int
    """Distinct answers, ignoring case, closing full stops and the order of JSON keys."""
    entropy: float
    """Of the answers, 0 (always the same) to 1 (all labels equally often)."""
    top_share: float
    repeated_share: float
    """Answers that another call got too."""
    copy_share: float | None
    """Values of the answer found literally in the input; None where the answer has none."""
    closed: bool
    """Few distinct answers that come again and again."""
    fields: int
    """Paths that at least a tenth of the answers have a value at; 1 where answers are no JSON."""
    names_options: bool
    """Answers are markers such as (A), and what they stand for changes with the input."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def profile(inputs: Sequence[str], outputs: Sequence[str], tool_calls: int = 0) -> Profile:
    """Look at inputs and answers side by side. `tool_calls` counts calls that answered without text but had tools."""
    answers = [normal(output) for output in outputs]
    counts = Counter(answers)
    closed = _is_closed(counts)
    copied = _copy_share(inputs, outputs)
    return Profile(
        form="tool_call" if tool_calls > len(answers) else _form(outputs, closed=closed, copied=copied),
        answers=len(answers),
        labels=len(counts),
        entropy=_entropy(counts),
        top_share=max(counts.values()) / len(answers) if answers else 0.0,
        repeated_share=sum(n for n in counts.values() if n > 1) / len(answers) if answers else 0.0,
        copy_share=copied,
        closed=closed,
        fields=_fields(outputs),
        names_options=closed and _names_options(inputs, counts),
    )


def normal(output: str) -> str:
    """One answer, whichever way it is written.

    >>> normal(' {"b": 1, "a": "X"} ') == normal('{"a":"X","b":1}')
    True
    >>> normal("Refund.")
    'refund'
    """
    value = parsed(output)
    if value is not None:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return output.strip().rstrip(".").rstrip().casefold()


def pairs_of(output: str) -> Pairs:
    """An answer as (path, value) pairs.

    >>> sorted(pairs_of('{"who": {"name": "Ann"}, "tags": ["x", "Y"], "n": 2}'))
    [('n', '2'), ('tags[]', 'x'), ('tags[]', 'y'), ('who.name', 'ann')]
    >>> sorted(pairs_of(" Ann Lee. "))
    [('', 'ann lee')]
    """
    value = parsed(output)
    if value is None:
        return frozenset({(WHOLE, normal(output))})
    return frozenset(_pairs(value, ""))


def _pairs(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _pairs(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(inner, f"{path}[]")
    elif value is not None and str(value).strip():
        yield path, str(value).strip().casefold()


def _form(outputs: Sequence[str], *, closed: bool, copied: float | None) -> str:
    if _share(parsed(text) is not None for text in outputs) > _MOST:
        return "json"
    if closed:
        return "closed_label"
    if _share(bool(_NUMBER.fullmatch(text.strip())) for text in outputs) > _MOST:
        return "number"
    if _share(map(_is_code, outputs)) > _MOST:
        return "code"
    if median(map(_words, outputs or [""])) > _SHORT_WORDS:
        return "long_text"
    return "extraction" if copied is not None and copied >= _REPEATED else "short_text"


def _fields(outputs: Sequence[str]) -> int:
    counts = Counter(path for output in outputs for path in {path for path, _ in pairs_of(output)})
    return sum(10 * n >= len(outputs) for n in counts.values())


def _is_closed(counts: Counter[str]) -> bool:
    total = counts.total()
    if not total or len(counts) > MAX_LABEL_SHARE * total:
        return False
    repeated = sum(n for n in counts.values() if n > 1)
    words = median(map(_words, counts))
    return repeated >= _REPEATED * total and words <= _LABEL_WORDS


def _words(text: str) -> int:
    """Words between blanks; where a script has none, two letters count for one."""
    unspaced = len(_UNSPACED.findall(text))
    return len(_UNSPACED.sub(" ", text).split()) + (unspaced + 1) // 2


def _is_code(text: str) -> bool:
    if "```" in text:
        return text.strip().startswith("```")
    lines = [line[:200] for line in text[:4_000].splitlines() if line.strip()]
    return _share(bool(_CODE.search(line)) for line in lines) > _MOST


def _copy_share(inputs: Sequence[str], outputs: Sequence[str]) -> float | None:
    """Over all values that say something: JSON strings and numbers, or the answer itself."""
    found = total = 0
    for given, output in zip(inputs, outputs, strict=True):
        lowered = given.casefold()
        words = set(re.findall(r"\w+", lowered))
        for value in _values(output):
            total += 1
            # A digit or two turns up inside anything: such a value must be a word of the input.
            found += value in (words if len(value) < _SHORT_VALUE else lowered)
    return found / total if total else None


def _values(output: str) -> list[str]:
    value = parsed(output)
    leaves = [output] if value is None else list(_leaves(value))
    return [leaf for text in leaves if (leaf := text.strip().casefold())]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _names_options(inputs: Sequence[str], counts: Counter[str]) -> bool:
    """A menu that is the same in every input gives its letters a meaning; one that changes does not."""
    marked = Counter(match[1] for answer, n in counts.items() if (match := _MARKER.fullmatch(answer)) for _ in range(n))
    if marked.total() <= _MOST * counts.total():
        return False
    meanings: Counter[tuple[str, str]] = Counter()
    listed: Counter[str] = Counter()
    for given in inputs:
        for marker, meaning in _OPTION.findall(ends(given, 4_000)):
            if marker.casefold() in marked:
                meanings[marker.casefold(), meaning.strip().casefold()] += 1
                listed[marker.casefold()] += 1
    usual = {marker: max(n for (m, _), n in meanings.items() if m == marker) for marker in listed}
    return listed.total() >= _MOST * len(inputs) and sum(usual.values()) < _MOST * listed.total()


def _entropy(counts: Counter[str]) -> float:
    if len(counts) < 2:  # noqa: PLR2004  one answer holds no information
        return 0.0
    shares = [n / counts.total() for n in counts.values()]
    return -sum(share * math.log(share) for share in shares) / math.log(len(counts))


def parsed(text: str) -> Any:
    """The object or array that the whole text is, fences aside; None for anything else."""
    body = re.sub(r"^```(?:json)?\s*|\s*```$", "", text.strip())
    if body[:1] not in ("{", "["):
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _share(flags: Any) -> float:
    seen = [bool(flag) for flag in flags]
    return sum(seen) / len(seen) if seen else 0.0
