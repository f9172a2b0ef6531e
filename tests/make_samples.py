"""Compose sample_logs/: one month of LLM calls of Harbor & Pine, an invented shop for garden furniture.

`python tests/make_samples.py` rewrites sample_logs/ and tests/data/samples_truth.json. Same code, same bytes: every
call site has its own seeded dice, ids are hashes of names, and only the standard library is used. What is planted is
written to the truth file as it is planted; sample_logs/README.md says it in words.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from harbor_pine.agent import Agent, coding_agent
from harbor_pine.base import DAYS, Call, Truth, Usage, compact
from harbor_pine.bill import GAP_CALLS, GAP_DAY, GAP_MODEL, GAP_USAGE, Bucket, bill_files, cost_lines, usage_by_bucket
from harbor_pine.gateway import Gateway, brief, mirrored, slp_line, sql_helper
from harbor_pine.sites import (
    assist,
    embed,
    extract,
    faq,
    nightly_tags,
    notes_app,
    plain_line,
    route,
    stock_report,
    summarise,
    supplier_mail,
    widget,
)

HERE = Path(__file__).parent
SITES = {
    "support-2026-10.jsonl": (route, faq, widget, assist),
    "catalog-2026-10.jsonl": (extract, nightly_tags, supplier_mail, embed),
    "content-2026-10.jsonl": (summarise,),
    "data-2026-10.jsonl": (stock_report,),
    "notes-app-2026-10.jsonl": (notes_app,),
}
TORN = '{"timestamp":"2026-10-31T21:40:12.508Z","request_id":"content-summarise-torn","endpoint":"/content/summarise","provider":"anthropic","request":{"model":"claude-son'


def compose() -> dict[str, bytes]:
    """Every file of the samples by its path, the truth as `truth.json`."""
    truth, files, plain = Truth(), {}, []
    for name, sites in SITES.items():
        calls = sorted((call for site in sites for call in site(truth)), key=lambda call: (call.at, call.request_id))
        plain += calls
        torn = TORN + "\n" if name.startswith("content") else ""
        files[f"plain_jsonl/{name}"] = (lines_of(map(plain_line, calls)) + torn).encode()
    gateway = sorted([*sql_helper(truth), *brief(truth), *mirrored(plain, truth)], key=lambda g: (g.call.at, g.trace))
    files["litellm_callback/gateway-2026-10.jsonl"] = lines_of(map(slp_line, gateway)).encode()
    agent = coding_agent()
    files |= {f"claude_code/{name}": lines_of(lines).encode() for name, lines in agent.files.items()}
    only_gateway = [g.call for g in gateway if not g.hit_of and g.call.site != "/support/route"]
    bill = usage_by_bucket(plain + only_gateway)
    files |= bill_files(bill)
    files["truth.json"] = (json.dumps(facts(truth, plain, gateway, agent, bill), indent=1) + "\n").encode()
    return files


def lines_of(records: Iterable[dict[str, Any]]) -> str:
    return "".join(compact(record) + "\n" for record in records)


def facts(truth: Truth, plain: list[Call], gateway: list[Gateway], agent: Agent, bill: dict[Bucket, tuple[int, Usage]]) -> dict[str, Any]:  # fmt: skip
    mirrored_ids = {g.call.request_id for g in gateway if g.call.site == "/support/route"}
    unique = plain + [g.call for g in gateway if g.call.request_id not in mirrored_ids and not g.hit_of]
    agent_usd = sum((usage.cost(model) for _, model, usage in agent.calls.values()), Decimal(0))
    agent_lines = [line for lines in agent.files.values() for line in lines]
    answers = [
        line for line in agent_lines if line["type"] == "assistant" and line["message"]["model"] != "<synthetic>"
    ]
    others = Counter(
        line["type"] if line["type"] != "assistant" else "synthetic" for line in agent_lines if line not in answers
    )
    billed = sum((usd for bucket, (_, used) in bill.items() for _, usd in cost_lines(bucket, used)), Decimal(0))
    openai = sum((call.cost() for call in unique if call.provider == "openai"), Decimal(0))
    gap = GAP_USAGE.cost(GAP_MODEL)
    assert billed - openai == gap
    hits = sum(1 for g in gateway if g.hit_of)
    return {
        "window": {"start": "2026-10-01", "end": "2026-11-01", "days": DAYS},
        "records": {
            "plain_jsonl": {"lines": len(plain) + 1, "calls": len(plain), "quarantined": 1},
            "litellm_callback": {
                "lines": len(gateway),
                "calls": len(gateway),
                "also_in_plain_jsonl": len(mirrored_ids),
            },
            "claude_code": {
                "lines": len(agent_lines),
                "calls": len(agent.calls),
                "merged_lines": len(answers) - len(agent.calls),
                "not_calls": dict(sorted(others.items())),
            },
        },
        "requests": len(unique) + hits + len(agent.calls),
        "failed": truth.failed,
        "failed_but_billed": truth.failed_but_billed,
        "cacheable": truth.cacheable,
        "identical_sampled": truth.identical_sampled,
        "nondeterministic": truth.nondeterministic,
        "resampled": truth.resampled,
        "empty": truth.empty,
        "truncated": truth.truncated,
        "refused": truth.refused,
        "streamed": truth.streamed,
        "without_usage": truth.without_usage,
        "secret": truth.secret,
        "gateway_cache_hits": truth.gateway_cache_hits,
        "in_two_logs": truth.in_two_logs,
        "by_ttl": {str(ttl): by_ttl(unique, truth.cacheable, ttl) for ttl in (60, 300, 3_600, 86_400, 604_800)},
        "unlabelled": {call.request_id: call.site for call in plain if not call.labelled},
        "list_usd": {
            "openai": str(openai),
            "anthropic": str(
                sum((call.cost() for call in unique if call.provider == "anthropic"), Decimal(0)) + agent_usd
            ),
            "claude_code": str(agent_usd),
            "by_endpoint": by_endpoint(unique),
            "cacheable": str(sum((call.cost() for call in unique if call.request_id in truth.cacheable), Decimal(0))),
            "failed_but_billed": str(
                sum((call.cost() for call in unique if call.request_id in truth.failed), Decimal(0))
            ),
        },
        "bill": {
            "provider": "openai",
            "billed_usd": str(billed),
            "logged_usd": str(openai),
            "gap_usd": str(gap),
            "gap": {
                "day": GAP_DAY.isoformat(),
                "model": GAP_MODEL,
                "calls": GAP_CALLS,
                "input_tokens": GAP_USAGE.input,
                "output_tokens": GAP_USAGE.output,
            },
        },
    }


def by_ttl(calls: Iterable[Call], cacheable: dict[str, str], ttl_seconds: int) -> dict[str, Any]:
    """What a cache had answered that keeps each answer for `ttl_seconds` from when it came and was stored."""
    stored: dict[str, datetime] = {}
    hits, usd = 0, Decimal(0)
    for call in sorted(calls, key=lambda c: c.at):
        entry = call.request_id
        while entry in cacheable:
            entry = cacheable[entry]
        if entry in stored and timedelta(0) <= call.at - stored[entry] <= timedelta(seconds=ttl_seconds):
            hits, usd = hits + 1, usd + call.cost()
        else:
            stored[entry] = call.at + timedelta(milliseconds=call.latency_ms)
    return {"requests": hits, "saving_usd": str(usd)}


def by_endpoint(calls: Iterable[Call]) -> dict[str, dict[str, Any]]:
    count: Counter[str] = Counter()
    usd: dict[str, Decimal] = defaultdict(Decimal)
    for call in calls:
        count[call.site] += 1
        usd[call.site] += call.cost()
    return {site: {"requests": count[site], "usd": str(usd[site])} for site in sorted(count)}


def write(samples: Path, truth: Path) -> list[Path]:
    """Write all files; return their paths."""
    paths = []
    for name, content in compose().items():
        path = truth if name == "truth.json" else samples / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write(HERE.parent / "sample_logs", HERE / "data" / "samples_truth.json"):
        sys.stdout.write(f"{written.stat().st_size:>9,}  {written.relative_to(HERE.parent)}\n")
