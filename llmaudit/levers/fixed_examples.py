"""What the examples cost that most prompts of an endpoint begin with. A yardstick of context_growth, never part of a plan."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from llmaudit.detectors import histories
from llmaudit.engine.base import Engine
from llmaudit.levers import openings
from llmaudit.levers.base import Lever, Stage


@dataclass(frozen=True)
class FixedExamples(Lever):
    """Leave out the questions and answers that stand at the front of most prompts (few-shot blocks).

    They save what they cost today, which is little where they are read from a cache.
    """

    name = "fixed_examples"
    stage = Stage.SHRINK
    rank = 9
    grade = "C"
    action = "Leave the examples out and run the acceptance test."
    effort = "days"
    scope = ("request_id",)
    steady = True

    def prepare(self, engine: Engine) -> None:
        if "fixed_example_blocks" not in engine.tables():
            histories.load(engine)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return openings.without(batch, batch["example_tokens"])
