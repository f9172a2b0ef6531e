"""Marks of words and spans as columns of sparse tables, hashed: no vocabulary is learned, so nothing leaks into a test.

Each distinct word is hashed once; marks of its neighbours are made of those numbers, whole columns at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]

COLUMNS = 2**18
_BEFORE, _AFTER = "<", ">"
_REACH = 2
_ODD, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)


def code(text: str) -> int:
    """A number for a text: the same in every process."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def marked(codes: Codes, mark: str) -> Ints:
    """Columns for words that play the part `mark`."""
    with np.errstate(over="ignore"):
        mixed = (codes ^ (np.uint64(code(mark)) * _ODD)) * _MIX
    return ((mixed >> np.uint64(40)) % np.uint64(COLUMNS)).astype(np.int64)


def table(rows: Sequence[Ints]) -> sparse.csr_array:
    """A row of counts for each list of columns."""
    ends = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    return _counts(columns, ends, len(rows))


def word_table(words: Sequence[Sequence[str]], shapes: Sequence[Sequence[str]]) -> sparse.csr_array:
    """A row for every word: itself, its neighbours as far as two away, their ends and shapes."""
    at = _places(words)
    whole, first, last = (_padded(words, part) for part in (code, lambda w: code(w[:3]), lambda w: code(w[-3:])))
    shape = _padded(shapes, code)
    marks = [marked(whole[at + step], f"{step}=") for step in range(-_REACH, _REACH + 1)]
    for step in (-1, 0, 1):
        marks += [
            marked(last[at + step], f"{step}end="),
            marked(first[at + step], f"{step}start="),
            marked(shape[at + step], f"{step}like="),
        ]
    marks += [marked(_pair(whole[at - 1], whole[at]), "from="), marked(_pair(whole[at], whole[at + 1]), "to=")]
    columns = np.stack(marks, axis=1) if len(at) else np.zeros((0, len(marks)), np.int64)
    return _counts(columns.ravel(), np.arange(len(at) + 1) * len(marks), len(at))


def codes_of(items: Iterable[str], known: dict[str, int]) -> Codes:
    """Their numbers; `known` remembers those of earlier calls."""
    found = [known[item] if item in known else known.setdefault(item, code(item)) for item in items]
    return np.array(found, dtype=np.uint64)


def _places(words: Sequence[Sequence[str]]) -> Ints:
    """Where each word stands in the padded rows."""
    sizes = np.array([len(row) for row in words], dtype=np.int64)
    return np.arange(sizes.sum()) + np.repeat(np.arange(len(sizes)) * 2 * _REACH + _REACH, sizes)


def _padded(rows: Sequence[Sequence[str]], number: Callable[[str], int]) -> Codes:
    """The numbers of all words, each row with marks for its beginning and end around it."""
    known = {word: number(word) for word in {word for row in rows for word in row}}
    before, after = [number(_BEFORE)] * _REACH, [number(_AFTER)] * _REACH
    return np.array([n for row in rows for n in (*before, *map(known.__getitem__, row), *after)], dtype=np.uint64)


def _pair(a: Codes, b: Codes) -> Codes:
    with np.errstate(over="ignore"):
        return np.asarray(a * _ODD + b)


def _counts(columns: Ints, ends: Ints, rows: int) -> sparse.csr_array:
    # liblinear takes 32-bit indices only.
    parts = np.ones(len(columns)), columns.astype(np.int32), ends.astype(np.int32)
    counts = sparse.csr_array(parts, shape=(rows, COLUMNS))
    counts.sum_duplicates()
    return counts
