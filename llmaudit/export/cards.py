"""Cards in the form that Hugging Face reads: one of the model to be, one of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmaudit.export.folder import as_yaml
from llmaudit.export.handoff import SIDES, Handoff
from llmaudit.export.reasons import LEFT_OUT, notes


def model_card(handoff: Handoff, base_model: str, formats: Sequence[str]) -> str:
    """A draft: what is known before training is filled in, what is not is named as open."""
    about = {
        "base_model": base_model,
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["fine-tuned", "llm-spend-audit"],
    }
    return "\n".join(
        [
            _front(about),
            f"# Model for {handoff.endpoint} (draft)",
            "",
            (
                f"{base_model}, to be fine-tuned on the answers that {handoff.model or 'the model of today'} gave at this endpoint. Written "
                "before training: nothing here says yet how good the model is."
            ),
            "",
            "## Intended use",
            "",
            f"The calls of `{handoff.endpoint}`, and no others. It learns to answer as the teacher did, the teacher's mistakes included.",
            "",
            "## Training data",
            "",
            *_data(handoff),
            "",
            "## Left out",
            "",
            *_left_out(handoff),
            "",
            "## What is known about the task",
            "",
            *_evidence(handoff),
            "",
            "## Evaluation",
            "",
            "Open. Run the acceptance test once the model is trained (`llmaudit export evals` writes it); put its signed record here.",
            "",
            "## Limits and risks",
            "",
            *_risks(handoff),
            "",
            "## Files",
            "",
            *(_FILES[name] for name in formats),
            "- `held-out.jsonl`: the held-out calls with their ids, for the acceptance test",
            "- `manifest.json`: the hash of every file, counts, rules",
            "",
        ]
    )


def dataset_card(handoff: Handoff, digest: str) -> str:
    """`load_dataset(FOLDER, "prompt-completion")` reads by it.

    `digest` names the content. Without it, `datasets` would take the folder of another endpoint, of the same name and with the
    same configs, for this one, and answer out of its cache.
    """
    configs = [
        {
            "config_name": name,
            "description": f"{handoff.endpoint}, content {digest}",
            **({"default": True} if name == "prompt-completion" else {}),
            "data_files": [
                {"split": side.replace("-", "_"), "path": f"{name}/{side}.jsonl"}
                for side in SIDES
                if handoff.sides[side]
            ],
        }
        for name in ("prompt-completion", "conversational")
    ]
    about = {"task_categories": ["text-generation"], "configs": configs}
    return "\n".join(
        [
            _front(about),
            f"# Calls of {handoff.endpoint}",
            "",
            *_data(handoff),
            "",
            "`prompt-completion` trains on the answer alone; `conversational` has the same calls as one list of messages.",
            "Tools stand as JSON in a text, which TRL reads. Train with: `trl sft --config huggingface/trl-sft.yaml`, run in the folder above this one.",
            "",
        ]
    )


_FILES = {
    "openai": "- `openai/`: chat `messages`, and `job.json`. OpenAI itself takes no fine-tuning jobs from new customers since "
    "2026-05-07 and none from anyone from 2027-01-06 on: the shape is for other hosts that read it",
    "huggingface": "- `huggingface/`: for `datasets` and TRL, with `trl-sft.yaml`",
    "axolotl": "- `axolotl/`: `chat_template` datasets, with `recipe.yaml`",
}


def _front(about: Mapping[str, object]) -> str:
    return f"---\n{as_yaml(about)}---\n"


def _data(handoff: Handoff) -> list[str]:
    span = (
        f"{handoff.first_at:%Y-%m-%d} to {handoff.last_at:%Y-%m-%d}"
        if handoff.first_at and handoff.last_at
        else "no dates"
    )
    by = (
        f"held-out inputs first appear at {handoff.cut_at:%Y-%m-%d %H:%M} UTC or later, the others before"
        if handoff.cut_at
        else "parted by family; the calls' times could not part them"
    )
    return [
        "| part | examples |",
        "|---|---|",
        *(f"| {side} | {len(handoff.sides[side]):,} |" for side in SIDES),
        "",
        (
            f"Calls of {span}, out of {handoff.calls:,}; {by}. Near-copies of one input are on one side. "
            f"Masked secrets: {handoff.masked:,} examples. What looks like personal data: {handoff.personal['any']:,} examples."
        ),
    ]


def _left_out(handoff: Handoff) -> list[str]:
    if not handoff.left_out:
        return ["Nothing."]
    return [
        "Calls, by reason:",
        "",
        *(f"- {count:,}: {LEFT_OUT.get(code, code)}" for code, count in handoff.left_out.items()),
    ]


def _evidence(handoff: Handoff) -> list[str]:
    verdict, seen = handoff.verdict, handoff.verdict.agreement
    lines = [f"Verdict: {verdict.verdict or 'none'}. {verdict.reason}"]
    if seen:
        lines += [
            "",
            (
                f"A deliberately weak model, cross-validated on {seen.n:,} inputs of the log, agrees with {seen.estimate:.1%} of the answers "
                f"(95 % interval {seen.low:.1%} to {seen.high:.1%}); the most frequent answer alone reaches {seen.baseline:.1%}. "
                "This is no measurement of the model this card is for."
            ),
        ]
    return lines


def _risks(handoff: Handoff) -> list[str]:
    return [
        (
            f"- Whether outputs of {handoff.model or 'the teacher'} may be trained on is a matter of {handoff.provider or 'its provider'}'s terms "
            "on the day you train; read them. The base model has a licence of its own."
        ),
        "- The task may drift: re-run the acceptance test on new held-out calls every period, and retrain when it fails.",
        "- Answers of the log are taken for right; nobody has checked them.",
        *(f"- {text[:1].upper()}{text[1:]}" for text in notes(handoff)),
    ]
