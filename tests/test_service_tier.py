"""Premiums: each is taken off only where the log itself shows that it was not needed."""

import random
from decimal import Decimal

import pytest
from shapes import Shapes
from small_logs import call, replay, table

from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers.service_tier import ServiceTier


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def named(model):
    return dict.fromkeys(("model", "request_model", "response_model"), model)


def saved(engine, rows, lever=None):
    [step] = replay(engine, rows).plan([lever or ServiceTier()], Decimal(1)).steps
    return step.in_order_usd


def evidence(engine, rows):
    usage = replay(engine, rows).usage
    ServiceTier().make_ready(engine, set())
    return table(engine, ServiceTier().evidence(engine, usage))


# --- tiers --------------------------------------------------------------------------------------


def tiered(priority_ms, standard_ms, calls=200, seed=1, **changed):
    """Calls of one endpoint in both tiers all day long, of so many milliseconds a token and as much spread again."""
    draw = random.Random(seed)
    rows = []
    for number in range(2 * calls):
        tier, pace = (("priority", priority_ms), ("standard", standard_ms))[number % 2]
        times = {"duration_ms": 100 * pace * draw.uniform(0.5, 1.5), "user_id": f"u{number % 9}"}
        rows.append(call(number, draw.uniform(0, 86_400), service_tier=tier, **times, **changed))
    return rows


