"""A pre-registered acceptance test of a tuned model: promptfoo runs it, an exact rule decides, a record says who signed what.

What is settled before the run stands in acceptance.json with the hashes of the tests; `check` holds results against it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from llmaudit import __version__
from llmaudit.detectors.answers import profile
from llmaudit.errors import AuditError
from llmaudit.export import acceptance, folder, promptfoo
from llmaudit.export.acceptance import Rule
from llmaudit.export.fine_tune import CASES, case
from llmaudit.export.handoff import Handoff
from llmaudit.export.promptfoo import Case

ACCEPTANCE, RECORDS, CONFIG, TESTS = (
    "acceptance.json",
    "acceptance-records.jsonl",
    "promptfooconfig.yaml",
    "tests.jsonl",
)
KIND = "llmaudit acceptance test"
TUNED, TODAY = promptfoo.TUNED, promptfoo.TODAY
RERUN_DAYS = 30
FEWEST_REPEATS = 30
TUNED_PROVIDER = "openai:chat:tuned"


@dataclass(frozen=True)
class Material:
    """What a test is made of: held-out cases, whose answers they are, and how steady these answers were."""

    endpoint: str
    provider: str | None
    model: str | None
    cases: Sequence[Case]
    self_agreement: float | None
    repeats: int
    held_out_sha256: str
    """Of the held-out file that the cases come from."""


@dataclass(frozen=True)
class Terms:
    """What whoever decides wants proved; None is worked out from the log."""

    floor: float | None = None
    expected: float | None = None
    power: float = acceptance.POWER
    confidence: float = acceptance.CONFIDENCE


@dataclass(frozen=True)
class RunCost:
    """What one run of the test costs with a model, at its price on the day; None where nothing prices it."""

    run: str
    provider: str | None
    model: str | None
    cost_usd: Decimal | None


_NO_ANSWER = 2
"""promptfoo's `failureReason` where nothing came back that could be judged."""


@dataclass(frozen=True)
class Checked:
    """Results held against the rule."""

    endpoint: str
    model: str
    cases: int
    agreed: int
    low: float
    rule: Rule
    passed: bool
    disagreeing: list[str]
    unanswered: int
    """Of the disagreeing ones, those that the model could not be asked: time-outs, refused requests."""

    def told(self) -> list[str]:
        least = self.rule.least if self.rule.least is not None else "more than there are"
        again = f"{self.unanswered:,} cases got no answer and count as no agreement. Ask them again: promptfoo eval --retry-errors"
        return [
            f"{self.endpoint}, {self.model}: {self.agreed:,} of {self.cases:,} cases agree; at least {least} had to.",
            *([again] if self.unanswered else []),
            f"Agreement is at least {self.low:.2%} ({self.rule.confidence:.0%}, one-sided, Clopper-Pearson); asked for: {self.rule.floor:.2%}.",
            "PASSED" if self.passed else "FAILED: keep the model of today.",
        ]


def of_handoff(handoff: Handoff) -> Material:
    """From an endpoint's calls in a lake."""
    seen = handoff.verdict.evidence
    cases = [case(example) for example in handoff.sides["held-out"]]
    return Material(
        handoff.endpoint,
        handoff.provider,
        handoff.model,
        cases,
        seen.self_agreement if seen else None,
        seen.repeats if seen else 0,
        folder.about(folder.jsonl(cases))["sha256"],
    )


def of_export(exported: Path, endpoint: str) -> Material:
    """From the folder of an `export fine-tune`: the same held-out calls, whatever the lake has taken in since."""
    said = folder.manifest_of(exported)
    if said.get("endpoint") != endpoint:
        raise AuditError(f"{exported} is an export of {said.get('endpoint')!r}, not of {endpoint!r}.")
    lines = (exported / CASES).read_text("utf-8").splitlines()
    seen = said["verdict"]
    return Material(
        endpoint,
        said["provider"],
        said["model"],
        [json.loads(line) for line in lines],
        seen.get("self_agreement"),
        seen.get("repeats") or 0,
        said["files"][CASES]["sha256"],
    )


