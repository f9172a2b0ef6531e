"""Prompt openings that the provider's cache could have given, and those written to it in vain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.detectors import breaks, groups, prefixes
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError, UnknownName
from llmaudit.levers.base import InMemory, Lever, Stage, with_column
from llmaudit.levers.cache_policies import POLICIES, WRITES, Verdict, judge
from llmaudit.levers.cache_replay import FOUND, CacheReplay
from llmaudit.pricing import caching

CHOICES = pa.schema(
    [
        ("provider", pa.string()),
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("life", pa.string()),
        ("writes", pa.string()),
        ("hit_share", pa.float64()),
    ]
)

HITS = pa.schema([("request_id", pa.string()), *FOUND])

OUTLOOK = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("read_share_now", pa.float64()),
        ("read_share_possible", pa.float64()),
        (
            "break",
            pa.struct(
                [
                    ("kinds", pa.list_(pa.string())),
                    ("where", pa.string()),
                    ("byte_offset", pa.int64()),
                    ("example", pa.string()),
                ]
            ),
        ),
        ("best_policy", pa.string()),
        ("writes", pa.string()),
        ("now_input_bill_ratio", pa.float64()),
        ("never_shared_share", pa.float64()),
        (
            "policies",
            pa.list_(
                pa.struct(
                    [
                        ("policy", pa.string()),
                        ("writes", pa.string()),
                        ("read_share", pa.float64()),
                        ("written_share", pa.float64()),
                        ("input_bill_ratio", pa.float64()),
                        ("loses_money", pa.bool_()),
                    ]
                )
            ),
        ),
        (
            "rule",
            pa.struct([(name, pa.string()) for name in ("as_of", "source", "confidence", "note")]),
        ),
    ]
)
"""What is now and what could be, per endpoint and model. Bill ratios are of an input bill without any cache; shares of input tokens."""

PART_CALLS = 1_000_000
"""Calls up to which all caches are replayed at once."""

MOST_IN_MEMORY = 2_500_000
"""Calls of endpoints that share openings up to which their caches are replayed in memory."""

LOOK_BACK_MESSAGES = 20
STEPS_THAT_MATTER = 0.1
"""Share of a conversation's calls that must fail to go on from the one before before it is called a break."""

STEP_KINDS = {
    "model_changed": None,
    "tools_changed": "tools",
    "system_changed": "system",
    "messages_changed": None,
    "look_back": None,
}
"""What keeps a call from going on from the one before, and the piece it lies in, where that is one piece."""

Place = tuple[str | None, str | None]


