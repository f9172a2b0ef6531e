"""Questions asked again in nearly the same words, whose answer a cache would have had; and how often it would be the wrong one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

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

BAR_ROWS = pa.schema([("endpoint", pa.string()), ("model", pa.string()), ("least_similarity", pa.int64())])
HITS = pa.schema([("request_id", pa.string())])
SHOWN = pa.schema([("request_id", pa.string()), ("earlier_id", pa.string())])

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
    hits: tuple[str, ...]
    false: int

    @property
    def interval(self) -> tuple[float, float]:
        return exact.share_interval(self.false, len(self.hits), CONFIDENCE)

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

    def prepare(self, engine: Engine) -> None:
        engine.put("near_pairs", _pairs(engine))
        chances = _by_chance(engine)
        trials = self._trials(engine, chances)
        proposed = [site for site, trial in trials.items() if self._is_proposed(engine, site, trial, chances)]
        rows = [{"endpoint": e, "model": m, "least_similarity": trials[e, m].bar} for e, m in proposed]
        engine.put(self._table("bars"), pa.Table.from_pylist(rows, schema=BAR_ROWS))
        found = [
            self._row(engine, site, trial, chances[site], is_proposed=site in proposed)
            for site, trial in trials.items()
        ]
        engine.put(self._table("evidence"), pa.Table.from_pylist(found, schema=EVIDENCE))

    def hits(self, engine: Engine, usage: str) -> str:
        bars = self._table("bars")
        candidates = queries.run(engine, self.name, into="near_candidates", usage=usage, near_bars=bars)
        found = [{"request_id": row["request_id"]} for row in self._answered(engine.fetch(candidates).to_pylist())]
        engine.put(f"{self.name}_hits", pa.Table.from_pylist(found, schema=HITS))
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

    def _trials(self, engine: Engine, chances: Mapping[Site, float]) -> dict[Site, Trial]:
        """Of each endpoint and model with enough hits: the loosest bar that is sure enough, else the surest."""
        by_site: dict[Site, list[Mapping[str, Any]]] = {}
        for row in engine.fetch("near_pairs").to_pylist():
            by_site.setdefault((row["endpoint"], row["model"]), []).append(row)
        found = {}
        for site, rows in sorted(by_site.items(), key=lambda item: (item[0][0] or "", item[0][1])):
            rows.sort(key=lambda r: (r["started_us"], r["request_id"], -r["similarity"], -r["earlier_answered_us"]))
            trials = [self._trial(rows, bar) for bar in BARS]
            trials = [trial for trial in trials if len(trial.hits) >= FEWEST_HITS]
            sure = [trial for trial in trials if trial.is_sure(self.most_false_hits, chances[site])]
            if trials:
                found[site] = sure[-1] if sure else min(trials, key=lambda trial: trial.interval[1])
        return found

    def _trial(self, rows: Sequence[Mapping[str, Any]], bar: int) -> Trial:
        hits = list(self._answered(row for row in rows if row["similarity"] >= bar))
        return Trial(bar, tuple(row["request_id"] for row in hits), sum(not row["says_same"] for row in hits))

    def _answered(self, candidates: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The first candidate of each call that the cache had: its answer given, not expired, and not itself from the cache."""
        from_cache: set[str] = set()
        for row in candidates:
            age_us = row["started_us"] - row["earlier_answered_us"]
            is_there = 0 <= age_us <= self.ttl_seconds * 1_000_000 and row["earlier_id"] not in from_cache
            if is_there and row["request_id"] not in from_cache:
                from_cache.add(row["request_id"])
                yield row

    def _is_proposed(self, engine: Engine, site: Site, trial: Trial, chances: Mapping[Site, float]) -> bool:
        if not trial.is_sure(self.most_false_hits, chances[site]):
            return False
        if self.error_usd is None:
            return True
        limit = _break_even(_saved_per_hit(engine, site, trial), trial)
        return limit is not None and self.error_usd < limit

    def _row(self, engine: Engine, site: Site, trial: Trial, by_chance: float, *, is_proposed: bool) -> dict[str, Any]:
        low, high = trial.interval
        saved = _saved_per_hit(engine, site, trial)
        return {
            "endpoint": site[0],
            "model": site[1],
            "verdict": "propose" if is_proposed else "withhold",
            "least_similarity": trial.bar / BARS[0],
            "ttl_seconds": self.ttl_seconds,
            "hits": len(trial.hits),
            "false_hit_rate": {
                "estimate": trial.false / len(trial.hits),
                "low": low,
                "high": high,
                "n": len(trial.hits),
            },
            "differ_by_chance": by_chance,
            "saved_per_hit_usd": saved,
            "break_even_error_usd": _break_even(saved, trial),
            "low_factor": 1 - high,
            "high_factor": 1.0,
        }


