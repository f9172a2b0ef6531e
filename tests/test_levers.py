"""Each lever on calls whose saving can be worked out by hand, and the promises that every lever keeps."""

from datetime import timedelta
from decimal import Decimal

import pytest
from brute_force import pulled
from brute_force import saving as brute_force
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import MODEL, START, call, changed_ids, logs, replay, table

from llmaudit import config, levers, pricing, queries
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers.exact_duplicates import UNIT, ExactDuplicates, _hits_of
from llmaudit.levers.failed_calls import FailedCalls
from llmaudit.levers.fine_tune import FineTune, Move
from llmaudit.replay import MICRO, interval

HOUR = 3_600
SMALL = {"target_provider": "mistral_ai", "target_model": "ministral-8b-latest"}
"""$0.15 a million tokens, in and out."""
MOVE = FineTune(endpoints=("/faq", "/route"), **SMALL)
SET = {FineTune.name: MOVE}
"""Levers that do nothing unless told what."""
FINDS = {
    "prompt_caching": [call(1, input_tokens=4_000), call(2, 60, input_tokens=4_000)],
    "batchable": [call(n, 86_400 * (n % 3) + n) for n in range(60)],
    "service_tier": [call(n, 86_400 * (n % 3) + n, service_tier="priority") for n in range(60)],
    "unused_tools": [call(1, tools_hash=1)],
    "semantic_duplicates": [
        call(n, n, prompt_hash=n, prefix_hashes=[n], prompt_sketch=bytes([n // 2] * 64), output_hash=n // 2)
        for n in range(240)
    ],
    "right_size": [
        call(2 * n + place, 60 * n, prompt_hash=n, model=model, request_model=model, response_model=model)
        for n in range(80)
        for place, model in enumerate(("gpt-6-sol", "gpt-6-luna"))
    ],
    "context_growth": [
        call(n, 60 * n, session_id="s", input_tokens=2_000 * n, prefix_hashes=list(range(n))) for n in range(1, 40)
    ],
    "truncated_outputs": [call(1, finish_reason="length"), call(2, 60, finish_reason="stop")],
}
"""Logs in which a lever finds something, where it finds nothing in the usual one."""
EVERY = [SET.get(name) or lever() for name, lever in levers.registry().items()]


@pytest.fixture(scope="module")
def duck():
    """For what has nothing to do with the engine."""
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def saving(replayed, lever):
    [step] = replayed.plan([lever], Decimal(1)).steps
    return step.in_order_usd


def hits(engine, rows, lever):
    return changed_ids(engine, lever.hits(engine, replay(engine, rows).usage))


# --- failed calls ---------------------------------------------------------------------------------


def test_failed_calls_save_what_was_billed_for_them(engine):
    rows = [
        call(1, status="error"),
        call(2, status="cancelled", input_tokens=4_000, output_tokens=0),
        call(3),
        call(4, status="error", input_tokens=None, output_tokens=None, billable=False),
    ]
    # 1,000 in and 100 out: 0.0025 + 0.0010; 4,000 in: 0.0100; the answered call stays, the refused one was free
    assert saving(replay(engine, rows), FailedCalls()) == Decimal("0.0135")


def test_failures_that_were_not_billed_save_nothing(duck):
    rows = [call(1, status="error", billable=False), call(2, status="error", billable=False, input_tokens=None)]
    assert hits(duck, rows, FailedCalls()) == []


# --- exact duplicates -----------------------------------------------------------------------------


def test_a_repeat_within_the_hour_comes_from_the_cache(engine):
    rows = [call(1), call(2, 60, output_tokens=200), call(3, 120)]
    # second: 0.0025 + 0.0020; third: 0.0025 + 0.0010
    assert saving(replay(engine, rows), ExactDuplicates()) == Decimal("0.0080")


def test_the_first_call_of_each_window_pays(duck):
    rows = [call(n, n * 1_000) for n in range(8)]
    assert hits(duck, rows, ExactDuplicates(ttl_seconds=2_500)) == ["c001", "c002", "c004", "c005", "c007"]


def test_an_entry_counts_from_its_store_and_reading_does_not_prolong_it(duck):
    rows = [call(1, 0), call(2, 3_000), call(3, 4_000)]
    assert hits(duck, rows, ExactDuplicates(ttl_seconds=HOUR)) == ["c002"]


@pytest.mark.parametrize(("seconds", "expected"), [(HOUR, ["c002"]), (HOUR + 0.000001, [])])
def test_an_entry_lives_to_the_last_microsecond_of_its_time(duck, seconds, expected):
    assert hits(duck, [call(1), call(2, seconds)], ExactDuplicates(ttl_seconds=HOUR)) == expected


@pytest.mark.parametrize(
    "other",
    [
        {"account_id": "org-2"},
        {"account_id": None},
        {"provider": "azure.ai.openai"},
        {"request_model": "gpt-4o-mini"},
        {"prompt_hash": 2},
        {"prompt_hash": None},
        {"params_hash": 2},
        {"output_hash": 2},
        {"output_hash": None},
        {"temperature": 1.0},
        {"temperature": None},
        {"status": "error"},
        {"billable": False},
        {"billing_mode": "subscription"},
        {"prompt_bytes": 0},
    ],
    ids=str,
)
def test_what_differs_in_anything_is_no_repeat(duck, other):
    assert hits(duck, [call(1), call(2, 60, **other)], ExactDuplicates()) == []
    assert hits(duck, [call(1, **other), call(2, 60)], ExactDuplicates()) == []


def test_a_repeat_across_endpoints_and_teams_is_a_repeat(duck):
    rows = [call(1), call(2, 60, endpoint="/route", session_id="s2")]
    assert hits(duck, rows, ExactDuplicates()) == ["c002"]


def test_calls_of_the_same_instant_hit_once_and_in_order_of_their_ids(duck):
    assert hits(duck, [call(2), call(1), call(3)], ExactDuplicates()) == ["c002", "c003"]


def test_a_repeat_of_what_is_still_being_answered_pays_too(duck):
    rows = [call(1, 0, duration_ms=9_000.0), call(2, 5, duration_ms=9_000.0), call(3, 8.9), call(4, 9), call(5, 15)]
    assert hits(duck, rows, ExactDuplicates()) == ["c004", "c005"]
    # the second answer was stored at 14: what is asked 70 seconds later finds it for a minute only
    assert hits(duck, [*rows[:2], call(6, 73), call(7, 74.1)], ExactDuplicates(ttl_seconds=60)) == ["c006"]


@given(st.lists(st.integers(0, 300), min_size=2, max_size=30), st.integers(1, 100))
def test_a_cache_with_a_clock_answers_the_same_calls(seconds, ttl_seconds):
    times = sorted(seconds)
    entry = {
        "request_ids": UNIT.join(str(n) for n in range(len(times))),
        "times_us": UNIT.join(str(t * 1_000_000) for t in times),
        "answered_us": UNIT.join(str(t * 1_000_000) for t in times),
    }
    expires, answered = -1, []
    for number, now in enumerate(times):
        if now <= expires:
            answered.append(str(number))
        else:
            expires = now + ttl_seconds
    assert [hit["request_id"] for hit in _hits_of(entry, [ttl_seconds])] == answered


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=30))
def test_without_a_time_limit_all_but_the_first_are_answered(seconds):
    times = sorted(seconds)
    entry = {
        "request_ids": UNIT.join(str(n) for n in range(len(times))),
        "times_us": UNIT.join(str(t * 1_000_000) for t in times),
        "answered_us": UNIT.join(str(t * 1_000_000) for t in times),
    }
    assert len(list(_hits_of(entry, [10_001]))) == len(times) - 1


# --- fine-tuning ----------------------------------------------------------------------------------


def test_fine_tune_prices_its_endpoint_at_the_small_model(engine):
    rows = [
        call(1, input_tokens=2_000_000, output_tokens=100_000),
        call(2, endpoint="/other"),
        call(3, endpoint=None),
        call(4, status="error"),
    ]
    # before 2 x 2.50 + 0.1 x 10.00 = 6.00; ministral-8b takes 0.15 a million either way: 2.1 x 0.15 = 0.315
    replayed = replay(engine, rows)
    assert hits(engine, rows, FineTune(["/faq"])) == ["c001"]
    assert saving(replayed, FineTune(["/faq"], **SMALL)) == Decimal("5.685")


def test_fine_tune_pays_the_standard_tier_and_no_cost_of_the_log(duck):
    rows = [call(1, service_tier="batch", reported_cost_usd="9.99", input_tokens=1_000_000, output_tokens=0)]
    # batch input is half of 2.50; the small model is not batched: 0.15
    assert saving(replay(duck, rows), FineTune(["/faq"], **SMALL)) == Decimal("1.10")


def test_fine_tune_says_so_where_moving_would_cost_more(duck):
    dear = FineTune(["/faq"], target_provider="openai", target_model=MODEL)
    rows = [call(1, model="gpt-4o-mini", response_model="gpt-4o-mini", request_model="gpt-4o-mini")]
    # gpt-4o-mini: 0.00015 + 0.00006 = 0.00021; gpt-4o: 0.0035
    assert replay(duck, rows).saves_by_endpoint(dear) == {"/faq": Decimal("-0.00329")}


def test_settings_are_those_that_the_number_rests_on():
    gross = FineTune(["/faq", "/route"], **SMALL).settings()
    assert (gross["endpoints"], gross["target_model"], gross["epochs"]) == ("/faq, /route", SMALL["target_model"], "3")
    assert not {"share", "moves", "window_days"} & gross.keys()
    target = next(t for t in pricing.load().targets if t.target == "wandb-llama-3.1-8b")
    net = FineTune(["/faq"], moves=(Move("/faq", target),)).settings()
    assert gross.keys() - net.keys() == {"target_provider", "target_model"}


def test_fine_tune_of_no_endpoint_moves_nothing(duck):
    assert hits(duck, [call(1)], FineTune()) == []


@pytest.mark.parametrize("given_as", [["/faq"], ("/faq",), "/faq", ["/faq", "/faq"]])
def test_endpoints_may_be_named_in_any_sequence(given_as):
    assert FineTune(given_as) == FineTune(("/faq",))
    assert hash(FineTune(given_as)) == hash(FineTune(("/faq",)))


# --- every lever ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lever", EVERY, ids=lambda lever: lever.name)
def test_a_changed_batch_has_the_same_calls_and_columns(duck, lever):
    usual = [call(1), call(2, 60), call(3, 90, status="error", endpoint="/route")]
    usage = replay(duck, FINDS.get(lever.name, usual)).usage
    duck.alias("usage", usage)
    lever.make_ready(duck, set())
    touched = queries.run(duck, "replay_touched", usage=usage, hits=lever.hits(duck, usage))
    before = duck.fetch(touched)
    assert before.num_rows
    for batch in before.to_batches(max_chunksize=1):
        after = lever.change(batch)
        assert after["request_id"].equals(batch["request_id"])
        assert after.schema.names == batch.schema.names


@pytest.mark.parametrize("lever", [lever for lever in EVERY if lever.reads is not None], ids=lambda lever: lever.name)
def test_a_lever_reads_no_more_than_it_says(duck, lever):
    usual = [call(1), call(2, 60), call(3, 90, status="error", endpoint="/route")]
    usage = replay(duck, FINDS.get(lever.name, usual)).usage
    lever.make_ready(duck, set())
    found = table(duck, lever.hits(duck, usage))
    assert found
    duck.put("narrow_usage", duck.fetch(usage).select(["request_id", *lever.reads]))
    assert table(duck, lever.hits(duck, "narrow_usage")) == found


@pytest.mark.parametrize("lever", EVERY, ids=lambda lever: lever.name)
def test_a_lever_saves_what_brute_force_finds_and_its_interval_covers_that(duck, lever):
    usual = [call(1), call(2, 60), call(3, 90, status="error", endpoint="/route")]
    replayed = replay(duck, FINDS.get(lever.name, usual))
    calls = duck.fetch(replayed.usage)
    [step] = replayed.plan([lever], Decimal(1)).steps
    slow = brute_force(duck, calls, [lever])
    assert step.standalone_usd == slow.quantize(MICRO)
    span = interval(step.saved, blocks=14)
    assert span.low <= slow.quantize(MICRO) <= span.high


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("batchable", [{**row, "service_tier": "batch"} for row in FINDS["batchable"]]),
        ("service_tier", [{**row, "service_tier": "standard"} for row in FINDS["service_tier"]]),
        ("exact_duplicates", [call(1), call(2, 60, billable=False, input_tokens=0, output_tokens=0)]),
        ("failed_calls", [call(1), call(2, 60, status="error", billable=False)]),
        ("prompt_caching", [call(1, input_tokens=4_000), call(2, 60, input_tokens=4_000, cache_read_tokens=3_968)]),
    ],
)
def test_what_is_done_already_is_not_found_again(duck, name, rows):
    assert saving(replay(duck, rows), levers.make(name, {})) == 0


