"""Calls that a newer or smaller model could answer for less, or the same model with less thought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from llmaudit import queries
from llmaudit.detectors import exact, sample
from llmaudit.detectors.words import stable_hash
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.levers.base import Lever, Stage, with_column

FEWEST_CALLS = 30
"""Answered calls of an endpoint and model, pairs of answers, or answers of either model: fewer are no evidence."""

MUCH_THOUGHT = 0.5
"""Share of output tokens that is reasoning, from which on less effort is tried before another model."""

AGREES = 0.95
"""Lower end of the agreement from which on all calls may move."""

DIFFERS = 0.01
"""Exact McNemar: below it the cheaper model says something else where the dearer one repeats itself."""

LEAST_EASY_SHARE = 0.1

EASY = pa.schema([("request_id", pa.string()), ("is_easy", pa.bool_())])
WAYS = pa.schema(
    [
        ("provider", pa.string()),
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("to_provider", pa.string()),
        ("to_model", pa.string()),
        ("output_ratio", pa.float64()),
        ("thought_ratio", pa.float64()),
        ("is_sorted", pa.bool_()),
        ("easy_share", pa.float64()),
    ]
)
"""What is done to the calls of a provider, endpoint and model. `thought_ratio`: less reasoning and no other model;
`is_sorted`: only easy prompts move."""

_SHARE = pa.struct([("estimate", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("n", pa.int64())])

EVIDENCE = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("verdict", pa.string()),
        ("to_model", pa.string()),
        ("to_provider", pa.string()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("as_of", pa.string()),
        ("note", pa.string()),
        ("price_ratio_input", pa.float64()),
        ("price_ratio_output", pa.float64()),
        ("answered_calls", pa.int64()),
        ("reasoning_share", pa.float64()),
        ("verbosity_ratio", pa.float64()),
        ("verbosity_calls", pa.int64()),
        ("agreement", _SHARE),
        ("own_agreement", _SHARE),
        ("mcnemar_p", pa.float64()),
        ("easy_share", pa.float64()),
        ("easy_agreement", _SHARE),
        ("alternatives", pa.list_(pa.string())),
        ("evaluation", pa.string()),
        ("low_factor", pa.float64()),
        ("high_factor", pa.float64()),
    ]
)
"""`agreement`: equal answers of the two models to equal prompts; `own_agreement`: of the dearer one to itself. Verbosity: output
tokens of the cheaper model for each of the dearer one, and on how many calls it was measured; null is unknown, and 1 is assumed."""

Place = tuple[str, str | None, str]
"""Provider, endpoint, model."""
Model = tuple[str, str]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """What the log says of one change to one endpoint and model."""

    place: Place
    answered: Row
    verdict: str
    target: Row | None = None
    """Its row of `siblings`."""
    pairs: Row | None = None
    """Its row of size_agreements.sql."""
    verbosity: float | None = None
    verbosity_calls: int = 0
    sorted: Any = None
    alternatives: Sequence[str] = field(default_factory=tuple)

    @property
    def is_shown(self) -> bool:
        """Whether the log itself speaks for it."""
        return self.verdict in ("move", "route")

    @property
    def is_possible(self) -> bool:
        return self.verdict not in ("keep", "retires")


@dataclass(frozen=True)
class RightSize(Lever):
    """Ask a cheaper model, or the same one for less thought, where the log or a dated table of siblings names one.

    Effort comes before models. A model that the endpoint already uses comes before one from the table; where both were
    asked the same, their answers say whether all calls may move, only prompts that are easy, or none. Without such pairs
    nothing is claimed: the finding is an evaluation to run, worth nothing until it is, and what moving everything would
    save is its high end. Never to a model that retires within half a year. See docs/levers/right_size.md.
    """

    name = "right_size"
    stage = Stage.ROUTE
    rank = 1
    grade = "C"
    action = "Run the evaluation that the evidence describes on a share of these calls, and move those that pass."
    effort = "days"
    risk = "medium"
    scope = ("request_id",)
    reads = ("billable",)
    steady = True

    effort_cut: float = 0.5
    unproven: bool = False
    """Whether to change calls, too, whose answers nothing in the log compares."""
    leave: Sequence[str] = ()
    """Endpoints that another route takes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "leave", (self.leave,) if isinstance(self.leave, str) else tuple(self.leave))
        if not 0 < self.effort_cut < 1:
            raise AuditError(f"levers.right_size.effort_cut = {self.effort_cut} should be between 0 and 1.")

    def assumes(self) -> tuple[str, ...]:
        return (
            "input is as many tokens for the cheaper model, and output as the log measures it, else as many too",
            f"a step down in effort takes {self.effort_cut:.0%} of the reasoning away",
            "moved calls read and write the provider's cache as before, and are as often asked again",
        )

    def prepare(self, engine: Engine) -> None:
        queries.run(engine, "size_pairs")
        ways = self._ways(engine)
        easy = [{"request_id": at, "is_easy": is_easy} for way in ways if way.sorted for at, is_easy in way.sorted[1]]
        engine.put("size_easy", pa.Table.from_pylist(easy, schema=EASY))
        rows = [self._row(way) for way in ways if way.is_shown or (self.unproven and way.is_possible)]
        engine.put(self._table, pa.Table.from_pylist(rows, schema=WAYS))
        shown: dict[tuple[str | None, str], dict[str, Any]] = {}
        for way in sorted(ways, key=lambda way: -way.answered["answered_calls"]):
            shown.setdefault(way.place[1:], _evidence(way))
        engine.put(f"{self._table}_evidence", pa.Table.from_pylist(list(shown.values()), schema=EVIDENCE))

    def hits(self, engine: Engine, usage: str) -> str:
        return queries.run(engine, self.name, into=f"{self.name}_hits", usage=usage, size_ways=self._table)

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        for name in ("model", "request_model", "response_model"):
            batch = with_column(batch, name, batch["to_model"])
        batch = with_column(batch, "provider", batch["to_provider"])
        for name in ("output_tokens", "reasoning_tokens"):
            batch = with_column(batch, name, batch[f"to_{name}"])
        return with_column(batch, "reported_cost_usd", pa.nulls(batch.num_rows, batch["reported_cost_usd"].type))

    def evidence(self, engine: Engine, usage: str) -> str | None:
        """What `prepare` has found of each endpoint and model, those too that nothing is proposed for."""
        del engine, usage
        return f"{self._table}_evidence"

    def if_it_holds(self) -> RightSize | None:
        return None if self.unproven else replace(self, unproven=True)

    @property
    def _table(self) -> str:
        return f"size_ways_{round(self.effort_cut * 1e6)}_{int(self.unproven)}_{stable_hash(' '.join(self.leave))}"

    def _row(self, way: Way) -> dict[str, Any]:
        provider, endpoint, model = way.place
        target = way.target or {"to_provider": provider, "to_model": model}
        return {
            "provider": provider,
            "endpoint": endpoint,
            "model": model,
            "to_provider": target["to_provider"],
            "to_model": target["to_model"],
            "output_ratio": way.verbosity or 1.0,
            "thought_ratio": None if way.target else 1 - self.effort_cut,
            "is_sorted": way.sorted is not None,
            "easy_share": way.sorted[0].share if way.sorted else None,
        }

    def _ways(self, engine: Engine) -> list[Way]:
        """At most one way for each provider, endpoint and model."""
        places: dict[Place, Row] = {
            (row["provider"], row["endpoint"], row["model"]): row
            for row in engine.fetch(queries.run(engine, "size_places")).to_pylist()
        }
        siblings: dict[Model, list[Row]] = defaultdict(list)
        for row in engine.fetch("siblings").to_pylist():
            siblings[row["provider"], row["model"]].append(row)
        agreements: dict[tuple[Place, Model], Row] = {
            ((row["provider"], row["endpoint"], row["model"]), (row["to_provider"], row["to_model"])): row
            for row in engine.fetch(queries.run(engine, "size_agreements")).to_pylist()
        }
        ways = []
        for place, answered in places.items():
            if answered["answered_calls"] < FEWEST_CALLS or place[1] in self.leave:
                continue
            way = _way(place, answered, siblings[place[0], place[2]], places, agreements)
            if way is not None:
                ways.append(way)
        return _sorted(engine, ways)


