"""What a lake is asked for besides the whole audit: hand-offs, prices to come, promises kept, bills, prices of another day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from llmaudit import assemble, dossier, pricing, queries, reconcile, repricing, savings
from llmaudit.config import AuditConfig
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.export import evals
from llmaudit.export.handoff import Handoff, gather
from llmaudit.facts import rows_of
from llmaudit.lake import Lake
from llmaudit.lake.decisions import kept
from llmaudit.opening import open_tables, opened
from llmaudit.pipeline import run
from llmaudit.pricing import review
from llmaudit.pulling import tuning
from llmaudit.replay import promises
from llmaudit.report import last

ZERO = Decimal(0)
NOON = time(12)


def handoff(config: AuditConfig, endpoint: str, **wanted: Any) -> Handoff:
    """Examples of one endpoint of a lake, to train or test a model on; `wanted` as `export.handoff.gather` has it."""
    with opened(config) as (engine, lake, _):
        return gather(engine, lake, endpoint, **wanted)


def acceptance_costs(
    config: AuditConfig, material: evals.Material, terms: evals.Terms, day: date
) -> list[evals.RunCost]:
    """What one run of an acceptance test costs with the tuned model and with the model of today, at the prices of a day."""
    rule, _ = evals.settle(material, terms)
    book = pricing.load(config.prices, config.price_book, config.tuning_targets)
    tuned = dossier.stand_in(tuning(config, book), config.tuned_provider, config.tuned_model, book)
    runs = ((evals.TUNED, *tuned), (evals.TODAY, material.provider, material.model))
    calls = [
        {"run": run, "provider": provider, "model": model, "started_at": datetime.combine(day, NOON)}
        | {name: case[name] for name in ("input_tokens", "output_tokens")}
        for run, provider, model in runs
        for case in material.cases[: rule.cases]
    ]
    priced = pricing.price(pl.DataFrame(calls, schema=_RUNS), book)
    costs = {run: rows["cost_usd"] for (run,), rows in priced.group_by("run")}
    return [
        evals.RunCost(run, provider, model, None if costs[run].null_count() else sum(costs[run].to_list(), ZERO))
        for run, provider, model in runs
        if run in costs
    ]


_RUNS: Mapping[str, Any] = {
    **dict.fromkeys(("run", "provider", "model"), pl.String),
    "started_at": pl.Datetime("us"),
    **dict.fromkeys(("input_tokens", "output_tokens"), pl.Int64),
}


def upcoming(config: AuditConfig, as_of: date) -> pl.DataFrame:
    """Price changes and retirements to come, with what they mean for the calls of a lake or of files, per month."""
    with opened(config) as (engine, _, book):
        usage = queries.run(engine, "usage", into="metered")
        found = review.upcoming(engine, book, usage, "money", as_of)
        [ends] = rows_of(engine, queries.run(engine, "log_ends"))
    factor = assemble.window(config, ends["first_at"], ends["last_at"], [])["month_factor"]
    return assemble.upcoming_frame(assemble.upcoming(found, factor))


def covered(engine: Engine, config: AuditConfig) -> tuple[date, date] | None:
    """The days that a report over these calls would be over: the first, and the first after."""
    [ends] = rows_of(engine, queries.run(engine, "log_ends"))
    return assemble.covered(assemble.window(config, ends["first_at"], ends["last_at"], []))


def verified(config: AuditConfig, baseline: Path, since: date | None) -> dict[str, Any]:
    """What an earlier report promised against the lake's calls after it, or from `since`."""
    before = last(baseline)
    if before["window"]["end"] is None:
        raise AuditError(f"{baseline}: this report has no window, so there is no telling which calls are later.")
    since = since or date.fromisoformat(before["window"]["end"][:10])
    held = run(replace(config, since=since), keep=False)
    try:
        if not held.report["totals"]["requests"]:
            raise AuditError(
                f"{config.lake} holds no calls from {since} on, which is after {baseline}. "
                f"Take later logs in with: llmaudit ingest LOGS --lake {config.lake}"
            )
        models = rows_of(held.engine, queries.run(held.engine, "endpoint_models"))
        day = config.as_of or datetime.now(UTC).date()
        promised = savings.with_status(before["findings"], kept(held.lake), day)
        return promises.kept({**before, "findings": promised}, held.report, models)
    finally:
        held.close()


def reconciled(engine: Engine, lake: Lake, config: AuditConfig) -> list[reconcile.Reconciled]:
    """A lake's bills against its calls, without the rest of an audit."""
    book = open_tables(engine, lake, config)
    [ends] = rows_of(engine, queries.run(engine, "log_ends"))
    return reconcile.reconcile(engine, book, pricing.exchange(config.rates), ends["first_at"], ends["last_at"])


def reprice(config: AuditConfig, *, dry_run: bool) -> repricing.Difference:
    """Hold what the lake's calls come to today against what was last reported; unless `dry_run`, remember today's amounts."""
    assert config.lake is not None
    lake, book = Lake.open(config.lake), pricing.load(config.prices, config.price_book)
    whole = replace(config, paths=(), since=None, until=None)
    told, held = repricing.remembered(lake)
    before = told["book_sha256"][0] if not told.is_empty() else ""
    if before:
        with opened(whole, only=held) as (engine, _, _):
            changes = repricing.compare(told, repricing.now(engine))
    with opened(whole) as (engine, _, _):
        further, usd = repricing.changed_calls(told, repricing.now(engine)) if before else (0, ZERO)
        if not dry_run:
            repricing.record(lake, engine, book.sha256)
    if not before:
        return repricing.Difference(recorded=False, book_before="", book_after=book.sha256)
    return repricing.Difference(True, before, book.sha256, changes, further, usd)


def reprice_on(config: AuditConfig, day: date) -> repricing.AnotherDay:
    """What the lake's calls would have come to at the prices of one day. Remembers nothing."""
    with opened(replace(config, paths=())) as (engine, _, book):
        before = repricing.now(engine)
        pricing.price_usage(engine, "calls", "money", book, on=day)
        queries.run(engine, "requests")
        return repricing.another_day(day, before, repricing.now(engine))
