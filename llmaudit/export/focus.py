"""Priced calls as a FOCUS file, Cost and Usage: one charge per hour or day, account, owner, model, tier, place and kind of token.

A log is no invoice: BilledCost is what the calls come to at the contract's prices, before taxes, credits and rounding.
A call without a price has no row, because no cost may be null; how many there are is returned, and the command says it.
Spec: FOCUS 1.4 (ratified 2026-06) and 1.2; see docs/export.md for what every column holds.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from llmaudit import pricing, queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.errors import AuditError
from llmaudit.schema import TIME, USD

VERSIONS = ("1.4", "1.2")
GRAINS = ("hour", "day")
FORMATS = (".csv", ".parquet")
UNNAMED_ACCOUNT = "unnamed"
"""Stands after the provider's name where the log names no account: the column may not be null."""

PRICE = pa.decimal128(38, 12)
_TEXT, _AMOUNT = pa.string(), pa.decimal128(38, 6)

COLUMNS: dict[str, pa.DataType] = {
    "BilledCost": USD,
    "BillingAccountId": _TEXT,
    "BillingAccountName": _TEXT,
    "BillingCurrency": _TEXT,
    "BillingPeriodEnd": TIME,
    "BillingPeriodStart": TIME,
    "ChargeCategory": _TEXT,
    "ChargeClass": _TEXT,
    "ChargeDescription": _TEXT,
    "ChargeFrequency": _TEXT,
    "ChargePeriodEnd": TIME,
    "ChargePeriodStart": TIME,
    "CommitmentDiscountStatus": _TEXT,
    "ConsumedQuantity": _AMOUNT,
    "ConsumedUnit": _TEXT,
    "ContractedCost": USD,
    "ContractedUnitPrice": PRICE,
    "EffectiveCost": USD,
    "HostProviderName": _TEXT,
    "InvoiceId": _TEXT,
    "InvoiceIssuerName": _TEXT,
    "ListCost": USD,
    "ListUnitPrice": PRICE,
    "PricingCategory": _TEXT,
    "PricingQuantity": _AMOUNT,
    "PricingUnit": _TEXT,
    "ProviderName": _TEXT,
    "PublisherName": _TEXT,
    "RegionId": _TEXT,
    "RegionName": _TEXT,
    "ResourceId": _TEXT,
    "ResourceName": _TEXT,
    "ResourceType": _TEXT,
    "ServiceCategory": _TEXT,
    "ServiceName": _TEXT,
    "ServiceProviderName": _TEXT,
    "ServiceSubcategory": _TEXT,
    "SkuId": _TEXT,
    "SkuMeter": _TEXT,
    "SkuPriceDetails": _TEXT,
    "SkuPriceId": _TEXT,
    "SubAccountId": _TEXT,
    "SubAccountName": _TEXT,
    "Tags": _TEXT,
    "x_Model": _TEXT,
    "x_PriceId": _TEXT,
    "x_PricedBy": _TEXT,
    "x_Provider": _TEXT,
    "x_ServiceTier": _TEXT,
    "x_TokenType": _TEXT,
}
"""In the order of the alphabet, our own last. Columns for what a log cannot know (commitments, capacity, allocations) are left out;
those of them that rules for other columns look at are there, and null."""

_NOT_IN = {
    "1.4": {"ProviderName", "PublisherName", "InvoiceId"},
    "1.2": {"HostProviderName", "ServiceProviderName"},
}

PROVIDERS = {
    "openai": ("OpenAI", "OpenAI API"),
    "anthropic": ("Anthropic", "Claude API"),
    "aws.bedrock": ("AWS", "Amazon Bedrock"),
    "azure.ai.openai": ("Microsoft", "Azure OpenAI"),
    "azure.ai.inference": ("Microsoft", "Azure AI Foundry Models"),
    "gcp.vertex_ai": ("Google Cloud", "Vertex AI"),
    "gcp.gemini": ("Google", "Gemini API"),
    "mistral_ai": ("Mistral AI", "Mistral API"),
    "deepseek": ("DeepSeek", "DeepSeek API"),
    "openrouter": ("OpenRouter", "OpenRouter API"),
    "x_ai": ("xAI", "xAI API"),
}
"""Provider -> its name, and its service's. Any other goes by the name it has here."""

