"""What ends a shared opening early: the first thing that changes from call to call while more of the prompt after it does not.

Seen on the text sample. A word of one prompt is *static* where nearly all other prompts of the endpoint have it in the
same run of words, wherever that run stands: so text that was only pushed along, or put in another order, still counts.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine

PLACES, PER_PLACE = 150, 24
"""Endpoints and models looked at, those with most input first, and sampled calls of each."""

FEWEST_CALLS = 4
RUN_WORDS = 6
NEARLY_ALL = 0.9
LEAST_STATIC_BYTES = 400
"""Static text behind the break, about 100 tokens, below which nothing is worth moving."""

MOST_PIECES, MOST_BYTES = 8, 100_000
MOST_TEMPLATES = 5
EXAMPLE_BEFORE, EXAMPLE_CHARACTERS = 24, 160

BREAKS = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("template_hash", pa.int64()),
        ("node_hash", pa.int64()),
        ("static_bytes", pa.int64()),
        ("kinds", pa.string()),
        ("place", pa.string()),
        ("byte_offset", pa.int64()),
        ("example", pa.string()),
    ]
)
"""Where calls of an endpoint and model (and template, where it says one) part, and the opening they would share once mended.

`kinds` are separated by blanks, `place` is the piece that `byte_offset` counts in.
"""

_WORD = re.compile(r'[^\s"{}\[\],]*[\s"{}\[\],]*')
_TIME = r"\d{4}-\d\d-\d\d[t ]\d\d:\d\d\S*|\b\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?(?:\s?[ap]m)?\b|\b1[5-9]\d{8}(?:\d{3}|\d{6})?\b|\b1[5-9]\d{8}\.\d+"
_DATE = (
    r"\d{4}-\d\d-\d\d|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
)
_ID = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"
    r"|\b[a-z]{1,12}[_-](?=[a-z_-]*\d)[0-9a-z_-]{3,}\b|\b(?=[a-z]*\d)(?=\d*[a-z])[0-9a-z]{10,}\b|\b\d{6,}\b"
)
_KINDS = re.compile(
    rf"(?P<time>{_TIME})|(?P<date>{_DATE})|(?P<user>[\w.+-]+@[\w-]+\.\w+)|(?P<id>{_ID})|(?P<number>\d+)", re.IGNORECASE
)


@dataclass(frozen=True)
class Break:
    """Where the prompts of an endpoint and model part, why, and how much they would share if what differs came last.

    `byte_offset` counts UTF-8 bytes from the start of the piece named in `place`: tools, system, or message n, where
    message 1 is the first that is not the system prompt.
    """

    endpoint: str | None
    model: str
    template_hash: int | None
    kinds: str
    place: str
    byte_offset: int
    example: str
    static_bytes: int

    @property
    def node_hash(self) -> int:
        """A name for the mended opening that no other has."""
        said = repr((self.endpoint, self.model, self.template_hash)).encode()
        return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "little", signed=True)


@dataclass(frozen=True)
class Prompt:
    """A sampled prompt: its pieces in the provider's order, each with where it stands."""

    started_at: datetime
    template_hash: int | None
    pieces: tuple[tuple[str, str], ...]


def load(engine: Engine) -> list[Break]:
    """Find breaks, and make the table `prompt_breaks` of them. Reads sample, requests, texts and batches."""
    params = {"places": PLACES, "per_place": PER_PLACE}
    calls = queries.run(engine, "compared_calls", params=params)
    texts = queries.run(engine, "compared_texts")
    known = {row["text_hash"]: row for row in engine.fetch(texts).to_pylist()}
    places: dict[tuple[str | None, str], list[Prompt]] = {}
    for row in engine.fetch(calls).to_pylist():
        if (prompt := _prompt(row, known)) is not None:
            places.setdefault((row["endpoint"], row["model"]), []).append(prompt)
    found = [one for (endpoint, model), prompts in places.items() for one in find(endpoint, model, prompts)]
    put(engine, found)
    return found


def put(engine: Engine, found: Sequence[Break]) -> None:
    engine.put(
        "prompt_breaks",
        pa.Table.from_pylist([{n: getattr(one, n) for n in BREAKS.names} for one in found], schema=BREAKS),
    )


