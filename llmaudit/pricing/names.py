"""From the name in a log to the model in the price book: an exact table first, then a few named rules.

No rule shortens a name across a version number: `gpt-4.15` and `claude-opus-9` stay unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from llmaudit.pricing.providers import FIRST_PARTY, GATEWAYS, canonical

_STAMP = re.compile(r"[-@](20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")
_COMPACT = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=$|-v\d)")
_PATH = re.compile(r"^(arn:.*/|.*/models/|models/|.*/publishers/[^/]+/models/)")
_BEDROCK = re.compile(r"-v\d+(:\d+)?(:\d+k)?$")
_TUNED = re.compile(r"^(ft:[^:]+):.*$")

Lookup = Callable[[str, str], tuple[str, str] | None]
"""(provider, name) -> (model, kind)."""


@dataclass(frozen=True)
class Match:
    """Which model of the book a name means, and how we know."""

    provider: str
    model: str
    priced_by: str
    rule: str = ""


def find(lookup: Lookup, provider: str | None, name: str, region: str | None = None) -> Match | None:
    """Look a name up, as it stands and then rewritten by one rule after another."""
    lower = name.strip().lower()
    owner = canonical(provider)
    if region and owner and (found := lookup(owner, f"{region.lower()}/{lower}")):
        return Match(owner, found[0], "rule", "region")
    for candidate, rules in _rewritten(lower):
        for (seller, listed), more in _places(owner, candidate):
            match = _sold(lookup, seller, listed) if seller else _owned(lookup, listed)
            if match:
                return _match(match, [*rules, *more, *([] if seller else ["owner"])])
    return None


def _match(found: tuple[str, str, str], rules: list[str]) -> Match:
    provider, model, kind = found
    return Match(provider, model, "rule" if rules else {"lent": "alias"}.get(kind, kind), "+".join(rules))


def _sold(lookup: Lookup, provider: str, name: str) -> tuple[str, str, str] | None:
    found = lookup(provider, name)
    return (provider, *found) if found else None


def _owned(lookup: Lookup, name: str) -> tuple[str, str, str] | None:
    """The only first-party provider that sells this name as its own."""
    sellers = [(p, *found) for p in sorted(FIRST_PARTY) if (found := lookup(p, name)) and found[1] != "lent"]
    return sellers[0] if len(sellers) == 1 else None


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
