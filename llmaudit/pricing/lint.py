"""Rules that prices keep. What breaks one is a mistake at a source, or a price that deserves a second look.

Nothing here changes a price: a rule names the row, what clashes, and leaves the book as its sources have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llmaudit.pricing.book import Book
from llmaudit.pricing.slips import Hosts
from llmaudit.pricing.spelling import spell
from llmaudit.pricing.user import TOKEN_CLASSES

if TYPE_CHECKING:
    import polars as pl

ANTHROPIC = ("claude",)
SHORT_WRITE, LONG_WRITE = Decimal("1.25"), Decimal(2)
LARGEST_MOVE = 5
MOST_APART = Decimal("0.01")
MTOK = 1_000_000

Rates = Mapping[str, Decimal]
Row = dict[str, Any]


@dataclass(frozen=True)
class Broken:
    """One rule broken by one model. `text` has both figures, in dollars per million tokens, or for one of another unit."""

    rule: str
    provider: str
    model: str
    tier: str
    text: str


def lint(book: Book, as_of: date, model: str | None = None) -> list[Broken]:
    """Every rule over the prices in force on a day, of one model's name or of all."""
    rows = book.rows(model).to_pylist() if model else book.all_rates()
    found = [broken for rule in (*_BY_MODEL, *_BY_ROW) for broken in rule(_in_force(rows, as_of), rows)]
    found += [*_slips(rows, book.all_rates()), *_slipped(book, model)]
    return sorted(set(found), key=lambda b: (b.rule, b.provider, b.model, b.tier, b.text))


def frame(broken: list[Broken]) -> pl.DataFrame:
    """The same as a table."""
    import polars as pl

    names = list(Broken.__dataclass_fields__)
    return pl.DataFrame([{n: getattr(b, n) for n in names} for b in broken], schema=dict.fromkeys(names, pl.String()))


Place = tuple[str, str]
Band = tuple[str, int, int | None, str | None]
"""tier, from_tokens, daily_from_second, weekdays"""
Books = Mapping[Place, Mapping[Band, Rates]]


def _in_force(rows: list[Row], as_of: date) -> Books:
    found: dict[Place, dict[Band, dict[str, Decimal]]] = {}
    for row in rows:
        if (row["valid_from"] or date.min) <= as_of < (row["valid_to"] or date.max):
            band = (row["tier"], row["from_tokens"], row["daily_from_second"], row["weekdays"])
            found.setdefault((row["provider"], row["model"]), {}).setdefault(band, {})[row["token_class"]] = row[
                "usd_per_unit"
            ]
    return found


def _writes(books: Books, _: list[Row]) -> Iterator[Broken]:
    """Anthropic: a short-lived cache write costs 1.25 times the input, a long-lived one twice."""
    for place, bands in books.items():
        if not any(word in place[1] for word in ANTHROPIC):
            continue
        for band, rates in bands.items():
            for name, times in (("cache_write", SHORT_WRITE), ("cache_write_long", LONG_WRITE)):
                if rates.get("input") and name in rates and rates[name] != rates["input"] * times:
                    yield _broken(
                        "cache-write", place, band[0], name, rates[name], f"{times} x input", rates["input"] * times
                    )


def _reads(books: Books, _: list[Row]) -> Iterator[Broken]:
    """Reading from a cache never costs more than sending the tokens anew."""
    for place, bands in books.items():
        for band, rates in bands.items():
            if "input" in rates and rates.get("cache_read", Decimal(0)) > rates["input"]:
                yield _broken("cache-read", place, band[0], "cache_read", rates["cache_read"], "input", rates["input"])


_ORDER = (("batch", "standard"), ("flex", "standard"), ("standard", "priority"))


def _tiers(books: Books, _: list[Row]) -> Iterator[Broken]:
    """Batch and flex cost no more than standard, and standard no more than priority."""
    for place, bands in books.items():
        for (tier, *rest), rates in bands.items():
            for cheap, dear in _ORDER:
                other = bands.get((dear, *rest)) if tier == cheap else None  # type: ignore[arg-type]
                for name in sorted(rates.keys() & (other or {}).keys()):
                    if other and rates[name] > other[name]:
                        yield _broken("tier-order", place, tier, f"{name} of {cheap}", rates[name], dear, other[name])


def _long(books: Books, _: list[Row]) -> Iterator[Broken]:
    """Long requests cost no less than short ones."""
    for place, bands in books.items():
        for (tier, start, *rest), rates in bands.items():
            short = bands.get((tier, 0, *rest)) if start else None  # type: ignore[arg-type]
            for name in sorted(rates.keys() & (short or {}).keys()):
                if short and rates[name] < short[name]:
                    yield _broken(
                        "long-context", place, tier, f"{name} over {start - 1}", rates[name], "short", short[name]
                    )


def _free(books: Books, _: list[Row]) -> Iterator[Broken]:
    """Nothing costs nothing, unless its name says that it is free."""
    for place, bands in books.items():
        for band, rates in bands.items():
            tokens = [rates[name] for name in ("input", "output") if name in rates]
            if tokens and not any(tokens) and "free" not in place[1]:
                yield Broken("zero-price", *place, band[0], "input and output cost 0, and the name does not say free")


