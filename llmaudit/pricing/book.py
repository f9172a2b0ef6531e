"""The price book in memory: names to models, models to rates."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llmaudit.errors import AuditError
from llmaudit.pricing import names, tuning, user
from llmaudit.pricing.providers import canonical
from llmaudit.pricing.rates import RANGES
from llmaudit.pricing.slips import Slip
from llmaudit.pricing.spelling import Spelling, Spellings, spell
from llmaudit.pricing.tuning import Target
from llmaudit.pricing.user import UserPrices
from llmaudit.pricing.wide import (
    DAY_SECONDS,
    EACH_CALL,
    ENDLESS,
    EVER,
    NEVER,
    WEEK_SECONDS,
    WEEKDAYS,
    Cell,
    Place,
    Wide,
    inside,
    opens,
    price_id_of,
    wide_rows,
)

if TYPE_CHECKING:
    import polars as pl

DATA = Path(__file__).parent / "data"
FEWEST_OF_A_FAMILY = 2
"""Models whose rates bound those of a sibling nobody has priced: one alone would be a neighbour's price."""

_BRACKETS = (
    "valid_from", "valid_to", "daily_from_second", "daily_to_second", "weekdays", "from_tokens", "to_tokens",
    "is_marginal",
)  # fmt: skip


@dataclass(frozen=True)
class Rate:
    """US dollars for one unit, at contract and at list, and the row that says so."""

    usd: Decimal
    list_usd: Decimal
    price_id: str


