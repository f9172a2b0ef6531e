"""The public API as a user would write it. `mypy --strict` reads this file; nothing runs it."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

import llmaudit


def in_a_notebook(folder: Path) -> Decimal:
    with llmaudit.audit(folder, "more/*.jsonl", since=date(2026, 10, 1), text="none", levers=["failed_calls"]) as audit:
        by_team: pl.DataFrame = audit.spend(by=["team", "model"])
        by_day: pl.DataFrame = audit.spend("day")
        found: pl.DataFrame = audit.findings()
        steps: pl.DataFrame = audit.plan(with_evaluation=True)
        verdicts: pl.DataFrame = audit.fine_tune()
        saved: pl.DataFrame = audit.what_if(
            [
                llmaudit.ExactDuplicates(ttl_seconds=3_600),
                llmaudit.FailedCalls(),
                llmaudit.FineTune(endpoints=["/route"], target_provider="openai", target_model="gpt-4o-mini"),
            ]
        )
        asked: pl.DataFrame = audit.sql("select count(*) as calls from requests")
        written: Path = audit.report(folder / "report.html")
        audit.decide(found["id"][0], "declined", reason="answers must be new", until=date(2027, 1, 31))
        audit.chart("ttl_curve")
        assert written.exists()
        assert [by_team, by_day, found, steps, verdicts, asked]
        return Decimal(saved["in_order_usd"].sum())


def from_a_lake(folder: str) -> dict[str, Any]:
    audit: llmaudit.Audit = llmaudit.open_lake(folder, timezone="Europe/Berlin")
    try:
        return audit.data
    finally:
        audit.close()


def prices(frame: pl.DataFrame, table: pa.Table) -> pl.DataFrame:
    llmaudit.price(table)
    priced: pl.DataFrame = llmaudit.price(frame)
    return priced


def what_a_user_can_mend(path: str) -> str | None:
    config = llmaudit.AuditConfig(paths=(path,), ttl_seconds=60)
    try:
        llmaudit.audit(*config.paths)
    except llmaudit.AuditError as error:
        return str(error)
    return None
