"""What looks like personal data in texts, counted by kind. A count of patterns, no proof that there is none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import starmap

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")
_PHONE = re.compile(
    r"(?<![\w.])(?<!\d )(?:\+|00)\d[\d ()/.-]{7,17}\d(?!\w)|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_CARD = re.compile(r"\b(?:\d[ -]?){12,18}\d\b")
_IP = re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b(?!\.\d)")
_US_NUMBER = re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b")

KINDS = ("card_number", "email", "iban", "ip_address", "phone", "us_social_security_number")


def kinds_in(text: str) -> set[str]:
    """Kinds of personal data that a text seems to hold.

    >>> sorted(kinds_in("Ann, ann@example.org, card 4111 1111 1111 1111"))
    ['card_number', 'email']
    >>> kinds_in("order 4111 1111 1111 1112 of 2026-10-01")
    set()
    """
    found = {
        "card_number": any(_passes_luhn(match[0]) for match in _CARD.finditer(text)),
        "email": bool(_EMAIL.search(text)),
        "iban": any(_passes_97(match[0]) for match in _IBAN.finditer(text)),
        "ip_address": bool(_IP.search(text)),
        "phone": bool(_PHONE.search(text)),
        "us_social_security_number": bool(_US_NUMBER.search(text)),
    }
    return {kind for kind, is_there in found.items() if is_there}


def counted(texts: Iterable[str]) -> dict[str, int]:
    """How many of the texts hold each kind, every kind named; `any` counts those that hold one."""
    seen = Counter[str]()
    for kinds in map(kinds_in, texts):
        seen.update(kinds)
        seen["any"] += bool(kinds)
    return {kind: seen[kind] for kind in (*KINDS, "any")}


def _passes_luhn(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    return len(set(digits)) > 1 and sum(_luhn(digits)) % 10 == 0


def _luhn(digits: list[int]) -> Iterator[int]:
    def weigh(place: int, digit: int) -> int:
        return digit if place % 2 == 0 else sum(divmod(2 * digit, 10))

    return starmap(weigh, enumerate(reversed(digits)))


def _passes_97(text: str) -> bool:
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
