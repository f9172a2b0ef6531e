"""Cheaper models and less thought: from a dated table or the log's own use, and no claim about answers that the log does not show."""

import random
from decimal import Decimal

import pytest
from small_logs import MODEL, call, changed_ids, record, replay, table, write_log

import llmaudit
from llmaudit.detectors import difficulty
from llmaudit.detectors.exact import share_interval
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers.fine_tune import FineTune
from llmaudit.levers.right_size import RightSize

UNPROVEN = RightSize(unproven=True)
BIG, SMALL = "gpt-5.6-sol", "gpt-5.6-luna"
"""$4.00 and $20.00 a million tokens in October 2026; $0.20 and $1.20."""


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def of(model, number, seconds=0, **more):
    return call(number, seconds, model=model, request_model=model, response_model=model, **more)


def many(count, model=MODEL, first=0, **more):
    return [of(model, first + n, 60 * n, prompt_hash=first + n, output_hash=first + n, **more) for n in range(count)]


def shown(engine, rows, lever=None):
    """Evidence of the lever by endpoint and model, and the calls it changes."""
    lever = lever or UNPROVEN
    replayed = replay(engine, rows)
    lever.prepare(engine)
    found = {(row["endpoint"], row["model"]): row for row in table(engine, lever.evidence(engine, replayed.usage))}
    return found, changed_ids(engine, lever.hits(engine, replayed.usage))


def saving(engine, rows, lever=None):
    [step] = replay(engine, rows).plan([lever or UNPROVEN], Decimal(1)).steps
    return step.in_order_usd


# --- the table of siblings --------------------------------------------------------------------------


def test_without_evidence_the_number_is_that_of_a_dated_sibling_and_may_be_nothing(engine):
    rows = many(40)
    found, _ = shown(engine, rows)
    row = found["/faq", MODEL]
    assert (row["verdict"], row["to_model"], row["kind"]) == ("evaluate", "gpt-5.6-luna", "successor")
    assert (row["low_factor"], row["high_factor"], row["verbosity_ratio"], row["agreement"]) == (0.0, 1.0, None, None)
    assert row["as_of"] == "2026-11-21"
    # 40 calls: 1,000 in and 100 out at 2.50 and 10.00, against 0.20 and 1.20 a million
    assert saving(engine, rows) == 40 * (Decimal("0.0035") - Decimal("0.00032"))


@pytest.mark.parametrize(
    "model",
    ["gpt-6-luna", "gpt-4.1-nano", "gpt-5", "acme-1", "ft:gpt-4o-2024-08-06:acme", "text-embedding-3-large"],
)
def test_the_cheapest_the_unknown_and_the_tuned_have_no_sibling(duck, model):
    assert shown(duck, many(40, model)) == ({}, [])


def test_a_model_that_retires_soon_is_no_place_to_move_to(duck):
    # gpt-4.1-mini, listed beside gpt-4.1, retires 2027-01-14, 54 days after the book
    found, _ = shown(duck, many(40, "gpt-4.1"))
    assert found["/faq", "gpt-4.1"]["to_model"] == "gpt-5.6-luna"
    assert "gpt-4.1-mini" not in found["/faq", "gpt-4.1"]["alternatives"]


@pytest.mark.parametrize(
    ("provider", "model", "to"),
    [
        ("azure.ai.openai", "gpt-4o", "gpt-5.6-luna"),
        ("aws.bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-5-5"),
        ("anthropic", "claude-opus-5", "claude-opus-5-5"),
        ("gcp.vertex_ai", "gemini-2.5-pro", "gemini-3.8-flash"),
    ],
)
def test_a_sibling_is_served_by_who_serves_the_model(duck, provider, model, to):
    found, hits = shown(duck, many(40, model, provider=provider))
    assert (found["/faq", model]["to_provider"], found["/faq", model]["to_model"]) == (provider, to)
    assert len(hits) == 40
    assert saving(duck, many(40, model, provider=provider)) > 0


def test_few_calls_are_not_worth_an_evaluation(duck):
    assert shown(duck, many(29)) == ({}, [])


def test_only_answered_chat_calls_move(duck):
    rows = [*many(30), *many(3, first=50, status="error"), *many(40, first=60, operation="embeddings", endpoint="/x")]
    assert len(shown(duck, rows)[1]) == 30


# --- effort -----------------------------------------------------------------------------------------