METERS = {
    "input": "Input tokens",
    "cache_read": "Cached input tokens",
    "cache_write": "Cache write tokens",
    "cache_write_long": "Cache write tokens, long lifetime",
    "output": "Output tokens",
    "all_tokens": "All tokens",
    "images": "Images",
    "web_searches": "Web searches",
    "storage_searches": "File searches",
    "input_document_pages": "Pages",
    "audio_seconds": "Seconds of audio",
    "video_seconds": "Seconds of video",
    "input_characters": "Input characters",
    "output_characters": "Output characters",
    "input_text_messages": "Text messages",
    "requests": "Requests",
}
UNITS = {
    "images": "Images",
    "web_searches": "Searches",
    "storage_searches": "Searches",
    "input_document_pages": "Pages",
    "audio_seconds": "Seconds",
    "video_seconds": "Seconds",
    "input_characters": "Characters",
    "output_characters": "Characters",
    "input_text_messages": "Messages",
    "requests": "Requests",
}
"""Whatever is not named here is counted in tokens and priced by the million."""

_LIFETIMES = {
    ("cache_write", True): "5m",
    ("cache_write_long", True): "1h",
    ("cache_write_long", False): "12h",
}
"""(class, whether the model is a Claude) -> lifetime of what was written, where its provider states one."""


