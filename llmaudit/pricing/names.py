"""From the name in a log to the model in the price book: an exact table first, then a few named rules.

No rule shortens a name across a version number: `gpt-4.15` and `claude-opus-9` stay unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from llmaudit.pricing.providers import FIRST_PARTY, GATEWAYS, MAKERS, canonical
from llmaudit.pricing.spelling import Spelling, spell, without_meter_words

_STAMP = re.compile(r"[-@](20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")
_COMPACT = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=$|-v\d)")
_PATH = re.compile(r"^(arn:.*/|.*/models/|models/|.*/publishers/[^/]+/models/)")
_BEDROCK = re.compile(r"-v\d+(:\d+)?(:\d+k)?$")
_TUNED = re.compile(r"^(ft:[^:]+):.*$")

Lookup = Callable[[str, str], tuple[str, str] | None]
"""(provider, name) -> (model, kind)."""


class Spelt(Protocol):
    """(provider, spelling) -> model. `own` leaves out what the provider resells."""

    def __call__(self, provider: str, asked: Spelling, *, own: bool = False) -> str | None: ...


Sold = tuple[str, str, str]
"""provider, model, kind"""


@dataclass(frozen=True)
class Match:
    """Which model of the book a name means, and how we know."""

    provider: str
    model: str
    priced_by: str
    rule: str = ""


def find(
    lookup: Lookup, provider: str | None, name: str, region: str | None = None, spelt: Spelt | None = None
) -> Match | None:
    """Look a name up: as it stands, rewritten by one rule after another, and last by how it is spelt."""
    lower = name.strip().lower()
    owner = canonical(provider)
    if region and owner and (found := lookup(owner, f"{region.lower()}/{lower}")):
        return Match(owner, found[0], "rule", "region")
    for candidate, rules in _rewritten(lower):
        for (seller, listed), more in _places(owner, candidate):
            match = _sold(lookup, seller, listed) if seller else _owned(lookup, listed)
            if match:
                return _match(match, [*rules, *more, *([] if seller else ["owner"])])
    return _displayed(spelt, owner, name) if spelt else None


def find_billed(spelt: Spelt, provider: str | None, words: str) -> Match | None:
    """The model in a bill's words, once those for class, tier, place and unit are left out."""
    owner = canonical(provider)
    for humps in (False, True):
        asked = without_meter_words(spell(words, humps=humps))
        for read in (asked, *_brandless(owner, asked)):
            if owner and read.names_a_model and (model := spelt(owner, read)):
                return Match(owner, model, "rule", "meter-words")
    return None


def _brandless(owner: str | None, asked: Spelling) -> Iterator[Spelling]:
    """Azure's meters leave `gpt` out: `5.6 sol ShortCo Inp Std Gl`."""
    if owner == "azure.ai.openai" and asked.numbers and "gpt" not in asked.words:
        yield Spelling(("gpt", *asked.words), asked.numbers, asked.stamp)


def _displayed(spelt: Spelt, owner: str | None, name: str) -> Match | None:
    """A name as people write it: Claude Sonnet 4.5, Claude4.5Sonnet."""
    routed = owner is None or owner in GATEWAYS
    for humps in (False, True):
        asked = spell(name, humps=humps)
        if ":" in name or not asked.names_a_model:
            continue
        sellers = sorted(FIRST_PARTY) if routed else [str(owner)]
        found = [(seller, model, "") for seller in sellers if (model := spelt(seller, asked, own=routed))]
        if sold := _maker(found, asked.words[0]):
            return Match(*sold[:2], "rule", "display-name+owner" if routed else "display-name")
    return None


def _match(found: Sold, rules: list[str]) -> Match:
    provider, model, kind = found
    return Match(provider, model, "rule" if rules else {"lent": "alias"}.get(kind, kind), "+".join(rules))


def _sold(lookup: Lookup, provider: str, name: str) -> Sold | None:
    found = lookup(provider, name)
    return (provider, *found) if found else None


def _owned(lookup: Lookup, name: str) -> Sold | None:
    """The only first-party provider that sells this name as its own; of several, the one that makes it."""
    sellers = [(p, *found) for p in sorted(FIRST_PARTY) if (found := lookup(p, name)) and found[1] != "lent"]
    return _maker(sellers, re.split(r"[-\d]", name, maxsplit=1)[0])


def _maker(sellers: Sequence[Sold], word: str) -> Sold | None:
    if len(sellers) > 1:
        sellers = [sold for sold in sellers if sold[0] == MAKERS.get(word)]
    return sellers[0] if sellers else None


def _places(owner: str | None, name: str) -> Iterator[tuple[tuple[str | None, str], list[str]]]:
    """Where a name may be listed: under its provider, else under the vendor written before the slash."""
    head, slash, tail = name.partition("/")
    if owner and owner not in GATEWAYS:
        yield (owner, name), []
    elif not slash:
        yield (None, name), []
    if slash and (not owner or owner in GATEWAYS or canonical(head) == owner):
        yield (canonical(head), tail), ["vendor-prefix"]


def _rewritten(name: str) -> Iterator[tuple[str, list[str]]]:
    """The name, and what each rule in turn makes of it.

    >>> [c for c, _ in _rewritten("models/gpt-5-2025-08-07")]
    ['models/gpt-5-2025-08-07', 'gpt-5-2025-08-07', 'gpt-5']
    """
    yield name, []
    rules: list[str] = []
    for rule, rewrite in _RULES:
        shorter = rewrite(name)
        if shorter and shorter != name:
            name, rules = shorter, [*rules, rule]
            yield name, rules


_RULES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("path", lambda name: _PATH.sub("", name)),
    ("context-suffix", lambda name: name.removesuffix("[1m]")),
    ("fine-tuned", lambda name: _TUNED.sub(r"\1", name)),
    ("date-format", lambda name: _COMPACT.sub(r"-\1-\2-\3", name)),
    ("bedrock-version", lambda name: _BEDROCK.sub("", name)),
    ("date-stamp", lambda name: _STAMP.sub("", name)),
)