def wanted(terms: Terms) -> int | None:
    """Cases that the terms want, before anything is known of the log; None if they are the usual ones."""
    if terms == Terms():
        return None
    floor = terms.floor if terms.floor is not None else acceptance.FLOOR
    expected = terms.expected if terms.expected is not None else (floor + 1) / 2
    return acceptance.smallest(floor, expected, terms.power, terms.confidence).cases


def settle(material: Material, terms: Terms) -> tuple[Rule, Rule]:
    """The rule for the cases there are, and the one that the terms would want."""
    steady = material.self_agreement if material.repeats >= FEWEST_REPEATS else None
    ceiling = min(1.0, steady) if steady else 1.0
    floor = terms.floor if terms.floor is not None else round(acceptance.FLOOR * ceiling, 4)
    expected = terms.expected if terms.expected is not None else round((floor + ceiling) / 2, 4)
    full = acceptance.smallest(floor, expected, terms.power, terms.confidence)
    return acceptance.rule(min(full.cases, len(material.cases)), floor, expected, terms.confidence), full


def write(
    material: Material,
    into: Path,
    terms: Terms,
    costs: Sequence[RunCost],
    *,
    priced_on: date,
    tuned: str = TUNED_PROVIDER,
) -> list[Path]:
    """Write the test: the first cases of the held-out file, in its order, as many as the rule wants."""
    rule, full = settle(material, terms)
    cases = material.cases[: rule.cases]
    form = form_of(cases)
    texts = {
        CONFIG: folder.as_yaml(promptfoo.config(material.endpoint, material.provider, material.model, cases, tuned)),
        TESTS: folder.jsonl(promptfoo.as_tests(cases, form)),
        promptfoo.AGREE: promptfoo.agree(),
        CASES: folder.jsonl(cases),
    }
    said = _said(material, rule, full, form, costs, texts, priced_on)
    texts[ACCEPTANCE] = folder.as_json(said)
    texts["acceptance.md"] = _page(said)
    manifest = {"kind": KIND, "llmaudit_version": __version__, "endpoint": material.endpoint}
    return folder.write(into, texts, manifest)


def form_of(cases: Sequence[Case]) -> str:
    inputs = ["\n".join(str(message["content"] or "") for message in case["messages"]) for case in cases]
    outputs = [promptfoo.said(case) for case in cases]
    calls = sum(bool(case["answer"].get("tool_calls")) for case in cases)
    spoken = [(given, output) for given, output in zip(inputs, outputs, strict=True) if output.strip()]
    return profile([given for given, _ in spoken], [output for _, output in spoken], calls).form


def told(material: Material, terms: Terms, costs: Sequence[RunCost], into: Path) -> list[str]:
    """What the command prints."""
    rule, full = settle(material, terms)
    return [
        f"{material.endpoint}: {_rule_in_words(rule)}",
        *([_too_few(rule, full)] if rule.cases < full.cases else []),
        *(f"One run with {cost.model} ({cost.run}): {_usd(cost.cost_usd)}" for cost in costs),
        f"{into}: run it with `promptfoo eval -c {CONFIG} -o results.json`, then check the results.",
    ]


# --- checking -----------------------------------------------------------------------------------------


def can_write(into: Path) -> None:
    """Raise AuditError for a place that cannot be written, before any work is done."""
    folder.check(into, KIND)


def check(into: Path, endpoint: str, results: Path, *, run: str = TUNED) -> Checked:
    """Hold results against the rule. Raises AuditError where tests were changed or cases are missing."""
    folder.manifest_of(into)
    said = json.loads((into / ACCEPTANCE).read_text("utf-8"))
    if said["endpoint"] != endpoint:
        raise AuditError(f"{into} tests {said['endpoint']!r}, not {endpoint!r}.")
    cases = [json.loads(line)["case"] for line in (into / CASES).read_text("utf-8").splitlines()]
    model, came, unanswered = _results(results, run)
    missing = [name for name in cases if name not in came]
    if missing:
        raise AuditError(
            f"{results}: {len(missing):,} of {len(cases):,} cases have no result of {run!r}, among them {missing[0]}. Run all of them: "
            "a case that is left out would change what the test proves."
        )
    rule = Rule(**said["rule"])
    agreed = sum(came[name] for name in cases)
    return Checked(
        endpoint=endpoint,
        model=model,
        cases=len(cases),
        agreed=agreed,
        low=acceptance.lower_bound(agreed, len(cases), rule.confidence),
        rule=rule,
        passed=rule.least is not None and agreed >= rule.least,
        disagreeing=[name for name in cases if not came[name]],
        unanswered=sum(name in unanswered for name in cases),
    )


