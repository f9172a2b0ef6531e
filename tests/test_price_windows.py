"""Marginal context bands, and hours by a place's own clock: sums worked by hand, and the same worked out call by call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_pricing import NOVEMBER, mtok

from llmaudit import pricing
from llmaudit.errors import AuditError
from llmaudit.pricing.hours import DAYS, read
from llmaudit.pricing.user import UserPrices, UserRate

LARGE = """
[[model."acme-large".price]]
provider = "acme"
input_usd_per_token = "0.000001"
cache_read_usd_per_token = "0.0000001"
cache_write_usd_per_token = "0.00000125"
output_usd_per_token = "0.000005"

[[model."acme-large".price]]
provider = "acme"
above_tokens = 200000
marginal = MARGINAL
input_usd_per_token = "0.000002"
cache_read_usd_per_token = "0.0000002"
cache_write_usd_per_token = "0.0000025"
output_usd_per_token = "0.0000075"
"""
MARGINAL = LARGE.replace("MARGINAL", "true")


def book_of(folder: Path, text: str) -> pricing.Book:
    (folder / "prices.toml").write_text(text, "utf-8")
    return pricing.load(folder / "prices.toml")


def priced(book: pricing.Book, model: str = "acme-large", at: datetime = NOVEMBER, **usage: int) -> dict:
    frame = pl.DataFrame([{"provider": "acme", "model": model, "started_at": at, "output_tokens": 0, **usage}])
    return pricing.price(frame, book).row(0, named=True)


# --- marginal bands ---------------------------------------------------------------------------------


def test_only_the_tokens_beyond_a_marginal_threshold_pay_more(tmp_path: Path) -> None:
    book = book_of(tmp_path, MARGINAL)
    at_the_edge = priced(book, input_tokens=200_000, output_tokens=100)
    assert at_the_edge["cost_usd"] == mtok("1", 200_000) + mtok("5", 100)
    beyond = priced(book, input_tokens=250_000, output_tokens=100)
    assert beyond["cost_usd"] == mtok("1", 200_000) + mtok("2", 50_000) + mtok("7.5", 100) == Decimal("0.30075")
    assert beyond["price_id"] == "acme/acme-large/standard/ever>200000+marginal+user"


def test_the_same_entry_without_the_word_prices_the_whole_call(tmp_path: Path) -> None:
    book = book_of(tmp_path, LARGE.replace("MARGINAL", "false"))
    assert priced(book, input_tokens=250_000)["cost_usd"] == mtok("2", 250_000)


def test_what_a_cache_holds_is_the_beginning_and_lies_below_the_threshold_first(tmp_path: Path) -> None:
    """250,000 tokens: 180,000 read, 40,000 written, 30,000 new. The last 50,000 are the new ones and half of the written."""
    usage = {"input_tokens": 250_000, "cache_read_tokens": 180_000, "cache_write_tokens": 40_000}
    found = priced(book_of(tmp_path, MARGINAL), **usage)
    assert found["cost_usd"] == mtok("0.1", 180_000) + mtok("1.25", 20_000) + mtok("2.5", 20_000) + mtok("2", 30_000)


def test_bands_upon_bands_each_pay_their_share(tmp_path: Path) -> None:
    steps = "".join(
        f'[[model."m".price]]\nabove_tokens = {above}\nmarginal = true\ninput_usd_per_token = "{usd}"\n'
        for above, usd in ((100, "0.002"), (300, "0.003"))
    )
    base = '[[model."m".price]]\ninput_usd_per_token = "0.001"\noutput_usd_per_token = "0.001"\n'
    assert priced(book_of(tmp_path, base + steps), "m", input_tokens=450)["cost_usd"] == Decimal("0.95")
    # 100 at 0.001 + 200 at 0.002 + 150 at 0.003


def test_a_listed_model_keeps_its_list_price_beside_a_marginal_contract(tmp_path: Path) -> None:
    text = '[[model."gpt-5-mini".price]]\nabove_tokens = 1000\nmarginal = true\ninput_usd_per_token = "0.0000001"\n'
    frame = pl.DataFrame([{"provider": "openai", "model": "gpt-5-mini", "started_at": NOVEMBER, "input_tokens": 1_500}])
    found = pricing.price(frame.with_columns(output_tokens=0), book_of(tmp_path, text)).row(0, named=True)
    assert found["cost_usd"] == mtok("0.25", 1_000) + mtok("0.1", 500)
    assert found["list_usd"] == mtok("0.25", 1_500)


def test_a_marginal_band_upon_nothing_leaves_the_call_unpriced(tmp_path: Path) -> None:
    only = MARGINAL[MARGINAL.index("[[model", 5) :]
    found = priced(book_of(tmp_path, only), input_tokens=250_000)
    assert (found["cost_usd"], found["priced_by"]) == (None, None)


def test_a_marginal_band_needs_a_threshold(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="no above_tokens says beyond what"):
        book_of(tmp_path, '[[model."m".price]]\nmarginal = true\ninput_usd_per_token = "0.1"')


def test_a_row_of_the_book_may_be_marginal() -> None:
    usual = pricing.load().rows("openai/gpt-5-mini").to_pylist()[0]
    same = {"tier": "standard", "valid_from": None, "valid_to": None, "disputed": False, "other_usd_per_unit": None}
    rates = [
        {**usual, **same, "token_class": token_class, "from_tokens": start, "to_tokens": end, "is_marginal": start > 0}
        | {"usd_per_unit": Decimal(usd)}
        for start, end, usd in ((0, 101, "0.001"), (101, None, "0.003"))
        for token_class in ("input", "output")
    ]
    book = pricing.load()
    table = book._shelf.rates.schema.empty_table().from_pylist(rates, book._shelf.rates.schema)
    shelf = replace(book._shelf, rates=table, spans={("openai", "gpt-5-mini"): (0, len(rates))})
    frame = pl.DataFrame([{"provider": "openai", "model": "gpt-5-mini", "started_at": NOVEMBER}])
    asked = frame.with_columns(input_tokens=150, output_tokens=10)
    found = pricing.price(asked, replace(book, _shelf=shelf, _cache={})).row(0, named=True)
    assert found["cost_usd"] == found["list_usd"] == Decimal("0.1") + Decimal("0.15") + Decimal("0.03")


ORDER = ("input", "cache_write_long", "cache_write", "cache_read")
rates = st.integers(1, 9_999).map(lambda n: Decimal(n).scaleb(-9))
bands = st.dictionaries(st.integers(1, 900), st.booleans(), max_size=3)
tokens = st.tuples(*(st.integers(0, 400) for _ in range(5)))


@settings(max_examples=80)
@given(bands=bands, drawn=st.data(), calls=st.lists(tokens, min_size=1, max_size=6))
def test_any_bands_cost_what_a_sum_token_by_token_does(
    bands: dict[int, bool], drawn: st.DataObject, calls: list[tuple[int, ...]]
) -> None:
    classes = (*ORDER, "output")
    price = {above: {c: drawn.draw(rates) for c in classes} for above in (0, *bands)}
    entries = tuple(
        UserRate("acme", "m", "standard", None, None, above + 1 if above else 0, usd, bands.get(above, False))
        for above, usd in price.items()
    )
    book = replace(pricing.load(), user=UserPrices({}, entries, ()), _cache={})
    rows = [
        {
            "provider": "acme",
            "model": "m",
            "started_at": NOVEMBER,
            "output_tokens": out,
            "input_tokens": fresh + short + long + read,
            "cache_write_tokens": short + long,
            "cache_write_long_tokens": long,
            "cache_read_tokens": read,
        }
        for fresh, short, long, read, out in calls
    ]
    found = pricing.price(pl.DataFrame(rows), book)["cost_usd"].to_list()
    assert found == [by_hand(price, bands, *call) for call in calls]


def by_hand(price: dict, bands: dict[int, bool], fresh: int, short: int, long: int, read: int, out: int) -> Decimal:
    """A token at a time: reads lie first in a prompt, then writes, then what is new."""
    prompt = ["cache_read"] * read + ["cache_write"] * short + ["cache_write_long"] * long + ["input"] * fresh
    starts = sorted(above for above in price if above < len(prompt) or not above)
    parts: dict[str, Decimal] = {"output": price[starts[-1]]["output"] * out}
    for position, token_class in enumerate(prompt):
        band = starts[-1]
        while bands.get(band) and position < band:
            band = starts[starts.index(band) - 1]
        parts[token_class] = parts.get(token_class, Decimal(0)) + price[band][token_class]
    return sum(usd.quantize(Decimal("1e-12"), ROUND_HALF_UP) for usd in parts.values())


# --- hours -----------------------------------------------------------------------------------------------

NIGHTS = """
[[model."acme-large".price]]
input_usd_per_token = "0.000002"
output_usd_per_token = "0.000002"