def find(endpoint: str | None, model: str, prompts: Sequence[Prompt]) -> Iterator[Break]:
    """The break that all these prompts share or, if there is none, those of their templates."""
    if (found := _found(endpoint, model, None, prompts)) is not None:
        yield found
        return
    templates = Counter(prompt.template_hash for prompt in prompts if prompt.template_hash is not None)
    for template, _ in sorted(templates.most_common(MOST_TEMPLATES)) if len(templates) > 1 else ():
        own = [prompt for prompt in prompts if prompt.template_hash == template]
        if (found := _found(endpoint, model, template, own)) is not None:
            yield found


def _prompt(row: dict[str, Any], known: dict[int, dict[str, Any]]) -> Prompt | None:
    """None where a text was not kept, or there is none."""
    if not row["message_hashes"] or any(number not in known for number in row["message_hashes"][:MOST_PIECES]):
        return None
    pieces, messages = [], 0
    for number in row["message_hashes"][:MOST_PIECES]:
        text = known[number]
        messages += text["kind"] == "message"
        pieces.append((text["kind"] if text["kind"] != "message" else f"message {messages}", text["text"]))
    return Prompt(row["started_at"], row["template_hash"], tuple(pieces))


def _found(endpoint: str | None, model: str, template: int | None, prompts: Sequence[Prompt]) -> Break | None:
    if len(prompts) < FEWEST_CALLS:
        return None
    first, *others = sorted(prompts, key=lambda prompt: (prompt.started_at, prompt.pieces))
    view = _View.of(first, others)
    at = view.breaks_at()
    if at is None:
        return None
    piece, word = at
    return Break(
        endpoint=endpoint,
        model=model,
        template_hash=template,
        kinds=" ".join(view.kinds(piece, word)),
        place=first.pieces[piece][0],
        byte_offset=len("".join(view.words[piece][:word]).encode()),
        example=view.example(piece, word),
        static_bytes=view.static_bytes(),
    )


@dataclass
class _View:
    """One prompt as the others see it: which of its words they have, too, and where each of them first parts from it."""

    words: list[list[str]]
    """Words of each piece, with what separates them from the next."""
    static: list[list[bool]]
    parts: list[tuple[int, int]]
    """Piece and word at which each of the others first differs, of those that do."""
    orders: list[tuple[int, str]]
    """Pieces that others have in another order, and what is ordered."""
    whole: list[list[str]]
    """For each piece, the texts that others have in its place."""

    @classmethod
    def of(cls, first: Prompt, others: Sequence[Prompt]) -> _View:
        texts = [text.encode()[:MOST_BYTES].decode("utf-8", "ignore") for _, text in first.pieces]
        words = [_WORD.findall(text)[:-1] for text in texts]
        seen = [[0] * len(piece) for piece in words]
        parts, orders = [], []
        whole: list[list[str]] = [[] for _ in words]
        for other in others:
            theirs = [_WORD.findall(text[:MOST_BYTES])[:-1] for _, text in other.pieces]
            parts += _first_difference(words, theirs)
            runs = {run for piece in theirs for run in _runs(piece)}
            for number, piece in enumerate(words):
                same = number < len(theirs) and piece == theirs[number]
                prefix = _common(piece, theirs[number]) if number < len(theirs) else 0
                order = "" if same or number >= len(theirs) else _reordered(first.pieces[number], other.pieces[number])
                if order:
                    orders.append((number, order))
                for word, there in enumerate(_covered(piece, runs, prefix, everything=same or bool(order))):
                    seen[number][word] += there
                if number < len(theirs):
                    whole[number].append(other.pieces[number][1])
        need = NEARLY_ALL * len(others)
        return cls(words, [[count >= need for count in piece] for piece in seen], parts, orders, whole)

    def breaks_at(self) -> tuple[int, int] | None:
        """Where most of the others part from this prompt, if enough static text follows."""
        if not self.parts:
            return None
        [(most, times)] = Counter(self.parts).most_common(1)
        at = most if times * 2 >= len(self.parts) else min(self.parts)
        behind = self._bytes(lambda piece, word: (piece, word) > at and self.static[piece][word])
        return at if behind >= LEAST_STATIC_BYTES else None

    def static_bytes(self) -> int:
        return self._bytes(lambda piece, word: self.static[piece][word])

    def kinds(self, piece: int, word: int) -> tuple[str, ...]:
        """Kinds of what varies from the break up to the last static text behind it."""
        ordered = [kind for number, kind in self.orders if number >= piece]
        if ordered:
            return tuple(dict.fromkeys(ordered))
        found = [kind for place in range(piece, len(self.words)) for kind in self._kinds_in(place, (piece, word))]
        return tuple(dict.fromkeys(found)) or ("varying_text",)

    def example(self, piece: int, word: int) -> str:
        before = "".join(self.words[piece][:word])[-EXAMPLE_BEFORE:]
        return (before + "".join(self.words[piece][word:]))[:EXAMPLE_CHARACTERS]

    def _kinds_in(self, place: int, start: tuple[int, int]) -> Iterator[str]:
        """Kinds of what varies in one piece from `start` up to the last static text, in the order they stand in."""
        static = [(piece, at) for piece, marks in enumerate(self.static) for at, mark in enumerate(marks) if mark]
        varying = [
            not mark and start <= (place, at) < max(static, default=start) for at, mark in enumerate(self.static[place])
        ]
        ends = list(accumulate(map(len, self.words[place])))
        for match in _KINDS.finditer("".join(self.words[place])):
            first, last = bisect_right(ends, match.start()), bisect_right(ends, match.end() - 1)
            if any(varying[first : last + 1]):
                yield str(match.lastgroup)

    def _bytes(self, wanted: Callable[[int, int], bool]) -> int:
        return sum(len(text.encode()) for place, at, text in self._placed() if wanted(place, at))

    def _placed(self) -> Iterator[tuple[int, int, str]]:
        return ((place, at, text) for place, piece in enumerate(self.words) for at, text in enumerate(piece))


