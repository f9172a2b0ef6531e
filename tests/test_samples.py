"""The sample logs are what their generator writes, and hold what their truth file says."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import make_samples
import pytest
from harbor_pine.base import RATES, SNAPSHOT, Usage
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline

import llmaudit

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "sample_logs"
TRUTH = json.loads((HERE / "data" / "samples_truth.json").read_text("utf-8"))
LOGS = sorted(p for p in SAMPLES.rglob("*.json*"))


def records(folder):
    for path in sorted((SAMPLES / folder).rglob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                assert line == make_samples.TORN


def plain_usage(record):
    """Usage of an OpenAI body however it was logged, or None."""
    body = record["response"]
    if isinstance(body, str):
        body = json.loads(body.split("data: ")[-2]) if "data: [DONE]" in body else {}
    if isinstance(body, list):
        body = body[-1]
    return (body or {}).get("usage")


def answer(record):
    body = record["response"]
    return body["choices"][0]["message"]["content"] if isinstance(body, dict) and "choices" in body else None


def test_the_generator_writes_the_committed_bytes(tmp_path):
    make_samples.write(tmp_path / "logs", tmp_path / "truth.json")
    written = {p.relative_to(tmp_path / "logs"): p.read_bytes() for p in (tmp_path / "logs").rglob("*.json*")}
    assert written == {p.relative_to(SAMPLES): p.read_bytes() for p in LOGS}
    assert (tmp_path / "truth.json").read_bytes() == (HERE / "data" / "samples_truth.json").read_bytes()


def test_the_samples_stay_small_enough_to_ship():
    assert sum(p.stat().st_size for p in LOGS) < 3_000_000
    assert TRUTH["requests"] < 2_500


def test_request_ids_of_the_plain_log_are_unique():
    ids = [r["request_id"] for r in records("plain_jsonl")]
    assert len(ids) == len(set(ids)) == TRUTH["records"]["plain_jsonl"]["calls"]


def test_every_call_falls_into_october():
    times = {r["timestamp"][:7] for r in records("plain_jsonl")}
    assert times == {"2026-10"}


def test_the_planted_repeats_are_all_the_repeats_there_are():
    asked, cacheable, empty = defaultdict(list), {}, []
    rows = sorted(records("plain_jsonl"), key=lambda r: (r["timestamp"], r["request_id"]))
    for row in rows:
        if row["request"]["model"].startswith("text-embedding") or row["status"] != 200:
            continue
        key, said = json.dumps(row["request"], sort_keys=True), answer(row)
        if row["request"].get("messages") == [{"role": "user", "content": ""}]:
            empty.append(row["request_id"])
            continue
        same = [earlier for earlier, text in asked[key] if text == said and said is not None]
        if same and row["request"].get("temperature") == 0:
            cacheable[row["request_id"]] = same[0]
        asked[key].append((row["request_id"], said))
    assert cacheable == TRUTH["cacheable"]
    assert sorted(empty) == sorted(TRUTH["empty"])


def test_every_failed_call_is_listed_with_the_retry_that_followed():
    plain = {r["request_id"]: r for r in records("plain_jsonl")}
    gateway = {r["id"]: r for r in records("litellm_callback")}
    failed = {i for i, r in plain.items() if r["status"] != 200} | {
        i for i, r in gateway.items() if r["status"] == "failure"
    }
    assert failed == set(TRUTH["failed"])
    for failure, retry in TRUTH["failed"].items():
        if retry in plain:
            assert plain[retry]["request"] == plain[failure]["request"]
            assert plain[retry]["timestamp"] > plain[failure]["timestamp"]


def test_calls_in_two_logs_have_the_same_provider_id():
    plain = {
        r["response"]["id"]: r["request_id"]
        for r in records("plain_jsonl")
        if isinstance(r["response"], dict) and "id" in r["response"]
    }
    both = [plain[r["id"]] for r in records("litellm_callback") if r["id"] in plain]
    assert sorted(both) == sorted(TRUTH["in_two_logs"])


def test_a_gateway_cache_hit_repeats_the_id_of_the_first_call():
    hits = [r for r in records("litellm_callback") if r["cache_hit"]]
    assert [r["id"] for r in hits] == list(TRUTH["gateway_cache_hits"].values())
    assert all(r["response_cost"] == 0 and r["total_tokens"] > 0 for r in hits)


def test_transcript_lines_reduce_to_the_calls_that_were_made():
    answers = [r for r in records("claude_code") if r["type"] == "assistant" and r["message"]["model"] != "<synthetic>"]
    ids = {r["message"]["id"] for r in answers}
    known = TRUTH["records"]["claude_code"]
    assert len(ids) == known["calls"]
    assert len(answers) - len(ids) == known["merged_lines"]
    assert sum(known["not_calls"].values()) + len(answers) == known["lines"]


def logged_tokens():
    """Input and output tokens of OpenAI's chat models by day and model, read from both logs, each call once."""
    sums, seen = defaultdict(Counter), set()
    for row in records("plain_jsonl"):
        usage = plain_usage(row) if row["provider"] == "openai" else None
        if usage and "embedding" not in row["request"]["model"]:
            model = SNAPSHOT.get(row["request"]["model"], row["request"]["model"])
            seen.add(row["response"]["id"] if isinstance(row["response"], dict) else "")
            sums[row["timestamp"][:10], model]["in"] += usage.get("prompt_tokens", usage.get("input_tokens"))
            sums[row["timestamp"][:10], model]["out"] += usage.get("completion_tokens", usage.get("output_tokens"))
    for row in records("litellm_callback"):
        if (
            row["custom_llm_provider"] == "openai"
            and not row["cache_hit"]
            and row["id"] not in seen
            and row["response"]
        ):
            day = datetime.fromtimestamp(row["startTime"], UTC).date().isoformat()
            sums[day, row["response"]["model"]] += Counter(
                {"in": row["prompt_tokens"], "out": row["completion_tokens"]}
            )
    return sums