@dataclass(frozen=True)
class PromptCaching(Lever):
    """Read what earlier calls have sent from the provider's cache, under the policy that suits each endpoint and model.

    Replays the provider's rule over block chains in time order: longest opening touched within its life, floor, step,
    and what writing costs. What the log already reads is not claimed again. With `policy` or `writes` (everything,
    shared, common) that way is taken everywhere, even where it loses money. See docs/levers/prompt_caching.md.
    """

    name = "prompt_caching"
    stage = Stage.SHRINK
    rank = 4
    grade = "B"
    action = (
        "Put what never changes first, move what breaks it behind, and set the cache marks and life the evidence names."
    )
    effort = "hours"
    risk = "low"
    scope = (
        None  # `together`: the best policy is chosen for an endpoint across accounts, and endpoints may share openings
    )

    policy: str | None = None
    writes: str | None = None
    common_calls: int = 20
    """Calls that must share an opening before it counts as common."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy not in (None, *POLICIES):
            raise UnknownName("cache policy", str(self.policy), POLICIES)
        if self.writes not in (None, *WRITES):
            raise UnknownName("way of writing", str(self.writes), WRITES)
        if self.common_calls < 1:
            raise AuditError(f"levers.prompt_caching.common_calls = {self.common_calls} should be more than 0.")

    def params(self) -> Mapping[str, object]:
        return {"common_calls": self.common_calls}

    def assumes(self) -> tuple[str, ...]:
        return (
            "a prefix has the share of a call's input tokens that it has of the prompt's bytes",
            "an entry can be read once the call that wrote it has begun to answer, and lives as long as the provider says",
            "calls reach the machine that holds their entry: providers promise no hit",
        )

    def together(self, engine: Engine, usage: str) -> str:
        """Calls of one endpoint, and of endpoints whose prompts share an opening."""
        return self._scopes(engine, usage, "cache_scopes")

    def _scopes(self, engine: Engine, usage: str, into: str) -> str:
        _prepare(engine)
        links = engine.fetch(queries.run(engine, "cache_links", usage=usage))
        engine.put("cache_joined", groups.joined(links))
        return queries.run(engine, "cache_scopes", into=into, usage=usage)

    def hits(self, engine: Engine, usage: str) -> str:
        """In memory where there is room for the calls that are looked at together, else in the engine, which says the same."""
        calls = queries.run(engine, "cache_calls", usage=usage)
        counted = queries.run(engine, "row_count", into="cache_rows", counted=calls)
        [row] = engine.fetch(counted).to_pylist()
        hits = f"{self.name}_hits"
        if row["rows"] > PART_CALLS:
            parts = (self._found(engine, part) for part in self._parts(engine, calls))
            return queries.gather(engine, parts, HITS, hits)
        engine.put(hits, self._found(engine, calls))
        return hits

    def _parts(self, engine: Engine, calls: str) -> Iterator[str]:
        """Calls of endpoints that have nothing to do with the others, some endpoints at a time."""
        scopes = self._scopes(engine, calls, "cache_part_scopes")
        sizes = engine.fetch(queries.run(engine, "cache_part_sizes", scopes=scopes))
        part = np.cumsum(_ints(sizes["requests"])) // PART_CALLS
        for number in np.unique(part).tolist():
            engine.put("cache_part", sizes.select(["scope_key"]).filter(pa.array(part == number)))
            yield queries.run(engine, "cache_part_calls", cache_calls=calls, scopes=scopes)

    def _found(self, engine: Engine, calls: str) -> pa.Table:
        counted = queries.run(engine, "row_count", into="cache_rows", counted=calls)
        [row] = engine.fetch(counted).to_pylist()
        if row["rows"] > MOST_IN_MEMORY:
            return engine.fetch(self.asked(engine, calls))
        return self._remembered(engine, engine.fetch(calls).combine_chunks())

    def _remembered(self, engine: Engine, calls: pa.Table) -> pa.Table:
        replayed, every = self._replay(engine, calls), np.arange(calls.num_rows)
        replayed.learn(every, calls.select(CacheReplay.changing))
        at, further = replayed.hits(every)
        return further.add_column(0, "request_id", calls["request_id"].take(pa.array(at)))

    def asked(self, engine: Engine, usage: str) -> str:
        """The same hits, worked out by the engine alone."""
        choices = [
            {
                **{name: verdict.totals[name] for name in CHOICES.names[:3]},
                **{name: getattr(way, name) for name in CHOICES.names[3:]},
            }
            for verdict in self.verdicts(engine, usage)
            if (way := verdict.chosen) is not None
        ]
        engine.put("cache_choices", pa.Table.from_pylist(choices, schema=CHOICES))
        return queries.run(engine, self.name, into="cache_asked", touches="cache_touches")

    def in_memory(self, engine: Engine, calls: pa.Table) -> InMemory:
        return self._replay(engine, calls)

    def _replay(self, engine: Engine, calls: pa.Table) -> CacheReplay:
        _prepare(engine)
        engine.put("cache_prompts", pa.table({"prompt_hash": pc.unique(calls["prompt_hash"])}))
        own = (
            queries.run(engine, "cache_prompts_own", into=f"cache_own_{kind}", known=kind)
            for kind in ("prefix_nodes", "prompt_sizes")
        )
        tables = (engine.fetch(name) for name in (*own, "prompt_breaks"))
        return CacheReplay(lambda totals: self._verdict(totals).chosen, self.common_calls, calls, *tables)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in ("cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens"):
            batch = with_column(batch, name, batch[f"new_{name.removeprefix('cache_')}"])
        for name in ("cache_audio_read_tokens", "cache_image_read_tokens", "cache_video_read_tokens"):
            kept = pc.min_element_wise(batch[name], batch["cache_read_tokens"], skip_nulls=False)
            batch = with_column(batch, name, kept)
        return batch

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """The rows of `prompt_caching_outlook`, which this makes for every endpoint, where a change is worth it."""
        rows = self.outlook(engine, usage)
        engine.put(f"{self.name}_outlook", pa.Table.from_pylist(rows, schema=OUTLOOK))
        worth = [{name: row[name] for name in OUTLOOK.names} for row in rows if row["is_worth_it"]]
        engine.put(f"{self.name}_evidence", pa.Table.from_pylist(worth, schema=OUTLOOK))
        return f"{self.name}_evidence"

    def outlook(self, engine: Engine, usage: str) -> list[dict[str, Any]]:
        """For every endpoint and model that a published rule covers: read shares, policies, and what breaks its openings."""
        verdicts = self.verdicts(engine, usage)
        mends = engine.fetch("prompt_breaks").to_pylist()
        params = {"look_back_messages": LOOK_BACK_MESSAGES}
        steps = engine.fetch(queries.run(engine, "session_steps", params=params, usage=usage)).to_pylist()
        found: dict[Place, dict[str, Any]] = {}
        for verdict in sorted(verdicts, key=lambda v: -v.totals["input_tokens"]):
            place = (verdict.totals["endpoint"], verdict.totals["model"])
            found.setdefault(place, _row(verdict, _break(verdict, place, mends, steps)))
        return list(found.values())

    def verdicts(self, engine: Engine, usage: str) -> list[Verdict]:
        """What can be said of each provider, endpoint and model that a published rule covers. Leaves `cache_touches`."""
        _prepare(engine)
        names = queries.run(engine, "priced_names", into="cache_names", usage=usage)
        pairs = {(row["provider"], row["model"]) for row in engine.fetch(names).to_pylist()}
        engine.put("cache_rules", caching.table(sorted(pairs)))
        touches = queries.run(engine, "cache_touches", params=self.params(), usage=usage)
        totals = engine.fetch(queries.run(engine, "cache_policies", touches=touches)).to_pylist()
        return [self._verdict(row) for row in totals]

    def _verdict(self, totals: Mapping[str, Any]) -> Verdict:
        rule = caching.rule_for(totals["provider"], totals["model"])
        assert rule is not None, "cache_touches holds only calls that a rule covers"
        return judge(totals, rule, self.policy, self.writes)


def _prepare(engine: Engine) -> None:
    """What depends on the prompts alone is worked out once for every replay."""
    made = engine.tables()
    if "prefix_nodes" not in made:
        prefixes.load(engine)
    if "prompt_breaks" not in made:
        breaks.load(engine)


def _ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    values: npt.NDArray[np.int64] = column.to_numpy().astype(np.int64)
    return values


def _row(verdict: Verdict, found: dict[str, Any] | None) -> dict[str, Any]:
    row, rule = verdict.totals, verdict.rule
    return {
        "endpoint": row["endpoint"],
        "model": row["model"],
        "read_share_now": row["read_tokens"] / row["input_tokens"],
        "read_share_possible": verdict.possible_tokens / row["input_tokens"],
        "break": found,
        "best_policy": verdict.best_policy,
        "writes": verdict.chosen.writes if verdict.chosen else None,
        "now_input_bill_ratio": verdict.now_bill_tokens / row["input_tokens"],
        "never_shared_share": 1 - row["shared_tokens"] / row["input_tokens"],
        "policies": [
            {
                "policy": way.policy,
                "writes": way.writes,
                "read_share": way.read_tokens / row["input_tokens"],
                "written_share": way.written_tokens / row["input_tokens"],
                "input_bill_ratio": way.bill_tokens / row["input_tokens"],
                "loses_money": way.bill_tokens > verdict.now_bill_tokens,
            }
            for way in verdict.policies
        ],
        "rule": {"as_of": rule.as_of, "source": rule.source, "confidence": rule.confidence, "note": rule.note or None},
        "is_worth_it": verdict.chosen is not None,
    }


def _break(
    verdict: Verdict, place: Place, mends: list[dict[str, Any]], steps: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """What to mend: text that changes early, if the rule would read more without it; else what cuts conversations off."""
    own = [row for row in mends if (row["endpoint"], row["model"]) == place]
    if own and verdict.totals["short_tokens"] > verdict.totals["base_tokens"]:
        widest = max(own, key=lambda row: (row["static_bytes"], row["node_hash"]))
        return {
            "kinds": widest["kinds"].split(),
            "where": widest["place"],
            "byte_offset": widest["byte_offset"],
            "example": widest["example"],
        }
    conversations = [row for row in steps if (row["endpoint"], row["model"]) == place]
    kinds = [kind for row in conversations for kind in _cut_off(row)]
    if not kinds:
        return None
    return {"kinds": kinds, "where": STEP_KINDS[kinds[0]], "byte_offset": None, "example": None}


def _cut_off(row: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of steps that matter, the commonest first."""
    for kind in sorted(STEP_KINDS, key=lambda kind: (-row[kind], kind)):
        if row[kind] > STEPS_THAT_MATTER * row["steps"]:
            yield kind


LEVER = PromptCaching
