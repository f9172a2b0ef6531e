"""The collection of other tools' formats, where it lies beside the repository: every file of ours is read whole, or listed with why not."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from test_sources import claims, read_file

from llmaudit import sources

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
pytestmark = pytest.mark.skipif(
    not REFERENCE.exists(), reason="the collection of other tools' formats is not part of this repository"
)
FILES = sorted(
    path
    for folder in REFERENCE.glob("formats_*/samples")
    for path in folder.rglob("*")
    if path.is_file() and not path.name.startswith(("_", "expected"))
)

NOT_CLAIMED = {
    "handwritten/flat.csv": "home-made: mapped in llmaudit.toml",
    "handwritten/nginx_access_with_body.jsonl": "home-made: mapped in llmaudit.toml",
    "handwritten/wrapper_pairs.jsonl": "home-made: mapped in llmaudit.toml",
    "handwritten/prefixed.log": "a prefix before the JSON, and a request and its answer on two lines",
    "codex/exec_json_stdout.jsonl": "what `codex exec --json` prints has neither a time nor a model; the session's rollout has both",
    "openrouter/compatible_usage.jsonl": "bare usage objects, without a time, a model or an id",
}
"""Files of our sources' makers that no source claims, and why."""

OTHERS = {
    "cloudflare",
    "copilot",
    "cursor",
    "datadog",
    "gemini_cli",
    "kong",
    "langsmith",
    "mlflow",
    "opencode",
    "portkey",
}
"""Formats that are no part of what is read yet."""

NOT_WHOLE = {
    "anthropic/batch_results.jsonl": "no time: results of a batch have none",
    "anthropic/messages_usage.jsonl": "no readable time in timestamp",
    "bedrock/batch_output.jsonl": "no time: results of a batch have none",
    "google/generate_content.jsonl": "no time: neither createTime nor timestamp",
}
"""Files with records that say no time of their own; their quarantine names it and the next move."""


def place(path):
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_file_is_claimed_once_and_read_whole_or_it_is_listed_with_the_reason(path):
    claimed = claims(path)
    if not claimed:
        assert place(path) in NOT_CLAIMED or path.parent.name in OTHERS
        return
    assert len(claimed) == 1
    assert place(path) not in NOT_CLAIMED
    rows, reading = read_file(path)
    reasons = {refused.reason for refused in reading.refused}
    assert all(reason.startswith(NOT_WHOLE[place(path)]) for reason in reasons)
    assert rows or reading.not_calls or place(path) in NOT_WHOLE


def test_lists_of_exceptions_name_no_file_that_is_gone_or_read_by_now():
    there = {place(path): path for path in FILES}
    assert set(NOT_CLAIMED) | set(NOT_WHOLE) <= set(there)
    assert not [name for name in NOT_CLAIMED if claims(there[name])]
    assert not [name for name in NOT_WHOLE if not read_file(there[name])[1].refused]


MAPPINGS = tomllib.loads("""
[wrapper]
match = "wrapper_pairs.jsonl"
started_at = "ts"
user_id = "user"
endpoint = "app"
request = "request"
response = "response"
http_status = "error.status"
error_type = "error.message"

[proxy]
match = "nginx_*.jsonl"
started_at = "time_iso8601"
request = "request_body"
response = "resp_body"
http_status = "status"

[flat]
match = "flat.csv"
started_at = { path = "timestamp", format = "%d/%m/%Y %H:%M" }
request_model = "model"
input_tokens = "prompt_tokens"
output_tokens = "completion_tokens"
reported_cost_usd = "cost_usd"
duration_ms = { path = "latency_s", times = 1000 }
""")


@pytest.mark.parametrize(
    ("name", "input_tokens", "output_tokens"),
    [
        ("wrapper_pairs.jsonl", 120 + (40 + 512 + 2_048), 48 + 60),
        ("nginx_access_with_body.jsonl", 120 + (40 + 2_048 + 512), 2 + 60),
        ("flat.csv", 120 + 1_200, 48 + 48),
    ],
)
def test_home_made_logs_are_read_whole_through_a_mapping(name, input_tokens, output_tokens):
    from llmaudit.sources.reader import Reading, ReadOptions, read

    [path] = [path for path in FILES if path.name == name]
    source = sources.identify(path, str(path), sources.described(MAPPINGS))
    reading = Reading(source.name)
    rows = [row for batch in read(source, path, reading, ReadOptions(content_hash="h")) for row in batch.to_pylist()]
    assert (reading.refused, len(rows)) == ([], reading.rows_read)
    assert sum(row["input_tokens"] or 0 for row in rows) == input_tokens
    assert sum(row["output_tokens"] or 0 for row in rows) == output_tokens


def test_g1_the_expected_figures_of_claude_code_are_reproduced():
    folder = REFERENCE / "formats_gateway" / "samples" / "claude_code"
    expected = json.loads((folder / "expected_after_dedupe.json").read_text("utf-8"))
    rows, _ = read_file(folder / "session_with_duplicates.jsonl")

    def total(name):
        return sum(row[name] or 0 for row in rows)

    written = expected["cache_write_5m"] + expected["cache_write_1h"]
    assert (len(rows), total("output_tokens")) == (expected["calls"], expected["output_tokens"])
    assert total("input_tokens") == expected["input_tokens"] + expected["cache_read"] + written
    assert (total("cache_read_tokens"), total("cache_write_tokens")) == (expected["cache_read"], written)
    assert total("cache_write_long_tokens") == expected["cache_write_1h"]
