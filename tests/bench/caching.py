"""What replaying prompt caches costs: the tree of openings, once, and one replay. Usage: caching.py [CALLS]."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llmaudit.detectors import breaks, prefixes
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.prompt_caching import PromptCaching

ENDPOINTS, BLOCKS = 40, (9, 3, 8)
"""Blocks of a prompt that its endpoint shares, that five calls share, and that are its own: 20 of 512 bytes."""


def main(calls: int) -> None:
    rng = np.random.default_rng(0)
    engine = DuckDB(threads=2)
    with tempfile.TemporaryDirectory() as folder:
        rows, usage = log(calls, rng)
        path = Path(folder, "rows.parquet")
        pq.write_table(rows, path, compression="zstd")
        engine.attach("request_rows", [str(path)], rows.schema)
        engine.put("batches", pa.table({"batch_id": ["b"], "path": ["f"]}))
        engine.put("calls", usage)
        engine.put("metered", usage)
        breaks.put(engine, [])
        clock("openings, once a run", lambda: prefixes.load(engine))
        clock("one replay", lambda: PromptCaching().hits(engine, "metered"))
    engine.close()


def log(calls: int, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Rows with chains, and calls to gpt-4o over thirty days."""
    endpoint, topic = rng.integers(0, ENDPOINTS, calls), rng.integers(0, max(calls // 5, 1), calls)
    parts = [
        hashes(rng, size, blocks) for size, blocks in zip((ENDPOINTS, topic.max() + 1, calls), BLOCKS, strict=True)
    ]
    chains = np.concatenate([parts[0][endpoint], parts[1][topic] ^ parts[0][endpoint][:, :1], parts[2]], axis=1)
    begins = pa.array(np.arange(calls + 1) * sum(BLOCKS), pa.int32())
    ends = np.tile(np.arange(1, sum(BLOCKS) + 1) * 512, calls)
    prompts = hashes(rng, calls, 1).ravel()
    rows = {
        "prompt_hash": prompts,
        "block_hashes": pa.ListArray.from_arrays(begins, pa.array(chains.ravel())),
        "block_bytes": pa.ListArray.from_arrays(begins, pa.array(ends)),
        "batch_id": pa.repeat("b", calls),
        "source_file": pa.repeat("f", calls),
    }
    seconds = np.sort(rng.uniform(0, 30 * 86_400, calls))
    usage = {
        "request_id": pa.array([f"req_{n:09}" for n in range(calls)]),
        "started_at": pa.array((seconds * 1e6).astype("datetime64[us]")),
        "provider": pa.repeat("openai", calls),
        "account_id": pa.repeat("org", calls),
        "endpoint": pa.array([f"/endpoint-{n}" for n in endpoint]),
        "model": pa.repeat("gpt-4o", calls),
        "billable": pa.repeat(pa.scalar(value=True), calls),
        "prompt_hash": prompts,
        "template_hash": endpoint,
        "input_tokens": pa.repeat(pa.scalar(2_560), calls),
        "duration_ms": rng.uniform(200, 5_000, calls),
        "first_token_ms": pa.nulls(calls, pa.float64()),
        **{name: pa.nulls(calls, pa.string()) for name in ("region", "service_tier")},
        **{f"cache_{name}_tokens": pa.nulls(calls, pa.int64()) for name in ("read", "write", "write_long")},
    }
    return pa.table(rows), pa.table(usage)


def hashes(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    return rng.integers(-(2**62), 2**62, (rows, columns))


def clock(step: str, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
    print(f"{step}: {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} s CPU, peak {peak:,.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
