"""Which endpoints could move to a small fine-tuned model, and why: docs/fine-tune-evidence.md explains each rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from llmaudit.detectors.answers import MAX_LABEL_SHARE, Profile, normal, pairs_of, profile
from llmaudit.detectors.words import mask

if TYPE_CHECKING:
    from llmaudit.detectors.evidence import Evidence, FieldEvidence

MAX_ROWS = 1_500
"""Calls of an endpoint that are looked at, the first by `call_key`."""

MOST_WORKERS = 4
MANY_ROWS = 5_000
"""Fewer sampled calls are judged sooner than another process has started."""

MIN_INPUTS = 100
MIN_LIFT = 0.4
MIN_MARGIN = 0.1
MIN_COPY = 0.9
MAX_OPEN, MOST_OPEN = 0.1, 0.3
MAIN_FIELD, MIN_FIELD_LIFT = 0.1, 0.25
MOST_REPEAT = 0.6
MAX_DRIFT = 0.15
MIN_REPEATS, MIN_SELF_AGREEMENT = 30, 0.8
_LONG_FRAME = 200


@dataclass(frozen=True)
class Agreement:
    """How often the proxy student gives the logged answer on inputs it has not seen."""

    estimate: float
    low: float
    high: float
    baseline: float
    n: int


@dataclass(frozen=True)
class Verdict:
    """`verdict` is None where the log cannot say; `reason` is then why."""

    endpoint: str | None
    requests: int
    verdict: str | None
    reason: str
    reason_code: str
    agreement: Agreement | None = None
    coverage: float | None = None
    """Share of calls the student takes when it leaves alone what it is unsure of, aiming at 97 % agreement."""
    profile: Mapping[str, Any] = field(default_factory=dict)
    evidence: Evidence | None = None
    frame_share: float | None = None
    """Share of the prompts' text that is the same in every call: what a tuned model may do without. None with one text."""


_NOT_KEPT = (
    'The lake keeps no texts (text = "none"): what is asked and answered is unknown, and so is what a small model could do. '
    "Take the log into a new lake with --text sample."
)


def judge(sample: pl.DataFrame, calls: pl.DataFrame, *, keeps_texts: bool = True) -> list[Verdict]:
    """A verdict for every endpoint of `calls` (endpoint, requests, cost_usd), dearest first.

    `sample` holds the calls whose text was kept, its `endpoint` filled in. Without texts there is none, and the reason says so.
    """
    texts = {name: rows for (name,), rows in sample.group_by("endpoint", maintain_order=True)}
    ordered = calls.sort("cost_usd", "requests", "endpoint", descending=[True, True, False], nulls_last=True)
    endpoints = ordered.select("endpoint", "requests").rows()
    if not keeps_texts:
        return [Verdict(endpoint, requests, None, _NOT_KEPT, "no_text") for endpoint, requests in endpoints]
    jobs = [(endpoint, requests, texts.get(endpoint, sample.clear())) for endpoint, requests in endpoints]
    if sum(len(rows) for rows in texts.values()) < MANY_ROWS:
        return [_verdict(*job) for job in jobs]
    from joblib import Parallel, cpu_count, delayed

    # Each endpoint is judged by itself. Processes, not threads: the solver draws from one stream of random numbers.
    return list(Parallel(n_jobs=min(MOST_WORKERS, cpu_count()))(delayed(_verdict)(*job) for job in jobs))


def _verdict(endpoint: str | None, requests: int, rows: pl.DataFrame) -> Verdict:
    if endpoint is None:
        reason = "These calls carry no label and share no wording, so they are no one feature to move."
        return Verdict(endpoint, requests, None, reason, "no_endpoint")
    seen = rows.sort("call_key", "request_id").head(MAX_ROWS).filter(pl.col("status") == "ok")
    shown = seen.filter(pl.col("prompt").is_not_null())
    calls_tools = _CALLS_TOOLS.fill_null(value=False)
    tool_calls = shown.filter(calls_tools).height
    seen = seen.filter(~calls_tools & (pl.col("output").fill_null("").str.strip_chars() != ""))
    seen = seen.with_columns(pl.Series("input", inputs_of(seen), dtype=pl.String)).filter(pl.col("input") != "")
    if not seen.height and not tool_calls:
        reason = "No sampled call of this endpoint has both a prompt and an answer in the log."
        return Verdict(endpoint, requests, None, reason, "no_text")
    from llmaudit.detectors.task import described

    frame = _frame_share(seen["system"].to_list(), seen["prompt"].to_list())
    form = profile(seen["input"].to_list(), seen["output"].to_list(), tool_calls)
    code, verdict, reason, evidence = _decide(form, seen)
    agreement = None
    if evidence:
        agreement = Agreement(evidence.agreement, evidence.low, evidence.high, evidence.baseline, evidence.n)
    coverage = evidence.coverage if evidence else None
    return Verdict(
        endpoint,
        requests,
        verdict,
        reason,
        code,
        agreement,
        coverage,
        described(form, seen, tool_calls),
        evidence,
        frame,
    )


