"""A lever says which calls could have been different, and how. It never computes money."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from typing import ClassVar

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine


class Stage(IntEnum):
    """The order of replay. Each stage sees only what the stages before it left."""

    AVOID = 1
    ROUTE = 2
    SHRINK = 3
    RATE = 4


class Lever(ABC):
    """One change to the past. Subclasses are frozen dataclasses whose fields are the lever's settings."""

    name: ClassVar[str]
    stage: ClassVar[Stage]
    rank: ClassVar[int]
    """Place inside the stage."""
    grade: ClassVar[str]
    """A: arithmetic on the log. B: replay of a provider's rule. C: inference about answer quality."""
    action: ClassVar[str]
    """What to do, in one imperative sentence."""
    effort: ClassVar[str]
    """hours, days or weeks."""
    evidence_query: ClassVar[str | None] = None
    """A query over `requests` with one row per (endpoint, model) that goes into the findings' evidence."""

    def params(self) -> Mapping[str, object]:
        """Values for the $names in queries/<name>.sql."""
        return {}

    def assumes(self) -> tuple[str, ...]:
        """What the number takes for granted or leaves out, in plain sentences."""
        return ()

    def hits(self, engine: Engine, usage: str) -> str:
        """Find the calls this lever changes. Returns a table with `request_id` and whatever `change` needs."""
        return queries.run(engine, self.name, into=f"{self.name}_hits", params=self.params(), usage=usage)

    @abstractmethod
    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the same calls as they would have been. Same rows, same columns.

        The batch has the columns of the usage table and those of `hits`. A call that would
        not have been made keeps its row, with `billable` false.
        """


def not_made(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same calls, none of them billable any more."""
    return with_column(batch, "billable", pa.repeat(pa.scalar(False), batch.num_rows))


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    at = batch.schema.get_field_index(name)
    return batch.set_column(at, batch.schema.field(at), values)
