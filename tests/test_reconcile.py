"""A bill and a log whose difference is planted: what the inputs show is named to the last digit, and nothing else is."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import DAY, FIRST, RATES, Planted, classes, usd
from small_logs import SAMPLES, record, write_log

from llmaudit import asking, config
from llmaudit.assemble.bills import bills
from llmaudit.engine import Engine
from llmaudit.engine.duckdb import DuckDB
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest

GPT4O, MINI, SMALL = "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-mini-2025-04-14"
NOON = timedelta(hours=12)


@pytest.fixture(scope="module")
def duck() -> Iterator[Engine]:
    """For causes: they are found from the same few queries, which a scenario of each kind runs on every engine."""
    started = DuckDB(threads=1)
    yield started
    started.close()


def test_a_bill_that_is_the_log_has_no_difference(engine: Engine) -> None:
    found = Planted().reconcile(engine)
    assert classes(found) == {}
    assert found.billed == found.priced


def unlogged(world: Planted, day: int = 3) -> Decimal:
    """Twenty calls: 38,000 tokens in at 2.50 a million, 8,400 out at 10: 0.095 + 0.084 = 0.179."""
    world.bill(FIRST + day * DAY + NOON, GPT4O, {"input": 38_000, "output": 8_400}, calls=20)
    return Decimal("0.179")


@pytest.mark.parametrize("counted", [True, False])
def test_calls_that_nobody_logged_are_named(duck: Engine, counted: bool) -> None:
    world = Planted()
    amount = unlogged(world)
    found = world.reconcile(duck, counted=counted)
    assert classes(found) == {"unlogged_traffic": amount}
    [part] = found.parts
    assert "38,000 input, 8,400 output" in part.evidence[0]
    assert ("counts 20 calls more" in part.evidence[0]) == counted


def timeouts(world: Planted, day: int = 2) -> Decimal:
    """Three calls given up, answered and billed all the same: 3 x (4,000 x 2.50 + 500 x 10) / 1,000,000 = 0.045."""
    for number in range(3):
        at = FIRST + day * DAY + NOON + timedelta(minutes=number)
        world.fail(at, GPT4O, 504)
        world.bill(at, GPT4O, {"input": 4_000, "output": 500})
    return Decimal("0.045")


def test_billed_time_outs_are_named_where_the_provider_counts_as_many_calls_more(duck: Engine) -> None:
    world = Planted()
    amount = timeouts(world)
    assert classes(world.reconcile(duck)) == {"billed_failures": amount}


def test_without_counts_time_outs_and_unlogged_calls_are_one_group(duck: Engine) -> None:
    world = Planted()
    amount = timeouts(world)
    assert classes(world.reconcile(duck, counted=False)) == {"unlogged_traffic_or_billed_failures": amount}


def test_the_same_prompt_answered_later_tells_what_a_time_out_was_billed(duck: Engine) -> None:
    """No counts, but the retry shows 4,000 tokens: 4,000 x 2.50 + 500 x 10 = 0.015."""
    world = Planted()
    at = FIRST + 2 * DAY + NOON
    world.fail(at, GPT4O, 408, prompt=777_777)
    world.bill(at, GPT4O, {"input": 4_000, "output": 500})
    retry = {"input": 4_000, "output": 480}
    world.log(at + timedelta(minutes=1), GPT4O, retry, prompt_hash=777_777)
    world.bill(at, GPT4O, retry)
    assert classes(world.reconcile(duck, counted=False)) == {"billed_failures": Decimal("0.015")}


def test_refused_calls_do_not_make_unlogged_calls_doubtful(duck: Engine) -> None:
    world = Planted()
    amount = unlogged(world)
    world.fail(FIRST + 3 * DAY, GPT4O, 429)
    assert classes(world.reconcile(duck, counted=False)) == {"unlogged_traffic": amount}


def discount(world: Planted) -> Decimal:
    return world.scale(lambda _: Decimal("0.88"))


def test_one_ratio_on_every_line_is_a_discount(duck: Engine) -> None:
    world = Planted()
    amount = discount(world)
    found = world.reconcile(duck)
    assert classes(found) == {"discount": amount}
    assert "0.88 of our price" in found.parts[0].evidence[0]


def test_a_bill_with_list_and_contracted_cost_tells_discount_and_credit_itself(duck: Engine) -> None:
    world = Planted()
    off = discount(world)
    rows = world.charges().to_pylist()
    for row in rows:
        row["contracted_cost"], row["list_cost"] = row["billed_cost"], row["billed_cost"] / Decimal("0.88")
    table = pa.Table.from_pylist(rows, world.charges().schema)
    world.charges = lambda: table  # type: ignore[method-assign]
    assert classes(world.reconcile(duck)) == {"discount": off}


def test_a_ratio_of_one_model_alone_is_discount_or_price(duck: Engine) -> None:
    world = Planted()
    amount = world.scale(lambda place: Decimal("0.9") if place[1] == MINI else Decimal(1))
    assert classes(world.reconcile(duck)) == {"discount_or_price": amount}


def test_two_classes_of_one_day_at_one_ratio_are_enough(duck: Engine) -> None:
    world = Planted()
    world.calls = [row for row in world.calls if row["model"] == MINI and row["started_at"] < FIRST + DAY]
    for place in [place for place in world.lines if place[1] != MINI or place[0] >= FIRST + DAY]:
        del world.lines[place]
    amount = world.scale(lambda _: Decimal("0.9113"))
    assert classes(world.reconcile(duck, counted=False)) == {"discount_or_price": amount}


def test_one_class_of_a_model_at_another_price_every_day_is_a_price(duck: Engine) -> None:
    world = Planted()
    amount = world.scale(lambda place: Decimal("1.2") if place[1:] == (MINI, "output") else Decimal(1))
    assert classes(world.reconcile(duck)) == {"price": amount}


def test_a_last_day_that_the_bill_has_in_part_is_late(duck: Engine) -> None:
    world = Planted()
    last = FIRST + 7 * DAY
    missing = Decimal(0)
    for (day, model, token_class), line in world.lines.items():
        if day == last:
            gone = int(line[0] // 3)
            line[0] -= gone
            line[1] -= usd(model, {token_class: gone})
            missing += usd(model, {token_class: gone})
            world.counts[day, model][token_class] -= gone
    assert classes(world.reconcile(duck)) == {"late_data": -missing}


def late(world: Planted) -> Decimal:
    last = FIRST + 7 * DAY
    gone = [place for place in world.lines if place[0] == last]
    amount = sum((world.lines.pop(place)[1] for place in gone), Decimal(0))
    world.counts = {place: counts for place, counts in world.counts.items() if place[0] != last}
    return -amount


def test_a_last_day_that_the_bill_does_not_have_yet_is_late(duck: Engine) -> None:
    world = Planted()
    assert classes(world.reconcile(duck)) == {}
    amount = late(world)
    found = world.reconcile(duck)
    assert classes(found) == {"late_data": amount}
    assert found.bill.end_at == FIRST + 8 * DAY


def test_days_before_the_log_begins_are_not_held_against_it(duck: Engine) -> None:
    world = Planted()
    amount = sum((row["cost_usd"] for row in world.calls if row["started_at"] < FIRST + DAY), Decimal(0))
    world.calls = [row for row in world.calls if row["started_at"] >= FIRST + DAY]
    assert classes(world.reconcile(duck)) == {"late_data": amount}


def wrong_tier(world: Planted, day: int = 4) -> Decimal:
    """Logged and asked for as batch, billed at the standard price: twice 100,000 x 0.2 + 20,000 x 0.8 = 0.036 a million."""
    at = FIRST + day * DAY + NOON
    tokens = {"input": 100_000, "output": 20_000}
    world.log(at, SMALL, tokens, tier="batch")
    world.bill(at, SMALL, tokens, tier="standard")
    return Decimal("0.036")


@pytest.mark.parametrize("counted", [True, False])
def test_calls_billed_in_another_tier_than_logged_are_named(duck: Engine, counted: bool) -> None:
    world = Planted()
    amount = wrong_tier(world)
    assert classes(world.reconcile(duck, counted=counted)) == {"tier": amount}


def test_a_bill_that_names_tiers_shows_which_calls_moved(engine: Engine) -> None:
    """100,000 x 0.40 + 20,000 x 1.60 = 0.072 standard instead of 0.036 batch."""
    world = Planted()
    amount = wrong_tier(world)
    rows = world.charges().to_pylist()
    table = world.charges()
    table = pa.Table.from_pylist([{**row, "service_tier": "standard"} for row in rows], table.schema)
    world.charges = lambda: table  # type: ignore[method-assign]
    assert classes(world.reconcile(engine, counted=False)) == {"tier": amount}


def test_cached_tokens_that_are_billed_as_fresh_are_a_matter_of_class(duck: Engine) -> None:
    """50,000 tokens at 2.50 instead of 1.25 a million: 0.0625."""
    world = Planted()
    at = FIRST + 5 * DAY + NOON
    world.log(at, GPT4O, {"input": 10_000, "cache_read": 50_000, "output": 100})
    world.bill(at, GPT4O, {"input": 60_000, "output": 100})
    assert classes(world.reconcile(duck)) == {"cache_class": Decimal("0.0625")}


def credit(world: Planted) -> Decimal:
    world.line("-0.25", "Promotional credit")
    return Decimal("-0.25")


def tax(world: Planted) -> Decimal:
    world.line("0.31", "Sales tax", day=7, charge_category="Tax")
    return Decimal("0.31")


def test_credit_and_tax_lines_are_named_by_the_bill(duck: Engine) -> None:
    world = Planted()
    amounts = {"credit": credit(world), "tax": tax(world)}
    assert classes(world.reconcile(duck)) == amounts


def shifted(world: Planted, hours: int) -> Decimal:
    """The bill's days begin `hours` before UTC's; what of the log falls out of its first day is not on it."""
    world.lines.clear()
    world.counts.clear()
    for row in world.calls:
        tokens = {
            "input": row["input_tokens"] - row["cache_read_tokens"],
            "cache_read": row["cache_read_tokens"],
            "output": row["output_tokens"],
        }
        at = row["started_at"] + timedelta(hours=hours)
        if FIRST <= at < FIRST + 8 * DAY:
            world.bill(at, row["model"], tokens)
    return sum((line[1] for line in world.lines.values()), Decimal(0)) - world.logged


@pytest.mark.parametrize("hours", [-7, 9])
def test_days_of_another_zone_are_found(engine: Engine, hours: int) -> None:
    world = Planted()
    amount = shifted(world, hours)
    found = world.reconcile(engine)
    assert amount
    assert classes(found) == {"utc_cutoff": amount}
    assert f"UTC{hours:+}" in found.parts[0].evidence[0]


def noise(world: Planted, seed: int = 5) -> Decimal:
    dice = random.Random(seed)
    return world.scale(lambda _: Decimal(1) + Decimal(dice.randrange(-30_000, 30_001)) / 1_000_000)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counted", [True, False])
def test_three_per_cent_at_random_stay_unexplained(duck: Engine, seed: int, counted: bool) -> None:
    world = Planted()
    amount = noise(world, seed)
    assert classes(world.reconcile(duck, counted=counted)) == {"unexplained": amount}


@pytest.mark.parametrize("seed", range(5))
def test_lines_that_are_three_per_cent_up_or_down_by_the_toss_of_a_coin_show_no_price(duck: Engine, seed: int) -> None:
    """Two ratios come again and again, but on days between each other: no price does that."""
    world, dice = Planted(), random.Random(seed)
    tossed: dict[tuple[str, str], list[Decimal]] = {}
    for place in world.lines:
        tossed.setdefault(place[1:], []).append(Decimal("1.03") if dice.random() < 0.5 else Decimal("0.97"))
    for sides in tossed.values():  # eight days seldom show one side only; then it would look like a price
        sides[1], sides[-2] = Decimal("1.03"), Decimal("0.97")
    amount = world.scale(lambda place: tossed[place[1:]].pop())
    assert classes(world.reconcile(duck)) == {"unexplained": amount}


def test_one_line_at_a_round_price_between_days_at_the_usual_one_shows_no_price(duck: Engine) -> None:
    world = Planted()
    amount = world.scale(lambda place: Decimal("1.03") if place == (FIRST + 3 * DAY, GPT4O, "output") else Decimal(1))
    assert classes(world.reconcile(duck)) == {"unexplained": amount}


def test_tokens_that_are_charged_at_nothing_are_a_credit_or_a_discount(duck: Engine) -> None:
    world = Planted()
    amount = world.scale(lambda place: Decimal(place[1] != MINI or place[0] >= FIRST + 2 * DAY))
    found = world.reconcile(duck)
    assert classes(found) == {"credit_or_discount": amount}
    assert "billed at nothing" in found.parts[0].evidence[0]


def test_a_true_up_is_a_purchase_and_not_in_the_capture_rate(duck: Engine) -> None:
    world = Planted()
    world.line("40", "commitment true-up")
    found = world.reconcile(duck)
    assert classes(found) == {"purchase": Decimal(40)}
    assert bills([found])[0]["capture_rate"] == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_tokens_off_at_random_stay_unexplained(duck: Engine, seed: int) -> None:
    world, dice = Planted(), random.Random(seed)
    amount = Decimal(0)
    for (_, model, token_class), line in world.lines.items():
        more = (line[0] * Decimal(dice.randrange(-30_000, 30_001)) / 1_000_000).quantize(Decimal("0.0001"))
        line[0] += more
        line[1] = (line[1] + more * Decimal(RATES[model][token_class]) / 1_000_000).quantize(Decimal("1e-12"))
        amount += more * Decimal(RATES[model][token_class]) / 1_000_000
    found = world.reconcile(duck)
    assert sum(classes(found).values()) == found.billed - found.priced
    assert set(classes(found)) == {"unexplained"}
    assert abs(found.unexplained - amount) < Decimal("1e-9")


def test_a_line_that_says_nothing_stays_unexplained(duck: Engine) -> None:
    world = Planted()
    world.line("0.42", "Miscellaneous", token_class="miscellaneous")
    assert classes(world.reconcile(duck)) == {"unexplained": Decimal("0.42")}


def test_rows_that_the_log_has_twice_are_named(engine: Engine) -> None:
    world = Planted()
    again = [row for row in world.calls if row["model"] == GPT4O and row["started_at"] < FIRST + DAY][:3]
    for row in again:
        world.calls.append({**row, "request_id": f"{row['request_id']}-again", "source_file": "copy.jsonl"})
    amount = -sum((row["cost_usd"] for row in again), Decimal(0))
    assert classes(world.reconcile(engine)) == {"duplicate_rows": amount}


def test_a_model_without_a_price_is_a_matter_of_price(duck: Engine) -> None:
    world = Planted()
    for row in world.calls:
        if row["model"] == MINI:
            nothing = dict.fromkeys(
                ("cost_usd", "input_usd", "cache_read_usd", "cache_write_usd", "cache_write_long_usd")
            )
            row |= {**nothing, "output_usd": None, "other_usd": None, "priced_by": None}
    amount = sum((line[1] for place, line in world.lines.items() if place[1] == MINI), Decimal(0))
    assert classes(world.reconcile(duck)) == {"price": amount}


def test_several_causes_at_once_are_told_apart(engine: Engine) -> None:
    world = Planted()
    planted = {
        "unlogged_traffic": unlogged(world),
        "billed_failures": timeouts(world),
        "tier": wrong_tier(world),
        "late_data": late(world),
    }
    planted["discount"] = discount(world)
    planted |= {"credit": credit(world), "tax": tax(world)}
    assert classes(world.reconcile(engine)) == planted


def test_several_causes_beside_noise_leave_the_noise_alone(duck: Engine) -> None:
    world = Planted()
    planted = {"unlogged_traffic": unlogged(world), "billed_failures": timeouts(world)}
    planted["unexplained"] = noise(world)
    planted |= {"credit": credit(world), "tax": tax(world)}
    assert classes(world.reconcile(duck)) == planted


# --- another currency ---------------------------------------------------------------------------------


def in_euros(world: Planted, rate: str) -> Decimal:
    """The bill as it would be in euros at its own rate; what it comes to."""
    world.currency = "EUR"
    world.scale(lambda _: Decimal(rate))
    return sum((line[1] for line in world.lines.values()), Decimal(0))


def at(rate: str) -> Callable[[str, object], Decimal]:
    return lambda currency, _: Decimal(rate) if currency == "EUR" else Decimal(1)


def test_a_bill_in_euros_ties_at_the_published_rate(duck: Engine) -> None:
    world = Planted()
    billed = in_euros(world, "0.895")
    found = world.reconcile(duck, rates=at("0.895"))
    assert classes(found) == {}
    assert found.priced == billed


def test_the_bills_own_rate_of_exchange_is_named(duck: Engine) -> None:
    world = Planted()
    billed = in_euros(world, "0.901")
    found = world.reconcile(duck, rates=at("0.895"))
    assert classes(found) == {"currency": billed - found.priced}


def test_a_rate_far_off_may_be_a_discount_as_well(duck: Engine) -> None:
    world = Planted()
    billed = in_euros(world, "0.8")
    found = world.reconcile(duck, rates=at("0.895"))
    assert classes(found) == {"currency_or_discount_or_price": billed - found.priced}


def test_without_a_rate_nothing_is_compared(duck: Engine) -> None:
    world = Planted()
    in_euros(world, "0.9")
    found = world.reconcile(duck)
    assert (found.priced, found.unexplained, found.parts) == (None, None, ())
    assert "No rate of EUR" in found.assumptions[0]


# --- several bills of one spend ---------------------------------------------------------------------------


def test_another_export_of_the_same_spend_counts_nothing_more(engine: Engine) -> None:
    world = Planted()
    unlogged(world)
    days: dict[object, Decimal] = {}
    for (day, _, _), line in world.lines.items():
        days[day] = days.get(day, Decimal(0)) + line[1]
    for day, amount in days.items():
        world.extra.append(
            {
                "billed_cost": amount.quantize(Decimal("0.01")),
                "charge_description": "API usage",
                "charge_period_start": day,
                "source": "focus",
                "account_id": None,
            }
        )
    coarse, fine = sorted(world.reconcile_all(engine), key=lambda found: found.bill.source)
    assert (fine.same_as, coarse.same_as) == (None, "openai_costs")
    assert abs(coarse.off or 0) <= Decimal("0.04")
    assert classes(fine) == {"unlogged_traffic": Decimal("0.179")}
    assert "quantities" in fine.reason


# --- sums ------------------------------------------------------------------------------------------------


def test_parts_sum_to_the_difference_in_every_table(duck: Engine) -> None:
    world = Planted()
    unlogged(world), timeouts(world), wrong_tier(world), late(world), noise(world), credit(world), tax(world)
    found = world.reconcile(duck)
    assert sum(classes(found).values()) == found.billed - found.priced
    for places in (found.days, found.models):
        assert sum(place.billed for place in places) == found.billed
        assert sum(place.priced for place in places) == found.priced
        for place in places:
            assert sum(place.parts.values()) == place.billed - place.priced


def test_a_uniform_surcharge_has_no_evidence_for_any_cause(duck: Engine) -> None:
    world = Planted()
    amount = world.scale(lambda _: Decimal("1.03"))
    found = world.reconcile(duck)
    assert classes(found) == {"unexplained": amount}
    assert any("1.03 times our price" in said for said in found.assumptions)


# --- what is paid per unit ----------------------------------------------------------------------------------


def test_a_bill_with_classes_is_divided_into_ratios_of_list(duck: Engine) -> None:
    world = Planted()
    world.scale(lambda place: Decimal("0.78") if place[1] == GPT4O else Decimal(1))
    rates = {(rate.models, rate.token_classes): rate for rate in world.reconcile(duck).effective}
    paid = rates[(("gpt-4o",), ("output",))]
    assert paid.ratio == pytest.approx(0.78)
    assert paid.per_million == pytest.approx(7.80)
    assert rates[(("gpt-4o-mini",), ("input",))].ratio == pytest.approx(1)


def as_model_totals(world: Planted) -> None:
    """Lines of a model and a day, without tokens or classes."""
    days: dict[tuple[object, str], Decimal] = {}
    for (day, model, _), line in world.lines.items():
        days[day, model] = days.get((day, model), Decimal(0)) + line[1]
    world.lines.clear()
    for (day, model), amount in days.items():
        world.extra.append(
            {"billed_cost": amount, "charge_description": model, "charge_period_start": day, "model": model}
        )


def test_days_without_classes_are_solved_for_each_class(engine: Engine) -> None:
    """Cached input at twice its price, output at 0.9 of it; the days alone tell."""
    world = Planted()
    factors = {"input": "1", "cache_read": "2", "output": "0.9"}
    world.scale(lambda place: Decimal(factors[place[2]]))
    as_model_totals(world)
    rates = [rate for rate in world.reconcile(engine).effective if rate.models == ("gpt-4o",)]
    assert {rate.token_classes: round(rate.ratio, 6) for rate in rates} == {
        ("input",): 1.0,
        ("cache_read",): 2.0,
        ("output",): 0.9,
    }
    assert all(rate.method == "solved" and rate.residual_share < 1e-6 for rate in rates)


def test_classes_that_move_together_are_one_group(duck: Engine) -> None:
    world = Planted(per_day=0)
    for day in range(8):
        tokens = {"input": 1_000 * (day + 1), "output": 100 * (day + 1)}
        world.log(FIRST + day * DAY + NOON, GPT4O, tokens)
        world.bill(FIRST + day * DAY, GPT4O, tokens)
    world.scale(lambda _: Decimal("0.78"))
    as_model_totals(world)
    [rate] = world.reconcile(duck).effective
    assert rate.token_classes == ("input", "output")
    assert rate.ratio == pytest.approx(0.78)
    assert rate.per_million is None


# --- bills without quantities ---------------------------------------------------------------------------------


def without_quantities(world: Planted) -> None:
    table = world.charges()
    bare = pa.Table.from_pylist([{**row, "quantity": None} for row in table.to_pylist()], table.schema)
    world.charges = lambda: bare  # type: ignore[method-assign]


def test_the_usage_report_lends_its_tokens_to_a_bill_that_has_none(engine: Engine) -> None:
    world = Planted()
    amount = unlogged(world)
    without_quantities(world)
    found = world.reconcile(engine)
    assert classes(found) == {"unlogged_traffic": amount}
    assert any("openai_usage stand for them" in said for said in found.assumptions)


def test_amounts_without_tokens_show_a_discount_and_leave_the_rest_unexplained(duck: Engine) -> None:
    world = Planted()
    off = discount(world)
    unlogged(world)
    without_quantities(world)
    found = classes(world.reconcile(duck, counted=False))
    assert set(found) == {"discount", "unexplained"}
    assert sum(found.values()) == off + Decimal("0.179")


def test_amounts_that_come_to_whole_tokens_show_calls_that_nobody_logged(duck: Engine) -> None:
    world = Planted()
    amount = unlogged(world)
    without_quantities(world)
    found = world.reconcile(duck, counted=False)
    assert classes(found) == {"unlogged_traffic": amount}
    assert any("whole tokens" in said for said in found.assumptions)


def test_amounts_that_come_to_whole_tokens_show_another_class(duck: Engine) -> None:
    """50,001 tokens at 2.50 instead of 1.25 a million: 0.06250125."""
    world = Planted()
    at = FIRST + 5 * DAY + NOON
    world.log(at, GPT4O, {"input": 10_003, "cache_read": 50_001, "output": 101})
    world.bill(at, GPT4O, {"input": 60_004, "output": 101})
    without_quantities(world)
    assert classes(world.reconcile(duck, counted=False)) == {"cache_class": Decimal("0.06250125")}


def test_one_ratio_of_the_only_model_is_seen_without_tokens_and_is_not_taken_for_late_days(duck: Engine) -> None:
    world = Planted()
    world.calls = [row for row in world.calls if row["model"] == GPT4O]
    for place in [place for place in world.lines if place[1] != GPT4O]:
        del world.lines[place]
    amount = world.scale(lambda _: Decimal("0.8513"))
    without_quantities(world)
    assert classes(world.reconcile(duck, counted=False)) == {"discount_or_price": amount}


@pytest.mark.parametrize("seed", range(3))
def test_three_per_cent_at_random_stay_unexplained_without_tokens(duck: Engine, seed: int) -> None:
    world = Planted()
    amount = noise(world, seed)
    without_quantities(world)
    assert classes(world.reconcile(duck, counted=False)) == {"unexplained": amount}


def test_a_model_that_only_the_bill_has_is_unlogged_without_tokens_too(duck: Engine) -> None:
    world = Planted()
    world.calls = [row for row in world.calls if row["model"] != MINI]
    amount = sum((line[1] for place, line in world.lines.items() if place[1] == MINI), Decimal(0))
    without_quantities(world)
    assert classes(world.reconcile(duck, counted=False)) == {"unlogged_traffic": amount}


def test_a_bill_in_cents_is_off_by_rounding_only(duck: Engine) -> None:
    world = Planted()
    amount = Decimal(0)
    for line in world.lines.values():
        rounded = line[1].quantize(Decimal("0.01"))
        amount += rounded - line[1]
        line[1] = rounded
    without_quantities(world)
    assert classes(world.reconcile(duck, counted=False)) == {"rounding": amount}


# --- laws -------------------------------------------------------------------------------------------------------


PLANTS = (unlogged, timeouts, wrong_tier, late, noise, credit, tax, discount)


@settings(max_examples=8)
@given(plants=st.sets(st.sampled_from(range(len(PLANTS)))), seed=st.integers(0, 10**6), data=st.data())
def test_whatever_is_planted_parts_sum_and_no_order_of_rows_changes_them(
    duck: Engine, plants: set[int], seed: int, data: st.DataObject
) -> None:
    world = Planted(seed=seed, per_day=2)
    for plant in plants:
        PLANTS[plant](world)
    found = world.reconcile(duck)
    assert sum(classes(found).values()) == found.billed - found.priced
    for places in (found.days, found.models):
        assert sum(place.billed for place in places) == found.billed
        assert sum(place.priced for place in places) == found.priced
        assert all(sum(place.parts.values()) == place.billed - place.priced for place in places)
    dice = data.draw(st.randoms(use_true_random=False))
    dice.shuffle(world.calls)
    dice.shuffle(world.extra)
    world.lines = dict(sorted(world.lines.items(), key=lambda _: dice.random()))  # type: ignore[assignment]
    assert classes(world.reconcile(duck)) == classes(found)


def test_the_order_of_files_batches_and_repeated_runs_change_no_cent(tmp_path: Path) -> None:
    """One log in one file, in two files, in either order, taken in twice: the same report of the bill."""
    records = [record(n, f"2026-10-{n + 1:02}T09:00:00Z", tokens=(1_000 * n, 100)) for n in range(1, 7)]
    whole = [write_log(tmp_path / "whole.jsonl", records)]
    parts = [write_log(tmp_path / "a.jsonl", records[3:]), write_log(tmp_path / "b.jsonl", records[:3])]
    bill = SAMPLES / "openai_costs"
    told = []
    for number, paths in enumerate(([*whole, bill], [*parts, bill], [bill, *reversed(parts)])):
        lake = Lake.open(tmp_path / f"lake{number}", create=True, text="none")
        for _ in range(2):
            ingest(lake, [str(path) for path in paths], spool=tmp_path)
        told.append(asking.bills(config.load(None, lake=lake.path)))
        told.append(asking.bills(config.load(None, lake=lake.path)))
    assert all(bills == told[0] for bills in told)
    assert told[0][0]["priced"] == Decimal("0.0585")  # 21,000 x 2.50 + 600 x 10.00, a million


def test_unlogged_calls_are_found_behind_days_of_another_zone(duck: Engine) -> None:
    world = Planted()
    amount = shifted(world, -7)
    planted = unlogged(world)
    found = world.reconcile(duck)
    assert classes(found) == {"utc_cutoff": amount, "unlogged_traffic": planted}


def test_flex_calls_billed_at_priority_are_a_tier_whatever_else_the_day_has(duck: Engine) -> None:
    """50,000 tokens in, 5,000 out. At flex 0.125 and 1.00 a million, 0.01125; at priority 0.45 and 3.60, 0.0405."""
    world = Planted()
    place = FIRST + 4 * DAY + NOON
    tokens = {"input": 50_000, "output": 5_000}
    world.log(place, "gpt-5-mini-2025-08-07", tokens, tier="flex")
    for token_class, price in (("input", "0.45"), ("output", "3.60")):
        line = world.lines[FIRST + 4 * DAY, "gpt-5-mini-2025-08-07", token_class]
        line[0] += tokens[token_class]
        line[1] += tokens[token_class] * Decimal(price) / 1_000_000
    found = world.reconcile(duck, counted=False)
    assert classes(found) == {"tier": Decimal("0.02925")}
    assert "billed at the price of priority" in found.parts[0].evidence[0]


def test_anthropics_priority_tier_is_paid_by_a_commitment(duck: Engine) -> None:
    """The cost report names tiers and has no line of this one: what its calls come to is on no bill."""
    world = Planted()
    for row in world.calls:
        row |= {"provider": "anthropic", "service_tier": "priority" if row["model"] == MINI else "standard"}
    world.lines = {place: line for place, line in world.lines.items() if place[1] != MINI}  # type: ignore[assignment]
    rows = [
        {**row, "provider": "anthropic", "service_tier": "standard", "quantity": None}
        for row in world.charges().to_pylist()
    ]
    rows.append({**rows[0], "charge_id": "x", "model": MINI, "billed_cost": Decimal(0), "token_class": "output"})
    table = pa.Table.from_pylist(rows, world.charges().schema)
    world.charges = lambda: table  # type: ignore[method-assign]
    amount = -sum((row["cost_usd"] for row in world.calls if row["model"] == MINI), Decimal(0))
    assert classes(world.reconcile(duck, counted=False)) == {"commitment": amount}


def test_the_command_says_what_differs_and_writes_it_down(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [record(1, "2026-10-14T09:00:00Z")])
    lake = tmp_path / "lake"
    command = [sys.executable, "-m", "llmaudit.cli"]
    for path in (log, SAMPLES / "openai_costs"):
        subprocess.run([*command, "ingest", str(path), "--lake", str(lake), "--quiet"], check=True)
    done = subprocess.run(
        [*command, "reconcile", "--lake", str(lake), "-o", str(tmp_path / "bills.json")],
        check=True,
        capture_output=True,
        text=True,
    )
    [bill] = json.loads((tmp_path / "bills.json").read_text())["bills"]
    assert "3.493619  billed" in done.stdout
    assert bill["billed"] == 3.493619
    assert bill["priced"] == 0.0035
    assert round(sum(part["amount"] for part in bill["classes"]) + bill["unexplained"], 6) == 3.490119


def test_a_lake_without_a_bill_says_how_to_take_one_in(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [record(1, "2026-10-14T09:00:00Z")])
    ingest(Lake.open(tmp_path / "lake", create=True, text="none"), [str(log)], spool=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "llmaudit.cli", "reconcile", "--lake", str(tmp_path / "lake")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "llmaudit ingest BILL" in done.stderr
