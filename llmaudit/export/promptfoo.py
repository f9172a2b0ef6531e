"""Held-out calls as promptfoo tests: how an answer is held against the logged one depends on its form.

promptfoo renders `{{ }}` in what it is given: what calls say is written so that it is left alone.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from llmaudit.detectors.answers import parsed

Case = Mapping[str, Any]
"""A line of held-out.jsonl."""

AGREE = "agree.cjs"
TUNED, TODAY = "tuned", "today"
RUBRIC_FORMS = ("short_text", "long_text", "code")
AGREEMENT: Mapping[str, str] = {
    "closed_label": "the same label, whatever its case or closing full stop",
    "extraction": "the same words, whatever their case, blanks or closing full stop",
    "number": "the same number, to half a unit of its last decimal place",
    "json": "the same values in every field and no further ones; text without case, lists in any order",
    "tool_call": "the same tools with the same arguments, in any order",
    **dict.fromkeys(
        RUBRIC_FORMS,
        "a judge says that the answer means the same: choose the judge, and read some of its verdicts yourself",
    ),
}
_TEMPLATE = re.compile(r"\{(?=[{%#])")
_LABEL = (
    "(typeof output === 'string' ? output : JSON.stringify(output)).trim().replace(/\\s+/g, ' ')"
    ".replace(/\\.+$/, '').trim().toLowerCase()"
)
_UNFENCED = (
    "typeof output === 'string' ? output.trim().replace(/^```(?:json)?\\s*|\\s*```$/g, '') : JSON.stringify(output)"
)
_PROVIDERS = {
    "openai": "openai:chat:{}",
    "azure.ai.openai": "azure:chat:{}",
    "anthropic": "anthropic:messages:{}",
    "aws.bedrock": "bedrock:{}",
    "gcp.vertex_ai": "vertex:{}",
    "gcp.gemini": "google:{}",
    "mistral_ai": "mistral:{}",
}
_ROOM = 2
_JSON_TYPES = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def config(endpoint: str, provider: str | None, model: str | None, cases: Sequence[Case], tuned: str) -> dict[str, Any]:
    """`promptfoo eval -c promptfooconfig.yaml -o results.json`."""
    longest = max((case["output_tokens"] or 0 for case in cases), default=0)
    limits = {"temperature": 0, "max_tokens": max(64, _ROOM * longest)}
    today = _PROVIDERS.get(provider or "", "openai:chat:{}").format(model)
    served = {"apiBaseUrl": "http://localhost:8000/v1"} if tuned.startswith("openai:") else {}
    return {
        "description": f"Acceptance test of {endpoint}",
        "prompts": [{"id": "chat", "label": "as logged", "raw": "{{chat}}"}],
        "providers": [
            {"id": tuned, "label": TUNED, "config": {**served, **limits}},
            {"id": today, "label": TODAY, "config": limits},
        ],
        "tests": "file://tests.jsonl",
    }


def as_tests(cases: Sequence[Case], form: str) -> list[dict[str, Any]]:
    """One test a case, its id in `metadata`."""
    schema = _schema([found for case in cases if (found := parsed(said(case))) is not None])
    return [_test(case, form, schema) for case in cases]


def agree() -> str:
    """The functions that promptfoo calls."""
    return files(__package__).joinpath(AGREE).read_text("utf-8")


def said(case: Case) -> str:
    return str(case["answer"].get("content") or "")


def _test(case: Case, form: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": case["case"],
        "vars": {"chat": as_var(case["messages"])},
        "assert": list(_asserts(case, form, schema)),
        "options": {"disableVarExpansion": True, **({"tools": case["tools"]} if case.get("tools") else {})},
        "metadata": {"case": case["case"]},
    }


def as_var(messages: Sequence[Mapping[str, Any]]) -> str:
    r"""Messages as JSON in which no template begins.

    >>> as_var([{"role": "user", "content": "{{name}} {% if %}"}])
    '[{"role": "user", "content": "\\u007b{name}} \\u007b% if %}"}]'
    """
    return _TEMPLATE.sub(r"\\u007b", json.dumps(messages, ensure_ascii=False))


def _asserts(case: Case, form: str, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    answer = said(case)
    found = parsed(answer)
    if case["answer"].get("tool_calls"):
        yield _by("calls", "tool calls", expected=[_call(call["function"]) for call in case["answer"]["tool_calls"]])
    elif form == "json" and found is not None:
        yield from _json_asserts(found, schema)
    elif form == "number" and (number := _number(answer)):
        yield _by("number", "number", expected=number[0], tolerance=number[1])
    elif form in RUBRIC_FORMS:
        yield {"type": "llm-rubric", "value": _raw(_rubric(answer))}
    else:
        yield {"type": "equals", "value": _raw(label(answer)), "transform": _LABEL}


def label(answer: str) -> str:
    """An answer as labels are compared.

    >>> label(" Where  is it. ")
    'where is it'
    """
    return re.sub(r"\s+", " ", answer.strip()).rstrip(".").strip().lower()


def _json_asserts(found: Any, schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "is-json", "value": schema, "transform": _UNFENCED, "metric": "is JSON of the logged shape"}
    fields: defaultdict[str, list[Any]] = defaultdict(list)
    for path, value in _leaves(found, ""):
        fields[path].append(value)
    for path, values in sorted(fields.items()):
        yield _by("field", path or "answer", path=path, expected=values)
    yield _by("nothingElse", "no further field", paths=sorted(fields))


def _by(function: str, metric: str, **about: Any) -> dict[str, Any]:
    return {"type": "javascript", "value": f"file://{AGREE}:{function}", "config": about, "metric": metric}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """As `detectors.answers.pairs_of` walks, with values as they are."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, f"{path}[]")
    elif value is not None and str(value).strip():
        yield path, value


def _schema(answers: Sequence[Any]) -> dict[str, Any]:
    """What all logged answers have in common: kinds of values, fields that none lacks; other fields are judged one by one."""
    kinds = sorted({_JSON_TYPES[type(answer)] for answer in answers})
    found: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds} if kinds else {}
    objects = [answer for answer in answers if isinstance(answer, dict)]
    if objects and len(objects) == len(answers):
        names = sorted({name for answer in objects for name in answer})
        found["properties"] = {name: _schema([a[name] for a in objects if name in a]) for name in names}
        required = [name for name in names if all(name in answer for answer in objects)]
        found |= {"required": required} if required else {}
    return found


def _number(answer: str) -> tuple[float, float] | None:
    """The number and half a unit of its last decimal place; None for what is no number.

    >>> _number("$1,250.5"), _number("12 %"), _number("twelve")
    ((1250.5, 0.05), (12.0, 0.0), None)
    """
    plain = re.sub(r"[,\s$€£%]", "", answer).rstrip(".")
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", plain):
        return None
    decimals = len(plain.partition(".")[2])
    return float(plain), 0.5 * 10**-decimals if decimals else 0.0


def _call(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"name": function["name"], "arguments": json.loads(function["arguments"] or "{}")}
    except ValueError:
        return {"name": function["name"], "arguments": {}}


def _rubric(answer: str) -> str:
    return (
        "The answer means the same as this reference answer: it leaves out nothing that matters there, adds nothing that contradicts "
        f"it, and fits the same use.\n\nReference answer:\n{answer}"
    )


def _raw(text: str) -> str:
    """A text that promptfoo is not to render."""
    return f"{{% raw %}}{text}{{% endraw %}}" if _TEMPLATE.search(text) else text
