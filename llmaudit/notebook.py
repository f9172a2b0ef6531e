"""The audit in a notebook: `llmaudit.audit(...)` and what can be asked of it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from llmaudit import assemble, config, pipeline
from llmaudit import report as reports
from llmaudit.errors import AuditError, UnknownName
from llmaudit.levers.base import Lever

CHARTS = ("spend_by_day", "spend_by_endpoint", "plan_waterfall", "ttl_curve", "agreement_intervals")
DIMENSIONS = (
    *assemble.DIMENSIONS,
    *assemble.FURTHER_DIMENSIONS,
    "day",
    "user_id",
    "session_id",
    "request_model",
    "status",
)


def audit(*paths: str | Path, settings: Path | str | None = None, **given: Any) -> Audit:
    """Audit log files, folders or globs. `given` are fields of `AuditConfig` (since, until, text, levers, engine, ...).

    Raises `AuditError` for what you can mend: a wrong path, a file no source knows, an unknown setting.
    """
    loaded = config.load(
        Path(settings) if settings else None, paths=tuple(str(path) for path in paths), **_typed(given)
    )
    if not loaded.paths and not loaded.lake:
        raise AuditError("Nothing to audit: name a file or folder, or open a lake with llmaudit.open_lake(FOLDER).")
    return Audit(pipeline.run(loaded))


def open_lake(folder: str | Path, **given: Any) -> Audit:
    """Audit what a lake already holds."""
    return Audit(pipeline.run(config.load(None, lake=Path(folder), **_typed(given))))


class Audit:
    """A finished audit. Frames are Polars; money is decimal US dollars; unknown is null.

    Works as a context manager; without one, its scratch space goes when the object does.
    """

    def __init__(self, run: pipeline.Run) -> None:
        self._run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._run.close()

    @property
    def data(self) -> dict[str, Any]:
        """The whole report, as `report.json` has it."""
        return self._run.report

    def spend(self, by: str | Sequence[str] = "model") -> pl.DataFrame:
        """Calls, tokens, US dollars and share of the total, by one or several columns, the dearest first."""
        columns = [by] if isinstance(by, str) else list(by)
        for name in columns:
            if name not in DIMENSIONS:
                raise UnknownName("dimension", name, set(DIMENSIONS))
        keys = ", ".join("cast(started_at as date) as day" if name == "day" else name for name in columns)
        rows = self.sql(
            f"select {keys}, count(*) as requests, cast(sum(input_tokens) as bigint) as input_tokens, "
            "cast(sum(output_tokens) as bigint) as output_tokens, sum(cost_usd) as cost_usd "
            f"from requests group by {', '.join(str(n + 1) for n in range(len(columns)))}"
        )
        total = self.data["totals"]["cost_usd"]
        share = pl.col("cost_usd").cast(pl.Float64) / float(total) if total else pl.lit(None, pl.Float64)
        return rows.with_columns(share.alias("share")).sort(
            "cost_usd", *columns, descending=[True] + [False] * len(columns), nulls_last=True
        )

    def findings(self) -> pl.DataFrame:
        """Every finding, the largest saving first."""
        return _frame(
            {
                **{name: f[name] for name in ("id", "lever", "grade", "endpoint", "model", "requests")},
                **{f"{name}_usd": _usd(f["saving_usd"][name]) for name in ("low", "expected", "high")},
                "monthly_usd": _usd(f["monthly_usd"]),
                **{name: f[name] for name in ("action", "effort", "status")},
            }
            for f in self.data["findings"]
        )

    def plan(self, *, with_evaluation: bool = False) -> pl.DataFrame:
        """The steps of the headline plan, or of the one that needs acceptance tests too. `in_order_usd` sums to the saving."""
        plan = self.data["plan"]["with_evaluation"] if with_evaluation else self.data["plan"]
        return _frame(
            {name: _usd(v) if name.endswith("_usd") else v for name, v in step.items()} for step in plan["steps"]
        )

    def fine_tune(self) -> pl.DataFrame:
        """Verdict and evidence per endpoint."""
        return _frame(
            {
                **{name: v[name] for name in ("endpoint", "requests", "verdict", "reason")},
                "cost_usd": _usd(v["cost_usd"]),
                **{name: (v["agreement"] or {}).get(name) for name in ("estimate", "low", "high", "baseline", "n")},
                "saving_usd": _usd((v["saving_usd"] or {}).get("expected")),
            }
            for v in self.data["fine_tune"]
        )

    def what_if(self, pulled: Iterable[Lever]) -> pl.DataFrame:
        """Replay the log under these levers, in their fixed order. One row per lever; `in_order_usd` sums to the joint saving."""
        plan = self._run.replay.plan(list(pulled), self.data["totals"]["cost_usd"])
        return _frame(
            {
                "lever": step.lever.name,
                "grade": step.lever.grade,
                "standalone_usd": step.standalone_usd,
                "in_order_usd": step.in_order_usd,
                "shapley_usd": step.shapley_usd,
                "after_usd": step.after_usd,
            }
            for step in plan.steps
        )

    def sql(self, query: str) -> pl.DataFrame:
        """Ask the audit's own tables: `requests` (priced calls), `charges`, `duplicates`, ... DuckDB's SQL, or Spark's on Spark."""
        self._run.engine.run(query.strip().rstrip(";"), "asked", {})
        return pl.DataFrame(self._run.engine.fetch("asked"))

    def report(self, path: str | Path) -> Path:
        """Write the report; the extension picks HTML, JSON or Markdown."""
        reports.render(self.data, Path(path))
        return Path(path)

    def __repr__(self) -> str:
        totals, plan = self.data["totals"], self.data["plan"]
        return (
            f"Audit({totals['requests']:,} calls, ${totals['cost_usd']:,.2f}, "
            f"headline saving ${plan['headline_saving_usd']:,.2f}, {len(self.data['findings'])} findings)"
        )

    def chart(self, name: str = "spend_by_day") -> Any:
        """One of the report's charts as an Altair object, or None where there is nothing to draw."""
        from llmaudit.report import charts

        if name not in CHARTS:
            raise UnknownName("chart", name, CHARTS)
        return getattr(charts, name)(self.data)

    def _repr_html_(self) -> str:
        page = html.escape(reports.to_html(self.data), quote=True)
        return f'<iframe sandbox srcdoc="{page}" style="width: 100%; height: 42rem; border: 0" title="LLM spend audit"></iframe>'


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if name in ("levers", "without") else value for name, value in given.items()}


def _usd(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), infer_schema_length=None)
