"""What `llmaudit verify` prints: promises, and what has come of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmaudit.report import show
from llmaudit.report.text import logged

VERDICTS = ("realised", "partly", "not yet", "cannot tell")


def text(found: Mapping[str, Any]) -> str:
    """A line for each finding, those with the most at stake first, and the sums."""
    lines = [
        f"Promised by the report on {_days(found['baseline'])}, held against the calls of {_days(found['window'])}:",
        "",
    ]
    for verdict in VERDICTS:
        own = [row for row in found["findings"] if row["verdict"] == verdict]
        lines += [line for row in sorted(own, key=_at_stake) for line in _line(row)]
    sums = found["totals"]
    promised, realised, left = (show.usd(sums[f"{name}_usd"]) for name in ("promised", "realised", "left"))
    month = _monthly(sums)
    lines += ["", f"Promised {promised} for the later calls: {realised} has come true{month}, {left} is left to save."]
    if sums["cannot_tell_usd"]:
        lines.append(f"Of {show.usd(sums['cannot_tell_usd'])} promised then nothing can be said.")
    if found["new"]:
        new = show.noun(len(found["new"]), "finding")
        lines.append(f"New since then: {new} where nothing was promised; see `llmaudit report`.")
    if not found["findings"]:
        lines.append("The baseline promises nothing.")
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> list[str]:
    promised = row["then_usd"]["expected"] if row["promised_usd"] is None else row["promised_usd"]
    came = "" if row["realised_usd"] is None else f", {show.usd(row['realised_usd'])} came true"
    status = "" if row["status"] == "open" else f" [{row['status']}]"
    title = f"{row['verdict']:<12}{logged(row['id'], limit=120)}{status}: {show.usd(promised)} promised{came}"
    return [title, f"{'':<12}{logged(row['reason'], limit=240)}"]


def _at_stake(row: Mapping[str, Any]) -> tuple[float, str]:
    return -float(row["promised_usd"] or row["then_usd"]["expected"]), row["id"]


def _monthly(sums: Mapping[str, Any]) -> str:
    month = sums["monthly_realised_usd"]
    return "" if month is None else f" ({show.usd(month)} a month)"


def _days(window: Mapping[str, Any]) -> str:
    return f"{(window['start'] or '')[:10]} to {(window['end'] or '')[:10]} (end excluded)"