@dataclass(frozen=True)
class Book:
    """A compiled price book, with the user's own prices over it."""

    as_of: date
    sha256: str
    user: UserPrices
    _shelf: Shelf = field(repr=False)
    targets: tuple[Target, ...] = field(default=(), repr=False)
    """Where a small model can be tuned and served: what the rates of training, hosting and GPUs are looked up in."""
    says_other: bool = False
    """Whether disputed rates are those of the other source: what calls would cost if it were right."""
    _cache: dict[Place, list[Wide]] = field(default_factory=dict, repr=False, compare=False)

    def at_list(self) -> Book:
        """The same book without what is the user's alone: their discounts, and their rates for models that have a list price."""
        listed = tuple(r for r in self.user.rates if not self._is_listed(r.provider, r.model))
        own = replace(self.user, rates=listed, discounts=())
        return self if own == self.user else replace(self, user=own, _cache={})

    def _is_listed(self, provider: str | None, model: str) -> bool:
        return names.find(self._shelf.lookup, provider, model) is not None

    def place(self, provider: str | None, model: str | None, tier: str | None, region: str | None) -> Place | None:
        """Resolve what a log says into a place in the book; None is unknown."""
        if not model:
            return None
        match = self._match(provider, model, region)
        if match is None:
            return None
        factor, rule = self._uplift(match, region)
        rules = "+".join(r for r in (match.rule, rule) if r)
        priced_by = "rule" if rule and match.priced_by != "user" else match.priced_by
        asked = "" if self.user is user.NONE else model.strip().lower()
        return Place(match.provider, match.model, normal_tier(tier), factor, priced_by, rules, asked)

    def find(self, provider: str | None, name: str, region: str | None = None) -> names.Match | None:
        """The model of the book that a call's model name means, and by which rule; None where nobody can tell."""
        return self._match(provider, name, region)

    def find_billed(self, provider: str | None, words: str, region: str | None = None) -> names.Match | None:
        """The model that a bill's line means by its words: a name, a meter, a SKU, a product of a marketplace."""
        return self._match(provider, words, region) or names.find_billed(self._shelf.spelt, provider, words)

    def wide(self, place: Place) -> list[Wide]:
        """The rows for one place, as `card` lays them out."""
        if place not in self._cache:
            self._cache[place] = list(wide_rows(place, self.cells(place.provider, place.model, place.tier), self.user))
        return self._cache[place]

    def cells(self, provider: str, model: str, tier: str) -> list[Cell]:
        """The book's list rates of one model and tier."""
        found = self._shelf.cells(provider, model, tier)
        return [replace(cell, rates={**cell.rates, **cell.others}) for cell in found] if self.says_other else found

    def other(self) -> Book:
        """The same book with the other source's rates wherever the two sources differ today."""
        return replace(self, says_other=True, _cache={})

    def looked_up(self) -> Iterator[Wide]:
        """The rows of every place asked for so far."""
        return chain.from_iterable(self._cache.values())

    def disputed_ids(self) -> frozenset[str]:
        """The price_ids, of all looked up so far, with a rate on which the two sources differ."""
        return frozenset(str(row["price_id"]) for rows in self._cache.values() for row in rows if row["disputed"])

    def rate(
        self,
        provider: str | None,
        model: str,
        token_class: str,
        *,
        at: date,
        tier: str = "standard",
        region: str | None = None,
        input_tokens: int = 0,
    ) -> Rate | None:
        """What one unit of a class costs on a day, whether or not calls are billed by it: None where nobody says.

        Any class of the book: `provisioned_hours`, `cache_storage`, `training`, ... At noon where hours matter.
        """
        place = self.place(provider, model, tier, region)
        if place is None:
            return None
        noon = at.weekday() * DAY_SECONDS + DAY_SECONDS // 2
        bracket = Cell(at, at, (noon, noon), (input_tokens, input_tokens), {})
        own = next((row for row in self.wide(place) if opens(row, bracket)), None)
        stated = token_class != EACH_CALL or self._charges_calls(place)
        if own and stated and isinstance(usd := own.get(f"{token_class}_usd"), Decimal):
            listed = own[f"list_{token_class}_usd"]
            return Rate(usd, listed if isinstance(listed, Decimal) else usd, str(own["price_id"]))
        for cell in self.cells(place.provider, place.model, place.tier):
            if inside(bracket, cell) and token_class in cell.rates:
                usd = cell.rates[token_class]
                return Rate(usd, usd, price_id_of(place, cell, by_user=False))
        return None

    def _charges_calls(self, place: Place) -> bool:
        """Whether anybody says what a call costs by itself. To calls that is 0 where nobody does."""
        own = (r.rates for name in {place.model, place.asked} for r in self.user.rates_of(place.provider, name))
        listed = (cell.rates for cell in self.cells(place.provider, place.model, place.tier))
        return any(EACH_CALL in rates for rates in chain(own, listed))

    def ranges(self, provider: str | None, model: str | None = None) -> tuple[str, pa.Table]:
        """Between what the rates of an unpriced call lie, and a name for that span.

        Those of its family, where the name tells one: the provider's models of the same words and other numbers. Else
        those of the provider's text models over time; an unknown provider has the whole book.
        """
        owner = canonical(provider)
        family = self._shelf.family(owner, model) if owner and model else None
        return family or self._shelf.ranges_of(owner)

    def all_rates(self) -> list[dict[str, Any]]:
        """Every row of the book."""
        found: list[dict[str, Any]] = self._shelf.rates.to_pylist()
        return found

    def rates_after(self, day: date) -> list[dict[str, Any]]:
        """Rows of the book that begin or end after a day."""
        rates = self._shelf.rates
        begins, ends = (
            pc.fill_null(pc.greater(rates[name], day), fill_value=False) for name in ("valid_from", "valid_to")
        )
        found: list[dict[str, Any]] = rates.filter(pc.or_(begins, ends)).to_pylist()
        return found

    def all_names(self) -> list[dict[str, Any]]:
        """Every name of the book: provider, name, model, kind."""
        return [
            {"provider": provider, "name": name, "model": model, "kind": kind}
            for (provider, name), (model, kind) in self._shelf.names.items()
        ]

    def retirements(self) -> list[dict[str, Any]]:
        """Models that providers no longer serve from some day on: provider, model, retires_on (null: no day is named), source."""
        found: list[dict[str, Any]] = _read("retirements", self._shelf.folder).to_pylist()
        return found

    def slips(self) -> list[Slip]:
        """Lines of the sources that are powers of ten away from what they must be, and what became of them."""
        listed = self._shelf.meta.get("slips", [])
        return [Slip(**line) for line in listed] if isinstance(listed, list) else []

    def rows(self, model: str) -> pa.Table:
        """Every row of a model, under each provider that lists the name."""
        return self._shelf.rows_of(model)

    def near(self, model: str) -> list[str]:
        """Names that look alike."""
        return self._shelf.near(model)

    def _match(self, provider: str | None, model: str, region: str | None) -> names.Match | None:
        lower = model.strip().lower()
        owner = canonical(provider)
        target = next((self.user.aliases[key] for key in _alias_keys(owner, lower) if key in self.user.aliases), None)
        if target:
            return self._aliased(target, region)
        rates = self.user.rates_of(owner, lower)
        found = names.find(self._shelf.lookup, provider, model, region, self._shelf.spelt)
        if rates and not found:
            return names.Match(rates[0].provider or owner or "", lower, "user")
        return found

    def _aliased(self, target: str, region: str | None) -> names.Match | None:
        provider, slash, model = target.partition("/")
        known = self._shelf.has(str(canonical(provider))) if slash else False
        seller, name = (provider, model) if known else (None, target)
        found = names.find(self._shelf.lookup, seller, name, region, self._shelf.spelt)
        if found:
            return names.Match(found.provider, found.model, "user", found.rule)
        name = (model if slash else target).lower()
        own = self.user.rates_of(canonical(provider) if slash else None, name)
        if own:
            return names.Match(own[0].provider or str(canonical(provider)), name, "user")
        raise AuditError(f"prices.toml: alias target {target!r} is not in the price book and has no [[model]] entry.")

    def _uplift(self, match: names.Match, region: str | None) -> tuple[Decimal, str]:
        factors = self._shelf.uplifts.get((match.provider, match.model), {})
        where = (region or "").lower()
        if where in factors:
            return Decimal(factors[where]), "regional-surcharge"
        if "regional" in factors and where not in {"", "global", "default"}:
            return Decimal(factors["regional"]), "regional-surcharge"
        return Decimal(1), ""


