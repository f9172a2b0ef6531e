"""Answers cut off at the cap on output, and the questions that had to be asked again because of it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.levers.base import Lever, Stage, with_column


@dataclass(frozen=True)
class TruncatedOutputs(Lever):
    """Give a cut answer the room it needed, where the log shows that the same question was asked again and answered.

    Every cut call is counted; only those asked again within `reask_seconds` save anything. The later, whole answer
    is what one call with a higher cap would have cost, so the cut call before it was for nothing. A cut answer that
    nobody asked for again may have been of use as it was: it is shown with its dollars and saves nothing.
    """

    name = "truncated_outputs"
    stage = Stage.SHRINK
    rank = 1
    grade = "B"
    action = "Raise the cap on output tokens for these calls, or ask for shorter answers."
    effort = "hours"
    risk = "low"
    evidence_query = "cut_answers"
    scope = ("request_id",)
    steady = True

    reask_seconds: int = 600

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reask_seconds <= 0:
            raise AuditError(f"levers.truncated_outputs.reask_seconds = {self.reask_seconds} should be more than 0.")

    def prepare(self, engine: Engine) -> None:
        queries.run(engine, "cut_calls", into=self._cut_calls, params={"reask_seconds": self.reask_seconds})

    def hits(self, engine: Engine, usage: str) -> str:
        return queries.run(engine, self.name, into=f"{self.name}_hits", usage=usage, cut_calls=self._cut_calls)

    @property
    def _cut_calls(self) -> str:
        return f"cut_calls_within_{self.reask_seconds}_seconds"

    def assumes(self) -> tuple[str, ...]:
        window = f"{self.reask_seconds:,} seconds"
        return (
            f"the same question answered in full within {window} of a cut answer was asked because of the cut",
            "that answer's cost is what one call with a higher cap would have cost",
            "a cut answer that nobody asked for again was of use as it was: it saves nothing",
        )

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        still_made = pc.and_(batch["billable"], pc.invert(batch["asked_again"]))
        return with_column(batch, "billable", still_made)


LEVER = TruncatedOutputs
