"""The whole audit: sources -> lake -> pricing -> queries, detectors -> levers -> replay -> report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from llmaudit import (
    __version__,
    allocation,
    assemble,
    dossier,
    doubts,
    levers,
    pricing,
    queries,
    reconcile,
    repricing,
    savings,
    schema,
    sources,
)
from llmaudit import engine as engines
from llmaudit.config import AuditConfig, days_between
from llmaudit.detectors import endpoints, migrations, sample
from llmaudit.detectors.verdicts import Verdict, judge
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError, UnknownName
from llmaudit.export import evals
from llmaudit.export.handoff import Handoff, gather
from llmaudit.lake import TABLES, Lake, owners
from llmaudit.lake.decisions import kept
from llmaudit.lake.deliveries import deliveries
from llmaudit.lake.intake import Intake, ingest, key_name
from llmaudit.lake.sampling import SAMPLE_PER_STRATUM
from llmaudit.levers.base import Lever
from llmaudit.levers.exact_duplicates import cache_hits
from llmaudit.levers.fine_tune import FineTune
from llmaudit.levers.right_size import RightSize
from llmaudit.pricing import review
from llmaudit.replay import FEWEST_DAYS, Plan, Replay, Step, promises, realised
from llmaudit.report import last, shared

Tell = Callable[[str], None]
"""Told the name of each step as it begins."""

ZERO = Decimal(0)
NOON = time(12)
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
    chosen = _chosen(config)
    sharing = allocation.read(config.allocation)
    book = pricing.load(config.prices, config.price_book, config.tuning_targets)
    tuning = _tuning(config, book)
    with ExitStack() as held:
        scratch = tempfile.TemporaryDirectory(prefix="llmaudit-", ignore_cleanup_errors=True)
        held.callback(scratch.cleanup)
        lake = _lake(config, Path(scratch.name))
        tell("Reading files")
        took = _ingest(config, lake, Path(scratch.name), read)
        engine = engines.start(config.engine, dict(config.engine_options))
        held.callback(engine.close)
        tell("Merging calls")
        stored = _attach(engine, lake, config)
        calls = _tables(engine, config)
        tell("Finding endpoints")
        found, discovery = _endpoints(engine)
        tell("Pricing")
        money, unmetered = _priced(engine, calls, book)
        tell("Asking questions")
        facts = _facts(engine, unmetered, config, stored, book)
        tell("Judging endpoints")
        labelled = found.drop("endpoint").join(facts.labels, on="request_id", how="left", maintain_order="left")
        verdicts = judge(labelled, facts.costs)
        tell("Replaying levers")
        window = assemble.window(config, *_extent(facts), [*facts.sources, *facts.extents])
        decisions, day = kept(lake), config.as_of or datetime.now(UTC).date()
        replay = Replay(
            engine,
            book,
            _wanted(engine, config),
            money,
            by_day=window["days"] >= FEWEST_DAYS,
            due=savings.due(book.user.contract, window),
            declined=savings.declined(decisions, day),
        )
        moving = dossier.moving(
            replay,
            replace(tuning, window_days=window["days"], priced_on=day),
            verdicts if FineTune.name in chosen else (),
            config.sandbox,
            levers.make(RightSize.name, _settings(RightSize.name, config)) if RightSize.name in chosen else None,
        )
        pulled = _instances(chosen, config, moving)
        everything = replay.plan(pulled, facts.total)
        headline = replay.plan([lever for lever in pulled if lever.grade != "C"], facts.total)
        tell("Writing the report")
        steps = [*headline.steps, *(step for step in everything.steps if step.lever.grade == "C")]
        apart = replay.declined_steps(pulled)
        evidence = _evidence(replay, pulled, config.sandbox)
        findings = savings.with_status(_findings(steps, apart, replay, window, evidence), decisions, day)
        moves = dossier.rows(verdicts, facts.endpoint_costs, findings, moving, _teachers(engine))
        report = _report(config, lake, book, facts, moves, headline, everything, findings, window)
        before = last(config.compare) if config.compare is not None else None
        report |= {
            "prices": _reviewed(engine, book, config, window),
            "allocation": _allocated(engine, book, sharing, report["window"]["days"]),
            "prompt_caching": assemble.prompt_caching(_outlook(engine), report["findings"]),
            "discovered": assemble.discovered(discovery.inspect, facts.endpoints),
            "migrations": _migrations(engine, book, labelled, before),
        }
        report["analyses"] = assemble.analyses(doubts.statuses(config, lake, report, discovery, pulled))
        report["warnings"] = doubts.warnings(
            config, report, book.as_of, took, lake.ingests(), facts.likely, facts.reused_ids
        )
        report["warnings"] += doubts.rewritten(_remember(config, lake, engine, book))
        if before is not None:
            report["findings_compared"] = savings.compared(before, findings)
        engine.put("finding_calls", savings.calls_behind(engine, [*steps, *apart], findings))
        _keep(config if keep else replace(config, lake=None), lake, engine)
        held.pop_all()
    return Run(config, lake, engine, book, took, report, tuple(pulled), replay, verdicts, discovery, scratch)


@contextmanager
def opened(
    config: AuditConfig,
    *,
    read: Callable[[str, int], None] = lambda name, size: None,
    only: pl.DataFrame | None = None,
) -> Iterator[tuple[Engine, Lake, pricing.Book]]:
    """A lake's tables, priced, without the audit: files that `config` names are taken in first.

    `only` keeps to some files of the lake: rows of batch_id and path.
    """
    with tempfile.TemporaryDirectory(prefix="llmaudit-", ignore_cleanup_errors=True) as scratch:
        lake = _lake(config, Path(scratch))
        _ingest(config, lake, Path(scratch), read)
        engine = engines.start(config.engine, dict(config.engine_options))
        try:
            open_tables(engine, lake, config, only=only)
            yield engine, lake, pricing.load(config.prices, config.price_book)
        finally:
            engine.close()


def open_tables(engine: Engine, lake: Lake, config: AuditConfig, *, only: pl.DataFrame | None = None) -> pricing.Book:
    """Make a lake's tables readable by name, as a report left them: requests (priced), charges, usage, texts.

    Returns the book that priced them.
    """
    _attach(engine, lake, config, only)
    calls = _tables(engine, config)
    engine.attach("discovered", lake.files("endpoints"), TABLES["endpoints"])
    book = pricing.load(config.prices, config.price_book)
    money = pricing.price_usage(engine, calls, "money", book)
    queries.run(engine, "requests", endpoints="discovered", money=money)
    engine.alias("usage", "aggregates")
    return book


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
    tuned = dossier.stand_in(_tuning(config, book), config.tuned_provider, config.tuned_model, book)
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
        [ends] = _rows(engine, queries.run(engine, "log_ends"))
    factor = assemble.window(config, ends["first_at"], ends["last_at"], [])["month_factor"]
    return assemble.upcoming_frame(assemble.upcoming(found, factor))


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
        models = _rows(held.engine, queries.run(held.engine, "endpoint_models"))
        day = config.as_of or datetime.now(UTC).date()
        promised = savings.with_status(before["findings"], kept(held.lake), day)
        return promises.kept({**before, "findings": promised}, held.report, models)
    finally:
        held.close()


def reconciled(engine: Engine, lake: Lake, config: AuditConfig) -> list[reconcile.Reconciled]:
    """A lake's bills against its calls, without the rest of an audit."""
    book = open_tables(engine, lake, config)
    [ends] = _rows(engine, queries.run(engine, "log_ends"))
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