@dataclass(frozen=True)
class Shelf:
    """The shipped tables, indexed. Shared by every book."""

    meta: Mapping[str, object]
    rates: pa.Table
    spans: Mapping[tuple[str, str], tuple[int, int]]
    names: Mapping[tuple[str, str], tuple[str, str]]
    ranges: Mapping[str, pa.Table]
    uplifts: Mapping[tuple[str, str], Mapping[str, str]]
    folder: Path
    _spelt: dict[str, Spellings] = field(default_factory=dict, repr=False, compare=False)

    def lookup(self, provider: str, name: str) -> tuple[str, str] | None:
        return self.names.get((provider, name))

    def spelt(self, provider: str, asked: Spelling, *, own: bool = False) -> str | None:
        if provider not in self._spelt:
            listed = [(name, *known) for (seller, name), known in self.names.items() if seller == provider]
            self._spelt[provider] = Spellings(listed)
        return self._spelt[provider].find(asked, own=own)

    def has(self, provider: str) -> bool:
        return provider in self.ranges or any(p == provider for p, _ in self.spans)

    def rows(self, provider: str, model: str) -> pa.Table:
        first, last = self.spans.get((provider, model), (0, 0))
        return self.rates.slice(first, last - first)

    def rows_of(self, model: str) -> pa.Table:
        head, slash, tail = model.lower().partition("/")
        wanted = [(p, m) for (p, n), (m, _) in self.names.items() if n == model.lower()]
        if slash and (own := self.names.get((str(canonical(head)), tail))):
            wanted = [(str(canonical(head)), own[0])]
        return pa.concat_tables([self.rows(*place) for place in dict.fromkeys(wanted)] or [self.rates.slice(0, 0)])

    def near(self, model: str) -> list[str]:
        return difflib.get_close_matches(model.lower(), sorted({name for _, name in self.names}), n=5, cutoff=0.6)

    def cells(self, provider: str, model: str, tier: str) -> list[Cell]:
        grouped: dict[tuple[object, ...], dict[str, Decimal]] = {}
        marks: dict[tuple[object, ...], tuple[str, str]] = {}
        others: dict[tuple[object, ...], dict[str, Decimal]] = {}
        for row in self.rows(provider, model).to_pylist():
            if row["tier"] == tier:
                brackets = tuple(row.get(name) for name in _BRACKETS)
                grouped.setdefault(brackets, {})[row["token_class"]] = row["usd_per_unit"]
                marks.setdefault(brackets, (row["basis"], row["source"]))
                if row["disputed"]:
                    others.setdefault(brackets, {})[row["token_class"]] = row["other_usd_per_unit"]
        return [
            cell
            for brackets, rates in grouped.items()
            for cell in _cells(brackets, rates, others.get(brackets, {}), *marks[brackets])
        ]

    def family(self, provider: str, model: str) -> tuple[str, pa.Table] | None:
        """The span of all rates, whatever their tier, day and band, of the models whose names differ in numbers alone."""
        asked = spell(model)
        if not asked.numbers or provider not in self.ranges:
            return None
        self.spelt(provider, asked)
        models = self._spelt[provider].models_of(asked.words)
        rates = [row for name in sorted(models) for row in self.rows(provider, name).to_pylist()]
        spans = _family_span(rates)
        if len(models) < FEWEST_OF_A_FAMILY or spans is None:
            return None
        return f"{provider}/{' '.join(asked.words)}", pa.Table.from_pylist([{"provider": provider, **spans}], RANGES)

    def ranges_of(self, provider: str | None) -> tuple[str, pa.Table]:
        key = provider if provider in self.ranges else ""
        assert key is not None
        return key, self.ranges[key]