def test_a_dearer_tier_that_is_no_faster_was_for_nothing(engine):
    # gpt-4o: 0.0035 a call; priority costs 1.7 times that: 0.00245 too much on each of 200 calls
    assert saved(engine, tiered(10, 10)) == Decimal("0.49")


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (lambda: tiered(7, 10), "it is faster"),
        (lambda: tiered(10, 10, calls=29), "too few calls to say"),
        (lambda: [r | {"duration_ms": None} for r in tiered(10, 10)], "no times in the log"),
        (lambda: [r for r in tiered(10, 10) if r["service_tier"] == "priority"], "nothing to compare with"),
        (lambda: [r | {"endpoint": r["service_tier"]} for r in tiered(10, 10)], "another endpoint"),
        (
            lambda: [r | {"service_tier": None, "requested_service_tier": "priority"} for r in tiered(10, 10)],
            "served standard",
        ),
        (lambda: tiered(10, 10, status="error"), "failed"),
        (lambda: tiered(10, 10, provider="acme", **named("acme-1")), "no price"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_dearer_tier_stays_where_the_log_does_not_prove_it_useless(duck, rows, why):
    assert saved(duck, rows()) == 0, why


def test_a_dearer_tier_that_nobody_waits_for_was_for_nothing(duck):
    rows = Shapes(1).nightly(service_tier="priority")
    standard = sum(r["input_tokens"] * Decimal("0.0000025") + r["output_tokens"] * Decimal("0.00001") for r in rows)
    assert abs(saved(duck, rows) - standard * Decimal("0.7")) <= standard * Decimal("0.001")
    [row] = evidence(duck, rows)
    assert (row["tiers"], row["tier_requests"], row["unwaited_requests"]) == ("priority", 400, 400)


def test_the_same_calls_of_people_keep_their_tier(duck):
    assert saved(duck, Shapes(1).office(service_tier="priority")) == 0


@pytest.mark.parametrize("tier", ["batch", "flex"])
def test_cheaper_tiers_are_not_touched(duck, tier):
    assert saved(duck, Shapes(1).nightly(service_tier=tier)) == 0


def test_the_evidence_compares_the_two_speeds(duck):
    [row] = evidence(duck, tiered(10, 10))
    assert (row["premium_requests"], row["standard_requests"], row["unwaited_requests"]) == (200, 200, 0)
    assert 0.4 < row["faster_share"] < row["faster_share_high"] <= 0.6


# --- regions ------------------------------------------------------------------------------------


def in_regions(regions, provider="anthropic", model="claude-sonnet-4-6"):
    tokens = {"input_tokens": 100_000, "output_tokens": 0, "user_id": "u"}
    return [call(n, n * 60, provider=provider, **named(model), region=r, **tokens) for n, r in enumerate(regions)]


def test_a_surcharge_goes_where_other_calls_of_the_endpoint_run_without(engine):
    # 100,000 x $3.00/M = 0.30 a call, a tenth more in the US: 30 calls save 0.03 each
    assert saved(engine, in_regions(["us"] * 30 + [None] * 30)) == Decimal("0.90")


@pytest.mark.parametrize(
    "rows",
    [
        in_regions(["us"] * 60),
        in_regions(["us"] * 60 + [None] * 19),
        in_regions([None] * 60),
        [row | {"endpoint": row["region"] or "/global"} for row in in_regions(["us"] * 30 + [None] * 30)],
        [row | {"account_id": row["region"] or "eu"} for row in in_regions(["us"] * 30 + [None] * 30)],
        in_regions(["us-east5"] * 30 + [None] * 30, "gcp.vertex_ai", "claude-sonnet-4-5"),
        in_regions(["eu-west-1"] * 30 + ["global"] * 30, "openai", "gpt-4o-2024-08-06"),
    ],
    ids=["only there", "too few without", "none", "other endpoint", "other account", "place not known", "no surcharge"],
)
def test_a_region_stays_where_nothing_shows_it_is_not_needed(duck, rows):
    assert saved(duck, rows) == 0


def test_vertex_calls_beside_global_ones_leave_their_region(duck):
    rows = in_regions(["us-east5"] * 30 + ["global"] * 30, "gcp.vertex_ai", "claude-sonnet-4-5")
    # 0.30 a call and a tenth on top, 30 times
    assert saved(duck, rows) == Decimal("0.90")
    [row] = evidence(duck, rows)
    assert (row["regions"], row["region_requests"], row["plain_requests"]) == ("us-east5", 30, 30)


# --- long prompts -------------------------------------------------------------------------------


def long(tokens, **changed):
    return call(
        1,
        provider="gcp.gemini",
        **named("gemini-2.5-pro"),
        **{"input_tokens": tokens, "output_tokens": 1_000, **changed},
    )


def test_a_prompt_barely_over_the_threshold_pays_the_long_price_for_all_of_it(engine):
    # 204,000 x $2.50/M + 1,000 x $15/M = 0.525; 200,000 x $1.25/M + 1,000 x $10/M = 0.26
    assert saved(engine, [long(204_000)]) == Decimal("0.265")


@pytest.mark.parametrize(
    "row",
    [
        long(200_000),
        long(212_000),
        long(204_000, cache_read_tokens=201_000),
        long(204_000, input_image_tokens=1_000),
        long(204_000, status="error"),
    ],
    ids=["below", "far over", "the rest is cached", "with images", "failed"],
)
def test_a_prompt_stays_as_it_is(duck, row):
    assert saved(duck, [row]) == 0


def test_how_far_over_is_yours_to_say(duck):
    # 212,000 x $2.50/M = 0.53 + 0.015; cut to 0.26
    assert saved(duck, [long(212_000)], ServiceTier(trim_share=0.1)) == Decimal("0.285")
    with pytest.raises(AuditError, match=r"levers\.service_tier\.trim_share = 2 should be from 0 to 1"):
        ServiceTier(trim_share=2)


# --- all of it ----------------------------------------------------------------------------------


def test_pulling_it_twice_saves_nothing_more(duck):
    rows = [*tiered(10, 10), long(204_000) | {"request_id": "long"}]
    first, second = replay(duck, rows).plan([ServiceTier(), ServiceTier()], Decimal(1)).steps
    assert first.in_order_usd == Decimal("0.755")
    assert second.in_order_usd == 0


def test_a_log_without_premiums_gives_nothing(duck):
    s = Shapes(1)
    assert saved(duck, [*s.office(), *s.nightly(endpoint="/tags"), *s.agents()]) == 0