def _aliases(books: Books, _: list[Row]) -> Iterator[Broken]:
    """A dated name costs what the name without a date costs."""
    plain = {(p, _words(m)): m for p, m in books if not spell(m).stamp}
    for (provider, model), bands in books.items():
        twin = plain.get((provider, _words(model))) if spell(model).stamp else None
        mine, its = (_short(bands), _short(books[provider, twin])) if twin else ({}, {})
        for name in ("input", "output"):
            if name in mine and name in its and mine[name] != its[name]:
                yield _broken("dated-alias", (provider, model), "standard", name, mine[name], str(twin), its[name])


def _words(model: str) -> tuple[object, ...]:
    head = model.rpartition("/")[0]
    read = spell(model)
    return head, model.split(".", maxsplit=1)[0] if "." in model else "", read.words, read.numbers


def _short(bands: Mapping[Band, Rates]) -> Rates:
    return next((rates for (tier, start, *_), rates in bands.items() if tier == "standard" and not start), {})


def _moves(_: Books, rows: list[Row]) -> Iterator[Broken]:
    """A price that moves more than fivefold in one edit needs a second source."""
    begins: dict[tuple[Any, ...], Row] = {(*_line(r), r["valid_from"]): r for r in rows}
    for row in rows:
        later = begins.get((*_line(row), row["valid_to"])) if row["valid_to"] else None
        if later is None or not row["usd_per_unit"] or not later["usd_per_unit"]:
            continue
        before, after = row["usd_per_unit"], later["usd_per_unit"]
        alone = row["source"] == later["source"] and later["other_usd_per_unit"] is None
        if alone and max(before, after) > LARGEST_MOVE * min(before, after):
            place = (row["provider"], row["model"])
            yield _broken(
                "large-move",
                place,
                row["tier"],
                f"{row['token_class']} from {row['valid_to']}",
                after,
                "before",
                before,
            )


def _line(row: Row) -> tuple[Any, ...]:
    names = ("provider", "model", "tier", "token_class", "from_tokens", "daily_from_second", "weekdays")
    return tuple(row[name] for name in names)


def _sources(_: Books, rows: list[Row]) -> Iterator[Broken]:
    """The two sources agree to one percent."""
    for row in rows:
        ours, theirs = row["usd_per_unit"], row["other_usd_per_unit"]
        if theirs is not None and abs(ours - theirs) > MOST_APART * max(ours, theirs):
            place = (row["provider"], row["model"])
            yield _broken("sources-differ", place, row["tier"], row["token_class"], ours, row["other_source"], theirs)


def _slips(rows: list[Row], every: list[Row]) -> Iterator[Broken]:
    """No token costs hundreds of times what other hosts ask for it, or what it cost the day before."""
    hosts = Hosts((r["provider"], r["model"], r["token_class"], r["usd_per_unit"]) for r in every if _is_base(r))
    near = _neighbours(rows)
    for row in filter(_is_base, rows):
        asked = (row["provider"], row["model"], row["token_class"], row["usd_per_unit"])
        if why := hosts.why_not(asked, near.get((*_line(row), row["valid_from"], row["valid_to"]), ())):
            yield Broken("unit-slip", row["provider"], row["model"], row["tier"], why)


def _is_base(row: Row) -> bool:
    return row["tier"] == "standard" and not row["from_tokens"]


def _neighbours(rows: list[Row]) -> Mapping[tuple[Any, ...], list[Decimal]]:
    """Of each row the rates of its line that end where it begins, or begin where it ends."""
    ends: dict[tuple[Any, ...], list[Decimal]] = {}
    for row in rows:
        for name in ("valid_from", "valid_to"):
            if row[name]:
                ends.setdefault((*_line(row), name, row[name]), []).append(row["usd_per_unit"])
    return {
        (*_line(row), row["valid_from"], row["valid_to"]): [
            *ends.get((*_line(row), "valid_to", row["valid_from"]), ()),
            *ends.get((*_line(row), "valid_from", row["valid_to"]), ()),
        ]
        for row in rows
    }


def _slipped(book: Book, model: str | None) -> Iterator[Broken]:
    """What the book's sources have and the book does not, because it cannot be."""
    for slip in book.slips():
        if model is None or model.lower() in {slip.model, f"{slip.provider}/{slip.model}"}:
            done = "divided as its source did later" if slip.is_mended else "left out"
            text = f"{slip.text}; {slip.valid_from or 'ever'} to {slip.valid_to or 'today'}, {done}"
            yield Broken("unit-slip", slip.provider, slip.model, "standard", text)


def _broken(rule: str, place: Place, tier: str, name: str, usd: Decimal, other: str, other_usd: Decimal) -> Broken:
    per = MTOK if name.partition(" ")[0] in TOKEN_CLASSES else 1
    return Broken(rule, *place, tier, f"{name} {_plain(usd * per)}, {other} {_plain(other_usd * per)}")


def _plain(usd: Decimal) -> str:
    return f"{usd.normalize():f}"


Rule = Callable[[Books, list[Row]], Iterator[Broken]]
_BY_MODEL: tuple[Rule, ...] = (_writes, _reads, _tiers, _long, _free, _aliases)
_BY_ROW: tuple[Rule, ...] = (_moves, _sources)