def sign(into: Path, checked: Checked, results: Path, *, who: str, model: str | None, day: date) -> dict[str, Any]:
    """Add a record of the result to the folder, and return it."""
    record = {
        "who": who,
        "when": day.isoformat(),
        "endpoint": checked.endpoint,
        "model": model or checked.model,
        "result": "passed" if checked.passed else "failed",
        "cases": checked.cases,
        "agreed": checked.agreed,
        "unanswered": checked.unanswered,
        "agreement_low": round(checked.low, 6),
        "floor": checked.rule.floor,
        "confidence": checked.rule.confidence,
        "acceptance_sha256": _sha256(into / ACCEPTANCE),
        "tests_sha256": _sha256(into / TESTS),
        "results_sha256": _sha256(results),
    }
    try:
        with (into / RECORDS).open("a", encoding="utf-8", newline="\n") as out:
            out.write(folder.jsonl([record]))
    except OSError as error:
        raise AuditError(f"{into / RECORDS}: cannot be written ({error.strerror or error}).") from error
    return record


def _results(path: Path, run: str) -> tuple[str, dict[str, bool], set[str]]:
    """The model's name, whether each case agreed (all its runs did), and the cases that got no answer."""
    came: defaultdict[str, list[bool]] = defaultdict(list)
    models, others, unanswered = set(), set(), set[str]()
    for each in _lines(path):
        if "agreed" in each:
            came[str(each["case"])].append(bool(each["agreed"]))
            continue
        label = (each.get("provider") or {}).get("label") or (each.get("provider") or {}).get("id") or ""
        name = _case_of(each)
        if name is None:
            continue
        if label != run:
            others.add(label)
            continue
        models.add((each["provider"].get("id")) or run)
        came[name].append(bool(each.get("success")))
        if each.get("failureReason") == _NO_ANSWER:
            unanswered.add(name)
    if not came:
        also = f" It has results of {', '.join(sorted(others))}: say which with --run." if others else ""
        raise AuditError(f"{path}: no result of {run!r} for a case of this test.{also}")
    return ", ".join(sorted(models)) or run, {name: all(each) for name, each in came.items()}, unanswered


def _case_of(result: Mapping[str, Any]) -> str | None:
    for holder in (result.get("testCase"), result):
        about = (holder or {}).get("metadata") or {}
        if "case" in about:
            return str(about["case"])
    return None


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """JSON or JSONL of promptfoo, or lines of `case` and `agreed` from another tool."""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".jsonl":
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            found = json.loads(text)
            while isinstance(found, Mapping):
                found = found["results"]
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: cannot be read ({error}).") from error
    except (ValueError, KeyError) as error:
        raise AuditError(
            f"{path}: no results that can be read. Take those of `promptfoo eval -o results.json`, or lines "
            '{"case": "...", "agreed": true} in a .jsonl file.'
        ) from error
    yield from (each for each in found if isinstance(each, Mapping))


# --- what is registered -------------------------------------------------------------------------------


def _said(
    material: Material,
    rule: Rule,
    full: Rule,
    form: str,
    costs: Sequence[RunCost],
    texts: Mapping[str, str],
    priced_on: date,
) -> dict[str, Any]:
    cases = material.cases[: rule.cases]
    return {
        "kind": KIND,
        "llmaudit_version": __version__,
        "endpoint": material.endpoint,
        "provider": material.provider,
        "model": material.model,
        "form": form,
        "question": f"Does the tuned model answer as {material.model or 'the model of today'} did, on at least {rule.floor:.1%} of the calls?",
        "agreement": promptfoo.AGREEMENT[form],
        "rule": asdict(rule),
        "pass": _rule_in_words(rule),
        "wanted_cases": full.cases,
        "spare_cases": len(material.cases) - rule.cases,
        "self_agreement": {"estimate": material.self_agreement, "repeats": material.repeats},
        "cost": {
            "priced_on": priced_on.isoformat(),
            "input_tokens": _sum(cases, "input_tokens"),
            "output_tokens": _sum(cases, "output_tokens"),
            "runs": [
                {**asdict(cost), "cost_usd": None if cost.cost_usd is None else float(round(cost.cost_usd, 6))}
                for cost in costs
            ],
        },
        "held_out_sha256": material.held_out_sha256,
        "files": {name: folder.about(text)["sha256"] for name, text in texts.items()},
        "rerun_days": RERUN_DAYS,
        "notes": [_too_few(rule, full)] if rule.cases < full.cases else [],
        "record": dict.fromkeys(RECORD),
    }


