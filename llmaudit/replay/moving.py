"""What moving an endpoint to a tuned small model costs and saves, target by target: docs/fine-tune-economics.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from llmaudit import pricing, queries
from llmaudit.engine.base import Engine
from llmaudit.levers.fine_tune import LABOUR_SKU, FineTune, Move, Outlay, Volume
from llmaudit.pricing.charges import unit_prices
from llmaudit.pricing.tuning import Target, gpu_sku

ZERO = Decimal(0)
FEWEST_DAYS = 7
"""A shorter window says nothing about a month, so nothing pays back after so many days."""
SERVING = ("hosting", "fallback")
VOLUMES = tuple(Decimal(times) for times in ("0.01", "0.03", "0.1", "0.3", "1", "3", "10", "30", "100"))


@dataclass(frozen=True)
class Prospect:
    """An endpoint that might move. Shares are those of its answered calls that would."""

    endpoint: str
    share: float
    low_share: float
    high_share: float
    agreement: float | None = None
    kept_input: float = 1.0
    retrain_days: int = 90

    def move(self, target: Target) -> Move:
        return Move(
            self.endpoint,
            target,
            self.share,
            self.low_share,
            self.high_share,
            self.kept_input,
            self.agreement,
            self.retrain_days,
        )


@dataclass(frozen=True)
class Today:
    """The answered calls of an endpoint on one model of today: all of them, and those that would move."""

    provider: str | None
    model: str | None
    calls: int
    moved_calls: int
    input_tokens: int
    output_tokens: int
    tuned_input_tokens: int
    moved_input_tokens: int
    moved_output_tokens: int
    moved_tuned_input_tokens: int
    cost_usd: Decimal
    moved_usd: Decimal


@dataclass(frozen=True)
class Offer:
    """One target for one endpoint, in US dollars. What runs is of the window, what is paid once is whole.

    Money is None where a rate is not known; `unpriced` names it.
    """

    target: Target
    window_days: int
    spread_days: int
    calls: int
    moved_calls: int
    today_usd: Decimal
    inference_usd: Decimal | None
    hosting_usd: Decimal | None
    fallback_usd: Decimal | None
    upkeep_usd: Decimal | None
    retraining_usd: Decimal | None
    training_usd: Decimal | None
    evaluation_usd: Decimal | None
    labelling_usd: Decimal | None
    all_today_usd: Decimal
    """What all answered calls cost today, and below on the target, were all to move."""
    all_inference_usd: Decimal | None
    low_share: float
    high_share: float
    busy_seconds_per_call: Decimal
    floor_usd_per_day: Decimal | None
    """Of a GPU of one's own that waits for calls; None where inference is billed per token."""
    busy_usd_per_second: Decimal
    unpriced: tuple[str, ...]

    @cached_property
    def one_off_usd(self) -> Decimal | None:
        return _sum(self.training_usd, self.evaluation_usd, self.labelling_usd)

    @cached_property
    def fixed_usd(self) -> Decimal | None:
        """Paid in the window however many calls come, but for the floor of a GPU."""
        return _sum(
            self.upkeep_usd, self.retraining_usd, ZERO if self.floor_usd_per_day is not None else self.hosting_usd
        )

    @cached_property
    def running_usd(self) -> Decimal | None:
        return _sum(self.inference_usd, self.hosting_usd, self.fallback_usd, self.upkeep_usd, self.retraining_usd)

    @cached_property
    def saved_usd(self) -> Decimal | None:
        """Before what is paid once."""
        return None if self.running_usd is None else self.today_usd - self.running_usd

    @cached_property
    def net_usd(self) -> Decimal | None:
        """Of the window, with its part of what is paid once."""
        return self._net(self.saved_usd)

    @property
    def low_usd(self) -> Decimal | None:
        return self._net(self._saved_at(self.low_share))

    @property
    def high_usd(self) -> Decimal | None:
        return self._net(self._saved_at(self.high_share))

    @property
    def is_dearer(self) -> bool:
        """Whether a call costs more there than today, so that no volume helps."""
        return self.all_inference_usd is not None and self.all_today_usd <= self.all_inference_usd

    @cached_property
    def payback_days(self) -> Decimal | None:
        """Days until what is saved has paid what is paid once; None is never, or a window too short to tell."""
        return payback_days(self.one_off_usd, self.saved_usd, self.window_days)

    @cached_property
    def affordable_usd(self) -> Decimal | None:
        """What may be paid once besides, such as labour, and still be back within `spread_days`."""
        if self.net_usd is None or self.net_usd <= 0:
            return None
        return self.net_usd * self.spread_days / self.window_days

    @cached_property
    def room_share(self) -> Decimal | None:
        """By how much today's price may fall before nothing is saved any more."""
        return self.net_usd / self.today_usd if self.net_usd is not None and self.net_usd > 0 else None

    def before_one_off(self, net_usd: Decimal | None) -> Decimal | None:
        """A net saving of the window without its part of what is paid once."""
        if net_usd is None or self.one_off_usd is None:
            return None
        return net_usd + self.one_off_usd * self.window_days / self.spread_days

    @cached_property
    def break_even_calls_per_day(self) -> Decimal | None:
        """Calls of this endpoint from which on the net saving is positive; None where no number is enough."""
        if self.net_usd is None or not self.calls:
            return None
        per_token = ZERO if self.floor_usd_per_day is not None else self.inference_usd or ZERO
        margin = (self.today_usd - per_token - (self.fallback_usd or ZERO)) / self.calls
        fixed = (self.fixed_usd or ZERO) / self.window_days + (self.one_off_usd or ZERO) / self.spread_days
        floor = self.floor_usd_per_day or ZERO
        if margin <= 0:
            return None
        if not floor:
            return fixed / margin
        calls = (fixed + floor) / margin
        if calls * self.busy_seconds_per_call * self.busy_usd_per_second <= floor:
            return calls
        margin -= self.busy_seconds_per_call * self.busy_usd_per_second
        return fixed / margin if margin > 0 else None

    def payback_curve(self) -> Iterator[tuple[Decimal, Decimal | None]]:
        """Calls a day, from a hundredth of today's to a hundred times as many, and the days until they have paid back."""
        now = Decimal(self.calls) / self.window_days
        for times in VOLUMES:
            yield now * times, payback_days(self.one_off_usd, self._saved_with(times), self.window_days)

    def _saved_with(self, times: Decimal) -> Decimal | None:
        """Before what is paid once, with so many times the calls."""
        if None in (self.inference_usd, self.hosting_usd, self.fallback_usd, self.fixed_usd):
            return None
        per_token = ZERO if self.floor_usd_per_day is not None else self.inference_usd or ZERO
        gained = times * (self.today_usd - per_token - (self.fallback_usd or ZERO)) - (self.fixed_usd or ZERO)
        if self.floor_usd_per_day is None:
            return gained
        busy = times * self.calls * self.busy_seconds_per_call * self.busy_usd_per_second
        return gained - max(self.floor_usd_per_day * self.window_days, busy)

    def _saved_at(self, share: float) -> Decimal | None:
        """Were this share of the calls to move."""
        if None in (self.all_inference_usd, self.fixed_usd, self.hosting_usd):
            return None
        exact = Decimal(repr(share))
        floor = self.hosting_usd or ZERO if self.floor_usd_per_day is not None else ZERO
        gained = exact * (self.all_today_usd - (self.all_inference_usd or ZERO))
        return gained - (self.fallback_usd or ZERO) - (self.fixed_usd or ZERO) - floor

    def _net(self, saved_usd: Decimal | None) -> Decimal | None:
        if saved_usd is None or self.one_off_usd is None:
            return None
        return saved_usd - self.one_off_usd * self.window_days / self.spread_days


