"""Words of a prompt with everything masked that changes from call to call: times, ids, numbers.

The stored template, head and tail hashes mask the same things, so what is learned on texts holds for hashes.
"""

from __future__ import annotations

import hashlib
import re

_TIME = r"\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?z|[+-]\d\d:?\d\d)?)?"
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{8,}\b"
MASK = re.compile(rf"{_TIME}|{_ID}|\d+")
_MASK_IDS = re.compile(rf"{_TIME}|{_ID}|\d{{5,}}")
SLOT = "{…}"
_JSON_MARKS = re.compile(r'([{}\[\],]|":)')
_ENDS = 4_000


def mask(text: str) -> str:
    """Lower case, with a slot for times, dates, UUIDs, hex runs and numbers.

    >>> mask("Now: 2026-10-01T09:24:00.08+00:00, request 5ac86c96-8199-8e9b-467a-1e641d7b58ef of 12")
    'now: {…}, request {…} of {…}'
    """
    return MASK.sub(SLOT, text.lower())


def mask_ids(text: str) -> str:
    """As `mask`, but numbers of one to four digits stay: in a question they are what is asked.

    >>> mask_ids("Order 20031: 3 of 12")
    'order {…}: 3 of 12'
    """
    return _MASK_IDS.sub(SLOT, text.lower())


def masked_words(text: str) -> tuple[str, ...]:
    """Whitespace words of the masked text; of a long text its first and last 4,000 characters.

    A JSON body is split at its marks too, so that compact and spaced agree.

    >>> masked_words('{"task":"tag","n":3}') == masked_words('{"task": "tag", "n": 4}')
    True
    """
    text = ends(text, _ENDS)
    if text.lstrip()[:1] in ("{", "["):
        text = _JSON_MARKS.sub(r" \1 ", text)
    return tuple(mask(text).split())


def ends(text: str, size: int) -> str:
    """The first and last `size` characters of a text longer than both together.

    >>> ends("abcdefghij", 2)
    'ab ij'
    """
    return text if len(text) <= 2 * size else f"{text[:size]} {text[-size:]}"


def common_head(seqs: list[tuple[str, ...]], share: float = 1.0) -> int:
    """How many leading words at least `share` of the sequences have in common."""
    run = 0
    alive = seqs
    need = share * len(seqs)
    while True:
        at = _most_common([seq[run] for seq in alive if len(seq) > run])
        alive = [seq for seq in alive if len(seq) > run and seq[run] == at]
        if not alive or len(alive) < need:
            return run
        run += 1


def common_tail(seqs: list[tuple[str, ...]], share: float = 1.0) -> int:
    """How many closing words at least `share` of the sequences have in common."""
    return common_head([seq[::-1] for seq in seqs], share)


def _most_common(words: list[str]) -> str | None:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return min(counts, key=lambda word: (-counts[word], word), default=None)


def stable_hash(text: str, digits: int = 8) -> str:
    """The same in every run and on every machine; not keyed, so only for texts that are shown anyway."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()[:digits]