def _family_span(rates: list[dict[str, Any]]) -> dict[str, Decimal] | None:
    """Lowest and highest rate by class; a cached token may cost as little as the cheapest read, as much as plain input."""
    found: dict[str, list[Decimal]] = {}
    for row in rates:
        if row["usd_per_unit"]:
            found.setdefault(row["token_class"], []).append(row["usd_per_unit"])
    if "input" not in found or "output" not in found:
        return None
    low, high = ({name: pick(values) for name, values in found.items()} for pick in (min, max))
    writes = [usd for name in ("cache_write", "cache_write_long") for usd in found.get(name, ())]
    return {
        "low_input": low["input"],
        "low_cache_read": min(low["input"], low.get("cache_read", low["input"])),
        "low_cache_write": min([low["input"], *writes]),
        "low_output": low["output"],
        "high_input": high["input"],
        "high_cache_read": high["input"],
        "high_cache_write": max([high["input"], *writes]),
        "high_output": max(high["output"], high.get("reasoning", high["output"])),
    }


def _cells(
    brackets: tuple[Any, ...], rates: Mapping[str, Decimal], others: Mapping[str, Decimal], basis: str, source: str
) -> Iterator[Cell]:
    """A row's rates, once for each stretch of the week that they hold in."""
    valid_from, valid_to, first, last, weekdays, low, high, is_marginal = brackets
    carried_back = basis == "carried_back"
    input_only = source == "genai-prices" and "input" in rates and not any(c.startswith("output") for c in rates)
    for week in _weeks(first, last, weekdays):
        yield Cell(
            valid_from or EVER,
            valid_to or NEVER,
            week,
            (low, ENDLESS if high is None else high),
            rates,
            _hours(first, weekdays),
            carried_back,
            input_only,
            others,
            below_tokens=low - 1 if is_marginal else 0,
        )


def _weeks(first: int | None, last: int | None, weekdays: str | None) -> Iterator[tuple[int, int]]:
    """A daily window as seconds of the week, one stretch for each of its days.

    >>> list(_weeks(None, None, None)), list(_weeks(0, 3600, "67"))
    ([(0, 604800)], [(432000, 435600), (518400, 522000)])
    """
    if first is None and weekdays is None:
        yield 0, WEEK_SECONDS
        return
    for day in weekdays or WEEKDAYS:
        midnight_second = (int(day) - 1) * DAY_SECONDS
        yield midnight_second + (first or 0), midnight_second + (DAY_SECONDS if last is None else last)


def _hours(first: int | None, weekdays: str | None) -> str:
    if first is None and weekdays is None:
        return ""
    return f"@{weekdays + ',' if weekdays else ''}{first or 0}s"


def _alias_keys(owner: str | None, lower: str) -> Iterator[str]:
    """How an alias may be written: with its provider, as the log has it, or an ARN by its last part alone."""
    tail = lower.rpartition("/")[2] if lower.startswith("arn:") else lower
    yield from (f"{owner}/{lower}", lower, f"{owner}/{tail}", tail)


TABLES = ("rates", "names", "ranges", "retirements")


def sha256(folder: Path) -> str:
    """One digest over a book's tables."""
    digest = hashlib.sha256()
    for name in TABLES:
        digest.update((folder / f"{name}.parquet").read_bytes())
    return digest.hexdigest()