def _way(
    place: Place,
    answered: Row,
    siblings: Sequence[Row],
    places: Mapping[Place, Row],
    agreements: Mapping[tuple[Place, Model], Row],
) -> Way | None:
    if _thought_share(answered) >= MUCH_THOUGHT:
        return Way(place, answered, "effort")
    listed = sorted((row for row in siblings if row["kind"] != "logged"), key=lambda row: row["place"])
    used = [row for row in siblings if (row["to_provider"], place[1], row["to_model"]) in places]
    used = [row for row in used if row["kind"] == "logged"]
    found = [_judged(place, answered, row, places, agreements) for row in used]
    found = [way for way in found if way.pairs is not None or way.verbosity is not None]
    found += [_judged(place, answered, row, places, agreements) for row in listed]
    if not found:
        return None
    best = min(found, key=_preference)
    return replace(best, alternatives=tuple(dict.fromkeys(_said(way) for way in found if way is not best)))


def _said(way: Way) -> str:
    """Another candidate, in a few words."""
    assert way.target is not None
    pairs = f", {way.pairs['same_pairs']:,} of {way.pairs['pairs']:,} answers equal" if way.pairs else ""
    return f"{way.target['to_model']}{pairs}{', retires soon' if way.verdict == 'retires' else ''}"


_ORDER = ("move", "compared", "evaluate", "keep", "retires")


