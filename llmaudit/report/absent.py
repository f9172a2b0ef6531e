"""Why a section has nothing to show: an empty list must never read as a clean bill of health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmaudit.report.blocks import Para, Tone
from llmaudit.report.text import clean

A_FEW = 3
STATUS = {"ran": "ran", "skipped": "skipped", "not_built": "not built"}


def nothing(report: Mapping[str, Any], ids: tuple[str, ...], examined: str) -> Para:
    """`examined` if one of these analyses ran; else which did not, and why."""
    asked = [analysis for analysis in report["analyses"] if analysis["id"] in ids]
    if any(analysis["status"] == "ran" for analysis in asked):
        return Para(examined)
    if not asked:
        return Para("Not examined, so nothing is known here.", "bad")
    if len(asked) > A_FEW:
        return Para(f"Not examined, so nothing is known here: none of {len(asked)} analyses ran.", "bad")
    tone: Tone = "muted" if all(analysis["status"] == "skipped" for analysis in asked) else "bad"
    return Para(f"Not examined, so nothing is known here: {'; '.join(map(_why, asked))}.", tone)


def _why(analysis: Mapping[str, Any]) -> str:
    if analysis["status"] == "skipped" and analysis["reason"]:
        return clean(analysis["reason"], 300)
    reason = f" ({clean(analysis['reason'], 300)})" if analysis["reason"] else ""
    return f"{analysis['id']} was {STATUS.get(analysis['status'], analysis['status'])}{reason}"
