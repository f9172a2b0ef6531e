"""Detectors: scikit-learn's contract first, then what they find in small made-up logs."""

import gzip
import hashlib
import json
import random
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from llmaudit.detectors.answers import normal, profile
from llmaudit.detectors.endpoints import KINDS, OTHER, RULES, assign, discover
from llmaudit.detectors.evidence import forecast, interval, least_share
from llmaudit.detectors.families import PromptFamilies
from llmaudit.detectors.fields import FieldStudent
from llmaudit.detectors.student import ProxyStudent
from llmaudit.detectors.templates import PromptTemplates
from llmaudit.detectors.verdicts import judge
from llmaudit.detectors.words import masked_words

DEVDATA = Path(__file__).parents[2] / "shared" / "devdata"

SAMPLE = {
    "request_id": pl.String,
    "endpoint": pl.String,
    "model": pl.String,
    "started_at": pl.Datetime("us"),
    "status": pl.String,
    "temperature": pl.Float64,
    "response_format": pl.String,
    "tools_offered": pl.Int32,
    "tools_called": pl.Int32,
    "template_hash": pl.Int64,
    "head_hash": pl.Int64,
    "tail_hash": pl.Int64,
    "long_head_hash": pl.Int64,
    "long_tail_hash": pl.Int64,
    "system_head_hash": pl.Int64,
    "system_tail_hash": pl.Int64,
    "long_system_head_hash": pl.Int64,
    "long_system_tail_hash": pl.Int64,
    "tools_hash": pl.Int64,
    "system_hash": pl.Int64,
    "system": pl.String,
    "prompt": pl.String,
    "output": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "reasoning_tokens": pl.Int64,
    "call_key": pl.String,
}

WORDS_TEXT = (
    "river stone maple lantern copper window garden orbit velvet thunder pocket harbor feather candle bridge tunnel "
    "meadow ticket hammer pillow signal blanket anchor basket saddle ribbon mirror kettle ladder marble whistle "
    "cabin puzzle needle barrel throne walnut glacier canyon turnip compass shovel bottle carpet violin drawer"
)
WORDS = WORDS_TEXT.split()
VERBS = [
    "finds",
    "takes",
    "breaks",
    "sells",
    "moves",
    "paints",
    "opens",
    "loses",
    "carries",
    "cleans",
    "hides",
    "lifts",
]
MIDNIGHT = datetime.fromisoformat("2026-01-01")


def chatter(rng, words=12):
    return " ".join(rng.choice(VERBS if n % 4 == 1 else WORDS) for n in range(words))


def keyed(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)


def log(calls):
    """A sample from dicts of system, prompt, output and whatever else matters."""
    rows = []
    for n, call in enumerate(calls):
        system, words = call.get("system"), " ".join(masked_words(call.get("prompt") or "")).split()
        told = " ".join(masked_words(system or "")).split()
        row = dict.fromkeys(SAMPLE) | {
            "request_id": f"r{n}",
            "model": "m",
            "started_at": MIDNIGHT + timedelta(minutes=17 * n),
            "status": "ok",
            "template_hash": keyed(" ".join(masked_words(system[:512]))) if system else None,
            "system_hash": keyed(system) if system else None,
            "head_hash": keyed(" ".join(words[:4])) if words else None,
            "tail_hash": keyed(" ".join(words[-4:])) if words else None,
            "long_head_hash": keyed(" ".join(words[:12])) if words else None,
            "long_tail_hash": keyed(" ".join(words[-12:])) if words else None,
            "system_head_hash": keyed(" ".join(told[:4])) if told else None,
            "system_tail_hash": keyed(" ".join(told[-4:])) if told else None,
            "long_system_head_hash": keyed(" ".join(told[:12])) if told else None,
            "long_system_tail_hash": keyed(" ".join(told[-12:])) if told else None,
            "call_key": hashlib.md5(f"call {n}".encode()).hexdigest(),
            "output": "fine",
        }
        rows.append(row | call)
    return pl.DataFrame([{name: row[name] for name in SAMPLE} for row in rows], schema=SAMPLE)


def found(calls, truth):
    """Agreement of the discovered endpoints with the truth, over all calls, by the rules alone."""
    sample = log(calls)
    given = assign(sample, discover(sample).rules)
    return adjusted_rand_score(truth, given.fill_null("").to_list())


def calls_of(sample):
    return sample.group_by("endpoint", maintain_order=True).len("requests").with_columns(cost_usd=pl.lit(1.0))


def verdict(calls):
    sample = log([{"endpoint": "/x", **call} for call in calls])
    (only,) = judge(sample, calls_of(sample))
    return only


# --- scikit-learn's contract


def why_not(estimator):
    """Checks that cannot hold, with the reason. None so far: the estimators take numeric matrices as well as texts."""
    return {}