def _preference(way: Way) -> tuple[int, bool, int, float]:
    assert way.target is not None
    target = way.target
    return _ORDER.index(way.verdict), way.verbosity is None, target["place"], target["output_ratio"]


def _judged(
    place: Place, answered: Row, target: Row, places: Mapping[Place, Row], agreements: Mapping[tuple[Place, Model], Row]
) -> Way:
    to = (target["to_provider"], target["to_model"])
    pairs = agreements.get((place, to))
    pairs = pairs if pairs and pairs["pairs"] >= FEWEST_CALLS else None
    verbosity, calls = _verbosity(answered, places.get((to[0], place[1], to[1])), pairs)
    verdict = "retires" if target["is_going"] else _verdict(pairs)
    return Way(place, answered, verdict, target, pairs, verbosity, calls)


def _verdict(pairs: Row | None) -> str:
    if pairs is None:
        return "evaluate"
    low, _ = exact.share_interval(pairs["same_pairs"], pairs["pairs"])
    if low >= AGREES:
        return "move"
    chance = exact.mcnemar(pairs["repeats_only_pairs"], pairs["says_only_pairs"])
    if chance is not None and chance < DIFFERS and pairs["repeats_only_pairs"] > pairs["says_only_pairs"]:
        return "compared"
    return "compared" if pairs["same_pairs"] else "evaluate"


def _verbosity(answered: Row, other: Row | None, pairs: Row | None) -> tuple[float | None, int]:
    """On equal prompts if there are enough, else over all answers of both models on the endpoint."""
    if pairs and pairs["sized_pairs"] >= FEWEST_CALLS and pairs["output_tokens"]:
        return pairs["to_output_tokens"] / pairs["output_tokens"], pairs["sized_pairs"]
    sized = min(answered["sized_calls"], other["sized_calls"]) if other else 0
    if other is None or sized < FEWEST_CALLS or not answered["output_tokens"]:
        return None, 0
    own = answered["output_tokens"] / answered["sized_calls"]
    return other["output_tokens"] / other["sized_calls"] / own, sized


def _thought_share(answered: Row) -> float:
    return (answered["reasoning_tokens"] or 0) / answered["output_tokens"] if answered["output_tokens"] else 0.0


def _sorted(engine: Engine, ways: Sequence[Way]) -> list[Way]:
    """Where two models agree on some prompts: which prompts these are, if their texts tell; else nothing moves unseen."""
    compared = [way for way in ways if way.verdict == "compared"]
    if not compared:
        return list(ways)
    texts, calls = _sampled(engine)
    return [_sort(way, texts, calls) if way.verdict == "compared" else way for way in ways]


def _sampled(engine: Engine) -> tuple[dict[str, str], list[Row]]:
    """Prompts of the sampled calls, and these calls with what both models said; nothing where no text was kept."""
    if "sample" not in engine.tables():
        return {}, []
    return sample.prompts(engine), engine.fetch(queries.run(engine, "size_sampled")).to_pylist()


