"""Priced calls as a FOCUS file, Cost and Usage: one charge per hour or day, account, owner, model, tier, place and kind of token.

A log is no invoice: BilledCost is what the calls come to at the contract's prices, before taxes and rounding. What the
contract's other terms add or take off a month (free tiers, credits, true-ups) are charges of their own.
A call without a price has no row, because no cost may be null; how many there are is returned, and the command says it.
Spec: FOCUS 1.4 (ratified 2026-06) and 1.2; see docs/export.md for what every column holds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from llmaudit import pricing, queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.errors import AuditError
from llmaudit.export.focus_columns import COLUMNS, NOT_IN, of_terms, of_usage
from llmaudit.pricing import review
from llmaudit.pricing.contract import Contract, Window

VERSIONS = ("1.4", "1.2")
GRAINS = ("hour", "day")
FORMATS = (".csv", ".parquet")


@dataclass(frozen=True)
class Written:
    """What became of the calls. The costs are those of the file."""

    path: Path
    rows: int
    """For calls."""
    terms: int
    """Rows for what the contract adds or takes off."""
    billed_usd: Decimal
    """Of all rows: what is due."""
    requests: int
    priced_requests: int
    unpriced_requests: int
    contracted_usd: Decimal
    list_usd: Decimal
    unpriced_low_usd: Decimal | None
    unpriced_high_usd: Decimal | None

    def told(self) -> Iterator[str]:
        """What a person should know of the file: its sums, and what is not in it."""
        yield (
            f"{self.path}: {self.rows:,} charges of {self.priced_requests:,} calls, "
            f"${self.contracted_usd:,.6f} contracted, ${self.list_usd:,.6f} at list price."
        )
        if self.terms:
            yield (
                f"And {self.terms:,} charges of the contract (free tiers, credits, true-ups): ${self.billed_usd:,.6f} is due."
            )
        if self.unpriced_requests:
            between = ""
            if self.unpriced_low_usd is not None and self.unpriced_high_usd is not None:
                between = f", between ${self.unpriced_low_usd:,.2f} and ${self.unpriced_high_usd:,.2f}"
            yield (
                f"Left out: {self.unpriced_requests:,} calls without a price{between}; no cost of a charge may be null. "
                "Name their models or rates in prices.toml."
            )
        if free := self.requests - self.priced_requests - self.unpriced_requests:
            yield f"Left out: {free:,} calls that no meter charges (failed without usage, a gateway's cache, a seat)."


def check(path: Path, version: str, grain: str) -> None:
    """Raise AuditError for what cannot be written, before any work is done."""
    if path.suffix.lower() not in FORMATS:
        raise AuditError(f"{path}: FOCUS files are .csv or .parquet here. Name one of these with -o.")
    if not path.parent.is_dir():
        raise AuditError(f"{path}: there is no folder {path.parent}. Create it, or choose another place with -o.")
    if version not in VERSIONS:
        raise AuditError(f"--focus-version {version} is not written here. Known: {', '.join(VERSIONS)}.")
    if grain not in GRAINS:
        raise AuditError(f"--grain {grain} is not one of {', '.join(GRAINS)}.")


def write(
    engine: Engine,
    book: pricing.Book,
    path: Path,
    *,
    version: str = "1.4",
    grain: str = "day",
    tags: Sequence[str] = (),
    window: Window | None = None,
) -> Written:
    """Write the engine's `requests` (priced, see `schema.PRICED`) and its `money` as FOCUS rows, and the contract's terms after them.

    `window`: the days that the calls cover, as the report has them; left out, every month in them is whole.

    `tags` are keys of the log's own labels to carry beside team, project, environment and endpoint; each multiplies rows.
    """
    check(path, version, grain)
    lines = _lines(engine, book, by_hour=grain == "hour", tags=tuple(tags))
    [told] = engine.fetch(queries.run(engine, "focus_left_out")).to_pylist()
    if not told["priced_requests"]:
        raise AuditError(f"None of {told['requests']:,} calls has a price, so there is no charge to write.")
    names = [name for name in COLUMNS if name not in NOT_IN[version]]
    schema = pa.schema([(name, COLUMNS[name]) for name in names])
    engine.map_batches(lines, partial(_worded, grain=grain, schema=schema), schema, "focus_usage")
    terms = _terms(engine, book.user.contract, window)
    engine.put("focus_terms", _terms_worded(engine, terms, schema))
    queries.run(engine, "focus")
    [sums] = engine.fetch(queries.run(engine, "focus_totals")).to_pylist()
    _check_sums(told, sums)
    _save(engine, path)
    return Written(
        path,
        sums["rows"],
        terms.height,
        sum(terms["usd"], sums["contracted_usd"] or Decimal(0)),
        told["requests"],
        told["priced_requests"],
        told["unpriced_requests"],
        sums["contracted_usd"] or Decimal(0),
        sums["list_usd"] or Decimal(0),
        told["unpriced_low_usd"],
        told["unpriced_high_usd"],
    )


def _lines(engine: Engine, book: pricing.Book, *, by_hour: bool, tags: tuple[str, ...]) -> str:
    listed = book.at_list()
    money = "money" if listed is book else pricing.price_usage(engine, "requests", "money_at_list", listed)
    if tags:
        engine.map_batches("requests", partial(_kept_tags, tags=tags), _KEPT, "chosen_tags")
    else:
        engine.put("chosen_tags", _KEPT.empty_table())
    return queries.run(engine, "focus_lines", params={"by_hour": by_hour}, list_money=money, kept_tags="chosen_tags")


def _terms(engine: Engine, terms: Contract, window: Window | None) -> pl.DataFrame:
    """The lines of the contract's ledger that are not usage."""
    return review.changes(review.spend_of(engine, terms), terms, window)


