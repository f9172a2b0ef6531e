"""Sketches: a few numbers by which two texts can be told to be nearly alike without either being kept."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.lake.blocks import Words, mix

SKETCH_HASHES = 16
SKETCH_BYTES = 8_192
WINDOW_BYTES = 24
RUNS_AT_ONCE = 16_384
"""Runs hashed together: few enough to stay in the processor's cache."""
_BIN_BITS = 60
_VALUE_BITS = 32
_EMPTY = np.uint64(2**63)
_ROTATION = np.uint64(0x9E3779B9)

_BLANK, _WORD, _OWN = 0, 1, 2
_LETTERS, _DIGITS, _LATER_BYTES, _FIRST_BYTES = range(97, 123), range(48, 58), range(0x80, 0xC0), range(0xC0, 0x100)


def _table(*kinds: tuple[range, int]) -> bytes:
    table = bytearray(256)
    for characters, kind in kinds:
        for character in characters:
            table[character] = kind
    return bytes(table)


_FOLDED = (
    bytes(range(256)).lower().translate(bytes(32 if n in b"\t\n\v\f\r\x1c\x1d\x1e\x1f" else n for n in range(256)))
)
_KINDS = _table((_LETTERS, _WORD), (range(65, 91), _WORD), (_LATER_BYTES, _WORD), (_DIGITS, _OWN), (_FIRST_BYTES, _OWN))
"""What a byte is: none of a word, one of a word, or one that starts a run by itself (a digit, a character beyond ASCII)."""


def sketch(texts: pa.Array, key: bytes) -> pa.Array:
    """MinHash of each text's runs: binary, 16 unsigned 32-bit numbers; null for a text without words.

    A run is 24 bytes, three or four words, from the start of a word, in lower case. The share of equal numbers in two
    sketches estimates how much of their runs two texts share. Every run is hashed once and falls into one of sixteen
    bins, of which each keeps its least; an empty bin borrows from the next.
    """
    owner, hashes = _runs(texts, key)
    least = np.full((len(texts), SKETCH_HASHES), _EMPTY, np.uint64)
    bins = (hashes >> np.uint64(_BIN_BITS)).astype(np.int64)
    np.minimum.at(least.reshape(-1), owner * SKETCH_HASHES + bins, hashes & np.uint64(2**_VALUE_BITS - 1))
    silent = (least == _EMPTY).all(axis=1)
    numbers = _filled(least).astype("<u4").tobytes()
    size = SKETCH_HASHES * 4
    found = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(texts), [None, pa.py_buffer(numbers)])
    return pc.if_else(pa.array(silent), pa.scalar(None, pa.binary()), found.cast(pa.binary()))


def _runs(texts: pa.Array, key: bytes) -> tuple[npt.NDArray[np.int64], Words]:
    """Number of the text and keyed hash of every run."""
    cut = pc.binary_slice(pc.fill_null(texts, "").cast(pa.binary()), 0, SKETCH_BYTES)
    padded = pc.binary_join_element_wise(cut, b" " * WINDOW_BYTES, b"")
    ends = np.frombuffer(padded.buffers()[1], np.int32)[padded.offset : padded.offset + len(padded) + 1]
    if not len(texts):
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    data = bytes(padded.buffers()[2])[ends[0] : ends[-1]]
    at = _starts(np.frombuffer(data.translate(_KINDS), np.uint8))
    owner = np.repeat(np.arange(len(texts)), np.diff(np.searchsorted(at, ends - ends[0])))
    folded = np.frombuffer(data.translate(_FOLDED), np.uint8)
    eight = np.ndarray((max(len(folded) - 7, 0),), np.uint64, folded.data, strides=(1,))
    secrets = np.frombuffer(hashlib.blake2b(b"sketch", digest_size=24, key=key).digest(), np.uint64)
    hashes = np.zeros(len(at), np.uint64)
    for first in range(0, len(at), RUNS_AT_ONCE):
        here, state = at[first : first + RUNS_AT_ONCE], hashes[first : first + RUNS_AT_ONCE]
        for step, secret in enumerate(secrets):
            state[:] = mix(state ^ secret, eight[here + 8 * step])
    return owner, hashes


def _starts(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    is_start = kinds == _OWN
    is_start[0] |= kinds[0] == _WORD
    is_start[1:] |= kinds[1:] > kinds[:-1]
    return np.flatnonzero(is_start)


def _filled(least: Words) -> Words:
    """Empty bins take the number of the next bin that has one, turned by how far away it is."""
    filled = least.copy()
    for distance in range(1, SKETCH_HASHES):
        lacking = filled == _EMPTY
        if not lacking.any():
            break
        lent = np.roll(least, -distance, axis=1)
        turned = (lent + _ROTATION * np.uint64(distance)) & np.uint64(2**_VALUE_BITS - 1)
        filled = np.where(lacking & (lent != _EMPTY), turned, filled)
    return filled
