"""What an earlier report promised, beside what later calls still have to save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from llmaudit.replay.intervals import MICRO
from llmaudit.replay.pulls import ZERO

Row = Mapping[str, Any]
Place = tuple[str, str | None]
"""Lever and endpoint."""
Usual = Mapping[tuple[str | None, str | None], Decimal]
"""Endpoint and model -> share of the endpoint's calls."""

REALISED, PARTLY = Decimal("0.8"), Decimal("0.2")
"""Shares of a promise that must have come true to be called so."""
FEWEST_CALLS = 30
"""Of an endpoint, before anything is said about it."""
SAME_MODEL = Decimal("0.5")
"""Share of an endpoint's calls that still go to the old model when they cannot be said to have moved."""

ENDS = ("low", "expected", "high")


@dataclass(frozen=True)
class _Endpoint:
    """What an endpoint cost, and would have cost with every finding done."""

    requests: int
    cost_usd: Decimal
    useful_usd: Decimal


def kept(before: Row, now: Row, models: Iterable[Row]) -> dict[str, Any]:
    """The promises of the report `before`, finding by finding, held against the report `now` on later calls.

    What an endpoint would cost with all its findings done measures both windows: it follows volume and prices, and not
    whether anything was done. A promise is scaled by it; what the same lever finds in the later calls is left of it, and
    the rest has come true. `models` say how many later calls of each endpoint each model has (endpoint, model, requests).
    """
    then, later = _endpoints(before), _endpoints(now)
    left = _left(before, now)
    ran = {row["id"]: row for row in now["analyses"]}
    usual = _usual(models)
    lines = [
        _line(finding, then.get(finding["endpoint"]), later.get(finding["endpoint"]), left[finding["id"]], ran, usual)
        for finding in before["findings"]
        if _promised(finding)
    ]
    judged = [line for line in lines if line["verdict"] != "cannot tell"]
    factor = now["window"]["month_factor"]
    totals: dict[str, Any] = {
        name: sum((line[name] for line in judged), ZERO) for name in ("promised_usd", "left_usd", "realised_usd")
    }
    totals["monthly_realised_usd"] = _monthly(totals["realised_usd"], factor)
    totals["cannot_tell_usd"] = sum((line["then_usd"]["expected"] for line in lines if line not in judged), ZERO)
    return {
        "baseline": {name: before["window"][name] for name in ("start", "end", "days")},
        "window": {name: now["window"][name] for name in ("start", "end", "days")},
        "findings": [{**line, "monthly_realised_usd": _monthly(line["realised_usd"], factor)} for line in lines],
        "totals": totals,
        "not_promised": sum(1 for finding in before["findings"] if not _promised(finding)),
        "new": _new(before, now),
    }


def broken(found: Row) -> list[str]:
    """Findings that somebody calls done and that later calls do not show to be."""
    return [
        row["id"] for row in found["findings"] if row["status"] == "done" and row["verdict"] in ("partly", "not yet")
    ]


def _line(
    finding: Row, then: _Endpoint | None, later: _Endpoint | None, left: Decimal, ran: Mapping[str, Row], usual: Usual
) -> dict[str, Any]:
    line = {
        **{name: finding[name] for name in ("id", "lever", "grade", "endpoint", "model", "status")},
        "then_usd": {end: _usd(finding["saving_usd"][end]) for end in ENDS},
    }
    reason = _cannot_tell(finding, then, later, left, ran, usual)
    if reason is not None or then is None or later is None:
        unknown = dict.fromkeys(("scale", "promised_usd", "left_usd", "realised_usd", "share", "within_promise"))
        return {**line, **unknown, "verdict": "cannot tell", "reason": reason}
    scale = later.useful_usd / then.useful_usd
    low, promised, high = ((line["then_usd"][end] * scale).quantize(MICRO) for end in ENDS)
    left = left.quantize(MICRO)
    realised = promised - left
    share = realised / promised if promised else ZERO
    return {
        **line,
        "scale": round(float(scale), 6),
        "promised_usd": promised,
        "left_usd": left,
        "realised_usd": realised,
        "share": round(float(share), 6),
        "within_promise": low <= realised <= high,
        "verdict": "realised" if share >= REALISED else "partly" if share >= PARTLY else "not yet",
        "reason": _said(share, scale),
    }