_CALLS_TOOLS = (pl.col("tools_called") > 0) | ((pl.col("output").fill_null("") == "") & (pl.col("tools_offered") > 0))
"""What is said beside a tool call is not the answer."""
_Decision = tuple[str, str, str, "Evidence | None"]

_INPUTS_ALIKE = (
    "inputs_alike",
    "keep",
    "The inputs are near-copies of a few texts, so what is learned on one cannot be tested on another.",
)


def _decide(form: Profile, seen: pl.DataFrame) -> _Decision:
    inputs = seen["input"].n_unique()
    if form.form == "tool_call":
        return "tool_calls", "keep", "Most answers are tool calls, and whether those were right shows only later.", None
    if inputs < MIN_INPUTS:
        reason = f"Only {inputs:,} different inputs in the sample: under {MIN_INPUTS} nothing can be shown."
        return "too_few_inputs", "keep", reason, None
    if form.closed and form.labels == 1:
        reason = "Every sampled call got the same answer: ask whether the call is needed before asking which model."
        return "one_answer", "evaluate", reason, None
    is_list = form.form == "json" and any(len(pairs_of(output)) > form.fields for output in seen["output"])
    if form.closed and form.fields <= 1 and not is_list:
        return _decide_closed(form, seen)
    if form.form in ("json", "extraction"):
        return _decide_fields(form, seen)
    return *_decide_free(form), None


def _decide_fields(form: Profile, seen: pl.DataFrame) -> _Decision:
    """Answers with fields, or copied out of the input: every main field has to be learned, and little may be made up."""
    from llmaudit.detectors.evidence import NothingToTest
    from llmaudit.detectors.fields import FieldStudent
    from llmaudit.detectors.kinds import OPEN

    try:
        found = FieldStudent().evaluate(seen["input"].to_list(), seen["output"].to_list(), seen["started_at"].to_list())
    except NothingToTest:
        return *_INPUTS_ALIKE, None
    parts = sum(field.share for field in found.fields)
    made_up = sum(field.share for field in found.fields if field.kind == OPEN) / parts if parts else 1.0
    if made_up > MOST_OPEN:
        reason = (
            f"{made_up:.0%} of the values in the answers are neither copied from the input nor out of a short list: the "
            "model makes them up, and no student can be tested on that."
        )
        return "generated_json", "keep", reason, found
    code, verdict, reason = _weigh(form, found)
    copied = form.copy_share or 0.0
    if verdict == "keep" and copied >= MIN_COPY:
        reason = f"{copied:.0%} of the values stand literally in the input: worth a trial on held-out calls, though {reason[:1].lower()}{reason[1:]}"
        return "extraction", "evaluate", reason, found
    weak = next((field for field in found.fields if _is_main(field) and _is_unlearned(field)), None)
    if verdict == "move" and made_up > MAX_OPEN:
        reason = f"{reason.removesuffix('.')}, but {made_up:.0%} of the values are made up by the model."
        return "open_fields", "evaluate", reason, found
    if verdict == "move" and weak:
        reason = f"{reason.removesuffix('.')}, but of the field {weak.path or 'answer'!r} only {weak.agreement or 0.0:.0%} (its most frequent value: {weak.baseline:.0%})."
        return "field_not_learned", "evaluate", reason, found
    return code, verdict, reason, found


def _is_main(field: FieldEvidence) -> bool:
    return field.share >= MAIN_FIELD


def _is_unlearned(field: FieldEvidence) -> bool:
    """Even the upper end of its interval is hardly better than guessing. A field with one usual value need not be."""
    room = max(1 - field.baseline, 1e-9)
    return field.high is not None and room > MIN_MARGIN and (field.high - field.baseline) / room < MIN_FIELD_LIFT


def _decide_free(form: Profile) -> tuple[str, str, str]:
    """No proxy for free answers: their form can suggest an evaluation, never a move."""
    if form.form == "code":
        return "code", "keep", "Answers are code, where published small models lose a lot."
    if form.form == "number":
        return "number", "keep", "Answers are numbers without a fixed list, which points to working something out."
    if form.form == "short_text" and form.repeated_share >= MOST_REPEAT:
        reason = f"Answers look like labels, but {form.labels} of them are many for {form.answers:,} calls: judge again on more."
        return "too_many_labels", "evaluate", reason
    return "free_text", "keep", "Answers are free text: the log alone cannot show that a small model would do as well."


def _decide_closed(form: Profile, seen: pl.DataFrame) -> _Decision:
    from llmaudit.detectors.evidence import NothingToTest
    from llmaudit.detectors.student import ProxyStudent

    answers = [normal(output) for output in seen["output"]]
    times = seen["started_at"].to_list()
    try:
        found = ProxyStudent().evaluate(seen["input"].to_list(), answers, times=times)
    except NothingToTest:
        return *_INPUTS_ALIKE, None
    return *_weigh(form, found), found


