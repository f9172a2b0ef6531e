"""Pulling levers on the whole log, in the engine. What a lever need not look at again is not looked at again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial

import pyarrow as pa

from llmaudit import pricing, queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.levers.base import SCOPES, Lever
from llmaudit.pricing.charges import Charged, priced_charges
from llmaudit.replay.floors import Shift
from llmaudit.schema import USD

ZERO = Decimal(0)
PAID = pa.schema([("request_id", pa.string()), ("cost_usd", USD)])
MOVED = pa.schema(
    [
        ("request_id", pa.string()),
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("day", pa.date32()),
        ("block", pa.string()),
        ("before_usd", USD),
        ("after_usd", USD),
    ]
)
"""A touched call, by the endpoint, model and day the log has for it, and what it cost before and after."""


@dataclass(frozen=True)
class Saved:
    """What one lever saved on one endpoint and model in one block of one day: US dollars before and after, calls touched."""

    endpoint: str | None
    model: str | None
    day: date
    block: str
    requests: int
    before_usd: Decimal | None
    after_usd: Decimal | None
    saving_usd: Decimal


@dataclass(frozen=True)
class Pull:
    """One lever pulled on one state of the log."""

    saved: tuple[Saved, ...] = ()
    charged: tuple[Charged, ...] = ()
    after: str | None = None
    """The touched calls as they would have been, in the columns of usage; None where the lever found none."""
    moved: str | None = None
    """The touched calls and their money: MOVED."""
    shifts: tuple[Shift, ...] = ()
    """Whose bill goes up and whose down; left out where no contract asks."""

    @property
    def avoided_usd(self) -> Decimal:
        return sum((row.saving_usd for row in self.saved), ZERO)

    @property
    def charges_usd(self) -> Decimal:
        return sum((row.cost_usd for row in self.charged if row.cost_usd is not None), ZERO)

    @property
    def saving_usd(self) -> Decimal:
        """Net of what the lever itself costs to run."""
        return self.avoided_usd - self.charges_usd


_NOTHING = Pull()
NO_CALLS, _NO_MOVES = "replay_no_calls", "replay_no_moves"


@dataclass(frozen=True)
class _State:
    """What earlier levers have changed: those calls, and what each of them costs now."""

    changed: str
    money: str


@dataclass
class Log:
    """A usage table and its priced form (`money`, which may hold further calls), and what was pulled on it.

    `by_day` says whether the bootstrap draws days, or sessions and users.
    """

    engine: Engine
    book: pricing.Book
    usage: str
    money: str
    by_day: bool = True
    has_contract: bool = False
    """Whether it matters whose bill goes down."""
    sight: Sight = field(init=False)
    _alone: dict[Lever, Pull] = field(default_factory=dict)
    _found: dict[Lever, str] = field(default_factory=dict)
    _scopes: dict[tuple[str, ...], str] = field(default_factory=dict)
    _apart: dict[Lever, str | None] = field(default_factory=dict)
    _columns: pa.Schema | None = None

    def __post_init__(self) -> None:
        self.sight = Sight(self.engine)

    @property
    def columns(self) -> pa.Schema:
        """The columns of usage."""
        if self._columns is None:
            empty = queries.run(self.engine, "no_rows", into="no_rows", rows=self.usage)
            self._columns = self.engine.fetch(empty).schema
        return self._columns

    def alone(self, lever: Lever) -> Pull:
        """The lever pulled on the log as it is."""
        if lever not in self._alone:
            self._keep_hits(lever)
            name = f"replay_{lever.name}_{len(self._alone)}"
            pull = self._pulled(lever, self.usage, self.money, name)
            if pull.moved:
                pull = replace(pull, saved=self._saved(pull.moved), shifts=self._shifts(pull, self.usage))
            self._alone[lever] = pull
        return self._alone[lever]

    def decline(self, sites: Mapping[str, Sequence[tuple[str | None, str | None]]]) -> None:
        """Lever -> endpoints and models, as logged, whose calls it is not pulled on from now on."""
        tables = {}
        for lever, places in sites.items():
            endpoints, models = zip(*places, strict=True)
            declined = pa.table({"endpoint": pa.array(endpoints, pa.string()), "model": pa.array(models, pa.string())})
            self.engine.put("replay_declined_sites", declined)
            tables[lever] = queries.run(
                self.engine,
                "replay_declined",
                into=f"replay_declined_{lever}",
                usage=self.usage,
                declined="replay_declined_sites",
            )
        self.sight = Sight(self.engine, tables)

    def declined(self, lever: Lever) -> Pull:
        """What the lever would save on the calls that it is not pulled on."""
        if lever.name not in self.sight.declined:
            return _NOTHING
        calls = queries.run(self.engine, "replay_only", usage=self.usage, listed=self.sight.declined[lever.name])
        whole = Log(self.engine, self.book, self.usage, self.money, self.by_day)
        pull = whole._pulled(lever, calls, self.money, f"replay_declined_{lever.name}")
        return replace(pull, saved=self._saved(pull.moved)) if pull.moved else pull

    def in_order(self, levers: Sequence[Lever], name: str) -> Iterator[Pull]:
        """Each lever pulled on what the ones before it have left. `name` begins the names of the tables that stay."""
        state: _State | None = None
        for place, lever in enumerate(levers):
            pull, state = self._next(state, lever, f"{name}_{place}", last=place == len(levers) - 1)
            yield pull

    def scopes(self, lever: Lever) -> str | None:
        """A table that says which calls the lever looks at together; None where it looks at each by itself."""
        scope = lever.scope if lever.scope is not None else ()
        if "request_id" in scope:
            return None
        own = self.own_scopes(lever)
        if own is not None:
            return own
        if scope not in self._scopes:
            flags = {name: name in scope for name in SCOPES if name != "request_id"}
            self._scopes[scope] = queries.run(
                self.engine, "replay_scopes", into=f"replay_scopes_{len(self._scopes)}", params=flags, usage=self.usage
            )
        return self._scopes[scope]

    def own_scopes(self, lever: Lever) -> str | None:
        """The same for a lever that says by a table of its own how far it looks."""
        if lever.scope is not None:
            return None
        if lever not in self._apart:
            self._apart[lever] = lever.together(self.engine, self.usage)
        return self._apart[lever]

    def found_in(self, changed: str, lever: Lever) -> str | None:
        """What the lever finds where these calls have changed and it finds nothing in the log as it is. None: nothing can be."""
        if lever.steady and lever in self._found:
            return None
        scopes = self.scopes(lever)
        if scopes is not None:
            changed = queries.run(self.engine, "replay_dirty", usage=self.usage, changed=changed, scopes=scopes)
        return lever.hits(self.engine, self.sight.seen(lever, changed))

    def _next(self, state: _State | None, lever: Lever, name: str, *, last: bool) -> tuple[Pull, _State | None]:
        alone = self.alone(lever)
        if state is None:
            return alone, None if last or alone.moved is None else self._left(self._start(), _NOTHING, alone)
        dirty, dirty_money = self._dirty(state, lever)
        again = self._pulled(lever, dirty, dirty_money, "replay_again")
        fresh = self._rest(alone, dirty)
        if again.moved is None and fresh.moved is None:
            return again, state
        moved = queries.run(
            self.engine,
            "replay_both",
            into=f"{name}_moved",
            first=again.moved or _NO_MOVES,
            second=fresh.moved or _NO_MOVES,
        )
        shifts = (*self._shifts(again, dirty), *self._shifts(fresh, self.usage))
        pull = Pull(self._saved(moved), again.charged, None, moved, shifts)
        return pull, state if last else self._left(state, again, fresh)

    def no_calls(self) -> str:
        self.engine.put(NO_CALLS, self.columns.empty_table())
        return NO_CALLS

    def _start(self) -> _State:
        """Nothing has changed yet."""
        self.no_calls()
        self.engine.put(_NO_MOVES, MOVED.empty_table())
        self.engine.put("replay_no_money", PAID.empty_table())
        return _State(NO_CALLS, "replay_no_money")

    def _dirty(self, state: _State, lever: Lever) -> tuple[str, str]:
        """The calls that the lever may judge otherwise than in the log as it is, and their money."""
        scopes = self.scopes(lever)
        if _charges(lever):
            scopes = self._whole()
        if scopes is None:
            return state.changed, state.money
        dirty = queries.run(self.engine, "replay_dirty", usage=self.usage, changed=state.changed, scopes=scopes)
        money = queries.run(self.engine, "replay_dirty_money", dirty=dirty, money=self.money, changed_money=state.money)
        return dirty, money

    def _whole(self) -> str:
        """The scope that holds every call: what running a lever costs may depend on all of them."""
        flags = dict.fromkeys((name for name in SCOPES if name != "request_id"), False)
        return queries.run(self.engine, "replay_scopes", into="replay_whole", params=flags, usage=self.usage)

    def _rest(self, alone: Pull, dirty: str) -> Pull:
        """What the lever does to the log as it is, without the calls that it has to look at again."""
        if alone.moved is None or alone.after is None:
            return _NOTHING
        moved, after = (
            queries.run(self.engine, "replay_rest", into=f"replay_rest_{kind}", pulled=pulled, dirty=dirty)
            for kind, pulled in (("moved", alone.moved), ("after", alone.after))
        )
        return Pull(after=after, moved=moved)

    def _left(self, state: _State, again: Pull, fresh: Pull) -> _State:
        """Two tables take turns: the next state is made from the one before it."""
        into = "replay_state_b" if state.changed == "replay_state_a" else "replay_state_a"
        changed = queries.run(
            self.engine,
            "replay_left",
            into=into,
            changed=state.changed,
            again=again.after or NO_CALLS,
            fresh=fresh.after or NO_CALLS,
        )
        money = queries.run(
            self.engine,
            "replay_left_money",
            into=f"{into}_money",
            changed_money=state.money,
            again=again.moved or _NO_MOVES,
            fresh=fresh.moved or _NO_MOVES,
        )
        return _State(changed, money)

    def _pulled(self, lever: Lever, usage: str, money: str, name: str) -> Pull:
        """What the lever does to these calls; without sums."""
        seen = self.sight.seen(lever, usage)
        hits = self._hits(lever, seen, as_logged=usage == self.usage)
        charged = priced_charges(self.engine, lever.charges(self.engine, seen, hits), self.book)
        counted = queries.run(self.engine, "row_count", into="replay_count", counted=hits)
        [found] = self.engine.fetch(counted).to_pylist()
        if not found["rows"]:
            return Pull(charged=charged)
        touched = queries.run(self.engine, "replay_touched", usage=usage, hits=hits)
        after = f"{name}_after"
        self.engine.map_batches(touched, partial(_each, lever, self.columns), self.columns, into=after)
        priced = pricing.price_usage(self.engine, after, "replay_after_usd", self.book)
        moved = queries.run(
            self.engine,
            "replay_moved",
            into=f"{name}_moved",
            params={"by_day": self.by_day},
            touched=touched,
            before=money,
            after=priced,
            logged=self.usage,
        )
        return Pull((), charged, after, moved)

    def _hits(self, lever: Lever, usage: str, *, as_logged: bool) -> str:
        if as_logged:
            return self._found[lever]
        if lever.steady and lever in self._found:
            return queries.run(self.engine, "replay_steady", hits=self._found[lever], usage=usage)
        return lever.hits(self.engine, usage)

    def _keep_hits(self, lever: Lever) -> None:
        """Ask about the log as it is once: what a steady lever answers holds for all states of it."""
        if lever not in self._found:
            self.no_calls()
            hits = lever.hits(self.engine, self.sight.seen(lever, self.usage))
            into = f"replay_hits_{lever.name}_{len(self._found)}"
            self._found[lever] = queries.run(self.engine, "replay_rest", into=into, pulled=hits, dirty=NO_CALLS)

    def found(self, lever: Lever, calls: str) -> pa.Table:
        """What a lever finds among these calls, in the log as it is."""
        self._keep_hits(lever)
        return self.engine.fetch(
            queries.run(self.engine, "replay_only", into="replay_own_hits", usage=self._found[lever], listed=calls)
        )

    def _shifts(self, pull: Pull, earlier: str) -> tuple[Shift, ...]:
        if not self.has_contract or pull.moved is None or pull.after is None:
            return ()
        found = queries.run(self.engine, "replay_shifts", moved=pull.moved, earlier=earlier, later=pull.after)
        return tuple(Shift(**row) for row in self.engine.fetch(found).to_pylist())

    def _saved(self, moved: str) -> tuple[Saved, ...]:
        saved = queries.run(self.engine, "replay_saved", moved=moved)
        return tuple(_saved(row) for row in self.engine.fetch(saved).to_pylist())


@dataclass(frozen=True)
class Sight:
    """What levers get to see: the calls of their endpoints, without those of findings that were declined."""

    engine: Engine
    declined: Mapping[str, str] = field(default_factory=dict)
    """Lever -> a table of the calls it is not pulled on."""

    def seen(self, lever: Lever, usage: str) -> str:
        if lever.endpoints is not None:
            endpoints = pa.table({"endpoint": pa.array(lever.endpoints, pa.string())})
            self.engine.put("lever_endpoints", endpoints)
            usage = queries.run(self.engine, "replay_within", usage=usage)
        if lever.name in self.declined:
            usage = queries.run(
                self.engine, "replay_rest", into="replay_allowed", pulled=usage, dirty=self.declined[lever.name]
            )
        return usage


def changed_as(lever: Lever, columns: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as the lever would have it, in the columns of usage."""
    return lever.change(batch).select(columns.names).cast(columns)


def _each(lever: Lever, columns: pa.Schema, batches: Batches) -> Batches:
    for batch in batches:
        yield changed_as(lever, columns, batch)


def _charges(lever: Lever) -> bool:
    return type(lever).charges is not Lever.charges


def _saved(row: dict[str, object]) -> Saved:
    saving = row.pop("saving_usd")
    return Saved(**row, saving_usd=saving if saving is not None else ZERO)  # type: ignore[arg-type]