@parametrize_with_checks([PromptFamilies(), ProxyStudent(), FieldStudent()], expected_failed_checks=why_not)
def test_estimators_keep_the_scikit_learn_contract(estimator, check):
    check(estimator)


def test_prompt_templates_keeps_what_of_the_contract_applies_to_texts():
    # scikit-learn's own checks fit numeric matrices, which have no wording.
    made = PromptTemplates(min_prompts=3)
    assert clone(made).get_params() == made.get_params() == {"min_prompts": 3, "min_words": 4, "similarity": 0.85}
    assert made.fit(["ping"] * 3 + ["pong"]) is made
    assert made.labels_.tolist() == [0, 0, 0, -1]
    assert made.fit_predict(["ping"] * 3 + ["pong"]).tolist() == [0, 0, 0, -1]
    with pytest.raises(ValueError, match="strings"):
        made.fit(np.ones((3, 2)))
    with pytest.raises(ValueError, match="at least 1 prompt"):
        made.fit([])
    with pytest.raises(ValueError, match="similarity"):
        PromptTemplates(similarity=2).fit(["a"])


# --- endpoint discovery


def test_a_prompt_that_names_one_of_many_schools_is_one_endpoint():
    rng = random.Random(0)
    schools = [f"{a.title()} {b.title()}" for a, b in zip(WORDS[:40], WORDS[5:45], strict=True)]
    calls = [
        {
            "system": f"You help pupils of {rng.choice(schools)} School. Explain each step in short sentences.",
            "prompt": chatter(rng),
        }
        for _ in range(600)
    ]
    calls += [{"system": "You check invoices. Name what is missing.", "prompt": chatter(rng)} for _ in range(50)]
    assert found(calls, [0] * 600 + [1] * 50) == 1.0


def test_short_prompts_that_differ_only_in_the_task_are_several_endpoints():
    rng = random.Random(1)
    tasks = {
        "Weather": lambda: f"Will it rain {rng.choice(['here', 'there'])} near the {rng.choice(WORDS)} today?",
        "Addition": lambda: f"Work out {rng.randint(1, 99)} plus {rng.randint(1, 99)} please",
        "Rhymes": lambda: f"Which word sounds like {rng.choice(WORDS)} or {rng.choice(WORDS)}",
    }
    calls, truth = [], []
    for task, make in tasks.items():
        calls += [{"system": f"{task}. Reply with the answer only.", "prompt": make()} for _ in range(60)]
        truth += [task] * 60
    assert found(calls, truth) == 1.0


def test_time_and_id_on_top_of_the_system_prompt_do_not_split_an_endpoint():
    rng = random.Random(2)
    calls = [
        {
            "system": f"Today is 2026-03-{n % 28 + 1:02} {n % 24:02}:00:00. Trace {rng.getrandbits(64):016x}. Tag the ticket.",
            "prompt": chatter(rng),
        }
        for n in range(80)
    ]
    assert found(calls, [0] * 80) == 1.0
    (name,) = discover(log(calls)).inspect["endpoint"]
    assert name.startswith("today-trace-tag-ticket-")


def test_fixed_words_before_or_after_the_text_make_an_endpoint_without_system_prompt():
    rng = random.Random(3)
    calls = [{"prompt": f"Summarise the following mail in one line.\n\n{chatter(rng, 30)}"} for _ in range(100)]
    calls += [{"prompt": f"{chatter(rng)}\n\nWhich team should answer this? Give the name."} for _ in range(100)]
    assert found(calls, [0] * 100 + [1] * 100) == 1.0


def test_same_first_words_but_other_instructions_at_the_end_are_two_endpoints():
    rng = random.Random(4)
    asks = ["Write a title of at most six words for it.", "List every person that it mentions."]
    calls = [{"prompt": f"Here is a document from our archive: {chatter(rng, 40)}\n{asks[n % 2]}"} for n in range(120)]
    assert found(calls, [n % 2 for n in range(120)]) == 1.0


def test_system_prompts_that_differ_only_after_the_hashed_opening_are_two_endpoints():
    rng = random.Random(5)
    policy = "Our house rules. " + chatter(rng, 120)
    asks = [
        "Now translate the message to German and keep names.",
        "Now answer with yes if the message is a complaint, else no.",
    ]
    calls = [
        {"system": f"{policy} {asks[n % 2]}", "prompt": chatter(rng), "output": ["yes", chatter(rng, 30)][n % 2]}
        for n in range(100)
    ]
    sample = log(calls)
    assert sample["template_hash"].n_unique() == 1
    assert found(calls, [n % 2 for n in range(100)]) == 1.0


def test_json_inputs_group_by_their_fixed_keys_and_values():
    rng = random.Random(6)
    calls = [
        {"prompt": json.dumps({"task": ["tag", "route"][n % 2], "language": "en", "text": chatter(rng)})}
        for n in range(100)
    ]
    assert found(calls, [n % 2 for n in range(100)]) == 1.0