def test_less_thought_comes_before_another_model(engine):
    rows = many(40, "gpt-5.6-sol", output_tokens=1_000, reasoning_tokens=800)
    found, _ = shown(engine, rows)
    row = found["/faq", "gpt-5.6-sol"]
    assert (row["verdict"], row["kind"], row["to_model"]) == ("effort", "effort", "gpt-5.6-sol")
    assert row["reasoning_share"] == pytest.approx(0.8)
    # half of 800 reasoning tokens at $20 a million, forty times
    assert saving(engine, rows) == 40 * 400 * Decimal("0.00002")
    assert saving(engine, rows, RightSize(effort_cut=0.25, unproven=True)) == 40 * 200 * Decimal("0.00002")


# --- two models on one endpoint -----------------------------------------------------------------------


def paired(count, same, *, again=None, to_tokens=100, big=BIG, small=SMALL):
    """Prompts asked of both models; `same(n)` says whether the small one gave the same answer, `again(n)` whether the big one did."""
    for n in range(count):
        yield of(big, n, n, prompt_hash=n, output_hash=1)
        yield of(small, 1_000 + n, n, prompt_hash=n, output_hash=1 if same(n) else 2, output_tokens=to_tokens)
        if again is not None:
            yield of(big, 2_000 + n, 60 + n, prompt_hash=n, output_hash=1 if again(n) else 3)


def test_where_both_give_the_same_answers_all_calls_may_move_at_the_measured_length(duck):
    rows = list(paired(100, lambda n: True, to_tokens=150))
    found, hits = shown(duck, rows)
    row = found["/faq", BIG]
    assert (row["verdict"], row["to_model"], row["kind"]) == ("move", SMALL, "logged")
    assert (row["verbosity_ratio"], row["verbosity_calls"]) == (1.5, 100)
    low, high = share_interval(100, 100)
    assert row["agreement"] == {"estimate": 1.0, "low": low, "high": high, "n": 100}
    assert row["low_factor"] == low > 0.95
    assert len([at for at in hits if int(at[1:]) < 1_000]) == 100
    # from 0.0040 + 0.0020 to 0.0002 + 150 x 0.0000012; the small one's own calls go on to gpt-6-luna: 0.0001 + 0.000075
    own = 100 * (Decimal("0.0060") - Decimal("0.00038"))
    smaller = 100 * (Decimal("0.00038") - Decimal("0.000175"))
    assert replay(duck, rows).saves_by_endpoint(UNPROVEN)["/faq"] == own + smaller


def test_where_the_small_model_differs_and_the_big_one_repeats_itself_it_is_not_proposed(duck):
    rows = list(paired(60, lambda n: n % 2 == 0, again=lambda n: True, big="gpt-6-sol", small="gpt-6-luna"))
    found, hits = shown(duck, rows)
    row = found["/faq", "gpt-6-sol"]
    assert row["mcnemar_p"] < 1e-6  # 30 discordant pairs, all one way
    assert row["own_agreement"]["estimate"] == 1.0
    assert row["agreement"]["estimate"] == 0.5
    assert (row["verdict"], row["to_model"]) == ("keep", "gpt-6-luna")
    assert hits == []


def test_a_model_in_use_that_retires_soon_is_compared_and_not_proposed(duck):
    small = "gpt-4o-mini-2024-07-18"  # retires 2027-01-14
    found, _ = shown(duck, list(paired(60, lambda n: True, big=MODEL, small=small)))
    row = found["/faq", MODEL]
    assert (row["verdict"], row["to_model"]) == ("evaluate", "gpt-5.6-luna")
    assert row["alternatives"] == [f"{small}, 60 of 60 answers equal, retires soon"]


def test_without_pairs_the_length_of_answers_is_still_measured(duck):
    rows = [*many(50, BIG), *many(50, SMALL, first=100, output_tokens=70)]
    row = shown(duck, rows)[0]["/faq", BIG]
    assert (row["verdict"], row["to_model"], row["verbosity_ratio"]) == ("evaluate", SMALL, 0.7)


def test_another_endpoint_proves_nothing_for_this_one(duck):
    rows = [row | {"endpoint": "/a" if row["model"] == BIG else "/b"} for row in paired(100, lambda n: True)]
    row = shown(duck, rows)[0]["/a", BIG]
    assert (row["verdict"], row["agreement"]) == ("evaluate", None)


# --- the promises of every lever, on more than one --------------------------------------------------------