@dataclass(frozen=True)
class _Facts:
    """Answers of the queries, as the report needs them."""

    totals: Mapping[str, Any]
    spend: pl.DataFrame
    days: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    endpoints: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    duplicates: Mapping[str, Any]
    duplicate_classes: list[dict[str, Any]]
    by_ttl: list[dict[str, Any]]
    bills: list[reconcile.Reconciled]
    billed: list[dict[str, Any]]
    counted: list[dict[str, Any]]
    extents: list[dict[str, Any]]
    """Stretches of time that bills and providers' own counts cover."""
    sampled: list[dict[str, Any]]
    segments: list[dict[str, Any]]
    likely: Mapping[str, Any]
    labels: pl.DataFrame
    stored: int
    """Rows of calls, charges and usage that files gave."""
    survived: int
    """Those left once each counts once."""
    reused_ids: int
    """Calls whose provider id a file gives to other calls too."""

    @property
    def total(self) -> Decimal:
        return self.totals["cost_usd"] or ZERO

    @property
    def endpoint_costs(self) -> dict[str | None, Decimal | None]:
        return {row["endpoint"]: row["cost_usd"] for row in self.endpoints}

    @property
    def costs(self) -> pl.DataFrame:
        rows = [{name: row[name] for name in ("endpoint", "requests", "cost_usd")} for row in self.endpoints]
        return pl.DataFrame(rows, schema={"endpoint": pl.String, "requests": pl.Int64, "cost_usd": pl.Decimal(38, 12)})


