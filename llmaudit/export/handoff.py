"""Examples of one endpoint for whoever trains or tests a model on them: cleaned, split so that nothing leaks, each call accounted for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from llmaudit import queries
from llmaudit.detectors import personal, verdicts
from llmaudit.detectors.answers import normal
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError, UnknownName
from llmaudit.export import acceptance
from llmaudit.export.conversations import Message, Piece, Unfit, answer_of, prompt_of, tools_of
from llmaudit.lake import Lake
from llmaudit.lake.masking import MASK, mask_column

MOST = 10_000
"""Calls that examples are made of, the first by a public hash; more of them teach a small model little."""

HELD_OUT_SHARE, MOST_HELD_OUT, VALIDATION_SHARE = 0.2, 0.3, 0.1
SIDES = ("train", "validation", "held-out")
LATE_COPY = "late_copy"
_ENDPOINTS_NAMED = 12

Ints = npt.NDArray[np.int64]
_EVER = datetime(1970, 1, 1)  # noqa: DTZ001 - times of a lake are UTC without a zone


@dataclass(frozen=True)
class Example:
    """One distinct input with the answer it got, in OpenAI's words."""

    id: str
    """request_id of the call it was made of."""
    key: str
    at: datetime | None
    messages: list[Message]
    answer: Message
    tools: list[dict[str, Any]]
    session_id: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    family: int = -1

    @property
    def said(self) -> str:
        """The answer as one text."""
        calls = "".join(f"\n{_as_text(call['function'])}" for call in self.answer.get("tool_calls", ()))
        return f"{self.answer.get('content') or ''}{calls}".strip()


@dataclass(frozen=True)
class Handoff:
    """Everything that is handed over about one endpoint, and what was left behind."""

    endpoint: str
    provider: str | None
    model: str | None
    """Whose answers these are."""
    sides: Mapping[str, list[Example]]
    calls: int
    """All calls of the endpoint in the window."""
    left_out: Mapping[str, int]
    """Calls that are in no file, by reason: with those in the files they come to `calls`."""
    other_models: Mapping[str, int]
    """Calls that other models answered, by model."""
    first_at: datetime | None
    last_at: datetime | None
    cut_at: datetime | None
    """Held-out inputs first appear from here on, all others came before; None where calls have no time."""
    families: int
    text: str
    """The lake's text mode."""
    masked: int
    """Examples with a masked secret."""
    personal: Mapping[str, int]
    """Examples with what looks like personal data, by kind."""
    verdict: verdicts.Verdict
    versions: Mapping[str, int]
    """Versions of the lake's tables that were read."""
    cost_usd: Decimal | None = field(default=None)
    """What the endpoint's calls cost."""

    @property
    def examples(self) -> list[Example]:
        return [example for side in SIDES for example in self.sides[side]]


def gather(
    engine: Engine,
    lake: Lake,
    endpoint: str,
    *,
    model: str | None = None,
    held_out: int | None = None,
    most: int = MOST,
) -> Handoff:
    """Make examples of an endpoint's calls and part them. `held_out` is how many are wanted, at most half of them.

    Left out, it is as many as the usual acceptance test takes, between a fifth and three tenths.

    Reads the tables requests, texts and batches. Raises AuditError where there is nothing to hand over.
    """
    if lake.text == "none":
        raise AuditError(
            f'{lake.path} keeps no texts (text = "none"), so there is nothing to train on. Take the logs into a new lake: '
            "llmaudit ingest LOGS --lake NEW --text all (or sample)."
        )
    fates = _fates(engine, endpoint, None)
    if fates.is_empty():
        raise _unknown(engine, lake, endpoint)
    cost = _total(fates["cost_usd"])
    provider, teacher = _teacher(fates, model)
    fates = _fates(engine, endpoint, teacher)
    queries.run(engine, "handoff_usable", params={"most": most})
    usable = pl.DataFrame(engine.fetch("handoff_usable"))
    made, unfit = _made(usable, _pieces(engine))
    if not made:
        raise _nothing(endpoint, fates, unfit, lake)
    left = Counter({r["fate"]: r["requests"] for r in _by_fate(fates)})
    left["beyond_the_most"] = left.pop("usable", 0) - usable.height
    left.update(unfit)
    distinct, repeats = _distinct(made)
    left.update(repeats)
    sides, cut_at, families = _parted(distinct, held_out)
    left[LATE_COPY] = len(distinct) - sum(map(len, sides.values()))
    _check(endpoint, sides, families)
    kept = [example for side in SIDES for example in sides[side]]
    shown = [_all_text(example) for example in kept]
    return Handoff(
        endpoint=endpoint,
        provider=provider,
        model=teacher,
        sides=sides,
        calls=int(fates["requests"].sum()),
        left_out={code: count for code, count in sorted(left.items()) if count},
        other_models={str(r["model"]): r["requests"] for r in fates.filter(pl.col("fate") == "other_model").to_dicts()},
        first_at=min((e.at for e in kept if e.at), default=None),
        last_at=max((e.at for e in kept if e.at), default=None),
        cut_at=cut_at,
        families=families,
        text=lake.text,
        masked=sum(MASK in text for text in shown),
        personal=personal.counted(shown),
        verdict=_verdict(endpoint, int(fates["requests"].sum()), cost, made),
        versions=lake.versions(("requests", "texts", "ingests")),
        cost_usd=cost,
    )