def load(user_prices: Path | None = None, folder: Path | None = None, tuning_targets: Path | None = None) -> Book:
    """The shipped price book or the one in `folder`, with the user's `prices.toml` and own targets over it if there are any."""
    known = tuning.targets(tuning_targets)
    shelf = _opened(folder.resolve()) if folder else _shelf()
    as_of = date.fromisoformat(str(shelf.meta["as_of"]))
    digest = str(shelf.meta["sha256"])
    if user_prices is None:
        return Book(as_of, digest, user.NONE, shelf, known)
    own = user.read(user_prices)
    digest = hashlib.sha256(digest.encode() + user_prices.read_bytes()).hexdigest()
    return Book(as_of, digest, own, shelf, known)


def normal_tier(tier: str | None) -> str:
    """The tier's name in the book.

    >>> normal_tier(None), normal_tier("default"), normal_tier("Batch"), normal_tier("on_demand")
    ('standard', 'standard', 'batch', 'standard')
    """
    lower = (tier or "").strip().lower().replace("-", "_")
    return "standard" if lower in {"", "standard", "default", "auto", "on_demand", "standard_only"} else lower


def _opened(folder: Path) -> Shelf:
    """A book that `llmaudit prices update` wrote, unchanged since."""
    cure = f"Write it anew: llmaudit prices update --book {folder}"
    try:
        meta = json.loads((folder / "book.json").read_text("utf-8"))
        digest = sha256(folder)
    except (OSError, ValueError) as error:
        raise AuditError(f"{folder}: no price book there ({error}). {cure}") from error
    if meta.get("sha256") != digest:
        raise AuditError(f"{folder}: the tables' sha256 is {digest}, book.json says {meta.get('sha256')}. {cure}")
    return _shelf(folder)


@cache
def _shelf(folder: Path = DATA) -> Shelf:
    meta = json.loads((folder / "book.json").read_text("utf-8"))
    rates = _read("rates", folder).combine_chunks()
    listed = _read("names", folder)
    ranges = _read("ranges", folder)
    known = zip(*(listed[c].to_pylist() for c in ("provider", "name", "model", "kind")), strict=True)
    return Shelf(
        meta,
        rates,
        _spans(rates),
        {(provider, name): (model, kind) for provider, name, model, kind in known},
        {p: ranges.slice(a, b - a) for (p,), (a, b) in _runs([ranges["provider"].to_pylist()])},
        {(u["provider"], u["model"]): u for u in meta["uplifts"]},
        folder,
    )


def _read(name: str, folder: Path = DATA) -> pa.Table:
    """A plain read: `pq.read_table` would import the whole dataset machinery, and that takes longer than reading."""
    with pq.ParquetFile(folder / f"{name}.parquet") as file:
        return file.read()


def _spans(rates: pa.Table) -> dict[tuple[str, str], tuple[int, int]]:
    columns = [rates[name].to_pylist() for name in ("provider", "model")]
    return {(provider, model): span for (provider, model), span in _runs(columns)}


def _runs(columns: list[list[str]]) -> Iterator[tuple[tuple[str, ...], tuple[int, int]]]:
    """Stretches of equal keys in a sorted table."""
    start = 0
    keys = list(zip(*columns, strict=True))
    for at in range(1, len(keys) + 1):
        if at == len(keys) or keys[at] != keys[start]:
            yield keys[start], (start, at)
            start = at


def show(model: str, book: Book) -> pl.DataFrame:
    """Every row of the book for a model, under each provider that lists the name; `provider/model` picks one."""
    import polars as pl

    found = book.rows(model)
    if not found.num_rows:
        near = book.near(model)
        hint = f" Close: {', '.join(near)}." if near else ""
        raise UnknownModel(model, near, f"No model called {model!r} in the price book of {book.as_of}.{hint}")
    frame = pl.from_arrow(found)
    assert isinstance(frame, pl.DataFrame)
    return frame.sort("provider", "model", "tier", "token_class", "from_tokens", "valid_from", "daily_from_second")


class UnknownModel(AuditError):
    """A model that the price book does not have. `near` are names that look alike."""

    def __init__(self, got: str, near: list[str], text: str) -> None:
        self.kind, self.got, self.known = "model", got, near
        super().__init__(text)
