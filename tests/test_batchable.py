"""Jobs are found by their rhythm; people, agents and services are never taken for one."""

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from shapes import HOUR, Shapes
from small_logs import call, replay, table

import llmaudit
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers import tiers
from llmaudit.levers.batchable import Batchable

DEVDATA = Path(__file__).parents[2] / "shared" / "devdata"


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def moved(engine, rows, lever=None):
    """How many calls were moved, by endpoint and sign."""
    lever = lever or Batchable()
    usage = replay(engine, rows).usage
    lever.make_ready(engine, set())
    hits = {row["request_id"]: row for row in table(engine, lever.hits(engine, usage))}
    return Counter((row["endpoint"], hits[row["request_id"]]["sign"]) for row in rows if row["request_id"] in hits)


def saved(engine, rows, lever=None):
    [step] = replay(engine, rows).plan([lever or Batchable()], Decimal(1)).steps
    return step.in_order_usd


def usd(row):
    return row["input_tokens"] * Decimal("0.0000025") + row["output_tokens"] * Decimal("0.00001")


# --- people are never flagged -----------------------------------------------------------------------

INTERACTIVE = {
    "the working day": lambda s: s.office(),
    "the working day of many users": lambda s: s.office(user_id="u"),
    "a busy service": lambda s: s.office(per_day=900),
    "a little used service": lambda s: s.office(per_day=6),
    "even traffic from nine to five": lambda s: s.opening_hours(9, 17),
    "even traffic over lunch": lambda s: s.opening_hours(11, 14),
    "even traffic all day": lambda s: s.opening_hours(0, 24),
    "streams at the same time every day": lambda s: s.nightly(stream=True),
    "first tokens at the same time every day": lambda s: s.nightly(first_token_ms=90.0, duration_ms=900.0),
    "webhook chats with sessions": lambda s: s.chats(),
    "webhook chats without sessions": lambda s: [row | {"session_id": None} for row in s.chats()],
    "agents": lambda s: s.agents(),
    "agents started by a scheduler": lambda s: s.agents(at_night=True),
    "agents started by a scheduler, without sessions": lambda s: s.agents(at_night=True, session=False),
    "tools chosen by the model every night": lambda s: s.nightly(tools_offered=5, tools_called=1),
    "reports on demand": lambda s: s.fan_outs(),
    "a class at ten": lambda s: s.lessons(),
    "a class at ten, give or take some minutes, without names": lambda s: [
        s.one(day, begins + s.draw.uniform(0, 180))
        for day in range(15)
        for begins in [10 * HOUR + s.draw.gauss(0, 150)]
        for _ in range(30)
    ],
    "one hour of traffic": lambda s: s.steady(1, 0.3),
    "one hour of dense traffic": lambda s: s.steady(1, 0.1),
    "a day of traffic": lambda s: s.steady(24, 20),
    "a new endpoint": lambda s: [*s.office(endpoint="/old"), *s.launched(13)],
    "calls at equal distances": lambda s: [s.one(0, n * 60.0) for n in range(3_000)],
    "calls at equal distances, in working hours": lambda s: [
        s.one(d, 9 * HOUR + n * 60.0) for d in range(7) for n in range(480)
    ],
    "a call a minute from nine, every day": lambda s: [
        s.one(d, 9 * HOUR + n * 60.0) for d in range(12) for n in range(100)
    ],
    "a call a minute from midnight, every day": lambda s: [s.one(d, n * 60.0) for d in range(12) for n in range(60)],
    "half a minute apart from noon": lambda s: [s.one(d, 12 * HOUR + n * 30.0) for d in range(12) for n in range(60)],
    "calls at equal distances that overlap": lambda s: [s.one(0, n * 1.0, duration_ms=2_000.0) for n in range(3_000)],
    "five hours at night": lambda s: s.opening_hours(1, 6),
    "a job every ten minutes": lambda s: [s.one(0, m * 600.0 + n) for m in range(300) for n in range(10)],
}


@pytest.mark.parametrize("shape", INTERACTIVE.values(), ids=INTERACTIVE)
@pytest.mark.parametrize("seed", [1, 2])
def test_where_somebody_may_wait_nothing_is_moved(duck, shape, seed):
    assert moved(duck, shape(Shapes(seed))) == {}


def test_people_are_left_alone_beside_jobs(duck):
    s = Shapes(4)
    shapes = list(INTERACTIVE.values())[:8]
    people = [row | {"endpoint": f"/people/{n}"} for n, shape in enumerate(shapes) for row in shape(s)]
    assert {endpoint for endpoint, _ in moved(duck, [*people, *s.nightly(endpoint="/tags")])} == {"/tags"}


# --- jobs are -----------------------------------------------------------------------------------------