def test_context_pasted_into_the_system_prompt_does_not_split_an_endpoint():
    rng = random.Random(7)
    opening = "Answer from the passages below and cite their numbers. Passages:"
    sample = log([{"system": f"{opening} {chatter(rng, 90)}", "prompt": chatter(rng)} for _ in range(60)])
    assert sample["template_hash"].n_unique() == 60
    assert discover(sample).inspect["calls"].to_list() == [60]


def test_few_shot_examples_in_random_order_do_not_split_an_endpoint():
    rng = random.Random(8)
    shots = [f"Text: {chatter(rng, 6)} -> {rng.choice('AB')}" for _ in range(8)]
    calls = [
        {
            "prompt": "\n".join(
                [
                    "Decide whether A or B is meant. Examples first.",
                    *rng.sample(shots, 8),
                    f"Text: {chatter(rng, 6)} ->",
                ]
            )
        }
        for _ in range(80)
    ]
    assert found(calls, [0] * 80) == 1.0


def test_an_endpoint_of_five_calls_is_found():
    rng = random.Random(9)
    calls = [{"system": "You tag tickets by urgency.", "prompt": chatter(rng)} for _ in range(300)]
    calls += [{"prompt": f"Draft the release note for version {n}: {chatter(rng)}"} for n in range(5)]
    assert found(calls, [0] * 300 + [1] * 5) == 1.0


def test_tool_sets_and_answer_formats_tell_endpoints_of_one_prompt_apart():
    rng = random.Random(10)
    base = {"system": "You are the travel desk. Plan the trip."}
    calls = [base | {"prompt": chatter(rng), "tools_hash": 11, "tools_offered": 2} for _ in range(30)]
    calls += [base | {"prompt": chatter(rng)} for _ in range(30)]
    calls += [base | {"prompt": chatter(rng), "response_format": "json_schema"} for _ in range(30)]
    assert found(calls, [0] * 30 + [1] * 30 + [2] * 30) == 1.0


def test_tools_chosen_call_by_call_do_not_split_an_endpoint():
    rng = random.Random(11)
    calls = [
        {"system": "You are the travel desk. Plan the trip.", "prompt": chatter(rng), "tools_hash": n % 20}
        for n in range(100)
    ]
    assert found(calls, [0] * 100) == 1.0


def test_a_stock_system_prompt_says_nothing_about_the_feature():
    rng = random.Random(12)
    stock = {"system": "You are a helpful assistant."}
    calls = [stock | {"prompt": f"Translate this sentence into plain French: {chatter(rng)}"} for _ in range(60)]
    calls += [stock | {"prompt": f"{chatter(rng)}\nIs the text above polite? Answer yes or no."} for _ in range(60)]
    assert found(calls, [0] * 60 + [1] * 60) == 1.0


def test_empty_prompts_get_no_endpoint():
    calls = [{"prompt": ""}, {"prompt": "  "}, {"prompt": None}] * 5
    result = discover(log(calls))
    assert result.rules.is_empty()
    assert result.coverage == 0.0


def test_without_texts_equal_templates_are_still_endpoints():
    calls = [{"template_hash": 7}] * 20 + [{"template_hash": 8, "response_format": "json_object"}] * 20 + [{}] * 5
    sample = log(calls)
    given = assign(sample, discover(sample).rules)
    assert given.null_count() == 5
    assert adjusted_rand_score([0] * 20 + [1] * 20, given[:40].to_list()) == 1.0


def test_prompts_with_nothing_in_common_stay_together_as_other_and_make_no_rules():
    rng = random.Random(13)
    result = discover(log([{"prompt": chatter(rng, rng.randint(5, 15))} for _ in range(150)]))
    assert result.inspect["endpoint"].to_list() == [OTHER]
    assert result.rules.is_empty()


def test_likeness_finds_topics_among_prompts_without_wording():
    rng = random.Random(40)
    calls, truth = [], []
    for topic in range(2):
        for _ in range(40):
            said = [*WORDS[6 * topic : 6 * topic + 6], rng.choice(WORDS[12:])]
            calls.append({"prompt": " ".join(rng.sample(said, len(said)))})
            truth.append(topic)
    sample = log(calls)
    result = discover(sample)
    assert OTHER not in set(result.inspect["endpoint"])
    parts = pl.DataFrame({"part": assign(sample, result.rules), "topic": truth}).drop_nulls()
    # A topic may be found in parts, but never mixed with another.
    assert parts.group_by("part").agg(pl.col("topic").n_unique())["topic"].max() == 1


def test_labels_win_and_name_the_unlabelled_calls_of_the_same_prompt():
    rng = random.Random(14)
    calls = [
        {"system": "You tag tickets.", "prompt": chatter(rng), "endpoint": "/tag" if n % 2 else None} for n in range(40)
    ]
    calls += [
        {"system": "You write mails.", "prompt": chatter(rng), "endpoint": "/odd" if n == 0 else None} for n in range(5)
    ]
    sample = log(calls)
    given = assign(sample, discover(sample).rules)
    assert set(given[:40]) == {"/tag"}
    assert given[40] == "/odd"


