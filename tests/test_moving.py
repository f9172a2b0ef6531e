"""What moving an endpoint costs and saves: money worked out by hand, and what must hold for every target of the table."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import MODEL, book, call, replay

from llmaudit import dossier, levers, pricing
from llmaudit.detectors.verdicts import Verdict
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers.fine_tune import FineTune, Move, calls_to_judge
from llmaudit.levers.shorter_prompt import ShorterPrompt
from llmaudit.pricing import tuning
from llmaudit.replay.moving import Prospect, compare, payback_days, proposable, why_not

DAY = date(2026, 11, 26)
ALL = Prospect("/faq", share=1.0, low_share=1.0, high_share=1.0, agreement=0.9)
TERMS = FineTune(window_days=10, priced_on=DAY, drop_instructions=False)
LOG = [call(n, n) for n in range(1_000)]
"""1,000 calls of $0.0035: $3.50 in ten days."""
BOOK = pricing.load()
NEBIUS = next(t for t in BOOK.targets if t.target == "nebius-llama-3.1-8b")
RENTED = next(t for t in BOOK.targets if t.target == "rented-h100-qwen3-8b")


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def replayed():
    """LOG on an engine of its own: logs of one engine share their tables."""
    engine = DuckDB(threads=1)
    yield replay(engine, LOG)
    engine.close()


def economics(replayed, *, lever=TERMS, prospect=ALL, targets=(NEBIUS,), prices=BOOK):
    tables = (replayed.usage, replayed.money)
    return compare(replayed.engine, prices, tables, lever, [prospect], targets)[prospect.endpoint]


def offer(replayed, **given):
    found = economics(replayed, **given).best
    assert found is not None
    return found


def near(usd):
    return pytest.approx(Decimal(usd), abs=Decimal("0.000001"))


# --- by hand --------------------------------------------------------------------------------------


def test_a_hosted_target_is_today_less_all_that_it_takes(replayed):
    found = offer(replayed)
    assert found.today_usd == Decimal("3.50")
    # 1,000 x (1,000 x $0.02 + 100 x $0.06) / M
    assert found.inference_usd == Decimal("0.026")
    # 1,000 examples x 1,100 tokens x 3 epochs x $0.40 / M
    assert found.training_usd == Decimal("1.32")
    # an agreement of 0.9 takes 385 calls: 385 x ($0.0035 + $0.000026)
    assert found.evaluation_usd == near("1.35751")
    # all of $2.67751 again every 90 days: x 10 / 90
    assert found.retraining_usd == near("0.297501")
    assert (found.hosting_usd, found.fallback_usd, found.upkeep_usd, found.labelling_usd) == (0, 0, 0, 0)
    assert found.saved_usd == near("3.176499")
    # less 10 / 365 of $2.67751
    assert found.net_usd == near("3.103143")
    assert float(found.payback_days) == pytest.approx(2.67751 * 10 / 3.176499, rel=1e-5)
    # ($0.0297501 + $2.67751 / 365) a day, at $0.003474 a call
    assert float(found.break_even_calls_per_day) == pytest.approx(10.6752, rel=1e-4)
    assert found.affordable_usd == pytest.approx(found.net_usd * Decimal("36.5"))


def test_a_gpu_of_ones_own_is_paid_day_and_night(replayed):
    found = economics(replayed, targets=(RENTED,)).offers[0]
    # 24 x 10 hours at $2.29; calls cost nothing by themselves
    assert (found.hosting_usd, found.inference_usd) == (Decimal("549.60"), 0)
    # 3.3 M tokens at 10,000 a second are 330 seconds: one hour is paid
    assert found.training_usd == Decimal("2.29")
    # the test: 385 calls of today's model only
    assert found.evaluation_usd == near("1.3475")
    assert found.payback_days is None
    assert found.net_usd < 0
    # $54.96 a day, ($2.29 + $1.3475) x (1/90 + 1/365) a day for the rest, at $0.0035 a call
    assert float(found.break_even_calls_per_day) == pytest.approx(
        (54.96 + 3.6375 * (1 / 90 + 1 / 365)) / 0.0035, rel=1e-6
    )


def test_more_gpus_are_paid_where_the_tokens_need_them(replayed):
    # 100,000 output tokens at 6,932 a second, 1,000,000 input tokens at 30,000: 47.8 seconds of 864,000
    busy = 100_000 / 6_932 + 1_000_000 / 30_000
    scarce = replace(TERMS, utilisation=0.001, moves=(ALL.move(RENTED),))
    assert economics(replayed, lever=scarce, targets=(RENTED,)).offers[0].hosting_usd == Decimal("549.60")
    slow = replace(RENTED, output_tokens_per_second=1)
    # 100,033 seconds at a fifth of the speed are 500,167 of 864,000: one GPU; at a thirtieth four
    assert busy < 48
    hours = {share: offer_hours(replayed, slow, share) for share in (0.2, 1 / 30)}
    assert hours == {0.2: 240, 1 / 30: 960}


def offer_hours(replayed, target, utilisation):
    lever = replace(TERMS, utilisation=utilisation)
    return economics(replayed, lever=lever, targets=(target,)).offers[0].hosting_usd / Decimal("2.29")


def test_calls_that_stay_are_paid_twice_only_where_both_are_asked(replayed):
    half = replace(ALL, share=0.5, low_share=0.4, high_share=0.9)
    once, both = (offer(replayed, prospect=half, lever=replace(TERMS, pay_both=on)) for on in (False, True))
    assert once.fallback_usd == 0
    # as many again as move: 1,000 tokens at $0.02 and 100 at $0.06 a million each
    assert both.fallback_usd == near(both.moved_calls * Decimal("0.000026"))
    assert both.net_usd == near(once.net_usd - both.fallback_usd)
    assert 400 < once.moved_calls < 600
    assert once.low_usd < once.net_usd < once.high_usd


def test_hours_of_labour_are_paid_at_the_users_price_and_named_without_one(replayed, tmp_path):
    hours = replace(TERMS, labelling_hours=8.0, upkeep_hours_per_month=3.0)
    gross = offer(replayed, lever=hours)
    assert (gross.labelling_usd, gross.unpriced) == (0, ("labour/hour",))
    path = tmp_path / "prices.toml"
    path.write_text('[[model."labour/hour".price]]\nrequests_usd = "95"\n')
    paid = offer(replayed, lever=hours, prices=pricing.load(path))
    assert paid.labelling_usd == Decimal(760)
    # 3 hours a month of 30.4375 days, for 10 days
    assert paid.upkeep_usd == near(Decimal(285) * 10 / Decimal("30.4375"))
    # $760 of labels again every 90 days
    assert paid.retraining_usd == near(gross.retraining_usd + Decimal(760) * 10 / 90)
    assert paid.payback_days is None


def test_the_users_price_goes_before_the_shipped_fact(replayed, tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('[[model."gpu/h100-sxm/hour".price]]\nrequests_usd = "1.00"\n')
    found = economics(replayed, targets=(RENTED,), prices=pricing.load(path)).offers[0]
    assert (found.hosting_usd, found.training_usd) == (Decimal(240), Decimal(1))


def test_a_prompt_without_instructions_is_priced_at_what_is_left_of_it(replayed):
    short = replace(ALL, kept_input=0.1)
    # 1,000 x (100 x $0.02 + 100 x $0.06) / M
    assert offer(replayed, prospect=short).inference_usd == Decimal("0.008")


def test_the_words_of_a_cached_prompt_cost_no_more_than_their_price_today(duck):
    rows = [call(1, input_tokens=1_000, cache_read_tokens=900, cache_write_tokens=0)]
    saved = replay(duck, rows).saves_by_endpoint(ShorterPrompt(frames=(("/faq", 0.95),)))
    # 900 cached tokens at $1.25 a million and 50 at $2.50, not 950 at $2.50
    assert saved == {"/faq": Decimal("0.00125")}


def test_an_interval_needs_as_many_calls_as_the_binomial_says():
    assert calls_to_judge(0.5, 0.05) == 385  # 1.96^2 x 0.25 / 0.0025 = 384.15
    assert calls_to_judge(0.99, 0.05) == 100


# --- the lever ------------------------------------------------------------------------------------


def test_the_lever_saves_what_the_offer_says(replayed):
    half = replace(ALL, share=0.5, low_share=0.4, high_share=0.9)
    for prospect, target in ((ALL, NEBIUS), (half, NEBIUS), (ALL, RENTED)):
        found = economics(replayed, prospect=prospect, targets=(target,)).offers[0]
        lever = replace(TERMS, endpoints=("/faq",), moves=(prospect.move(target),))
        assert replayed.saves_by_endpoint(lever)["/faq"] == near(found.net_usd)
        span = replayed.alone(lever, 10, {"/faq": (0.8, 1.8)})["/faq"]
        assert span.low <= span.expected <= span.high
        assert span.expected == near(found.net_usd)


def test_the_lever_brings_the_same_charges_on_every_engine(engine):
    lever = replace(TERMS, endpoints=("/faq",), moves=(Move("/faq", NEBIUS, agreement=0.9),))
    [step] = replay(engine, LOG[:50]).plan([lever], Decimal(1)).steps
    # 50 calls of $0.0035, less 50 x $0.000026; once: 50 x 1,100 x 3 x $0.40 / M + 385 x $0.003526 = $1.42351
    paid = Decimal("1.42351") * 10 * (Decimal(1) / 90 + Decimal(1) / 365)
    assert step.in_order_usd == near(Decimal("0.175") - Decimal("0.0013") - paid)


def test_an_endpoint_that_does_not_pay_back_keeps_its_verdict_and_is_not_pulled(duck):
    small = replay(duck, LOG[:5])
    found = dossier.moving(small, replace(TERMS, share=1.0), [MOVABLE])
    assert found.to_pull is None
    [row] = dossier.rows([MOVABLE], {"/faq": Decimal("0.0175")}, [], found, {"/faq": ["openai"]})
    assert (row["verdict"], row["reason_code"], row["payback_days"]) == ("move", "learnable", None)
    assert row["saving_usd"]["expected"] < 0
    assert row["economics"]["break_even_calls_per_day"] > 0.5
    assert "does not pay back" in row["economics"]["summary"]


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (("low", "low for training"), "known with low confidence, as are those of all targets compared."),
        (("low", "medium"), "known with low confidence; second, of which more is known, takes "),
        (("low", None), "known with low confidence, as are those of all targets compared."),
        (("high", "medium"), "on Llama-3.1-8B."),
    ],
)
def test_a_target_of_doubtful_prices_stands_beside_the_best_that_is_better_known(replayed, targets, said):
    first, second = (
        replace(NEBIUS, target=name, confidence=sure or "", training_usd_per_mtok=Decimal(price))
        for name, sure, price in (("first", targets[0], "0.1"), ("second", targets[1], "0.4"))
    )
    found = economics(replayed, targets=(second, first))
    summary = dossier._summary(found, TERMS)
    assert found.best.target.target == "first"
    assert said in summary
    assert summary.endswith("days.") == ("takes" in said)


MOVABLE = Verdict("/faq", 1_000, "move", "Even a deliberately weak model learns it.", "learnable")


@pytest.mark.parametrize(
    ("settings", "verdict", "code"),
    [
        ({}, "move", "learnable"),
        ({"max_payback_days": 30}, "move", "learnable"),
        ({"max_payback_days": 5}, "evaluate", "slow_payback"),
        ({"target": "rented-h100-qwen3-8b", "max_payback_days": 9_999}, "evaluate", "slow_payback"),
    ],
    ids=str,
)
def test_only_a_limit_of_the_users_own_turns_a_verdict_for_its_volume(replayed, settings, verdict, code):
    lever = replace(TERMS, share=1.0, **settings)
    [row] = dossier.rows([MOVABLE], {}, [], dossier.moving(replayed, lever, [MOVABLE]), {})
    assert (row["verdict"], row["reason_code"]) == (verdict, code)


def test_a_call_that_costs_more_everywhere_is_kept_whatever_the_volume(duck):
    rows = [
        call(n, n, model="gpt-4o-mini", response_model="gpt-4o-mini", request_model="gpt-4o-mini") for n in range(20)
    ]
    dear = dossier.check(BOOK, replace(TERMS, share=1.0), "openai", MODEL)
    found = dossier.moving(replay(duck, rows), dear, [MOVABLE])
    [row] = dossier.rows([MOVABLE], {}, [], found, {})
    assert (row["verdict"], row["reason_code"], row["saving_usd"]) == ("keep", "dearer_tuned", None)


def test_cheaper_things_to_do_stand_first_with_the_dollars_of_their_findings(replayed):
    saving = {"low": Decimal(1), "expected": Decimal(2), "high": Decimal(3)}
    cached = {"lever": "prompt_caching", "endpoint": "/faq", "saving_usd": saving, "effort": "hours"}
    money = dossier.moving(replayed, replace(TERMS, share=1.0), [replace(MOVABLE, frame_share=0.5)])
    [row] = dossier.rows([MOVABLE], {}, [cached, {**cached, "endpoint": "/other"}], money, {})
    told = {one["lever"]: one["saving_usd"] for one in row["alternatives"]}
    assert list(told) == ["right_size", "shorter_prompt", "prompt_caching", "batchable"]
    assert told["prompt_caching"] == saving
    # half of 1,000 tokens a call at $2.50 a million, over 1,000 calls
    assert told["shorter_prompt"]["high"] == Decimal("1.25")
    assert (told["right_size"], told["batchable"]) == (None, None)


# --- the table of targets -------------------------------------------------------------------------


@given(day=st.dates(date(2024, 1, 1), date(2032, 1, 1)), closed=st.booleans())
@settings(max_examples=10)
def test_no_target_whose_tuning_has_closed_or_will_is_ever_proposed(day, closed):
    lever = replace(TERMS, priced_on=day, open_weights_only=closed)
    proposed = proposable(BOOK, lever)
    assert proposed
    for target in proposed:
        assert (target.status, target.closed_to_new_on, target.closes_on) == ("open", None, None)
    assert not {t.provider for t in proposed} & {"openai", "mistral_ai", "gcp.vertex_ai", "azure.ai.openai"}


def test_every_row_says_when_and_where_it_was_checked_and_what_is_billed_per_token_has_a_price():
    for target in BOOK.targets:
        assert target.checked
        assert target.source
        assert target.confidence
        if target.serving == "per_token":
            assert BOOK.place(target.provider, target.model, None, None), target.target
        if target.training_gpu:
            assert tuning.unit_usd(tuning.gpu_sku(target.training_gpu)), target.target
    for terms in tuning.training_terms().values():
        assert terms.checked
        assert terms.source


@pytest.mark.parametrize(
    "name", ["openai-gpt-4.1-mini", "mistral-ministral-8b", "azure-gpt-4o-mini", "wandb-qwen3-14b"]
)
def test_a_target_that_is_asked_for_and_cannot_be_had_is_refused_with_the_reason(name):
    target = next(t for t in BOOK.targets if t.target == name)
    why = why_not(target, BOOK, replace(TERMS, target=name))
    with pytest.raises(AuditError, match="is asked for as the target of fine-tuning, but "):
        dossier.check(BOOK, replace(TERMS, target=name), "", "")
    assert why


def test_a_target_nobody_knows_is_named_beside_those_there_are():
    with pytest.raises(AuditError, match=r"target = 'magic' is not in the table\. Known: .*nebius-llama"):
        dossier.check(BOOK, replace(TERMS, target="magic"), "", "")


def test_a_row_of_the_users_own_replaces_ours(tmp_path):
    shipped = (tuning.files("llmaudit.pricing") / "data/tuning_targets.csv").read_text("utf-8")
    head, *rows = shipped.splitlines()
    [mine] = [row for row in rows if row.startswith("mistral-ministral-8b")]
    path = tmp_path / "targets.csv"
    path.write_text("\n".join([head, mine.replace(",closing,", ",open,")]))
    own = pricing.load(None, None, path)
    assert len(own.targets) == len(BOOK.targets)
    assert "mistral-ministral-8b" in {t.target for t in proposable(own, TERMS)}
    path.write_text("\n".join([head, mine.replace(",closing,", ",soon,")]))
    tuning.targets.cache_clear()
    with pytest.raises(AuditError, match=r"status of 'mistral-ministral-8b' is 'soon'\. Known: open, closing"):
        pricing.load(None, None, path)


def test_a_target_whose_serving_has_no_price_is_shown_and_not_chosen(replayed):
    together = next(t for t in BOOK.targets if t.target == "together-llama-3.1-8b")
    found = economics(replayed, targets=(together, RENTED))
    assert [one.target.target for one in found.offers] == ["rented-h100-qwen3-8b", "together-llama-3.1-8b"]
    assert (found.offers[1].net_usd, found.offers[1].unpriced) == (None, ("gpu/together-gpu/hour",))
    assert found.best is found.offers[0]


# --- laws -----------------------------------------------------------------------------------------


@given(once=st.decimals(0, 10**6, places=6), saved=st.decimals(-(10**6), 10**6, places=6), days=st.integers(7, 400))
@settings(max_examples=50)
def test_what_is_paid_back_in_time_is_what_is_saved_net(once, saved, days):
    spread = 365
    back = payback_days(once, saved, days)
    net = saved - once * days / spread
    if back is None:
        assert saved <= 0
    elif abs(net) > Decimal("1e-6"):
        assert (back < spread) == (net > 0)


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"spread_days": 0}, {"utilisation": 0.0}, {"epochs": 0}], ids=str)
def test_a_setting_out_of_bounds_is_named(settings):
    with pytest.raises(AuditError, match=r"levers\.fine_tune\..* should be from"):
        levers.make("fine_tune", settings)


def test_what_a_report_works_out_is_no_setting():
    with pytest.raises(AuditError, match="moves"):
        levers.make("fine_tune", {"moves": ["/faq"]})


def test_book_of_small_logs_knows_the_table():
    assert book().targets == BOOK.targets
