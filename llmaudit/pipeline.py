"""The whole audit: sources -> lake -> pricing -> queries, detectors -> levers -> replay -> report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from llmaudit import (
    __version__,
    allocation,
    assemble,
    dossier,
    doubts,
    pricing,
    pulling,
    queries,
    repricing,
    savings,
    schema,
)
from llmaudit import engine as engines
from llmaudit.config import AuditConfig
from llmaudit.detectors import endpoints, migrations, sample
from llmaudit.detectors.verdicts import Verdict, judge
from llmaudit.engine.base import Engine
from llmaudit.facts import Facts, ask, rows_of
from llmaudit.lake import Lake
from llmaudit.lake.decisions import kept
from llmaudit.lake.intake import Intake
from llmaudit.lake.sampling import SAMPLE_PER_STRATUM
from llmaudit.levers.base import Lever
from llmaudit.opening import attach, lake_of, priced, tables_of, take_in
from llmaudit.pricing import review
from llmaudit.pulling import Asked, Pulled, pull
from llmaudit.replay import Replay, realised
from llmaudit.report import last, shared

Tell = Callable[[str], None]
"""Told the name of each step as it begins."""

MOST_ANSWERS_COMPARED = 20_000


@dataclass
class Run:
    """A finished audit: its tables in the engine, its report, and what is needed to ask further questions of it."""

    config: AuditConfig
    lake: Lake
    engine: Engine
    book: pricing.Book
    intake: Intake
    report: dict[str, Any]
    levers: tuple[Lever, ...]
    replay: Replay
    verdicts: list[Verdict]
    discovery: endpoints.Discovery
    day: date
    """The day that the report speaks from."""
    scratch: tempfile.TemporaryDirectory[str]
    closed: bool = field(default=False)

    def shareable(self) -> dict[str, Any]:
        """The report without texts and names, to be given away. Pseudonyms last as long as the lake."""
        labels = self.engine.fetch(queries.run(self.engine, "labels"))["endpoint"].to_pylist()
        found = set(self.discovery.rules["endpoint"].drop_nulls()) - set(labels)
        return shared.shareable(self.report, found, self.lake.key if self.config.lake else None)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.engine.close()
            self.scratch.cleanup()


def run(
    config: AuditConfig,
    *,
    tell: Tell = lambda step: None,
    read: Callable[[str, int], None] = lambda name, size: None,
    keep: bool = True,
) -> Run:
    """Audit what `config` names. `tell` hears of each step, `read` of each file. Raises AuditError for what a user can mend.

    Without `keep`, the lake stays as the last report left it.
    """
    asked, sharing = _asked(config), allocation.read(config.allocation)
    with ExitStack() as held:
        scratch = tempfile.TemporaryDirectory(prefix="llmaudit-", ignore_cleanup_errors=True)
        held.callback(scratch.cleanup)
        lake = lake_of(config, Path(scratch.name))
        tell("Reading files")
        took = take_in(config, lake, Path(scratch.name), read)
        engine = engines.start(config.engine, dict(config.engine_options))
        held.callback(engine.close)
        tell("Merging calls")
        stored = attach(engine, lake, config)
        calls = tables_of(engine, config)
        tell("Finding endpoints")
        sampled, discovery = _endpoints(engine)
        tell("Pricing")
        money, unmetered = priced(engine, calls, asked.book)
        tell("Asking questions")
        facts = ask(engine, unmetered, config, stored, asked.book)
        tell("Judging endpoints")
        labelled = sampled.drop("endpoint").join(facts.labels, on="request_id", how="left", maintain_order="left")
        verdicts = judge(labelled, facts.costs, keeps_texts=lake.text != "none")
        tell("Replaying levers")
        pulled = pull(engine, money, asked, facts, verdicts, kept(lake))
        tell("Writing the report")
        report = _report(_Audited(asked, sharing, lake, engine, took, facts, discovery, labelled, verdicts, pulled))
        report["warnings"] += doubts.rewritten(_remember(config, lake, engine, asked.book))
        engine.put("finding_calls", pulled.calls_behind())
        _keep(config if keep else replace(config, lake=None), lake, engine)
        held.pop_all()
    return Run(
        config,
        lake,
        engine,
        asked.book,
        took,
        report,
        pulled.levers,
        pulled.replay,
        verdicts,
        discovery,
        asked.day,
        scratch,
    )


@dataclass(frozen=True)
class _Audited:
    """All that a report is put together from."""

    asked: Asked
    sharing: allocation.Rules
    lake: Lake
    engine: Engine
    took: Intake
    facts: Facts
    discovery: endpoints.Discovery
    labelled: pl.DataFrame
    verdicts: Sequence[Verdict]
    pulled: Pulled


def _asked(config: AuditConfig) -> Asked:
    """What the settings ask for. Whatever of it cannot be had is said before the work begins."""
    chosen = pulling.chosen(config)
    book = pricing.load(config.prices, config.price_book, config.tuning_targets)
    return Asked(config, book, chosen, pulling.tuning(config, book), config.as_of or datetime.now(UTC).date())


def _endpoints(engine: Engine) -> tuple[pl.DataFrame, endpoints.Discovery]:
    """The text sample, and the endpoints discovered in it, as the table `discovered` for every call."""
    found = sample.load(engine, per_stratum=SAMPLE_PER_STRATUM)
    discovery = endpoints.discover(found)
    engine.put("endpoint_rules", discovery.rules.to_arrow())
    queries.run(engine, "discovered")
    return found, discovery


def _teachers(engine: Engine) -> dict[str | None, list[str]]:
    """Endpoint -> the providers that answer it today."""
    rows = rows_of(engine, queries.run(engine, "answering_providers"))
    found: dict[str | None, list[str]] = {}
    for row in rows:
        found.setdefault(row["endpoint"], []).append(row["provider"])
    return found


def _outlook(engine: Engine) -> list[dict[str, Any]]:
    """What the lever prompt_caching has said of every endpoint and model; nothing where it was not pulled."""
    return rows_of(engine, "prompt_caching_outlook") if "prompt_caching_outlook" in engine.tables() else []


def _report(audited: _Audited) -> dict[str, Any]:
    """`report.json`, with what the run says of itself last: it speaks of all the rest."""
    asked, facts, discovery = audited.asked, audited.facts, audited.discovery
    before = last(asked.config.compare) if asked.config.compare is not None else None
    report = _head(audited) | _told(audited) | {"migrations": _migrations(audited, before)}
    statuses = doubts.statuses(asked.config, audited.lake, report, discovery, audited.pulled.levers)
    report["analyses"] = assemble.analyses(statuses)
    report["warnings"] = doubts.warnings(
        asked.config, report, asked.book.as_of, audited.took, audited.lake.ingests(), facts.likely, facts.reused_ids
    )
    if before is not None:
        report["findings_compared"] = savings.compared(before, audited.pulled.findings)
    return report


def _head(audited: _Audited) -> dict[str, Any]:
    """Which report this is, of what."""
    config, book, facts = audited.asked.config, audited.asked.book, audited.facts
    return {
        "schema_version": 1,
        "generated_at": assemble.generated_at(config, datetime.now(UTC)),
        "llmaudit_version": __version__,
        "lake_version": schema.LAKE_VERSION,
        "config_sha256": config.sha256(),
        "price_book": {"as_of": book.as_of.isoformat(), "sha256": book.sha256},
        "currency": "USD",
        "display": assemble.display(config.currency, pricing.exchange(config.rates), facts.days),
        "window": audited.pulled.window,
        "intake": assemble.intake(audited.lake.ingests(), stored=facts.stored, survived=facts.survived),
    }


def _told(audited: _Audited) -> dict[str, Any]:
    """What was found."""
    config, facts, pulled = audited.asked.config, audited.facts, audited.pulled
    teachers = _teachers(audited.engine)
    return {
        "totals": assemble.totals(facts.totals),
        "spend": assemble.spend(facts.spend, facts.days, facts.classes, facts.endpoints, facts.total),
        "duplicates": assemble.duplicates(facts.duplicates, facts.duplicate_classes, facts.by_ttl),
        "prompt_caching": assemble.prompt_caching(_outlook(audited.engine), pulled.findings),
        "findings": pulled.findings,
        "fine_tune": dossier.rows(audited.verdicts, facts.endpoint_costs, pulled.findings, pulled.moving, teachers),
        "plan": assemble.plan(pulled.headline, pulled.everything),
        "bills": assemble.bills(facts.bills),
        "billed": assemble.billed(facts.billed, facts.extents),
        "sampling": facts.sampled,
        "counted": assemble.counted(facts.counted, facts.extents),
        "segments": assemble.segments(facts.segments),
        "bridge": assemble.bridges(config, facts.segments, pricing.exchange(config.rates)),
        "prices": _reviewed(audited),
        "allocation": _allocated(audited),
        "discovered": assemble.discovered(audited.discovery.inspect, facts.endpoints),
    }


def _allocated(audited: _Audited) -> list[dict[str, Any]]:
    hours, terms = audited.pulled.window["days"] * 24, audited.asked.book.user.contract
    return allocation.as_report(allocation.tables(audited.engine, audited.sharing, hours=hours, terms=terms))


def _reviewed(audited: _Audited) -> dict[str, Any]:
    """Prices seen from elsewhere: the other source's, those to come, those of what was asked for; and what is due."""
    engine, book, window = audited.engine, audited.asked.book, audited.pulled.window
    found = review.review(engine, book, "metered", "money", audited.asked.day)
    due = review.due(engine, book.user.contract, assemble.covered(window))
    return assemble.prices(found, due, window["month_factor"])


