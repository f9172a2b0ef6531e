"""Premiums that the log shows no need of: faster tiers, regions, and the price of a long prompt that is barely one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.levers.base import Lever, Stage, with_column


@dataclass(frozen=True)
class ServiceTier(Lever):
    """Take off what was paid on top of the standard price, where the log itself shows that it was not needed.

    A dearer tier goes back to standard where nobody waits (the same proof as for batchable) or where it was not
    faster than standard on the same endpoint and model. A region with a surcharge is left where other calls of the
    same endpoint run without. A prompt that passes the long-context threshold by no more than `trim_share` is cut to it.
    """

    name = "service_tier"
    stage = Stage.RATE
    rank = 2
    grade = "B"
    action = "Ask for the standard tier and the global region here, and keep prompts below the long-context threshold."
    effort = "hours"
    risk = "medium"
    scope = ("request_id",)
    reads = (
        "billable",
        "status",
        "provider",
        "model",
        "region",
        "service_tier",
        "started_at",
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "input_audio_tokens",
        "input_image_tokens",
        "input_video_tokens",
    )
    shared = ("unwaited",)

    trim_share: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.trim_share <= 1:
            raise AuditError(f"levers.service_tier.trim_share = {self.trim_share} should be from 0 to 1.")

    def params(self) -> Mapping[str, object]:
        return {"trim_share": self.trim_share}

    def assumes(self) -> tuple[str, ...]:
        return (
            "nobody was promised the faster tier, and no customer or law asks for the region",
            f"a prompt that is at most {self.trim_share:.0%} over the long-context threshold does as well without that part",
            "answers are as long as they were",
        )

    def prepare(self, engine: Engine) -> None:
        queries.run(engine, "needless_premiums")

    def evidence(self, engine: Engine, usage: str) -> str:
        hits = self.hits(engine, usage)
        return queries.run(engine, "premium_signs", into=f"{self.name}_evidence", hits=hits)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in ("service_tier", "region", "input_tokens"):
            to = "to_tier" if name == "service_tier" else f"to_{name}"
            batch = with_column(batch, name, batch[to])
        return batch


LEVER = ServiceTier
