"""The profile of a task, besides the form of its answers: size, reasoning, repeats, drift, languages, what must not leak."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from llmaudit.detectors import languages, personal
from llmaudit.detectors.answers import Profile, normal, pairs_of, parsed
from llmaudit.detectors.drift import drift
from llmaudit.detectors.evidence import repeated
from llmaudit.lake.masking import MASK

LABELS, FIELDS = 50, 50
"""Labels and fields that are named; the others are counted."""
_READ = 500
"""Texts of an endpoint whose language is asked for."""
_SUSPECT = r"@|\d[\d ()./-]{6,}\d|[A-Z]{2}\d{2}|\d\.\d{1,3}\.\d{1,3}\.\d"
"""What every kind of personal data has somewhere: most texts need no closer look."""

KINDS: Mapping[type, str] = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


def described(form: Profile, seen: pl.DataFrame, tool_calls: int = 0) -> dict[str, Any]:
    """Profile of sampled calls with an answer; `seen` has `input`, `output`, times and token counts. Unknown is None.

    Shares are of these calls. Personal data is told by its shape: names and addresses are not looked for.
    """
    inputs, outputs = seen["input"].to_list(), seen["output"].to_list()
    answers = [normal(output) for output in outputs]
    pairs, same = repeated(inputs, answers)
    return {
        **form.as_dict(),
        "tool_calls": tool_calls,
        "label_set": _label_set(answers) if form.closed else [],
        "schema": schema_of(outputs) if form.form == "json" else [],
        "input_tokens": _sizes(seen, "input_tokens"),
        "output_tokens": _sizes(seen, "output_tokens"),
        "reasoning_share": _reasoning_share(seen),
        "repeats": pairs,
        "self_agreement": same / pairs if pairs else None,
        "drift": _drift(form, seen, inputs, answers),
        "languages": [{"language": name, "share": share} for name, share in languages.shares(inputs[:_READ]).items()],
        "personal": _personal(seen["input"], seen["output"]),
        "secrets": int((seen["input"] + seen["output"]).str.contains(MASK, literal=True).sum()),
    }


def _label_set(answers: Sequence[str]) -> list[dict[str, Any]]:
    counts = Counter(answers)
    ordered = sorted(counts, key=lambda label: (-counts[label], label))[:LABELS]
    return [{"label": label, "share": counts[label] / len(answers)} for label in ordered]


def schema_of(outputs: Sequence[str]) -> list[dict[str, Any]]:
    """Paths of the JSON answers with the share that has each, its kinds of value, and how many different values it takes.

    >>> schema_of(['{"who": "Ann", "n": 2}', '{"who": "Bo"}'])
    [{'path': 'who', 'share': 1.0, 'kinds': ['string'], 'values': 2}, {'path': 'n', 'share': 0.5, 'kinds': ['number'], 'values': 1}]
    """
    whole = [value for output in outputs if (value := parsed(output)) is not None]
    counts: Counter[str] = Counter()
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    values: defaultdict[str, set[str]] = defaultdict(set)
    for value in whole:
        leaves = list(_leaves(value, ""))
        counts.update({path for path, _ in leaves})
        for path, leaf in leaves:
            kinds[path].add(KINDS[type(leaf)])
            values[path].add(str(leaf).strip().casefold())
    paths = sorted(counts, key=lambda path: (-counts[path], path))[:FIELDS]
    return [
        {"path": path, "share": counts[path] / len(whole), "kinds": sorted(kinds[path]), "values": len(values[path])}
        for path in paths
    ]


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, f"{path}.{name}" if path else name)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner, f"{path}[]")]
    return [(path, value)]


def _sizes(seen: pl.DataFrame, name: str) -> dict[str, int] | None:
    known = seen[name].drop_nulls()
    if known.is_empty():
        return None
    return {end: int(known.quantile(at, "nearest") or 0) for end, at in (("p50", 0.5), ("p95", 0.95))}


def _reasoning_share(seen: pl.DataFrame) -> float | None:
    """Of the output tokens of calls that say how many of them are reasoning."""
    told = seen.filter(pl.col("reasoning_tokens").is_not_null() & pl.col("output_tokens").is_not_null())
    reasoning, output = (int(told[name].sum()) for name in ("reasoning_tokens", "output_tokens"))
    return reasoning / output if output else None


def _drift(form: Profile, seen: pl.DataFrame, inputs: Sequence[str], answers: Sequence[str]) -> dict[str, Any] | None:
    """Labels as they are; of other answers, the fields they have or about how long they are."""
    if form.closed and form.fields <= 1:
        kinds = answers
    elif form.form == "json":
        kinds = [", ".join(sorted({path for path, _ in pairs_of(answer)})) for answer in answers]
    else:
        kinds = [f"{2 ** (len(answer).bit_length() - 1):,} characters or more" if answer else "" for answer in answers]
    found = drift(seen["started_at"].to_list(), inputs, kinds)
    return None if found is None else {**asdict(found), "day": found.day.isoformat() if found.day else None}


def _personal(inputs: pl.Series, outputs: pl.Series) -> dict[str, Any]:
    """Calls with something of the shape of personal data in the input or the answer, by kind, and their share."""
    texts = inputs + "\n" + outputs
    counts = personal.counted(texts.filter(texts.str.contains(_SUSPECT)).to_list())
    return {
        "share": counts.pop("any") / len(texts) if len(texts) else None,
        "calls": {kind: n for kind, n in counts.items() if n},
    }