@dataclass(frozen=True)
class Economics:
    """What is known of moving one endpoint. `offers` come best first, those without a full price last."""

    prospect: Prospect
    offers: tuple[Offer, ...]
    best: Offer | None
    """Of the targets that may be proposed. None: there is none with a full price."""
    calls_per_day: Decimal
    unpriced_calls: int
    """Calls that have no price today: then nobody knows what they would save."""

    @property
    def is_dearer(self) -> bool:
        """Whether a call costs more on every target that could be proposed, however many there are."""
        known = [offer for offer in self.offers if offer.net_usd is not None]
        return bool(known) and all(offer.is_dearer for offer in known)


def payback_days(one_off_usd: Decimal | None, saved_usd: Decimal | None, window_days: int) -> Decimal | None:
    """Days until what a window saves, again and again, has paid what is paid once.

    >>> payback_days(Decimal(30), Decimal(10), 10), payback_days(Decimal(30), Decimal(0), 10)
    (Decimal('30'), None)
    """
    if one_off_usd is None or saved_usd is None or saved_usd <= 0 or window_days < FEWEST_DAYS:
        return None
    return one_off_usd * window_days / saved_usd


def compare(
    engine: Engine,
    book: pricing.Book,
    tables: tuple[str, str],
    lever: FineTune,
    prospects: Sequence[Prospect],
    targets: Sequence[Target],
) -> dict[str, Economics]:
    """Every endpoint at every one of `targets`. `tables` are the calls and their money.

    `lever` brings the settings, its `window_days` and `priced_on`.
    """
    if not targets or not prospects or not lever.window_days:
        return {}
    usage, money = tables
    asked = replace(lever, moves=tuple(prospect.move(targets[0]) for prospect in prospects))
    found = queries.run(engine, "fine_tune_costs", usage=usage, moves=asked.put_moves(engine), money=money)
    rows = engine.fetch(found).to_pylist()
    units = _Units(book, lever.priced_on or date.min)
    return {
        prospect.endpoint: _economics(prospect, mine, targets, lever, units)
        for prospect in prospects
        if (mine := [row for row in rows if row["endpoint"] == prospect.endpoint])
    }


