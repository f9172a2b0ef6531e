"""What calls cost: counts times rates, a column at a time, exact to the last digit.

Sums are whole numbers of 1e-15 dollars, and each part of a cost is rounded once, to 1e-12. Where 64 bits might not hold
a sum, the same lines run on Python's own integers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.pricing.card import (
    DAY_US,
    FINER,
    NOTHING,
    RULE,
    SPAN,
    SUFFIXES,
    USER,
    Below,
    Card,
    Flags,
    Ints,
    Steps,
)
from llmaudit.pricing.user import MEASURES, UNIT_CLASSES
from llmaudit.pricing.wide import CLASSES
from llmaudit.schema import USAGE_COLUMNS, USD

Whole = npt.NDArray[Any]
"""int64, or Python's integers."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "input": ("input", "input_audio", "input_image", "input_video"),
    "cache_read": ("cache_read", "cache_audio_read", "cache_image_read", "cache_video_read"),
    "cache_write": ("cache_write",),
    "cache_write_long": ("cache_write_long",),
    "output": ("output", "reasoning", "output_audio", "output_image"),
    "other": UNIT_CLASSES,
}
"""The parts of a cost, and the classes whose sum each of them is."""

STEPS_PER_PART = 1000
"""Parts are in 1e-12 dollars, rates in 1e-15."""

BEYOND = 10**12
"""No call has so many of anything: such a count is wrong, and a wrong count has no cost."""

WHOLES = frozenset({"input_tokens", "output_tokens"})
"""What every log counts if it counts at all: the others are parts of these two, and logs leave out what did not occur."""

_LIMIT = 2**62
_WORD = 2**64 - 1


@dataclass(frozen=True)
class Counts:
    """What a batch of calls is billed for: quantities that do not overlap, every token in exactly one class."""

    classes: Mapping[str, Ints]
    """Those of which any call has some."""
    sound: Flags
    """Whether a call's counts are possible: no part exceeds its whole."""
    told: Flags
    """Whether its tokens are known."""
    silent: Mapping[str, Flags]
    """Measures other than tokens, and of which calls they are not known."""
    mixed: Flags | None
    """Whether tokens are counted as cached and as audio or images, without saying which: they are cached."""
    spanned: Mapping[str, Ints]
    """The counts by which a call without a price is bounded."""
    input_tokens: Ints
    """All input, whose length chooses the band."""


@dataclass(frozen=True)
class Calls:
    """A batch of calls, as many in each column."""

    names: Ints
    """Numbers of the card."""
    started: pa.Array
    counts: Counts


@dataclass(frozen=True)
class Priced:
    """The money of a batch of calls. Amounts are in 1e-12 dollars, and mean something where `known`."""

    known: Flags
    parts: Mapping[str, Whole]
    cost: Whole
    list_cost: Whole
    priced_by: Ints
    ids: Ints

    def among(self, calls: Flags) -> Priced:
        """Known of these calls alone."""
        return replace(self, known=self.known & calls)


def counted(columns: Mapping[str, pa.Array], calls: int, unknown: Collection[str] = WHOLES) -> Counts:
    """Lay the counts of a log out so that nothing is counted twice.

    A column that is left out is 0. So is a null, but in the columns of `unknown`.
    """
    values, sound, told = _read(columns, calls, unknown)
    classes = _apart(values)
    mixed = None
    if not _OF_A_KIND.isdisjoint(values):
        apart, mixed, possible = _by_kind(values, calls)
        classes |= apart
        sound &= possible
    there = {}
    for name, found in classes.items():
        if found.min(initial=0) < 0:
            sound &= found >= 0
        if found.max(initial=0) > 0:
            there[name] = found
    bounds = (_fresh(values), *(values.get(name) for name in _BOUNDING))
    spanned = {name: found for name, found in zip(SPAN, bounds, strict=True) if found is not None}
    silent = {
        name: ~_flags(columns[name].is_valid()) for name in MEASURES if name in columns and columns[name].null_count
    }
    return Counts(there, sound, told, silent, mixed, spanned, values.get("input_tokens", np.zeros(calls, np.int64)))


KINDS = ("audio", "image", "video")
"""What input can be beside text."""

_OF_A_KIND = {f"{name}_tokens" for kind in KINDS for name in (f"input_{kind}", f"cache_{kind}_read")}
_BOUNDING = ("cache_read_tokens", "cache_write_tokens", "output_tokens")