def test_a_log_with_labels_only_needs_no_rules():
    result = discover(log([{"system": "You tag.", "prompt": "a", "endpoint": "/tag"}] * 10))
    assert result.rules.is_empty()
    assert result.rules.schema == pl.Schema(RULES)
    assert result.coverage is None


def test_rules_reach_calls_outside_the_sample():
    rng = random.Random(15)
    calls = [{"prompt": f"{chatter(rng)}\n\nWhich team should answer this? Give the name."} for _ in range(200)]
    everything = log(calls)
    rules = discover(everything.head(40)).rules
    assert set(rules["key_kind"]) <= set(KINDS)
    assert assign(everything, rules).null_count() == 0


def varied_on_top(rng, asks):
    """A system prompt that begins in another way every time, and ends as the endpoint's always does."""
    customer = f"{rng.choice(WORDS)} & {rng.choice(WORDS)}".title()
    tops = (
        f"You are the desk of {customer}.",
        f"{customer}: {chatter(rng, 6)}.",
        f"Context:\n{chatter(rng, 100)}\n\n{chatter(rng, 60)}",
    )
    return f"{tops[asks % 3]}\n\n{['Name the team that answers this.', 'Rewrite it as one polite sentence, please.', 'Is the claim in it covered? Answer yes or no.'][asks % 3]}"


def test_rules_reach_the_whole_log_where_the_system_prompt_begins_with_what_varies():
    rng = random.Random(18)
    calls = [{"system": varied_on_top(rng, n), "prompt": chatter(rng)} for n in range(600)]
    everything = log(calls)
    assert everything["template_hash"].n_unique() > 500
    given = assign(everything, discover(everything.head(150)).rules)
    assert adjusted_rand_score([n % 3 for n in range(600)], given.fill_null("").to_list()) == 1.0
    assert given.null_count() == 0


def test_prompts_that_open_alike_for_four_words_are_told_apart_by_their_longer_openings():
    rng = random.Random(19)
    tasks = ["sorts mail by team", "sorts mail by mood", "writes the release notes", "answers in rhymes"]
    calls = [{"prompt": f"You are a worker who {tasks[n % 4]} for the shop.\n{chatter(rng)}"} for n in range(400)]
    everything = log(calls)
    assert everything["head_hash"].n_unique() == 1
    given = assign(everything, discover(everything.head(200)).rules)
    assert adjusted_rand_score([n % 4 for n in range(400)], given.fill_null("").to_list()) == 1.0


def test_discovery_does_not_depend_on_row_order():
    rng = random.Random(16)
    calls = [
        {"system": f"You tag tickets for {rng.choice(WORDS)} on our behalf.", "prompt": chatter(rng)}
        for _ in range(150)
    ]
    calls += [{"prompt": f"Summarise the following mail in one line.\n\n{chatter(rng)}"} for _ in range(50)]
    sample = log(calls)
    one, two = discover(sample), discover(sample.sample(fraction=1, shuffle=True, seed=5))
    assert one.rules.equals(two.rules)
    assert one.inspect.equals(two.inspect)


def test_names_do_not_change_when_other_traffic_joins():
    rng = random.Random(17)
    calls = [{"system": "You tag tickets by urgency.", "prompt": chatter(rng)} for _ in range(30)]
    alone = set(discover(log(calls)).inspect["endpoint"])
    more = [{"system": "You write polite refusals.", "prompt": chatter(rng)} for _ in range(90)]
    assert alone <= set(discover(log(more + calls)).inspect["endpoint"])


# --- families


def test_copies_that_differ_in_an_order_number_are_one_family():
    texts = [
        "Where is order 1234567 of last week?",
        "Where is order 7654321 of last week?",
        "Cancel my plan now please",
    ]
    assert PromptFamilies().fit(texts).labels_.tolist() == [0, 0, 1]


def test_numbers_of_a_question_keep_questions_apart():
    texts = [f"Add {n} and {3 * n} and {7 * n}, then subtract {n + 5} from {11 * n}" for n in range(2, 40)]
    assert len(set(PromptFamilies().fit(texts).labels_)) > 30


def test_a_family_does_not_depend_on_row_order():
    rng = random.Random(18)
    texts = [chatter(rng) for _ in range(60)]
    texts += [f"{text} again" for text in texts[:20]]
    order = rng.sample(range(80), 80)
    labels = PromptFamilies(0.8).fit(texts).labels_
    moved = PromptFamilies(0.8).fit([texts[n] for n in order]).labels_
    assert adjusted_rand_score(labels[order], moved) == 1.0
    assert moved[0] == 0