def _terms_worded(engine: Engine, lines: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    if lines.is_empty():
        return schema.empty_table()
    named = pl.DataFrame(engine.fetch(queries.run(engine, "focus_accounts")))
    only = named.group_by("provider").agg(pl.col("account_id").unique()).filter(pl.col("account_id").list.len() == 1)
    accounts = {provider: account for provider, [account] in only.iter_rows() if account is not None}
    return of_terms(lines, accounts).select(schema.names).to_arrow().cast(schema)


def _check_sums(told: dict[str, Decimal], sums: dict[str, Decimal]) -> None:
    """The file is held against the calls before it is written: not a cent more or less."""
    if (told["cost_usd"] or 0) != (sums["contracted_usd"] or 0):
        raise RuntimeError(f"FOCUS rows sum to {sums['contracted_usd']}, the calls to {told['cost_usd']}")


def _save(engine: Engine, path: Path) -> None:
    """Parquet by the engine; CSV from that, a part at a time."""
    try:
        if path.suffix.lower() == ".parquet":
            engine.save("focus", str(path))
            return
        with tempfile.TemporaryDirectory(prefix="llmaudit-", dir=path.parent) as folder:
            engine.save("focus", f"{folder}/focus.parquet")
            rows = pl.scan_parquet(f"{folder}/focus.parquet")
            rows.sink_csv(f"{folder}/focus.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")
            Path(folder, "focus.csv").replace(path)
    except OSError as error:
        raise AuditError(f"{path}: cannot be written ({error.strerror or error}).") from error


# --- the words of a row ---------------------------------------------------------------------------

_KEPT = pa.schema([("request_id", pa.string()), ("kept_tags", pa.string())])


def _kept_tags(batches: Batches, *, tags: tuple[str, ...]) -> Batches:
    """Of each call's labels only those asked for, as JSON with its keys in order; null where it has none of them."""
    for batch in batches:
        encoded = batch["tags"].dictionary_encode()
        kept = pa.array([_only(text, tags) for text in encoded.dictionary.to_pylist()], pa.string())
        yield pa.RecordBatch.from_arrays([batch["request_id"], kept.take(encoded.indices)], schema=_KEPT)


def _only(text: str | None, tags: tuple[str, ...]) -> str | None:
    try:
        labels = json.loads(text or "{}")
    except ValueError:
        return None
    found = (
        {k: _scalar(labels[k]) for k in sorted(tags) if labels.get(k) is not None} if isinstance(labels, dict) else {}
    )
    return json.dumps(found) if found else None


def _scalar(value: object) -> object:
    """Values of a tag are text, numbers or switches: anything deeper travels as its JSON."""
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value)


def _worded(batches: Batches, *, grain: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        lines = pl.DataFrame(batch)
        if lines.height:
            yield from of_usage(lines, grain).select(schema.names).to_arrow().cast(schema).to_batches()
