"""Re-prices history as if levers had been pulled. The only place that subtracts money."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import cached_property
from itertools import permutations
from math import factorial, sqrt
from random import Random

import numpy as np
import polars as pl
import pyarrow as pa

from llmaudit import levers as registry
from llmaudit import pricing, queries
from llmaudit.detectors import groups
from llmaudit.engine.base import Engine
from llmaudit.levers.base import Lever
from llmaudit.pricing.charges import Charged
from llmaudit.replay import floors, shares
from llmaudit.replay.floors import Due
from llmaudit.replay.intervals import FEWEST_DAYS, MICRO, Interval, interval
from llmaudit.replay.meetings import UNIT, Meeting, Tree
from llmaudit.replay.pulls import NO_CALLS, ZERO, Log, Pull, Saved

__all__ = [
    "FEWEST_DAYS",
    "MICRO",
    "Charged",
    "Due",
    "Interval",
    "Orders",
    "Plan",
    "Replay",
    "Saved",
    "Shares",
    "Step",
    "interval",
]

SEED = 20_261_101
MOST_EXACT = 8
"""Levers that may meet on one call before the smaller ones stop being players of the game."""
MOST_STATES = 150_000
"""Calls times coalitions up to which orders are tried on all calls; where there are more, on a sample of cells."""
MOST_PLAYED = 64_000_000
"""Calls times states in which levers that look further than one call are asked; where there are more, shares are of a sample."""
MOST_CALLS = 500_000
"""Calls of one group up to which all of them are held in memory for that."""
PART_CALLS = 200_000
"""Calls of groups that are held in memory together: groups have nothing to do with each other."""
SAMPLED_CALLS = 100_000
"""Calls of a sample that shares are estimated from."""
ORDERED_CALLS = 5_000
"""Calls of a sample that orders are tried on."""
EVERY = 1 << 40
CELL = 256
"""Calls in a row of one endpoint that a sample takes or leaves together, where scopes join more than that."""
FOLDS = 8
MOST_ORDERS = 6
"""All orders of three levers. Of more levers, DRAWN_ORDERS."""
DRAWN_ORDERS = 8
MOST_ORDERED_CALLS = 500_000
"""Calls times pulls that orders are tried with."""
MOST_ASKED = 6_400_000
"""Calls of the log times states in which levers that look further than one call are asked, but FEWEST_ASKED states."""
FEWEST_ASKED = 8
TO_90_PERCENT = 1.645


@dataclass(frozen=True)
class Step:
    """One lever in a plan. `saved` is what it saved on what the levers before it had left."""

    lever: Lever
    saved: tuple[Saved, ...]
    charged: tuple[Charged, ...]
    standalone_usd: Decimal
    in_order_usd: Decimal
    shapley_usd: Decimal
    shapley_error_usd: Decimal
    """Half of a 90 % interval where shares were estimated from a sample, else 0."""
    floored_usd: Decimal
    """What the lever takes off the price of the calls and not off what is due, because of a commitment or a credit."""
    after_usd: Decimal
    moved: str | None = field(compare=False)
    """The calls it touched and their money, as a table of the engine."""


@dataclass(frozen=True)
class Shares:
    """How the Shapley shares were found, and from how many calls where levers meet.

    exact; largest_exact: so many players, the smaller levers are pulled in every coalition and get what they add in
    order; sampled: estimated from the coalitions of a sample, with an error beside every share.
    """

    method: str
    calls: int
    players: int
    seed: int = SEED


@dataclass(frozen=True)
class Orders:
    """Smallest and largest total over the orders tried."""

    low: Decimal
    high: Decimal
    tried: int
    possible: int
    sampled: bool
    """Whether they were tried on a sample of the calls where levers meet."""


@dataclass(frozen=True)
class Plan:
    """Levers pulled in order. `in_order_usd` and `shapley_usd` of the steps each sum to `saving_usd`, to the micro-dollar."""

    baseline_usd: Decimal
    steps: tuple[Step, ...]
    saving_usd: Decimal
    shares: Shares
    orders: Orders

    @property
    def order_spread_usd(self) -> tuple[Decimal, Decimal]:
        return self.orders.low, self.orders.high


@dataclass
class Replay:
    """Pulls levers over one usage table, remembering what it has already worked out.

    `money` is the priced form of `usage` (see `pricing.price_usage`); it may hold further calls.
    """

    engine: Engine
    book: pricing.Book
    usage: str
    money: str
    by_day: bool = True
    """Whether intervals draw days; else sessions, users or hours."""
    due: Due | None = None
    """What is due for what is spent, where a contract has commitments or credits; None: all that is spent."""
    declined: Mapping[str, Sequence[tuple[str | None, str | None]]] = field(default_factory=dict)
    """Lever -> endpoints and models of findings that were declined: the lever is not pulled there."""
    _log: Log = field(init=False)
    _plans: int = 0
    _prepared: set[Lever] = field(default_factory=set)
    _shared: set[str] = field(default_factory=set)
    _met: _Met | None = None

    def __post_init__(self) -> None:
        self._log = Log(self.engine, self.book, self.usage, self.money, self.by_day, self.due is not None)
        if self.declined:
            self._log.decline(self.declined)
        pricing.put_offers(self.engine, self.usage, self.book)

    def plan(self, levers: Sequence[Lever], baseline_usd: Decimal) -> Plan:
        """Pull `levers` in the order of replay."""
        ordered = tuple(registry.in_order(list(levers)))
        self._prepare(ordered)
        self._plans += 1
        pulls = list(self._log.in_order(ordered, f"replay_plan{self._plans}"))
        alone = [self._log.alone(lever) for lever in ordered]
        met = self._known(ordered) or self._meet(ordered, alone, pulls)
        exact, errors, how = _shares(met, alone, pulls)
        gained, single = self._gained(pulls), [self._gained([pull])[0] for pull in alone]
        net = [gain - pull.charges_usd for gain, pull in zip(gained, pulls, strict=True)]
        rounded = _rounded(net)
        saving = sum(rounded, ZERO)
        kept = _kept(sum(gained, ZERO), pulls)
        own = [share * kept - Fraction(pull.charges_usd) for share, pull in zip(exact, pulls, strict=True)]
        shared = _rounded([_decimal(share) for share in own], total=saving)
        baseline_usd = left = baseline_usd.quantize(MICRO)
        steps = []
        for number, lever in enumerate(ordered):
            left -= rounded[number]
            steps.append(
                Step(
                    lever,
                    pulls[number].saved,
                    pulls[number].charged,
                    standalone_usd=(single[number] - alone[number].charges_usd).quantize(MICRO),
                    in_order_usd=rounded[number],
                    shapley_usd=shared[number],
                    shapley_error_usd=errors[number],
                    floored_usd=(pulls[number].avoided_usd - gained[number]).quantize(MICRO),
                    after_usd=left,
                    moved=pulls[number].moved,
                )
            )
        return Plan(baseline_usd, tuple(steps), saving, how, _orders(met, ordered, alone, pulls, sum(net, ZERO)))

    def saved_alone(self, lever: Lever) -> Sequence[Saved]:
        """What the lever saves by itself, where it is. Asked again, or after a plan that had it, nothing is worked out anew."""
        self._prepare((lever,))
        return self._log.alone(lever).saved

    def declined_steps(self, levers: Sequence[Lever]) -> list[Step]:
        """What each lever would save on its own where its findings were declined. No plan counts it."""
        found = []
        self._prepare(levers)
        for lever in levers:
            pull = self._log.declined(lever)
            saving = pull.saving_usd.quantize(MICRO)
            if pull.saved or pull.charged:
                found.append(Step(lever, pull.saved, pull.charged, saving, saving, ZERO, ZERO, ZERO, ZERO, pull.moved))
        return found

    def _gained(self, pulls: Sequence[Pull]) -> list[Decimal]:
        """What each pull takes off what is due."""
        if self.due is None:
            return [pull.avoided_usd for pull in pulls]
        return floors.lowered(self.due, self._spend(), [pull.shifts for pull in pulls])

    def _spend(self) -> dict[floors.Spot, Decimal]:
        found = queries.run(self.engine, "replay_spend", usage=self.usage, money=self.money)
        rows = self.engine.fetch(found).to_pylist()
        return {(row["month"], row["provider"], row["model"]): row["usd"] for row in rows}

    def blocks(self, days: int) -> Callable[[tuple[str | None, str | None]], int]:
        """How many blocks the bootstrap draws for an endpoint and model: the days of the window, or parts of its sessions."""
        if self.by_day:
            return lambda place: days
        found = self.engine.fetch(queries.run(self.engine, "replay_blocks", usage=self.usage)).to_pylist()
        blocks = {(row["endpoint"], row["model"]): row["blocks"] for row in found}
        return lambda place: blocks.get(place, 1)

    def saves_by_endpoint(self, lever: Lever) -> dict[str | None, Decimal]:
        """What the lever saves on its own, per endpoint, net of what it costs. Negative where it would cost more."""
        saves: dict[str | None, Decimal] = {}
        self._prepare([lever])
        pull = self._log.alone(lever)
        for row in pull.saved:
            saves[row.endpoint] = saves.get(row.endpoint, ZERO) + row.saving_usd
        for charge in pull.charged:
            saves[charge.endpoint] = saves.get(charge.endpoint, ZERO) - (charge.cost_usd or ZERO)
        return saves

    def alone(
        self, lever: Lever, days: int, factors: Mapping[str | None, tuple[float, float]]
    ) -> dict[str | None, Interval]:
        """What the lever saves on its own, per endpoint, net of what it costs. `factors` are the ends of its own doubt."""
        self._prepare([lever])
        pull, blocks = self._log.alone(lever), self.blocks(days)
        spans = {}
        for endpoint in dict.fromkeys([*(row.endpoint for row in pull.saved), *(row.endpoint for row in pull.charged)]):
            saved = [row for row in pull.saved if row.endpoint == endpoint]
            costs = sum((c.cost_usd or ZERO for c in pull.charged if c.endpoint == endpoint), ZERO)
            most = max((blocks((endpoint, model)) for model in {row.model for row in saved}), default=1)
            spans[endpoint] = interval(saved, most, costs, factors.get(endpoint, (1.0, 1.0)))
        return spans

    def _prepare(self, levers: Sequence[Lever]) -> None:
        for lever in levers:
            if lever not in self._prepared:
                lever.make_ready(self.engine, self._shared)
                self._prepared.add(lever)

    def _meet(self, ordered: tuple[Lever, ...], alone: Sequence[Pull], pulls: Sequence[Pull]) -> _Met | None:
        """The calls that two or more levers touch, with what else a lever looks at beside them. None: there are none."""
        touching = [place for place in range(len(ordered)) if alone[place].moved or pulls[place].moved]
        if not touching:
            return None
        masks = self._masks(ordered, touching, alone, pulls)
        masks = self._found_later(ordered, masks, alone)
        sizes = self._sizes(masks, EVERY)
        if not sizes:
            return None
        acting = 0
        for size in sizes:
            acting |= size["mask"]
        fixed = _smallest(ordered, sizes, alone, pulls, self._most_asked())
        is_small = sum(_states(size, fixed) for size in sizes) <= MOST_STATES
        exact = is_small or _can_be_played(ordered, sizes, fixed)
        if not exact:
            self._sizes(masks, CELL)
        trees, calls = [], 0
        room = (EVERY, EVERY if is_small else PART_CALLS) if exact else (SAMPLED_CALLS, EVERY)
        for drawn in self._drawn(*room):
            meeting = self._meeting(drawn, ordered, whole=exact)
            trees += meeting.trees(ordered, fixed)
            calls += meeting.rows.num_rows
        seen = trees
        if not is_small:
            self._sizes(masks, CELL)
            [drawn] = self._drawn(ORDERED_CALLS, EVERY)
            meeting = self._meeting(drawn, ordered, whole=False)
            seen = meeting.trees(ordered, fixed)
        for tree in trees:
            for path in tree.paths:
                acting |= path
        self._met = _Met(ordered, meeting, acting, fixed, exact, calls, trees, seen, self._most_asked())
        return self._met

    def _known(self, ordered: tuple[Lever, ...]) -> _Met | None:
        """What the last plan found out about where levers meet, if it pulled these levers and further ones."""
        if self._met is None or len(set(ordered)) < len(ordered) or not set(ordered) <= set(self._met.ordered):
            return None
        return self._met.without([lever for lever in self._met.ordered if lever not in ordered])

    def _most_asked(self) -> int:
        """States in which a lever that looks further than one call may be asked: it reads much of the log each time."""
        return max(FEWEST_ASKED, min(1 << MOST_EXACT, MOST_ASKED // max(1, self._rows(self.usage))))

    def _rows(self, table: str) -> int:
        counted = queries.run(self.engine, "row_count", into="replay_count", counted=table)
        [found] = self.engine.fetch(counted).to_pylist()
        return int(found["rows"])

    def _masks(
        self, ordered: Sequence[Lever], touching: Sequence[int], alone: Sequence[Pull], pulls: Sequence[Pull]
    ) -> str:
        """Every call with the group it belongs to and the levers (bits) that touch it."""
        masks = queries.run(self.engine, "replay_untouched", into="replay_masks_a", usage=self.usage)
        touched = [
            (place, moved)
            for place in touching
            for moved in dict.fromkeys((alone[place].moved, pulls[place].moved))
            if moved
        ]
        masks = self._marked(masks, touched)
        widest = [lever for lever in ordered if self._is_wide(lever)][:1]
        own_first = sorted(widest or ordered, key=lambda lever: self._log.own_scopes(lever) is None)
        return self._grouped(masks, list(dict.fromkeys(filter(None, map(self._log.scopes, own_first)))))

    def _is_wide(self, lever: Lever) -> bool:
        """Whether it may look at the whole log."""
        return not lever.scope and self._log.own_scopes(lever) is None

    def _found_later(self, ordered: Sequence[Lever], masks: str, alone: Sequence[Pull]) -> str:
        """The same, with the levers (bits) that find something only once a later one of the plan has been pulled.

        Where one lever alone touches a group, those after it in the plan have been asked about what it leaves, and those
        before it have not: in another order they are.
        """
        found, state = [], self._log.no_calls()
        for place in reversed(range(len(ordered))):
            hits = self._log.found_in(state, ordered[place]) if self._rows(state) else None
            if hits is not None:
                into = f"replay_found_{place}"
                found.append((place, queries.run(self.engine, "replay_rest", into=into, pulled=hits, dirty=NO_CALLS)))
            after = alone[place].after
            if after is not None:
                params = {"bit": 1 << place}
                only = queries.run(
                    self.engine,
                    "replay_touched_alone",
                    into="replay_only_theirs",
                    params=params,
                    after=after,
                    masks=masks,
                )
                into = "replay_solo_b" if state == "replay_solo_a" else "replay_solo_a"
                state = queries.run(self.engine, "replay_both", into=into, first=state, second=only)
        return self._marked(masks, found)

    def _marked(self, masks: str, touched: Iterable[tuple[int, str]]) -> str:
        """Masks with further levers, and the calls each of them touches."""
        for place, calls in touched:
            into = "replay_masks_b" if masks == "replay_masks_a" else "replay_masks_a"
            params = {"bit": 1 << place}
            masks = queries.run(self.engine, "replay_masks", into=into, params=params, masks=masks, moved=calls)
        return masks

    def _grouped(self, masks: str, scopes: Sequence[str]) -> str:
        """Calls of one scope belong together, and so do the groups that a further kind of scope links."""
        for place, scope in enumerate(scopes):
            into = f"replay_groups_{place}"
            if not place:
                masks = queries.run(self.engine, "replay_components", into=into, masks=masks, scopes=scope)
                continue
            links = self.engine.fetch(queries.run(self.engine, "replay_links", masks=masks, scopes=scope))
            if links.num_rows:
                self.engine.put("replay_linked", groups.joined(links))
                masks = queries.run(self.engine, "replay_joined", into=into, masks=masks, joined="replay_linked")
        return masks

    def _sizes(self, masks: str, most: int) -> list[dict[str, int]]:
        meeting = queries.run(self.engine, "replay_meeting", params={"most": most}, masks=masks, usage=self.usage)
        found = self.engine.fetch(queries.run(self.engine, "replay_cell_sizes", meeting=meeting))
        sizes: list[dict[str, int]] = found.to_pylist()
        return sizes

    def _drawn(self, most_calls: int, part_calls: int) -> list[pl.DataFrame]:
        """The cells to play: as many as hold so many calls, in parts of so many."""
        cells = queries.run(self.engine, "replay_cells", params={"limit_cells": most_calls}, meeting="replay_meeting")
        frame = pl.DataFrame(self.engine.fetch(cells))
        calls = np.cumsum(frame["requests"].to_numpy())
        room = calls <= most_calls
        room[:1] = True
        frame = frame.with_columns(part=(calls - 1) // part_calls).filter(room)
        parts = frame.select("cell", "part").partition_by("part", maintain_order=True)
        return [part.select("cell").with_row_index("cell_number") for part in parts]

    def _meeting(self, drawn: pl.DataFrame, ordered: Sequence[Lever], *, whole: bool) -> Meeting:
        """`whole`: no group is cut, so that a lever finds in it what it finds in the log."""
        cells = pa.schema([("cell_number", pa.int64()), ("cell", pa.string())])
        self.engine.put("replay_drawn_cells", drawn.to_arrow().cast(cells))
        rows = self.engine.fetch(
            queries.run(
                self.engine,
                "replay_drawn",
                usage=self.usage,
                money=self.money,
                meeting="replay_meeting",
                drawn="replay_drawn_cells",
            )
        )
        columns = self._log.columns
        return Meeting(
            self.engine,
            self.book,
            self._log.sight,
            columns,
            rows.select(columns.names).cast(columns),
            rows["cell_number"].to_numpy(),
            np.arange(drawn.height) % FOLDS,
            rows["paid_usd"],
            {
                lever: self._log.found(lever, "replay_drawn")
                for lever in ordered
                if whole or lever.steady or "request_id" in (lever.scope or ())
            },
        )


_Sums = dict[tuple[str, int], Fraction]


@dataclass(frozen=True)
class _Met:
    """Where levers meet: the calls, who acts on them (bits), who is always pulled, and whether they are all there."""

    ordered: tuple[Lever, ...]
    meeting: Meeting
    acting: int
    fixed: int
    exact: bool
    calls: int
    trees: list[Tree]
    seen: list[Tree]
    """Those of the calls that orders are tried on: all of them, or a sample."""
    most_asked: int

    @property
    def players(self) -> int:
        return (self.acting & ~self.fixed).bit_count()

    @cached_property
    def folds(self) -> list[_Sums]:
        return _by_fold(self.trees, self.fixed)

    def without(self, levers: Sequence[Lever]) -> _Met | None:
        """The same where some levers are never pulled. None where these were pulled always."""
        left = [place for place, lever in enumerate(self.ordered) if lever not in levers]
        gone = sum(1 << place for place in range(len(self.ordered)) if place not in left)
        if gone & self.fixed:
            return None
        kept = [self.trees] if self.seen is self.trees else [self.trees, self.seen]
        found = [
            [
                Tree(
                    frozenset(_moved_bits(path, left) for path in tree.paths if not path & gone),
                    {
                        fold: {_moved_bits(path, left): usd for path, usd in saving.items() if not path & gone}
                        for fold, saving in tree.saving.items()
                    },
                )
                for tree in some
            ]
            for some in kept
        ]
        ordered = tuple(self.ordered[place] for place in left)
        acting, fixed = _moved_bits(self.acting, left), _moved_bits(self.fixed, left)
        return _Met(ordered, self.meeting, acting, fixed, self.exact, self.calls, found[0], found[-1], self.most_asked)


def _moved_bits(mask: int, places: Sequence[int]) -> int:
    """The bits at these places, next to each other."""
    return sum((mask >> place & 1) << to for to, place in enumerate(places))


def _kept(gained: Decimal, pulls: Sequence[Pull]) -> Fraction:
    """The part of what calls cost less that is due less."""
    avoided = sum((pull.avoided_usd for pull in pulls), ZERO)
    return Fraction(gained) / Fraction(avoided) if avoided else Fraction(1)


def _smallest(
    ordered: Sequence[Lever],
    sizes: Sequence[Mapping[str, int]],
    alone: Sequence[Pull],
    pulls: Sequence[Pull],
    most_asked: int,
) -> int:
    """The levers (bits) that are no players of the game but pulled in every coalition: the smallest, where too many meet."""
    size = {
        place: max(abs(one.avoided_usd), abs(other.avoided_usd))
        for place, (one, other) in enumerate(zip(alone, pulls, strict=True))
    }
    smallest = sorted(size, key=lambda place: (size[place], -place))
    wide = [place for place, lever in enumerate(ordered) if not lever.scope and not _in_memory(lever)]
    fixed = 0
    for place in smallest:
        meet = max((int(one["mask"]) & ~fixed).bit_count() for one in sizes)
        before = max(
            (((int(one["mask"]) & ~fixed) & ((1 << at) - 1)).bit_count() for one in sizes for at in wide), default=0
        )
        needless = place >= max(wide, default=0) and meet <= MOST_EXACT
        if (meet > MOST_EXACT or 1 << before > most_asked) and not needless:
            fixed |= 1 << place
    return fixed


def _in_memory(lever: Lever) -> bool:
    return type(lever).in_memory is not Lever.in_memory


def _can_be_played(ordered: Sequence[Lever], sizes: Sequence[Mapping[str, int]], fixed: int) -> bool:
    """Whether there is room and time for every coalition of every group: levers that look far are asked in each state anew."""
    wide = [place for place, lever in enumerate(ordered) if "request_id" not in (lever.scope or ())]
    before = (1 << max(wide, default=0)) - 1
    asked = sum(int(size["requests"]) << (int(size["mask"]) & before & ~fixed).bit_count() for size in sizes)
    return asked <= MOST_PLAYED and max(int(size["largest"]) for size in sizes) <= MOST_CALLS


def _states(size: Mapping[str, int], fixed: int) -> int:
    return int(size["requests"]) << (int(size["mask"]) & ~fixed).bit_count()


def _shares(
    met: _Met | None, alone: Sequence[Pull], pulls: Sequence[Pull]
) -> tuple[list[Fraction], list[Decimal], Shares]:
    """Each lever's share of the joint saving, gross of what levers cost to run; half its 90 % interval; and how."""
    ordered = [Fraction(pull.avoided_usd) for pull in pulls]
    if met is None:
        return ordered, [ZERO] * len(pulls), Shares("exact", 0, 0)
    if met.exact:
        whole = _sum(met.folds)
        found = [known + whole.get(("moved", 1 << place), 0) for place, known in enumerate(ordered)]
        return found, [ZERO] * len(pulls), Shares("largest_exact" if met.fixed else "exact", met.calls, met.players)
    single = [Fraction(pull.avoided_usd) for pull in alone]
    found = _estimated(met.folds, single, ordered)
    leaving = [_estimated([f for f in met.folds if f is not fold], single, ordered) for fold in met.folds]
    errors = [_error([one[place] for one in leaving]) for place in range(len(pulls))]
    return found, errors, Shares("sampled", met.calls, met.players)