def _chosen(config: AuditConfig) -> list[str]:
    known = levers.registry()
    for name in (*config.levers, *config.without):
        if name not in known:
            raise UnknownName("lever", name, known)
    for name, settings in config.lever_settings.items():
        levers.make(name, settings)
    return [name for name in known if (not config.levers or name in config.levers) and name not in config.without]


def _lake(config: AuditConfig, scratch: Path) -> Lake:
    if config.lake is None:
        return Lake.temporary(scratch / "lake", config.text or "sample")
    return Lake.open(config.lake, create=bool(config.paths), text=config.text)


def _ingest(config: AuditConfig, lake: Lake, spool: Path, read: Callable[[str, int], None]) -> Intake:
    if not config.paths:
        return Intake()
    return ingest(
        lake,
        config.paths,
        spool=spool,
        source=config.source,
        own=sources.described(config.sources),
        timezone=config.log_timezone,
        progress=read,
    )


def _attach(engine: Engine, lake: Lake, config: AuditConfig, only: pl.DataFrame | None = None) -> int:
    """Make the lake's tables known to the engine; return how many rows of calls and charges it has kept."""
    ingests = lake.ingests()
    if only is not None:
        ingests = ingests.join(only, on=["batch_id", "path"], how="semi", maintain_order="left")
    if ingests.is_empty():
        raise AuditError(f"{lake.path} holds no logs yet. Fill it with: llmaudit ingest LOGS --lake {lake.path}")
    engine.put("batches", ingests.select("batch_id", pl.col("path")).to_arrow().cast(_BATCHES))
    engine.put("deliveries", deliveries(ingests))
    modes = [{"source": name, "billing_mode": mode} for name, mode in config.billing_modes.items()]
    rates = [{"source": name, "sample_rate": float(rate)} for name, rate in config.sample_rates.items()]
    engine.put("source_rates", pa.Table.from_pylist(rates, schema=_RATES))
    engine.put("owners", owners.load(config.owners, config.zone, lambda key: key_name(key, lake.key)))
    engine.put("source_modes", pa.Table.from_pylist(modes, schema=_MODES))
    engine.attach("request_rows", lake.files("requests"), schema.REQUEST_ROWS)
    engine.attach("charge_rows", lake.files("charges"), pa.schema([*schema.CHARGES, schema.BATCH_ID]))
    engine.attach("usage_rows", lake.files("usage"), pa.schema([*schema.USAGE, schema.BATCH_ID]))
    engine.attach("texts", lake.files("texts"), schema.TEXTS)
    return int(ingests.filter(pl.col("source").is_not_null())["rows_kept"].sum())


_BATCHES = pa.schema([("batch_id", pa.string()), ("path", pa.string())])
_RATES = pa.schema([("source", pa.string()), ("sample_rate", pa.float64())])
_MODES = pa.schema([("source", pa.string()), ("billing_mode", pa.string())])