def proposable(book: pricing.Book, lever: FineTune) -> list[Target]:
    """Targets that anyone may begin with today and that have no end in sight, as far as the settings let them."""
    return [target for target in book.targets if why_not(target, book, lever) is None]


def why_not(target: Target, book: pricing.Book, lever: FineTune) -> str | None:
    """What speaks against proposing a target, in a few words; None: nothing."""
    closing = target.closes_on or target.closed_to_new_on
    if target.closed_to_new_on or target.closes_on or target.status in {"closing", "closed"}:
        return f"tuning there {'ends' if target.closes_on else 'is being wound down'}" + (
            f" ({closing})" if closing else ""
        )
    if not target.is_open:
        return "whether anyone may still tune there is not verified"
    ends = [row for row in book.retirements() if (row["provider"], row["model"]) == (target.provider, target.model)]
    if ends:
        return f"its base model retires there ({ends[0]['retires_on'] or 'no day is named'})"
    if lever.target not in {None, target.target}:
        return f"the settings ask for {lever.target}"
    if lever.open_weights_only and not target.has_open_weights and lever.target is None:
        return "its weights are closed, and open_weights_only is set"
    return None


class _Units:
    """What one of a sku costs on the day the prices are of."""

    def __init__(self, book: pricing.Book, day: date) -> None:
        self._book, self._day = book, day
        self._known: dict[str, Decimal | None] = {}

    def __call__(self, sku: str) -> Decimal | None:
        if sku not in self._known:
            self._known[sku] = unit_prices([(sku, self._day)], self._book)[sku, self._day]
        return self._known[sku]

    def learn(self, skus: Iterable[str]) -> None:
        new = {(sku, self._day) for sku in skus if sku not in self._known}
        self._known |= {sku: usd for (sku, _), usd in unit_prices(new, self._book).items()}


def _economics(
    prospect: Prospect, rows: Sequence[Mapping[str, Any]], targets: Sequence[Target], lever: FineTune, units: _Units
) -> Economics:
    today = [_today(row) for row in rows]
    offers = [_offer(prospect, today, target, lever, units) for target in targets]
    offers.sort(key=_rank)
    unpriced = sum(int(row["unpriced"]) for row in rows)
    best = offers[0] if offers[0].net_usd is not None and not unpriced else None
    calls_per_day = Decimal(sum(row.calls for row in today)) / lever.window_days
    return Economics(prospect, tuple(offers), best, calls_per_day, unpriced)


def _rank(offer: Offer) -> tuple[bool, bool, Decimal, str]:
    """What leaves most comes first, of what has a price for everything."""
    gross = any(sku != LABOUR_SKU for sku in offer.unpriced)
    return offer.net_usd is None, gross, -(offer.net_usd or ZERO), offer.target.target


def _today(row: Mapping[str, Any]) -> Today:
    counts = [name for name in Today.__dataclass_fields__ if name.endswith(("calls", "tokens"))]
    return Today(
        row["provider"],
        row["model"],
        **{name: int(row[name] or 0) for name in counts},
        cost_usd=row["cost_usd"] or ZERO,
        moved_usd=row["moved_usd"] or ZERO,
    )