def _sort(way: Way, texts: Mapping[str, str], calls: Sequence[Row]) -> Way:
    from llmaudit.detectors import difficulty

    assert way.target is not None
    assert way.pairs is not None
    to = (way.target["to_provider"], way.target["to_model"])
    own = [
        row
        for row in calls
        if (row["provider"], row["endpoint"], row["model"]) == way.place and row["call_key"] in texts
    ]
    pairs: dict[int, Row] = {}
    for row in own:
        if (row["to_provider"], row["to_model"]) == to:
            pairs.setdefault(row["prompt_hash"], row)
    asked = {row["request_id"]: texts[row["call_key"]] for row in own}
    known = [texts[row["call_key"]] for row in pairs.values()]
    found = difficulty.sort(known, [row["says_same"] for row in pairs.values()], list(asked.values()))
    if found is not None and found.share >= LEAST_EASY_SHARE:
        return replace(way, verdict="route", sorted=(found, list(zip(asked, found.easy, strict=True))))
    chance = exact.mcnemar(way.pairs["repeats_only_pairs"], way.pairs["says_only_pairs"])
    return replace(way, verdict="keep" if chance is not None and chance < DIFFERS else "evaluate")


def _evidence(way: Way) -> dict[str, Any]:
    target, pairs, sorted_ = way.target or {}, way.pairs, way.sorted[0] if way.sorted else None
    provider, endpoint, model = way.place
    low, high = _factors(way)
    return {
        "endpoint": endpoint,
        "model": model,
        "verdict": way.verdict,
        "to_model": target.get("to_model", model),
        "to_provider": target.get("to_provider", provider),
        "kind": target.get("kind", "effort"),
        "source": target.get("source"),
        "as_of": target.get("as_of"),
        "note": target.get("note"),
        "price_ratio_input": target.get("input_ratio", 1.0),
        "price_ratio_output": target.get("output_ratio", 1.0),
        "answered_calls": way.answered["answered_calls"],
        "reasoning_share": _thought_share(way.answered),
        "verbosity_ratio": way.verbosity,
        "verbosity_calls": way.verbosity_calls,
        "agreement": _share(pairs["same_pairs"], pairs["pairs"]) if pairs else None,
        "own_agreement": _own_agreement(pairs),
        "mcnemar_p": exact.mcnemar(pairs["repeats_only_pairs"], pairs["says_only_pairs"]) if pairs else None,
        "easy_share": sorted_.share if sorted_ else None,
        "easy_agreement": _share(round(sorted_.agreement * sorted_.share * sorted_.n), round(sorted_.share * sorted_.n))
        if sorted_
        else None,
        "alternatives": list(way.alternatives),
        "evaluation": _evaluation(way),
        "low_factor": low,
        "high_factor": high,
    }


def _own_agreement(pairs: Row | None) -> dict[str, Any] | None:
    """How often the dearer model repeats itself. None where it was not asked twice."""
    if not pairs or not pairs["repeated_pairs"]:
        return None
    return _share(pairs["repeats_pairs"], pairs["repeated_pairs"])


def _share(hits: int, tries: int) -> dict[str, Any]:
    low, high = exact.share_interval(hits, tries)
    return {"estimate": hits / tries if tries else None, "low": low, "high": high, "n": tries}


def _factors(way: Way) -> tuple[float, float]:
    """What share of the saving is left if the evaluation goes badly: none of it where nothing is shown yet."""
    if way.verdict == "move" and way.pairs:
        return exact.share_interval(way.pairs["same_pairs"], way.pairs["pairs"])[0], 1.0
    if way.verdict == "route":
        return float(way.sorted[0].low), 1.0
    return 0.0, 1.0


_PASSES = "300 answers of both, blind; move if a reviewer or a test finds at most 3 that are worse"


def _evaluation(way: Way) -> str:
    if way.verdict == "effort":
        return f"Ask {FEWEST_CALLS * 10} of these prompts again one step lower in effort, and compare: {_PASSES}."
    name = way.target["to_model"] if way.target else way.place[2]
    if way.verdict == "move":
        return f"The log shows equal answers. Move a tenth of the calls to {name} for a week, and compare what comes after."
    if way.verdict == "route":
        return f"Send easy prompts to {name} and a twentieth of them to both, and stop where fewer than 97 % agree."
    if way.verdict == "retires":
        return f"{name} retires within half a year: choose a model that stays before comparing answers."
    if way.verdict == "keep":
        return f"{name} answers otherwise where the model of today repeats itself: nothing to evaluate before that changes."
    return f"Ask {name} the prompts of a share of these calls: {_PASSES}. Count its output tokens, too."


LEVER = RightSize
