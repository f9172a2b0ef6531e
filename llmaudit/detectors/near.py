"""Prompts that are nearly copies of earlier ones, found by the sketches that every call keeps.

Two sketches with at least 13 of 16 numbers equal agree on one of four bands of four, so pairs are looked for only among
calls with an equal band: all of them are found, as far as they are among the last few with that band.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmaudit.lake.blocks import mix
from llmaudit.lake.sketches import SKETCH_HASHES

LEAST_SIMILARITY = 13
"""Equal numbers of the 16. Fewer would not be sure to share a band."""

BANDS = 4
LOOKED_BACK = 4
"""Calls with an equal band that are compared, the latest first; and earlier ones kept for each call, the most alike first."""

PAIRS = pa.schema(
    [
        ("later", pa.int64()),
        ("earlier", pa.int64()),
        ("request_id", pa.string()),
        ("earlier_id", pa.string()),
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("similarity", pa.int64()),
        ("started_us", pa.int64()),
        ("earlier_answered_us", pa.int64()),
        ("says_same", pa.bool_()),
    ]
)
"""A call and an earlier one of the same context whose last message is nearly the same; whether the answer was.

`later` and `earlier` number the calls, so that a call has a greater number than those it may copy.
"""

Ints = npt.NDArray[np.int64]


def pairs(calls: pa.Table, first: int = 0) -> pa.Table:
    """PAIRS of calls by context and time, numbered from `first`: call by call, as a cache would try the earlier ones."""
    if calls.num_rows < 2:  # noqa: PLR2004  one call is no pair
        return PAIRS.empty_table()
    calls = calls.combine_chunks()
    numbers = np.frombuffer(b"".join(calls["prompt_sketch"].to_pylist()), "<u4").reshape(-1, SKETCH_HASHES)
    later, earlier = _candidates(numbers, _ints(calls["context"]))
    alike = (numbers[later] == numbers[earlier]).sum(axis=1)
    near = alike >= LEAST_SIMILARITY
    later, earlier, alike = _best(later[near], earlier[near], alike[near])
    answered, outputs = _ints(calls["answered_us"]), _ints(calls["output_hash"])
    order = np.lexsort((-earlier, -answered[earlier], -alike, later))
    later, earlier, alike = later[order], earlier[order], alike[order]
    columns = [
        pa.array(later + first),
        pa.array(earlier + first),
        calls["request_id"].take(pa.array(later)),
        calls["request_id"].take(pa.array(earlier)),
        *(calls[name].take(pa.array(later)) for name in ("endpoint", "model")),
        pa.array(alike),
        calls["started_us"].take(pa.array(later)),
        pa.array(answered[earlier]),
        pa.array(outputs[later] == outputs[earlier]),
    ]
    return pa.table(columns, schema=PAIRS)


def answers(later: Ints, earlier: Ints, fits: Ints) -> Ints:
    """Whether a cache answers a call by the earlier one, for as many caches as `fits` has bits: bits, too.

    Pairs come in the order of PAIRS. A call gets the first answer that is there; a call that got one makes no entry.
    So what a call gets hangs on what those before it got, step by step, and is no operation on whole columns: all
    that can be told of a pair by itself has to be in `fits`.
    """
    got = [0] * (int(later.max(initial=-1)) + 1)
    found = np.zeros(len(later), np.int64)
    for place, (late, early, caches) in enumerate(zip(later.tolist(), earlier.tolist(), fits.tolist(), strict=True)):
        if new := caches & ~(got[late] | got[early]):
            got[late] |= new
            found[place] = new
    return found


def _candidates(numbers: npt.NDArray[np.uint32], context: Ints) -> tuple[Ints, Ints]:
    """Rows of one context with an equal band, each with the few before it. Rows come by context and time."""
    size, found = len(context), [np.empty(0, np.int64)]
    edges = np.linspace(0, SKETCH_HASHES, BANDS + 1).astype(int)
    for start, end in pairwise(edges.tolist()):
        keys = context.astype(np.uint64)
        for at in range(start, end):
            keys = mix(keys, numbers[:, at].astype(np.uint64))
        order = np.argsort(keys, kind="stable")
        for back in range(1, LOOKED_BACK + 1):
            late, early = order[back:], order[:-back]
            equal = keys[late] == keys[early]
            found.append(late[equal] * size + early[equal])
    both = np.unique(np.concatenate(found))
    later, earlier = both // size, both % size
    same = context[later] == context[earlier]
    return later[same], earlier[same]


def _best(later: Ints, earlier: Ints, alike: Ints) -> tuple[Ints, Ints, Ints]:
    """Of each later row the most alike, the latest first among equals."""
    order = np.lexsort((-earlier, -alike, later))
    later, earlier, alike = later[order], earlier[order], alike[order]
    is_first = np.ones(len(later), bool)
    is_first[1:] = later[1:] != later[:-1]
    starts = np.flatnonzero(is_first)
    place = np.arange(len(later)) - np.repeat(starts, np.diff(np.append(starts, len(later))))
    kept = place < LOOKED_BACK
    return later[kept], earlier[kept], alike[kept]


def _ints(column: pa.ChunkedArray) -> Ints:
    values: Ints = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return values