def test_pulled_twice_it_saves_nothing_more(duck):
    rows = [*many(40), *many(40, "gpt-5.6-sol", first=100, output_tokens=900, reasoning_tokens=700)]
    first, second = replay(duck, rows).plan([UNPROVEN, UNPROVEN], Decimal(1)).steps
    assert first.in_order_usd > 0
    assert second.in_order_usd == 0


def test_endpoints_of_another_route_are_left_to_it(duck):
    rows = [*many(40), *many(40, first=100, endpoint="/route")]
    _, hits = shown(duck, rows, RightSize(leave=("/faq",), unproven=True))
    assert {at for at in hits if int(at[1:]) < 100} == set()
    assert len(hits) == 40
    tuned, sized = FineTune(["/faq"]), RightSize(leave=("/faq",), unproven=True)
    steps = replay(duck, rows).plan([sized, tuned], Decimal(1)).steps
    assert sum(step.in_order_usd for step in steps) == sum(step.standalone_usd for step in steps)


def test_a_setting_that_cannot_be_is_named():
    with pytest.raises(AuditError, match=r"effort_cut = 1\.0 should be between 0 and 1"):
        RightSize(effort_cut=1.0)


def test_what_nothing_in_the_log_speaks_for_is_in_no_plan(duck):
    alike = list(paired(100, lambda n: True))
    assert saving(duck, many(40), RightSize()) == 0
    assert (
        saving(duck, [*alike, *many(40, first=5_000, endpoint="/x")], RightSize())
        == saving(duck, alike, RightSize())
        > 0
    )
    assert UNPROVEN.if_it_holds() is None
    assert RightSize(leave="/x").if_it_holds() == RightSize(leave="/x", unproven=True)


# --- what the prompt shows ------------------------------------------------------------------------------


def asked(count, seed=1):
    """Prompts of two kinds: the small model gives the same answer to one of them."""
    rng = random.Random(seed)
    easy = ["open", "shop", "today", "parcel", "colour", "lamp", "price", "size"]
    hard = ["prove", "derive", "integral", "contract", "clause", "liability", "matrix", "theorem"]
    for n in range(count):
        is_easy = n % 2 == 0
        words = rng.choices(easy if is_easy else hard, k=6)
        yield f"{'Quick' if is_easy else 'Long'} one {n}: {' '.join(words)}?", is_easy


def test_prompts_are_sorted_by_what_they_say():
    texts, same = zip(*asked(240), strict=True)
    further, truth = zip(*asked(60, seed=2), strict=True)
    found = difficulty.sort(texts, same, further)
    assert found.share == pytest.approx(0.5, abs=0.05)
    assert found.low > 0.9  # 120 easy prompts, of which 97 % are asked for
    assert sum(a == b for a, b in zip(found.easy, truth, strict=True)) >= 55


@pytest.mark.parametrize("same", [lambda n: True, lambda n: n < 100])
def test_too_little_of_either_kind_teaches_nothing(same):
    texts, _ = zip(*asked(110), strict=True)
    assert difficulty.sort(texts, [same(n) for n in range(110)], []) is None


def test_noise_is_not_learned():
    rng = random.Random(5)
    texts, _ = zip(*asked(240), strict=True)
    assert difficulty.sort(texts, [rng.random() < 0.5 for _ in texts], []) is None


def test_easy_prompts_move_and_hard_ones_stay(tmp_path):
    lines = []
    for n, (text, is_easy) in enumerate(asked(200)):
        at = f"2026-10-{1 + n % 20:02}T09:{n % 60:02}:00Z"
        lines.append(record(n, at, text=text, answer="yes", model=BIG))
        lines.append(record(1_000 + n, at, text=text, answer="yes" if is_easy else "no", model=SMALL))
    more = list(asked(40, seed=9))
    lines += [
        record(5_000 + n, "2026-10-25T09:00:00Z", text=text, answer="so", model=BIG) for n, (text, _) in enumerate(more)
    ]
    with llmaudit.audit(write_log(tmp_path / "log.jsonl", lines), levers=["right_size"]) as audit:
        [found] = [f for f in audit.data["findings"] if f["model"] == BIG]
    assert found["evidence"]["verdict"] == "route"
    assert found["evidence"]["easy_share"] == pytest.approx(0.5, abs=0.05)
    assert found["evidence"]["easy_agreement"]["low"] > 0.9
    assert found["requests"] == pytest.approx(120, abs=8)  # half of 200 and of 40
    assert audit.data["plan"]["headline_saving_usd"] == 0
