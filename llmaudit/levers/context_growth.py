"""History that conversations and agent loops send again with every call, and what summing it up or clearing it would save."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
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
from llmaudit.levers.fixed_examples import FixedExamples

BARS = (4_000, 8_000, 16_000, 32_000, 64_000, 128_000)
"""Lengths of a prompt, in tokens, at which shortening is tried."""

CLEAR_BARS = BARS[3:]
"""Where clearing is tried: what results say is likely still needed in a shorter prompt."""

AS_IT_IS = (2**62, False)
LEAST_GAIN = 0.05
"""Share of an endpoint's input bill that shortening must take off, all history read from the cache, to be worth a change."""

FEWEST_STEPS = 10
LEAST_RESENT = 2.0
LEAST_HISTORY = 0.05
LEAST_EXAMPLES = 0.05
"""Calls that go on from others, how often what they send is sent, and how much of it is history: less is no growth. Share of prompts that examples have."""

ROWS_AT_ONCE = 500_000

WAYS = pa.schema([("conversation", pa.int64()), ("bar_tokens", pa.int64()), ("clears", pa.bool_())])

CHANGED = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens", "output_tokens")

HITS = pa.schema(
    [("request_id", pa.string()), *((f"new_{name}", pa.int64()) for name in CHANGED), ("shortens", pa.bool_())]
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
        ("clear_after_tokens", pa.int64()),
        ("compactions", pa.int64()),
        ("summary_tokens", pa.int64()),
        ("clearings", pa.int64()),
        ("cleared_tokens", pa.int64()),
        ("action", pa.string()),
    ]
)
"""`resent_ratio`: input tokens of conversations for each token of their longest prompts. Shares are of their input tokens:
what an earlier call of the conversation had sent, and the part of it behind the first call's prompt; what of it the cache gave;
what were results of tools. Of bytes in the sample: questions and answers in the opening that most prompts share. `policy` is compact,
clear or none."""

Place = tuple[str | None, str | None, str | None]
"""Provider, endpoint, model."""

Way = tuple[int, bool]
"""A bar, and whether results of tools are cleared at it; else all is summed up."""


