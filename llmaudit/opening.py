"""A lake opened for questions: files taken in, tables by name, calls merged and priced."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa

from llmaudit import engine as engines
from llmaudit import pricing, queries, schema, sources
from llmaudit.config import AuditConfig
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError, UnknownName
from llmaudit.lake import TABLES, Lake, owners
from llmaudit.lake.deliveries import deliveries
from llmaudit.lake.intake import Intake, ingest, key_name
from llmaudit.pricing.behind import behind

TABLES_ASKED = (
    "requests",
    "charges",
    "usage",
    "prices",
    "texts",
    "ingests",
    "quarantine",
    "finding_calls",
    "decisions",
)
"""What a question may name; docs/tables.md has their columns."""


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
        lake = lake_of(config, Path(scratch))
        take_in(config, lake, Path(scratch), read)
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
    attach(engine, lake, config, only)
    calls = tables_of(engine, config)
    engine.attach("discovered", lake.files("endpoints"), TABLES["endpoints"])
    book = pricing.load(config.prices, config.price_book)
    money = pricing.price_usage(engine, calls, "money", book)
    queries.run(engine, "requests", endpoints="discovered", money=money)
    engine.alias("usage", "aggregates")
    return book


def put_records(engine: Engine, lake: Lake, book: pricing.Book, sql: str) -> None:
    """What a question may ask beside the calls: the prices behind them, what was read, what could not be, what was decided."""
    if "prices" in sql.lower():
        used = engine.fetch(queries.run(engine, "price_ids")).column("price_id").to_pylist()
        engine.put("prices", behind(book, used))
    engine.put("ingests", lake.ingests().to_arrow())
    engine.put("quarantine", lake.quarantine().to_arrow())
    engine.attach("decisions", lake.files("decisions"), TABLES["decisions"])


def lake_of(config: AuditConfig, scratch: Path) -> Lake:
    if config.lake is None:
        return Lake.temporary(scratch / "lake", config.text or "sample")
    return Lake.open(config.lake, create=bool(config.paths), text=config.text)


def take_in(config: AuditConfig, lake: Lake, spool: Path, read: Callable[[str, int], None]) -> Intake:
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


def attach(engine: Engine, lake: Lake, config: AuditConfig, only: pl.DataFrame | None = None) -> int:
    """Make the lake's tables known to the engine; return how many rows of calls and charges it has kept."""
    ingests = lake.ingests()
    if only is not None:
        ingests = ingests.join(only, on=["batch_id", "path"], how="semi", maintain_order="left")
    if ingests.is_empty():
        raise AuditError(f"{lake.path} holds no logs yet. Fill it with: llmaudit ingest LOGS --lake {lake.path}")
    _check_sources(config, ingests)
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


def _check_sources(config: AuditConfig, ingests: pl.DataFrame) -> None:
    """A setting for a source that nobody knows would be passed over, and money counted as if it were not there."""
    known = {*sources.registry(), *config.sources, *ingests["source"].drop_nulls()}
    for setting, names in (("billing_modes", config.billing_modes), ("sample_rates", config.sample_rates)):
        for name in names:
            if name not in known:
                raise UnknownName(f"source of {setting}", name, known)


_BATCHES = pa.schema([("batch_id", pa.string()), ("path", pa.string())])


_RATES = pa.schema([("source", pa.string()), ("sample_rate", pa.float64())])


_MODES = pa.schema([("source", pa.string()), ("billing_mode", pa.string())])


def tables_of(engine: Engine, config: AuditConfig) -> str:
    """What falls into the window, each thing once: `charges`, `aggregates` and, returned, the calls."""
    for name in ("charges", "aggregates"):
        queries.run(engine, name, params=_window(config))
    queries.run(engine, "same_spans")
    if config.owners is None and not config.sample_rates:
        return queries.run(engine, "calls", params=_window(config))
    merged = queries.run(engine, "calls", into="merged_calls", params=_window(config))
    return queries.run(engine, "owned", into="calls", merged_calls=merged)


def _window(config: AuditConfig) -> dict[str, object]:
    return {"since": config.starts_at(), "until": config.ends_at()}


def priced(engine: Engine, calls: str, book: pricing.Book) -> tuple[str, str]:
    """The money of all calls, and of those that no meter charges; and the table `requests`."""
    money = pricing.price_usage(engine, calls, "money", book)
    free = queries.run(engine, "unmetered", into="unmetered_calls")
    unmetered = pricing.price_usage(engine, free, "unmetered_usd", book)
    queries.run(engine, "requests", endpoints="discovered", money=money)
    return money, unmetered