def _pairs(engine: Engine) -> pa.Table:
    """Near-copies among all calls, some contexts at a time."""
    counted = queries.run(engine, "row_count", into="near_rows", counted="requests")
    [row] = engine.fetch(counted).to_pylist()
    parts = max(1, -(-row["rows"] // ROWS_AT_ONCE))
    found = [
        near.pairs(engine.fetch(queries.run(engine, "near_calls", params={"part": part, "parts": parts})))
        for part in range(parts)
    ]
    return pa.concat_tables(found)


def _by_chance(engine: Engine) -> dict[Site, float]:
    """How often any two answers of an endpoint and model differ."""
    rows = engine.fetch(queries.run(engine, "near_chance")).to_pylist()
    pairs = {(row["endpoint"], row["model"]): row["answered_calls"] * (row["answered_calls"] - 1) for row in rows}
    same = {(row["endpoint"], row["model"]): row["equal_pairs"] for row in rows}
    return {site: 1 - same[site] / count if count else 0.0 for site, count in pairs.items()}


def _saved_per_hit(engine: Engine, site: Site, trial: Trial) -> Decimal | None:
    """What a hit cost in the log, on average; None where nobody knows."""
    engine.put("near_hits", pa.table({"request_id": pa.array(trial.hits, pa.string())}))
    rows = engine.fetch(queries.run(engine, "near_costs")).to_pylist()
    own = next((row for row in rows if (row["endpoint"], row["model"]) == site), None)
    if own is None or own["cost_usd"] is None:
        return None
    usd, requests = Decimal(own["cost_usd"]), int(own["requests"])
    return (usd / requests).quantize(Decimal("1e-12"))


def _break_even(saved: Decimal | None, trial: Trial) -> Decimal | None:
    """The cost of one wrong answer that eats up what a hit saves, at the upper end of the rate."""
    high = trial.interval[1]
    return (saved / Decimal(repr(high))).quantize(Decimal("1e-6")) if saved is not None and high else None


def _review(engine: Engine) -> pa.Table:
    """Pairs with both texts in the sample, those first whose answers differ; none where no text was kept."""
    if "sample" not in engine.tables():
        return REVIEW.empty_table()
    rows = engine.fetch("near_pairs").to_pylist()
    firsts = {row["request_id"]: row for row in reversed(rows)}
    shown = sorted(firsts.values(), key=lambda row: (row["says_same"], row["similarity"], row["request_id"]))
    pairs = [{name: row[name] for name in SHOWN.names} for row in shown]
    engine.put("near_shown", pa.Table.from_pylist(pairs, schema=SHOWN))
    pieces = {row["request_id"]: row for row in engine.fetch(queries.run(engine, "near_texts")).to_pylist()}
    texts = {row["text_hash"]: row["text"] for row in engine.fetch("sample_texts").to_pylist()} if pieces else {}
    lines = (_line(row, pieces, texts) for row in shown)
    kept = [line for line in lines if line is not None][:MOST_SHOWN]
    return pa.Table.from_pylist(kept, schema=REVIEW)


def _line(
    row: Mapping[str, Any], pieces: Mapping[str, Mapping[str, Any]], texts: Mapping[int, str]
) -> dict[str, Any] | None:
    said = {}
    for side, name in (("earlier_", "earlier_id"), ("", "request_id")):
        piece = pieces.get(row[name])
        if piece is None or piece["message_hash"] not in texts or piece["output_hash"] not in texts:
            return None
        for kind, key in (("prompt", "message_hash"), ("answer", "output_hash")):
            said[f"{side}{kind}"] = mask(plain_text(texts[piece[key]]))[:SHOWN_CHARACTERS]
    told = {name: row[name] for name in ("endpoint", "model", "request_id", "earlier_id", "says_same")}
    return {**told, **said, "similarity": row["similarity"] / BARS[0], "would_do": None}


LEVER = SemanticDuplicates
