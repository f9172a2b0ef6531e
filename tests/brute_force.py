"""Replay the slow way, for tests: every coalition on the whole log, every lever asked about every call, nothing remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import factorial

import pyarrow as pa
import pyarrow.compute as pc
from small_logs import book

from llmaudit import pricing
from llmaudit.engine import Engine
from llmaudit.levers.base import Lever, Stage, not_made, with_column

ZERO = Decimal(0)


def saving(engine: Engine, rows: pa.Table, levers: Sequence[Lever]) -> Decimal:
    """The bill less the bill after `levers`, pulled one after the other as they stand here.

    Calls whose cost the log does not tell save nothing; a new cost that nobody knows is the old one.
    """
    logged = costs(engine, rows)
    now = dict(logged)
    for lever in levers:
        lever.make_ready(engine, set())
        rows = pulled(engine, rows, lever)
        now = {at: now[at] if cost is None else cost for at, cost in costs(engine, rows).items()}
    return sum((logged[at] - now[at] for at in logged if logged[at] is not None), ZERO)


def pulled(engine: Engine, rows: pa.Table, lever: Lever) -> pa.Table:
    seen = rows if lever.endpoints is None else rows.filter(pc.is_in(rows["endpoint"], pa.array(lever.endpoints)))
    engine.put("brute_usage", seen)
    hits = engine.fetch(lever.hits(engine, "brute_usage"))
    if not hits.num_rows:
        return rows
    assert len(set(hits["request_id"].to_pylist())) == hits.num_rows, "a call is hit once"
    is_hit = pc.is_in(rows["request_id"], hits["request_id"].combine_chunks())
    touched = rows.filter(is_hit).join(hits, "request_id").combine_chunks()
    [batch] = touched.to_batches()
    changed = lever.change(batch).select(rows.schema.names).cast(rows.schema)
    return pa.concat_tables([rows.filter(pc.invert(is_hit)), pa.Table.from_batches([changed])])


def costs(engine: Engine, rows: pa.Table) -> dict[str, Decimal | None]:
    engine.put("brute_calls", rows)
    priced = engine.fetch(pricing.price_usage(engine, "brute_calls", "brute_usd", book()))
    return {row["request_id"]: row["cost_usd"] for row in priced.select(["request_id", "cost_usd"]).to_pylist()}


def coalitions(engine: Engine, rows: pa.Table, ordered: Sequence[Lever]) -> dict[frozenset[int], Decimal]:
    players = range(len(ordered))
    return {
        frozenset(chosen): saving(engine, rows, [ordered[at] for at in chosen])
        for size in range(len(ordered) + 1)
        for chosen in combinations(players, size)
    }


def shapley(values: Mapping[frozenset[int], Decimal], players: int) -> list[Fraction]:
    """The formula of the textbook."""
    shares = []
    for player in range(players):
        share = Fraction(0)
        for coalition, value in values.items():
            if player not in coalition:
                size = len(coalition)
                weight = Fraction(factorial(size) * factorial(players - size - 1), factorial(players))
                share += weight * Fraction(values[coalition | {player}] - value)
        shares.append(share)
    return shares


# --- levers that get into each other's way ----------------------------------------------------------


class _Asks(Lever):
    """A lever of the tests, whose question stands in the test."""

    grade = "B"
    action = "Change it."
    effort = "days"
    sql = ""

    def hits(self, engine: Engine, usage: str) -> str:
        if usage != "usage":
            engine.alias("usage", usage)
        engine.run(self.sql, f"{self.name}_hits", {})
        return f"{self.name}_hits"


@dataclass(frozen=True)
class DropsFailures(_Asks):
    name, stage, rank, scope = "drops_failures", Stage.AVOID, 1, ("request_id",)
    sql = "select request_id from usage where billable and status <> 'ok'"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return not_made(batch)


@dataclass(frozen=True)
class DropsRepeats(_Asks):
    """The second call of a prompt to the same model: which one it is depends on the calls that are left."""

    name, stage, rank, scope = "drops_repeats", Stage.AVOID, 2, ("prompt_hash",)
    sql = """
        select request_id from (
            select request_id, row_number() over (partition by prompt_hash, model order by started_at, request_id) as n
            from usage where billable and prompt_hash is not null
        ) where n > 1"""

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return not_made(batch)


@dataclass(frozen=True)
class MovesModel(_Asks):
    name, stage, rank, scope = "moves_model", Stage.ROUTE, 1, ("request_id",)
    sql = "select request_id, 'gpt-4o-mini' as to_model from usage where billable and input_tokens % 3 = 0 and provider = 'openai'"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return with_column(batch, "model", batch["to_model"])


@dataclass(frozen=True)
class MovesToNobody(_Asks):
    """To a model without a price."""

    name, stage, rank, scope = "moves_to_nobody", Stage.ROUTE, 2, ("request_id",)
    sql = "select request_id from usage where billable and input_tokens % 4 = 0"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return with_column(batch, "model", pa.repeat("acme-nobody", batch.num_rows))


@dataclass(frozen=True)
class Trims(_Asks):
    name, stage, rank, scope = "trims", Stage.SHRINK, 1, ("request_id",)
    sql = "select request_id from usage where billable and input_tokens > 1000 and endpoint = '/faq'"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        half = pc.divide(batch["input_tokens"], 2)
        batch = with_column(batch, "cache_read_tokens", pc.min_element_wise(batch["cache_read_tokens"], half))
        return with_column(batch, "input_tokens", half)


@dataclass(frozen=True)
class Caches(_Asks):
    """Looks at the whole account: a call reads half its input if the call before it was of its model and no smaller."""

    name, stage, rank, scope = "caches", Stage.SHRINK, 9, ("account_id",)
    sql = """
        select request_id, half from (
            select request_id, input_tokens // 2 as half, input_tokens, cache_read_tokens,
                lag(input_tokens) over (partition by account_id, model order by started_at, request_id) as earlier
            from usage where billable
        ) where earlier >= input_tokens and half > coalesce(cache_read_tokens, 0)"""

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return with_column(batch, "cache_read_tokens", batch["half"])


@dataclass(frozen=True)
class CachesASession(Caches):
    """The same, looking at a session."""

    name, scope = "caches_a_session", ("session_id",)
    sql = Caches.sql.replace("account_id", "session_id")


@dataclass(frozen=True)
class CachesAnywhere(Caches):
    """The same, looking at the whole log."""

    name, rank, scope = "caches_anywhere", 10, None


@dataclass(frozen=True)
class Batches(_Asks):
    name, stage, rank, scope = "batches", Stage.RATE, 1, ("request_id",)
    sql = "select request_id from usage where billable and model = 'gpt-4o-mini' and coalesce(service_tier, 'standard') = 'standard'"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return with_column(batch, "service_tier", pa.repeat("batch", batch.num_rows))


MEETING: tuple[Lever, ...] = (
    DropsFailures(),
    DropsRepeats(),
    MovesModel(),
    MovesToNobody(),
    Trims(),
    Caches(),
    CachesAnywhere(),
    Batches(),
)