# --- the proxy student


def topics(n, seed, noise=0.0):
    """Inputs whose topic words tell the label."""
    rng = random.Random(seed)
    heads = {"refund": WORDS[:6], "delivery": WORDS[6:12], "login": WORDS[12:18], "invoice": WORDS[18:24]}
    pairs = []
    for _ in range(n):
        label = rng.choice(sorted(heads))
        text = " ".join([*rng.choices(WORDS[24:], k=5), *rng.choices(heads[label], k=3), *rng.choices(VERBS, k=3)])
        pairs.append((text, rng.choice(sorted(heads)) if rng.random() < noise else label))
    return [list(part) for part in zip(*pairs, strict=True)]


def test_student_learns_topics_and_takes_the_calls_it_is_sure_of():
    texts, labels = topics(300, 19, noise=0.03)
    evidence = ProxyStudent().evaluate(texts, labels)
    assert evidence.agreement > 0.9
    assert evidence.low < evidence.agreement < evidence.high
    assert evidence.lift > 0.85
    assert evidence.coverage > 0.5
    assert evidence.covered_agreement > 0.95
    assert [size for size, _ in evidence.curve] == [40, 61, 93, 144, 240]


def test_student_finds_nothing_in_labels_drawn_at_random():
    texts, labels = topics(300, 20, noise=1.0)
    evidence = ProxyStudent().evaluate(texts, labels)
    assert evidence.low < evidence.baseline
    assert evidence.coverage < 0.2


def test_near_copies_on_both_sides_would_flatter_the_student():
    rng = random.Random(21)
    texts, labels = [], []
    for _ in range(60):
        text, label = chatter(rng, 20), rng.choice(["yes", "no"])
        texts += [f"{text} {filler}" for filler in ("please", "thanks", "now", "today")]
        labels += [label] * 4
    split = ProxyStudent().evaluate(texts, labels, groups=range(240))
    grouped = ProxyStudent().evaluate(texts, labels)
    assert split.agreement > 0.95
    assert grouped.families < 70
    assert grouped.agreement < 0.7
    assert grouped.high - grouped.low > 1.5 * (split.high - split.low)


def test_repeated_inputs_count_once_and_give_the_ceiling():
    texts, labels = topics(200, 22)
    evidence = ProxyStudent().evaluate(texts + texts[:50], labels + labels[:40] + ["other"] * 10)
    assert evidence.n == len(set(texts))
    assert evidence.repeats == 50
    assert evidence.self_agreement == 0.8


def test_labels_that_change_over_time_show_in_the_late_agreement():
    texts, labels = topics(300, 23)
    turned = labels[:210] + [{"refund": "login", "login": "refund"}.get(label, label) for label in labels[210:]]
    steady = ProxyStudent().evaluate(texts, labels, times=range(300))
    drifting = ProxyStudent().evaluate(texts, turned, times=range(300))
    assert steady.late_agreement > 0.95
    assert drifting.late_agreement < 0.7
    assert ProxyStudent().evaluate(texts, labels).late_agreement is None


def test_members_of_a_group_that_err_together_widen_the_interval():
    right = np.repeat([1.0, 0.0, 1.0, 1.0], 25)
    alone, together = interval(right, np.arange(100)), interval(right, np.repeat(np.arange(4), 25))
    assert alone == pytest.approx((0.6570, 0.8246), abs=1e-4)  # Wilson, 75 of 100
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])


def test_student_needs_two_labels_and_five_families():
    with pytest.raises(ValueError, match="five and two"):
        ProxyStudent().evaluate(["same text", "same text"], ["a", "b"])


def test_clopper_pearson_guarantees_what_the_textbook_says():
    assert least_share(299, 299) == pytest.approx(0.05 ** (1 / 299))  # nothing wrong in n: the n-th root of 5 %
    assert least_share(0, 20) == 0.0
    assert least_share(19, 20) < least_share(190, 200) < 0.95


def test_a_learning_curve_is_carried_on_by_its_own_law():
    odds = [(n, 1 / (1 + np.exp(-(np.log(n) - 5)))) for n in (40, 80, 160, 240)]
    found = forecast(odds, 0.02, steps=True)
    line = 1 / (1 + np.exp(-(np.log(1200) - 5)))  # 0.890
    assert found.n == 1200
    assert found.estimate == pytest.approx((line + 1) / 2, abs=1e-6)
    assert forecast(odds, 0.02, steps=True, ceiling=0.94).estimate == pytest.approx((line + 0.94) / 2, abs=1e-6)
    assert forecast(odds, 0.02, steps=True, ceiling=0.8).estimate == pytest.approx(0.8)
    assert forecast(odds, 0.02, steps=True, ceiling=0.8).high == pytest.approx(line + 0.02, abs=1e-6)
    power = [(n, 1 - 3 * n**-0.4) for n in (40, 80, 160, 240)]
    assert forecast(power, 0.02, steps=False).estimate == pytest.approx(1 - 3 * 1200**-0.4, abs=1e-6)
    assert forecast(odds[:2], 0.02, steps=True) is None


