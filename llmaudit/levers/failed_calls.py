"""Calls that were paid for and brought no answer."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from llmaudit.levers.base import Lever, Stage, not_made


@dataclass(frozen=True)
class FailedCalls(Lever):
    """Do not make the calls that failed or were cancelled after tokens had been used.

    Failures that the provider does not bill (most 429 and 5xx answers) save nothing and are counted
    in the evidence only. The success that followed a failure keeps its cost.
    """

    name = "failed_calls"
    stage = Stage.AVOID
    rank = 1
    grade = "A"
    action = (
        "Mend the causes of billed failures: time-outs shorter than the answer takes, aborted streams, blind retries."
    )
    effort = "days"
    scope = ("request_id",)
    evidence_query = "failures"

    def assumes(self) -> tuple[str, ...]:
        return ("the log reports usage for a failed call exactly when the provider billed it",)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return not_made(batch)


LEVER = FailedCalls
