"""Everything the report says of moving an endpoint: verdict, cheaper alternatives, money, risks, and what would refute it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llmaudit import pricing
from llmaudit.detectors.verdicts import Verdict
from llmaudit.errors import AuditError
from llmaudit.levers.base import Lever
from llmaudit.levers.fine_tune import FineTune, Move, calls_to_judge, listed
from llmaudit.levers.shorter_prompt import ShorterPrompt
from llmaudit.pricing.tuning import Target, training_terms
from llmaudit.replay import Interval, Replay
from llmaudit.replay.moving import FEWEST_DAYS, Economics, Offer, Prospect, compare, payback_days, proposable, why_not

if TYPE_CHECKING:
    from llmaudit.detectors.evidence import Evidence

Row = Mapping[str, Any]

ALTERNATIVES = ("right_size", "shorter_prompt", "prompt_caching", "batchable")
"""Shown beside every move, found or not; other levers where they found something."""
DRIFTING, DRIFTING_DAYS = 0.05, 30
"""A student that is so much worse on later calls has to be trained anew every month."""


@dataclass(frozen=True)
class Moving:
    """What was found out about money, and what follows from it."""

    lever: FineTune
    """Its settings; `moves` are those of every endpoint with the verdict move."""
    worth: tuple[str, ...] = ()
    """Endpoints that save more than they cost, what is paid once spread over `spread_days`."""
    economics: Mapping[str, Economics] = field(default_factory=dict)
    alone: Mapping[str | None, Interval] = field(default_factory=dict)
    """What each move would save by itself, net."""
    frames_usd: Mapping[str | None, Decimal] = field(default_factory=dict)
    """What the words cost that all calls of an endpoint share, at the rate they have today."""
    siblings: Mapping[str | None, Interval] = field(default_factory=dict)
    """What a cheaper model would save by itself where a tuned one is proposed instead, if its own evaluation is passed."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Targets that are never proposed, and why."""
    has_targets: bool = True

    @property
    def to_pull(self) -> FineTune | None:
        """The lever as a plan pulls it."""
        if not self.worth:
            return None
        return replace(
            self.lever, endpoints=self.worth, moves=tuple(m for m in self.lever.moves if m.endpoint in self.worth)
        )


def moving(
    replay: Replay,
    lever: FineTune,
    verdicts: Sequence[Verdict],
    sandbox: Sequence[str] = (),
    sibling: Lever | None = None,
) -> Moving:
    """Compare targets for every endpoint that could move, or might. `lever` has its `window_days` and `priced_on`.

    `sibling` is the lever that tries cheaper models; it is asked about the endpoints that it leaves to this one.
    """
    book = replay.book
    judged = [v for v in verdicts if v.verdict in {"move", "evaluate"} and v.endpoint and v.endpoint not in sandbox]
    prospects = [found for v in judged if (found := _prospect(v, lever)) is not None]
    targets = _targets(book, lever)
    economics = compare(replay.engine, book, (replay.usage, replay.money), lever, prospects, targets)
    movable = {v.endpoint for v in judged if v.verdict == "move"}
    moves = tuple(_moves(economics, movable))
    pulled = replace(lever, endpoints=tuple(move.endpoint for move in moves), moves=moves)
    saves = replay.saves_by_endpoint(pulled) if moves else {}
    factors: dict[str | None, tuple[float, float]] = {
        move.endpoint: (move.low_share / move.share, move.high_share / move.share) for move in moves
    }
    frames = ShorterPrompt(frames=tuple((v.endpoint, v.frame_share) for v in judged if v.endpoint and v.frame_share))
    worth = tuple(move.endpoint for move in moves if saves.get(move.endpoint, Decimal(0)) > 0)
    return Moving(
        pulled,
        worth=worth,
        siblings=_siblings(replay, replace(sibling, endpoints=worth), lever.window_days) if sibling and worth else {},
        economics=economics,
        alone=replay.alone(pulled, lever.window_days, factors) if moves else {},
        frames_usd=replay.saves_by_endpoint(frames) if frames.frames else {},
        left_out=tuple((t.target, why) for t in book.targets if (why := why_not(t, book, lever)) is not None),
        has_targets=bool(targets),
    )