def _by_fold(trees: Sequence[Tree], fixed: int) -> list[_Sums]:
    """Per fold and lever (bit): by how much its share (`moved`) and its own saving (`room`) differ from what it adds in order."""
    folds: dict[int, _Sums] = {}
    for tree in trees:
        share, order, single = (
            shares.shapley(tree.paths, fixed),
            shares.in_order(tree.paths),
            shares.alone(tree.paths, fixed),
        )
        for fold, saving in tree.saving.items():
            sums = folds.setdefault(fold, {})
            added = shares.shared(order, saving)
            for name, weights in (("moved", share), ("room", single)):
                for player, amount in shares.shared(weights, saving).items():
                    place = (name, player)
                    sums[place] = sums.get(place, Fraction(0)) + (amount - added[player]) * Fraction(UNIT)
    return list(folds.values())


def _sum(folds: Sequence[_Sums]) -> _Sums:
    whole: _Sums = {}
    for fold in folds:
        for place, amount in fold.items():
            whole[place] = whole.get(place, Fraction(0)) + amount
    return whole


def _estimated(folds: Sequence[_Sums], single: Sequence[Fraction], ordered: Sequence[Fraction]) -> list[Fraction]:
    """Shares of the whole log: each lever bears the part of the overlap that it bears in the sample.

    The overlap, what the levers save alone less what they save together, is known exactly, and so is their sum.
    """
    whole = _sum(folds)
    bits = [1 << place for place in range(len(single))]
    borne = [whole.get(("room", bit), Fraction(0)) - whole.get(("moved", bit), Fraction(0)) for bit in bits]
    overlap, seen = sum(single, Fraction(0)) - sum(ordered, Fraction(0)), sum(borne, Fraction(0))
    if not seen:
        return list(ordered)
    return [alone - overlap * part / seen for alone, part in zip(single, borne, strict=True)]


