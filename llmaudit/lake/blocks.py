"""Chains of hashes over blocks of a prompt, fine enough to see two prompts part inside a message.

Each piece of a prompt (tools, system prompt, then every message) is cut into blocks counted from its own start, so that
what is said twice is hashed once. An entry of the chain names everything up to the end of its block: two prompts share
an opening exactly as far as their chains are equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 512
"""About 128 tokens of English: the step in which OpenAI counts what it has cached."""

DOUBLES_AFTER = 64
"""Blocks of one size, after which they are twice as long: a piece of 1 MB has 384 blocks and not 2,048."""

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


def cuts(size: int) -> Iterator[int]:
    """Where the blocks of a piece of `size` bytes end, the last one at its end.

    >>> list(cuts(1_200)), list(cuts(512)), list(cuts(0))
    ([512, 1024, 1200], [512], [0])
    """
    at, step, count = 0, BLOCK_BYTES, 0
    while size - at > step:
        at += step
        yield at
        count += 1
        if count % DOUBLES_AFTER == 0:
            step *= 2
    yield size


@dataclass(frozen=True)
class Blocks:
    """Blocks of distinct texts, end to end: text i has those at `offsets[i]:offsets[i + 1]`, and the hash `wholes[i]`.

    `hashes` covers the text from its start to the end of each block but the last, whose end is the text's own;
    `ends` counts bytes of content, without what stands before the unit separator.
    """

    wholes: Ints
    hashes: Words
    ends: Ints
    offsets: Ints


def of_texts(texts: Iterable[memoryview], content_at: Ints, sizes: Ints, key: bytes) -> Blocks:
    """Cut each text's content into blocks and hash its openings, and the text in whole, in one pass over its bytes."""
    places = np.fromiter(cuts(int(sizes.max(initial=0)) + 1), np.int64)
    counts = np.searchsorted(places, sizes - content_at) + 1
    openings, wholes = _digests(texts, content_at.tolist(), counts.tolist(), places.tolist(), key)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    last = offsets[1:] - 1
    ends = places[np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)]
    ends[last] = sizes - content_at
    hashes = np.zeros(offsets[-1], np.uint64)
    is_opening = np.ones(len(hashes), bool)
    is_opening[last] = False
    hashes[is_opening] = openings
    return Blocks(wholes.view(np.int64), hashes, ends, offsets)


def _digests(
    texts: Iterable[memoryview], content_at: list[int], counts: list[int], places: list[int], key: bytes
) -> tuple[Words, Words]:
    """Keyed hashes of the openings of all texts, and of all texts."""
    start = hashlib.blake2b(digest_size=8, key=key).copy
    openings: list[bytes] = []
    wholes: list[bytes] = []
    for text, begin, count in zip(texts, content_at, counts, strict=True):
        state = start()
        at = 0
        for place in places[: count - 1]:
            state.update(text[at : begin + place])
            openings.append(state.digest())
            at = begin + place
        state.update(text[at:] if at else text)
        wholes.append(state.digest())
    found = (np.frombuffer(b"".join(digests), "<u8").astype(np.uint64) for digests in (openings, wholes))
    return next(found), next(found)


def chain(blocks: Blocks, codes: Ints, chained: Ints, offsets: Ints) -> tuple[Ints, Ints, Ints]:
    """The block chain of each call: its hashes, the bytes up to each of them, and where each call's entries begin.

    `codes` are the numbers of the pieces' texts, end to end; `chained` is the running hash after each piece, and call i
    has the pieces `offsets[i]:offsets[i + 1]`. Bytes are of content: roles do not count.
    """
    if not len(codes):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.zeros_like(offsets)
    counts = np.diff(blocks.offsets)[codes]
    begins = np.concatenate([[0], np.cumsum(counts)])
    within = np.arange(begins[-1]) - np.repeat(begins[:-1], counts)
    at = np.repeat(blocks.offsets[codes], counts) + within
    sizes = blocks.ends[blocks.offsets[1:] - 1][codes]
    before = _before(sizes, offsets)
    earlier = np.concatenate([np.zeros(1, np.uint64), chained[:-1].view(np.uint64)])
    earlier[offsets[:-1][np.diff(offsets) > 0]] = 0
    hashes = mix(np.repeat(earlier, counts), blocks.hashes[at]).view(np.int64)
    hashes[begins[1:] - 1] = chained
    return hashes, np.repeat(before, counts) + blocks.ends[at], begins[offsets]


def _before(sizes: Ints, offsets: Ints) -> Ints:
    """Bytes of the same call before each piece."""
    running = np.cumsum(sizes) - sizes
    firsts = running[np.minimum(offsets[:-1], len(sizes) - 1)]
    return running - np.repeat(firsts, np.diff(offsets))


def mix(state: Words, value: Words | np.uint64) -> Words:
    """Fold a hash into a running one. Order matters; the inputs are keyed, so the result gives nothing away."""
    with np.errstate(over="ignore"):
        mixed = (state ^ value) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        result: Words = mixed ^ (mixed >> np.uint64(32))
        return result
