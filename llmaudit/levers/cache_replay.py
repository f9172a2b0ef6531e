"""The replay of provider caches in memory, for calls that are asked about in many states.

Says what cache_touches.sql, cache_policies.sql and prompt_caching.sql say, to the last token. What no lever changes (when a
call was made, the openings of its prompt) is sorted once; a state costs a few passes over the openings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.levers.cache_policies import Policy
from llmaudit.pricing import caching

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
SECOND_US = 1_000_000
KINDS = ("base", "short", "long", "short_common", "long_common", "shared", "common")
"""How far a prompt reaches, in seven ways: the columns `<kind>_tokens` of cache_touches.sql."""
COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens")
FOUND = pa.schema([(name, pa.int64()) for name in ("new_read_tokens", "new_write_tokens", "new_write_long_tokens")])

Choose = Callable[[Mapping[str, Any]], Policy | None]
"""The policy for one provider, endpoint and model, from its row of cache_policies.sql."""


@dataclass
class CacheReplay:
    """The openings of some calls, and every version of these calls that it has been told of."""

    logged: ClassVar[tuple[str, ...]] = (
        "started_at",
        "first_token_ms",
        "duration_ms",
        "account_id",
        "endpoint",
        "prompt_hash",
        "template_hash",
    )
    changing: ClassVar[tuple[str, ...]] = ("provider", "model", "region", "billable", "prompt_bytes", *COUNTS)

    choose: Choose
    common_calls: int
    calls: pa.Table
    """In the order of request_id."""
    nodes: pa.Table
    sizes: pa.Table
    breaks: pa.Table
    _names: dict[tuple[str | None, ...], int] = field(default_factory=dict)
    _scopes: dict[tuple[str | None, ...], int] = field(default_factory=dict)
    _places: dict[tuple[str | None, ...], int] = field(default_factory=dict)
    _choices: dict[tuple[int, ...], tuple[str, str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._when()
        self._lie()
        self._count: dict[str, Ints] = {name: np.empty(0, np.int64) for name in COUNTS}
        self._origin = self._name = np.empty(0, np.int64)
        self._is_made = np.empty(0, bool)
        """Billable, and with the prompt that its hash names."""
        self._sorted: tuple[Ints, Ints, Ints] | None = None

    # --- what does not change -----------------------------------------------------------------------

    def _when(self) -> None:
        """When each call was made, and in which order calls begin and have begun to answer."""
        calls = self.calls
        self.started = _ints(pc.cast(calls["started_at"], pa.timestamp("us")).cast(pa.int64()))
        wait = pc.coalesce(calls["first_token_ms"], calls["duration_ms"], pa.scalar(0.0))
        wait_ms = np.maximum(wait.to_numpy(zero_copy_only=False).astype(np.float64), 0)
        order = np.argsort(self.started, kind="stable")
        self.rank = np.empty(len(order), np.int64)
        self.rank[order] = np.arange(len(order))
        self.started_by_rank = self.started[order]
        at = np.concatenate([self.started, self.started + _rounded(1000 * wait_ms)])
        self.moment = np.empty(len(at), np.int64)
        self.moment[np.lexsort((np.concatenate([2 * self.rank, 2 * self.rank + 1]), at))] = np.arange(len(at))

    def _lie(self) -> None:
        """Which openings each call has (by call), and the one it would have if what breaks it came last."""
        prompts = _ints(self.calls["prompt_hash"].fill_null(0))
        known = pc.is_valid(self.calls["prompt_hash"]).to_numpy(zero_copy_only=False)
        sized, chain = _by_key(_ints(self.sizes["prompt_hash"]), _ints(self.sizes["chain_bytes"]))
        self.chain_bytes = np.where(known, _looked_up(sized, chain, prompts), 0)
        owners, at = _matches(_ints(self.nodes["prompt_hash"]), prompts, known & (self.chain_bytes > 0))
        nodes, ends = _ints(self.nodes["node_hash"])[at], _ints(self.nodes["opening_bytes"])[at]
        parts = [(owners, nodes, ends, np.full(len(owners), -1))]
        self._models: dict[str, int] = {}
        for row in self.breaks.select(["endpoint", "model", "template_hash", "node_hash", "static_bytes"]).to_pylist():
            mine = np.flatnonzero(self._broken(row) & (self.chain_bytes > 0))
            model = self._models.setdefault(row["model"], len(self._models))
            ends = np.minimum(row["static_bytes"], self.chain_bytes[mine])
            parts.append((mine, np.full(len(mine), row["node_hash"]), ends, np.full(len(mine), model)))
        owners, nodes, ends, models = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.argsort(owners, kind="stable")
        self.owner, self.end, self.mended_for = owners[order], ends[order], models[order]
        _, self.node = np.unique(nodes[order], return_inverse=True)
        self.first = np.flatnonzero(np.r_[True, np.diff(self.owner) != 0]) if len(owners) else np.empty(0, np.int64)

    def _broken(self, row: Mapping[str, Any]) -> Bools:
        """The calls that a break is of, whatever their model."""
        endpoint = self.calls["endpoint"]
        mine = (
            pc.is_null(endpoint)
            if row["endpoint"] is None
            else pc.fill_null(pc.equal(endpoint, row["endpoint"]), False)
        )
        if row["template_hash"] is not None:
            same = pc.fill_null(pc.equal(self.calls["template_hash"], row["template_hash"]), False)
            mine = pc.and_(mine, same)
        found: Bools = mine.to_numpy(zero_copy_only=False)
        return found

    # --- versions -----------------------------------------------------------------------------------

    def learn(self, origin: Ints, versions: pa.Table) -> None:
        """Take in further versions, in the order of their numbers: of which call, with `changing`."""
        logged = self.calls.select(["account_id", "endpoint"]).take(pa.array(origin))
        columns = [versions["provider"], versions["model"], versions["region"], *logged.columns]
        first = not len(self._origin)
        self._origin = np.concatenate([self._origin, origin])
        self._name = np.concatenate([self._name, _numbered(columns, self._names)])
        made = pc.and_(pc.fill_null(versions["billable"], False), pc.is_valid(versions["prompt_bytes"]))
        self._is_made = np.concatenate([self._is_made, made.to_numpy(zero_copy_only=False)])
        for name in COUNTS:
            self._count[name] = np.concatenate([self._count[name], _ints(versions[name].fill_null(0))])
        self._describe()
        if first:
            self._settle()

    def _describe(self) -> None:
        """What is true of every provider, model, region, account and endpoint met so far."""
        names = list(self._names)
        rules = [caching.rule_for(provider, model) for provider, model, *_ in names]
        told = [rule if rule is not None and rule.is_replayable else None for rule in rules]
        self._is_ruled = np.array([rule is not None for rule in told], bool)
        self._least = np.array([(rule.min_tokens or 0) if rule else 0 for rule in told], np.int64)
        self._step = np.array([(rule.increment_tokens or 1) if rule else 1 for rule in told], np.int64)
        self._short_us = np.array([_us(rule.short_seconds) if rule else -1 for rule in told], np.int64)
        self._long_us = np.array([_us(rule.long_seconds) if rule else -1 for rule in told], np.int64)
        self._scope = np.array([_number(self._scopes, (p, m, r, a)) for p, m, r, a, _ in names], np.int64)
        self._place = np.array([_number(self._places, (p, e, m)) for p, m, _, _, e in names], np.int64)
        self._model = np.array([self._models.get(m or "", -2) for _, m, *_ in names], np.int64)

    # --- one state ----------------------------------------------------------------------------------

    def hits(self, versions: Ints) -> tuple[Ints, pa.Table]:
        """Which of these versions (places), one of each call, are hit, and the further columns of prompt_caching.sql."""
        version = np.full(len(self.started), -1)
        version[self._origin[versions]] = np.arange(len(versions))
        name = self._name[versions]
        tokens = self._count["input_tokens"][versions]
        origin = self._origin[versions]
        covered = self._is_made[versions] & self._is_ruled[name] & (tokens > 0) & (self.chain_bytes[origin] > 0)
        there = np.flatnonzero(covered)
        if not len(there):
            return there, FOUND.empty_table()
        of_call = np.full(len(self.started), -1)
        of_call[origin[there]] = name[there]
        bytes_by_call = self._reached(of_call)
        own, calls = name[there], origin[there]
        count = {kind: _tokens(tokens[there], bytes_by_call[kind][calls], self.chain_bytes[calls]) for kind in KINDS}
        for kind in KINDS:
            whole = count[kind] if kind in ("shared", "common") else count[kind] - count[kind] % self._step[own]
            count[kind] = np.where(count[kind] < self._least[own], 0, whole)
        count |= {"input": tokens[there]}
        count |= {
            kind: self._count[f"cache_{kind}_tokens"][versions[there]] for kind in ("read", "write", "write_long")
        }
        places, new = self._changed(self._place[own], count)
        return there[places], new

    def _reached(self, of_call: Ints) -> dict[str, Ints]:
        """How many bytes of each call's prompt others have touched. `of_call` has its name, or -1 where it is not there."""
        name = of_call[self.owner]
        live = (name >= 0) & ((self.mended_for < 0) | (self.mended_for == self._model[name]))
        opening, is_there, segment = self._moments(live, self._scope[name])
        gap, is_common = np.full(len(live), NEVER), np.zeros(len(live), bool)
        if len(opening):
            new = np.r_[True, segment[1:] != segment[:-1]]
            number = np.cumsum(new) - 1
            bits = len(self.started).bit_length()
            marks = (number << bits) | np.where(is_there, self.rank[self.owner[opening]] + 1, 0)
            asked = ~is_there
            earlier = (np.maximum.accumulate(marks)[asked] & ((1 << bits) - 1)) - 1
            at = opening[asked]
            since = self.started[self.owner[at]] - self.started_by_rank[earlier]
            gap[at] = np.where(earlier >= 0, since, NEVER)
            is_common[at] = (np.bincount(number[is_there], minlength=number[-1] + 1) >= self.common_calls)[
                number[asked]
            ]
        in_short, in_long = gap <= self._short_us[name], gap <= self._long_us[name]
        masks = [live & (self.mended_for < 0) & in_short, live & in_short, live & in_long]
        masks += [masks[1] & is_common, masks[2] & is_common, live, live & is_common]
        return {kind: self._furthest(mask) for kind, mask in zip(KINDS, masks, strict=True)}

    def _furthest(self, mask: Bools) -> Ints:
        """Of each call, where the longest of these openings ends."""
        found = np.zeros(len(self.started), np.int64)
        if len(self.first):
            found[self.owner[self.first]] = np.maximum.reduceat(np.where(mask, self.end, 0), self.first)
        return found

    def _moments(self, live: Bools, scope: Ints) -> tuple[Ints, Bools, Ints]:
        """Openings in the order they are asked for and there, those of one node and scope together: opening, is there, segment."""
        scopes = len(self._scopes)
        if self._sorted is None or not np.array_equal(self._sorted[2][live], scope[live]):
            return self._sort(np.flatnonzero(live), scope, scopes)
        entry, segment, _ = self._sorted
        kept = live[entry >> 1]
        return entry[kept] >> 1, (entry[kept] & 1).astype(bool), segment[kept]

    def _settle(self) -> None:
        """Sort once by the scopes of the versions met first: states in which they are the same need no sorting."""
        of_call = np.zeros(len(self.started), np.int64)
        of_call[self._origin] = self._name
        scope = self._scope[of_call[self.owner]]
        opening, is_there, segment = self._sort(np.arange(len(self.owner)), scope, len(self._scopes))
        self._sorted = ((opening << 1) | is_there, segment, scope)

    def _sort(self, opening: Ints, scope: Ints, scopes: int) -> tuple[Ints, Bools, Ints]:
        calls = len(self.started)
        bits = (2 * calls).bit_length()
        segment = self.node[opening] * scopes + scope[opening]
        owner = self.owner[opening]
        keys = np.concatenate([(segment << bits) | self.moment[owner], (segment << bits) | self.moment[calls + owner]])
        order = np.argsort(keys)
        is_there = order >= len(opening)
        return opening[order % max(1, len(opening))], is_there, keys[order] >> bits

    # --- what is chosen -----------------------------------------------------------------------------

    def _changed(self, place: Ints, count: Mapping[str, Ints]) -> tuple[Ints, pa.Table]:
        """The calls whose reads or writes the chosen policies change."""
        read, base = count["read"], count["base"]
        choices = self._chosen(place, count)
        life, writes, share = (np.array(part) for part in zip(*choices, strict=True))
        is_long, writes, share = (life == "long")[place], writes[place], share[place]
        reach = _rounded(share * np.where(is_long, count["long"], count["short"]))
        common = _rounded(share * np.where(is_long, count["long_common"], count["short_common"]))
        more = np.maximum(read, reach)
        new_read = np.select(
            [writes == "nothing", writes == "common", writes == "free", writes == "free_gain"],
            [0, common, more, np.where(reach > base, more, read)],
            reach,
        )
        new_write = np.select(
            [writes == "everything", writes == "shared", writes == "common"],
            [
                count["input"] - reach,
                np.maximum(count["shared"] - reach, 0),
                np.maximum(count["common"] - common, 0),
            ],
            0,
        )
        new_long = np.where(is_long, new_write, 0)
        differs = (new_read != read) | (new_write != count["write"]) | (new_long != count["write_long"])
        at = np.flatnonzero((writes != "") & differs)
        return at, pa.table([new_read[at], new_write[at], new_long[at]], schema=FOUND)

    def _chosen(self, place: Ints, count: Mapping[str, Ints]) -> Sequence[tuple[str, str, float]]:
        """Life, writes and hit share for every place; empty where nothing is to be changed."""
        sums = _totals(place, count, len(self._places))
        requests = np.bincount(place, minlength=len(self._places))
        return [
            self._choice(at, requests[at], {name: int(values[at]) for name, values in sums.items()})
            for at in range(len(self._places))
        ]

    def _choice(self, at: int, requests: int, totals: Mapping[str, int]) -> tuple[str, str, float]:
        key = (at, *totals.values())
        if key not in self._choices:
            self._choices[key] = self._asked(at, int(requests), totals)
        return self._choices[key]

    def _asked(self, at: int, requests: int, totals: Mapping[str, int]) -> tuple[str, str, float]:
        if not requests:
            return "", "", 1.0
        provider, endpoint, model = list(self._places)[at]
        row = {"provider": provider, "endpoint": endpoint, "model": model, "requests": requests, **totals}
        way = self.choose(row)
        return ("", "", 1.0) if way is None else (way.life, way.writes, way.hit_share)


