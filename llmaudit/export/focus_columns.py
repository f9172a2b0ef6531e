"""The columns of FOCUS, and what stands in them: for what calls cost, and for what a contract adds or takes off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

import polars as pl
import pyarrow as pa

from llmaudit.schema import TIME, USD

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

NOT_IN = {
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


def of_usage(lines: pl.DataFrame, grain: str) -> pl.DataFrame:
    """Charges for calls, from lines as `queries/focus_lines.sql` gives them."""
    seller, service = _names(lines["provider"])
    lines = lines.with_columns(
        seller,
        service,
        BillingAccountId=pl.coalesce("account_id", _unnamed(pl.col("provider"))),
        SkuMeter=_meter(),
        PricingQuantity=_priced_quantity(),
    )
    starts = pl.col("charge_start")
    return lines.with_columns(
        **_money(pl.col("contracted_usd"), pl.col("list_usd")),
        **_periods(starts, starts.dt.offset_by("1h" if grain == "hour" else "1d")),
        **_quantities(lines),
        **_sku(lines),
        **_kind("Usage", "Usage-Based"),
        **_place(lines),
        **_CONSTANT,
        x_Model=pl.col("model"),
        x_PriceId=pl.col("price_id"),
        x_PricedBy=pl.col("priced_by"),
        x_Provider=pl.col("provider"),
        x_ServiceTier=pl.col("service_tier"),
        x_TokenType=pl.col("token_class"),
    ).with_columns(**_sellers())


CATEGORIES = {"free_tier": "Credit", "credit": "Credit", "true_up": "Adjustment"}
"""What a line of the contract's ledger is to FOCUS: a credit takes off; a true-up is a charge of no other kind."""

_TITLES = {"free_tier": "Free tier", "credit": "Credit", "true_up": "True-up of commitment"}
_FREQUENCIES = {"free_tier": "Recurring", "credit": "One-Time", "true_up": "One-Time"}


def of_terms(lines: pl.DataFrame, accounts: Mapping[str | None, str]) -> pl.DataFrame:
    """Charges for a month of the contract's terms, from lines of its ledger: no price and no quantity, one amount as every cost.

    `accounts`: the account of each provider that has only one.
    """
    seller, service = _names(lines["provider"])
    starts = pl.col("month").cast(pl.Datetime("us"))
    line = pl.col("line")
    lines = lines.with_columns(seller, service)
    return lines.with_columns(
        **_money(pl.col("usd"), pl.col("usd")),
        **_periods(starts, starts.dt.offset_by("1mo")),
        **_kind(line.replace_strict(CATEGORIES), line.replace_strict(_FREQUENCIES)),
        **_CONSTANT,
        BillingAccountId=pl.Series([accounts.get(p, f"{p or 'unknown'}/{UNNAMED_ACCOUNT}") for p in lines["provider"]]),
        ChargeDescription=pl.concat_str(
            pl.concat_str(line.replace_strict(_TITLES), "name", separator=": "),
            "model",
            separator=", ",
            ignore_nulls=True,
        ),
        x_Model=pl.col("model"),
        x_Provider=pl.col("provider"),
    ).with_columns(**_sellers(), **{name: pl.lit(None) for name in _OF_USAGE})


_OF_USAGE = (
    "ConsumedQuantity", "ConsumedUnit", "ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "PricingQuantity",
    "PricingUnit", "RegionId", "RegionName", "ResourceId", "ResourceType", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SkuPriceId", "SubAccountId", "SubAccountName", "Tags", "x_PriceId", "x_PricedBy", "x_ServiceTier", "x_TokenType",
)  # fmt: skip
"""Null where nothing was used."""

_CONSTANT = {
    "BillingAccountName": pl.lit(None, pl.String),
    "BillingCurrency": pl.lit("USD"),
    "ChargeClass": pl.lit(None, pl.String),
    "CommitmentDiscountStatus": pl.lit(None, pl.String),
    "InvoiceId": pl.lit(None, pl.String),
    "ResourceName": pl.lit(None, pl.String),
    "ServiceCategory": pl.lit("AI and Machine Learning"),
    "ServiceSubcategory": pl.lit("Generative AI"),
}
_DECIMAL = pl.Decimal(38, 0)
_TOKENS = ~pl.col("token_class").is_in(list(UNITS))


