"""Examples that most prompts of an endpoint begin with (few-shot blocks), as far as the text sample shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine

FEWEST_CONVERSATIONS = 10
"""Fewer show nothing of what all conversations have in common."""

MOST = 0.5
"""An opening of more than this share of an endpoint's conversations is what its prompts begin with."""

LONGEST_OPENING = 64
"""Pieces of an opening that are looked at."""

_ANSWER_ROLES = frozenset({"assistant", "model"})

BLOCKS = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("pieces", pa.int64()),
        ("prefix_hash", pa.int64()),
        ("example_bytes", pa.int64()),
    ]
)
"""Of the opening of so many pieces, named by its chain hash, the bytes of questions and answers."""

Place = tuple[str | None, str | None]


@dataclass(frozen=True)
class Block:
    """Questions and answers in the opening that most conversations have, up to the last answer."""

    pieces: int
    prefix_hash: int
    example_bytes: int


@dataclass
class Contents:
    """The sampled prompts of one endpoint and model."""

    total_bytes: int = 0
    conversations: set[str] = field(default_factory=set)
    openings: dict[tuple[int, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    """(pieces, chain hash) -> conversations that begin so."""
    example_bytes: dict[tuple[int, int], int] = field(default_factory=dict)
    """(pieces, chain hash) of openings that end in an answer -> bytes of questions and answers in them."""
    calls: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    """(pieces, chain hash) -> calls that begin so."""

    @property
    def block(self) -> Block | None:
        """None where too few conversations were seen, or most have no example in common."""
        if len(self.conversations) < FEWEST_CONVERSATIONS:
            return None
        common = [at for at in self.example_bytes if len(self.openings[at]) > MOST * len(self.conversations)]
        return Block(*max(common), self.example_bytes[max(common)]) if common else None

    @property
    def example_share(self) -> float | None:
        """Share of the prompts' bytes that is in the block. None where too few conversations were seen."""
        if len(self.conversations) < FEWEST_CONVERSATIONS or not self.total_bytes:
            return None
        block = self.block
        carried = self.calls[block.pieces, block.prefix_hash] * block.example_bytes if block else 0
        return carried / self.total_bytes


def load(engine: Engine) -> dict[Place, Contents]:
    """Look at the sampled prompts. Puts the table `fixed_example_blocks`; needs `context_steps`."""
    held = dict(_seen(engine)) if "sample" in engine.tables() else {}
    blocks = {place: block for place, contents in held.items() if (block := contents.block)}
    rows = [dict(zip(BLOCKS.names, (*place, *vars(block).values()), strict=True)) for place, block in blocks.items()]
    engine.put("fixed_example_blocks", pa.Table.from_pylist(rows, schema=BLOCKS))
    return held


@dataclass(frozen=True)
class _Piece:
    is_message: bool
    is_answer: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Piece:
        is_message = row["kind"] == "message" and row["role"] not in ("system", "developer")
        return cls(is_message, row["role"] in _ANSWER_ROLES)


def _seen(engine: Engine) -> dict[Place, Contents]:
    calls = engine.fetch(queries.run(engine, "sampled_conversations")).to_pylist()
    texts = {row["text_hash"]: _Piece.of(row) for row in engine.fetch("sample_texts").to_pylist()} if calls else {}
    return _contents(calls, texts)


def _contents(calls: Iterable[Mapping[str, Any]], texts: Mapping[int, _Piece]) -> dict[Place, Contents]:
    found: dict[Place, Contents] = defaultdict(Contents)
    for call in calls:
        if not call["message_hashes"] or not all(name in texts for name in call["message_hashes"]):
            continue
        place = found[call["endpoint"], call["model"]]
        place.conversations.add(call["conversation"])
        ends = call["prefix_bytes"]
        place.total_bytes += ends[-1]
        examples = 0
        for at, (name, opening) in enumerate(zip(call["message_hashes"], call["prefix_hashes"], strict=True)):
            if at == LONGEST_OPENING:
                break
            piece, pieces = texts[name], at + 1
            if piece.is_message:
                examples += ends[at] - (ends[at - 1] if at else 0)
            place.openings[pieces, opening].add(call["conversation"])
            place.calls[pieces, opening] += 1
            if piece.is_answer:
                place.example_bytes[pieces, opening] = examples
    return found