@dataclass(frozen=True)
class Written:
    """What became of the calls. The costs are those of the file."""

    path: Path
    rows: int
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
) -> Written:
    """Write the engine's `requests` (priced, see `schema.PRICED`) and its `money` as FOCUS rows.

    `tags` are keys of the log's own labels to carry beside team, project, environment and endpoint; each multiplies rows.
    """
    check(path, version, grain)
    lines = _lines(engine, book, by_hour=grain == "hour", tags=tuple(tags))
    [told] = engine.fetch(queries.run(engine, "focus_left_out")).to_pylist()
    if not told["priced_requests"]:
        raise AuditError(f"None of {told['requests']:,} calls has a price, so there is no charge to write.")
    names = [name for name in COLUMNS if name not in _NOT_IN[version]]
    schema = pa.schema([(name, COLUMNS[name]) for name in names])
    engine.map_batches(lines, partial(_worded, grain=grain, schema=schema), schema, "focus")
    [sums] = engine.fetch(queries.run(engine, "focus_totals")).to_pylist()
    _check_sums(told, sums)
    _save(engine, path)
    return Written(
        path,
        sums["rows"],
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
            yield from _rows(lines, grain).select(schema.names).to_arrow().cast(schema).to_batches()


def _rows(lines: pl.DataFrame, grain: str) -> pl.DataFrame:
    """The columns of FOCUS, from lines as `queries/focus_lines.sql` gives them."""
    kind = pl.col("token_class")
    row_of_book = pl.when(pl.col("list_price_id") == "reported").then(_REPORTED).otherwise("list_price_id")
    is_token = ~kind.is_in(list(UNITS))
    lines = lines.with_columns(
        SkuMeter=pl.concat_str(
            kind.replace_strict(METERS, default=kind),
            pl.when(pl.col("other_media")).then(pl.lit(", audio, images or video among them")).otherwise(pl.lit("")),
        ),
        # Twelve places of a million's price hold every published rate to the last digit.
        PricingQuantity=pl.when(is_token)
        .then(pl.col("quantity").cast(_DECIMAL) * pl.lit(Decimal("0.000001")))
        .otherwise(pl.col("quantity").cast(_DECIMAL))
        .cast(pl.Decimal(38, 6)),
    )
    seller, service = _names(lines["provider"])
    return lines.with_columns(
        seller,
        service,
        BilledCost=pl.col("contracted_usd"),
        ContractedCost=pl.col("contracted_usd"),
        EffectiveCost=pl.col("contracted_usd"),
        ListCost=pl.col("list_usd"),
        ContractedUnitPrice=_unit_price(lines, "contracted_usd"),
        ListUnitPrice=_unit_price(lines, "list_usd"),
        PricingUnit=pl.when(is_token)
        .then(pl.lit("1000000 Tokens"))
        .otherwise(kind.replace_strict(UNITS, default=None, return_dtype=pl.String)),
        PricingCategory=pl.lit("Standard"),
        ConsumedQuantity=pl.col("quantity").cast(pl.Decimal(38, 6)),
        ConsumedUnit=kind.replace_strict(UNITS, default="Tokens", return_dtype=pl.String),
        BillingAccountId=pl.coalesce(
            "account_id", pl.concat_str(pl.col("provider").fill_null("unknown"), pl.lit(f"/{UNNAMED_ACCOUNT}"))
        ),
        BillingAccountName=pl.lit(None, pl.String),
        BillingCurrency=pl.lit("USD"),
        BillingPeriodStart=pl.col("charge_start").dt.month_start().dt.truncate("1d"),
        BillingPeriodEnd=pl.col("charge_start").dt.month_start().dt.truncate("1d").dt.offset_by("1mo"),
        ChargePeriodStart=pl.col("charge_start"),
        ChargePeriodEnd=pl.col("charge_start").dt.offset_by("1h" if grain == "hour" else "1d"),
        ChargeCategory=pl.lit("Usage"),
        ChargeClass=pl.lit(None, pl.String),
        ChargeFrequency=pl.lit("Usage-Based"),
        ChargeDescription=pl.concat_str(
            pl.col("model").fill_null("model not named"),
            pl.col("SkuMeter").str.to_lowercase(),
            pl.when(pl.col("service_tier") == "standard").then(None).otherwise("service_tier"),
            separator=" ",
            ignore_nulls=True,
        ),
        CommitmentDiscountStatus=pl.lit(None, pl.String),
        InvoiceId=pl.lit(None, pl.String),
        RegionId=pl.col("region"),
        RegionName=pl.col("region"),
        ResourceId=pl.col("deployment"),
        ResourceName=pl.lit(None, pl.String),
        ResourceType=pl.when(pl.col("deployment").is_not_null()).then(pl.lit("Model Deployment")),
        ServiceCategory=pl.lit("AI and Machine Learning"),
        ServiceSubcategory=pl.lit("Generative AI"),
        SkuId=pl.concat_str(row_of_book.str.replace(r"/[^/]*$", ""), pl.lit("/"), kind),
        SkuPriceId=pl.concat_str(row_of_book, pl.lit("/"), kind),
        SkuPriceDetails=_details(lines),
        SubAccountId=pl.col("project"),
        SubAccountName=pl.col("project"),
        Tags=_tags(lines),
        x_Model=pl.col("model"),
        x_PriceId=pl.col("price_id"),
        x_PricedBy=pl.col("priced_by"),
        x_Provider=pl.col("provider"),
        x_ServiceTier=pl.col("service_tier"),
        x_TokenType=kind,
    ).with_columns(
        pl.col("seller").alias(name)
        for name in ("HostProviderName", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceProviderName")
    )


_DECIMAL = pl.Decimal(38, 0)
_REPORTED = pl.concat_str(
    pl.col("provider").fill_null("unknown"),
    pl.col("model").fill_null("unknown"),
    "service_tier",
    pl.lit("reported"),
    separator="/",
)
"""A price that no book has: what the log said a call of this model cost."""


def _names(provider: pl.Series) -> tuple[pl.Series, pl.Series]:
    known = [PROVIDERS.get(name or "", (name or "unknown", f"{name or 'unknown'} LLM API")) for name in provider]
    sellers, services = zip(*known, strict=True)
    return pl.Series("seller", sellers, pl.String), pl.Series("ServiceName", services, pl.String)


def _unit_price(lines: pl.DataFrame, cost: str) -> pl.Series:
    """Cost over quantity. Where all tokens of a row paid one rate, as nearly always, this is that rate."""
    exact = [
        (usd / amount).quantize(_PLACES) if amount else None
        for usd, amount in zip(lines[cost], lines["PricingQuantity"], strict=True)
    ]
    return pl.Series(exact, dtype=pl.Decimal(38, 12))


_PLACES = Decimal("0.000000000001")


def _details(lines: pl.DataFrame) -> pl.Series:
    """SkuPriceDetails: what the price depends on. The spec has no keys for models, so all are ours."""
    columns = lines.select("model", "service_tier", "token_class").rows()
    return pl.Series([_details_of(*row) for row in columns], dtype=pl.String)


@lru_cache(2**16)
def _details_of(model: str | None, tier: str, kind: str) -> str:
    lifetime = _LIFETIMES.get((kind, "claude" in (model or "").lower()))
    found = {"x_Model": model, "x_ServiceTier": tier, "x_TokenType": kind, "x_CacheLifetime": lifetime}
    return json.dumps({name: value for name, value in found.items() if value is not None})


def _tags(lines: pl.DataFrame) -> pl.Series:
    rows = lines.select("team", "project", "environment", "endpoint", "kept_tags").rows()
    return pl.Series([_tags_of(*row) for row in rows], dtype=pl.String)


@lru_cache(2**16)
def _tags_of(
    team: str | None, project: str | None, environment: str | None, endpoint: str | None, kept: str | None
) -> str | None:
    named = {"team": team, "project": project, "environment": environment, "endpoint": endpoint}
    found = {**json.loads(kept or "{}"), **{name: value for name, value in named.items() if value is not None}}
    return json.dumps(found) if found else None