def _weigh(form: Profile, found: Evidence) -> tuple[str, str, str]:
    """Short or repeated answers are no evidence: only what the student learned is."""
    span = f"95 % interval {found.low:.0%} to {found.high:.0%}"
    gives = (
        f"finds {found.agreement:.0%} of the logged values for unseen inputs ({span}; one answer for all: {found.baseline:.0%})"
        if found.fields
        else f"gives the logged answer on {found.agreement:.0%} of unseen inputs ({span}; always giving the most frequent "
        f"answer: {found.baseline:.0%})"
    )
    if found.high < found.baseline:
        reason = f"A weak model {gives}: worse than not reading them, as where small edits flip it."
        return "negative_lift", "keep", reason
    if found.low <= found.baseline + MIN_MARGIN / 2:
        return "not_learnable", "keep", f"A weak model {gives}, which is hardly more than guessing."
    doubt = _doubt(form, found)
    if doubt:
        return doubt[0], "evaluate", f"A weak model {gives}, but {doubt[1]}."
    return "learnable", "move", f"Even a deliberately weak model {gives}."


def standing(found: Evidence) -> tuple[float, float]:
    """What is certainly learned: the share of the way from what needs no reading to the ceiling, and the points above the baseline."""
    known = max(found.baseline, found.by_looks or 0.0)
    return (found.low - known) / max(_ceiling(found) - known, 1e-9), found.low - found.baseline


def _ceiling(found: Evidence) -> float:
    """How far a perfect student could come: as often as today's model agrees with itself, where that shows."""
    repeated = found.repeats >= MIN_REPEATS and found.self_agreement is not None
    return (found.self_agreement or 0.0) if repeated else 1.0


def _doubt(form: Profile, found: Evidence) -> tuple[str, str] | None:
    """What stands between something learned and a recommendation: the first of these that holds."""
    ceiling = _ceiling(found)
    sure_lift, margin = standing(found)
    late = found.agreement if found.late_agreement is None else found.late_agreement
    doubts = (
        (
            ceiling < MIN_SELF_AGREEMENT,
            "unsteady_answers",
            f"the model of today repeats its own answer only {ceiling:.0%} of the time",
        ),
        (
            form.names_options,
            "options_vary",
            "the answer is the letter of an option, and the options change with every input",
        ),
        (
            form.closed and form.labels > MAX_LABEL_SHARE * found.n,
            "too_many_labels",
            f"{form.labels} labels are many for {found.n:,} inputs",
        ),
        (
            margin <= MIN_MARGIN,
            "one_answer_dominates",
            "that is hardly more than the most frequent answer alone",
        ),
        (
            sure_lift < MIN_LIFT and (found.by_looks or 0.0) > found.baseline + MIN_MARGIN,
            "looks_tell",
            f"a rule that sees only length, digits and marks gives it on {found.by_looks or 0.0:.0%}: it follows from counting",
        ),
        (
            sure_lift < MIN_LIFT,
            "weak_lift",
            f"it may be less than {MIN_LIFT:.0%} of the way from guessing to the model of today",
        ),
        (
            late < found.agreement - MAX_DRIFT,
            "drift",
            f"trained on the earlier calls it gets only {late:.0%} of the later ones",
        ),
    )
    return next(((code, text) for holds, code, text in doubts if holds), None)


def inputs_of(seen: pl.DataFrame) -> list[str]:
    """What varies from call to call: the messages, with the system prompt where that holds the input; no long frame."""
    prompts = [text or "" for text in seen["prompt"]]
    systems = [text or "" for text in seen["system"]]
    whole = [f"{system}\n{prompt}" for system, prompt in zip(systems, prompts, strict=True)]
    masked = {system: mask(system) for system in set(systems)}
    pairs = {(masked[system], prompt) for system, prompt in zip(systems, prompts, strict=True)}
    return _unframed(whole if len(pairs) > 2 * len(set(prompts)) else prompts)


def _frame_share(systems: Sequence[str | None], prompts: Sequence[str | None]) -> float | None:
    """A system prompt that is one once masked is all frame; of the messages, the opening and closing that all share."""
    spoken = [text or "" for text in prompts]
    distinct = sorted(set(spoken))
    if len(distinct) < 2:  # noqa: PLR2004  nothing varies
        return None
    head = _shared(distinct[0], distinct[-1])
    rests = sorted(text[head:][::-1] for text in distinct)
    frame = head + _shared(rests[0], rests[-1])
    told = [text or "" for text in systems]
    fixed = len({mask(text) for text in set(told)}) == 1
    size = sum(map(len, spoken)) + sum(map(len, told))
    return (frame * len(spoken) + (sum(map(len, told)) if fixed else 0)) / size if size else None


def _unframed(texts: list[str]) -> list[str]:
    """Without the opening and closing that all share, if those are long enough to crowd out the rest."""
    distinct = sorted({text for text in texts if text.strip()})
    if len(distinct) < 2:  # noqa: PLR2004  nothing varies
        return [text if text.strip() else "" for text in texts]
    head = _shared(distinct[0], distinct[-1])
    rests = sorted(text[head:][::-1] for text in distinct)
    tail = _shared(rests[0], rests[-1])
    head, tail = head if head >= _LONG_FRAME else 0, tail if tail >= _LONG_FRAME else 0
    return [text[head : len(text) - tail] if text.strip() else "" for text in texts]


def _shared(first: str, last: str) -> int:
    """Length of the opening that the first and last of sorted texts share, and so all between them."""
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
