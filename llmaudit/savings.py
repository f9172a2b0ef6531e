"""Findings from run to run: what was decided about each, and which calls stand behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa

from llmaudit import queries
from llmaudit.assemble import Site, covered
from llmaudit.engine.base import Engine
from llmaudit.lake.decisions import Decision
from llmaudit.pricing import contract
from llmaudit.replay import Due, Step
from llmaudit.schema import FINDING_CALLS, USD

CALLS_KEPT = 1_000
"""Of each finding, the calls that save most."""

_SPENT = {"month": pl.Date(), "provider": pl.String(), "model": pl.String(), "contracted_usd": pl.Decimal(38, 12)}
_FOUND = pa.schema(
    [
        ("finding_id", pa.string()),
        ("lever", pa.string()),
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("saving_usd", USD),
    ]
)


def due(terms: contract.Contract, window: Mapping[str, Any]) -> Due | None:
    """What a contract makes of what is spent in the window. None: nothing in it holds the sum up or down."""
    terms = contract.Contract(terms.commitments, terms.credits)
    days = covered(window)
    if not terms or days is None:
        return None

    def due_for(spend: Mapping[tuple[date, str | None, str | None], Decimal]) -> Decimal:
        rows = [
            {"month": month, "provider": provider, "model": model, "contracted_usd": usd}
            for (month, provider, model), usd in spend.items()
        ]
        return contract.due_usd(pl.DataFrame(rows, schema=_SPENT), terms, days)

    return due_for


def declined(decisions: Mapping[str, Decision], day: date) -> dict[str, list[Site]]:
    """Lever -> endpoints and models on which nobody wants it, as long as that holds."""
    sites: dict[str, list[Site]] = {}
    for decision in decisions.values():
        if decision.status == "declined" and decision.holds(day):
            lever, endpoint, model = (unquote(part) or None for part in decision.finding_id.split("|"))
            sites.setdefault(lever or "", []).append((endpoint, model))
    return sites


def evidence_of(
    evidence: Mapping[str, Mapping[Site, Mapping[str, Any]]], sites: Mapping[str, Sequence[Site]], *, declined: bool
) -> dict[str, dict[Site, Mapping[str, Any]]]:
    """The evidence on endpoints and models where the lever was declined, or on the others."""
    return {
        lever: {site: row for site, row in rows.items() if (site in sites.get(lever, ())) == declined}
        for lever, rows in evidence.items()
    }


def with_status(found: Iterable[dict[str, Any]], decisions: Mapping[str, Decision], day: date) -> list[dict[str, Any]]:
    """The findings with what was decided about each. A decision whose time is over leaves the finding open, and is shown."""
    return [_with_status(finding, decisions.get(finding["id"]), day) for finding in found]


def _with_status(finding: dict[str, Any], decision: Decision | None, day: date) -> dict[str, Any]:
    if decision is None:
        return finding
    return {
        **finding,
        "status": decision.status if decision.holds(day) else "open",
        "decision": {
            "status": decision.status,
            "owner": decision.owner,
            "reason": decision.reason,
            "decided_on": decision.decided_on.isoformat(),
            "until": decision.until.isoformat() if decision.until else None,
        },
    }


def compared(before: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What became of the findings of an earlier report, and which are new."""
    then, now = ({f["id"]: f for f in findings} for findings in (before["findings"], found))
    lines: dict[str, list[dict[str, Any]]] = {"new": [], "gone": [], "changed": []}
    for name in sorted(then | now):
        earlier, later = then.get(name), now.get(name)
        line = {
            "id": name,
            "before_usd": earlier["saving_usd"]["expected"] if earlier else None,
            "after_usd": later["saving_usd"]["expected"] if later else None,
            "status": (later or earlier or {})["status"],
        }
        if earlier is None or later is None:
            lines["new" if earlier is None else "gone"].append(line)
        elif _moved(earlier, later):
            lines["changed"].append(line)
    return lines


def _moved(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    """Another status, or a saving outside the interval that was given then."""
    span, saving = earlier["saving_usd"], float(later["saving_usd"]["expected"])
    return earlier["status"] != later["status"] or not float(span["low"]) <= saving <= float(span["high"])


def calls_behind(engine: Engine, steps: Sequence[Step], found: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The calls of each finding, the dearest first: `FINDING_CALLS`."""
    parts = [FINDING_CALLS.empty_table()]
    for step in steps:
        own = [f for f in found if f["lever"] == step.lever.name]
        if step.moved is None or not own:
            continue
        rows = [
            {
                "finding_id": f["id"],
                **{name: f[name] for name in ("lever", "endpoint", "model")},
                "saving_usd": f["saving_usd"]["expected"],
            }
            for f in own
        ]
        engine.put("found", pa.Table.from_pylist(rows, _FOUND))
        calls = queries.run(engine, "finding_calls", params={"most": CALLS_KEPT}, moved=step.moved)
        parts.append(engine.fetch(calls).cast(FINDING_CALLS))
    return pa.concat_tables(parts)