def _apart(values: Mapping[str, Ints]) -> dict[str, Ints]:
    """Every token in one class, input outside the cache not yet by kind. A class without any is left out."""
    get = values.get
    read = (get(f"cache_{kind}_read_tokens") for kind in KINDS)
    answer = (get(name) for name in ("reasoning_tokens", "output_audio_tokens", "output_image_tokens"))
    found = {
        **{name: get(name if name in UNIT_CLASSES else f"{name}_tokens") for name in CLASSES},
        "input": _fresh(values),
        "cache_read": _less(get("cache_read_tokens"), *read),
        "cache_write": _less(get("cache_write_tokens"), get("cache_write_long_tokens")),
        "output": _less(get("output_tokens"), *answer),
        **dict.fromkeys(f"input_{kind}" for kind in KINDS),
        "input_document_pages": _less(get("input_document_pages"), get("input_annotated_document_pages")),
    }
    return {name: counts for name, counts in found.items() if counts is not None}


def _fresh(values: Mapping[str, Ints]) -> Ints | None:
    """Input that is neither read from nor written to a cache."""
    return _less(*(values.get(name) for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens")))


def _less(whole: Ints | None, *parts: Ints | None) -> Ints | None:
    for part in parts:
        if part is not None:
            whole = -part if whole is None else whole - part
    return whole


def _by_kind(values: Mapping[str, Ints], calls: int) -> tuple[dict[str, Ints], Flags, Flags]:
    """Input outside the cache by kind, whether some of it is counted as cached too, and whether the counts are possible.

    Each kind takes what those before it leave, so that no token is counted twice.
    """
    zero = np.zeros(calls, np.int64)
    apart = _apart(values)
    fresh, read = (apart.get(name, zero) for name in ("input", "cache_read"))
    found: dict[str, Ints] = {}
    taken, told, possible = zero, zero, np.ones(calls, bool)
    for kind in KINDS:
        counts = values.get(f"input_{kind}_tokens", zero) - values.get(f"cache_{kind}_read_tokens", zero)
        told = told + counts
        possible &= counts >= 0
        upto = np.minimum(told, fresh)
        found[f"input_{kind}"] = upto - taken
        taken = upto
    return {**found, "input": fresh - taken}, told > fresh, possible & (fresh >= 0) & (fresh + read >= told)


def _read(
    columns: Mapping[str, pa.Array], calls: int, unknown: Collection[str]
) -> tuple[dict[str, Ints], Flags, Flags]:
    """The counts that are not all 0, which calls have only possible ones, and of which the tokens are known."""
    sound, told = np.ones(calls, bool), np.ones(calls, bool)
    found = {}
    for name in (f.name for f in USAGE_COLUMNS):
        column = columns.get(name)
        if column is None:
            continue
        if column.null_count:
            if name in WHOLES:
                told &= _flags(column.is_valid())
            elif name in unknown:
                sound &= _flags(column.is_valid())
            column = pc.fill_null(column, 0)
        values = column.to_numpy()
        low, high = values.min(initial=0), values.max(initial=0)
        if low < 0 or high >= BEYOND:
            possible = (values >= 0) & (values < BEYOND)
            sound &= possible
            values = np.where(possible, values, 0)
        if low or high:
            found[name] = values
    return found, sound, told


def _flags(column: pa.Array) -> Flags:
    found: Flags = column.to_numpy(zero_copy_only=False)
    return found


def priced(card: Card, calls: Calls) -> Priced:
    """Price a batch."""
    row = _row(card, calls)
    counts = _measured_once(card, row, calls.counts)
    by_user = card.by_user.take(row) if card.list_usd else None
    layers = _layers(card.below, row, counts)
    parts = dict(_parts(card.usd, layers))
    cost = _total(parts, len(row))
    suffixes = np.bitwise_or.reduce([_suffixes(card, rows, these) for rows, these in layers])
    priced_by = np.where(card.by_rule.take(row) | (suffixes > 0), RULE, card.priced_by.take(calls.names))
    return Priced(
        known=counts.sound & _is_told(card, row, counts) & ~_lacks(card.lacking, layers),
        parts=parts,
        cost=cost,
        list_cost=cost if by_user is None else _list_cost(card, row, counts, cost, by_user),
        priced_by=priced_by if by_user is None else np.where(by_user, USER, priced_by),
        ids=row * 2 ** len(SUFFIXES) + suffixes,
    )


Layer = tuple[Ints, Counts]
"""The row that prices each call's share of the counts."""


def _layers(below: Below, row: Ints, counts: Counts) -> Sequence[Layer]:
    """All counts of a call in one layer, but where only the tokens beyond a length pay its row's rates.

    Those are the last of its input: what is new before what is written to a cache, and that before what is read from one,
    because what a cache holds is the beginning. What is not input stays with the row of the whole call.
    """
    found: list[Layer] = []
    while below.tokens.any() and (upto := below.tokens.take(row)).any():
        beyond, counts = _divided(counts, upto)
        found.append((row, beyond))
        row = np.where(upto > 0, below.rows.take(row), NOTHING)
    return [*found, (row, counts)]


def _divided(counts: Counts, upto: Ints) -> tuple[Counts, Counts]:
    """The counts beyond a length of the input, and those up to it; 0 is no length, and all is beyond."""
    left = counts.input_tokens - upto
    beyond, within = dict(counts.classes), dict.fromkeys(_EACH_CALL, np.zeros(len(upto), np.int64))
    for token_class in (c for c in _LAST_FIRST if c in counts.classes):
        quantity = counts.classes[token_class]
        taken = np.clip(left, 0, quantity)
        beyond[token_class], within[token_class] = taken, quantity - taken
        left = left - taken
    short = np.where(upto > 0, np.minimum(counts.input_tokens, upto), 0)
    return replace(counts, classes=beyond), replace(counts, classes=within, input_tokens=short, spanned={}, mixed=None)


_LAST_FIRST = (*PARTS["input"], "cache_write_long", "cache_write", *PARTS["cache_read"])


def _row(card: Card, calls: Calls) -> Ints:
    row = card.row(calls.names, _microseconds(calls.started), calls.counts.input_tokens)
    return np.where(_flags(calls.started.is_valid()), row, NOTHING) if calls.started.null_count else row


def _measured_once(card: Card, row: Ints, counts: Counts) -> Counts:
    """Without pages, seconds, characters of calls that pay for the same by the token, and images that do."""
    others = [name for name in MEASURES if name in counts.classes]
    if not others:
        return counts
    zero = np.zeros(len(row), np.int64)
    tokens = counts.input_tokens + counts.spanned.get("output", zero)
    paid = card.by_tokens.take(row) & (tokens > 0)
    drawn = counts.classes.get("output_image", zero) > 0
    once = {name: np.where(paid & drawn if name == "images" else paid, 0, counts.classes[name]) for name in others}
    return replace(counts, classes={**counts.classes, **once})


def _is_told(card: Card, row: Ints, counts: Counts) -> Flags:
    """Whether what a call is sold by is known: its tokens, else any of the other measures."""
    measured = card.unrated["tokens"].take(row)
    if not measured.any():
        return counts.told
    known = np.zeros(len(row), bool)
    for name, sells in card.sells.items():
        sold = sells.take(row)
        known |= sold & ~counts.silent[name] if name in counts.silent else sold
    return np.where(measured, known, counts.told)


def _microseconds(started: pa.Array) -> Ints:
    found: Ints = pc.fill_null(started.cast(pa.int64()), 0).to_numpy()
    return found


def _lacks(lacking: Ints, layers: Sequence[Layer]) -> Flags:
    """Whether a call has no row, or some of a class that its row has no rate for."""
    found: Flags = layers[0][0] == NOTHING
    ever = np.bitwise_or.reduce(lacking)
    for at, (row, counts) in enumerate(layers):
        for bit, token_class in enumerate(CLASSES):
            if token_class in counts.classes and (at or ever >> bit & 1):
                lacks = (lacking >> bit & 1) == 1
                lacks[NOTHING] = at > 0
                found |= lacks.take(row) & (counts.classes[token_class] > 0)
    return found


def _parts(rates: Mapping[str, Steps], layers: Sequence[Layer]) -> Iterator[tuple[str, Whole]]:
    """The parts of the cost that are not 0 throughout."""
    kind = _kind(rates, layers)
    for part, classes in PARTS.items():
        whole, fine = None, None
        for token_class, (row, counts) in product(classes, layers):
            steps = rates.get(token_class)
            quantity = _quantity(token_class, counts, len(row))
            if steps is None or quantity is None:
                continue
            quantity = quantity.astype(kind, copy=False)
            whole = _plus(whole, quantity * steps.whole.take(row))
            if steps.fine is not None:
                fine = _plus(fine, quantity * steps.fine.take(row))
        if whole is not None:
            yield part, ((whole if fine is None else whole + fine // FINER) + STEPS_PER_PART // 2) // STEPS_PER_PART


def _kind(rates: Mapping[str, Steps], layers: Sequence[Layer]) -> type:
    """64 bits where they hold whatever can come out."""
    quantities = ((c, q) for _, counts in layers for c, q in counts.classes.items())
    most = sum(int(abs(q).max()) * rates[c].largest for c, q in quantities if c in rates)
    most += rates["requests"].largest if "requests" in rates else 0
    return np.int64 if most < _LIMIT else object


def _quantity(token_class: str, counts: Counts, calls: int) -> Ints | None:
    found = counts.classes.get(token_class)
    return np.ones(calls, np.int64) if found is None and token_class in _EACH_CALL else found


_EACH_CALL = frozenset({"requests"})


def _plus(sofar: Whole | None, more: Whole) -> Whole:
    return more if sofar is None else sofar + more


def _total(parts: Mapping[str, Whole], calls: int) -> Whole:
    total: Whole | None = None
    for amounts in parts.values():
        total = _plus(total, amounts)
    return np.zeros(calls, np.int64) if total is None else total


def _list_cost(card: Card, row: Ints, counts: Counts, cost: Whole, by_user: Flags) -> Whole:
    """At list price where the user's own rates or discounts are in the cost. Without a list price it is the cost."""
    layers = _layers(card.list_below, row, counts)
    at_list = _total(dict(_parts(card.list_usd, layers)), len(row))
    return np.where(by_user & ~_lacks(card.list_lacking, layers), at_list, cost)


def _suffixes(card: Card, row: Ints, counts: Counts) -> Ints:
    """A bit for each thing that a row says of a call beside its rates."""
    cached = np.zeros(len(row), bool)
    reads = [c for c in PARTS["cache_read"] if c in counts.classes]
    for token_class, classes in (
        ("cache_read", reads),
        ("cache_write", ["cache_write"]),
        ("cache_write_long", ["cache_write_long"]),
    ):
        unrated = card.unrated[token_class]
        if unrated.any():
            for quantity in (counts.classes[c] for c in classes if c in counts.classes):
                cached |= unrated.take(row) & (quantity > 0)
    found = cached.astype(np.int64)
    if card.unrated["output"].any() and "output" in counts.spanned:
        found += 2 * (card.unrated["output"].take(row) & (counts.spanned["output"] > 0))
    if card.unrated["tokens"].any():
        tokens = counts.input_tokens + counts.spanned.get("output", np.zeros(len(row), np.int64))
        found += 8 * (card.unrated["tokens"].take(row) & (tokens > 0))
    return found if counts.mixed is None else found + 4 * counts.mixed


def between(card: Card, calls: Calls, asked: Flags) -> dict[str, pa.Array]:
    """The dollars between which the calls asked about lie, `low` and `high`; null where they are not asked about or nobody knows."""
    at = np.flatnonzero(asked)
    if not len(at):
        return dict.fromkeys(("low", "high"), pa.nulls(len(asked), USD))
    low, high, known = np.zeros(len(asked), object), np.zeros(len(asked), object), np.zeros(len(asked), bool)
    keys, days = card.span_keys.take(calls.names.take(at)), _microseconds(calls.started).take(at) // DAY_US
    for span in card.spans:
        inside = at[(keys == span.key) & (days >= span.days[0]) & (days < span.days[1])]
        known[inside] = True
        low[inside], high[inside] = (_bound(rates, inside, calls.counts) for rates in (span.low, span.high))
    known &= _flags(calls.started.is_valid())
    return {"low": dollars(low, known), "high": dollars(high, known)}


def _bound(rates: Sequence[int], at: Ints, counts: Counts) -> Whole:
    steps = sum(
        (
            counts.spanned[c].take(at).astype(object) * rate
            for c, rate in zip(SPAN, rates, strict=True)
            if c in counts.spanned
        ),
        start=np.zeros(len(at), object),
    )
    return (steps + STEPS_PER_PART // 2) // STEPS_PER_PART


def dollars(amounts: Whole, known: Flags) -> pa.Array:
    """Amounts of 1e-12 dollars as decimals, null where they are not known."""
    words = np.empty((len(amounts), 2), np.uint64)
    if amounts.dtype == object:
        words[:, 0] = (amounts & _WORD).astype(np.uint64)
        words[:, 1] = ((amounts >> 64) & _WORD).astype(np.uint64)
    else:
        words[:, 0] = amounts.view(np.uint64)
        words[:, 1] = (amounts >> 63).view(np.uint64)
    bits = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(USD, len(amounts), [bits, pa.py_buffer(words)])


def numbers(found: Ints, known: Flags) -> pa.Int32Array:
    """Numbers of words, null where they are not known."""
    return pa.array(found.astype(np.int32), mask=None if known.all() else ~known)