JOBS = {
    "every night, forty calls": (lambda s: s.nightly(), "every day", 400),
    "three nights": (lambda s: s.nightly(days=3, calls=60), "every day", 180),
    "every night, close together": (lambda s: s.nightly(calls=300, minutes=5), "every day", 3_000),
    "every night, a few": (lambda s: s.nightly(calls=8, days=12), "every day", 96),
    "every evening across midnight": (lambda s: s.nightly(at=23.9 * HOUR, calls=200), "every day", 2_000),
    "every morning": (lambda s: s.nightly(at=9 * HOUR, calls=200), "every day", 2_000),
    "on working days": (
        lambda s: [r for r in s.nightly(days=14) if r["started_at"].weekday() < 5],
        "every day",
        400,
    ),
    "every hour": (lambda s: s.hourly(), "same minute of the hour", 72 * 15),
    "every sixth hour": (
        lambda s: [r for r in s.hourly(hours=240) if (r["started_at"].hour + 1) % 6 == 0],
        "same minute of the hour",
        40 * 15,
    ),
    "eight workers": (lambda s: s.workers(), "worker pool", 2_000),
    "two workers": (lambda s: s.workers(pool=2, calls=900), "worker pool", 900),
    "forty workers": (lambda s: s.workers(pool=40, calls=12_000), "worker pool", 12_000),
    "with one service user": (lambda s: s.nightly(user_id="svc-nightly"), "every day", 400),
    "with the job as its session": (
        lambda s: [r | {"session_id": f"job-{r['started_at']:%d}"} for r in s.nightly()],
        "every day",
        400,
    ),
    "with one tool that is always called": (lambda s: s.nightly(tools_offered=1, tools_called=1), "every day", 400),
}


@pytest.mark.parametrize(("shape", "sign", "calls"), JOBS.values(), ids=JOBS)
def test_a_job_is_known_by_its_rhythm(duck, shape, sign, calls):
    assert moved(duck, shape(Shapes(2))) == {("/faq", sign): calls}


def test_a_backfill_is_known_by_the_quiet_around_it(duck):
    s = Shapes(5)
    others = s.office(endpoint="/chat")
    assert moved(duck, [*others, *s.backfill(endpoint="/embed-all")]) == {("/embed-all", "one-off job"): 1_500}


def test_a_job_at_once_is_known_too(duck):
    s = Shapes(6)
    burst = [s.one(4, 3 * HOUR + n * 0.01, endpoint="/burst") for n in range(600)]
    assert moved(duck, [*s.office(endpoint="/chat"), *burst]) == {("/burst", "one-off job"): 600}


def test_clocks_that_change_do_not_hide_a_job(duck):
    s = Shapes(7)
    rows = [*s.nightly(days=6), *s.nightly(days=5, at=3 * HOUR)]
    later = [r | {"started_at": r["started_at"].replace(day=r["started_at"].day + 6)} for r in rows[6 * 40 :]]
    assert moved(duck, [*rows[: 6 * 40], *later]) == {("/faq", "every day"): 11 * 40}


def test_a_stray_call_at_noon_hides_one_day_of_a_job_and_stays(duck):
    s = Shapes(8)
    assert moved(duck, [*s.nightly(), s.one(3, 12 * HOUR)]) == {("/faq", "every day"): 9 * 40}


def test_one_key_of_an_endpoint_may_be_a_job_and_the_others_people(duck):
    s = Shapes(9)
    rows = [*s.office(api_key_id="web"), *s.nightly(api_key_id="cron")]
    assert moved(duck, rows) == {("/faq", "every day"): 400}


# --- what it saves ------------------------------------------------------------------------------------


def test_a_planted_log_saves_half_of_its_jobs(duck):
    s = Shapes(10)
    jobs = [*s.nightly(endpoint="/tags"), *s.hourly(endpoint="/feed")]
    people = [*s.office(endpoint="/chat"), *s.agents()]
    expected = sum(map(usd, jobs), Decimal(0)) / 2
    assert abs(saved(duck, [*jobs, *people]) - expected) <= expected * Decimal("0.02")


def test_pulling_it_twice_saves_nothing_more(duck):
    first, second = replay(duck, Shapes(1).nightly()).plan([Batchable(), Batchable()], Decimal(1)).steps
    assert first.in_order_usd > 0
    assert second.in_order_usd == 0


@pytest.mark.parametrize("tier", ["batch", "flex", "Batch", "priority"])
def test_what_is_in_another_tier_stays_there(duck, tier):
    assert moved(duck, Shapes(1).nightly(service_tier=tier)) == {}


def test_without_a_batch_price_there_is_no_claim(duck):
    for provider, model in (("acme", "acme-1"), ("mistral_ai", "ministral-0b"), (None, None)):
        other = {"provider": provider, "model": model, "request_model": model, "response_model": model}
        assert moved(duck, Shapes(1).nightly(**other)) == {}