def test_a_forecast_never_falls_below_what_is_reached():
    falling = [(40, 0.8), (80, 0.7), (160, 0.72), (240, 0.71)]
    assert forecast(falling, 0.03, steps=True).estimate >= 0.71 - 0.03


def test_partial_scores_spread_less_than_right_and_wrong():
    halves = np.full(100, 0.5)
    halves[:10] = 0.6
    low, high = interval(halves, np.arange(100), binary=False)
    wide = interval(np.repeat([1.0, 0.0], 50), np.arange(100))
    assert high - low < (wide[1] - wide[0]) / 5


# --- verdicts


def test_an_endpoint_that_a_weak_model_learns_should_move():
    texts, labels = topics(300, 24)
    result = verdict({"prompt": t, "output": y} for t, y in zip(texts, labels, strict=True))
    assert (result.verdict, result.reason_code) == ("move", "learnable")
    assert result.agreement.low > result.agreement.baseline + 0.1
    assert result.agreement.n == 300
    assert result.profile["form"] == "closed_label"


def test_a_label_inside_json_counts_as_a_label():
    texts, labels = topics(300, 25)
    result = verdict({"prompt": t, "output": json.dumps({"label": y})} for t, y in zip(texts, labels, strict=True))
    assert (result.verdict, result.profile["form"]) == ("move", "json")


def parity(rng):
    flips = [rng.random() < 0.5 for _ in range(8)]
    story = " ".join(
        f"{name} {'turns' if flip else 'leaves'} the {rng.choice(WORDS)}."
        for name, flip in zip(WORDS, flips, strict=False)
    )
    return f"{story} Does it face up?", "yes" if sum(flips) % 2 else "no"


def test_short_answers_alone_are_not_evidence():
    rng = random.Random(26)
    result = verdict({"prompt": p, "output": y} for p, y in (parity(rng) for _ in range(300)))
    assert result.verdict == "keep"
    assert result.profile["entropy"] > 0.9
    assert result.profile["labels"] == 2


def test_an_answer_that_follows_from_counting_does_not_move():
    rng = random.Random(27)
    calls = []
    for _ in range(400):
        steps = rng.randint(3, 16)
        calls.append({"prompt": " ".join(rng.choices(WORDS, k=steps)), "output": "far" if steps > 9 else "near"})
    result = verdict(calls)
    assert result.agreement.low > result.agreement.baseline + 0.25
    assert result.evidence.by_looks > 0.95
    assert (result.verdict, result.reason_code) == ("evaluate", "looks_tell")


def test_letters_of_a_menu_that_changes_are_not_labels():
    rng = random.Random(27)
    calls = []
    for _ in range(150):
        options = rng.sample(WORDS, 3)
        right = rng.randrange(3)
        menu = "\n".join(f"({letter}) {word}" for letter, word in zip("ABC", options, strict=True))
        # The text gives the letter away, so that the student learns it: still no class.
        calls.append(
            {"prompt": f"{chatter(rng)} {VERBS[right]} {VERBS[right]}\nOptions:\n{menu}", "output": f"({'ABC'[right]})"}
        )
    result = verdict(calls)
    assert result.profile["names_options"]
    assert result.verdict != "move"


def test_letters_of_a_fixed_menu_are_labels():
    inputs = ["Mail: x\n(A) refund\n(B) login"] * 10
    assert not profile(inputs, ["(A)"] * 5 + ["(B)"] * 5).names_options


def test_most_frequent_answer_must_be_beaten():
    texts, _ = topics(300, 28)
    rng = random.Random(28)
    result = verdict({"prompt": t, "output": "ok" if rng.random() < 0.95 else "bad"} for t in texts)
    assert result.verdict == "keep"


def test_values_copied_from_the_input_are_learned_field_by_field():
    rng = random.Random(29)
    calls = []
    for _ in range(150):
        song, place = " ".join(rng.sample(WORDS, 2)), rng.choice(WORDS)
        calls.append({"prompt": f"Play {song} in the {place}", "output": json.dumps({"song": song, "room": place})})
    result = verdict(calls)
    assert (result.verdict, result.reason_code) == ("move", "learnable")
    assert result.agreement.estimate > 0.95
    assert result.profile["copy_share"] == 1.0
    assert {field.path: field.kind for field in result.evidence.fields} == {"song": "copied", "room": "copied"}