def _unnamed(provider: pl.Expr) -> pl.Expr:
    return pl.concat_str(provider.fill_null("unknown"), pl.lit(f"/{UNNAMED_ACCOUNT}"))


def _money(contracted: pl.Expr, listed: pl.Expr) -> dict[str, pl.Expr]:
    return {**dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost"), contracted), "ListCost": listed}


def _periods(starts: pl.Expr, ends: pl.Expr) -> dict[str, pl.Expr]:
    month = starts.dt.month_start().dt.truncate("1d")
    return {
        "BillingPeriodStart": month,
        "BillingPeriodEnd": month.dt.offset_by("1mo"),
        "ChargePeriodStart": starts,
        "ChargePeriodEnd": ends,
    }


def _kind(category: str | pl.Expr, frequency: str | pl.Expr) -> dict[str, pl.Expr]:
    named = {"ChargeCategory": category, "ChargeFrequency": frequency}
    return {name: pl.lit(said) if isinstance(said, str) else said for name, said in named.items()}


def _meter() -> pl.Expr:
    return pl.concat_str(
        pl.col("token_class").replace_strict(METERS, default=pl.col("token_class")),
        pl.when(pl.col("other_media")).then(pl.lit(", audio, images or video among them")).otherwise(pl.lit("")),
    )


def _priced_quantity() -> pl.Expr:
    """In the unit of the price. Twelve places of a million's price hold every published rate to the last digit."""
    counted = pl.col("quantity").cast(_DECIMAL)
    by_million = counted * pl.lit(Decimal("0.000001"))
    return pl.when(_TOKENS).then(by_million).otherwise(counted).cast(pl.Decimal(38, 6))


def _quantities(lines: pl.DataFrame) -> dict[str, pl.Expr | pl.Series]:
    kind = pl.col("token_class")
    unit = kind.replace_strict(UNITS, default=None, return_dtype=pl.String)
    return {
        "ConsumedQuantity": pl.col("quantity").cast(pl.Decimal(38, 6)),
        "ConsumedUnit": kind.replace_strict(UNITS, default="Tokens", return_dtype=pl.String),
        "ContractedUnitPrice": _unit_price(lines, "contracted_usd"),
        "ListUnitPrice": _unit_price(lines, "list_usd"),
        "PricingCategory": pl.lit("Standard"),
        "PricingUnit": pl.when(_TOKENS).then(pl.lit("1000000 Tokens")).otherwise(unit),
    }


def _sku(lines: pl.DataFrame) -> dict[str, pl.Expr | pl.Series]:
    row = pl.when(pl.col("list_price_id") == "reported").then(_REPORTED).otherwise("list_price_id")
    kind = pl.col("token_class")
    words = (
        pl.col("model").fill_null("model not named"),
        pl.col("SkuMeter").str.to_lowercase(),
        pl.when(pl.col("service_tier") == "standard").then(None).otherwise("service_tier"),
    )
    return {
        "ChargeDescription": pl.concat_str(*words, separator=" ", ignore_nulls=True),
        "SkuId": pl.concat_str(row.str.replace(r"/[^/]*$", ""), pl.lit("/"), kind),
        "SkuPriceDetails": _details(lines),
        "SkuPriceId": pl.concat_str(row, pl.lit("/"), kind),
    }


def _place(lines: pl.DataFrame) -> dict[str, pl.Expr | pl.Series]:
    return {
        "RegionId": pl.col("region"),
        "RegionName": pl.col("region"),
        "ResourceId": pl.col("deployment"),
        "ResourceType": pl.when(pl.col("deployment").is_not_null()).then(pl.lit("Model Deployment")),
        "SubAccountId": pl.col("project"),
        "SubAccountName": pl.col("project"),
        "Tags": _tags(lines),
    }


def _sellers() -> dict[str, pl.Expr]:
    names = ("HostProviderName", "InvoiceIssuerName", "ProviderName", "PublisherName", "ServiceProviderName")
    return dict.fromkeys(names, pl.col("seller"))


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
