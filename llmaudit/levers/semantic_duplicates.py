"""Questions asked again in nearly the same words, whose answer a cache would have had; and how often it would be the wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from llmaudit import queries
from llmaudit.detectors import exact, near
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.lake.masking import mask
from llmaudit.lake.pieces import plain_text
from llmaudit.levers.base import Lever, Stage, not_made
from llmaudit.schema import USD

BARS = (16, 15, 14, 13)
"""Equal numbers of two sketches, of 16, from which on a cache would take two prompts for one."""

CONFIDENCE = 1 - 0.05 / len(BARS)
"""As many bars are tried, so each interval has to be surer: together they hold at 95 %."""

FEWEST_HITS = 20
"""Fewer would-be hits of an endpoint and model are not worth telling."""

ROWS_AT_ONCE = 500_000
MOST_SHOWN, SHOWN_CHARACTERS = 300, 2_000

HITS = pa.schema([("request_id", pa.string())])
BAR_ROWS = pa.schema([("endpoint", pa.string()), ("model", pa.string()), ("least_similarity", pa.int64())])

EVIDENCE = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("verdict", pa.string()),
        ("least_similarity", pa.float64()),
        ("ttl_seconds", pa.int64()),
        ("hits", pa.int64()),
        (
            "false_hit_rate",
            pa.struct([("estimate", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("n", pa.int64())]),
        ),
        ("differ_by_chance", pa.float64()),
        ("saved_per_hit_usd", USD),
        ("break_even_error_usd", USD),
        ("low_factor", pa.float64()),
        ("high_factor", pa.float64()),
    ]
)
"""`verdict`: propose or withhold. A hit is false if the answer in the log is not the stored one, word for word.
`differ_by_chance`: how often any two answers of the endpoint and model differ. `break_even_error_usd`: what a wrong answer may cost at most for the cache to pay, at the upper end of the rate."""

REVIEW = pa.schema(
    [
        *((name, pa.string()) for name in ("endpoint", "model", "request_id", "earlier_id")),
        ("similarity", pa.float64()),
        ("says_same", pa.bool_()),
        *((name, pa.string()) for name in ("earlier_prompt", "prompt", "earlier_answer", "answer", "would_do")),
    ]
)
"""Pairs to be judged by people: `would_do` is theirs to fill in. Secrets are masked."""

Site = tuple[str | None, str]


@dataclass(frozen=True)
class Trial:
    """What a cache would have answered for one endpoint and model at one bar, and how much of it wrongly."""

    bar: int
    hits: int
    false: int

    @property
    def interval(self) -> tuple[float, float]:
        return exact.share_interval(self.false, self.hits, CONFIDENCE)

    def is_sure(self, most_false_hits: float, by_chance: float) -> bool:
        """Seldom wrong, and at most half as often as any two answers of the endpoint differ."""
        return self.interval[1] <= min(most_false_hits, by_chance / 2)


@dataclass(frozen=True)
class SemanticDuplicates(Lever):
    """Answer a question asked in nearly the same words from a cache that keeps each answer `ttl_seconds`.

    Only the last message may differ: account, model, parameters, tools, system prompt and history are equal. Calls are
    replayed in time order, each against the most alike earlier one that was made. The log's own answers say how often
    the cache would have been wrong; nothing is proposed where that may be more than `most_false_hits`, or costs more
    than it saves at `error_usd` a wrong answer. A prompt repeated word for word is never counted: see exact_duplicates.
    """

    name = "semantic_duplicates"
    stage = Stage.AVOID
    rank = 3
    grade = "C"
    action = "Have the review sheet judged, then put a cache of near-equal questions before these endpoints, at the bar the evidence names."
    effort = "days"
    risk = "high"
    scope = ("account_id", "endpoint")
    reads = ("billable",)

    ttl_seconds: int = 3_600
    most_false_hits: float = 0.05
    error_usd: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ttl_seconds <= 0:
            raise AuditError(f"levers.semantic_duplicates.ttl_seconds = {self.ttl_seconds} should be more than 0.")
        if not 0 < self.most_false_hits < 1:
            raise AuditError(
                f"levers.semantic_duplicates.most_false_hits = {self.most_false_hits} should be between 0 and 1."
            )
        if self.error_usd is not None and self.error_usd < 0:
            raise AuditError(f"levers.semantic_duplicates.error_usd = {self.error_usd} should not be less than 0.")

    def assumes(self) -> tuple[str, ...]:
        return (
            f"an answer may be used again for {self.ttl_seconds:,} seconds, for whoever of the account asks",
            "the answers to come differ as often as those in the log did",
            "the cache looks up sketches, not embeddings, and costs nothing worth counting",
        )

    def params(self) -> Mapping[str, object]:
        return {"ttl_seconds": self.ttl_seconds}

    def prepare(self, engine: Engine) -> None:
        pairs = _pairs(engine)
        engine.put("near_pairs", pairs)
        chances, answered = _by_chance(engine), self._answered(pairs)
        trials = self._trials(answered, chances)
        saved = _saved_per_hit(engine, answered, trials)
        proposed = {site for site, trial in trials.items() if self._is_proposed(trial, chances[site], saved.get(site))}
        rows = [
            {"endpoint": site[0], "model": site[1], "least_similarity": trial.bar}
            for site, trial in trials.items()
            if site in proposed
        ]
        engine.put(self._table("bars"), pa.Table.from_pylist(rows, schema=BAR_ROWS))
        found = [
            self._row(site, trial, chances[site], saved.get(site), is_proposed=site in proposed)
            for site, trial in trials.items()
        ]
        engine.put(self._table("evidence"), pa.Table.from_pylist(found, schema=EVIDENCE))

    def hits(self, engine: Engine, usage: str) -> str:
        bars = self._table("bars")
        asked = queries.run(
            engine, self.name, into="near_candidates", params=self.params(), usage=usage, near_bars=bars
        )
        pairs = engine.fetch(asked)
        later, earlier = (pairs[name].to_numpy() for name in ("later", "earlier"))
        is_answered = near.answers(later, earlier, np.ones(len(later), np.int64)) > 0
        engine.put(f"{self.name}_hits", pairs.select(["request_id"]).filter(pa.array(is_answered)))
        return f"{self.name}_hits"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return not_made(batch)

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """What `prepare` found of each endpoint and model. Makes `semantic_review`, the sheet to be judged, too."""
        del usage
        engine.put("semantic_review", _review(engine))
        return self._table("evidence")

    def _table(self, kind: str) -> str:
        settings = f"{self.ttl_seconds}_{round(self.most_false_hits * 1e6)}_{self.error_usd}"
        return f"near_{kind}_{settings}".replace(".", "_").replace("-", "_").replace("+", "_")

    def _answered(self, pairs: pa.Table) -> pl.DataFrame:
        """The pairs by which a cache answers a call at one bar or more; `bars` has a bit for each of BARS."""
        later, earlier, similarity, started, stored = (
            pairs[name].to_numpy() for name in ("later", "earlier", "similarity", "started_us", "earlier_answered_us")
        )
        age_us = started - stored
        is_there = (age_us >= 0) & (age_us <= self.ttl_seconds * 1_000_000)
        fits = sum((is_there & (similarity >= bar)).astype(np.int64) << place for place, bar in enumerate(BARS))
        bars = pl.Series("bars", near.answers(later, earlier, fits))
        told = pl.DataFrame(pairs.select(["endpoint", "model", "request_id", "says_same"]))
        return told.with_columns(bars).filter(pl.col("bars") > 0)

    def _trials(self, answered: pl.DataFrame, chances: Mapping[Site, float]) -> dict[Site, Trial]:
        """Of each endpoint and model with enough hits: the loosest bar that is sure enough, else the surest."""
        counts = (
            answered.group_by("endpoint", "model")
            .agg(*(_is_hit(bar).sum().alias(f"hits_{bar}") for bar in BARS), *(_is_false(bar) for bar in BARS))
            .sort("endpoint", "model")
        )
        found = {}
        for row in counts.iter_rows(named=True):
            site = row["endpoint"], row["model"]
            trials = [Trial(bar, row[f"hits_{bar}"], row[f"false_{bar}"]) for bar in BARS]
            trials = [trial for trial in trials if trial.hits >= FEWEST_HITS]
            sure = [trial for trial in trials if trial.is_sure(self.most_false_hits, chances[site])]
            if trials:
                found[site] = sure[-1] if sure else min(trials, key=lambda trial: trial.interval[1])
        return found

    def _is_proposed(self, trial: Trial, by_chance: float, saved: Decimal | None) -> bool:
        if not trial.is_sure(self.most_false_hits, by_chance):
            return False
        if self.error_usd is None:
            return True
        limit = _break_even(saved, trial)
        return limit is not None and self.error_usd < limit

    def _row(
        self, site: Site, trial: Trial, by_chance: float, saved: Decimal | None, *, is_proposed: bool
    ) -> dict[str, Any]:
        low, high = trial.interval
        return {
            "endpoint": site[0],
            "model": site[1],
            "verdict": "propose" if is_proposed else "withhold",
            "least_similarity": trial.bar / BARS[0],
            "ttl_seconds": self.ttl_seconds,
            "hits": trial.hits,
            "false_hit_rate": {"estimate": trial.false / trial.hits, "low": low, "high": high, "n": trial.hits},
            "differ_by_chance": by_chance,
            "saved_per_hit_usd": saved,
            "break_even_error_usd": _break_even(saved, trial),
            "low_factor": 1 - high,
            "high_factor": 1.0,
        }


def _pairs(engine: Engine) -> pa.Table:
    """Near-copies among all calls, some contexts at a time."""
    calls = queries.run(engine, "near_calls")
    [row] = engine.fetch(queries.run(engine, "row_count", into="near_rows", counted=calls)).to_pylist()
    parts, found, first = max(1, -(-row["rows"] // ROWS_AT_ONCE)), list[pa.Table](), 0
    for part in range(parts):
        placed = engine.fetch(queries.run(engine, "near_part", params={"part": part, "parts": parts}))
        found.append(near.pairs(placed, first))
        first += placed.num_rows
    return pa.concat_tables(found)


def _by_chance(engine: Engine) -> dict[Site, float]:
    """How often any two answers of an endpoint and model differ."""
    rows = engine.fetch(queries.run(engine, "near_chance")).to_pylist()
    pairs = {(row["endpoint"], row["model"]): row["answered_calls"] * (row["answered_calls"] - 1) for row in rows}
    same = {(row["endpoint"], row["model"]): row["equal_pairs"] for row in rows}
    return {site: 1 - same[site] / count if count else 0.0 for site, count in pairs.items()}


def _is_hit(bar: int) -> pl.Expr:
    return pl.col("bars") & (1 << BARS.index(bar)) > 0


def _is_false(bar: int) -> pl.Expr:
    return (_is_hit(bar) & ~pl.col("says_same")).sum().alias(f"false_{bar}")


def _saved_per_hit(engine: Engine, answered: pl.DataFrame, trials: Mapping[Site, Trial]) -> dict[Site, Decimal]:
    """What a hit cost in the log, on average; left out where nobody knows."""
    tried = pl.DataFrame(
        [(*site, 1 << BARS.index(trial.bar)) for site, trial in trials.items()],
        schema={"endpoint": pl.String, "model": pl.String, "bit": pl.Int64},
        orient="row",
    )
    hits = answered.join(tried, on=["endpoint", "model"], nulls_equal=True).filter(pl.col("bars") & pl.col("bit") > 0)
    engine.put("near_hits", hits.select("request_id").to_arrow().cast(HITS))
    rows = engine.fetch(queries.run(engine, "near_costs")).to_pylist()
    return {
        (row["endpoint"], row["model"]): (Decimal(row["cost_usd"]) / int(row["requests"])).quantize(Decimal("1e-12"))
        for row in rows
        if row["cost_usd"] is not None
    }


def _break_even(saved: Decimal | None, trial: Trial) -> Decimal | None:
    """The cost of one wrong answer that eats up what a hit saves, at the upper end of the rate."""
    high = trial.interval[1]
    return (saved / Decimal(repr(high))).quantize(Decimal("1e-6")) if saved is not None and high else None


def _review(engine: Engine) -> pa.Table:
    """Pairs with both texts in the sample, those first whose answers differ; none where no text was kept."""
    if "sample" not in engine.tables():
        return REVIEW.empty_table()
    rows = engine.fetch(queries.run(engine, "near_review", params={"most": MOST_SHOWN})).to_pylist()
    return pa.Table.from_pylist([_line(row) for row in rows], schema=REVIEW)


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    texts = ("earlier_prompt", "prompt", "earlier_answer", "answer")
    said = {name: mask(plain_text(row[name]))[:SHOWN_CHARACTERS] for name in texts}
    return {**row, **said, "similarity": row["similarity"] / BARS[0], "would_do": None}


LEVER = SemanticDuplicates