def _tables(engine: Engine, config: AuditConfig) -> str:
    """What falls into the window, each thing once: `charges`, `aggregates` and, returned, the calls."""
    for name in ("charges", "aggregates"):
        queries.run(engine, name, params=_window(config))
    if config.owners is None and not config.sample_rates:
        return queries.run(engine, "calls", params=_window(config))
    merged = queries.run(engine, "calls", into="merged_calls", params=_window(config))
    return queries.run(engine, "owned", into="calls", merged_calls=merged)


def _window(config: AuditConfig) -> dict[str, object]:
    return {"since": config.starts_at(), "until": config.ends_at()}


def _priced(engine: Engine, calls: str, book: pricing.Book) -> tuple[str, str]:
    """The money of all calls, and of those that no meter charges; and the table `requests`."""
    money = pricing.price_usage(engine, calls, "money", book)
    free = queries.run(engine, "unmetered", into="unmetered_calls")
    unmetered = pricing.price_usage(engine, free, "unmetered_usd", book)
    queries.run(engine, "requests", endpoints="discovered", money=money)
    return money, unmetered


def _endpoints(engine: Engine) -> tuple[pl.DataFrame, endpoints.Discovery]:
    """The text sample, and the endpoints discovered in it, as the table `discovered` for every call."""
    found = sample.load(engine, per_stratum=SAMPLE_PER_STRATUM)
    discovery = endpoints.discover(found)
    engine.put("endpoint_rules", discovery.rules.to_arrow())
    queries.run(engine, "discovered")
    return found, discovery


def _facts(engine: Engine, unmetered: str, config: AuditConfig, stored: int, book: pricing.Book) -> _Facts:
    """Ask every question the report answers."""
    [totals] = _rows(engine, queries.run(engine, "totals", unmetered=unmetered))
    engine.put("days", _days(totals["first_at"], totals["last_at"], config))
    extents = _rows(engine, queries.run(engine, "extents"))
    engine.put("billed_days", _days(*_span(extents), config))
    queries.run(engine, "duplicates")
    entries = queries.run(
        engine, "exact_duplicates", into="duplicate_entries", usage=queries.run(engine, "usage", into="metered")
    )
    cache_hits(engine, entries, assemble.TTLS_SECONDS, into="cache_hits")
    [duplicates] = _rows(engine, queries.run(engine, "duplicate_totals"))
    [survived] = _rows(engine, queries.run(engine, "survivors"))
    [likely] = _rows(engine, queries.run(engine, "likely_duplicates"))
    return _Facts(
        totals=totals,
        spend=pl.DataFrame(engine.fetch(queries.run(engine, "spend"))),
        days=_rows(engine, queries.run(engine, "spend_by_day")),
        classes=_rows(engine, queries.run(engine, "spend_by_token_class")),
        endpoints=_rows(engine, queries.run(engine, "endpoint_costs")),
        sources=_rows(engine, queries.run(engine, "source_windows")),
        duplicates=duplicates,
        duplicate_classes=_rows(engine, queries.run(engine, "duplicate_classes")),
        by_ttl=_rows(engine, queries.run(engine, "duplicates_by_ttl")),
        bills=reconcile.reconcile(engine, book, pricing.exchange(config.rates), totals["first_at"], totals["last_at"]),
        billed=_rows(engine, queries.run(engine, "billed")),
        counted=_rows(engine, queries.run(engine, "provider_counts")),
        extents=extents,
        sampled=_rows(engine, queries.run(engine, "sampled_shares")),
        segments=_rows(engine, queries.run(engine, "segments")),
        likely=likely,
        labels=pl.DataFrame(engine.fetch(queries.run(engine, "sampled_labels"))),
        stored=stored,
        survived=survived["rows"],
        reused_ids=survived["reused_ids"],
    )


def _days(first: datetime | None, last: datetime | None, config: AuditConfig) -> pa.Table:
    spans = days_between(first, last, config.zone) if first and last else []
    names, starts, ends = zip(*spans, strict=True) if spans else ((), (), ())
    columns = [pa.array(names, pa.string()), pa.array(starts, schema.TIME), pa.array(ends, schema.TIME)]
    return pa.table(columns, names=["day", "starts_at", "ends_at"])