def test_answers_of_which_some_are_wrong_are_still_copied():
    rng = random.Random(44)
    texts, answers = [], []
    for _ in range(200):
        song, place = " ".join(rng.sample(WORDS, 2)), rng.choice(WORDS)
        texts.append(rng.choice((f"Play {song} in the {place}", f"in the {place} I want {song}")))
        answers.append(json.dumps({"song": song, "room": place}))
    given = [rng.choice(answers) if rng.random() < 0.15 else answer for answer in answers]
    found = FieldStudent().evaluate(texts, given)
    wrong = sum(a != b for a, b in zip(answers, given, strict=True)) / len(texts)
    assert wrong > 0.1
    assert {field.path: field.kind for field in found.fields} == {"song": "copied", "room": "copied"}
    for field in found.fields:
        assert field.agreement == pytest.approx(1 - wrong, abs=0.03)


def test_tags_are_learned_one_by_one_whatever_else_is_tagged():
    """Six tags make 41 lists of one to three: too many to learn list by list from 400 inputs."""
    rng = random.Random(45)
    own = {f"tag{n}": WORDS[3 * n : 3 * n + 3] for n in range(6)}
    calls = []
    for _ in range(400):
        tags = rng.sample(sorted(own), rng.randint(1, 3))
        told = [word for tag in tags for word in rng.sample(own[tag], 2)] + rng.sample(WORDS[18:], 6)
        rng.shuffle(told)
        calls.append({"prompt": " ".join(told), "output": json.dumps({"tags": sorted(tags)})})
    result = verdict(calls)
    assert (result.verdict, result.reason_code) == ("move", "learnable")
    assert result.agreement.estimate > 0.9