def _siblings(replay: Replay, lever: Lever, days: int) -> dict[str | None, Interval]:
    """What the log speaks for, and at the high end what is possible if an evaluation says so."""
    shown = replay.alone(lever, days, {})
    possible = replay.alone(further, days, {}) if (further := lever.if_it_holds()) else shown
    none = Interval(Decimal(0), Decimal(0), Decimal(0))
    return {
        endpoint: replace(shown.get(endpoint, none), high=max(span.high, shown.get(endpoint, none).high))
        for endpoint, span in possible.items()
    }


def check(book: pricing.Book, lever: FineTune, provider: str, model: str) -> FineTune:
    """The lever with the target that the settings ask for. A target that nobody may begin with is an error."""
    if not model and lever.target is None:
        return lever
    if not model:
        known = {target.target: target for target in book.targets}
        if lever.target not in known:
            raise AuditError(
                f"levers.fine_tune.target = {lever.target!r} is not in the table. Known: {', '.join(known)}."
            )
        chosen = known[lever.target]
    else:
        if book.place(provider, model, None, None) is None:
            raise AuditError(
                f"tuned_model {model!r} of tuned_provider {provider!r} has no price, so what a tuned "
                "model would cost is unknown. Name another one, or its rates in prices.toml; see `llmaudit prices show`."
            )
        chosen = next((t for t in book.targets if (t.provider, t.model) == (provider, model)), listed(provider, model))
        if chosen not in book.targets:
            return replace(lever, target=chosen.target)
    why = why_not(chosen, book, replace(lever, target=chosen.target))
    if why:
        raise AuditError(
            f"{chosen.target} is asked for as the target of fine-tuning, but {why}. Name another one, or leave it out: "
            "the targets that may be proposed are then compared."
        )
    return replace(lever, target=chosen.target)


def stand_in(lever: FineTune, provider: str, model: str, book: pricing.Book) -> tuple[str, str]:
    """Provider and model whose price stands for inference on a tuned model, before anything is compared."""
    if model:
        return provider, model
    asked = next((t for t in book.targets if t.target == lever.target and t.provider and t.model), None)
    return (asked.provider or "", asked.model or "") if asked else (lever.target_provider, lever.target_model)


def _targets(book: pricing.Book, lever: FineTune) -> list[Target]:
    known = proposable(book, lever)
    if known or lever.target is None or "/" not in lever.target:
        return known
    provider, _, model = lever.target.partition("/")
    return [listed(provider, model)]


def _prospect(verdict: Verdict, lever: FineTune) -> Prospect | None:
    """None where nobody knows which share of the calls would move."""
    found = verdict.evidence
    if lever.share is not None:
        low = share = high = lever.share
    elif found is None:
        return None
    else:
        from llmaudit.detectors.evidence import share_interval

        low, most = share_interval(found.coverage, found.n)
        share, high = found.coverage, max(found.coverage, most, found.high)
    late = found.late_agreement if found else None
    drifts = found is not None and late is not None and late < found.agreement - DRIFTING
    return Prospect(
        verdict.endpoint or "",
        share=share,
        low_share=min(low, share),
        high_share=high,
        agreement=found.agreement if found else None,
        kept_input=1 - (verdict.frame_share or 0.0) if lever.drop_instructions else 1.0,
        retrain_days=min(DRIFTING_DAYS, lever.retrain_days) if drifts else lever.retrain_days,
    )


def _moves(economics: Mapping[str, Economics], movable: set[str | None]) -> Iterator[Move]:
    for endpoint, found in economics.items():
        if endpoint in movable and found.best is not None and found.prospect.share > 0 and not found.is_dearer:
            yield found.prospect.move(found.best.target)


def rows(
    verdicts: Sequence[Verdict],
    costs: Mapping[str | None, Decimal | None],
    found: Sequence[Row],
    money: Moving,
    teachers: Mapping[str | None, Sequence[str]],
) -> list[dict[str, Any]]:
    """`fine_tune` of report.json. `teachers` are the providers that answer each endpoint today."""
    return [
        _row(v, costs.get(v.endpoint), [f for f in found if f["endpoint"] == v.endpoint], money, teachers)
        for v in verdicts
    ]


