"""What the prompts of conversations have in common, as far as the text sample shows: examples that never change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

from llmaudit import queries
from llmaudit.engine.base import Engine

FEWEST_CONVERSATIONS = 10
"""Fewer show nothing of what all conversations have in common."""

MOST = 0.5
"""A piece that stands at one place in more than this share of an endpoint's conversations is part of what all begin with."""

LONGEST_OPENING = 64
"""Pieces of an opening that are looked at."""

_ANSWER_ROLES = frozenset({"assistant", "model"})

Place = tuple[str | None, str | None]


@dataclass
class Contents:
    """Bytes of the sampled prompts of one endpoint and model."""

    sampled_calls: int = 0
    total_bytes: int = 0
    conversations: set[int] = field(default_factory=set)
    openings: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    """(place, piece) -> conversations that have this piece there."""
    answer_bytes: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))

    @property
    def fixed_example_share(self) -> float | None:
        """Share of the bytes that are answers in the opening which most conversations have. None where too few were seen."""
        if len(self.conversations) < FEWEST_CONVERSATIONS or not self.total_bytes:
            return None
        common = {
            at: piece for (at, piece), seen in self.openings.items() if len(seen) > MOST * len(self.conversations)
        }
        opening = takewhile(lambda at: at in common, count())
        return sum(self.answer_bytes[at, common[at]] for at in opening) / self.total_bytes


def contents(engine: Engine) -> dict[Place, Contents]:
    """What the sampled calls of conversations hold; nothing where no text was kept. Needs `context_steps`."""
    if "sample" not in engine.tables():
        return {}
    calls = engine.fetch(queries.run(engine, "sampled_conversations")).to_pylist()
    texts = {row["text_hash"]: _Piece.of(row) for row in engine.fetch("sample_texts").to_pylist()} if calls else {}
    return dict(_seen(calls, texts))


@dataclass(frozen=True)
class _Piece:
    size: int
    is_answer: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Piece:
        return cls(len((row["text"] or "").encode("utf-8", "surrogatepass")), row["role"] in _ANSWER_ROLES)


def _seen(calls: Iterable[Mapping[str, Any]], texts: Mapping[int, _Piece]) -> dict[Place, Contents]:
    found: dict[Place, Contents] = defaultdict(Contents)
    for call in calls:
        pieces = [(name, texts[name]) for name in call["message_hashes"] if name in texts]
        if not pieces:
            continue
        place = found[call["endpoint"], call["model"]]
        place.sampled_calls += 1
        place.conversations.add(call["conversation"])
        for at, (name, piece) in enumerate(pieces):
            place.total_bytes += piece.size
            if at < LONGEST_OPENING:
                place.openings[at, name].add(call["conversation"])
                place.answer_bytes[at, name] += piece.size if piece.is_answer else 0
    return found