[[model."acme-large".price]]
hours = "22:00-06:00"
weekdays = DAYS
timezone = "Europe/Berlin"
input_usd_per_token = "0.000001"
"""
WORKDAYS = NIGHTS.replace("DAYS", '["mon", "tue", "wed", "thu", "fri"]')
SATURDAYS = NIGHTS.replace("DAYS", '["sat"]')


def is_cheap(book: pricing.Book, moment: str) -> bool:
    at = datetime.fromisoformat(moment)
    return {mtok("1", 1_000): True, mtok("2", 1_000): False}[priced(book, at=at, input_tokens=1_000)["cost_usd"]]


@pytest.mark.parametrize(
    ("moment", "cheap"),
    [
        # winter: Berlin is an hour ahead of UTC
        ("2026-01-09T20:59:59", False),  # Friday 21:59:59
        ("2026-01-09T21:00:00", True),  # Friday 22:00
        ("2026-01-10T04:59:59", True),  # Saturday 05:59:59: the night that began on Friday
        ("2026-01-10T05:00:00", False),  # Saturday 06:00
        ("2026-01-10T21:00:00", False),  # Saturday 22:00: no night of a working day
        ("2026-01-12T03:00:00", False),  # Monday 04:00: the night that began on Sunday
        ("2026-01-12T21:00:00", True),  # Monday 22:00
        # summer: two hours
        ("2026-07-10T19:59:59", False),
        ("2026-07-10T20:00:00", True),
        ("2026-07-11T03:59:59", True),
        ("2026-07-11T04:00:00", False),
    ],
)
def test_a_window_crosses_midnight_and_ends_with_the_week(tmp_path: Path, moment: str, cheap: bool) -> None:
    assert is_cheap(book_of(tmp_path, WORKDAYS), moment) is cheap


@pytest.mark.parametrize(
    ("moment", "cheap"),
    [
        # 29 March 2026, 01:00 UTC: the night is an hour shorter
        ("2026-03-28T20:59:59", False),
        ("2026-03-28T21:00:00", True),  # Saturday 22:00, winter time
        ("2026-03-29T03:59:59", True),  # Sunday 05:59:59, summer time
        ("2026-03-29T04:00:00", False),  # Sunday 06:00
        # 25 October 2026, 01:00 UTC: an hour longer
        ("2026-10-24T19:59:59", False),
        ("2026-10-24T20:00:00", True),  # Saturday 22:00, summer time
        ("2026-10-25T04:59:59", True),  # Sunday 05:59:59, winter time
        ("2026-10-25T05:00:00", False),
    ],
)
def test_the_night_on_which_clocks_change_is_as_long_as_the_clock_says(
    tmp_path: Path, moment: str, cheap: bool
) -> None:
    assert is_cheap(book_of(tmp_path, SATURDAYS), moment) is cheap


def test_hours_change_the_price_and_not_the_day_since_when_it_holds(tmp_path: Path) -> None:
    book = book_of(tmp_path, WORKDAYS)
    night, day = (
        priced(book, at=datetime.fromisoformat(m), input_tokens=1)["price_id"]
        for m in ("2026-07-10T20:00", "2026-07-10T12:00")
    )
    assert night.endswith("/acme-large/standard/ever@12345,22:00-06:00,Europe.Berlin+user")
    assert day.endswith("/acme-large/standard/ever+user")


def test_a_discount_may_hold_at_weekends_alone(tmp_path: Path) -> None:
    text = '[[discount]]\nprovider = "openai"\npercent = 50\nweekdays = ["sat", "sun"]\n'
    book = book_of(tmp_path, text)
    frame = pl.DataFrame({"started_at": [datetime(2026, 11, 13, 23), datetime(2026, 11, 14), datetime(2026, 11, 16)]})  # noqa: DTZ001
    asked = frame.with_columns(
        provider=pl.lit("openai"), model=pl.lit("gpt-5-mini"), input_tokens=1_000, output_tokens=0
    )
    full, half = mtok("0.25", 1_000), mtok("0.125", 1_000)
    assert pricing.price(asked, book)["cost_usd"].to_list() == [full, half, full]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('hours = "night"', "hours is 'night'"),
        ('weekdays = ["friday"]', "weekdays is"),
        ('hours = "1:00-2:00"\ntimezone = "Berlin"', "timezone is 'Berlin'"),
        ('hours = "5:00-5:00"', "hours is"),
    ],
)
def test_hours_that_cannot_be_read_are_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(AuditError, match=said):
        book_of(tmp_path, f'[[model."m".price]]\ninput_usd_per_token = "1"\n{line}')


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland")
CHANGES = [
    datetime(2026, m, d, h, tzinfo=UTC) for m, d, h in ((3, 29, 1), (10, 25, 1), (3, 8, 7), (11, 1, 6), (4, 4, 15))
]
minutes = st.integers(0, 24 * 60 - 1).map(lambda n: f"{n // 60:02}:{n % 60:02}")
moments = st.one_of(
    st.integers(0, 3 * 366 * 86_400).map(lambda s: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.tuples(st.sampled_from(CHANGES), st.integers(-90_000, 90_000)).map(lambda c: c[0] + timedelta(seconds=c[1])),
)


@settings(max_examples=20, deadline=None)
@given(
    ends=st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]),
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    zone=st.sampled_from(ZONES),
    at=st.lists(moments, min_size=1, max_size=30),
)
def test_a_call_is_inside_when_its_own_clock_says_so(
    ends: tuple[str, str], days: list[str], zone: str, at: list[datetime]
) -> None:
    hours = read("-".join(ends), days, zone)
    cheap, dear = ({"input": Decimal(usd), "output": Decimal(usd)} for usd in (1, 2))
    entries = (
        UserRate("acme", "m", "standard", None, None, 0, dear),
        UserRate("acme", "m", "standard", None, None, 0, cheap, hours=hours),
    )
    book = replace(pricing.load(), user=UserPrices({}, entries, ()), _cache={})
    frame = pl.DataFrame({"started_at": at}).with_columns(
        provider=pl.lit("acme"), model=pl.lit("m"), input_tokens=1, output_tokens=0
    )
    found = pricing.price(frame, book)["cost_usd"].to_list()
    assert found == [Decimal(1 if by_the_clock(moment.astimezone(ZoneInfo(zone)), ends, days) else 2) for moment in at]


def by_the_clock(local: datetime, ends: tuple[str, str], days: list[str]) -> bool:
    first, last = ends
    clock, today, yesterday = f"{local:%H:%M}", DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if first < last:
        return today in days and first <= clock < last
    return (today in days and clock >= first) or (yesterday in days and clock < last)
