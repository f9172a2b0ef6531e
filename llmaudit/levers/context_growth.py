"""History that conversations and agent loops send again with every call, and what compacting it would save."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.detectors import histories
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.levers import compaction
from llmaudit.levers.base import Lever, Stage, with_column

BARS = (4_000, 8_000, 16_000, 32_000, 64_000, 128_000)
"""Lengths of a prompt, in tokens, at which compacting is tried."""

NEVER = 2**62
LEAST_GAIN = 0.05
"""Share of an endpoint's input bill that compacting must take off, all history read from the cache, to be worth a change."""

FEWEST_STEPS = 10
LEAST_RESENT = 2.0
LEAST_HISTORY = 0.05
"""Calls that go on from others, how often what they send is sent, and how much of it is history: less is no growth."""

ROWS_AT_ONCE = 500_000

WAYS = pa.schema([("conversation", pa.int64()), ("bar_tokens", pa.int64())])

CHANGED = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens", "output_tokens")

HITS = pa.schema(
    [("request_id", pa.string()), *((f"new_{name}", pa.int64()) for name in CHANGED), ("compacts", pa.bool_())]
)

EVIDENCE = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("conversations", pa.int64()),
        ("conversation_calls", pa.int64()),
        ("resent_ratio", pa.float64()),
        ("resent_share", pa.float64()),
        ("history_share", pa.float64()),
        ("resent_cached_share", pa.float64()),
        ("tool_results_share", pa.float64()),
        ("fixed_examples_share", pa.float64()),
        ("policy", pa.string()),
        ("compact_after_tokens", pa.int64()),
        ("compactions", pa.int64()),
        ("summary_tokens", pa.int64()),
    ]
)
"""`resent_ratio`: input tokens of conversations for each token of their longest prompts. Shares are of their input tokens:
what an earlier call of the conversation had sent, and the part of it behind the first call's prompt; what of it the cache gave;
of bytes in the sample, results of tools, and answers in the opening that most conversations share. `policy` is compact or none."""

Place = tuple[str | None, str | None, str | None]
"""Provider, endpoint, model."""