def _error(estimates: Sequence[Fraction]) -> Decimal:
    """Half a 90 % interval, by the jackknife."""
    if len(estimates) < 2:  # noqa: PLR2004
        return ZERO
    values = [float(estimate) for estimate in estimates]
    mean = sum(values) / len(values)
    spread = sqrt((len(values) - 1) / len(values) * sum((value - mean) ** 2 for value in values))
    return Decimal(repr(TO_90_PERCENT * spread)).quantize(MICRO)


def _orders(
    met: _Met | None, ordered: Sequence[Lever], alone: Sequence[Pull], pulls: Sequence[Pull], saving: Decimal
) -> Orders:
    """The total in other orders: it differs only where levers meet."""
    if met is None:
        return Orders(saving.quantize(MICRO), saving.quantize(MICRO), 1, 1, sampled=False)
    places = [place for place, lever in enumerate(ordered) if met.acting >> place & 1 or not lever.steady]
    chosen = _some_orders(places, met.meeting.rows.num_rows, met.most_asked)
    totals = met.meeting.totals(ordered, chosen)
    sampled = met.seen is not met.trees or not met.exact
    scale = _scale(met, alone, pulls) if sampled else Fraction(1)
    apart = [saving + _decimal(Fraction(total - totals[0]) * Fraction(UNIT) * scale) for total in totals]
    return Orders(
        min(apart).quantize(MICRO),
        max(apart).quantize(MICRO),
        len(chosen),
        factorial(len(places)),
        sampled=sampled,
    )