@pytest.mark.parametrize("name", levers.registry())
def test_a_lever_has_a_query_a_name_and_sentences_of_its_own(name):
    lever = levers.by_name(name)
    assert lever.name == name
    assert name in queries.names()
    assert lever.grade in {"A", "B", "C"}
    assert lever.effort in {"hours", "days", "weeks"}
    assert lever.action.endswith(".")
    assert lever().assumes()
    assert lever.evidence_query is None or lever.evidence_query in queries.names()


LEVERS = st.sampled_from(EVERY)


@settings(max_examples=5)
@given(rows=logs(), lever=LEVERS)
def test_pulling_a_lever_twice_saves_nothing_more(duck, rows, lever):
    first, second = replay(duck, rows).plan([lever, lever], Decimal(1)).steps
    assert first.in_order_usd == first.standalone_usd
    assert second.in_order_usd == 0


@settings(max_examples=5)
@given(rows=logs())
def test_an_avoid_lever_never_raises_the_bill_of_any_call(duck, rows):
    replayed = replay(duck, rows)
    for lever in (FailedCalls(), ExactDuplicates(ttl_seconds=86_400)):
        [step] = replayed.plan([lever], Decimal(1)).steps
        assert all(row.saving_usd >= 0 for row in step.saved)


@settings(max_examples=5)
@given(rows=logs())
def test_a_cache_that_keeps_longer_never_saves_less_of_equal_calls(duck, rows):
    equal = [row | {"input_tokens": 1_000, "cache_read_tokens": 0, "output_tokens": 100} for row in rows]
    replayed = replay(duck, equal)
    found = [len(changed_ids(duck, ExactDuplicates(ttl).hits(duck, replayed.usage))) for ttl in (60, HOUR, 86_400)]
    assert found == sorted(found)


