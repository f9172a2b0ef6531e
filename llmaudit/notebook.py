"""The audit in a notebook: `llmaudit.audit(...)` and what can be asked of it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa

from llmaudit import allocation, assemble, commands, config, opening, pipeline, pulling
from llmaudit import report as reports
from llmaudit.errors import AuditError, UnknownName
from llmaudit.export import evals, handoff, recipes
from llmaudit.export import fine_tune as tuning
from llmaudit.lake import decisions
from llmaudit.levers.base import Lever

CHARTS = (
    *("spend_by_day", "spend_by_endpoint", "plan_waterfall", "ttl_curve"),
    *("agreement_intervals", "learning_curves", "risk_coverage", "payback_curves"),
)
DIMENSIONS = (
    *assemble.DIMENSIONS,
    *assemble.FURTHER_DIMENSIONS,
    "day",
    "session_id",
    "request_model",
    "status",
)


TABLES = (*opening.TABLES_ASKED, "duplicates")

_KEYS = {"day": "d.day", "service_tier": "coalesce(r.service_tier, 'standard')"}
_SPEND = """
select
    {keys},
    count(*) as requests,
    cast(sum(r.input_tokens) as bigint) as input_tokens,
    cast(sum(r.output_tokens) as bigint) as output_tokens,
    case
        when
            count(*) filter (where r.billable) > 0
            and count(*) filter (where r.billable and r.cost_usd is not null) = 0
        then null
        else sum(r.cost_usd)
    end as cost_usd
