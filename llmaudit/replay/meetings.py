"""Where levers meet: the calls that two or more of them touch, played through every coalition.

Calls that no scope joins are independent of each other, so each group has a tree of states of its own. All groups that
are in the same state are asked about together. A state is a list of the versions that differ from the calls as logged; a
version is kept once, however many states it is in, holds only what differs from the one it was made from, and is priced once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import pricing
from llmaudit.engine.base import Engine
from llmaudit.levers.base import InMemory, Lever
from llmaudit.replay.pulls import Sight, changed_as
from llmaudit.replay.shares import Paths
from llmaudit.replay.versions import Growing, Versions
from llmaudit.schema import USD

UNIT = Decimal("0.000000000001")
"""Money is counted in whole units of its twelfth decimal here."""

MILLION = 1_000_000
AT_ONCE = 200_000
"""Versions that are made or priced together."""
UNKNOWN, NONE = -2, -1
Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tree:
    """What was saved on each path by groups whose trees look alike, per fold of the sample."""

    paths: Paths
    saving: dict[int, dict[int, int]]
    """Fold -> path -> saving in UNITs."""


@dataclass(frozen=True)
class _State:
    """Groups in which the same levers have found something, and the versions that their calls have by that."""

    groups: Bools
    changed: Numbers
    """Those that are not as logged."""


@dataclass
class Meeting:
    """Calls in the engine's hands no longer: rows, the group of each, and what each costs."""

    engine: Engine
    book: pricing.Book
    sight: Sight
    columns: pa.Schema
    rows: pa.Table
    """In the order of request_id."""
    group: Numbers
    """From 0, per row."""
    fold: Numbers
    """Per group."""
    paid: pa.ChunkedArray
    found: Mapping[Lever, pa.Table]
    """What levers find here in the log as it is; of a steady lever, in every state."""
    _children: dict[Lever, Growing] = field(default_factory=dict)
    _known: dict[Lever, _Known] = field(default_factory=dict)
    _memories: dict[Lever, _Memory | None] = field(default_factory=dict)
    _keys: dict[tuple[str, ...], Numbers] = field(default_factory=dict)
    _logged: dict[Lever, _Hits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._versions = Versions(self.rows)
        cost, known = _units(self.paid)
        self._cost, self._is_known = Growing(cost), Growing(known)

    # --- coalitions -------------------------------------------------------------------------------

    def trees(self, levers: Sequence[Lever], fixed: int = 0) -> list[Tree]:
        """Pull the levers, in this order, through every coalition of every group. A `fixed` one (bits) is in them all."""
        states: dict[int, _State] = {0: self._start()}
        left: list[tuple[int, _State]] = []
        for place, lever in enumerate(levers):
            self._grow(states, left, lever, 1 << place, keep=not fixed >> place & 1)
        return self._trees([*states.items(), *left])

    def _start(self) -> _State:
        return _State(np.ones(len(self.fold), bool), np.empty(0, np.int64))

    def _grow(
        self, states: dict[int, _State], left: list[tuple[int, _State]], lever: Lever, bit: int, *, keep: bool
    ) -> None:
        """Every state gets a child, of the groups in which the lever finds something. Without `keep` they move on to it."""
        parents = list(states.items())
        for (path, state), (sources, made) in zip(parents, self._pulled(lever, [s for _, s in parents]), strict=True):
            if not len(sources):
                continue
            hit = np.zeros(len(self.fold), bool)
            hit[self._group_of(sources)] = True
            is_hit = hit[self._group_of(state.changed)]
            states[path | bit] = _State(hit, self._after(state.changed[is_hit], sources, made))
            if not keep:
                left.append((path, _State(hit, state.changed[is_hit])))
                states[path] = _State(state.groups & ~hit, state.changed[~is_hit])

    def _after(self, changed: Numbers, sources: Numbers, made: Numbers) -> Numbers:
        """The changed versions of a state once some of its versions have become others."""
        became = np.full(len(self._versions), NONE)
        became[sources] = made
        now = became[changed]
        return np.concatenate([np.where(now == NONE, changed, now), made[sources < self.rows.num_rows]])

    def _group_of(self, versions: Numbers) -> Numbers:
        found: Numbers = self.group[self._versions.origin[versions]]
        return found

    # --- pulling a lever --------------------------------------------------------------------------

    def _pulled(self, lever: Lever, states: Sequence[_State]) -> list[tuple[Numbers, Numbers]]:
        """Of each state: the versions that the lever changes, and what they become."""
        if "request_id" in (lever.scope or ()):
            return self._each(lever, states)
        return [self._made(lever, self._together(lever, state)) for state in states]

    def _each(self, lever: Lever, states: Sequence[_State]) -> list[tuple[Numbers, Numbers]]:
        """A lever that judges each call by itself is asked about a version once."""
        child = self._children.setdefault(lever, Growing(np.empty(0, np.int64)))
        if not len(child):
            child.extend(np.full(self.rows.num_rows, NONE))
            sources, made = self._made(lever, self._as_logged(lever))
            child.now[sources] = made
        child.extend(np.full(len(self._versions) - len(child), UNKNOWN))
        derived = np.unique(np.concatenate([state.changed for state in states]))
        for versions in self._one_of_each_call(derived[child.now[derived] == UNKNOWN]):
            sources, made = self._made(lever, self._asked(lever, versions))
            child.extend(np.full(len(self._versions) - len(child), UNKNOWN))
            child.now[versions] = NONE
            child.now[sources] = made
        logged = np.flatnonzero(child.now[: self.rows.num_rows] >= 0)
        found = []
        for state in states:
            is_changed = self._is_changed(state)
            fresh = logged[state.groups[self.group[logged]] & ~is_changed[logged]]
            again = state.changed[child.now[state.changed] >= 0]
            sources = np.concatenate([again, fresh])
            found.append((sources, child.now[sources]))
        return found

    def _one_of_each_call(self, versions: Numbers) -> Iterable[Numbers]:
        """These versions in parts, so that a lever meets a call once. Calls that are not made any more are left out."""
        versions = versions[self._versions.billable[versions]]
        origin = self._versions.origin[versions]
        order = np.argsort(origin, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(origin[order]) != 0]) if len(order) else order
        lengths = np.diff(np.r_[starts, len(order)])
        nth = np.arange(len(order)) - np.repeat(starts, lengths)
        for number in range(int(lengths.max()) if len(lengths) else 0):
            yield versions[order[nth == number]]

    def _together(self, lever: Lever, state: _State) -> _Hits:
        """A lever that looks from call to call is asked again where one that it may look at has changed."""
        logged = self._as_logged(lever) if lever in self.found else None
        if logged is not None and not len(state.changed):
            return logged.among(state.groups[self.group[logged.versions]])
        asked = state.groups[self.group]
        keys = self._scope(lever)
        if logged is not None:
            dirty = np.zeros(int(keys.max()) + 1, bool)
            dirty[keys[self._versions.origin[state.changed]]] = True
            asked &= dirty[keys]
        version = np.arange(self.rows.num_rows)
        version[self._versions.origin[state.changed]] = state.changed
        again = self._asked(lever, version[asked])
        if logged is None:
            return again
        fresh = logged.among((state.groups[self.group] & ~asked)[logged.versions])
        return _Hits(np.concatenate([again.versions, fresh.versions]), _both(again.further, fresh.further))

    def _as_logged(self, lever: Lever) -> _Hits:
        """What the lever finds in the calls as logged."""
        if lever not in self._logged:
            self._logged[lever] = (
                self._placed(self.found[lever], np.arange(self.rows.num_rows))
                if lever in self.found
                else self._asked(lever, np.arange(self.rows.num_rows))
            )
        return self._logged[lever]

    def _asked(self, lever: Lever, versions: Numbers) -> _Hits:
        """Ask the lever about these versions, one of each call."""
        if lever.steady and lever in self.found:
            return self._steadily(lever, versions)
        memory = self._memory(lever)
        if memory is not None:
            return memory.hits(self._versions, versions)
        self.engine.put("replay_layer", self._versions.take(versions, self._read_by(lever)))
        return self._placed(
            self.engine.fetch(lever.hits(self.engine, self.sight.seen(lever, "replay_layer"))), versions
        )

    def _read_by(self, lever: Lever) -> list[str] | None:
        return None if lever.reads is None else list(dict.fromkeys(("request_id", "endpoint", *lever.reads)))

    def _steadily(self, lever: Lever, versions: Numbers) -> _Hits:
        logged = self._as_logged(lever)
        place = np.full(self.rows.num_rows, NONE)
        place[logged.versions] = np.arange(len(logged.versions))
        at = place[self._versions.origin[versions]]
        is_hit = (at >= 0) & self._versions.billable[versions]
        return _Hits(versions[is_hit], logged.further.take(pa.array(at[is_hit])))

    def _placed(self, hits: pa.Table, versions: Numbers) -> _Hits:
        """Hits by the numbers of these versions."""
        ids = self.rows["request_id"]
        if len(versions) < len(ids):
            ids = ids.take(pa.array(self._versions.origin[versions]))
        at = pc.index_in(hits["request_id"], value_set=ids.combine_chunks())
        return _Hits(versions[at.to_numpy(zero_copy_only=False)], hits.drop_columns(["request_id"]))

    def _memory(self, lever: Lever) -> _Memory | None:
        """Answers without the engine, where the lever has them and nothing that they take for fixed has changed."""
        if lever not in self._memories:
            made = lever.in_memory(self.engine, self.rows)
            self._memories[lever] = None if made is None else _Memory(made, self._seen(lever))
        memory = self._memories[lever]
        return memory if memory is None or memory.holds(self._versions) else None

    def _seen(self, lever: Lever) -> Bools:
        """The calls that the lever gets to see."""
        if lever.endpoints is None and lever.name not in self.sight.declined:
            return np.ones(self.rows.num_rows, bool)
        self.engine.put("replay_layer", self.rows.select(["request_id", "endpoint"]))
        ids = self.engine.fetch(self.sight.seen(lever, "replay_layer"))["request_id"]
        seen: Bools = pc.is_in(self.rows["request_id"], ids.combine_chunks()).to_numpy()
        return seen

    def _scope(self, lever: Lever) -> Numbers:
        """Which calls the lever looks at together, by number: where no column says so, those of a group."""
        scope = lever.scope or ()
        if not scope:
            return self.group
        if scope not in self._keys:
            keys = np.zeros(self.rows.num_rows, np.int64)
            for name in scope:
                _, keys = np.unique(keys * (self.rows.num_rows + 1) + _coded(self.rows[name]), return_inverse=True)
            self._keys[scope] = keys
        return self._keys[scope]

    def _is_changed(self, state: _State) -> Bools:
        found = np.zeros(self.rows.num_rows, bool)
        found[self._versions.origin[state.changed]] = True
        return found

    # --- making versions --------------------------------------------------------------------------

    def _made(self, lever: Lever, hits: _Hits) -> tuple[Numbers, Numbers]:
        """The versions that hits become: those made before, where the lever has said the same of the same version."""
        known = self._known.setdefault(lever, _Known())
        made = known.same(hits, len(self._versions))
        new = np.flatnonzero(made == NONE)
        for first in range(0, len(new), AT_ONCE):
            at = new[first : first + AT_ONCE]
            made[at] = self._changed_by(lever, hits.versions[at], hits.further.take(pa.array(at)))
        known.remember(hits, made)
        return hits.versions, made

    def _changed_by(self, lever: Lever, versions: Numbers, further: pa.Table) -> Numbers:
        touched = self._versions.take(versions)
        for name in further.column_names:
            touched = touched.append_column(further.schema.field(name), further[name])
        [batch] = touched.combine_chunks().to_batches()
        return self._versions.add(versions, batch, changed_as(lever, self.columns, batch))

    # --- money ------------------------------------------------------------------------------------

    def _saved(self) -> Numbers:
        """What each version saves against the call as logged, in UNITs: 0 where the log does not tell its cost.

        A version whose cost nobody knows keeps that of the version it was made from.
        """
        for first in range(len(self._cost), len(self._versions), AT_ONCE):
            self._price(np.arange(first, min(first + AT_ONCE, len(self._versions))))
        cost, known, origin = self._cost.now, self._is_known.now, self._versions.origin
        saved: Numbers = np.where(known[origin], cost[origin] - cost, 0)
        return saved

    def _price(self, versions: Numbers) -> None:
        """Work out what these versions cost: nothing, where the call is not made."""
        cost, is_known = np.zeros(len(versions), np.int64), ~self._versions.billable[versions]
        asked = np.flatnonzero(~is_known)
        if len(asked):
            table = self._versions.take(versions[asked], list(pricing.READS))
            at = table.schema.get_field_index("request_id")
            numbers = pa.array(np.arange(len(asked))).cast(pa.string())
            self.engine.put("replay_versions", table.set_column(at, "request_id", numbers))
            usd = pricing.price_usage(self.engine, "replay_versions", "replay_versions_usd", self.book)
            priced = self.engine.fetch(usd).select(["request_id", "cost_usd"])
            order = np.argsort(priced["request_id"].cast(pa.int64()).to_numpy())
            units, told = _units(priced["cost_usd"])
            cost[asked], is_known[asked] = units[order], told[order]
        self._cost.extend(cost)
        self._is_known.extend(is_known)
        source = unknown = versions[~is_known]
        while (is_new := ~self._is_known.now[source] & (source >= versions[0])).any():
            source = np.where(is_new, self._versions.before[source], source)
        self._cost.now[unknown] = self._cost.now[source]

    # --- orders -----------------------------------------------------------------------------------

    def totals(self, levers: Sequence[Lever], orders: Iterable[Sequence[int]]) -> list[int]:
        """What the levers save together in each order, in UNITs."""
        known: dict[tuple[int, ...], _State] = {(): self._start()}
        asked = [tuple(order) for order in orders]
        for order in asked:
            for length in range(1, len(order) + 1):
                if order[:length] not in known:
                    state = known[order[: length - 1]]
                    [(sources, made)] = self._pulled(levers[order[length - 1]], [state])
                    known[order[:length]] = _State(state.groups, self._after(state.changed, sources, made))
        saved = self._saved()
        return [_whole(saved[known[order].changed]) for order in asked]

    # --- trees ------------------------------------------------------------------------------------

    def _trees(self, states: Sequence[tuple[int, _State]]) -> list[Tree]:
        """Groups whose trees have the same paths, added up."""
        saved = self._saved()
        paths = sorted({path for path, _ in states})
        there = np.zeros((len(paths), len(self.fold)), bool)
        for path, state in states:
            there[paths.index(path)] |= state.groups
        kinds, kind = np.unique(np.packbits(there, axis=0), axis=1, return_inverse=True)
        kind = kind.reshape(-1)
        folds = int(self.fold.max()) + 1 if len(self.fold) else 1
        place = kind * folds + self.fold
        sums = {path: np.zeros((2, kinds.shape[1] * folds)) for path in paths}
        for path, state in states:
            amounts = saved[state.changed]
            at = place[self._group_of(state.changed)]
            for row, part in enumerate(np.divmod(amounts, MILLION)):
                sums[path][row] += np.bincount(at, part, len(sums[path][row]))
        found = []
        used = np.bincount(place, minlength=kinds.shape[1] * folds)
        for number in range(kinds.shape[1]):
            shape = np.unpackbits(kinds[:, number], count=len(paths)).astype(bool)
            own = [path for path, is_there in zip(paths, shape, strict=True) if is_there]
            saving = {
                at: {path: _sum(sums[path][:, number * folds + at]) for path in own}
                for at in range(folds)
                if used[number * folds + at]
            }
            found.append(Tree(frozenset(own), saving))
        return found


