"""Openings that prompts share: the tree over their block chains, without the branches that belong to one prompt alone.

Blocks that the same prompts have in common are one node, so a prompt lies on as many nodes as there are places where
others part from it: two or three where its chain has twenty blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Engine

ROWS_AT_ONCE = 500_000
"""Rows whose chains are held in memory together. Prompts that part at once share nothing, so they may be apart; where more
have the same first block, those that part behind the opening that all of them share."""

BUCKETS = 1_021
"""Remainders of block hashes by which prompts are put apart. A prime: not every engine's hashes are well mixed."""

OPENINGS = pa.schema([("first_hash", pa.int64()), ("blocks", pa.int64()), ("prompts", pa.int64())])
"""Openings that too many share to be looked at together: their first block, how many blocks they have, and how many prompts."""

NODES = pa.schema([("prompt_hash", pa.int64()), ("node_hash", pa.int64()), ("opening_bytes", pa.int64())])
"""The nodes that each prompt lies on, and how many bytes of it end there."""

SIZES = pa.schema([("prompt_hash", pa.int64()), ("chain_bytes", pa.int64())])
"""Bytes of content of each prompt: tools, system prompt and messages."""

Ints = npt.NDArray[np.int64]


def load(engine: Engine) -> None:
    """Make the tables `prefix_nodes` and `prompt_sizes`, from request_rows, batches and calls."""
    heads = engine.fetch(queries.run(engine, "chain_heads", params={"most": ROWS_AT_ONCE})).to_pylist()
    openings = [{**head, "blocks": _alike(head["low"], head["high"])} for head in heads]
    engine.put("chain_openings", pa.Table.from_pylist(openings, schema=OPENINGS))
    sizes: list[pa.Table] = []
    queries.gather(engine, _nodes(engine, sizes), NODES, "prefix_nodes")
    engine.put("prompt_sizes", pa.concat_tables([SIZES.empty_table(), *sizes]))


def _alike(low: Sequence[int], high: Sequence[int]) -> int:
    """Blocks that the least and the greatest of some chains begin with, and so do all between."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))


def _nodes(engine: Engine, sizes: list[pa.Table]) -> Iterator[pa.Table]:
    counted = engine.fetch(queries.run(engine, "chain_sizes", params={"buckets": BUCKETS}))
    remainders, part = _ints(counted["remainder"]), np.cumsum(_ints(counted["requests"])) // ROWS_AT_ONCE
    for number in np.unique(part):
        own = remainders[part == number]
        params = {"buckets": BUCKETS, "first": int(own[0]), "last": int(own[-1])}
        nodes, chain_sizes = shared(engine.fetch(queries.run(engine, "prompt_chains", params=params)))
        sizes.append(chain_sizes)
        yield nodes


def shared(chains: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Tables of NODES and SIZES from prompts with their chains, the rows of prompt_chains.sql.

    A prompt that comes more than once lies on a node at its end, too. What is before `shared_blocks` the prompts have in
    common with others, `sharers` in all, which need not be here.
    """
    prompts, first, times = np.unique(_ints(chains["prompt_hash"]), return_index=True, return_counts=True)
    chains = chains.take(pa.array(first)).combine_chunks()
    hashes, ends = (_flat(chains[name]) for name in ("block_hashes", "block_bytes"))
    lengths, before = _ints(pc.list_value_length(chains["block_hashes"])), _ints(chains["shared_blocks"])
    starts = np.cumsum(lengths) - lengths
    tree = _Tree(hashes, starts + before, lengths - before, _ints(chains["sharers"]))
    owners, at = tree.nodes(times > 1)
    nodes = [pa.array(values) for values in (prompts[owners], hashes[at], ends[at])]
    sizes = [pa.array(prompts), pa.array(ends[starts + lengths - 1] if len(prompts) else prompts)]
    return pa.table(nodes, schema=NODES), pa.table(sizes, schema=SIZES)


@dataclass
class _Tree:
    """Chains end to end: prompt i has `hashes[starts[i]:starts[i] + lengths[i]]`. Walked level by level, all prompts at once.

    `sharers` counts the prompts that have what stands before `starts` in common; 0 where nothing does.
    """

    hashes: Ints
    starts: Ints
    lengths: Ints
    sharers: Ints
    _owners: list[Ints] = field(default_factory=list)
    _at: list[Ints] = field(default_factory=list)

    def nodes(self, repeated: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Which prompt lies on which node: prompt numbers and places in `hashes`. `repeated` prompts have one at their end."""
        alive = np.flatnonzero(self.lengths > 0)
        sharers = self.sharers.copy()
        self._emit(np.flatnonzero((self.lengths == 0) & ((sharers > 1) | (sharers == 1) & repeated)), -1)
        group, count = np.zeros(len(alive), np.int64), np.array([len(alive)])
        level = 0
        while len(alive):
            group, count = self._split(alive, level, group, count)
            now = count[group]
            self._emit(alive[(now != sharers[alive]) & (sharers[alive] > 1)], level - 1)
            sharers[alive] = now
            leaving = (now == 1) | (self.lengths[alive] == level + 1)
            at_end = (self.lengths[alive] == level + 1) & (now > 1)
            self._emit(alive[at_end], level)
            alone = alive[leaving & ~at_end & repeated[alive]]
            self._emit(alone, self.lengths[alone] - 1)
            alive, group = alive[~leaving], group[~leaving]
            level += 1
        if not self._owners:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(self._owners), np.concatenate(self._at)

    def _emit(self, owners: Ints, level: Ints | int) -> None:
        if len(owners):
            self._owners.append(owners)
            self._at.append(self.starts[owners] + level)

    def _split(self, alive: Ints, level: int, group: Ints, count: Ints) -> tuple[Ints, Ints]:
        """Groups of prompts that are equal up to this level, from those that were up to the one before, and their sizes.

        Most levels part nobody; only groups that do part are sorted anew.
        """
        here = self.hashes[self.starts[alive] + level]
        first = np.zeros(len(count), np.int64)
        first[group[::-1]] = here[::-1]
        parted = np.zeros(len(count), bool)
        parted[group[here != first[group]]] = True
        moving = parted[group]
        new = group.copy()
        _, codes = np.unique(here[moving], return_inverse=True)
        new[moving] = len(count) + codes
        sizes = np.bincount(new, minlength=1)
        used = np.flatnonzero(sizes)
        place = np.zeros(len(sizes), np.int64)
        place[used] = np.arange(len(used))
        return place[new], sizes[used]


def _ints(column: pa.ChunkedArray) -> Ints:
    values: Ints = column.to_numpy().astype(np.int64)
    return values


def _flat(column: pa.ChunkedArray) -> Ints:
    values: Ints = pc.list_flatten(column).to_numpy().astype(np.int64)
    return values
