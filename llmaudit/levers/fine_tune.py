"""Endpoints whose task a small tuned model learns from the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.levers.base import Lever, Stage, with_column

MOVES = pa.schema([("endpoint", pa.string()), ("target_provider", pa.string()), ("target_model", pa.string())])


@dataclass(frozen=True)
class FineTune(Lever):
    """Serve the answered calls of `endpoints` from a tuned small model at the price of `target_model`.

    Gross: training, hosting, evaluation, labelling and upkeep are not in the number, and every call of the endpoint
    is taken to move. Token counts stay as logged, although another tokenizer counts differently.
    """

    name = "fine_tune"
    stage = Stage.ROUTE
    rank = 2
    grade = "C"
    action = "Fine-tune a small open model on these calls and run its acceptance test before moving traffic."
    effort = "weeks"
    risk = "medium"
    scope = ("request_id",)
    steady = True

    endpoints: Sequence[str] | None = ()
    target_provider: str = "mistral_ai"
    target_model: str = "ministral-8b-latest"

    def assumes(self) -> tuple[str, ...]:
        return (
            f"tuned inference is billed like {self.target_provider} {self.target_model}, as hosts of tuned open models do",
            "gross: without training, hosting, evaluation and upkeep",
            "token counts stay as logged",
        )

    def hits(self, engine: Engine, usage: str) -> str:
        moves = [
            {"endpoint": e, "target_provider": self.target_provider, "target_model": self.target_model}
            for e in self.endpoints or ()
        ]
        engine.put("fine_tune_moves", pa.Table.from_pylist(moves, schema=MOVES))
        return queries.run(engine, self.name, into=f"{self.name}_hits", usage=usage, moves="fine_tune_moves")

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in ("model", "request_model", "response_model"):
            batch = with_column(batch, name, batch["target_model"])
        batch = with_column(batch, "service_tier", pa.repeat("standard", batch.num_rows))
        batch = with_column(batch, "reported_cost_usd", pa.nulls(batch.num_rows, batch["reported_cost_usd"].type))
        return with_column(batch, "provider", batch["target_provider"])


LEVER = FineTune