@dataclass(frozen=True)
class ContextGrowth(Lever):
    """Sum up the older part of a conversation once its prompt passes a bar, or clear the results of tools in it.

    Bar and way are chosen for each endpoint and model as if all history were read from the cache at the provider's rate,
    so that nothing is proposed which caching alone does better; `compact_after_tokens` or `clear_after_tokens` is
    taken everywhere. The call that compacts bears the further call that writes the summary, and reads from the cache no
    more than the conversation's first prompt; one that clears reads what had been cleared before. Without what was left
    out a model may answer otherwise: hence grade C. See docs/levers/context_growth.md.
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
    clear_after_tokens: int | None = None
    keep_calls: int = 3
    summary_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        bars = {name: getattr(self, name) for name in ("compact_after_tokens", "clear_after_tokens")}
        given = {name: bar for name, bar in bars.items() if bar is not None}
        for name, bar in given.items():
            if bar < 1:
                raise AuditError(f"levers.context_growth.{name} = {bar} should be more than 0.")
        if len(given) > 1:
            raise AuditError(
                f"levers.context_growth has {' and '.join(given)}: a conversation is shortened in one way. Leave one out."
            )
        if self.keep_calls < 1:
            raise AuditError(f"levers.context_growth.keep_calls = {self.keep_calls} should be more than 0.")
        if not 0 < self.summary_share < 1:
            raise AuditError(f"levers.context_growth.summary_share = {self.summary_share} should be between 0 and 1.")

    def assumes(self) -> tuple[str, ...]:
        return (
            f"the last {self.keep_calls} steps and a summary of {self.summary_share:.0%} of the rest do as well as all of it",
            "where the policy is clear, results of tools from before these steps are not looked at again",
            "the summary is written by the same model in one further call, which is in the number",
            "conversations are as long as they were, and no tool is called again for what was left out",
            "the high end of a finding of $0: answers stay right without the examples that prompts begin with",
        )

    def prepare(self, engine: Engine) -> None:
        queries.run(engine, "context_steps")
        engine.put(self._bars, self._chosen(engine))

    def hits(self, engine: Engine, usage: str) -> str:
        parts = [self._hits(calls, done) for calls, _, done in self._shortened(engine, usage)]
        engine.put(f"{self.name}_hits", pa.concat_tables([HITS.empty_table(), *parts]))
        return f"{self.name}_hits"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in CHANGED:
            batch = with_column(batch, name, pc.if_else(pc.is_null(batch[name]), batch[name], batch[f"new_{name}"]))
        for part, whole in _PARTS:
            kept = pc.min_element_wise(batch[part], pc.fill_null(batch[whole], 0), skip_nulls=False)
            batch = with_column(batch, part, kept)
        unknown = pa.nulls(batch.num_rows, batch["prompt_bytes"].type)
        return with_column(batch, "prompt_bytes", pc.if_else(batch["shortens"], unknown, batch["prompt_bytes"]))

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """What conversations send again, wherever they grow; and what shortening them comes to."""
        done = self._done(engine, usage)
        held = histories.load(engine)
        sums: dict[tuple[str | None, str | None], dict[str, Any]] = {}
        for row in engine.fetch(queries.run(engine, "context_resent")).to_pylist():
            known = sums.setdefault((row["endpoint"], row["model"]), defaultdict(int))
            for name in _SUMMED:
                known[name] += row[name]
            known["result_tokens"] = _both(known.get("result_tokens"), row["result_tokens"])
        grown = {place: row for place, row in sums.items() if _is_growth(row)}
        shown = {place for place, contents in held.items() if (contents.example_share or 0) >= LEAST_EXAMPLES}
        rows = [
            _growth(place, grown.get(place)) | _examples(held.get(place)) | done.get(place, _AS_IT_WAS)
            for place in dict.fromkeys((*grown, *sorted(shown, key=str)))
        ]
        told = [row | {"action": _action(row)} for row in rows]
        engine.put(f"{self.name}_evidence", pa.Table.from_pylist(told, schema=EVIDENCE))
        return f"{self.name}_evidence"

    def if_it_holds(self) -> Lever | None:
        """Few-shot blocks that the answers may do without: no plan has it."""
        return FixedExamples(endpoints=self.endpoints)

    @property
    def _bars(self) -> str:
        ways = f"{self.compact_after_tokens}_{self.clear_after_tokens}"
        return f"context_bars_{ways}_{self.keep_calls}_{round(self.summary_share * 1e6)}"

    @property
    def _asked(self) -> Way | None:
        """The way that the settings ask for."""
        if self.clear_after_tokens is not None:
            return self.clear_after_tokens, True
        return None if self.compact_after_tokens is None else (self.compact_after_tokens, False)

    def _policy(self, clears: bool) -> compaction.Policy:
        return compaction.Policy(self.keep_calls, self.summary_share, clears)

    @property
    def _fewest_calls(self) -> int:
        """A conversation of fewer calls has nothing between its head and the steps that stay."""
        return self.keep_calls + 2

    def _chosen(self, engine: Engine) -> pa.Table:
        """Bar and way of each conversation that is to be shortened."""
        found = queries.run(engine, "context_places", params={"fewest_calls": self._fewest_calls})
        rows = engine.fetch(found).to_pylist()
        places: dict[int, Place] = {r["conversation"]: (r["provider"], r["endpoint"], r["model"]) for r in rows}
        if self._asked is not None:
            return _ways(dict.fromkeys(places, self._asked))
        best = self._best(engine, places)
        return _ways({at: best[place] for at, place in places.items() if place in best})

    def _best(self, engine: Engine, places: Mapping[int, Place]) -> dict[Place, Way]:
        """Bar and way with the smallest input bill, where they take enough off; of equals the one without a summary."""
        multiples = _multiples(engine)
        known = [at for at, place in places.items() if place in multiples]
        engine.put("context_trial", _ways(dict.fromkeys(known, (min(BARS), False))))
        bills: dict[Place, dict[Way, float]] = defaultdict(lambda: defaultdict(float))
        for calls in self._calls(engine, "requests", "context_trial"):
            conversations = _conversations(calls)
            whose = [places[at] for at in _ints(calls["conversation"])[conversations.starts].tolist()]
            prices = {
                name: np.array([multiples[place][name] for place in whose]) for name in ("read", "write", "output")
            }
            for bar, clears in (AS_IT_IS, *zip(BARS, repeat(False)), *zip(CLEAR_BARS, repeat(True))):
                done = compaction.shorten(conversations, np.full(len(whose), bar), self._policy(clears), prices)
                for place, bill in zip(whose, np.add.reduceat(done.bill_tokens, conversations.starts), strict=True):
                    bills[place][bar, clears] += float(bill)
        best = {place: min(own, key=lambda way: (own[way], not way[1], -way[0])) for place, own in bills.items()}
        return {
            place: way for place, way in best.items() if bills[place][way] < (1 - LEAST_GAIN) * bills[place][AS_IT_IS]
        }

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

    def _shortened(self, engine: Engine, usage: str) -> Iterator[tuple[pa.Table, bool, compaction.Shortened]]:
        """Calls of conversations that pass their bar, those that are cleared apart from those that are summed up."""
        for calls in self._calls(engine, usage, self._bars):
            for clears in (True, False):
                own = calls.filter(pc.equal(calls["clears"], clears)).combine_chunks()
                if own.num_rows:
                    conversations = _conversations(own)
                    bars = _ints(own["bar_tokens"])[conversations.starts]
                    free = dict.fromkeys(("read", "write", "output"), np.zeros(len(bars)))
                    yield own, clears, compaction.shorten(conversations, bars, self._policy(clears), free)

    def _hits(self, calls: pa.Table, done: compaction.Shortened) -> pa.Table:
        logged = _counts(calls)
        changed = pa.array(np.any([done.counts[name] != logged[name] for name in CHANGED], axis=0))
        columns = [calls["request_id"], *(pa.array(done.counts[name]) for name in CHANGED), pa.array(done.shortens)]
        return pa.table(columns, schema=HITS).filter(changed)

    def _done(self, engine: Engine, usage: str) -> dict[tuple[str | None, str | None], dict[str, Any]]:
        """How often each endpoint and model is shortened, at which bar, and by how much."""
        places = engine.fetch(
            queries.run(engine, "context_places", params={"fewest_calls": self._fewest_calls})
        ).to_pylist()
        whose = {row["conversation"]: (row["endpoint"], row["model"]) for row in places}
        found: dict[tuple[str | None, str | None], dict[str, Any]] = {}
        for calls, clears, done in self._shortened(engine, usage):
            at = np.flatnonzero(done.shortens)
            counted = done.gone_tokens if clears else done.summary_tokens
            policy, times, sums = _CLEARED if clears else _COMPACTED
            for number, bar, tokens in zip(
                _ints(calls["conversation"])[at].tolist(),
                _ints(calls["bar_tokens"])[at].tolist(),
                counted[at].tolist(),
                strict=True,
            ):
                known = found.setdefault(whose[number], dict(_AS_IT_WAS))
                known |= {"policy": policy, f"{policy}_after_tokens": bar}
                known[times] += 1
                known[sums] += tokens
        return found


_COMPACTED = ("compact", "compactions", "summary_tokens")
_CLEARED = ("clear", "clearings", "cleared_tokens")
_AS_IT_WAS = {"policy": "none", "compactions": 0, "summary_tokens": 0, "clearings": 0, "cleared_tokens": 0}

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


def _both(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


def _is_growth(row: Mapping[str, int]) -> bool:
    return (
        row["conversation_calls"] - row["conversations"] >= FEWEST_STEPS
        and row["input_tokens"] >= LEAST_RESENT * row["longest_tokens"]
        and row["history_tokens"] >= LEAST_HISTORY * row["input_tokens"]
    )


def _growth(place: tuple[str | None, str | None], row: Mapping[str, int] | None) -> dict[str, Any]:
    named = {"endpoint": place[0], "model": place[1]}
    if row is None:
        return named
    sent = row["input_tokens"]
    return named | {
        "conversations": row["conversations"],
        "conversation_calls": row["conversation_calls"],
        "resent_ratio": sent / row["longest_tokens"],
        "resent_share": row["resent_tokens"] / sent,
        "history_share": row["history_tokens"] / sent,
        "resent_cached_share": row["resent_read_tokens"] / row["resent_tokens"],
        "tool_results_share": row["result_tokens"] / sent if row["result_tokens"] is not None else None,
    }


def _action(row: Mapping[str, Any]) -> str | None:
    """What to do where it is not to compact."""
    if row["policy"] == "compact":
        return None
    if row["policy"] == "clear":
        return "Clear results of tools at the bar the evidence names, all at once and not call by call, and keep those of the last steps."
    if (row["fixed_examples_share"] or 0) >= LEAST_EXAMPLES:
        return "Leave the examples that prompts begin with out of a share of these calls, and out of all where the answers stay right."
    return "Leave these conversations as they are: reading what is sent again from the cache costs less than leaving it out."


def _examples(held: histories.Contents | None) -> dict[str, Any]:
    return {"fixed_examples_share": held.example_share if held else None}


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


def _ways(ways: Mapping[int, Way]) -> pa.Table:
    columns = [list(ways), [bar for bar, _ in ways.values()], [clears for _, clears in ways.values()]]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, WAYS, strict=True)], schema=WAYS)


def _conversations(calls: pa.Table) -> compaction.Calls:
    return compaction.of(_ints(calls["conversation"]), _counts(calls), _ints(calls["result_tokens"]))


def _ints(column: pa.ChunkedArray) -> compaction.Ints:
    values: compaction.Ints = column.to_numpy().astype(np.int64)
    return values


def _counts(calls: pa.Table) -> dict[str, compaction.Ints]:
    names: Sequence[str] = compaction.COUNTS
    return {name: _ints(calls[name]) for name in names}


LEVER = ContextGrowth
