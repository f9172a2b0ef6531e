"""Training, validation and held-out files of one endpoint, in the shapes people load, with recipe, model card and manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmaudit import __version__, schema
from llmaudit.errors import AuditError
from llmaudit.export import folder as folders
from llmaudit.export import recipes
from llmaudit.export.cards import dataset_card, model_card
from llmaudit.export.handoff import SIDES, Example, Handoff
from llmaudit.export.reasons import LEFT_OUT, notes

KIND = "llmaudit fine-tune export"
FORMATS = ("openai", "huggingface", "axolotl")
CASES = "held-out.jsonl"
"""Held-out calls with their ids: what `export evals` makes its tests of."""


@dataclass(frozen=True)
class Written:
    handoff: Handoff
    files: list[Path]

    def told(self) -> list[str]:
        """What the command prints."""
        sides = self.handoff.sides
        counts = " + ".join(f"{len(sides[side]):,} {side}" for side in SIDES)
        left = sum(self.handoff.left_out.values())
        return [
            f"{self.handoff.endpoint}: {self.handoff.calls:,} calls = {counts} + {left:,} left out.",
            *(f"  {count:,}: {LEFT_OUT.get(code, code)}" for code, count in self.handoff.left_out.items()),
            *(f"Note: {text}" for text in notes(self.handoff)),
            f"{self.files[-1].parent}: {len(self.files):,} files.",
        ]


def check(folder: Path, formats: Sequence[str]) -> None:
    """Raise AuditError for what cannot be written, before any work is done."""
    for name in formats:
        if name not in FORMATS:
            raise AuditError(f"--format {name} is not one of {', '.join(FORMATS)}.")
    folders.check(folder, KIND)


def write(
    handoff: Handoff, folder: Path, *, formats: Sequence[str] = FORMATS, base_model: str = recipes.BASE_MODEL
) -> Written:
    """Write the files. The same lake and the same settings give the same bytes."""
    files = {CASES: folders.jsonl(case(example) for example in handoff.sides["held-out"])}
    for name in formats or FORMATS:
        files |= {f"{name}/{file}": text for file, text in _SHAPES[name](handoff, base_model).items()}
    files["README.md"] = model_card(handoff, base_model, formats or FORMATS)
    return Written(handoff, folders.write(folder, files, _manifest(handoff, base_model)))


def case(example: Example) -> dict[str, Any]:
    """A held-out call as the tests know it."""
    return {
        "case": example.id,
        "at": example.at.isoformat() if example.at else None,
        "messages": example.messages,
        **({"tools": example.tools} if example.tools else {}),
        "answer": example.answer,
        "input_tokens": example.input_tokens,
        "output_tokens": example.output_tokens,
    }


# --- shapes -------------------------------------------------------------------------------------------


def _openai(handoff: Handoff, base_model: str) -> dict[str, str]:
    job = recipes.openai_job(base_model, handoff.endpoint, handoff.sides["train"])
    return {**_rows(handoff, _openai_row), "job.json": folders.as_json(job)}


def _huggingface(handoff: Handoff, base_model: str) -> dict[str, str]:
    conversational = _rows(handoff, _conversational_row)
    pairs = _rows(handoff, _pair_row)
    return {
        **{f"conversational/{name}": text for name, text in conversational.items()},
        **{f"prompt-completion/{name}": text for name, text in pairs.items()},
        "README.md": dataset_card(handoff, folders.about("".join(pairs.values()))["sha256"]),
        "trl-sft.yaml": folders.as_yaml(recipes.trl(base_model, handoff.sides["train"])),
    }


def _axolotl(handoff: Handoff, base_model: str) -> dict[str, str]:
    recipe = folders.as_yaml(recipes.axolotl(base_model, handoff.sides["train"]))
    return {**_rows(handoff, _axolotl_row), "recipe.yaml": recipe}


_SHAPES: dict[str, Callable[[Handoff, str], dict[str, str]]] = {
    "openai": _openai,
    "huggingface": _huggingface,
    "axolotl": _axolotl,
}


def _rows(handoff: Handoff, row: Callable[[Example], dict[str, Any]]) -> dict[str, str]:
    return {f"{side}.jsonl": folders.jsonl(map(row, handoff.sides[side])) for side in SIDES}


def _openai_row(example: Example) -> dict[str, Any]:
    """Earlier answers weigh nothing: this call is about the last one."""
    earlier = [{**message, "weight": 0} if message["role"] == "assistant" else message for message in example.messages]
    tools = {"tools": example.tools} if example.tools else {}
    return {"messages": [*earlier, example.answer], **tools}


def _conversational_row(example: Example) -> dict[str, Any]:
    messages = [_with_parsed_arguments(message) for message in (*example.messages, example.answer)]
    return {"messages": messages, **_tools_as_text(example)}


def _pair_row(example: Example) -> dict[str, Any]:
    return {
        "prompt": [_with_parsed_arguments(message) for message in example.messages],
        "completion": [_with_parsed_arguments(example.answer)],
        **_tools_as_text(example),
    }


def _axolotl_row(example: Example) -> dict[str, Any]:
    """`train` is on the answer of this call and off on earlier ones."""
    earlier = [
        {**message, "train": False} if message["role"] == "assistant" else message for message in example.messages
    ]
    return {"messages": [*earlier, {**example.answer, "train": True}], **_tools_as_text(example)}


def _tools_as_text(example: Example) -> dict[str, str]:
    """As JSON in a text: loaders would otherwise force the schemas of different tools into one shape."""
    return {"tools": json.dumps(example.tools, ensure_ascii=False)} if example.tools else {}


def _with_parsed_arguments(message: Mapping[str, Any]) -> dict[str, Any]:
    """Chat templates of open models want the arguments of a call as an object."""
    if "tool_calls" not in message:
        return dict(message)
    calls = [{**call, "function": _parsed(call["function"])} for call in message["tool_calls"]]
    return {**message, "tool_calls": calls}


def _parsed(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {**function, "arguments": json.loads(function["arguments"])}
    except ValueError:
        return dict(function)


# --- manifest -----------------------------------------------------------------------------------------


def _manifest(handoff: Handoff, base_model: str) -> dict[str, Any]:
    sides = handoff.sides
    return {
        "kind": KIND,
        "llmaudit_version": __version__,
        "endpoint": handoff.endpoint,
        "provider": handoff.provider,
        "model": handoff.model,
        "base_model": base_model,
        "source": {
            "lake_version": schema.LAKE_VERSION,
            "table_versions": dict(sorted(handoff.versions.items())),
            "text": handoff.text,
        },
        "window": {
            "first_call": handoff.first_at.isoformat() if handoff.first_at else None,
            "last_call": handoff.last_at.isoformat() if handoff.last_at else None,
        },
        "calls": handoff.calls,
        "examples": {side: len(sides[side]) for side in SIDES},
        "families": {side: len({example.family for example in sides[side]}) for side in SIDES},
        "tokens": {side: sum(map(recipes.tokens_of, sides[side])) for side in SIDES},
        "split": {
            "rule": _rule(handoff),
            "held_out_from": handoff.cut_at.isoformat() if handoff.cut_at else None,
            "near_duplicates": "families of chained neighbours, cosine 0.9 over masked words (PromptFamilies); a conversation "
            "and what it grew into are one family; no family is on two sides",
        },
        "left_out": {code: {"calls": n, "why": LEFT_OUT.get(code, code)} for code, n in handoff.left_out.items()},
        "other_models": dict(handoff.other_models),
        "secrets_masked": handoff.masked,
        "personal_data": dict(handoff.personal),
        "verdict": _verdict(handoff),
        "notes": notes(handoff),
    }


def _verdict(handoff: Handoff) -> dict[str, Any]:
    found, seen = handoff.verdict, handoff.verdict.evidence
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "agreement": asdict(found.agreement) if found.agreement else None,
        "self_agreement": seen.self_agreement if seen else None,
        "repeats": seen.repeats if seen else 0,
    }


def _rule(handoff: Handoff) -> str:
    if handoff.cut_at is None:
        return (
            "by family in the order of a public hash of the call: the calls have no time, or all families were there from "
            "the start, so nothing later could be held out"
        )
    return (
        f"families that first appeared at or after {handoff.cut_at.isoformat()} are held out; all other files hold calls before it. "
        "Validation: families among the rest, in the order of a public hash"
    )
