"""Every finding, the dearest first: what, where, dollars, proof, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.absent import nothing
from llmaudit.report.blocks import Block, Bullets, Cell, Facts, Fold, Heading, Line, Para, Table, columns, line
from llmaudit.report.grades import GRADES, NEEDS_TEST
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Findings"
ORDER = 40

IN_FULL = 40
"""Findings shown with their evidence; the further ones get a row each."""

IN_TERMINAL = 3

_KINDS = ("new", "gone", "changed")
"""What may have become of a finding since the compared report."""

_SHARES = {"share", "rate", "coverage", "agreement"}


def blocks(report: Report) -> Sequence[Block]:
    found, apart = _ranked(report), _declined(report)
    if not found and not apart:
        ids = tuple(analysis["id"] for analysis in report["analyses"])
        return (nothing(report, ids, "The analyses that ran found nothing to change."),)
    intro = Para(
        f"{show.noun(len(found), 'finding')}, the largest saving first. Each saves what the plan's earlier steps leave it, "
        "so that findings add up to the plan.",
        "muted",
    )
    worth = [finding for finding in found if _shown(finding) != show.usd(0)]
    further = worth[IN_FULL:]
    rest: Sequence[Block] = (Heading("Further findings"), _table(further)) if further else ()
    return (
        intro,
        *_changes(report),
        *(_fold(report, finding) for finding in worth[:IN_FULL]),
        *rest,
        *_nothing_saved(finding for finding in found if _shown(finding) == show.usd(0)),
        *_apart(report, apart),
    )


def terminal(report: Report) -> Sequence[Line]:
    lines = []
    for place, finding in enumerate(_ranked(report)[:IN_TERMINAL]):
        saving = finding["saving_usd"]["expected"]
        text = f"{_title(finding)}, {logged(finding['endpoint'], 'all endpoints', 48)}{_at_best(finding)}"
        parts = ((show.usd(saving), -10), (f"  {_short_grade(finding)} ", 0), (text, 0))
        lines.append(Line("Findings" if place == 0 else "", parts, spare=place == IN_TERMINAL - 1))
    return [*lines, *_changes_in_terminal(report)]


def _at_best(finding: Mapping[str, Any]) -> str:
    """What it comes to if an evaluation speaks for it, where the log does not."""
    saving = finding["saving_usd"]
    return f" (up to {show.usd(saving['high'])})" if not saving["expected"] and (saving["high"] or 0) > 0 else ""


def _changes_in_terminal(report: Report) -> Sequence[Line]:
    """How the findings differ from those of the compared report, and the one of each kind that moves most."""
    changes = report.get("findings_compared")
    if not changes:
        return ()
    counted = ", ".join(f"{show.count(len(changes[kind]))} {kind}" for kind in _KINDS)
    lines = [line("Since then", f"{counted} of the findings")]
    for kind in _KINDS:
        for change in sorted(changes[kind], key=_at_stake)[:1]:
            was, now = show.usd(change["before_usd"] or 0), show.usd(change["after_usd"] or 0)
            lines.append(line("", f"{kind}: {logged(change['id'], limit=72)}, {was} then, {now} now", spare=True))
    return lines


def _at_stake(change: Mapping[str, Any]) -> tuple[float, str]:
    return -max(float(change[name] or 0) for name in ("before_usd", "after_usd")), change["id"]


def _short_grade(finding: Mapping[str, Any]) -> str:
    return "C, test" if finding["grade"] == "C" else f"{finding['grade']}      "


def _ranked(report: Report) -> list[Mapping[str, Any]]:
    found = [finding for finding in report["findings"] if finding["status"] != "declined"]
    return sorted(found, key=lambda finding: -(finding["saving_usd"]["expected"] or 0))


def _declined(report: Report) -> list[Mapping[str, Any]]:
    return [finding for finding in report["findings"] if finding["status"] == "declined"]


def _apart(report: Report, declined: Sequence[Mapping[str, Any]]) -> Sequence[Block]:
    if not declined:
        return ()
    said = Para(
        "Nobody will do these: they are in no plan. Each saving is what the change would save on its own.", "muted"
    )
    return (Heading("Declined"), said, *(_fold(report, finding) for finding in declined))


def _nothing_saved(found: Iterable[Mapping[str, Any]]) -> Sequence[Block]:
    """Changes that nothing in the log speaks for yet, and what was found and costs nothing: unbilled failures, say."""
    open_: list[Mapping[str, Any]] = []
    idle: list[Mapping[str, Any]] = []
    for finding in found:
        (open_ if (finding["saving_usd"]["high"] or 0) > 0 else idle).append(finding)
    folds = []
    if open_:
        open_.sort(key=lambda finding: -finding["saving_usd"]["high"])
        title = show.noun(len(open_), "change worth an evaluation", "changes worth an evaluation")
        said = Para(
            "The log does not show what the answers would be like, so nothing is claimed: the high end is what each would save if its evaluation passes everywhere.",
            "muted",
        )
        folds.append(Fold(title, (said, _table(open_))))
    if idle:
        title = show.noun(len(idle), "finding that saves nothing here", "findings that save nothing here")
        folds.append(Fold(title, (_table(idle),)))
    return folds


def _shown(finding: Mapping[str, Any]) -> str:
    return show.usd(finding["saving_usd"]["expected"])


def _changes(report: Report) -> Sequence[Block]:
    """What became of the findings of the compared report."""
    changes = report.get("findings_compared")
    if not changes:
        return ()
    rows = tuple(
        (
            kind,
            logged(line["id"], limit=200),
            show.usd(line["before_usd"]),
            show.usd(line["after_usd"]),
            clean(line["status"], 40),
        )
        for kind in _KINDS
        for line in changes[kind]
    )
    if not rows:
        return (Para("The same findings as in the compared report.", "muted"),)
    names = columns("<Since then", "<Finding", "Saving then", "Saving now", "<Status")
    return (Table("Findings since the compared report", names, rows, fold=10),)


def _decided(finding: Mapping[str, Any]) -> str:
    """The status, and who decided it, why and until when."""
    decision = finding.get("decision")
    if not decision:
        return clean(finding["status"] or show.UNKNOWN, 40)
    over = "" if decision["status"] == finding["status"] else f", was {decision['status']}"
    parts = [
        f"{finding['status']}{over} on {decision['decided_on']}",
        *([f"by {decision['owner']}"] if decision["owner"] else []),
        *([f"until {decision['until']}"] if decision["until"] else []),
        *([f"because: {decision['reason']}"] if decision["reason"] else []),
    ]
    return clean(", ".join(parts), 400)


def _title(finding: Mapping[str, Any]) -> str:
    return clean(finding.get("title") or show.words(finding["lever"]), 120)


def _fold(report: Report, finding: Mapping[str, Any]) -> Fold:
    saving = finding["saving_usd"]["expected"]
    lost = saving is not None and saving < 0
    return Fold(
        title=_title(finding),
        where=_where(finding),
        amount=show.usd(saving),
        badge=finding["grade"],
        note="would cost more" if lost else NEEDS_TEST if finding["grade"] == "C" else "",
        inside=(
            Para(clean(finding["action"])),
            Facts(tuple(_facts(report, finding))),
            *_assumes(finding),
            *_evidence(finding),
        ),
    )


def _where(finding: Mapping[str, Any]) -> str:
    endpoint = logged(finding["endpoint"], "all endpoints", 80)
    return endpoint if finding["model"] is None else f"{endpoint}, {logged(finding['model'], limit=80)}"


def _facts(report: Report, finding: Mapping[str, Any]) -> list[tuple[str, str]]:
    saving = finding["saving_usd"]
    facts = [
        ("Saving in this window", f"{show.usd(saving['expected'])} expected, {show.between(saving)}"),
        ("A month", show.usd(finding["monthly_usd"])),
        ("Calls", f"{show.count(finding['requests'])} of {show.count(report['totals']['requests'])}"),
        ("Grade", f"{finding['grade']}: {GRADES.get(finding['grade'], 'unknown')}"),
        ("Effort", clean(finding["effort"] or show.UNKNOWN, 120)),
        ("Risk", clean(finding.get("risk") or "", 40)),
        ("Status", _decided(finding)),
        ("Finding", logged(finding["id"], limit=200)),
    ]
    return [fact for fact in facts if fact[1] and (fact[0] != "A month" or finding["monthly_usd"] is not None)]


def _assumes(finding: Mapping[str, Any]) -> Sequence[Block]:
    if not finding["assumes"]:
        return ()
    return (Heading("What it assumes"), Bullets(tuple(clean(text) for text in finding["assumes"])))


def _evidence(finding: Mapping[str, Any]) -> Sequence[Block]:
    if not finding["evidence"]:
        return ()
    facts = tuple((clean(show.words(key), 80), _said(key, value)) for key, value in finding["evidence"].items())
    return (Heading("Evidence"), Facts(facts))


def _said(key: str, value: object) -> str:
    """One value of the evidence, by what its name says it is."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: show.UNKNOWN}[value]
    if isinstance(value, int | float):
        return _number(key, value)
    if isinstance(value, Mapping):
        return "; ".join(
            f"{clean(show.words(str(k)), 80).lower()} {_said(_inner(key, str(k)), v)}" for k, v in value.items()
        )
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return clean(", ".join(_said(key, item) for item in value[:20])) or "none"
    return logged(value if isinstance(value, str) else json.dumps(value), limit=400)


def _inner(outer: str, key: str) -> str:
    """The name that says what an inner value is: `estimate` of a rate is a rate, `n` is a count."""
    return key if key == "n" else f"{key}_{outer}"


def _number(key: str, value: float) -> str:
    if key.endswith("_usd"):
        return show.usd(value)
    if key.endswith("_seconds"):
        return show.lasting(value)
    if _SHARES & set(key.split("_")) and 0 <= value <= 1:
        return show.share(value)
    return show.count(value) if isinstance(value, int) else f"{value:,.4g}"


def _table(findings: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            _title(finding),
            logged(finding["endpoint"], "all endpoints"),
            Cell(finding["grade"], tone="test" if finding["grade"] == "C" else ""),
            show.usd(finding["saving_usd"]["expected"]),
            show.between(finding["saving_usd"]),
            clean(finding["action"], 200),
        )
        for finding in findings
    )
    names = columns("Finding", "<Where", "<Grade", "Expected", "Low to high", "<What to do")
    return Table("Further findings", names, rows)