def _tuning(config: AuditConfig, book: pricing.Book) -> FineTune:
    """The settings of fine-tuning. A target that cannot be had is said before the work begins."""
    lever = levers.make(FineTune.name, config.lever_settings.get(FineTune.name, {}))
    assert isinstance(lever, FineTune)
    return dossier.check(book, lever, config.tuned_provider, config.tuned_model)


def _instances(chosen: Sequence[str], config: AuditConfig, moving: dossier.Moving) -> list[Lever]:
    """The levers to pull, with their settings. Endpoints that would cost more on a tuned model are not moved."""
    pulled = [levers.make(name, _settings(name, config)) for name in chosen if name != FineTune.name]
    if moving.to_pull is None:
        return pulled
    return [*(_beside(lever, moving.to_pull.endpoints or ()) for lever in pulled), moving.to_pull]


def _beside(lever: Lever, tuned: Sequence[str]) -> Lever:
    """A call takes one route: endpoints that move to a tuned model move to no other."""
    return replace(lever, leave=(*lever.leave, *tuned)) if isinstance(lever, RightSize) else lever


def _wanted(engine: Engine, config: AuditConfig) -> str:
    """The calls that levers are pulled on: all that a meter charges, but for those of a sandbox."""
    if not config.sandbox:
        return "metered"
    engine.put("sandbox", pa.table({"endpoint": pa.array(config.sandbox, pa.string())}))
    return queries.run(engine, "outside_sandbox", usage="metered")