def _row(
    v: Verdict,
    cost_usd: Decimal | None,
    found: Sequence[Row],
    money: Moving,
    teachers: Mapping[str | None, Sequence[str]],
) -> dict[str, Any]:
    economics = money.economics.get(v.endpoint or "")
    verdict, reason, code = _judged(v, economics, money)
    offer = economics.best if economics else None
    might = v.verdict in {"move", "evaluate"}
    return {
        "endpoint": v.endpoint,
        "requests": v.requests,
        "cost_usd": cost_usd,
        "verdict": verdict,
        "reason": reason,
        "reason_code": code,
        "agreement": asdict(v.agreement) if v.agreement else None,
        "coverage": v.coverage,
        "payback_days": offer.payback_days if offer and verdict in {"move", "evaluate"} else None,
        "saving_usd": _saving(v, found, offer, money) if verdict in {"move", "evaluate"} else None,
        "profile": dict(v.profile),
        "evidence": _student(v.evidence) if v.evidence else None,
        "economics": _economics(v, economics, money) if economics else None,
        "alternatives": list(_alternatives(v, found, money)) if might else [],
        "risks": list(_risks(v, offer, teachers.get(v.endpoint, ()))) if might else [],
        "falsified_by": list(_falsified(v, offer, money.lever)) if might else [],
    }


def _judged(v: Verdict, economics: Economics | None, money: Moving) -> tuple[str | None, str, str]:
    """The verdict of the evidence stands, but where money refutes it at any volume or the user set a limit."""
    most = money.lever.max_payback_days
    learned = v.reason.removesuffix(".")
    if v.verdict != "move":
        return v.verdict, v.reason, v.reason_code
    if not money.has_targets:
        return "evaluate", f"{learned}, but no target in the table of hosts may be proposed.", "no_target"
    if economics and economics.is_dearer:
        return "keep", f"{learned}, but a call would cost more on every target than it does today.", "dearer_tuned"
    offer = economics.best if economics else None
    if most is not None and offer and (offer.payback_days is None or offer.payback_days > most):
        when = "never" if offer.payback_days is None else f"after {offer.payback_days:,.0f} days"
        return (
            "evaluate",
            f"{learned}, but at this volume it pays back {when}, not within {most:,} days.",
            "slow_payback",
        )
    return v.verdict, v.reason, v.reason_code


def _saving(v: Verdict, found: Sequence[Row], offer: Offer | None, money: Moving) -> dict[str, Decimal | None] | None:
    """That of the findings; where the lever was not pulled, what it would come to by itself."""
    mine = [f["saving_usd"] for f in found if f["lever"] == FineTune.name]
    if mine:
        return {end: sum((saving[end] for saving in mine), Decimal(0)) for end in ("low", "expected", "high")}
    span = money.alone.get(v.endpoint)
    if span:
        return {"low": span.low, "expected": span.expected, "high": span.high}
    return {"low": offer.low_usd, "expected": offer.net_usd, "high": offer.high_usd} if offer else None


def _economics(v: Verdict, found: Economics, money: Moving) -> dict[str, Any]:
    offer, prospect, lever = found.best, found.prospect, money.lever
    pulled = v.endpoint in money.worth
    return {
        "target": offer.target.target if offer else None,
        "base_model": offer.target.base_model if offer else None,
        "summary": _summary(found, lever),
        "in_plan": pulled,
        "calls_per_day": float(found.calls_per_day),
        "moved_share": {"low": prospect.low_share, "expected": prospect.share, "high": prospect.high_share},
        "window_days": lever.window_days,
        "spread_days": lever.spread_days,
        "retrain_days": prospect.retrain_days,
        "judged_calls": calls_to_judge(prospect.agreement, lever.margin),
        "payback_days": _payback(v, offer, money),
        "break_even_calls_per_day": _float(offer.break_even_calls_per_day) if offer else None,
        "affordable_usd": offer.affordable_usd if offer else None,
        "shared_words": {"share": v.frame_share, "cost_usd": money.frames_usd.get(v.endpoint)},
        "payback_curve": [
            {"calls_per_day": float(calls), "payback_days": _float(days)}
            for calls, days in (offer.payback_curve() if offer else ())
        ],
        "targets": [_target(one, one is offer) for one in found.offers],
        "left_out": [{"target": target, "why": why} for target, why in money.left_out],
    }


def _payback(v: Verdict, offer: Offer | None, money: Moving) -> dict[str, float | None]:
    """Soonest and latest by the ends of the saving's interval; None is never."""
    span = money.alone.get(v.endpoint)
    if offer is None:
        return dict.fromkeys(("soonest", "expected", "latest"))
    ends = {"soonest": span.high, "latest": span.low} if span else {"soonest": offer.high_usd, "latest": offer.low_usd}
    days = {
        end: payback_days(offer.one_off_usd, offer.before_one_off(usd), offer.window_days) for end, usd in ends.items()
    }
    return {
        "soonest": _float(days["soonest"]),
        "expected": _float(offer.payback_days),
        "latest": _float(days["latest"]),
    }


