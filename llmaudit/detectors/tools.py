"""Which of the tools that an endpoint offers its model ever calls, as far as the text sample shows."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine

FEWEST_CALLS = 50
"""Fewer sampled calls prove nothing of a tool that none of them used: 3/50 still leaves it 6 % of calls."""

UNIT = "\x1f"
SHOWN = 12

IDLE = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("tools_hash", pa.int64()),
        ("tools_bytes", pa.int64()),
        ("idle_bytes", pa.int64()),
    ]
)
"""Bytes of a tool set's schemas, and of those among them that the endpoint's sampled calls never use."""

EVIDENCE = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("tools_offered", pa.int64()),
        ("tools_used", pa.int64()),
        ("tools_used_per_session", pa.float64()),
        ("sampled_calls", pa.int64()),
        ("sampled_sessions", pa.int64()),
        ("most_use_of_an_idle_tool", pa.float64()),
        ("idle_tools", pa.list_(pa.string())),
        ("idle_share_of_schemas", pa.float64()),
    ]
)
"""`tools_used_per_session` is a median. `most_use_of_an_idle_tool`: the share of calls that might use one at most, at 95 % (rule of three)."""

Place = tuple[str | None, str | None]


@dataclass
class Seen:
    """What the sample shows of one endpoint and model. Sets of tools may differ from call to call."""

    calls: int = 0
    sizes: dict[int, dict[str, int]] = field(default_factory=dict)
    """Tool set -> name -> UTF-8 bytes of its schema."""
    used: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Session -> names of the tools called in it."""

    @property
    def offered(self) -> set[str]:
        return {name for sizes in self.sizes.values() for name in sizes}

    @property
    def idle(self) -> set[str]:
        """Names that no sampled call used; none where too few calls were seen to say so."""
        if self.calls < FEWEST_CALLS:
            return set()
        return self.offered - {name for names in self.used.values() for name in names}


def load(engine: Engine) -> dict[Place, Seen]:
    """Look at the sampled calls that offer tools. Puts the table `idle_tools`; needs `sample`, `requests`, `sample_texts`."""
    seen = _seen(engine) if "sample" in engine.tables() else {}
    rows = [
        {
            "endpoint": endpoint,
            "model": model,
            "tools_hash": tools_hash,
            "tools_bytes": sum(sizes.values()),
            "idle_bytes": sum(size for name, size in sizes.items() if name in found.idle),
        }
        for (endpoint, model), found in seen.items()
        for tools_hash, sizes in found.sizes.items()
        if found.idle & sizes.keys()
    ]
    engine.put("idle_tools", pa.Table.from_pylist(rows, schema=IDLE))
    return seen


def evidence(seen: Mapping[Place, Seen]) -> pa.Table:
    """One row for each endpoint and model that offers tools none of its sampled calls uses."""
    rows = [_evidence(place, found) for place, found in seen.items() if found.idle]
    return pa.Table.from_pylist(rows, schema=EVIDENCE)


def schemas(text: str) -> dict[str, int]:
    """Name -> UTF-8 bytes of each tool in the `tools` of a request, in the shape of any provider. Nothing where it is torn.

    >>> schemas('[{"type": "function", "function": {"name": "find"}}, {"name": "pay", "input_schema": {}}]')
    {'find': 50, 'pay': 35}
    """
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {name: len(json.dumps(tool).encode()) for tool in _tools(found) if (name := _name(tool))}


def _tools(found: Any) -> Iterator[dict[str, Any]]:
    """Single tools, whatever holds them: a list, Bedrock's `tools`, Gemini's lists of declarations."""
    if isinstance(found, list):
        for item in found:
            yield from _tools(item)
    elif isinstance(found, dict):
        inside = next(
            (found[key] for key in ("tools", "functionDeclarations", "function_declarations") if key in found), None
        )
        if inside is None:
            yield found
        else:
            yield from _tools(inside)


def _name(tool: Mapping[str, Any]) -> str | None:
    for holder in (tool, *(tool[key] for key in ("function", "toolSpec") if isinstance(tool.get(key), dict))):
        if isinstance(holder.get("name"), str) and holder["name"]:
            return str(holder["name"])
    return None


def _seen(engine: Engine) -> dict[Place, Seen]:
    calls = engine.fetch(queries.run(engine, "seen_tool_calls")).to_pylist()
    texts = {row["text_hash"]: row for row in engine.fetch("sample_texts").to_pylist()} if calls else {}
    sizes = {key: schemas(row["text"]) for key, row in texts.items() if row["kind"] == "tools"}
    found: dict[Place, Seen] = defaultdict(Seen)
    known: dict[tuple[int, frozenset[str]], frozenset[str]] = {}
    for call in calls:
        own = next((sizes[piece] for piece in call["message_hashes"] if piece in sizes), None)
        if not own or call["output_hash"] not in texts:
            continue
        place = found[call["endpoint"], call["model"]]
        place.calls += 1
        place.sizes[call["tools_hash"]] = own
        names = frozenset(own)
        for piece in (*call["message_hashes"], call["output_hash"]):
            if (piece, names) not in known:
                known[piece, names] = _called(texts.get(piece), names)
            place.used[call["session"]] |= known[piece, names]
    return dict(found)


def _called(row: Mapping[str, Any] | None, names: frozenset[str]) -> frozenset[str]:
    """Tools that a piece of a conversation calls: an answer, or an earlier answer sent again. A mere mention counts as a call."""
    if row is None or not (row["kind"] == "output" or row["role"] == "assistant" or row["role"] == "model"):
        return frozenset()
    return names & set(re.findall(r"[\w.-]+", row["text"]))


def _evidence(place: Place, found: Seen) -> dict[str, Any]:
    sizes: dict[str, int] = {}
    for own in found.sizes.values():
        sizes |= own
    idle = sorted(found.idle, key=lambda name: (-sizes[name], name))
    return {
        "endpoint": place[0],
        "model": place[1],
        "tools_offered": len(found.offered),
        "tools_used": len(found.offered) - len(idle),
        "tools_used_per_session": float(median(_counts(found))),
        "sampled_calls": found.calls,
        "sampled_sessions": len(found.used),
        "most_use_of_an_idle_tool": min(1.0, 3 / found.calls),
        "idle_tools": idle[:SHOWN],
        "idle_share_of_schemas": sum(sizes[name] for name in idle) / sum(sizes.values()),
    }


def _counts(found: Seen) -> Sequence[int]:
    return [len(names) for names in found.used.values()] or [0]
