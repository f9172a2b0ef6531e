"""How a model is spelt, apart from how it is written: `Claude4.5Sonnet` and `us.anthropic.claude-sonnet-4-5-20250929-v1:0` are one.

Words stay in their order and numbers in theirs, so that nothing is read across a version: `gpt-5.1` and `gpt-51` differ,
and so do `claude-opus-4` and `claude-opus-4-1`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

_PLACE = re.compile(r"^(?:(?:us|eu|apac|jp|au|ca|sa|uk|us-gov|global|regional)\.|[^/]+/)(?=.)")
_BILLED_PLACE = re.compile(r"^[A-Z]{2,4}\d?-(?=[A-Za-z])")
_PATH = re.compile(r"^.*/(?=[^/]+$)")
_VENDOR = re.compile(
    r"^(?:ai21|amazon|anthropic|cohere|deepseek|google|luma|meta|minimax|mistral|mistralai|moonshot|moonshotai|nvidia|openai|"
    r"qwen|stability|twelvelabs|us|writer|zai)\.(?=[a-z])"
)
_EDITION = re.compile(r"\s*\((?:amazon )?bedrock edition\)|\[1m\]", re.IGNORECASE)
_BEDROCK = re.compile(r"(?<=\d)-v\d+(?::\d+){0,1}(?::\d+k)?$|-v\d+:\d+(?::\d+k)?$")
_STAMP = re.compile(r"[-@_ ]?(20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
_SHORT_STAMP = re.compile(r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Z][a-z])")
_TOKEN = re.compile(r"\d+(?:\.\d+)*[a-z]{0,2}(?![a-z])|\d+(?:\.\d+)*|[a-z]+")
_FILLERS = frozenset({"amazon", "anthropic", "azure", "ga", "google", "meta", "microsoft", "model", "openai", "the"})
_LONG_FORMS = {"mn": "mini", "trscb": "transcribe", "rt": "realtime"}

METER_WORDS = frozenset(
    [
        "1k",
        "1m",
        "aud",
        "audio",
        "batch",
        "btch",
        "cache",
        "cached",
        "caching",
        "cached",
        "cchd",
        "cd",
        "content",
        "count",
        "data",
        "dz",
        "dzone",
        "embed",
        "embedcontent",
        "fl",
        "flex",
        "for",
        "gen",
        "generate",
        "generatecontent",
        "geo",
        "gl",
        "glbl",
        "global",
        "image",
        "img",
        "in",
        "inp",
        "inpt",
        "input",
        "latency",
        "loco",
        "long",
        "longco",
        "longer",
        "mantle",
        "mp",
        "of",
        "on",
        "opt",
        "optimized",
        "out",
        "outp",
        "output",
        "outpt",
        "pp",
        "predictions",
        "priority",
        "read",
        "regional",
        "regnl",
        "rgnl",
        "routing",
        "shco",
        "short",
        "shortco",
        "std",
        "standard",
        "storage",
        "text",
        "thinking",
        "token",
        "tokens",
        "tx",
        "txt",
        "units",
        "usage",
        "video",
        "wr",
        "write",
        "zone",
    ]
)
"""What bills say around a model's name: class, tier, place, unit."""


@dataclass(frozen=True)
class Spelling:
    """A model's words and numbers. `stamp` is the date of a snapshot, in digits; a bill may give month and day alone."""

    words: tuple[str, ...]
    numbers: tuple[str, ...]
    stamp: str = ""

    @property
    def names_a_model(self) -> bool:
        return bool(self.words) and (bool(self.numbers) or len(self.words) > 1)


def spell(name: str, *, humps: bool = False) -> Spelling:
    """Read a name. `humps` also divides words where a capital begins one.

    >>> spell("claude-sonnet-4-5@20250929")
    Spelling(words=('claude', 'sonnet'), numbers=('4.5',), stamp='20250929')
    >>> spell("Claude4.5Sonnet", humps=True) == spell("Claude Sonnet 4.5 (Amazon Bedrock Edition)")
    True
    """
    bare = _EDITION.sub("", unicodedata.normalize("NFKC", name).strip())
    if humps:
        bare = _HUMPS.sub(" ", bare)
    bare = _PATH.sub("", _BILLED_PLACE.sub("", bare).lower())
    bare = _VENDOR.sub("", _PLACE.sub("", bare))
    found = _STAMP.search(bare)
    stamp = "".join(found.groups()) if found else ""
    if found:
        bare = bare[: found.start()] + " " + bare[found.end() :]
    return _joined(_TOKEN.findall(_BEDROCK.sub("", bare.strip())), stamp)