def test_the_usage_page_is_the_logs_plus_the_stated_gap():
    gap = TRUTH["bill"]["gap"]
    expected = logged_tokens()
    expected[gap["day"], gap["model"]] += Counter({"in": gap["input_tokens"], "out": gap["output_tokens"]})
    page = json.loads((SAMPLES / "openai_usage" / "usage_completions_2026-10.json").read_text("utf-8"))
    billed = defaultdict(Counter)
    for bucket in page["data"]:
        for result in bucket["results"]:
            day = datetime.fromtimestamp(bucket["start_time"], UTC).date().isoformat()
            billed[day, result["model"]] += Counter({"in": result["input_tokens"], "out": result["output_tokens"]})
    assert billed == expected


def test_the_bill_adds_up_to_the_stated_total():
    page = json.loads((SAMPLES / "openai_costs" / "costs_2026-10.json").read_text("utf-8"))
    lines = [line for bucket in page["data"] for line in bucket["results"]]
    assert sum(Decimal(line["amount"]["value"]) for line in lines) == Decimal(TRUTH["bill"]["billed_usd"])
    # 38,000 input tokens at $2.50 and 8,400 output tokens at $10.00 a million
    assert Decimal(TRUTH["bill"]["gap_usd"]) == Decimal("0.095") + Decimal("0.084")
    assert Decimal(TRUTH["bill"]["logged_usd"]) + Decimal(TRUTH["bill"]["gap_usd"]) == Decimal(
        TRUTH["bill"]["billed_usd"]
    )


@pytest.mark.parametrize("model", sorted(RATES))
@pytest.mark.parametrize("day", [1, 31])
def test_rates_are_the_list_prices_of_that_day(model, day):
    import genai_prices

    at = datetime(2026, 10, day, 12, tzinfo=UTC)
    provider = "anthropic" if model.startswith("claude") else "openai"
    usage = Usage(9_000, 700, read=4_000, write=3_000 if "claude" in model or "gpt-5.6" in model else 0)
    if "embedding" in model:
        usage = Usage(9_000)
    theirs = genai_prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output or None,
        cache_read_tokens=usage.read or None,
        cache_write_tokens=usage.write or None,
    )
    price = genai_prices.calc_price(theirs, model, provider_id=provider, genai_request_timestamp=at)
    assert usage.cost(model) == price.total_price


def test_ticket_routing_can_be_learned_from_the_words():
    pairs = {
        r["request"]["messages"][1]["content"]: answer(r)
        for r in records("plain_jsonl")
        if r.get("endpoint") == "/support/route" and r["status"] == 200
    }
    assert len(pairs) >= 350
    assert 6 <= len(set(pairs.values())) <= 8
    student = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=1000))
    scores = cross_val_score(student, list(pairs), list(pairs.values()), cv=KFold(5, shuffle=True, random_state=0))
    assert scores.mean() > 0.9


