"""Why a call is in no file, and what to know about those that are, in words."""

from __future__ import annotations

from collections.abc import Mapping

from llmaudit.export.handoff import LATE_COPY, Handoff

LEFT_OUT: Mapping[str, str] = {
    "failed": "failed or cancelled",
    "cut": "cut off at the cap on output",
    "other_model": "answered by another model",
    "no_prompt": "empty prompt",
    "no_answer": "empty answer",
    "text_not_kept": "no text in the lake",
    "beyond_the_most": "beyond --most",
    "repeat": "repeats an input that is there, with its answer",
    "other_answer_to_the_same": "repeats an input that is there, with another answer than it usually gets",
    LATE_COPY: "later near-copy of an input that is trained on",
    "not_text": "an image, a file or sound in the prompt, of which the lake keeps only the word",
    "several_answers": "several answers at once",
    "answer_begun": "prompt ends on words put in the model's mouth",
    "tool_result_without_call": "result of a tool call that is not in the prompt",
    "tool_call_without_result": "tool call whose result is not in the prompt",
    "tool_call_unread": "tool call that is no JSON",
    "tools_unread": "tools that are no JSON",
    "provider_tools": "tools that only their provider can run",
    "unknown_role": "message of an unknown role",
}
"""Reason code -> words."""

_FEW = 100


def notes(handoff: Handoff) -> list[str]:
    """What whoever trains on this should know."""
    return [
        text
        for text in (_sample(handoff), _few(handoff), _verdict(handoff), _models(handoff), _people(handoff))
        if text
    ]


def _sample(handoff: Handoff) -> str | None:
    missing = handoff.left_out.get("text_not_kept", 0)
    if handoff.text != "sample" or not missing:
        return None
    return (
        f"the lake keeps texts of a sample, so this is a sample of the endpoint: {missing:,} calls have no text. A lake made with "
        "--text all has them all."
    )


def _few(handoff: Handoff) -> str | None:
    count = len(handoff.sides["train"])
    return (
        f"{count:,} training examples are few: {_FEW} different inputs is the least to learn from."
        if count < _FEW
        else None
    )


def _verdict(handoff: Handoff) -> str | None:
    if handoff.verdict.verdict == "move":
        return None
    said = handoff.verdict.verdict or "none"
    return f"the verdict on this endpoint is {said!r}, not 'move': {handoff.verdict.reason}"


def _models(handoff: Handoff) -> str | None:
    if not handoff.other_models:
        return None
    named = ", ".join(f"{model} ({count:,} calls)" for model, count in handoff.other_models.items())
    return f"answers are {handoff.model}'s alone; left out: {named}. Another teacher: --model NAME."


def _people(handoff: Handoff) -> str | None:
    found = {kind: count for kind, count in handoff.personal.items() if count and kind != "any"}
    if not found:
        return None
    listed = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in found.items())
    return (
        f"{handoff.personal['any']:,} of {len(handoff.examples):,} examples hold what looks like personal data ({listed}). They are in "
        "the files as they are: decide whether you may train on them."
    )
