"""What the words cost that every call of an endpoint repeats. A yardstick beside fine_tune, never part of a plan."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.levers import openings
from llmaudit.levers.base import Lever, Stage

FRAMES = pa.schema([("endpoint", pa.string()), ("frame_share", pa.float64())])


@dataclass(frozen=True)
class ShorterPrompt(Lever):
    """Leave out the instructions and examples that all prompts of an endpoint have in common.

    They stand at the front, so what was read from a cache was read from them: they save no more than the price
    they have today.
    """

    name = "shorter_prompt"
    stage = Stage.SHRINK
    rank = 9
    grade = "C"
    action = "Shorten the fixed part of the prompt and run the acceptance test."
    effort = "days"
    scope = ("request_id",)
    steady = True

    frames: tuple[tuple[str, float], ...] = ()
    """Endpoint and the share of its prompts that is the same in every call."""

    def hits(self, engine: Engine, usage: str) -> str:
        rows = [{"endpoint": endpoint, "frame_share": share} for endpoint, share in self.frames]
        engine.put("prompt_frames", pa.Table.from_pylist(rows, schema=FRAMES))
        return queries.run(engine, self.name, into=f"{self.name}_hits", usage=usage, frames="prompt_frames")

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        tokens = batch["input_tokens"]
        dropped = pc.cast(pc.floor(pc.multiply(pc.cast(tokens, pa.float64()), batch["frame_share"])), tokens.type)
        return openings.without(batch, dropped)