def test_the_only_key_in_the_samples_is_the_planted_fake():
    found = Counter(key for p in LOGS for key in re.findall(r"sk-[A-Za-z0-9_-]{12,}", p.read_text("utf-8")))
    assert set(found) == {"sk-test-0000FAKE0000FAKE0000FAKE0000FAKE"}
    assert TRUTH["secret"] == ["support-route-0077"]


@pytest.fixture(scope="module")
def audit():
    with llmaudit.audit(SAMPLES, as_of=date(2026, 11, 1)) as audit:
        yield audit


def test_the_audit_counts_every_call_once(audit):
    intake, known = audit.data["intake"], TRUTH["records"]
    kept_twice = known["litellm_callback"]["also_in_plain_jsonl"]
    assert audit.data["totals"]["requests"] == TRUTH["requests"]
    assert intake["rows_merged"] == kept_twice + known["claude_code"]["merged_lines"]
    assert intake["rows_not_calls"] == sum(known["claude_code"]["not_calls"].values())
    assert intake["rows_quarantined"] == known["plain_jsonl"]["quarantined"]
    assert intake["rows_read"] == sum(
        intake[name] for name in ("rows_kept", "rows_merged", "rows_not_calls", "rows_quarantined")
    )


def test_the_audit_prices_every_endpoint_to_the_last_digit(audit):
    found = {row["key"]: row["cost_usd"] for row in audit.data["spend"]["endpoint"]}
    found["/content/summarise"] -= audit.data["totals"]["estimated_usage_usd"]
    labelled = {name: row for name, row in TRUTH["list_usd"]["by_endpoint"].items() if name.startswith("/")}
    assert {name: found[name] for name in labelled} == {name: Decimal(row["usd"]) for name, row in labelled.items()}


def test_the_audit_finds_the_planted_failures_and_repeats(audit):
    steps = {step["lever"]: step["standalone_usd"] for step in audit.data["plan"]["steps"]}
    assert steps["failed_calls"] == Decimal(TRUTH["list_usd"]["failed_but_billed"])
    assert steps["exact_duplicates"] == Decimal(TRUTH["by_ttl"]["3600"]["saving_usd"])
    assert audit.data["totals"]["errors"] == len(TRUTH["failed"])
    cacheable = audit.sql("select request_id from duplicates where class = 'cacheable'")["request_id"]
    assert set(cacheable) == set(TRUTH["cacheable"])
    empty = audit.sql("select request_id from duplicates where class = 'empty_prompt'")["request_id"]
    assert set(empty) == set(TRUTH["empty"])


def test_longer_lived_caches_save_what_was_planted(audit):
    found = {str(row["ttl_seconds"]): row for row in audit.data["duplicates"]["by_ttl"]}
    for ttl_seconds, row in TRUTH["by_ttl"].items():
        assert found[ttl_seconds]["requests"] == row["requests"]
        assert found[ttl_seconds]["saving_usd"] == Decimal(row["saving_usd"])


def test_the_audit_ties_to_the_bill_but_for_the_stated_gap(audit):
    [bill] = audit.data["bills"]
    assert bill["billed"] == Decimal(TRUTH["bill"]["billed_usd"])
    assert [(part["class"], part["amount"]) for part in bill["classes"]] == [
        ("unlogged_traffic", Decimal(TRUTH["bill"]["gap_usd"]))
    ]
    assert bill["unexplained"] == 0


def test_calls_without_label_fall_into_the_two_call_sites_that_made_them(audit):
    rows = audit.sql("select request_id, endpoint from requests where source_file like '%notes-app%'").rows()
    sites = {TRUTH["unlabelled"][request_id]: set() for request_id, _ in rows}
    for request_id, endpoint in rows:
        sites[TRUTH["unlabelled"][request_id]].add(endpoint)
    assert [len(endpoints) for endpoints in sites.values()] == [1, 1]
    assert set.intersection(*sites.values()) == set()


def test_ticket_routing_and_extraction_are_the_endpoints_to_move(audit):
    moved = [v["endpoint"] for v in audit.data["fine_tune"] if v["verdict"] == "move"]
    assert moved == ["/support/route", "/catalog/extract"]


def test_the_planted_key_reaches_no_report(audit, tmp_path):
    for name in ("report.html", "report.json", "report.md"):
        assert "0000FAKE" not in audit.report(tmp_path / name).read_text("utf-8")
    texts = audit.sql("select cast(texts as varchar) as line from texts")
    assert not texts["line"].str.contains("0000FAKE").any()
    assert texts["line"].str.contains("I also pasted my API key by mistake").any()