def _first_difference(words: list[list[str]], theirs: list[list[str]]) -> list[tuple[int, int]]:
    """Piece and word where two prompts part; nothing where one merely goes on."""
    for number, (piece, other) in enumerate(zip(words, theirs, strict=False)):
        if piece != other:
            return [(number, _common(piece, other))]
    return []


def _common(piece: list[str], other: list[str]) -> int:
    run = 0
    for mine, yours in zip(piece, other, strict=False):
        if mine != yours:
            return run
        run += 1
    return run


def _runs(piece: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(piece[at:] for at in range(RUN_WORDS)), strict=False)


def _covered(piece: list[str], runs: set[tuple[str, ...]], prefix: int, *, everything: bool) -> list[bool]:
    """Which words lie in a run that the other prompt has somewhere, or in the opening that both have."""
    if everything:
        return [True] * len(piece)
    marks = [at < prefix for at in range(len(piece))]
    for at, run in enumerate(_runs(piece)):
        if run in runs:
            marks[at : at + RUN_WORDS] = [True] * RUN_WORDS
    return marks


def _reordered(mine: tuple[str, str], other: tuple[str, str]) -> str:
    """What is in another order, or spaced otherwise, where two pieces hold the same; else nothing."""
    (where, left), (_, right) = mine, other
    if len(left) > 2 * len(right) or len(right) > 2 * len(left):
        return ""
    if left.split() == right.split():
        return "whitespace"
    if left[:1] in "[{" and (decoded := _decoded(left, right)) is not None:
        one, two = decoded
        if one == two:
            return "key_order"
        if isinstance(one, list) and isinstance(two, list) and _sorted(one) == _sorted(two):
            return "tools_order" if where == "tools" else "item_order"
    for parts in ("\n\n", "\n"):
        lines = left.split(parts), right.split(parts)
        if len(lines[0]) >= FEWEST_CALLS and sorted(lines[0]) == sorted(lines[1]):
            return "examples_order"
    return ""


def _decoded(left: str, right: str) -> tuple[Any, Any] | None:
    try:
        return json.loads(left), json.loads(right)
    except ValueError:
        return None


def _sorted(items: list[Any]) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in items)
