"""Near-copies of earlier questions: what a cache would have answered, and how often the log says it would have been wrong."""

import random
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import call, changed_ids, record, replay, table, write_log

import llmaudit
from llmaudit.detectors import near
from llmaudit.detectors.exact import share_interval
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError
from llmaudit.levers.exact_duplicates import ExactDuplicates
from llmaudit.levers.semantic_duplicates import CONFIDENCE, SemanticDuplicates

HOUR = 3_600


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def sketch(base, changed=0):
    """Sixteen numbers, of which the last `changed` are not the base's."""
    numbers = np.random.default_rng(base).integers(0, 2**32, 16, dtype=np.uint32)
    if changed:
        numbers[-changed:] += np.uint32(1)
    return numbers.astype("<u4").tobytes()


def asked(number, seconds, base=1, changed=0, **more):
    more = {
        "output_hash": base,
        "prefix_hashes": [7, number],
        "temperature": None,
        "cost_usd": Decimal("0.0035"),
        **more,
    }
    return call(number, seconds, prompt_hash=number, prompt_sketch=sketch(base, changed), **more)


def clean(count, first=0, **more):
    """Pairs, each of a topic of its own, a minute apart, with the same answer."""
    for n in range(count):
        yield asked(first + 2 * n, 200 * n, base=first + n, **more)
        yield asked(first + 2 * n + 1, 200 * n + 60, base=first + n, changed=1, **more)


def prepared(engine, rows, lever=None):
    lever = lever or SemanticDuplicates()
    replayed = replay(engine, rows)
    lever.prepare(engine)
    found = {row["endpoint"]: row for row in table(engine, lever.evidence(engine, replayed.usage))}
    return found, changed_ids(engine, lever.hits(engine, replayed.usage))


# --- pairs ------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.data())
def test_every_pair_of_13_equal_numbers_is_found(data):
    size = data.draw(st.integers(2, 5))
    base = np.random.default_rng(3).integers(0, 2**32, 16, dtype=np.uint32)
    rows = []
    for _ in range(size):
        own = base.copy()
        for at in data.draw(st.lists(st.integers(0, 15), max_size=5, unique=True)):
            own[at] = data.draw(st.integers(0, 2**32 - 1))
        rows.append(own)
    calls = pa.table(
        {
            "request_id": [str(n) for n in range(size)],
            "endpoint": ["/x"] * size,
            "model": ["m"] * size,
            "context": pa.array([1] * size, pa.int64()),
            "started_us": pa.array(range(size), pa.int64()),
            "answered_us": pa.array(range(size), pa.int64()),
            "prompt_sketch": [row.astype("<u4").tobytes() for row in rows],
            "output_hash": pa.array([1] * size, pa.int64()),
        }
    )
    found = {(row["request_id"], row["earlier_id"]): row["similarity"] for row in near.pairs(calls).to_pylist()}
    wanted = {
        (str(late), str(early)): int((rows[late] == rows[early]).sum()) for late in range(size) for early in range(late)
    }
    assert found == {pair: alike for pair, alike in wanted.items() if alike >= near.LEAST_SIMILARITY}


def test_a_call_that_one_cache_answers_is_an_entry_of_another():
    # call 1 is answered by the second cache alone. In the first it is made, so call 2 gets its answer there; in the
    # second it is none to be had, and call 2 gets the one of call 0
    later, earlier, fits = np.array([1, 2, 2]), np.array([0, 1, 0]), np.array([0b10, 0b11, 0b11])
    assert near.answers(later, earlier, fits).tolist() == [0b10, 0b01, 0b10]


def test_other_contexts_are_not_compared(duck):
    for apart in ({"account_id": "org-2"}, {"params_hash": 2}, {"endpoint": "/b"}, {"prefix_hashes": [8, 1]}):
        rows = [row | (apart if n % 2 else {}) for n, row in enumerate(clean(80))]
        assert prepared(duck, rows)[1] == []


# --- what is proposed ----------------------------------------------------------------------------------


def test_each_near_copy_saves_its_call_where_the_log_gave_the_same_answers(engine):
    rows = list(clean(110))
    found, hits = prepared(engine, rows)
    row = found["/faq"]
    low, high = share_interval(0, 110, CONFIDENCE)
    assert row["verdict"] == "propose"
    assert row["false_hit_rate"] == {"estimate": 0.0, "low": low, "high": high, "n": 110}
    assert high == pytest.approx(0.0451, abs=0.0005)
    assert hits == sorted(f"c{2 * n + 1:03}" for n in range(110))
    [step] = replay(engine, rows).plan([SemanticDuplicates()], Decimal(1)).steps
    assert step.in_order_usd == 110 * Decimal("0.0035")
    assert row["saved_per_hit_usd"] == Decimal("0.0035")
    assert float(row["break_even_error_usd"]) == pytest.approx(0.0035 / high, abs=1e-6)


def test_an_endpoint_that_always_says_the_same_proves_nothing_of_copies(duck):
    found, hits = prepared(duck, [row | {"output_hash": 1} for row in clean(110)])
    assert found["/faq"]["differ_by_chance"] == 0.0
    assert (found["/faq"]["verdict"], hits) == ("withhold", [])


def test_few_clean_pairs_are_not_sure_enough(duck):
    found, hits = prepared(duck, list(clean(60)))
    assert found["/faq"]["verdict"] == "withhold"
    assert hits == []
    assert len(prepared(duck, list(clean(60)), SemanticDuplicates(most_false_hits=0.1))[1]) == 60