def _joined(tokens: Iterable[str], stamp: str) -> Spelling:
    words: list[str] = []
    numbers: list[str] = []
    after_digit = False
    for token in tokens:
        if not token[0].isdigit():
            after_digit = False
            if token not in _FILLERS:
                words.append(_LONG_FORMS.get(token, token))
        elif not stamp and _SHORT_STAMP.fullmatch(token):
            stamp, after_digit = token, False
        elif after_digit and _is_minor(token) and _is_minor(numbers[-1]):
            numbers[-1] += f".{token}"
        else:
            numbers.append(token)
            after_digit = True
    return Spelling(tuple(words), tuple(numbers), stamp)


def _is_minor(token: str) -> bool:
    return token.isdigit() and len(token) < len("100")


def without_meter_words(spelling: Spelling) -> Spelling:
    """What is left of a bill's words once class, tier, place and unit are taken out."""
    words = tuple(word for word in spelling.words if word not in METER_WORDS)
    return replace(spelling, words=words, numbers=tuple(n for n in spelling.numbers if n not in METER_WORDS))


def spelling(name: str) -> str:
    """One text for all ways to write a model, whoever sells it where and whatever its snapshot: for grouping, not for prices.

    >>> {spelling(n) for n in ("Claude4.5Sonnet", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "Claude Sonnet 4.5")}
    {'claude sonnet 4.5'}
    >>> spelling("gpt 4o 1120"), spelling("prod-chat")
    ('gpt 4o', 'prod chat')
    """
    plain = spell(name, humps=_has_humps(name))
    return " ".join((*plain.words, *plain.numbers)) or name.strip().lower()


def _has_humps(name: str) -> bool:
    """Whether capitals stand for spaces, as in Claude4.5Sonnet; DeepSeek R1 has spaces of its own."""
    return not re.search(r"[\s_-]", name.strip()) and bool(_HUMPS.search(name))


class Spellings:
    """The names of one provider by how they are spelt."""

    def __init__(self, listed: Iterable[tuple[str, str, str]]) -> None:
        """`listed` are (name, model, kind)."""
        self._by_words: dict[tuple[tuple[str, ...], tuple[str, ...]], list[_Listed]] = defaultdict(list)
        for name, model, kind in listed:
            read = spell(name)
            if read.names_a_model:
                known = _Listed(model, read.stamp, at_home=not _PLACE.match(name), lent=kind == "lent")
                self._by_words[read.words, read.numbers].append(known)

    def models_of(self, words: tuple[str, ...]) -> set[str]:
        """Models whose names have these words, whatever their numbers."""
        same = (known for (named, _), listed in self._by_words.items() if named == words for known in listed)
        return {known.model for known in same}

    def find(self, asked: Spelling, *, own: bool = False) -> str | None:
        """The model spelt so: the only one, or the only one not bound to a place or a snapshot. `own` leaves out what is resold."""
        found = [
            known for known in self._by_words.get((asked.words, asked.numbers), ()) if _same_day(asked, known.stamp)
        ]
        for narrower in (lambda k: not k.lent, lambda k: k.at_home, lambda k: not k.stamp):
            if len({known.model for known in found}) > 1:
                found = [known for known in found if narrower(known)] or found
        models = {known.model for known in found if not own or (known.at_home and not known.lent)}
        return models.pop() if len(models) == 1 else None


@dataclass(frozen=True)
class _Listed:
    model: str
    stamp: str
    at_home: bool
    """Not bound to a region or a geography."""
    lent: bool


def _same_day(asked: Spelling, stamp: str) -> bool:
    return not asked.stamp or (bool(stamp) and (stamp.endswith(asked.stamp) or asked.stamp.endswith(stamp)))