@dataclass(frozen=True)
class _Hits:
    """Versions that a lever finds, and what it says of each."""

    versions: Numbers
    further: pa.Table

    def among(self, wanted: Bools) -> _Hits:
        return _Hits(self.versions[wanted], self.further.filter(pa.array(wanted)))


@dataclass
class _Memory:
    """What answers for a lever without the engine, and the calls that it sees."""

    made: InMemory
    seen: Bools
    learned: int = 0

    def holds(self, versions: Versions) -> bool:
        return not versions.changed & set(self.made.logged)

    def hits(self, versions: Versions, asked: Numbers) -> _Hits:
        new = np.arange(self.learned, len(versions))
        if len(new):
            self.made.learn(versions.origin[new], versions.take(new, self.made.changing))
            self.learned = len(versions)
        own = asked[self.seen[versions.origin[asked]]]
        at, further = self.made.hits(own)
        return _Hits(own[at], further)


@dataclass
class _Known:
    """What a lever has last said of each version, and what came of it."""

    latest: Growing = field(default_factory=lambda: Growing(np.empty(0, np.int64)))
    said: list[Growing] = field(default_factory=list)
    made: Growing = field(default_factory=lambda: Growing(np.empty(0, np.int64)))
    words: list[dict[Any, int]] = field(default_factory=list)
    _now: list[Numbers] = field(default_factory=list)

    def same(self, hits: _Hits, versions: int) -> Numbers:
        """What each of them became when the lever said the same of it; NONE: it has not."""
        self.latest.extend(np.full(max(0, versions - len(self.latest)), NONE))
        while len(self.words) < hits.further.num_columns:
            self.words.append({})
            self.said.append(Growing(np.empty(0, np.int64)))
        self._now = [_worded(column, words) for column, words in zip(hits.further.columns, self.words, strict=True)]
        slot = self.latest.now[hits.versions]
        is_same = slot >= 0
        for column, said in zip(self._now, self.said, strict=True):
            is_same[is_same] = said.now[slot[is_same]] == column[is_same]
        found = np.full(len(slot), NONE)
        found[is_same] = self.made.now[slot[is_same]]
        return found

    def remember(self, hits: _Hits, made: Numbers) -> None:
        first = len(self.made)
        self.latest.now[hits.versions] = first + np.arange(len(made))
        self.made.extend(made)
        for column, said in zip(self._now, self.said, strict=True):
            said.extend(column)


def _worded(column: pa.ChunkedArray, words: dict[Any, int]) -> Numbers:
    """Whole numbers as they are, anything else by a number of its own."""
    if pa.types.is_integer(column.type) and not column.null_count:
        values: Numbers = column.to_numpy(zero_copy_only=False).astype(np.int64)
        return values
    coded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    numbers = [words.setdefault(word, -1 - len(words)) for word in coded.dictionary.to_pylist()]
    return (
        np.array(numbers, np.int64)[coded.indices.to_numpy(zero_copy_only=False)] if numbers else np.empty(0, np.int64)
    )


def _coded(column: pa.ChunkedArray) -> Numbers:
    _, codes = np.unique(_worded(column, {}), return_inverse=True)
    return codes


def _both(first: pa.Table, second: pa.Table) -> pa.Table:
    return pa.concat_tables([first, second.select(first.column_names).cast(first.schema)])


def _sum(parts: npt.NDArray[np.float64]) -> int:
    return int(parts[0]) * MILLION + int(parts[1])


def _whole(amounts: Numbers) -> int:
    large, small = np.divmod(amounts, MILLION)
    return int(large.sum()) * MILLION + int(small.sum())


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