def _offer(prospect: Prospect, today: Sequence[Today], target: Target, lever: FineTune, units: _Units) -> Offer:
    move = prospect.move(target)
    moved = [_moved(prospect.endpoint, row) for row in today if row.moved_calls]
    every = [_all(prospect.endpoint, row) for row in today]
    one_off = lever.one_off(move, moved or every)
    running = list(lever.running(move, moved or every))
    units.learn(outlay.sku for outlay in (*one_off, *running))
    once = dict(_by_kind(one_off, units))
    runs = dict(_by_kind(running, units))
    busy, per_second = _busy(target, moved, lever, units)
    calls = sum(row.calls for row in today)
    return Offer(
        target=target,
        window_days=lever.window_days,
        spread_days=lever.spread_days,
        calls=calls,
        moved_calls=sum(row.moved_calls for row in today),
        today_usd=sum((row.moved_usd for row in today), ZERO),
        inference_usd=_inference(target, moved, units),
        all_today_usd=sum((row.cost_usd for row in today), ZERO),
        all_inference_usd=_inference(target, every, units),
        low_share=prospect.low_share,
        high_share=prospect.high_share,
        busy_seconds_per_call=busy / calls,
        floor_usd_per_day=_floor(target, lever, units),
        busy_usd_per_second=per_second,
        unpriced=tuple(sorted({o.sku for o in (*one_off, *running) if units(o.sku) is None})),
        **{f"{kind}_usd": runs.get(kind, ZERO) for kind in ("hosting", "fallback", "upkeep", "retraining")},
        **{f"{kind}_usd": once.get(kind, ZERO) for kind in ("training", "evaluation", "labelling")},
    )


def _moved(endpoint: str, row: Today) -> Volume:
    tokens = (row.moved_input_tokens, row.moved_output_tokens, row.moved_tuned_input_tokens)
    return Volume(endpoint, row.provider, row.model, row.moved_calls, *tokens)


def _all(endpoint: str, row: Today) -> Volume:
    tokens = (row.input_tokens, row.output_tokens, row.tuned_input_tokens)
    return Volume(endpoint, row.provider, row.model, row.calls, *tokens)


def _by_kind(outlays: Sequence[Outlay], units: _Units) -> Iterator[tuple[str, Decimal | None]]:
    """Dollars by kind. Where nobody knows what serving costs, neither do we; the rest is gross of it, and named."""
    for kind in dict.fromkeys(outlay.kind for outlay in outlays):
        costs = [
            None if (usd := units(outlay.sku)) is None else outlay.quantity * usd
            for outlay in outlays
            if outlay.kind == kind and (kind in SERVING or units(outlay.sku) is not None)
        ]
        yield kind, _sum(*costs)


def _inference(target: Target, volumes: Sequence[Volume], units: _Units) -> Decimal | None:
    """Billed per token; nothing by itself on a GPU of one's own."""
    if target.serving != "per_token":
        return ZERO
    per_input, per_output = (units(f"{target.provider}/{target.model}/{column}") for column in _TOKENS)
    if per_input is None or per_output is None:
        return None
    return sum((v.tuned_input_tokens * per_input + v.output_tokens * per_output for v in volumes), ZERO)


_TOKENS = ("input_tokens", "output_tokens")


def _floor(target: Target, lever: FineTune, units: _Units) -> Decimal | None:
    if not target.gpu:
        return None
    per_hour = units(gpu_sku(target.gpu))
    return ZERO if per_hour is None else per_hour * 24 * lever.replicas


def _busy(target: Target, moved: Sequence[Volume], lever: FineTune, units: _Units) -> tuple[Decimal, Decimal]:
    """Seconds that the calls keep a GPU busy, and what such a second costs when it is used no more than it can be."""
    if not target.gpu:
        return ZERO, ZERO
    seconds = sum(
        (
            Decimal(v.tuned_input_tokens) / (target.input_tokens_per_second or 1)
            + Decimal(v.output_tokens) / (target.output_tokens_per_second or 1)
            for v in moved
        ),
        ZERO,
    )
    per_hour = units(gpu_sku(target.gpu)) or ZERO
    return seconds, per_hour / 3_600 / Decimal(repr(lever.utilisation))


def _sum(*parts: Decimal | None) -> Decimal | None:
    return None if None in parts else sum((part for part in parts if part is not None), ZERO)
