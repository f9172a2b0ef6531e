"""Where levers meet: the calls that two or more of them touch, played through every coalition.

Calls that no scope joins are independent of each other, so each group has a tree of states of its own. The trees grow
side by side: level by level a lever is pulled on the first states of all groups at once, then on the second states, and
so on. A state holds numbers of versions; a version of a call is kept once, however many states it is in, and priced once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import pricing
from llmaudit.engine.base import Engine
from llmaudit.levers.base import Lever
from llmaudit.replay.pulls import Sight, changed_as
from llmaudit.replay.shares import Paths
from llmaudit.schema import USD

UNIT = Decimal("0.000000000001")
"""Money is counted in whole units of its twelfth decimal here."""

MILLION = 1_000_000
MOST_PARTS = 64
"""Of the table of versions, before it is made one again: copying it for every pull would take longer than the pull."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """What was saved on each path by groups whose trees look alike, per fold of the sample."""

    paths: Paths
    saving: dict[int, dict[int, int]]
    """Fold -> path -> saving in UNITs."""


@dataclass
class Meeting:
    """Calls in the engine's hands no longer: rows, the group of each, and what each costs."""

    engine: Engine
    book: pricing.Book
    sight: Sight
    columns: pa.Schema
    rows: pa.Table
    group: Numbers
    """From 0, per row."""
    fold: Numbers
    """Per group."""
    paid: pa.ChunkedArray
    steady: Mapping[Lever, pa.Table]
    """What levers find here that need not be asked again."""
    _before: list[Numbers] = field(default_factory=list)
    _parts: list[pa.Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._parts = [self.rows]
        self._before = [np.full(self.rows.num_rows, -1, np.int64)]

    # --- coalitions -------------------------------------------------------------------------------

    def trees(self, levers: Sequence[Lever], fixed: int = 0) -> list[Tree]:
        """Pull the levers, in this order, through every coalition of every group. A `fixed` one (bits) is in them all."""
        states = _States.of(self.group)
        for place, lever in enumerate(levers):
            self._grow(states, lever, 1 << place, keep=not fixed >> place & 1)
        return states.trees(self._saved(), self.fold)

    def _grow(self, states: _States, lever: Lever, bit: int, *, keep: bool) -> None:
        """Every state in which the lever finds something gets a child in which it was pulled."""
        parents, children = [], []
        for rows in states.layers():
            found = self._pull(lever, states.version[rows])
            if found is not None:
                hit, entries = states.child(rows, *found, bit)
                parents.append(hit)
                children.append(entries)
        states.settle(parents, children, keep=keep)

    def _pull(self, lever: Lever, versions: Numbers) -> tuple[Numbers, Numbers] | None:
        """Pull the lever on these versions. Returns which of them it changes, and their new numbers."""
        table = self._versions(versions)
        hits = self._hits(lever, table)
        if not hits.num_rows:
            return None
        at = pc.index_in(hits["request_id"].combine_chunks(), value_set=table["request_id"].combine_chunks())
        touched = table.take(at)
        for name in hits.column_names:
            if name != "request_id":
                touched = touched.append_column(hits.schema.field(name), hits[name])
        [batch] = touched.combine_chunks().to_batches()
        places = at.to_numpy(zero_copy_only=False)
        return places, self._store(changed_as(lever, self.columns, batch), versions[places])

    def _hits(self, lever: Lever, table: pa.Table) -> pa.Table:
        if lever in self.steady:
            hits = self.steady[lever]
            return hits.filter(
                pc.is_in(hits["request_id"], table.filter(table["billable"])["request_id"].combine_chunks())
            )
        self.engine.put("replay_layer", table)
        return self.engine.fetch(lever.hits(self.engine, self.sight.seen(lever, "replay_layer")))

    def _versions(self, numbers: Numbers) -> pa.Table:
        if len(self._parts) > MOST_PARTS:
            self._parts = [pa.concat_tables(self._parts).combine_chunks()]
        return pa.concat_tables(self._parts).take(pa.array(numbers))

    def _store(self, batch: pa.RecordBatch, before: Numbers) -> Numbers:
        first = sum(len(part) for part in self._before)
        self._parts.append(pa.Table.from_batches([batch]))
        self._before.append(before)
        return np.arange(first, first + batch.num_rows)

    def _saved(self) -> Numbers:
        """What each version saves against the call as logged, in UNITs: 0 where the log does not tell its cost.

        A version whose cost nobody knows keeps that of the version it was made from.
        """
        before = np.concatenate(self._before)
        logged = self.rows.num_rows
        cost, known = (np.concatenate(parts) for parts in zip(_units(self.paid), self._costs(logged), strict=True))
        numbers = np.arange(len(before))
        origin, source = numbers.copy(), np.where(known | (before < 0), numbers, before)
        for _ in range(len(self._before)):
            if np.array_equal(source, source[source]):
                break
            source = source[source]
        while (derived := before[origin] >= 0).any():
            origin[derived] = before[origin[derived]]
        return np.where(known[origin], cost[origin] - cost[source], 0)

    def _costs(self, logged: int) -> tuple[Numbers, Numbers]:
        """What each new version costs, and whether that is known. All of them are priced at once."""
        versions = pa.concat_tables(self._parts).slice(logged)
        at = versions.schema.get_field_index("request_id")
        numbers = pa.array(np.arange(versions.num_rows)).cast(pa.string())
        self.engine.put("replay_versions", versions.set_column(at, "request_id", numbers))
        usd = pricing.price_usage(self.engine, "replay_versions", "replay_versions_usd", self.book)
        priced = self.engine.fetch(usd).select(["request_id", "cost_usd"])
        order = np.argsort(priced["request_id"].cast(pa.int64()).to_numpy())
        cost, known = _units(priced["cost_usd"])
        return cost[order], known[order]

    # --- orders -----------------------------------------------------------------------------------

    def totals(self, levers: Sequence[Lever], orders: Iterable[Sequence[int]]) -> list[int]:
        """What the levers save together in each order, in UNITs."""
        known: dict[tuple[int, ...], Numbers] = {(): np.arange(self.rows.num_rows)}
        asked = [tuple(order) for order in orders]
        for order in asked:
            for length in range(1, len(order) + 1):
                if order[:length] not in known:
                    known[order[:length]] = self._after(levers[order[length - 1]], known[order[: length - 1]])
        saved = self._saved()
        return [int(saved[known[order]].sum()) for order in asked]

    def _after(self, lever: Lever, versions: Numbers) -> Numbers:
        found = self._pull(lever, versions)
        if found is None:
            return versions
        places, changed = found
        after = versions.copy()
        after[places] = changed
        return after


@dataclass
class _States:
    """Which version of which call is in which state: one entry per group, state and call."""

    group: Numbers
    number: Numbers
    """Of the state, from 0 within its group."""
    path: Numbers
    version: Numbers
    count: Numbers
    """States per group."""
    left: list[tuple[Numbers, Numbers, Numbers]] = field(default_factory=list)
    """Group, path and version of the entries that nothing further happens to."""

    @classmethod
    def of(cls, group: Numbers) -> _States:
        zero = np.zeros(len(group), np.int64)
        groups = int(group.max()) + 1 if len(group) else 0
        return cls(group, zero, zero.copy(), np.arange(len(group)), np.ones(groups, np.int64))

    def layers(self) -> list[Numbers]:
        """Entries by the number of their state: in a layer, every group is in one state at most."""
        if not len(self.number):
            return []
        order = np.argsort(self.number, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.number[order])) + 1)

    def child(self, rows: Numbers, places: Numbers, changed: Numbers, bit: int) -> tuple[Numbers, _Entries]:
        """The entries of the groups that were hit, and what they become in a further state."""
        is_hit = np.zeros(len(self.count), bool)
        is_hit[self.group[rows[places]]] = True
        version = self.version[rows]
        version[places] = changed
        mine = is_hit[self.group[rows]]
        groups = self.group[rows[mine]]
        entries = _Entries(groups, self.count[groups], self.path[rows[mine]] | bit, version[mine])
        self.count[is_hit] += 1
        return rows[mine], entries

    def settle(self, parents: Sequence[Numbers], children: Sequence[_Entries], *, keep: bool) -> None:
        """Take the children in. Without `keep`, the states they come from are only passed through."""
        if not children:
            return
        stay = np.ones(len(self.group), bool)
        if not keep:
            for rows in parents:
                stay[rows] = False
                self.left.append((self.group[rows], self.path[rows], self.version[rows]))
        self.group = np.concatenate([self.group[stay], *(c.group for c in children)])
        self.number = np.concatenate([self.number[stay], *(c.number for c in children)])
        self.path = np.concatenate([self.path[stay], *(c.path for c in children)])
        self.version = np.concatenate([self.version[stay], *(c.version for c in children)])

    def trees(self, saved: Numbers, fold: Numbers) -> list[Tree]:
        """Groups whose trees have the same paths, added up."""
        group, path, version = (
            np.concatenate(parts) for parts in zip((self.group, self.path, self.version), *self.left, strict=True)
        )
        if not len(group):
            return []
        order = np.lexsort((path, group))
        group, path, amounts = group[order], path[order], saved[version[order]]
        starts = np.flatnonzero(np.r_[True, (np.diff(group) != 0) | (np.diff(path) != 0)])
        large, small = (np.add.reduceat(part, starts) for part in np.divmod(amounts, MILLION))
        group, path = group[starts], path[starts]
        found: dict[bytes, Tree] = {}
        edges = [*np.flatnonzero(np.r_[True, np.diff(group) != 0]).tolist(), len(group)]
        for first, last in pairwise(edges):
            own = path[first:last]
            tree = found.get(own.tobytes())
            if tree is None:
                tree = found[own.tobytes()] = Tree(frozenset(own.tolist()), {})
            sums = tree.saving.setdefault(int(fold[group[first]]), dict.fromkeys(own.tolist(), 0))
            for at in range(first, last):
                sums[int(path[at])] += int(large[at]) * MILLION + int(small[at])
        return list(found.values())


@dataclass(frozen=True)
class _Entries:
    group: Numbers
    number: Numbers
    path: Numbers
    version: Numbers


def _units(money: pa.ChunkedArray) -> tuple[Numbers, Numbers]:
    """Decimals as whole UNITs, and which of them are known."""
    flat = money.cast(USD).combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], USD)
    halves = np.frombuffer(flat.buffers()[1] or b"", "<i8").reshape(-1, 2)[flat.offset : flat.offset + len(flat)]
    known = flat.is_valid().to_numpy(zero_copy_only=False)
    if np.any((halves[:, 0] >> 63 != halves[:, 1]) & known):
        raise OverflowError("one call costs more than nine million dollars")
    return np.where(known, halves[:, 0], 0), known