from requests as r
join days as d on r.started_at >= d.starts_at and r.started_at < d.ends_at
group by {places}
"""
"""As in queries/spend.sql, which names every way of dividing that the report shows; here the user combines them."""

_Columns = Mapping[str, type[pl.DataType] | pl.DataType]
_USD = pl.Decimal(38, 12)
_FINDINGS: _Columns = {
    **dict.fromkeys(("id", "lever", "grade", "endpoint", "model"), pl.String),
    "requests": pl.Int64,
    **dict.fromkeys(("low_usd", "expected_usd", "high_usd", "monthly_usd"), _USD),
    **dict.fromkeys(("action", "effort", "status"), pl.String),
}
_STEPS: _Columns = {
    **dict.fromkeys(("lever", "stage", "grade"), pl.String),
    **dict.fromkeys(("standalone_usd", "in_order_usd", "shapley_usd", "after_usd"), _USD),
}
_MIGRATIONS: _Columns = {
    **dict.fromkeys(("endpoint", "old_model", "new_model", "since"), pl.String),
    **dict.fromkeys(("moved_requests", "fell_back_requests", "stayed_requests"), pl.Int64),
    **dict.fromkeys(("cost_usd", "before_usd", "saving_usd", "promised_usd"), _USD),
    "promise": pl.String,
    **dict.fromkeys(("agreement", "near_agreement"), pl.Float64),
}
_BRIDGE: _Columns = {
    **dict.fromkeys(("start", "end", "currency", "part", "provider", "model"), pl.String),
    **dict.fromkeys(("amount", "before", "after"), _USD),
}
_CALLS = """
select f.place, f.before_usd, f.after_usd, r.*
from finding_calls as f
semi join asked_finding as a on f.finding_id = a.finding_id
join requests as r on f.request_id = r.request_id
order by f.place
"""
_SCENARIOS: _Columns = {
    **dict.fromkeys(("scenario", "levers"), pl.String),
    **dict.fromkeys(("saving_usd", "after_usd"), _USD),
}
_DISCOVERED: _Columns = {
    "endpoint": pl.String,
    "requests": pl.Int64,
    "cost_usd": _USD,
    "sampled": pl.Int64,
    "template": pl.String,
    "examples": pl.List(pl.String),
}
_VERDICTS: _Columns = {
    "endpoint": pl.String,
    "requests": pl.Int64,
    **dict.fromkeys(("verdict", "reason"), pl.String),
    "cost_usd": _USD,
    **dict.fromkeys(("estimate", "low", "high", "baseline"), pl.Float64),
    "n": pl.Int64,
    "saving_usd": _USD,
}


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
        columns = list(dict.fromkeys([by] if isinstance(by, str) else by))
        for name in columns:
            if name not in DIMENSIONS:
                raise UnknownName("dimension", name, set(DIMENSIONS))
        if not columns:
            raise AuditError(f"Name at least one column to divide spend by, of: {', '.join(sorted(DIMENSIONS))}.")
        keys = ", ".join(_KEYS.get(name, f"r.{name}") + f" as {name}" for name in columns)
        rows = self.sql(_SPEND.format(keys=keys, places=", ".join(str(n + 1) for n in range(len(columns)))))
        total = self.data["totals"]["cost_usd"]
        share = pl.col("cost_usd").cast(pl.Float64) / float(total) if total else pl.lit(None, pl.Float64)
        return rows.with_columns(share.alias("share")).sort(
            "cost_usd", *columns, descending=[True] + [False] * len(columns), nulls_last=True
        )

    def allocate(self, by: str = "team", rules: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """What each team (project, `tags.<label>`, ...) bears once shared cost is divided; the amounts come to the total exactly.

        `rules` is a table as `[allocation]` of llmaudit.toml has it; left out, that of the settings.
        """
        self._check_open()
        run = self._run
        sharing = allocation.read(run.config.allocation if rules is None else rules)
        allocation.check_dimension(by)
        hours = self.data["window"]["days"] * 24
        return allocation.frame(allocation.divide(run.engine, by, sharing, hours=hours, terms=run.book.user.contract))

    def endpoints(self) -> pl.DataFrame:
        """Endpoints found without a label: calls and US dollars, their wording with `{…}` for what varies, and examples."""
        return _frame(self.data["discovered"], _DISCOVERED)

    def findings(self) -> pl.DataFrame:
        """Every finding, the largest saving first."""
        rows = [
            {
                **f,
                **{f"{name}_usd": f["saving_usd"][name] for name in ("low", "expected", "high")},
            }
            for f in self.data["findings"]
        ]
        return _frame(rows, _FINDINGS)

    def plan(self, *, with_evaluation: bool = False) -> pl.DataFrame:
        """The steps of the headline plan, or of the one that needs acceptance tests too. `in_order_usd` sums to the saving."""
        plan = self.data["plan"]["with_evaluation"] if with_evaluation else self.data["plan"]
        return _frame(plan["steps"], _STEPS)

    def fine_tune(self) -> pl.DataFrame:
        """Verdict and evidence per endpoint."""
        rows = [
            {**v, **(v["agreement"] or {}), "saving_usd": (v["saving_usd"] or {}).get("expected")}
            for v in self.data["fine_tune"]
        ]
        return _frame(rows, _VERDICTS)

    def migrations(self) -> pl.DataFrame:
        """Endpoints that went on on a cheaper model: realised against promised (with `compare`), and whether answers agree."""
        rows = [
            {
                **row,
                "promised_usd": (row["promised_saving_usd"] or {}).get("expected"),
                **{name: (row[name] or {}).get("estimate") for name in ("agreement", "near_agreement")},
            }
            for row in self.data["migrations"]
        ]
        return _frame(rows, _MIGRATIONS)

    def bridge(self, by: str = "part") -> pl.DataFrame:
        """What led from one month's cost (or week's, or the compared report's) to the next one's, by `part` or by `model` too.

        Amounts sum to after less before, to the micro-unit.
        """
        if by not in {"part", "model"}:
            raise UnknownName("way to divide a bridge", by, {"part", "model"})
        rows = [
            {**line, **step, "start": line["from"], "end": line["to"]}
            for line in self.data["bridge"]
            for step in line["parts" if by == "part" else "models"]
        ]
        columns = {name: kind for name, kind in _BRIDGE.items() if by == "model" or name not in {"provider", "model"}}
        return _frame(rows, columns)

    def what_if(self, pulled: Iterable[Lever]) -> pl.DataFrame:
        """Replay the log under these levers, in their fixed order. One row per lever; `in_order_usd` sums to the joint saving.

        `FineTune()` moves every endpoint that the evidence speaks for, `FineTune([...])` those of them, net as in the plan.
        """
        chosen = [pulled] if isinstance(pulled, Lever) else list(pulled)
        for lever in chosen:
            if not isinstance(lever, Lever):
                raise AuditError(
                    f"what_if takes levers with their settings, such as ExactDuplicates(ttl_seconds=60), not {lever!r}."
                )
        self._check_open()
        run = self._run
        meant = pulling.as_meant(chosen, run.replay, run.verdicts, run.config, run.day, self.data["window"]["days"])
        return _frame(assemble.steps(run.replay.plan(meant, self.data["totals"]["cost_usd"])), _STEPS)

    def compare(self, scenarios: Mapping[str, Iterable[Lever]]) -> pl.DataFrame:
        """What each scenario saves: one row per name, the largest joint saving first.

        >>> audit.compare({"cache": [ExactDuplicates()], "both": [ExactDuplicates(), Batchable()]})   # doctest: +SKIP
        """
        rows = []
        for name, pulled in scenarios.items():
            steps = self.what_if(pulled)
            rows.append(
                {
                    "scenario": name,
                    "levers": ", ".join(steps["lever"]),
                    "saving_usd": sum(steps["in_order_usd"], Decimal(0)),
                    "after_usd": self.data["totals"]["cost_usd"] - sum(steps["in_order_usd"], Decimal(0)),
                }
            )
        return _frame(rows, _SCENARIOS).sort("saving_usd", "scenario", descending=[True, False])

    def calls(self, finding_id: str) -> pl.DataFrame:
        """The calls behind a finding, those that save most first, with what each costs and would have cost."""
        self._check_open()
        known = [finding["id"] for finding in self.data["findings"]]
        if finding_id not in known:
            raise UnknownName("finding", finding_id, known)
        self._run.engine.put("asked_finding", pa.table({"finding_id": [finding_id]}))
        return self.sql(_CALLS)

    def decide(
        self,
        finding_id: str,
        status: str,
        *,
        reason: str | None = None,
        owner: str | None = None,
        until: str | date | None = None,
    ) -> None:
        """Keep in the lake what was decided about a finding: accepted, declined (with a reason), done, or open again.

        `until` is the last day it holds. The next report of the lake shows it; a declined finding is then in no plan.
        """
        self._check_open()
        if self._run.config.lake is None:
            raise AuditError("Decisions are kept in a lake, and this audit has none: llmaudit.audit(..., lake=FOLDER).")
        if status not in {*decisions.STATUSES, "open"}:
            raise UnknownName("status", status, {*decisions.STATUSES, "open"})
        if status == "open":
            decisions.reopen(self._run.lake, finding_id)
            return
        last = None if until is None else _day("until", until)
        decided = decisions.Decision(finding_id, status, datetime.now(UTC).date(), owner, reason, last)
        decisions.decide(self._run.lake, decided)

    def export_fine_tune(
        self,
        endpoint: str,
        folder: str | Path,
        *,
        formats: Sequence[str] = tuning.FORMATS,
        base_model: str = recipes.BASE_MODEL,
        model: str | None = None,
        held_out: int | None = None,
    ) -> list[Path]:
        """Write training, validation and held-out files of an endpoint, with recipes, model card and manifest; return the files."""
        self._check_open()
        tuning.check(Path(folder), formats)
        found = handoff.gather(self._run.engine, self._run.lake, endpoint, model=model, held_out=held_out)
        return tuning.write(found, Path(folder), formats=formats, base_model=base_model).files

    def export_evals(
        self,
        endpoint: str,
        folder: str | Path,
        *,
        exported: str | Path | None = None,
        terms: evals.Terms = evals.Terms(),  # noqa: B008 - frozen
    ) -> list[Path]:
        """Write an acceptance test of a tuned model for promptfoo; return the files.

        `exported` is the folder of an `export_fine_tune`, whose held-out calls are taken; left out, they are chosen anew.
        """
        evals.can_write(Path(folder))
        if exported is not None:
            material = evals.of_export(Path(exported), endpoint)
        else:
            self._check_open()
            found = handoff.gather(self._run.engine, self._run.lake, endpoint, held_out=evals.wanted(terms))
            material = evals.of_handoff(found)
        day = self._run.day
        costs = commands.acceptance_costs(self._run.config, material, terms, day)
        return evals.write(material, Path(folder), terms, costs, priced_on=day)

    def sql(self, query: str) -> pl.DataFrame:
        """Ask the audit's own tables: `requests` (priced calls) and the others of docs/tables.md; `duplicates` has the repeats.

        DuckDB's SQL, or on Spark that which both engines mean the same by.
        """
        self._check_open()
        engine = self._run.engine
        engine.alias("usage", "aggregates")
        opening.put_records(engine, self._run.lake, self._run.book, query)
        try:
            engine.run(query.strip().rstrip(";"), "asked", {})
        except Exception as error:
            raise AuditError(f"{str(error).splitlines()[0]}\nTables: {', '.join(TABLES)}.") from error
        return pl.DataFrame(engine.fetch("asked"))

    def _check_open(self) -> None:
        if self._run.closed:
            raise AuditError(
                "This audit is closed: its tables are gone. What it found is still in `data` and `report`."
            )

    def report(self, path: str | Path, *, share: bool = False) -> Path:
        """Write the report; the extension picks HTML, JSON or Markdown. `share` leaves out texts and names."""
        if share:
            self._check_open()
        reports.render(self._run.shareable() if share else self.data, Path(path))
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
    """Settings as `AuditConfig` has them: days, paths and lists may be written as text, or in any sequence."""
    known = {field.name for field in fields(config.AuditConfig)} - {"paths"}
    for name in given:
        if name not in known:
            raise UnknownName("setting", name, known)
    return {
        name: _READ[name](name, value) if name in _READ and value is not None else value
        for name, value in given.items()
    }


def _names(_: str, value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _path(_: str, value: str | Path) -> Path:
    return Path(value)


def _day(name: str, value: str | date) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise AuditError(f"{name}={value!r} is no day. Write it as YYYY-MM-DD.") from None


_READ: dict[str, Callable[[str, Any], Any]] = {
    "levers": _names,
    "without": _names,
    "sandbox": _names,
    "lake": _path,
    "prices": _path,
    "price_book": _path,
    "rates": _path,
    "tuning_targets": _path,
    "compare": _path,
    "since": _day,
    "until": _day,
    "as_of": _day,
}


def _frame(rows: Iterable[Mapping[str, Any]], columns: _Columns) -> pl.DataFrame:
    """Exactly `columns`, there even if no row is."""
    return pl.DataFrame([{name: row.get(name) for name in columns} for row in rows], schema=dict(columns))
