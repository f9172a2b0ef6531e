"""Chains of hashes over blocks of a prompt, fine enough to see two prompts part inside a message.

Each piece of a prompt (tools, system prompt, then every message) is cut into blocks counted from its own start, so that
what is said twice is hashed once. An entry of the chain names everything up to the end of its block: two prompts share
an opening exactly as far as their chains are equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

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
    """Blocks of distinct texts, end to end: text i has those at `offsets[i]:offsets[i + 1]`.

    `hashes` covers the text from its start to the end of each block but the last, whose end is the text's own hash;
    `ends` counts bytes of content, without what stands before the unit separator.
    """

    hashes: Words
    ends: Ints
    offsets: Ints


def of_texts(texts: Sequence[str], key: bytes, unit: str) -> Blocks:
    """Cut each text into blocks and hash its openings. `unit` ends the role before the content, where there is one."""
    hashes: list[int] = []
    ends: list[int] = []
    offsets = [0]
    for text in texts:
        role, found, content = text.partition(unit)
        data = (content if found else text).encode("utf-8", "replace")
        state = hashlib.blake2b(role.encode("utf-8", "replace") if found else b"", digest_size=8, key=key)
        start = 0
        for end in cuts(len(data)):
            if end < len(data):
                state.update(data[start:end])
                hashes.append(int.from_bytes(state.digest(), "little"))
            else:
                hashes.append(0)
            ends.append(end)
            start = end
        offsets.append(len(ends))
    return Blocks(np.array(hashes, np.uint64), np.array(ends, np.int64), np.array(offsets, np.int64))


def chain(texts: pa.Array, chained: Ints, offsets: Ints, key: bytes, unit: str) -> tuple[Ints, Ints, Ints]:
    """The block chain of each call: its hashes, the bytes up to each of them, and where each call's entries begin.

    `texts` are the pieces of a batch end to end, `chained` the running hash after each piece, and call i has the
    pieces `offsets[i]:offsets[i + 1]`. Bytes are of content: roles do not count.
    """
    encoded = texts.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    blocks = of_texts(encoded.dictionary.to_pylist(), key, unit)
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