def _findings(
    steps: Sequence[Step],
    apart: Sequence[Step],
    replay: Replay,
    window: Mapping[str, Any],
    evidence: Mapping[str, Mapping[assemble.Site, Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Those of the plans, and apart from them those that were declined."""
    blocks, factor = replay.blocks(window["days"]), window["month_factor"]
    found, declined = (
        assemble.findings(part, blocks, factor, savings.evidence_of(evidence, replay.declined, declined=is_declined))
        for part, is_declined in ((steps, False), (apart, True))
    )
    return [*found, *declined]


def _evidence(
    replay: Replay, pulled: Sequence[Lever], sandbox: Sequence[str]
) -> dict[str, dict[assemble.Site, dict[str, Any]]]:
    """What each lever can say of an endpoint and model, besides what it saves."""
    found: dict[str, dict[assemble.Site, dict[str, Any]]] = {}
    for lever in pulled:
        table = lever.evidence(replay.engine, replay.usage)
        if table is None:
            continue
        rows = [row for row in _rows(replay.engine, table) if row["endpoint"] not in sandbox]
        found[lever.name] = {(row["endpoint"], row["model"]): row for row in rows}
        for place, usd in _unproven(lever, replay).items():
            found[lever.name].get(place, {})["unproven_usd"] = usd
    return found


def _unproven(lever: Lever, replay: Replay) -> dict[assemble.Site, Decimal]:
    """What the lever would save by itself where nothing in the log speaks for it yet."""
    further = lever.if_it_holds()
    if further is None:
        return {}
    shown, possible = replay.saved_alone(lever), replay.saved_alone(further)
    proved = {(row.endpoint, row.model) for row in shown}
    return {place: usd for place, usd in assemble.by_site(possible).items() if place not in proved}


def _teachers(engine: Engine) -> dict[str | None, list[str]]:
    """Endpoint -> the providers that answer it today."""
    rows = _rows(engine, queries.run(engine, "answering_providers"))
    found: dict[str | None, list[str]] = {}
    for row in rows:
        found.setdefault(row["endpoint"], []).append(row["provider"])
    return found


def _outlook(engine: Engine) -> list[dict[str, Any]]:
    """What the lever prompt_caching has said of every endpoint and model; nothing where it was not pulled."""
    return _rows(engine, "prompt_caching_outlook") if "prompt_caching_outlook" in engine.tables() else []


def _settings(name: str, config: AuditConfig) -> dict[str, Any]:
    """What llmaudit.toml says of a lever, over what the config says by names of its own."""
    own: dict[str, dict[str, Any]] = {
        "exact_duplicates": {"ttl_seconds": config.ttl_seconds},
    }
    return {**own.get(name, {}), **config.lever_settings.get(name, {})}


def _report(
    config: AuditConfig,
    lake: Lake,
    book: pricing.Book,
    facts: _Facts,
    moves: Sequence[dict[str, Any]],
    headline: Plan,
    everything: Plan,
    found: Sequence[dict[str, Any]],
    window: Mapping[str, Any],
) -> dict[str, Any]:
    """`report.json`, but for what the run says of itself."""
    return {
        "schema_version": 1,
        "generated_at": assemble.generated_at(config, datetime.now(UTC)),
        "llmaudit_version": __version__,
        "lake_version": schema.LAKE_VERSION,
        "config_sha256": config.sha256(),
        "price_book": {"as_of": book.as_of.isoformat(), "sha256": book.sha256},
        "currency": "USD",
        "display": assemble.display(config.currency, pricing.exchange(config.rates), facts.days),
        "window": window,
        "intake": assemble.intake(lake.ingests(), stored=facts.stored, survived=facts.survived),
        "totals": assemble.totals(facts.totals),
        "spend": assemble.spend(facts.spend, facts.days, facts.classes, facts.endpoints, facts.total),
        "duplicates": assemble.duplicates(facts.duplicates, facts.duplicate_classes, facts.by_ttl),
        "prompt_caching": [],
        "findings": found,
        "fine_tune": moves,
        "plan": assemble.plan(headline, everything),
        "bills": assemble.bills(facts.bills),
        "billed": assemble.billed(facts.billed, facts.extents),
        "sampling": facts.sampled,
        "counted": assemble.counted(facts.counted, facts.extents),
        "segments": assemble.segments(facts.segments),
        "bridge": assemble.bridges(config, facts.segments, pricing.exchange(config.rates)),
    }


def _allocated(engine: Engine, book: pricing.Book, sharing: allocation.Rules, days: int) -> list[dict[str, Any]]:
    return allocation.as_report(allocation.tables(engine, sharing, hours=days * 24, terms=book.user.contract))


def _reviewed(engine: Engine, book: pricing.Book, config: AuditConfig, window: Mapping[str, Any]) -> dict[str, Any]:
    """Prices seen from elsewhere: the other source's, those to come, those of what was asked for; and what is due."""
    ends = [date.fromisoformat(window[end][:10]) for end in ("start", "end") if window[end]]
    covered = (ends[0], ends[1]) if ends else None
    as_of = config.as_of or datetime.now(UTC).date()
    found = review.review(engine, book, "metered", "money", as_of)
    return assemble.prices(found, review.due(engine, book.user.contract, covered), window["month_factor"])


def _migrations(
    engine: Engine, book: pricing.Book, sampled: pl.DataFrame, before: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Endpoints that went on on a cheaper model: what they cost since, and whether the answers are still the same."""
    found = realised.migrations(engine, book)
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


def _extent(facts: _Facts) -> tuple[datetime | None, datetime | None]:
    """First and last moment of the calls or, where there are none, of the bills, else of what providers counted."""
    if facts.totals["first_at"]:
        return facts.totals["first_at"], facts.totals["last_at"]
    billed = [row for row in facts.extents if row["kind"] == "charges"]
    return _span(billed or facts.extents)


def _span(extents: Sequence[Mapping[str, Any]]) -> tuple[datetime | None, datetime | None]:
    """The first moment of all these stretches, and the last one inside them."""
    if not extents:
        return None, None
    first, end = min(row["first_at"] for row in extents), max(row["last_at"] for row in extents)
    return first, max(first, end - timedelta(microseconds=1))


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


def _rows(engine: Engine, table: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = engine.fetch(table).to_pylist()
    return rows
