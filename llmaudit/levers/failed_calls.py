"""Calls that were paid for and brought no answer."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from llmaudit.levers.base import Lever, Stage, not_made


@dataclass(frozen=True)
class FailedCalls(Lever):
    """Do not make the calls that failed or were cancelled after tokens had been used.

    Three numbers are kept apart: what was billed (the saving), failures that nobody billed (counted), and the time
    that failures cost (`delay_ms`). The success that followed a failure keeps its cost.
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
    steady = True
    evidence_query = "failures"

    def assumes(self) -> tuple[str, ...]:
        return (
            "the log reports usage for a failed call exactly when the provider billed it",
            "every cause can be mended, and mending it costs nothing worth counting",
        )

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return not_made(batch)


LEVER = FailedCalls
