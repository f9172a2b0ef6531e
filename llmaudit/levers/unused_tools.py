"""Schemas of tools that are sent with every call and never called."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.detectors import tools
from llmaudit.engine.base import Engine
from llmaudit.levers.base import Lever, Stage, with_column


@dataclass(frozen=True)
class UnusedTools(Lever):
    """Do not send the schemas of tools that none of an endpoint's sampled calls uses.

    Schemas stand at the very front of a prompt, so what is left out was mostly read from the cache: it is taken off
    the cached tokens first, and saves what those cost. A model that misses a tool it would have used answers
    otherwise: hence grade C, and a trial. The tools a call then offers are not those that were looked at, so their hash
    goes, and nothing is taken off twice. See docs/levers/unused_tools.md for what the number leaves out.
    """

    name = "unused_tools"
    stage = Stage.SHRINK
    rank = 2
    grade = "C"
    action = "Offer these calls only the tools they use, or let the model search for the others."
    effort = "hours"
    risk = "medium"
    scope = ("request_id",)
    reads = ("billable", "endpoint", "model", "tools_hash", "prompt_bytes", "input_tokens")

    def assumes(self) -> tuple[str, ...]:
        return (
            "schemas take the share of a call's input tokens that they have of the prompt's bytes",
            f"a tool that none of at least {tools.FEWEST_CALLS} sampled calls used is not needed; its absence changes no answer",
            "the shorter prefix is cached as the longer one was",
        )

    def prepare(self, engine: Engine) -> None:
        if "idle_tools" not in engine.tables():
            tools.load(engine)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        left = batch["idle_tokens"]
        batch = with_column(batch, "input_tokens", pc.subtract(batch["input_tokens"], left))
        for name in ("cache_read_tokens", "cache_write_tokens"):
            had = pc.fill_null(batch[name], 0)
            taken = pc.min_element_wise(left, had)
            left = pc.subtract(left, taken)
            batch = with_column(batch, name, pc.if_else(pc.is_null(batch[name]), batch[name], pc.subtract(had, taken)))
        for part, whole in _PARTS:
            kept = pc.min_element_wise(batch[part], pc.fill_null(batch[whole], 0), skip_nulls=False)
            batch = with_column(batch, part, kept)
        return with_column(batch, "tools_hash", pa.nulls(batch.num_rows, batch["tools_hash"].type))

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """Tools offered and used, and how sure it is that the others are not. None where no text was kept."""
        del usage
        engine.put(f"{self.name}_evidence", tools.evidence(tools.load(engine)))
        return f"{self.name}_evidence"


_PARTS = (
    ("cache_write_long_tokens", "cache_write_tokens"),
    ("cache_audio_read_tokens", "cache_read_tokens"),
    ("cache_image_read_tokens", "cache_read_tokens"),
    ("cache_video_read_tokens", "cache_read_tokens"),
)
"""Parts that may not exceed what is left of their whole."""

LEVER = UnusedTools