RECORD = (
    *(
        "who",
        "when",
        "endpoint",
        "model",
        "result",
        "cases",
        "agreed",
        "unanswered",
        "agreement_low",
        "floor",
        "confidence",
    ),
    *("acceptance_sha256", "tests_sha256", "results_sha256"),
)
"""What a signed record holds; `check --who` fills it in and adds it to acceptance-records.jsonl."""


_RUNS_IN_WORDS = (
    f"`{TUNED}` is the model under test: set where it is served in {CONFIG}. `{TODAY}` is the model of today, and shows how often "
    "it agrees with itself."
)


def _rule_in_words(rule: Rule) -> str:
    if rule.least is None:
        return f"no result of {rule.cases:,} cases can prove {rule.floor:.1%} agreement at {rule.confidence:.0%} confidence"
    return (
        f"passes if at least {rule.least:,} of {rule.cases:,} cases agree, which proves {rule.floor:.1%} agreement at {rule.confidence:.0%} "
        f"confidence; a model that agrees on {rule.expected:.1%} passes with a chance of {rule.power:.0%}"
    )


def _too_few(rule: Rule, full: Rule) -> str:
    return (
        f"{rule.cases:,} held-out cases are fewer than the {full.cases:,} that a chance of {full.power:.0%} takes. Export with --held-out "
        f"{full.cases}, from more calls or a lake with --text all; or lower --floor."
    )


def _page(said: Mapping[str, Any]) -> str:
    rule, cost = said["rule"], said["cost"]
    return "\n".join(
        [
            f"# Acceptance test of {said['endpoint']}",
            "",
            f"{said['question']} Settled before the model was tried; changing it afterwards would make it prove nothing.",
            "",
            f"- **Agreement** means {said['agreement']}.",
            f"- **Rule**: {said['pass']}.",
            f"- **Exact binomial**: a model that agrees on less than {rule['floor']:.1%} passes at most {1 - rule['confidence']:.0%} of the time.",
            "- **Cases**: the first of the held-out file, which is in the order of a public hash. None may be left out; an error counts as no agreement.",
            *(f"- **Note**: {text}" for text in said["notes"]),
            "",
            "## Cost of one run",
            "",
            f"{_count(cost['input_tokens'])} tokens in, {_count(cost['output_tokens'])} out, as logged. Prices of {cost['priced_on']}, no cache.",
            "",
            "| run | model | US dollars |",
            "|---|---|---|",
            *(f"| {run['run']} | {run['model']} | {_usd(run['cost_usd'])} |" for run in cost["runs"]),
            "",
            "## Run",
            "",
            f"    promptfoo eval -c {CONFIG} -o results.json",
            f"    llmaudit export evals {said['endpoint']} -o . --check results.json --who NAME",
            "",
            _RUNS_IN_WORDS,
            "",
            f"Run it again every {said['rerun_days']} days on newly held-out calls, and after every change of model, prompt or decoding.",
            "",
            "## Record",
            "",
            f"Signed records go to `{RECORDS}`, a line each.",
            "",
            "| field | value |",
            "|---|---|",
            *(f"| {name} | |" for name in RECORD),
            "",
        ]
    )


def _sum(cases: Sequence[Case], name: str) -> int | None:
    counts = [case[name] for case in cases]
    return None if any(count is None for count in counts) else sum(counts)


def _count(tokens: int | None) -> str:
    return "unknown" if tokens is None else f"{tokens:,}"


def _usd(cost: Decimal | float | None) -> str:
    return "no price" if cost is None else f"${cost:,.4f}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
