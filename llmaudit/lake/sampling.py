"""Which calls keep their texts: of each stratum those with the smallest keys, whatever the order of the files.

A key is a public hash, so the same calls are chosen by every run, and the samples of two runs merge into the sample of
both. What a lake has kept already sets the bar: a later run keeps only what would have been kept had it come first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.lake.pieces import Flags, Ints, flags, integers
from llmaudit.schema import SAMPLES

SAMPLE_PER_STRATUM = 1_500
MOST_TIMES_SEEN = 4
LABEL_STRATA = 4_096
WORDING_STRATA = 64
STRATA = LABEL_STRATA + WORDING_STRATA
_SOME = 16_384
_REMEMBERED = 2**20
_SHAPE = pa.schema([column for column in SAMPLES if column.name != "batch_id"])

Words = npt.NDArray[np.uint64]
_LAST = 2**63 - 1
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Sample:
    """The sample so far, as rows of `schema.SAMPLES` without their batch.

    A call seen in two files takes one place. Only its first few times count: an id that many calls share is no id.
    """

    per_stratum: int
    rows: pa.Table = field(default_factory=_SHAPE.empty_table)
    _bars: Ints = field(default_factory=lambda: np.full(STRATA, _LAST, np.int64))
    _fresh: list[pa.Table] = field(default_factory=list)

    @classmethod
    def beside(cls, earlier: pa.Table, per_stratum: int) -> Sample:
        """An empty sample that takes only what belongs to the sample of a lake that has kept `earlier` already."""
        kept = cls(per_stratum, earlier.select(_SHAPE.names))
        kept._settle()
        return cls(per_stratum, _bars=kept._bars)

    def offer(self, strata: Ints, keys: Ints, hashes: pa.Array) -> Ints:
        """Take what may belong to the sample; return which. `hashes` are those of each call's texts."""
        at = np.flatnonzero(keys <= self._bars[strata])
        columns = [pa.array(strata[at], pa.int32()), pa.array(keys[at], pa.int64()), hashes.take(pa.array(at))]
        self._fresh.append(pa.Table.from_arrays(columns, schema=_SHAPE))
        if sum(map(len, self._fresh)) > max(_SOME, len(self.rows) // 2):
            self._settle()
        return at

    def settled(self) -> pa.Table:
        self._settle()
        return self.rows

    def _settle(self) -> None:
        """Drop what has turned out to lie beyond the bar of its stratum, and lower the bars to where they are now."""
        every = pa.concat_tables([self.rows, *self._fresh]).combine_chunks()
        self._fresh = []
        strata, keys = integers(every["stratum"]), integers(every["sample_key"])
        order = np.lexsort((np.arange(len(keys)), keys, strata))
        strata, keys = strata[order], keys[order]
        new_stratum, new_key = _changes(strata), _changes(strata) | _changes(keys)
        place = _count_within(new_stratum, new_key)
        time = _count_within(new_key, np.ones(len(keys), bool))
        full = new_key & (place == self.per_stratum)
        self._bars[strata[full]] = np.minimum(self._bars[strata[full]], keys[full])
        kept = np.sort(order[(place <= self.per_stratum) & (time <= MOST_TIMES_SEEN)])
        self.rows = every.take(pa.array(kept))


@dataclass
class _Register:
    """What the first call of each id said."""

    _keys: Words = field(default_factory=lambda: np.zeros(_REMEMBERED, np.uint64))
    _contents: Words = field(default_factory=lambda: np.zeros(_REMEMBERED, np.uint64))

    def differ(self, keys: Words, contents: Words) -> Flags:
        """Whether an earlier call has the same key and another content."""
        order = np.argsort(keys, kind="stable")
        keys, contents = keys[order], contents[order]
        starts = np.flatnonzero(_changes(keys))
        groups = np.cumsum(_changes(keys)) - 1
        slots = (keys[starts] % np.uint64(_REMEMBERED)).astype(np.int64)
        is_known = self._keys[slots] == keys[starts]
        first = np.where(is_known, self._contents[slots], contents[starts])
        differs = contents != first[groups]
        mixed = np.bincount(groups, weights=differs, minlength=len(starts)) > 0
        self._keys[slots] = keys[starts]
        self._contents[slots] = np.where(mixed, ~first, first)
        found = np.empty(len(keys), bool)
        found[order] = differs
        return found


@dataclass
class Reuse:
    """Ids that a file gives to calls of different content name no single call: such calls are told apart as `calls` does.

    Calls are of different content where their prompts differ, or what was counted of them; a call that was delivered
    before its usage was known is no other. Remembers a million ids of each; one that comes back after more than that
    passes for a call seen again.
    """

    _prompts: _Register = field(default_factory=_Register)
    _counts: _Register = field(default_factory=_Register)

    def sample_keys(self, rows: pa.RecordBatch, files: Ints) -> Ints:
        """What orders each call in the sample: its `call_key`, or what `calls` will make of that where it is reused.

        `files` are the numbers of the files the rows are of, each number used for one file only.
        """
        keys = rows["call_key"].to_pylist()
        of_file = numbers(keys).view(np.uint64) ^ (files.astype(np.uint64) * _ODD)
        counted = pc.if_else(pc.equal(rows["usage_source"], "reported"), rows["input_tokens"], None)
        reused = np.zeros(len(keys), bool)
        for register, said in ((self._prompts, rows["prompt_hash"]), (self._counts, counted)):
            known = np.flatnonzero(flags(pc.is_valid(said)))
            contents = integers(said.take(pa.array(known))).view(np.uint64)
            reused[known] |= register.differ(of_file[known], contents)
        for at in np.flatnonzero(reused).tolist():
            keys[at] = _told_apart(rows, at)
        return numbers(keys)


def _told_apart(rows: pa.RecordBatch, at: int) -> str:
    """The key that `queries/calls.sql` gives to a call whose id is reused."""
    key, prompt, tokens = (rows[name][at].as_py() for name in ("call_key", "prompt_hash", "input_tokens"))
    since_1970 = rows["started_at"][at].value
    parts = (key, "" if prompt is None else prompt, "" if tokens is None else tokens, since_1970)
    return hashlib.md5("|".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def numbers(keys: list[str]) -> Ints:
    """The first 63 bits of every key: numbers in the order of the keys."""
    data = bytes.fromhex("".join([key[:16] for key in keys]))
    return (np.frombuffer(data, ">u8").astype(np.uint64) >> np.uint64(1)).astype(np.int64)


def _changes(values: npt.NDArray[np.generic]) -> Flags:
    changed: Flags = np.ones(len(values), bool)
    changed[1:] = values[1:] != values[:-1]
    return changed


def _count_within(starts: Flags, counted: Flags) -> Ints:
    """Running count of `counted`, from one, anew at every start."""
    running = np.cumsum(counted)
    before = np.where(starts, running - counted, 0)
    return running - np.maximum.accumulate(before)


def strata(endpoints: Ints, labelled: Flags, wordings: Ints) -> Ints:
    """Group of calls inside which texts are sampled: of one label or, without one, of some wordings."""
    return np.where(labelled, endpoints % LABEL_STRATA, LABEL_STRATA + wordings % WORDING_STRATA)