def test_answers_that_differ_are_false_hits_and_withhold_the_cache(duck):
    rows = [row | ({"output_hash": 1_000 + n} if n % 8 == 1 else {}) for n, row in enumerate(clean(120))]
    found, hits = prepared(duck, rows)
    rate = found["/faq"]["false_hit_rate"]
    assert (rate["estimate"], rate["n"]) == (30 / 120, 120)
    assert rate["low"] < 0.25 < rate["high"]
    assert (found["/faq"]["verdict"], hits) == ("withhold", [])


def test_a_looser_bar_is_taken_only_where_its_own_hits_are_right(duck):
    near_ones = [row for n in range(100) for row in (asked(2 * n, 200 * n, n), asked(2 * n + 1, 200 * n + 9, n, 1))]
    far_ones = [
        row
        for n in range(100, 200)
        for row in (asked(2 * n, 200 * n, n), asked(2 * n + 1, 200 * n + 9, n, 3, output_hash=9_000 + n))
    ]
    found, hits = prepared(duck, near_ones + far_ones)
    assert found["/faq"]["least_similarity"] in (15 / 16, 14 / 16)
    assert len(hits) == 100


def test_an_error_that_costs_more_than_the_cache_saves_withholds_it(duck):
    rows = list(clean(110))
    limit = prepared(duck, rows)[0]["/faq"]["break_even_error_usd"]
    for error, verdict in ((limit - Decimal("0.001"), "propose"), (limit, "withhold")):
        assert prepared(duck, rows, SemanticDuplicates(error_usd=error))[0]["/faq"]["verdict"] == verdict


# --- a cache with a clock --------------------------------------------------------------------------------


def test_an_entry_expires_and_an_answer_from_the_cache_is_no_entry(duck):
    lever = SemanticDuplicates(ttl_seconds=100)
    rows = [*clean(110, first=1_000)]
    # a, then b 80 s later (from the cache), then c 160 s later: a has expired, b was never stored
    rows += [asked(1, 50_000, 5), asked(2, 50_080, 5, 1), asked(3, 50_160, 5, 1, prefix_hashes=[7, 3])]
    assert {at for at in prepared(duck, rows, lever)[1] if at < "c1"} == {"c002"}


def test_what_is_still_being_answered_is_no_entry(duck):
    rows = [row | {"duration_ms": 70_000.0} for row in clean(110)]
    assert prepared(duck, rows)[1] == []


def test_word_for_word_repeats_are_left_to_the_exact_cache(duck):
    rows = [row | {"temperature": 0.0} for row in clean(110)]
    repeats = [row | {"request_id": f"r{n}", "started_at": row["started_at"]} for n, row in enumerate(rows)]
    both = [*rows, *repeats]
    replayed = replay(duck, both)
    exact, near_ones = replayed.plan([ExactDuplicates(), SemanticDuplicates()], Decimal(1)).steps
    assert exact.in_order_usd == exact.standalone_usd == 220 * Decimal("0.0035")
    assert near_ones.standalone_usd == near_ones.in_order_usd == 110 * Decimal("0.0035")


def test_pulled_twice_it_saves_nothing_more(duck):
    first, second = replay(duck, list(clean(110))).plan([SemanticDuplicates(), SemanticDuplicates()], Decimal(1)).steps
    assert first.in_order_usd > 0
    assert second.in_order_usd == 0


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"ttl_seconds": 0}, "levers.semantic_duplicates.ttl_seconds = 0 should be more than 0."),
        ({"most_false_hits": 1.0}, "levers.semantic_duplicates.most_false_hits = 1.0 should be between 0 and 1."),
        ({"error_usd": Decimal(-1)}, "levers.semantic_duplicates.error_usd = -1 should not be less than 0."),
    ],
)
def test_a_setting_that_cannot_be_is_named(said, error):
    with pytest.raises(AuditError) as raised:
        SemanticDuplicates(**said)
    assert str(raised.value) == error


# --- whole audits ----------------------------------------------------------------------------------------

TOPICS = ["lamp", "chair", "table", "shelf", "clock", "mirror", "carpet", "curtain", "pillow", "basket"]


def questions(count, *, wrong=()):
    """Long questions, each asked again with other words at its end."""
    rng = random.Random(2)
    for n in range(count):
        words = " ".join(rng.choices(TOPICS, k=40))
        text = f"Question about the {words} number {n}, please tell me where it can be found in the shop"
        minute = f"2026-10-{1 + n % 14:02}T{9 + n // 14 % 8:02}:"
        yield record(2 * n, f"{minute}00:00Z", text=text, answer=f"Aisle {n}.")
        other = "Nowhere." if n in wrong else f"Aisle {n}."
        yield record(2 * n + 1, f"{minute}20:00Z", text=f"{text} thanks", answer=other)


def test_the_finding_carries_the_rate_and_the_sheet_the_pairs(tmp_path):
    log = write_log(tmp_path / "log.jsonl", questions(100, wrong=(5,)))
    with llmaudit.audit(log, levers=["semantic_duplicates"]) as audit:
        [found] = audit.data["findings"]
        sheet = audit.sql("select * from semantic_review")
        assert audit.data["plan"]["headline_saving_usd"] == 0
    rate = found["evidence"]["false_hit_rate"]
    assert rate["n"] >= 95
    assert rate["estimate"] == pytest.approx(1 / rate["n"])
    assert rate["low"] < rate["estimate"] < rate["high"]
    assert sheet.height >= 95
    assert sheet["answer"][0] == "Nowhere."  # those that differ come first
    assert sheet["earlier_prompt"][0].startswith("Question about")


def test_without_texts_the_rate_is_the_same_and_there_is_no_sheet(tmp_path):
    log = write_log(tmp_path / "log.jsonl", questions(100))
    with llmaudit.audit(log, levers=["semantic_duplicates"], text="none") as audit:
        [found] = audit.data["findings"]
        assert audit.sql("select * from semantic_review").is_empty()
    assert found["evidence"]["false_hit_rate"]["estimate"] == 0
