"""A lever says which calls could have been different, and how. It never computes money."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine

CHARGES = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("day", pa.date32()),
        ("sku", pa.string()),
        ("quantity", pa.decimal128(38, 12)),
    ]
)
"""What running a lever brings: so much of a sku, for the finding of this endpoint and model, on this day (UTC)."""

SCOPES = ("request_id", "account_id", "endpoint", "operation", "session_id", "trace_id", "user_id", "prompt_hash")
"""Columns that may bound what a lever looks at: no lever changes them."""


Ints = npt.NDArray[np.int64]


class InMemory(Protocol):
    """Says of many states of the same calls what `Lever.hits` says of one, without the engine.

    Calls and their versions go by numbers, from 0; what a call is in a state is one of its versions.
    """

    @property
    def logged(self) -> tuple[str, ...]:
        """Columns that it reads of calls as logged. Where a lever has changed one of these, `hits` is asked instead."""

    @property
    def changing(self) -> tuple[str, ...]:
        """Columns that it reads of versions."""

    def learn(self, origin: Ints, versions: pa.Table) -> None:
        """Take in further versions, in the order of their numbers: the call each is of, and `changing`."""

    def hits(self, versions: Ints) -> tuple[Ints, pa.Table]:
        """Which of these versions, one of each call that is there, are hit (places), and the further columns of `hits`."""


class Stage(IntEnum):
    """The order of replay. Each stage sees only what the stages before it left."""

    AVOID = 1
    ROUTE = 2
    SHRINK = 3
    RATE = 4


@dataclass(frozen=True)
class Lever(ABC):
    """One change to the past. Subclasses are frozen dataclasses whose fields are the lever's settings.

    Fields become settings of `[levers.<name>]` in llmaudit.toml; a `__post_init__` checks them with an AuditError
    and calls this one.
    """

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
    risk: ClassVar[str] = "low"
    """low, medium or high: what may go wrong for the people who get the answers."""
    evidence_query: ClassVar[str | None] = None
    """A query over `requests` with one row per (endpoint, model) that goes into the findings' evidence."""
    scope: ClassVar[tuple[str, ...] | None] = None
    """How far the lever looks from one call to others. `("request_id",)`: it judges each call by itself (and by
    tables that do not change, such as `requests`). Other names of SCOPES: it looks at calls that are equal in these.
    None: it may look at the whole log, which is always right and slow to replay, unless `together` says more.
    """

    steady: ClassVar[bool] = False
    """Whether the calls it finds in the log as it is are those it finds in every later state, as far as they are still
    made, with the same further columns. Replay then asks once. True for a lever that judges calls by `requests`, or by
    columns that no lever before it changes.
    """

    reads: ClassVar[tuple[str, ...] | None] = None
    """All columns of `usage` that `hits` reads, besides request_id. None: any of them. A few are handed over sooner."""

    shared: ClassVar[tuple[str, ...]] = ()
    """Queries over `requests` whose answers other levers read, too: they are run once for all, before `prepare`."""

    endpoints: Sequence[str] | None = field(default=None, kw_only=True)
    """The endpoints the lever is pulled on; None is all of them. It then sees no call of another."""

    def __post_init__(self) -> None:
        if self.endpoints is not None:
            named = [self.endpoints] if isinstance(self.endpoints, str) else self.endpoints
            object.__setattr__(self, "endpoints", tuple(dict.fromkeys(named)))

    def params(self) -> Mapping[str, object]:
        """Values for the $names in queries/<name>.sql."""
        return {}

    def assumes(self) -> tuple[str, ...]:
        """What the number takes for granted or leaves out, in plain sentences."""
        return ()

    def settings(self) -> dict[str, str]:
        """The settings that its number rests on, as a reader is told them; lists with commas."""
        chosen = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("setting", True)}
        return {
            name: ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for name, value in chosen.items()
            if value is not None
        }

    def make_ready(self, engine: Engine, made: set[str]) -> None:
        """Run what has to be there before `hits`, but for the shared queries that were run (`made`)."""
        for name in self.shared:
            if name not in made:
                queries.run(engine, name)
                made.add(name)
        self.prepare(engine)

    def prepare(self, engine: Engine) -> None:
        """Make tables that `hits` needs beside `usage` and that no lever changes, from `requests` and `offers`.

        The replay asks for them once, `hits` may be asked many times. Their names tell levers with other settings apart.
        """
        del engine

    def together(self, engine: Engine, usage: str) -> str | None:
        """A table (`request_id`, `scope_key`) of which calls it looks at together, where no column of SCOPES says so.

        Asked about the log as it is, for a lever without a scope; no lever may change it. None: all calls belong together.
        """
        del engine, usage
        return None

    def hits(self, engine: Engine, usage: str) -> str:
        """Find the calls this lever changes. Returns a table with `request_id`, once each, and whatever `change` needs.

        `usage` has the columns of queries/usage.sql, as the levers before this one left them: only rows that are
        `billable` are still made. What they left out of `usage` (lists, tags) is in `requests`, by `request_id`.
        """
        return queries.run(engine, self.name, into=f"{self.name}_hits", params=self.params(), usage=usage)

    def in_memory(self, engine: Engine, calls: pa.Table) -> InMemory | None:
        """Something that answers as `hits` does, for a lever that looks far and is asked often. None: there is not."""
        del engine, calls
        return None

    @abstractmethod
    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the same calls as they would have been. Same rows, same columns.

        The batch has the columns of the usage table and those of `hits`. A call that would
        not have been made keeps its row, with `billable` false.
        """

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """A table with one row per (`endpoint`, `model`) whose further columns go into the findings' evidence.

        `usage` is the log before any lever. A row without a saving becomes a finding of $0 all the same. Three columns
        mean more: `low_factor` and `high_factor` say what share of the saving is left at the ends of the lever's
        own doubt (an agreement of 0.91 to 0.97), and widen the interval; `action` is what to do there, where that is
        not what the lever says everywhere.
        """
        del usage
        if self.evidence_query is None:
            return None
        return queries.run(engine, self.evidence_query, into=f"{self.name}_evidence")

    def if_it_holds(self) -> Lever | None:
        """The same lever, pulled also where nothing in the log speaks for the change, so that no plan has it.

        What it would save there is the high end of findings that are worth nothing so far. None: there is no such doubt.
        """
        return None

    def charges(self, engine: Engine, usage: str, hits: str) -> str | None:
        """A table of CHARGES: what the lever itself costs to run on these hits. None: nothing.

        A sku is `<provider>/<model>/<usage column>` (`openai/text-embedding-3-small/input_tokens`), priced by the
        book, or a name of the user's own, priced in prices.toml; pricing turns it into money, replay subtracts it.
        """
        del engine, usage, hits
        return None


def not_made(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same calls, none of them billable any more."""
    return with_column(batch, "billable", pa.repeat(pa.scalar(False), batch.num_rows))


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    at = batch.schema.get_field_index(name)
    return batch.set_column(at, batch.schema.field(at), values)
