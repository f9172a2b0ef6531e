"""Small logs, written out by hand or drawn by hypothesis, for what stands on priced calls."""

from __future__ import annotations

import atexit
import gc
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from conftest import requests_table
from hypothesis import strategies as st

import llmaudit
from llmaudit import pricing, queries
from llmaudit.detectors import breaks, prefixes, tools
from llmaudit.engine import Engine
from llmaudit.replay import Replay
from llmaudit.schema import PRICED

SAMPLES = Path(__file__).parents[1] / "sample_logs"
START = datetime.fromisoformat("2026-10-01T09:00:00")
MODEL = "gpt-4o-2024-08-06"
"""Input $2.50, cached input $1.25, output $10.00 a million tokens."""

CALL = {
    "started_at": START,
    "provider": "openai",
    "account_id": "org-1",
    "request_model": "gpt-4o",
    "response_model": MODEL,
    "model": MODEL,
    "billing_mode": "metered",
    "billable": True,
    "endpoint": "/faq",
    "status": "ok",
    "temperature": 0.0,
    "input_tokens": 1_000,
    "output_tokens": 100,
    "prompt_hash": 1,
    "params_hash": 1,
    "output_hash": 1,
    "prompt_bytes": 40,
}
"""1,000 tokens in, 100 out: 0.0025 + 0.0010 = 0.0035 US dollars."""


@cache
def book() -> pricing.Book:
    return pricing.load(None)


OPENINGS = [
    {"prompt_hash": prompt, "node_hash": node, "opening_bytes": size}
    for prompt, node, size in ((1, 10, 3_000), (1, 1, 4_000), (2, 10, 3_000), (2, 2, 5_000))
]
PROMPT_SIZES = [{"prompt_hash": 1, "chain_bytes": 4_000}, {"prompt_hash": 2, "chain_bytes": 5_000}]
"""Prompts 1 and 2 begin with the same 3,000 bytes."""

IDLE_TOOLS = [
    {"endpoint": "/faq", "model": "gpt-4o-2024-08-06", "tools_hash": 1, "tools_bytes": 60, "idle_bytes": 20},
    {"endpoint": None, "model": "gpt-4o-mini", "tools_hash": 1, "tools_bytes": 60, "idle_bytes": 60},
]


def call(number: int, seconds: float = 0, **changed: Any) -> dict[str, object]:
    return {**CALL, "request_id": f"c{number:03}", "started_at": START + timedelta(seconds=seconds), **changed}


def replay(engine: Engine, rows: Iterable[Mapping[str, object]]) -> Replay:
    """The calls as the levers see them, priced."""
    engine.put("priced_calls", requests_table([dict(row) for row in rows], PRICED))
    engine.put("prefix_nodes", pa.Table.from_pylist(OPENINGS, schema=prefixes.NODES))
    engine.put("prompt_sizes", pa.Table.from_pylist(PROMPT_SIZES, schema=prefixes.SIZES))
    engine.put("prompt_breaks", breaks.BREAKS.empty_table())
    engine.put("idle_tools", pa.Table.from_pylist(IDLE_TOOLS, schema=tools.IDLE))
    usage = queries.run(engine, "usage", into="metered", requests="priced_calls")
    return Replay(engine, book(), usage, pricing.price_usage(engine, usage, "money", book()))


def table(engine: Engine, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = engine.fetch(name).to_pylist()
    return rows


def changed_ids(engine: Engine, hits: str) -> list[str]:
    return sorted(row["request_id"] for row in table(engine, hits))


MODELS = (("openai", MODEL), ("openai", "gpt-4o-mini"), ("mistral_ai", "ministral-8b-latest"), ("acme", "acme-1"))


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, object]]:
    """Up to a dozen calls over three days in which every lever may find something; some have no price."""
    rows = []
    for number in range(draw(st.integers(0, 12))):
        provider, model = draw(st.sampled_from(MODELS))
        status = draw(st.sampled_from(("ok", "ok", "ok", "error", "cancelled")))
        tokens = draw(st.integers(0, 50_000))
        rows.append(
            call(
                number,
                draw(st.integers(0, 3 * 86_400)),
                provider=provider,
                request_model=model,
                response_model=model,
                model=model,
                endpoint=draw(st.sampled_from(("/faq", "/route", None))),
                status=status,
                billable=status == "ok" or draw(st.booleans()),
                temperature=draw(st.sampled_from((0.0, None))),
                prompt_hash=draw(st.sampled_from((1, 2, None))),
                output_hash=draw(st.sampled_from((1, 2))),
                input_tokens=tokens,
                cache_read_tokens=draw(st.integers(0, tokens)),
                tools_hash=draw(st.sampled_from((1, None))),
                output_tokens=draw(st.integers(0, 5_000)),
            )
        )
    return rows


# --- files in the plain shape ---------------------------------------------------------------------


def record(number: int, at: str, **changed: Any) -> dict[str, Any]:
    """One call of DESIGN's plain JSONL: 1,000 tokens in, 100 out, $0.0035. `changed` replaces or, with None, removes."""
    model = changed.pop("model", MODEL)
    text = changed.pop("text", f"Which box holds lamp {number}?")
    tokens = changed.pop("tokens", (1_000, 100))
    plain = {
        "timestamp": at,
        "request_id": f"call-{number}",
        "endpoint": "/faq",
        "provider": "openai",
        "request": {"model": model, "temperature": 0, "messages": [{"role": "user", "content": text}]},
        "response": {
            "id": f"chatcmpl-{number}",
            "model": model,
            "choices": [{"message": {"role": "assistant", "content": changed.pop("answer", "The blue one.")}}],
            "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
        },
        "status": 200,
    }
    return {name: value for name, value in {**plain, **changed}.items() if value is not None}


def write_log(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in records), "utf-8")
    return path


@cache
def sample_audit() -> llmaudit.Audit:
    """The audit of the sample logs, made once for all who ask."""
    atexit.register(_forget)
    return llmaudit.audit(SAMPLES, as_of=date(2026, 11, 1))


def _forget() -> None:
    """Closed and let go of before the interpreter goes: DuckDB complains of what outlives it."""
    sample_audit().close()
    sample_audit.cache_clear()
    gc.collect()