def _totals(place: Ints, count: Mapping[str, Ints], places: int) -> dict[str, Ints]:
    """The sums of cache_policies.sql."""
    read, short, long, base = (count[kind] for kind in ("read", "short", "long", "base"))
    zero = 0
    amounts = {f"{kind}_tokens": amount for kind, amount in count.items()}
    amounts |= {
        "short_best_tokens": np.maximum(read, short),
        "long_best_tokens": np.maximum(read, long),
        "short_gained_tokens": np.where(short > base, np.maximum(read, short), read),
        "long_gained_tokens": np.where(long > base, np.maximum(read, long), read),
        "short_missed_tokens": np.maximum(count["shared"] - short, zero),
        "long_missed_tokens": np.maximum(count["shared"] - long, zero),
        "short_common_missed_tokens": np.maximum(count["common"] - count["short_common"], zero),
        "long_common_missed_tokens": np.maximum(count["common"] - count["long_common"], zero),
    }
    return {name: np.bincount(place, amount, places).astype(np.int64) for name, amount in amounts.items()}


def _tokens(input_tokens: Ints, part_bytes: Ints, chain_bytes: Ints) -> Ints:
    """Tokens of an opening: the call's input tokens by share of bytes."""
    return _rounded(input_tokens * part_bytes / chain_bytes)