def _said(share: Decimal, scale: Decimal) -> str:
    if share < 0:
        return f"later calls have more to save than was promised, at {scale:.2f} times the endpoint's useful cost"
    return f"{max(ZERO, 1 - share):.0%} of it is still left to save, at {scale:.2f} times the endpoint's useful cost"


def _cannot_tell(
    finding: Row, then: _Endpoint | None, later: _Endpoint | None, left: Decimal, ran: Mapping[str, Row], usual: Usual
) -> str | None:
    """Why nothing can be said of a promise. None: something can."""
    analysis = ran.get(finding["lever"])
    if later is None or not later.requests:
        return "the endpoint has no later calls"
    if later.requests < FEWEST_CALLS:
        return f"the endpoint has {later.requests} later calls, fewer than {FEWEST_CALLS}"
    if analysis is None or analysis["status"] != "ran":
        why = (analysis or {}).get("reason") or "not among the levers"
        return f"{finding['lever']} was not asked about the later calls: {why}"
    if then is None or then.useful_usd <= 0 or later.useful_usd <= 0:
        return "nothing of the endpoint's cost was to stay, so that there is nothing to measure by"
    if (
        finding["stage"] == "route"
        and not left
        and usual.get((finding["endpoint"], finding["model"]), ZERO) >= SAME_MODEL
    ):
        return f"most calls still go to {finding['model']}, and the lever no longer asks to move them"
    return None


def _left(before: Row, now: Row) -> dict[str, Decimal]:
    """Finding -> what the lever still finds. What it finds on models that were not promised is shared out by promise."""
    promised = {finding["id"]: finding for finding in before["findings"] if _promised(finding)}
    found = {finding["id"]: _usd(finding["saving_usd"]["expected"]) for finding in now["findings"] if _saves(finding)}
    sums: dict[Place, Decimal] = {}
    for finding in promised.values():
        sums[_place(finding)] = sums.get(_place(finding), ZERO) + _usd(finding["saving_usd"]["expected"])
    elsewhere: dict[Place, Decimal] = {}
    for finding in now["findings"]:
        if finding["id"] not in promised and _saves(finding):
            elsewhere[_place(finding)] = elsewhere.get(_place(finding), ZERO) + found[finding["id"]]
    return {
        name: found.get(name, ZERO)
        + elsewhere.get(_place(finding), ZERO) * _usd(finding["saving_usd"]["expected"]) / sums[_place(finding)]
        for name, finding in promised.items()
    }


def _new(before: Row, now: Row) -> list[dict[str, Any]]:
    """What later calls have to save where nothing was promised."""
    places = {_place(finding) for finding in before["findings"] if _promised(finding)}
    return [
        {"id": finding["id"], "saving_usd": _usd(finding["saving_usd"]["expected"])}
        for finding in now["findings"]
        if _saves(finding) and _place(finding) not in places
    ]


def _endpoints(report: Row) -> dict[str | None, _Endpoint]:
    to_save: dict[str | None, Decimal] = {}
    for finding in report["findings"]:
        if _saves(finding):
            saving = _usd(finding["saving_usd"]["expected"])
            to_save[finding["endpoint"]] = to_save.get(finding["endpoint"], ZERO) + saving
    return {
        row["key"]: _Endpoint(
            row["requests"], _usd(row["cost_usd"]), _usd(row["cost_usd"]) - to_save.get(row["key"], ZERO)
        )
        for row in report["spend"]["endpoint"]
    }


def _usual(models: Iterable[Row]) -> Usual:
    rows: Sequence[Row] = list(models)
    calls: dict[str | None, int] = {}
    for row in rows:
        calls[row["endpoint"]] = calls.get(row["endpoint"], 0) + row["requests"]
    return {(row["endpoint"], row["model"]): Decimal(row["requests"]) / calls[row["endpoint"]] for row in rows}


def _promised(finding: Row) -> bool:
    return _saves(finding) and finding["status"] != "declined"


def _saves(finding: Row) -> bool:
    return bool(_usd(finding["saving_usd"]["expected"]) > 0)


def _place(finding: Row) -> Place:
    return finding["lever"], finding["endpoint"]


def _usd(amount: Any) -> Decimal:
    return ZERO if amount is None else Decimal(str(amount))


def _monthly(amount: Decimal | None, factor: float | None) -> Decimal | None:
    return None if amount is None or factor is None else (amount * Decimal(repr(factor))).quantize(MICRO)
