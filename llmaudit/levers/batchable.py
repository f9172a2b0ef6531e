"""Jobs that nobody waits for, at the price of the provider's batch or flex tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.levers import tiers
from llmaudit.levers.base import Lever, Stage, with_column

CACHE_COUNTS = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_long_tokens",
    "cache_audio_read_tokens",
    "cache_image_read_tokens",
    "cache_video_read_tokens",
)


@dataclass(frozen=True)
class Batchable(Lever):
    """Send the calls of jobs to the batch tier, or to flex where there is no batch price.

    A caller (endpoint, account, key and environment) counts as a job only by positive proof in the log: it runs at
    the same time every day or at the same minute every hour, keeps a pool of workers busy, or ran once, steadily, with
    quiet before and after. Streams, several users, tool choices and calls that others build on rule it out. Naming
    `endpoints` is your own word that nobody waits for them, and goes over what the log shows.
    """

    name = "batchable"
    stage = Stage.RATE
    rank = 1
    grade = "B"
    action = "Send these calls to the provider's batch tier and collect the results when they are ready."
    effort = "days"
    risk = "medium"
    scope = ("request_id",)
    reads = ("billable", "status", "provider", "model", "region", "service_tier", "started_at", "input_tokens")
    shared = ("unwaited",)

    def params(self) -> Mapping[str, object]:
        return {"by_word": self.endpoints is not None}

    def assumes(self) -> tuple[str, ...]:
        proof = (
            "nobody waits for the calls of the endpoints you named: that is your word, the log was not asked"
            if self.endpoints is not None
            else "nobody waits for what these jobs answer: their rhythm says so, and nothing in the log says otherwise"
        )
        return (
            proof,
            "results may come a day later at the worst; most batches take less than an hour",
            "prompt-cache hits are as frequent in a batch as they were, where the provider keeps them there",
        )

    def prepare(self, engine: Engine) -> None:
        tiers.put_rules(engine)

    def evidence(self, engine: Engine, usage: str) -> str:
        if self.endpoints is not None:
            engine.put("lever_endpoints", pa.table({"endpoint": pa.array(self.endpoints, pa.string())}))
            usage = queries.run(engine, "replay_within", into=f"{self.name}_usage", usage=usage)
        hits = self.hits(engine, usage)
        return queries.run(engine, "batchable_signs", into=f"{self.name}_evidence", hits=hits)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in CACHE_COUNTS:
            batch = with_column(batch, name, pc.if_else(batch["keeps_cache"], batch[name], _none(batch[name])))
        return with_column(batch, "service_tier", batch["to_tier"])


def _none(counts: pa.Array) -> pa.Array:
    """Zero where there is a count."""
    return pc.if_else(pc.is_valid(counts), pa.scalar(0, counts.type), counts)


LEVER = Batchable