def _rounded(values: npt.NDArray[np.float64]) -> Ints:
    """Halves up, as SQL rounds what is not negative."""
    return np.floor(values + 0.5).astype(np.int64)


def _us(seconds: int | None) -> int:
    return -1 if seconds is None else seconds * SECOND_US


def _number(known: dict[tuple[str | None, ...], int], key: tuple[str | None, ...]) -> int:
    return known.setdefault(key, len(known))


def _numbered(columns: Sequence[pa.ChunkedArray], known: dict[tuple[str | None, ...], int]) -> Ints:
    """A number for what stands in these columns, the same each time."""
    codes, words = np.zeros(len(columns[0]), np.int64), []
    for column in columns:
        coded = pc.dictionary_encode(column.combine_chunks())
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        own = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        words.append([None, *coded.dictionary.to_pylist()])
        codes = codes * len(words[-1]) + own
    found, inverse = np.unique(codes, return_inverse=True)
    numbers = []
    for code in found.tolist():
        key: list[str | None] = []
        for own_words in reversed(words):
            code, at = divmod(code, len(own_words))  # noqa: PLW2901
            key.insert(0, own_words[at])
        numbers.append(_number(known, tuple(key)))
    return np.array(numbers, np.int64)[inverse] if len(found) else codes


def _by_key(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    order = np.argsort(keys, kind="stable")
    return keys[order], values[order]


def _looked_up(keys: Ints, values: Ints, asked: Ints) -> Ints:
    """Values by sorted keys; 0 where there is none."""
    if not len(keys):
        return np.zeros(len(asked), np.int64)
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[at] == asked, values[at], 0)


def _matches(keys: Ints, asked: Ints, wanted: Bools) -> tuple[Ints, Ints]:
    """All pairs of a wanted place in `asked` and a place in `keys` that are equal."""
    order = np.argsort(keys, kind="stable")
    places = np.flatnonzero(wanted)
    low, high = (np.searchsorted(keys[order], asked[places], side) for side in ("left", "right"))
    lengths = high - low
    owners = np.repeat(places, lengths)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return owners, order[np.repeat(low, lengths) + within]


def _ints(column: pa.ChunkedArray) -> Ints:
    values: Ints = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return values