def _summary(found: Economics, lever: FineTune) -> str:
    """The money in one sentence."""
    offer, calls = found.best, f"{found.calls_per_day:,.0f} calls a day"
    if found.unpriced_calls:
        return f"{found.unpriced_calls:,} of its calls have no price today, so nobody knows what they would save."
    if offer is None:
        return "No target that may be proposed has a full price."
    if found.is_dearer:
        return "A call costs more on every target than it does today, whatever the volume."
    need = offer.break_even_calls_per_day
    within = f"within {lever.spread_days:,} days"
    from_calls = (
        f"it does {within} from {need:,.0f} calls a day" if need is not None else "no volume is shown to be enough"
    )
    if offer.payback_days is None:
        short = (
            "a window under seven days says nothing about a month"
            if lever.window_days < FEWEST_DAYS
            else "what runs costs more than is saved"
        )
        return f"At {calls} it does not pay back ({short}); {from_calls}."
    back = f"At {calls} what is paid once is back after {offer.payback_days:,.0f} days"
    said = f", on {offer.target.base_model}." if offer.payback_days <= lever.spread_days else f"; {from_calls}."
    return f"{back}{said}{_better_known(found, offer)}"


def _better_known(found: Economics, best: Offer) -> str:
    """Where the best target rests on prices that are not well known: the best of those that do."""
    if not best.target.confidence.startswith("low"):
        return ""
    sure = (one for one in found.offers if one.net_usd is not None and one.target.confidence[:3] not in ("", "low"))
    doubt = f" The prices of {best.target.target} are known with low confidence"
    if (known := next(sure, None)) is None:
        return f"{doubt}, as are those of all targets compared."
    back = "never pays back" if known.payback_days is None else f"takes {known.payback_days:,.0f} days"
    return f"{doubt}; {known.target.target}, of which more is known, {back}."


def _target(offer: Offer, best: bool) -> dict[str, Any]:
    target = offer.target
    money = (
        "inference",
        "hosting",
        "fallback",
        "upkeep",
        "retraining",
        "training",
        "evaluation",
        "labelling",
        "one_off",
    )
    facts = ("target", "provider", "model", "base_model", "licence", "serving", "prompt_caching", "batch", "confidence")
    return {
        **{name: getattr(target, name) for name in facts},
        "open_weights": target.has_open_weights,
        "checked": _day(target.checked),
        "source": target.source,
        "best": best,
        "today_usd": offer.today_usd,
        **{f"{name}_usd": getattr(offer, f"{name}_usd") for name in money},
        "net_usd": {"low": offer.low_usd, "expected": offer.net_usd, "high": offer.high_usd},
        "payback_days": _float(offer.payback_days),
        "break_even_calls_per_day": _float(offer.break_even_calls_per_day),
        "unpriced": list(offer.unpriced),
    }


def _alternatives(v: Verdict, found: Sequence[Row], money: Moving) -> Iterator[dict[str, Any]]:
    """What costs less to do than tuning, first of all what the brief asks for, with the dollars of the plan's findings."""
    names = [*ALTERNATIVES, *sorted({f["lever"] for f in found} - {*ALTERNATIVES, FineTune.name})]
    for name in names:
        mine = [f for f in found if f["lever"] == name]
        sibling = money.siblings.get(v.endpoint) if name == "right_size" else None
        saving = {end: sum((f["saving_usd"][end] for f in mine), Decimal(0)) for end in ("low", "expected", "high")}
        if name == ShorterPrompt.name:
            usd = money.frames_usd.get(v.endpoint)
            if usd is not None:
                yield {"lever": name, "saving_usd": {"low": Decimal(0), "expected": usd, "high": usd}, "effort": "days"}
        elif sibling and sibling.high > 0:
            saving = {"low": sibling.low, "expected": sibling.expected, "high": sibling.high}
            yield {"lever": name, "saving_usd": saving, "effort": "days"}
        elif mine and (saving["expected"] > 0 or name in ALTERNATIVES):
            yield {"lever": name, "saving_usd": saving, "effort": mine[0]["effort"]}
        elif name in ALTERNATIVES:
            yield {"lever": name, "saving_usd": None, "effort": None}