def test_times_before_1970_are_times(engine):
    early = START.replace(year=1969)
    rows = [call(1) | {"started_at": early}, call(2) | {"started_at": early + timedelta(seconds=5)}]
    assert hits(engine, rows, ExactDuplicates(ttl_seconds=5)) == ["c002"]
    assert [row["started_at"] for row in table(engine, "metered")] == [early, early + timedelta(seconds=5)]


# --- settings -------------------------------------------------------------------------------------


def test_settings_of_a_lever_come_from_the_file(tmp_path):
    file = tmp_path / "llmaudit.toml"
    file.write_text('[levers.exact_duplicates]\nttl_seconds = 600\nendpoints = ["/faq"]\n')
    [(name, said)] = config.load(file).lever_settings.items()
    assert levers.make(name, said) == ExactDuplicates(ttl_seconds=600, endpoints=["/faq"])


def test_the_levers_to_pull_may_stand_beside_their_settings(tmp_path):
    file = tmp_path / "llmaudit.toml"
    file.write_text('[levers]\nonly = ["exact_duplicates"]\n[levers.exact_duplicates]\nttl_seconds = 600\n')
    assert config.load(file).levers == ("exact_duplicates",)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"ttl": 600}, "No setting of the lever exact_duplicates called 'ttl'. Known: endpoints, ttl_seconds."),
        ({"ttl_seconds": "600"}, "levers.exact_duplicates.ttl_seconds = '600' should be a whole number."),
        ({"ttl_seconds": True}, "levers.exact_duplicates.ttl_seconds = True should be a whole number."),
        ({"ttl_seconds": 0}, "levers.exact_duplicates.ttl_seconds = 0 should be more than 0."),
        ({"endpoints": [1]}, "levers.exact_duplicates.endpoints = [1] should be a list of texts."),
    ],
)
def test_a_setting_that_cannot_be_is_named(said, error):
    with pytest.raises(AuditError) as raised:
        levers.make("exact_duplicates", said)
    assert str(raised.value) == error