def test_a_copied_name_that_takes_reasoning_does_not_move():
    rng = random.Random(34)
    names = ["Ann", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gil"]
    calls = []
    for number in range(300):
        order = rng.sample(names, 5)
        clues = [f"{a} stands before {b}." for a, b in pairwise(order)]
        rng.shuffle(clues)
        prompt = f"Queue {number}. {' '.join(clues)} Who is in the middle?"
        calls.append({"prompt": prompt, "output": json.dumps({"case": f"queue {number}", "middle": order[2]})})
    result = verdict(calls)
    assert result.verdict == "evaluate"
    assert result.reason_code in ("field_not_learned", "weak_lift")


def test_a_field_that_the_model_makes_up_does_not_move():
    rng = random.Random(35)
    texts, labels = topics(300, 35)
    made_up = ({"topic": label, "note": chatter(rng, 6)} for label in labels)
    result = verdict({"prompt": t, "output": json.dumps(y)} for t, y in zip(texts, made_up, strict=True))
    assert (result.verdict, result.reason_code) == ("keep", "generated_json")
    kinds = {field.path: field.kind for field in result.evidence.fields}
    assert kinds == {"topic": "closed", "note": "open"}


def test_closed_fields_of_an_object_are_learned_one_by_one():
    texts, labels = topics(300, 36)
    rng = random.Random(36)
    answers = [
        json.dumps({"topic": y, "order": rng.choice(WORDS[24:]) if n % 2 else None}) for n, y in enumerate(labels)
    ]
    calls = [
        {"prompt": f"{t} about {json.loads(a)['order'] or 'nothing'}", "output": a}
        for t, a in zip(texts, answers, strict=True)
    ]
    result = verdict(calls)
    assert result.verdict == "move"
    assert {field.path: field.kind for field in result.evidence.fields} == {"topic": "closed", "order": "copied"}


def test_a_digit_inside_another_number_is_not_a_copied_value():
    assert profile(["order 4512 is late"], ['{"score": 5}']).copy_share == 0.0
    assert profile(["order 5 is late"], ['{"order": 5}']).copy_share == 1.0


def test_free_text_code_and_sums_stay():
    rng = random.Random(30)
    for output, code in (
        (lambda: chatter(rng, 40), "free_text"),
        (lambda: f"x = {rng.randint(1, 99)}\nfor n in {rng.choice(WORDS)}:\n    x += n\nreturn x", "code"),
        (lambda: f"{rng.randint(100, 99999)}", "number"),
    ):
        result = verdict({"prompt": chatter(rng), "output": output()} for _ in range(150))
        assert (result.verdict, result.reason_code) == ("keep", code)


def test_tool_calls_stay():
    rng = random.Random(31)
    result = verdict({"prompt": chatter(rng), "output": None, "tools_offered": 3} for _ in range(150))
    assert (result.verdict, result.reason_code) == ("keep", "tool_calls")


def test_without_texts_there_is_no_verdict():
    result = verdict({"prompt": None, "output": None} for _ in range(150))
    assert (result.verdict, result.reason_code, result.agreement, result.coverage) == (None, "no_text", None, None)


def test_few_inputs_show_nothing():
    texts, labels = topics(60, 32)
    result = verdict({"prompt": t, "output": y} for t, y in zip(texts, labels, strict=True))
    assert (result.verdict, result.reason_code) == ("keep", "too_few_inputs")


def test_every_endpoint_gets_a_verdict_dearest_first_and_in_any_row_order():
    texts, labels = topics(150, 33)
    sample = log({"prompt": t, "output": y, "endpoint": "/a"} for t, y in zip(texts, labels, strict=True))
    schema = {"endpoint": pl.String, "requests": pl.Int64, "cost_usd": pl.Float64}
    rows = [("/a", 150, 2.0), ("/unseen", 7, 9.0), (None, 3, None), ("/b", 1, 2.0)]
    calls = pl.DataFrame(rows, schema=schema, orient="row")
    results = judge(sample, calls)
    assert [(r.endpoint, r.requests, r.verdict) for r in results] == [
        ("/unseen", 7, None),
        ("/a", 150, "move"),
        ("/b", 1, None),
        (None, 3, None),
    ]
    assert judge(sample.reverse(), calls.reverse()) == results


def test_answers_that_differ_in_case_or_key_order_are_one():
    assert normal("Yes.") == normal(" yes")
    assert normal('```json\n{"b": 1, "a": 2}\n```') == normal('{"a":2,"b":1}')
    assert normal("{not json") == "{not json"


# --- the development log, where it is at hand


def devlog(name):
    with gzip.open(DEVDATA / name, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    calls = []
    for row in rows:
        messages = row["request"]["messages"]
        said = [m["content"] for m in messages if m["role"] == "system"]
        choices = (row["response"] or {}).get("choices") or [{"message": {"content": None}}]
        calls.append(
            {
                "request_id": row["request_id"],
                "endpoint": row.get("endpoint"),
                "started_at": datetime.fromisoformat(row["timestamp"].removesuffix("Z")),
                "status": "ok" if row["status"] == 200 else "error",
                "system": "\n".join(said) or None,
                "prompt": "\n".join(m["content"] for m in messages if m["role"] != "system"),
                "output": choices[0]["message"]["content"],
                "call_key": hashlib.md5(row["request_id"].encode()).hexdigest(),
            }
        )
    return log(calls)


at_hand = pytest.mark.skipif(not DEVDATA.is_dir(), reason="the development log is not part of the repository")


@at_hand
@pytest.mark.slow
def test_endpoints_of_the_development_log_are_found_without_labels():
    calls = devlog("devlog-unlabelled.jsonl.gz")
    truth = json.loads((DEVDATA / "truth.json").read_text())["rows"]
    labels = [truth[name]["endpoint"] for name in calls["request_id"]]
    assert len(labels) == 9318
    for sampled, least in ((calls, 0.99), (calls.sort("call_key").head(1_500), 0.95)):
        given = assign(calls, discover(sampled).rules)
        assert adjusted_rand_score(labels, given.fill_null("").to_list()) >= least


@at_hand
@pytest.mark.slow
def test_the_development_log_moves_intents_and_leaves_reasoning_alone():
    calls = devlog("devlog.jsonl.gz")
    verdicts = {result.endpoint: result.verdict for result in judge(calls, calls_of(calls))}
    assert verdicts["/support/intent"] == verdicts["/assistant/intent"] == verdicts["/assistant/slots"] == "move"
    assert "move" not in (verdicts["/tutor/solve"], verdicts["/ide/complete"])
    assert verdicts["/chat/raw"] is None
    assert sum(v == "move" for name, v in verdicts.items() if name.startswith("/quiz/")) <= 2


def opened_alike(endings):
    """Prompts without system prompt: one opening, then a name, then what is asked, then words of nobody's."""
    dice = random.Random(5)
    for at, ending in enumerate(endings):
        for _ in range(12):
            yield at, f"You work for the desk called {ending}\n\nText: {' '.join(dice.choices(LETTERS, k=9))}"


ASKS = (
    "Name the intent of the customer's sentence.",
    "Return JSON with topic and urgency.",
    "Write the function that is described.",
    "Say yes or no: does the second sentence follow?",
    "Which language is this?",
    "Sum up what was said in one line.",
    "Give the city and the date of the journey.",
    "Is the review friendly, cool or angry?",
    "How many coins are left on the table?",
    "Translate into plain French.",
    "Pick the department that has to answer.",
    "Correct the spelling and change nothing else.",
)
LETTERS = [f"{a}{b}{c}" for a in "bdgklm" for b in "aeiou" for c in "nrst"]


def test_many_tasks_that_open_alike_are_told_apart_by_what_they_ask():
    asks = [f"{name}. {ask}" for name, ask in zip(LETTERS, ASKS, strict=False)]
    tasks, texts = zip(*opened_alike(asks), strict=True)
    assert adjusted_rand_score(tasks, PromptTemplates().fit(texts).labels_) == 1.0


def test_many_names_before_the_same_request_are_one_task():
    _, texts = zip(*opened_alike([f"{name}. Say what the customer wants." for name in LETTERS[:30]]), strict=True)
    assert set(PromptTemplates().fit(texts).labels_.tolist()) == {0}
