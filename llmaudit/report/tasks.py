"""What an endpoint's task is like, as lines of its dossier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.text import clean

LABELS, FIELDS, LANGUAGES = 12, 12, 4
"""How many are named; the others are counted."""
_LEAST_COPIED, _LEAST_SPOKEN = 0.05, 0.02


def facts(profile: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and what is known; what nobody knows has no line, but for changes within the log."""
    if not profile:
        return
    yield "Answers", _answers(profile)
    yield from _named("Labels", profile["label_set"], LABELS, _label)
    yield from _named("Fields", profile["schema"], FIELDS, _field)
    if profile["input_tokens"] or profile["output_tokens"]:
        yield "Tokens of a call", f"{_size(profile['input_tokens'])} in, {_size(profile['output_tokens'])} out"
    if profile["reasoning_share"] is not None:
        yield "Reasoning", f"{show.share(profile['reasoning_share'])} of the output tokens"
    if profile["copy_share"] is not None and profile["copy_share"] >= _LEAST_COPIED:
        yield "Copied", f"{show.share(profile['copy_share'])} of the values stand in the input word for word"
    if profile["repeats"]:
        same = f"{show.share(profile['self_agreement'])} of {show.noun(profile['repeats'], 'pair')} of equal inputs"
        yield "The same input again", f"same answer in {same}"
    spoken = [one for one in profile["languages"] if one["share"] >= _LEAST_SPOKEN]
    yield from _named("Languages", spoken, LANGUAGES, _language)
    yield "Change within the log", _drift(profile["drift"])
    yield "Must not leak", _leaks(profile)


def _answers(profile: Mapping[str, Any]) -> str:
    form = f"{show.words(profile['form'] or '')}, {show.noun(profile['labels'], 'different answer')} in {show.noun(profile['answers'], 'sampled call')}"
    if profile["tool_calls"]:
        form += f", besides {show.noun(profile['tool_calls'], 'call')} of tools"
    if not profile["answers"]:
        return form
    return f"{form}; the commonest {show.share(profile['top_share'])}, entropy {profile['entropy']:.2f} of 1"


def _named(name: str, items: Sequence[Mapping[str, Any]], most: int, say: Any) -> Iterator[tuple[str, str]]:
    if items:
        more = f", and {len(items) - most:,} more" if len(items) > most else ""
        yield name, clean(", ".join(map(say, items[:most])), 600) + more


def _label(one: Mapping[str, Any]) -> str:
    return f"{one['label']} {show.share(one['share'])}"


def _field(one: Mapping[str, Any]) -> str:
    return f"{one['path']} ({'/'.join(one['kinds'])}, in {show.share(one['share'])}, {one['values']:,} values)"


def _language(one: Mapping[str, Any]) -> str:
    return f"{one['language']} {show.share(one['share'])}"


def _size(found: Mapping[str, int] | None) -> str:
    return (
        show.UNKNOWN
        if found is None
        else f"{show.count(found['p50'])} (one in twenty {show.count(found['p95'])} or more)"
    )


def _drift(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "unknown: too few calls, or no times"
    if not found["day"]:
        return f"none seen in {show.noun(found['calls'], 'call')}"
    shifts = (f"{one['what']} {show.share(one['before'])} to {show.share(one['since'])}" for one in found["shifts"])
    return clean(f"about {found['day']}: {', '.join(shifts)}", 400)


def _leaks(profile: Mapping[str, Any]) -> str:
    calls = profile["personal"]["calls"]
    kinds = ", ".join(f"{show.words(kind).lower()} in {show.noun(n, 'call')}" for kind, n in calls.items())
    secrets = f"{show.noun(profile['secrets'], 'call')} with a masked secret" if profile["secrets"] else ""
    return (
        "; ".join(filter(None, (kinds, secrets)))
        or "nothing of the shape of personal data or a secret was seen; names are not looked for"
    )