def _risks(v: Verdict, offer: Offer | None, teachers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each with the day and the place its fact is from; None is this log."""
    found = v.evidence
    if found and found.late_agreement is not None:
        yield _risk(
            "drift",
            f"Trained on the earlier calls, the student gives {found.late_agreement:.0%} of the later answers, {found.agreement:.0%} overall.",
        )
    shift = v.profile.get("drift")
    if shift and shift["day"]:
        yield _risk("drift", _shifted(shift))
    elif shift and not (found and found.late_agreement is not None):
        yield _risk("drift", "Neither answers nor the words of the inputs changed visibly within the log.")
    elif shift is None and not (found and found.late_agreement is not None):
        yield _risk("drift", "The log is too short, or has no times, to see whether the task changes.")
    if found and found.repeats:
        yield _risk(
            "label_noise",
            f"Asked again, today's model repeats its own answer {found.self_agreement:.0%} of the time ({found.repeats:,} pairs): what it gets wrong is learned too.",
        )
    else:
        yield _risk(
            "label_noise",
            "No input repeats, so nobody knows how often today's model contradicts itself; what it gets wrong is learned too.",
        )
    yield _risk("personal_data", _personal(v))
    for provider in teachers:
        terms = training_terms().get(provider)
        text = (
            terms.terms
            if terms
            else f"What the terms of {provider} say about training on its answers was not looked up."
        )
        yield _risk("provider_terms", text, terms.checked if terms else None, terms.source if terms else None)
    if offer:
        target = offer.target
        yield _risk("licence", f"{target.base_model}: {target.licence}.", target.checked, target.source)
        yield _risk(
            "host",
            f"{target.note or 'Nothing is known of this host'}. How sure: {target.confidence or 'unknown'}.",
            target.checked,
            target.source,
        )


def _risk(kind: str, text: str, checked: date | None = None, source: str | None = None) -> dict[str, Any]:
    return {"kind": kind, "text": text, "checked": _day(checked), "source": source}


def _shifted(shift: Mapping[str, Any]) -> str:
    changed = ", ".join(f"{one['what']!r} {one['before']:.0%} to {one['since']:.0%}" for one in shift["shifts"][:3])
    return f"The task changed about {shift['day']}: {changed}. {shift['answers']:.0%} of the answers are others since."


def _personal(v: Verdict) -> str:
    found = v.profile.get("personal") or {}
    if not found.get("calls"):
        seen = "Nothing of the shape of personal data (e-mail, phone, card, account, IP address) was seen in the sampled calls; names are not looked for."
    else:
        kinds = ", ".join(f"{kind.replace('_', ' ')} {n:,}" for kind, n in found["calls"].items())
        seen = f"{found['share']:.1%} of the sampled calls hold what looks like personal data ({kinds}): what is trained on them may give them back."
    secrets = v.profile.get("secrets")
    return f"{seen} {secrets:,} held a secret, which is masked." if secrets else seen


def _falsified(v: Verdict, offer: Offer | None, lever: FineTune) -> Iterator[str]:
    """What would show that moving is wrong."""
    if v.agreement:
        judged = calls_to_judge(v.agreement.estimate, lever.margin)
        yield f"An acceptance test on {judged:,} held-out calls in which the tuned model gives fewer than {v.agreement.low:.0%} of the logged answers."
        yield f"People who read the disagreements and find the logged answers right in most of them, where the student stands at {v.agreement.estimate:.0%}."
    if v.coverage:
        yield f"A tuned model that is sure of fewer than {v.coverage:.0%} of the calls at 97 % agreement: then fewer calls leave today's model."
    if offer and offer.break_even_calls_per_day is not None:
        yield f"A month with fewer than {offer.break_even_calls_per_day:,.0f} calls a day."
    if offer and offer.room_share is not None:
        yield f"Today's model, or a sibling that passes the same test, becoming {offer.room_share:.0%} cheaper."


def _student(found: Evidence) -> dict[str, Any]:
    """What the proxy student showed beyond its agreement: see detectors/evidence.py."""
    said = asdict(found)
    beside = ("agreement", "low", "high", "baseline", "n", "coverage")
    curves = {
        "curve": [{"n": n, "agreement": share} for n, share in found.curve],
        "risk_curve": [{"coverage": taken, "agreement": share} for taken, share in found.risk_curve],
    }
    return {**{name: value for name, value in said.items() if name not in beside}, **curves}


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _day(value: date | None) -> str | None:
    return value.isoformat() if value else None