def _parted(distinct: Sequence[Example], held_out: int | None) -> tuple[dict[str, list[Example]], datetime | None, int]:
    """The examples of each side, the moment that parts them, and how many families there are."""
    families = families_of(distinct, inputs_of(distinct))
    of_family = [replace(example, family=int(family)) for example, family in zip(distinct, families, strict=True)]
    wanted = _wanted(len(distinct), held_out)
    placed, cut_at = split([e.at for e in distinct], families, [e.key for e in distinct], wanted)
    sides = {side: _in_order(e for e, where in zip(of_family, placed, strict=True) if where == side) for side in SIDES}
    return sides, cut_at, len(set(families.tolist()))


def split(
    times: Sequence[datetime | None], families: Ints, keys: Sequence[str], held_out: int
) -> tuple[list[str], datetime | None]:
    """Where each example goes, and the moment that parts them; no family is on two sides.

    The families that appeared last are held out, until `held_out` examples are; what is trained on came before the first
    of them. A later copy of an earlier input goes nowhere (LATE_COPY). Without times, families go by the order of `keys`.
    """
    rows = np.arange(len(families))
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row in rows.tolist():
        members[int(families[row])].append(row)
    placed = [""] * len(rows)
    cut_at = _held_out(placed, times, members, held_out)
    if cut_at is None:
        _fill(placed, "held-out", _by_key(members.values(), keys), held_out, len(rows) // 2)
    rest = [free for group in members.values() if (free := [row for row in group if not placed[row]])]
    free_rows = sum(map(len, rest))
    _fill(placed, "validation", _by_key(rest, keys), max(1, round(VALIDATION_SHARE * free_rows)), free_rows // 2)
    return [side or "train" for side in placed], cut_at


def families_of(examples: Sequence[Example], inputs: Sequence[str]) -> Ints:
    """Families of near-copies, as cross-validation has them; a conversation and what it grew into are one too."""
    from llmaudit.detectors.families import PromptFamilies

    found = PromptFamilies().fit(list(inputs)).labels_.tolist()
    whole: dict[bytes, int] = {}
    chains = [_chain(example.messages) for example in examples]
    for row, chain in enumerate(chains):
        whole.setdefault(chain[-1], row)
    joined = list(range(max(found, default=-1) + 1))
    for row, chain in enumerate(chains):
        for opening in chain[:-1]:
            if (earlier := whole.get(opening)) is not None:
                _join(joined, found[row], found[earlier])
    roots: dict[int, int] = {}
    return np.array([roots.setdefault(_root(joined, family), len(roots)) for family in found], dtype=np.int64)


def inputs_of(examples: Sequence[Example]) -> list[str]:
    """What varies from example to example, as verdicts read it."""
    return verdicts.inputs_of(
        pl.DataFrame(
            {
                "system": [_said_by(example, system=True) for example in examples],
                "prompt": [_said_by(example, system=False) for example in examples],
            },
            schema={"system": pl.String, "prompt": pl.String},
        )
    )


# --- from the lake ------------------------------------------------------------------------------------


def _fates(engine: Engine, endpoint: str, model: str | None) -> pl.DataFrame:
    params = {"endpoint": endpoint, "model": model}
    queries.run(engine, "handoff_calls", params=params, text_rows="texts")
    return pl.DataFrame(engine.fetch(queries.run(engine, "handoff_fates")))


def _total(costs: pl.Series) -> Decimal | None:
    """None where no call has a price."""
    known: list[Decimal] = costs.drop_nulls().to_list()
    return sum(known, Decimal(0)) if known else None


def _by_fate(fates: pl.DataFrame) -> list[dict[str, Any]]:
    return fates.group_by("fate").agg(pl.col("requests").sum()).sort("fate").to_dicts()


def _teacher(fates: pl.DataFrame, asked: str | None) -> tuple[str | None, str | None]:
    """The model whose answers are taught: the one asked for, else the one that the usable calls cost most with."""
    if asked is not None:
        known = fates["model"].drop_nulls().unique().sort().to_list()
        if asked not in known:
            raise UnknownName("model of this endpoint", asked, known)
        return fates.filter(pl.col("model") == asked)["provider"][0], asked
    usable = fates.filter(pl.col("fate") == "usable")
    ranked = (usable if not usable.is_empty() else fates).sort(
        "cost_usd", "requests", "model", descending=[True, True, False], nulls_last=True
    )
    return ranked["provider"][0], ranked["model"][0]


def _pieces(engine: Engine) -> dict[int, Piece]:
    """The kept texts of the usable calls; secrets masked once more, for lakes that an older llmaudit filled."""
    texts = engine.fetch(queries.run(engine, "handoff_texts", text_rows="texts"))
    clean = mask_column(texts.column("text").combine_chunks()) if texts.num_rows else texts.column("text")
    rows = zip(
        *(texts.column(name).to_pylist() for name in ("text_hash", "kind", "role")), clean.to_pylist(), strict=True
    )
    return {number: Piece(kind, role, text or "") for number, kind, role, text in rows}


def _made(usable: pl.DataFrame, known: Mapping[int, Piece]) -> tuple[list[Example], Counter[str]]:
    made, unfit = [], Counter[str]()
    for row in usable.iter_rows(named=True):
        try:
            made.append(_example(row, known))
        except Unfit as why:
            unfit[why.code] += 1
    return made, unfit


def _example(row: Mapping[str, Any], known: Mapping[int, Piece]) -> Example:
    hashes = row["message_hashes"] or []
    if row["output_hash"] not in known or any(number not in known for number in hashes):
        raise Unfit("text_not_kept")
    pieces = [known[number] for number in hashes]
    return Example(
        id=row["request_id"],
        key=row["call_key"],
        at=row["started_at"],
        messages=prompt_of(pieces),
        answer=answer_of(known[row["output_hash"]].text),
        tools=tools_of(pieces),
        session_id=row["session_id"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cost_usd=row["cost_usd"],
    )


def _distinct(made: Sequence[Example]) -> tuple[list[Example], Counter[str]]:
    """Each input once, with the answer it got most often; of equals the earlier one."""
    groups: defaultdict[str, list[Example]] = defaultdict(list)
    for example in made:
        groups[_as_text([example.messages, example.tools])].append(example)
    kept, left = [], Counter[str]()
    for group in groups.values():
        ordered = sorted(group, key=_when)
        answers = [normal(example.said) for example in ordered]
        usual = max(answers, key=lambda answer: (answers.count(answer), -answers.index(answer)))
        kept.append(ordered[answers.index(usual)])
        left["repeat"] += answers.count(usual) - 1
        left["other_answer_to_the_same"] += len(answers) - answers.count(usual)
    return sorted(kept, key=_when), left


def _verdict(endpoint: str, requests: int, cost: Decimal | None, made: Sequence[Example]) -> verdicts.Verdict:
    """What the report says of such an endpoint, from these calls."""
    rows = [
        {
            "request_id": example.id,
            "call_key": example.key,
            "endpoint": endpoint,
            "status": "ok",
            "started_at": example.at,
            "system": _said_by(example, system=True),
            "prompt": _said_by(example, system=False),
            "output": example.answer.get("content") or "",
            "tools_offered": len(example.tools),
        }
        for example in sorted(made, key=lambda e: (e.key, e.id))[: verdicts.MAX_ROWS]
    ]
    calls = pl.DataFrame(
        [{"endpoint": endpoint, "requests": requests, "cost_usd": cost}],
        schema={"endpoint": pl.String, "requests": pl.Int64, "cost_usd": pl.Decimal(38, 12)},
    )
    [found] = verdicts.judge(pl.DataFrame(rows, schema=_JUDGED), calls)
    return found


_JUDGED: dict[str, type[pl.DataType] | pl.DataType] = {
    **dict.fromkeys(("request_id", "call_key", "endpoint", "status"), pl.String),
    "started_at": pl.Datetime("us"),
    **dict.fromkeys(("system", "prompt", "output"), pl.String),
    **dict.fromkeys(("tools_offered", "tools_called"), pl.Int32),
    **dict.fromkeys(("input_tokens", "output_tokens", "reasoning_tokens"), pl.Int64),
}


def _unknown(engine: Engine, lake: Lake, endpoint: str) -> AuditError:
    engine.run(
        "select endpoint, count(*) as requests from requests where endpoint is not null group by endpoint "
        "order by requests desc, endpoint",
        "handoff_endpoints",
        {},
    )
    known: pa.Table = engine.fetch("handoff_endpoints")
    names = known.column("endpoint").to_pylist()
    if not names:
        return AuditError(
            f"No call of {lake.path} has an endpoint yet. Let a report discover them first: llmaudit report --lake {lake.path}"
        )
    more = f" and {len(names) - _ENDPOINTS_NAMED:,} more" if len(names) > _ENDPOINTS_NAMED else ""
    return AuditError(f"No endpoint called {endpoint!r}. Known: {', '.join(names[:_ENDPOINTS_NAMED])}{more}.")


def _nothing(endpoint: str, fates: pl.DataFrame, unfit: Mapping[str, int], lake: Lake) -> AuditError:
    left = Counter({r["fate"]: r["requests"] for r in _by_fate(fates) if r["fate"] != "usable"})
    left.update(unfit)
    why = ", ".join(f"{count:,} {code.replace('_', ' ')}" for code, count in left.most_common())
    return AuditError(
        f"No call of {endpoint} makes an example: {why}. {lake.path} keeps text = {lake.text!r}; logs without prompts or "
        "answers cannot be trained on."
    )


def _check(endpoint: str, sides: Mapping[str, list[Example]], families: int) -> None:
    empty = [side for side in ("train", "held-out") if not sides[side]]
    if empty:
        raise AuditError(
            f"{endpoint}: nothing would be left for {' and '.join(empty)}. Its inputs are near-copies of "
            f"{families:,} text{'' if families == 1 else 's'}, and near-copies stay on one side: there is nothing unseen to test on."
        )


# --- splitting ----------------------------------------------------------------------------------------


def _wanted(count: int, asked: int | None) -> int:
    if asked is not None:
        return max(1, min(asked, count // 2))
    usual = acceptance.smallest(acceptance.FLOOR, (1 + acceptance.FLOOR) / 2).cases
    return min(max(round(HELD_OUT_SHARE * count), usual), round(MOST_HELD_OUT * count))


def _held_out(
    placed: list[str], times: Sequence[datetime | None], members: Mapping[int, list[int]], wanted: int
) -> datetime | None:
    """Mark the families that appeared last and the late copies of others; return the moment between, None if there is none."""
    if any(time is None for time in times):
        return None
    first = {family: min(t for row in rows if (t := times[row])) for family, rows in members.items()}
    starts: defaultdict[datetime, int] = defaultdict(int)
    for family, rows in members.items():
        starts[first[family]] += len(rows)
    count, cut_at = 0, None
    for start in sorted(starts, reverse=True)[:-1]:
        if count >= wanted or (count and count + starts[start] > len(times) // 2):
            break
        count, cut_at = count + starts[start], start
    if cut_at is None or count > len(times) - count:
        return None
    for family, rows in members.items():
        for row in rows:
            late = (time := times[row]) is not None and time >= cut_at
            placed[row] = "held-out" if first[family] >= cut_at else LATE_COPY if late else ""
    return cut_at


def _fill(placed: list[str], side: str, groups: Iterable[list[int]], wanted: int, most: int) -> None:
    """Give whole families to a side until it has enough, passing over those that would make it too large."""
    count = 0
    for group in groups:
        if count >= wanted:
            return
        if count + len(group) <= most:
            count += len(group)
            for row in group:
                placed[row] = side


def _by_key(groups: Iterable[list[int]], keys: Sequence[str]) -> list[list[int]]:
    return sorted(groups, key=lambda group: min(keys[row] for row in group))


def _chain(messages: Sequence[Message]) -> list[bytes]:
    """For every message: a name of the conversation up to it."""
    running = hashlib.blake2b(digest_size=16)
    names = []
    for message in messages:
        running.update(_as_text(message).encode())
        names.append(running.digest())
    return names


def _root(joined: list[int], at: int) -> int:
    while joined[at] != at:
        joined[at] = joined[joined[at]]
        at = joined[at]
    return at


def _join(joined: list[int], one: int, other: int) -> None:
    joined[_root(joined, one)] = _root(joined, other)


# --- texts of an example ------------------------------------------------------------------------------


def _said_by(example: Example, *, system: bool) -> str | None:
    texts = [
        message["content"] or _as_text(message["tool_calls"])
        for message in example.messages
        if (message["role"] == "system") is system
    ]
    return "\n".join(texts) if texts else None


def _all_text(example: Example) -> str:
    return _as_text([example.messages, example.answer])


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _when(example: Example) -> tuple[bool, datetime, str, str]:
    return example.at is None, example.at or _EVER, example.key, example.id


def _in_order(examples: Iterable[Example]) -> list[Example]:
    """By public hash: neither time nor label tells where an example stands in its file."""
    return sorted(examples, key=lambda e: (e.key, e.id))