def _migrations(audited: _Audited, before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Endpoints that went on on a cheaper model: what they cost since, and whether the answers are still the same."""
    engine, sampled = audited.engine, audited.labelled
    found = realised.migrations(engine, audited.asked.book)
    if not found:
        return []
    pairs = pl.DataFrame(engine.fetch(queries.run(engine, "migrations_pairs")))
    queries.run(engine, "migrations_texts", params={"most": MOST_ANSWERS_COMPARED}, text_rows="texts")
    texts = dict(pl.DataFrame(engine.fetch("migrations_texts")).iter_rows())
    near_equal = {
        move.endpoint: migrations.on_near_equal_inputs(
            sampled.filter(pl.col("endpoint") == move.endpoint), move.old_model, move.new_model
        )
        for move in found
    }
    return assemble.migrations(found, migrations.on_the_same_prompts(pairs, texts), near_equal, before)


def _remember(config: AuditConfig, lake: Lake, engine: Engine, book: pricing.Book) -> Sequence[repricing.Repriced]:
    """Calls that come to other amounts than when they were last reported; where there are none, today's are remembered."""
    if config.lake is None or config.since or config.until:
        return ()
    told, _ = repricing.remembered(lake)
    changed = repricing.compare(told, repricing.now(engine))
    if not changed:
        repricing.record(lake, engine, book.sha256)
    return changed


def _keep(config: AuditConfig, lake: Lake, engine: Engine) -> None:
    """Leave behind what later questions need: the endpoints the report used, and the steps if they were asked for."""
    if config.lake is None:
        return
    lake.replace("endpoints", engine.fetch("discovered"))
    lake.replace("finding_calls", engine.fetch("finding_calls"))
    if config.keep_steps:
        folder = lake.path / "steps"
        folder.mkdir(exist_ok=True)
        for table in engine.tables():
            engine.save(table, str(folder / f"{table}.parquet"))