@dataclass(frozen=True)
class ContextGrowth(Lever):
    """Sum up the older part of a conversation once its prompt passes a bar, and send the summary instead.

    The bar is chosen for each endpoint and model as if all history were read from the cache at the provider's rate,
    so that nothing is proposed which caching alone does better; with `compact_after_tokens` it is that one everywhere.
    The call that compacts bears the further call that writes the summary, and reads from the cache no more than the
    conversation's first prompt. Without what was left out a model may answer otherwise: hence grade C. See
    docs/levers/context_growth.md.
    """

    name = "context_growth"
    stage = Stage.SHRINK
    rank = 3
    grade = "C"
    action = "Compact these conversations at the bar the evidence names, all at once and not call by call, and keep the last steps as they are."
    effort = "days"
    risk = "medium"
    scope = ("session_id",)
    reads = (
        "billable",
        "started_at",
        "prompt_bytes",
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "cache_write_long_tokens",
        "output_tokens",
    )

    compact_after_tokens: int | None = None
    keep_calls: int = 3
    summary_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compact_after_tokens is not None and self.compact_after_tokens < 1:
            raise AuditError(
                f"levers.context_growth.compact_after_tokens = {self.compact_after_tokens} should be more than 0."
            )
        if self.keep_calls < 1:
            raise AuditError(f"levers.context_growth.keep_calls = {self.keep_calls} should be more than 0.")
        if not 0 < self.summary_share < 1:
            raise AuditError(f"levers.context_growth.summary_share = {self.summary_share} should be between 0 and 1.")

    def assumes(self) -> tuple[str, ...]:
        return (
            f"the last {self.keep_calls} steps and a summary of {self.summary_share:.0%} of the rest do as well as all of it",
            "the summary is written by the same model in one further call, which is in the number",
            "conversations are as long as they were, and no tool is called again for what was left out",
        )

    def prepare(self, engine: Engine) -> None:
        queries.run(engine, "context_steps")
        engine.put(self._bars, self._chosen(engine))

    def hits(self, engine: Engine, usage: str) -> str:
        parts = [self._hits(calls) for calls in self._calls(engine, usage, self._bars)]
        engine.put(f"{self.name}_hits", pa.concat_tables([HITS.empty_table(), *parts]))
        return f"{self.name}_hits"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in CHANGED:
            batch = with_column(batch, name, pc.if_else(pc.is_null(batch[name]), batch[name], batch[f"new_{name}"]))
        for part, whole in _PARTS:
            kept = pc.min_element_wise(batch[part], pc.fill_null(batch[whole], 0), skip_nulls=False)
            batch = with_column(batch, part, kept)
        unknown = pa.nulls(batch.num_rows, batch["prompt_bytes"].type)
        return with_column(batch, "prompt_bytes", pc.if_else(batch["compacts"], unknown, batch["prompt_bytes"]))

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """What conversations send again, wherever they grow; and what compacting them comes to."""
        done = self._done(engine, usage)
        held = histories.contents(engine)
        sums: dict[tuple[str | None, str | None], dict[str, Any]] = {}
        for row in engine.fetch(queries.run(engine, "context_resent")).to_pylist():
            known = sums.setdefault((row["endpoint"], row["model"]), defaultdict(int))
            for name in _SUMMED:
                known[name] += row[name]
        rows = [
            _evidence(place, row, held.get(place), done.get(place)) for place, row in sums.items() if _is_growth(row)
        ]
        engine.put(f"{self.name}_evidence", pa.Table.from_pylist(rows, schema=EVIDENCE))
        return f"{self.name}_evidence"

    @property
    def _bars(self) -> str:
        return f"context_bars_{self.compact_after_tokens}_{self.keep_calls}_{round(self.summary_share * 1e6)}"

    @property
    def _policy(self) -> compaction.Policy:
        return compaction.Policy(self.keep_calls, self.summary_share)

    @property
    def _fewest_calls(self) -> int:
        """A conversation of fewer calls has nothing between its head and the steps that stay."""
        return self.keep_calls + 2

    def _chosen(self, engine: Engine) -> pa.Table:
        """The bar of each conversation that is to be compacted."""
        found = queries.run(engine, "context_places", params={"fewest_calls": self._fewest_calls})
        rows = engine.fetch(found).to_pylist()
        if self.compact_after_tokens is not None:
            ways = [{"conversation": row["conversation"], "bar_tokens": self.compact_after_tokens} for row in rows]
            return pa.Table.from_pylist(ways, schema=WAYS)
        places: dict[int, Place] = {r["conversation"]: (r["provider"], r["endpoint"], r["model"]) for r in rows}
        bars = self._best(engine, places)
        ways = [{"conversation": at, "bar_tokens": bars[place]} for at, place in places.items() if place in bars]
        return pa.Table.from_pylist(ways, schema=WAYS)

    def _best(self, engine: Engine, places: Mapping[int, Place]) -> dict[Place, int]:
        """The bar with the smallest input bill, where it takes enough off."""
        multiples = _multiples(engine)
        known = [at for at, place in places.items() if place in multiples]
        trial = [{"conversation": at, "bar_tokens": min(BARS)} for at in known]
        engine.put("context_trial", pa.Table.from_pylist(trial, schema=WAYS))
        bills: dict[Place, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for calls in self._calls(engine, "requests", "context_trial"):
            conversations = compaction.of(_ints(calls["conversation"]), _counts(calls))
            whose = [places[at] for at in _ints(calls["conversation"])[conversations.starts].tolist()]
            prices = {
                name: np.array([multiples[place][name] for place in whose]) for name in ("read", "write", "output")
            }
            for bar in (NEVER, *BARS):
                done = compaction.compact(conversations, np.full(len(whose), bar), self._policy, prices)
                for place, bill in zip(whose, np.add.reduceat(done.bill_tokens, conversations.starts), strict=True):
                    bills[place][bar] += float(bill)
        best = {place: min((own[bar], -bar, bar) for bar in BARS)[-1] for place, own in bills.items()}
        return {place: bar for place, bar in best.items() if bills[place][bar] < (1 - LEAST_GAIN) * bills[place][NEVER]}

    def _calls(self, engine: Engine, usage: str, bars: str) -> Iterator[pa.Table]:
        """Calls of conversations that pass their bar, so many at a time."""
        counted = queries.run(engine, "row_count", into="context_rows", counted="context_steps")
        [row] = engine.fetch(counted).to_pylist()
        parts = max(1, -(-row["rows"] // ROWS_AT_ONCE))
        for part in range(parts):
            params = {"fewest_calls": self._fewest_calls, "part": part, "parts": parts}
            calls = engine.fetch(
                queries.run(engine, self.name, into="context_calls", params=params, usage=usage, context_bars=bars)
            )
            if calls.num_rows:
                yield calls.combine_chunks()

    def _compacted(self, calls: pa.Table) -> compaction.Compacted:
        conversations = compaction.of(_ints(calls["conversation"]), _counts(calls))
        bars = _ints(calls["bar_tokens"])[conversations.starts]
        free = dict.fromkeys(("read", "write", "output"), np.zeros(len(bars)))
        return compaction.compact(conversations, bars, self._policy, free)

    def _hits(self, calls: pa.Table) -> pa.Table:
        done = self._compacted(calls)
        logged = _counts(calls)
        changed = pa.array(np.any([done.counts[name] != logged[name] for name in CHANGED], axis=0))
        columns = [calls["request_id"], *(pa.array(done.counts[name]) for name in CHANGED), pa.array(done.compacts)]
        return pa.table(columns, schema=HITS).filter(changed)

    def _done(self, engine: Engine, usage: str) -> dict[tuple[str | None, str | None], dict[str, int]]:
        """How often each endpoint and model is compacted, at which bar, and how long the summaries are."""
        places = engine.fetch(
            queries.run(engine, "context_places", params={"fewest_calls": self._fewest_calls})
        ).to_pylist()
        whose = {row["conversation"]: (row["endpoint"], row["model"]) for row in places}
        found: dict[tuple[str | None, str | None], dict[str, int]] = {}
        for calls in self._calls(engine, usage, self._bars):
            done = self._compacted(calls)
            at = np.flatnonzero(done.compacts)
            conversations, bars = _ints(calls["conversation"])[at], _ints(calls["bar_tokens"])[at]
            for number, bar, tokens in zip(
                conversations.tolist(), bars.tolist(), done.summary_tokens[at].tolist(), strict=True
            ):
                known = found.setdefault(whose[number], {"bar": bar, "compactions": 0, "summary_tokens": 0})
                known["compactions"] += 1
                known["summary_tokens"] += tokens
        return found


_PARTS = (
    ("cache_audio_read_tokens", "cache_read_tokens"),
    ("cache_image_read_tokens", "cache_read_tokens"),
    ("cache_video_read_tokens", "cache_read_tokens"),
    ("input_audio_tokens", "input_tokens"),
    ("input_image_tokens", "input_tokens"),
    ("input_video_tokens", "input_tokens"),
)
"""Parts that may not exceed what is left of their whole."""

_SUMMED = (
    "conversations",
    "conversation_calls",
    "input_tokens",
    "longest_tokens",
    "resent_tokens",
    "history_tokens",
    "resent_read_tokens",
)


def _is_growth(row: Mapping[str, int]) -> bool:
    return (
        row["conversation_calls"] - row["conversations"] >= FEWEST_STEPS
        and row["input_tokens"] >= LEAST_RESENT * row["longest_tokens"]
        and row["history_tokens"] >= LEAST_HISTORY * row["input_tokens"]
    )


def _evidence(
    place: tuple[str | None, str | None],
    row: Mapping[str, int],
    held: histories.Contents | None,
    done: Mapping[str, int] | None,
) -> dict[str, Any]:
    sent = row["input_tokens"]
    return {
        "endpoint": place[0],
        "model": place[1],
        "conversations": row["conversations"],
        "conversation_calls": row["conversation_calls"],
        "resent_ratio": sent / row["longest_tokens"],
        "resent_share": row["resent_tokens"] / sent,
        "history_share": row["history_tokens"] / sent,
        "resent_cached_share": row["resent_read_tokens"] / row["resent_tokens"],
        "tool_results_share": held.tool_result_share if held else None,
        "fixed_examples_share": held.fixed_example_share if held else None,
        "policy": "compact" if done else "none",
        "compact_after_tokens": done["bar"] if done else None,
        "compactions": done["compactions"] if done else 0,
        "summary_tokens": done["summary_tokens"] if done else 0,
    }


def _multiples(engine: Engine) -> dict[Place, dict[str, float]]:
    """What reading, writing and answering cost beside fresh input: reads as often as the log's own, where it has any."""
    prices = {(row["provider"], row["model"]): row for row in engine.fetch("relations").to_pylist()}
    found: dict[Place, dict[str, float]] = {}
    for row in engine.fetch(queries.run(engine, "context_resent")).to_pylist():
        price = prices.get((row["provider"] or "", row["model"] or ""))
        if price is None or not row["resent_tokens"]:
            continue
        hits = row["resent_read_tokens"] / row["resent_tokens"] or 1.0
        found[row["provider"], row["endpoint"], row["model"]] = {
            "read": hits * price["read_multiple"] + 1 - hits,
            "write": price["write_multiple"],
            "output": price["output_multiple"],
        }
    return found


def _ints(column: pa.ChunkedArray) -> compaction.Ints:
    values: compaction.Ints = column.to_numpy().astype(np.int64)
    return values


def _counts(calls: pa.Table) -> dict[str, compaction.Ints]:
    names: Sequence[str] = compaction.COUNTS
    return {name: _ints(calls[name]) for name in names}


LEVER = ContextGrowth