def test_failures_are_not_moved(duck):
    assert moved(duck, Shapes(1).nightly(status="error")) == {}


def test_bedrock_takes_no_job_of_less_than_a_hundred_calls(duck):
    nova = {
        "provider": "aws.bedrock",
        **dict.fromkeys(("model", "request_model", "response_model"), "amazon.nova-pro-v1:0"),
    }
    assert moved(duck, Shapes(1).nightly(calls=40, **nova)) == {}
    assert sum(moved(duck, Shapes(1).nightly(calls=120, **nova)).values()) == 1_200


def test_cached_tokens_stay_cached_where_the_provider_stacks_both(engine):
    sonnet = dict.fromkeys(("model", "request_model", "response_model"), "claude-sonnet-4-5")
    tokens = {"input_tokens": 100_000, "cache_read_tokens": 80_000, "output_tokens": 0}
    rows = [call(1, provider="anthropic", **sonnet, **tokens)]
    # 20,000 x $3.00/M + 80,000 x $0.30/M = 0.084, halved
    assert saved(engine, rows, Batchable(endpoints=["/faq"])) == Decimal("0.042")


def test_cached_tokens_are_plain_input_of_the_batch_where_nobody_says_they_stack(duck):
    model = dict.fromkeys(("model", "request_model", "response_model"), "gpt-4.1-2025-04-14")
    rows = [call(1, **model, input_tokens=100_000, cache_read_tokens=80_000, output_tokens=0)]
    # 20,000 x $2.00/M + 80,000 x $0.50/M = 0.08; in the batch 100,000 x $1.00/M = 0.10: dearer, and said
    assert saved(duck, rows, Batchable(endpoints=["/faq"])) == Decimal("-0.02")


def test_gemini_keeps_its_cache_rate_and_halves_the_rest(duck):
    model = dict.fromkeys(("model", "request_model", "response_model"), "gemini-2.5-pro")
    rows = [call(1, provider="gcp.gemini", **model, input_tokens=100_000, cache_read_tokens=80_000, output_tokens=0)]
    # 20,000 x $1.25/M + 80,000 x $0.125/M = 0.035; batch: 20,000 x $0.625/M + 80,000 x $0.125/M = 0.0225
    assert saved(duck, rows, Batchable(endpoints=["/faq"])) == Decimal("0.0125")


# --- the user's word ------------------------------------------------------------------------------------


def test_the_users_word_goes_over_what_the_log_shows(duck):
    rows = [*Shapes(1).office(per_day=10, days=5), *Shapes(2).office(per_day=10, days=5, endpoint="/other")]
    rows = [row | {"request_id": f"{n}"} for n, row in enumerate(rows)]
    lever = Batchable(endpoints=["/faq"])
    assert saved(duck, rows, lever) > 0
    assert "that is your word" in lever.assumes()[0]
    assert "rhythm" in Batchable().assumes()[0]
    evidence = table(duck, lever.evidence(duck, "metered"))
    assert [(row["endpoint"], row["signs"]) for row in evidence] == [("/faq", "named by you")]


# --- evidence -------------------------------------------------------------------------------------------


def test_the_evidence_says_which_rhythm_and_whose_rule(duck):
    usage = replay(duck, Shapes(3).nightly(days=10, calls=40, minutes=20)).usage
    Batchable().make_ready(duck, set())
    [row] = table(duck, Batchable().evidence(duck, usage))
    assert (row["signs"], row["jobs"], row["job_calls"], row["tiers"]) == ("every day", 10, 40, "batch")
    assert row["spread_seconds"] < 15
    assert 17 <= row["job_minutes"] <= 20
    assert (row["results_due_hours"], row["keeps_cache"]) == (24, False)
    assert row["rule_source"].startswith("https://")
    assert row["rule_as_of"] == date(2026, 11, 1)


def test_every_rule_names_its_source_and_day():
    for rule in tiers.rules():
        assert rule["source"]
        assert isinstance(rule["as_of"], date)
        assert {"provider", "models", "tier", "keeps_cache", "max_hours", "min_calls"} <= set(rule)
    assert tiers.rules()[-1]["provider"] == "*"


# --- the development set ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not DEVDATA.exists(), reason="needs the development set")
@pytest.mark.parametrize("log", ["devlog.jsonl.gz", "devlog-unlabelled.jsonl.gz", "traffic.jsonl.gz"])
def test_nothing_of_the_development_set_is_batchable_even_without_its_users(duck, log):
    with llmaudit.audit(DEVDATA / log, levers=("batchable",)) as audit:
        assert audit.data["findings"] == []
        rows = audit.sql("select * from requests").to_dicts()
    assert moved(duck, [{**row, "user_id": None} for row in rows]) == {}
