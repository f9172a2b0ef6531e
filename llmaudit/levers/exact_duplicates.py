"""Requests asked again word for word, whose answer a response cache would have had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.errors import AuditError
from llmaudit.levers.base import Lever, Stage, not_made

CACHE_HITS = pa.schema([("request_id", pa.string()), ("ttl_seconds", pa.int64())])
UNIT = "\x1f"


@dataclass(frozen=True)
class ExactDuplicates(Lever):
    """Answer a repeated request from a cache that keeps each answer `ttl_seconds` from when it was stored.

    A call counts only if the log shows that the cache would have been right: same account, provider, model, texts,
    tools and parameters, temperature 0, and the same answer as the stored one. The first call of every window still
    pays, so does one that comes while the answer is still on its way, and reading an entry does not prolong it. What
    the cache itself costs is not in the number.
    """

    name = "exact_duplicates"
    stage = Stage.AVOID
    rank = 2
    grade = "A"
    action = "Put a response cache keyed by the whole request before these endpoints."
    effort = "days"
    risk = "low"
    scope = ("prompt_hash",)
    reads = (
        "started_at",
        "duration_ms",
        "billable",
        "status",
        "temperature",
        "prompt_hash",
        "output_hash",
        "prompt_bytes",
        "account_id",
        "provider",
        "request_model",
        "params_hash",
    )

    ttl_seconds: int = 3_600

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ttl_seconds <= 0:
            raise AuditError(f"levers.exact_duplicates.ttl_seconds = {self.ttl_seconds} should be more than 0.")

    def assumes(self) -> tuple[str, ...]:
        return (
            f"an answer may be used again for {self.ttl_seconds:,} seconds",
            "running the cache costs nothing worth counting",
        )

    def evidence(self, engine: Engine, usage: str) -> str:
        del usage
        queries.run(engine, "duplicates")
        return queries.run(engine, "repeats", into=f"{self.name}_evidence")

    def hits(self, engine: Engine, usage: str) -> str:
        entries = super().hits(engine, usage)
        return cache_hits(engine, entries, [self.ttl_seconds], into=f"{self.name}_cache_hits")

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return not_made(batch)


def cache_hits(engine: Engine, entries: str, ttls: Sequence[int], into: str) -> str:
    """Which calls a cache would have answered, for each time to live: a table of `CACHE_HITS`.

    `entries` is the result of `exact_duplicates.sql`.
    """
    engine.map_batches(entries, partial(_hits, tuple(ttls)), CACHE_HITS, into=into)
    return into


def _hits(ttls: Sequence[int], batches: Batches) -> Batches:
    for batch in batches:
        rows = [row for entry in batch.to_pylist() for row in _hits_of(entry, ttls)]
        yield pa.RecordBatch.from_pylist(rows, schema=CACHE_HITS)


def _hits_of(entry: Mapping[str, str], ttls: Sequence[int]) -> Iterator[dict[str, object]]:
    ids = entry["request_ids"].split(UNIT)
    times_us, answered_us = ([int(time) for time in entry[name].split(UNIT)] for name in ("times_us", "answered_us"))
    for ttl_seconds in ttls:
        stored_us, on_their_way_us = -(2**62), [answered_us[0]]
        for request_id, time_us, answer_us in zip(ids[1:], times_us[1:], answered_us[1:], strict=True):
            while on_their_way_us and on_their_way_us[0] <= time_us:
                stored_us = heappop(on_their_way_us)
            if time_us - stored_us <= ttl_seconds * 1_000_000:
                yield {"request_id": request_id, "ttl_seconds": ttl_seconds}
            else:
                heappush(on_their_way_us, answer_us)


LEVER = ExactDuplicates
