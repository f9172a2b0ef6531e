"""What replaying every lever costs: `python tests/bench/levers.py [--rows N ...]`.

Makes N seeded calls in the columns of `requests` (30 days, 20 endpoints, sessions of six, 20 % repeats, near-copies
among the questions that open a session, six models, 1 % failures), prices them, and pulls every lever through both
plans. Prints seconds, CPU seconds and peak memory per step. Each size runs in a process of its own, so peaks are its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from decimal import Decimal

import pyarrow as pa

from llmaudit import levers, pricing, queries, schema
from llmaudit.detectors import breaks
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.fine_tune import FineTune
from llmaudit.replay import Replay

SETTINGS = {FineTune.name: {"endpoints": ["/service/4", "/service/8", "/service/10"]}}

CALLS = """
with numbers as (select unnest(generate_series(0, $rows - 1)) as n),
drawn as (
    select n, n // 6 as session, n % 6 as turn,
        cast(hash(n) % 1000 as bigint) as a, cast(hash(n + 77777777) % 1000 as bigint) as b,
        cast(hash(n // 6 % 60) % 20 as bigint) as service,
        cast(case when hash(n * 3 + 1) % 5 = 0 then hash(n // 6 % 60) % 5000 else n // 6 + 10000 end as bigint) * 6 + turn as asked
    from numbers
)
select
    'req-' || lpad(cast(n as varchar), 12, '0') as request_id,
    md5(cast(n as varchar)) as call_key, 'bench' as batch_id,
    'plain_jsonl' as source, 'bench.jsonl' as source_file, n + 1 as source_row,
    cast(1 as integer) as attempt,
    timestamp '2026-10-01 00:00:00' + to_seconds(n * 2592000 // $rows) as started_at,
    cast(200 + a * 3 as double) as duration_ms,
    case service % 3 when 0 then 'anthropic' else 'openai' end as provider,
    'org-' || cast(service % 2 as varchar) as account_id,
    'metered' as billing_mode, 'chat' as operation,
    case service % 6 when 0 then 'claude-sonnet-4-5' when 1 then 'gpt-4o' when 2 then 'gpt-5' when 3 then 'claude-haiku-4-5'
        when 4 then 'gpt-4.1-mini' else 'gpt-4o-mini' end as request_model,
    case service % 6 when 0 then 'claude-sonnet-4-5' when 1 then 'gpt-4o-2024-08-06' when 2 then 'gpt-5' when 3 then 'claude-haiku-4-5'
        when 4 then 'gpt-4.1-mini' else 'gpt-4o-mini' end as response_model,
    response_model as model,
    case when service % 7 = 5 and provider = 'openai' then 'priority' else 'standard' end as service_tier,
    service % 4 = 0 as stream,
    case when service % 2 = 0 then 0.0 end as temperature,
    cast(1024 as bigint) as max_output_tokens,
    cast(case when service % 5 = 2 then 12 else 0 end as integer) as tools_offered,
    cast(case when service % 5 = 2 and a % 3 = 0 then 1 else 0 end as integer) as tools_called,
    '/service/' || cast(service as varchar) as endpoint,
    'team-' || cast(service % 4 as varchar) as team,
    'u' || cast(session % 977 as varchar) as user_id,
    'key-' || cast(service % 3 as varchar) as api_key_id,
    'production' as environment,
    's' || cast(session as varchar) as session_id,
    't' || cast(session as varchar) as trace_id,
    1500 + turn * 700 + a as input_tokens,
    case when turn > 1 and service % 3 <> 0 then 1024 else 0 end as cache_read_tokens,
    cast(0 as bigint) as cache_write_tokens, cast(0 as bigint) as cache_write_long_tokens,
    40 + b // 2 as output_tokens,
    case when service % 6 = 2 then 20 + b // 4 else 0 end as reasoning_tokens,
    'reported' as usage_source,
    case when a = 7 then 'error' when a = 8 then 'cancelled' else 'ok' end as status,
    cast(case when a = 7 then 503 else 200 end as integer) as http_status,
    case when a = 7 then 'server_error' end as error_type,
    case when b > 990 then 'length' else 'stop' end as finish_reason,
    cast(asked * 20 + service as bigint) as prompt_hash,
    cast(service + 1 as bigint) as system_hash,
    case when service % 5 = 2 then cast(service as bigint) end as tools_hash,
    cast(service + 3 as bigint) as params_hash,
    cast(asked as bigint) as output_hash,
    from_hex(repeat(md5(cast(asked % 5000 * 20 + service as varchar)), 4)) as prompt_sketch,
    cast(service as bigint) as template_hash,
    [cast(service + 1 as bigint)] || list_transform(generate_series(0, turn), lambda i: cast(asked // 6 * 10 + i as bigint)) as message_hashes,
    message_hashes as prefix_hashes,
    [cast(service * 1000 + i as bigint) for i in generate_series(1, 9)]
        || list_transform(generate_series(1, (turn + 1) * 5), lambda i: cast(1000000 + asked // 6 * 100 + i as bigint)) as block_hashes,
    list_transform(generate_series(1, 9 + (turn + 1) * 5), lambda i: i * 512) as block_bytes,
    list_transform(generate_series(0, turn + 1), lambda i: 5000 + i * 2800) as prefix_bytes,
    cast(6000 + turn * 2800 as bigint) as prompt_bytes,
    cast(160 + b * 2 as bigint) as output_bytes,
    a <> 7 as billable
from drawn
"""


class Clock:
    """Says what each step took."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __call__(self, step: str) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"| {step} | {wall - self._wall:.1f} | {cpu - self._cpu:.1f} | {peak:,} |", flush=True)
        self._wall, self._cpu = time.perf_counter(), time.process_time()


def calls(engine: DuckDB, rows: int) -> None:
    """The tables a run has when it comes to levers."""
    engine.run(CALLS, "bench_calls", {"rows": rows})
    engine.run("select * from bench_calls limit 0", "bench_columns", {})
    there = engine.fetch("bench_columns").schema.names
    cast = ", ".join(
        f"cast({name} as {_kind(schema.REQUEST_ROWS.field(name).type)}) as {name}"
        if name in schema.REQUEST_ROWS.names
        else name
        for name in there
    )
    missing = [f for f in schema.REQUEST_ROWS if f.name not in there]
    extra = "".join(f", cast(null as {_kind(f.type)}) as {f.name}" for f in missing)
    engine.run(f"select {cast}{extra} from bench_calls", "request_rows", {})
    engine.put("batches", pa.table({"batch_id": ["bench"], "path": ["bench.jsonl"]}))
    engine.put(
        "discovered_none", pa.table({"request_id": pa.array([], pa.string()), "endpoint": pa.array([], pa.string())})
    )
    engine.put("texts", schema.TEXTS.empty_table())
    engine.put("prompt_breaks", breaks.BREAKS.empty_table())


def _kind(kind: pa.DataType) -> str:
    names = {
        pa.string(): "varchar",
        pa.int64(): "bigint",
        pa.int32(): "integer",
        pa.float64(): "double",
        pa.bool_(): "boolean",
    }
    if pa.types.is_list(kind):
        return "bigint[]"
    if pa.types.is_decimal(kind):
        return "decimal(38, 12)"
    return names.get(kind, "blob" if pa.types.is_binary(kind) else "timestamp")


def run(rows: int) -> None:
    clock = Clock()
    engine, book = DuckDB(), pricing.load(None)
    calls(engine, rows)
    clock(f"{rows:,} calls made")
    money = pricing.price_usage(engine, "request_rows", "money", book)
    queries.run(engine, "requests", calls="request_rows", endpoints="discovered_none", money=money)
    usage = queries.run(engine, "usage", into="metered")
    clock("priced")
    pulled = [levers.make(name, SETTINGS.get(name, {})) for name in levers.registry()]
    replay = Replay(engine, book, usage, money)
    for lever in pulled:
        replay.saves_by_endpoint(lever)
        clock(f"{lever.name} alone")
    for name, chosen in (("with evaluation", pulled), ("headline", [p for p in pulled if p.grade != "C"])):
        plan = replay.plan(chosen, Decimal(0))
        clock(f"plan {name}: {len(chosen)} levers, shares {plan.shares.method} on {plan.shares.calls:,} calls")
    for step in plan.steps:
        print(
            f"<!-- {step.lever.name}: alone {step.standalone_usd}, in order {step.in_order_usd}, share {step.shapley_usd} +- {step.shapley_error_usd} -->"
        )
    print(f"<!-- total {plan.saving_usd}, orders {plan.orders} -->")
    engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    sizes = parser.parse_args().rows
    if len(sizes) == 1:
        run(sizes[0])
        return
    for rows in sizes:
        subprocess.run([sys.executable, __file__, "--rows", str(rows)], check=True)


if __name__ == "__main__":
    main()
