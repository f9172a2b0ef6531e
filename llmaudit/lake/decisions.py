"""What people decided about findings, kept in the lake from run to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date

import polars as pl
import pyarrow as pa

from llmaudit.errors import AuditError
from llmaudit.lake import TABLES, Lake

STATUSES = ("accepted", "declined", "done")
SHOWN = 5


@dataclass(frozen=True)
class Decision:
    """`until` is the last day it holds; after it the finding is open again."""

    finding_id: str
    status: str
    decided_on: date
    owner: str | None = None
    reason: str | None = None
    until: date | None = None

    def holds(self, day: date) -> bool:
        return self.until is None or day <= self.until


def kept(lake: Lake) -> dict[str, Decision]:
    """The latest decision on each finding."""
    rows = lake.frame("decisions").sort("finding_id").iter_rows(named=True)
    return {row["finding_id"]: Decision(**row) for row in rows}


def decide(lake: Lake, decision: Decision) -> None:
    """Keep a decision in place of an earlier one. Raises AuditError for a finding that no report of this lake has shown."""
    decisions = kept(lake)
    known = {*lake.frame("finding_calls")["finding_id"], *decisions}
    if decision.finding_id not in known:
        raise AuditError(_unknown(decision.finding_id, known, lake))
    if decision.status == "declined" and not decision.reason:
        raise AuditError('Declining needs a reason for those who ask later: --reason TEXT, or reason="..." in Python.')
    _write(lake, {**decisions, decision.finding_id: decision}.values())


def reopen(lake: Lake, finding_id: str) -> None:
    """Forget the decision on a finding."""
    decisions = kept(lake)
    if finding_id not in decisions:
        raise AuditError(f"Nothing was decided about {finding_id!r}, so it is open.")
    _write(lake, (decision for decision in decisions.values() if decision.finding_id != finding_id))


def listed(lake: Lake) -> pl.DataFrame:
    """Every finding of the last report with its status, and decisions on findings that are gone."""
    calls = lake.frame("finding_calls").group_by("finding_id").agg(pl.col("saving_usd").max())
    decisions = lake.frame("decisions")
    found = calls.join(decisions, on="finding_id", how="full", coalesce=True)
    return found.with_columns(pl.col("status").fill_null("open")).sort(
        "saving_usd", "finding_id", descending=[True, False], nulls_last=True
    )


def _write(lake: Lake, decisions: Iterable[Decision]) -> None:
    rows = sorted((asdict(decision) for decision in decisions), key=lambda row: str(row["finding_id"]))
    lake.replace("decisions", pa.Table.from_pylist(rows, schema=TABLES["decisions"]))


def _unknown(finding_id: str, known: Iterable[str], lake: Lake) -> str:
    names = sorted(known)
    if not names:
        return f"{lake.path} has no findings yet. Make a report first: llmaudit report --lake {lake.path}"
    lever = finding_id.split("|", maxsplit=1)[0]
    like = [name for name in names if name.split("|")[0] == lever] or names
    more = f" and {len(like) - SHOWN} more" if len(like) > SHOWN else ""
    return (
        f"No finding called {finding_id!r} in the last report of {lake.path}. Known: {', '.join(like[:SHOWN])}{more}."
    )