def _scale(met: _Met, alone: Sequence[Pull], pulls: Sequence[Pull]) -> Fraction:
    """How many times more levers overlap in the whole log than in the sample."""
    room = sum(
        (amount for (name, _), amount in _sum(_by_fold(met.seen, met.fixed)).items() if name == "room"), Fraction(0)
    )
    whole = sum(
        (Fraction(one.avoided_usd - other.avoided_usd) for one, other in zip(alone, pulls, strict=True)), Fraction(0)
    )
    return abs(whole / room) if room else Fraction(0)


def _some_orders(places: Sequence[int], calls: int, most_asked: int) -> list[tuple[int, ...]]:
    """The order of replay first; all of them where they are few, else its reverse and some drawn ones."""
    if factorial(len(places)) <= MOST_ORDERS:
        return list(permutations(places))
    most = max(2, min(DRAWN_ORDERS, MOST_ORDERED_CALLS // max(1, calls * len(places)), most_asked // len(places)))
    draw = Random(SEED)  # noqa: S311 - orders, not secrets
    found = dict.fromkeys((tuple(places), tuple(reversed(places))))
    while len(found) < most:
        found[tuple(draw.sample(places, len(places)))] = None
    return list(found)


def _decimal(amount: Fraction) -> Decimal:
    return Decimal(amount.numerator) / amount.denominator


def _rounded(parts: Sequence[Decimal], total: Decimal | None = None) -> list[Decimal]:
    """Parts at six decimals that sum to `total` (or theirs) at six decimals: the largest remainders are rounded up first.

    A total further off than rounding explains is met all the same, every part taking an equal share of the difference.
    """
    goal = (sum(parts, ZERO) if total is None else total).quantize(MICRO)
    floors = [part.quantize(MICRO, rounding=ROUND_FLOOR) for part in parts]
    if not parts:
        return floors
    each, more = divmod(int((goal - sum(floors, ZERO)) / MICRO), len(parts))
    by_remainder = sorted(range(len(parts)), key=lambda at: (floors[at] - parts[at], at))
    raised = set(by_remainder[:more])
    return [floor + MICRO * (each + (at in raised)) for at, floor in enumerate(floors)]