def test_a_lever_sees_only_the_endpoints_it_is_pulled_on(engine):
    rows = [call(1), call(2, 60, endpoint="/route"), call(3, 120, endpoint="/route"), call(4, 180, endpoint=None)]
    # before the cache of /route only its own two calls come by: the first of them pays
    assert saving(replay(engine, rows), ExactDuplicates(endpoints=["/route"])) == Decimal("0.0035")
    assert saving(replay(engine, rows), ExactDuplicates(endpoints=[])) == 0


STEADY = [lever for lever in EVERY if lever.steady]


@settings(max_examples=5)
@given(rows=logs(), lever=st.sampled_from(STEADY), earlier=st.sampled_from(EVERY))
def test_a_steady_lever_finds_in_a_later_state_what_it_found_in_the_log(duck, rows, lever, earlier):
    replayed = replay(duck, rows)
    for one in (lever, earlier):
        one.make_ready(duck, set())
    logged = {hit["request_id"]: hit for hit in table(duck, lever.hits(duck, replayed.usage))}
    duck.put("later_usage", pulled(duck, duck.fetch(replayed.usage), earlier))
    made = {row["request_id"] for row in table(duck, "later_usage") if row["billable"]}
    later = {hit["request_id"]: hit for hit in table(duck, lever.hits(duck, "later_usage"))}
    assert {at: hit for at, hit in later.items() if at in made} == {at: hit for at, hit in logged.items() if at in made}
