"""The canonical tables, as Arrow schemas with a doc on every column.

Words follow OpenTelemetry GenAI and FOCUS. Times are UTC microseconds without a zone, tokens are
integers, money is decimal, durations are milliseconds. Unknown is null, never 0.
"""

from __future__ import annotations

import pyarrow as pa

LAKE_VERSION = 1

USD = pa.decimal128(38, 12)
TIME = pa.timestamp("us")
HASH = pa.int64()


def col(name: str, kind: pa.DataType, doc: str) -> pa.Field:
    return pa.field(name, kind, metadata={"doc": doc})


USAGE_COLUMNS = [
    col("input_tokens", pa.int64(), "All input tokens, cache reads and writes included."),
    col("cache_read_tokens", pa.int64(), "Part of input_tokens read from the provider's prompt cache."),
    col("cache_write_tokens", pa.int64(), "Part of input_tokens written to the provider's prompt cache, any lifetime."),
    col("cache_write_long_tokens", pa.int64(), "Part of cache_write_tokens with the longer lifetime (1 h, 12 h)."),
    col("output_tokens", pa.int64(), "All output tokens, reasoning included."),
    col("reasoning_tokens", pa.int64(), "Part of output_tokens spent on reasoning."),
    col("input_audio_tokens", pa.int64(), "Part of input_tokens that is audio."),
    col("output_audio_tokens", pa.int64(), "Part of output_tokens that is audio."),
    col("cache_audio_read_tokens", pa.int64(), "Part of cache_read_tokens that is audio."),
    col("input_image_tokens", pa.int64(), "Part of input_tokens that is images."),
    col("output_image_tokens", pa.int64(), "Part of output_tokens that is images."),
    col("cache_image_read_tokens", pa.int64(), "Part of cache_read_tokens that is images."),
    col("input_video_tokens", pa.int64(), "Part of input_tokens that is video."),
    col("cache_video_read_tokens", pa.int64(), "Part of cache_read_tokens that is video."),
    col("images", pa.int64(), "Images made."),
    col("web_searches", pa.int64(), "Web searches the provider ran and bills by the call."),
    col("storage_searches", pa.int64(), "Searches in the provider's own file store, billed by the call."),
    col("input_document_pages", pa.int64(), "Pages read by a model that is sold by the page, annotated ones included."),
    col("input_annotated_document_pages", pa.int64(), "Part of input_document_pages that were annotated."),
    col("audio_seconds", pa.int64(), "Seconds of audio heard or spoken, to the nearest; of models sold by the second."),
    col("video_seconds", pa.int64(), "Seconds of video made, to the nearest."),
    col("input_characters", pa.int64(), "Characters to be spoken or read, of models sold by the character."),
    col("output_characters", pa.int64(), "Characters of the answer, of models sold by the character."),
    col("input_text_messages", pa.int64(), "Text messages sent to a voice model that bills them by the message."),
]

_DESCRIPTION = [
    col("source", pa.string(), "The source that read the row, as `llmaudit sources` lists it."),
    col("source_file", pa.string(), "The file, as it was named when it was ingested."),
    col("source_row", pa.int64(), "Record number in that file, from 1."),
    col("span_id", pa.string(), "Span of the call in a trace."),
    col("parent_id", pa.string(), "Span that made the call."),
    col("attempt", pa.int32(), "1 for the first try, counted up by the log's own retries."),
    col("started_at", TIME, "When the call was made, UTC."),
    col("duration_ms", pa.float64(), "Start to last byte."),
    col("first_token_ms", pa.float64(), "Start to first token, streams only."),
    col("provider", pa.string(), "Who serves and bills the call, by its OpenTelemetry name."),
    col("account_id", pa.string(), "Organisation, workspace or subscription: the scope of bills and caches."),
    col("deployment", pa.string(), "Deployment, inference profile or gateway model id."),
    col("billing_mode", pa.string(), "metered, subscription, provisioned, self_hosted or free."),
    col("operation", pa.string(), "chat, responses, embeddings, image, audio, rerank, moderation, ..."),
    col("request_model", pa.string(), "Model asked for."),
    col("response_model", pa.string(), "Model that answered: the one that is billed."),
    col("region", pa.string(), "Region or inference geography."),
    col("service_tier", pa.string(), "Tier served: standard, batch, flex, priority or the provider's further names."),
    col("requested_service_tier", pa.string(), "Tier asked for."),
    col("stream", pa.bool_(), "Whether the answer was streamed."),
    col("temperature", pa.float64(), "Sampling temperature asked for; null where the default was left."),
    col("max_output_tokens", pa.int64(), "Cap on output tokens asked for."),
    col("tools_offered", pa.int32(), "Number of tool schemas sent."),
    col("tools_called", pa.int32(), "Number of tool calls in the answer."),
    col("response_format", pa.string(), "text, json_object or json_schema."),
    col("endpoint", pa.string(), "Feature or call site: the log's label; null where the log has none."),
    col("team", pa.string(), "Team that owns the call."),
    col("project", pa.string(), "Project or application."),
    col("environment", pa.string(), "production, staging, ..."),
    col("cost_centre", pa.string(), "Cost centre that bears the call; from the owners file where the log has none."),
    col("user_id", pa.string(), "User or customer on whose behalf the call was made."),
    col("api_key_id", pa.string(), "Name or hash of the API key, never the key."),
    col("session_id", pa.string(), "Conversation or job."),
    col("trace_id", pa.string(), "Trace the call belongs to."),
    col("tags", pa.string(), "The log's further labels as one JSON object."),
]

_OUTCOME = [
    col(
        "sample_rate",
        pa.float64(),
        "Share of all calls that the log was set to keep, 0 to 1, where it says so or the user does. Nothing is scaled by it.",
    ),
    col("usage_source", pa.string(), "reported by the provider, or estimated from the texts."),
    col("status", pa.string(), "ok, error or cancelled."),
    col("http_status", pa.int32(), "HTTP status of the answer."),
    col("error_type", pa.string(), "The provider's name for the failure."),
    col("finish_reason", pa.string(), "Why the answer ended, in the provider's words."),
    col("gateway_cache_hit", pa.bool_(), "Answered from the gateway's own cache: tokens are shown but not billed."),
    col("reported_cost_usd", USD, "What the log said the call cost. Ours is computed and never stored over it."),
]

TEXT_COLUMNS = [
    col("prompt_hash", HASH, "Keyed hash of tools, system prompt and messages in order; null without text."),
    col("system_hash", HASH, "Keyed hash of the system prompt."),
    col("tools_hash", HASH, "Keyed hash of the tool schemas."),
    col("params_hash", HASH, "Keyed hash of every other parameter that can change the answer, the model included."),
    col("output_hash", HASH, "Keyed hash of the answer, tool calls included."),
    col("template_hash", HASH, "Keyed hash of the system prompt's opening with times, ids and numbers masked."),
    col("head_hash", HASH, "Keyed hash of the first four words of the first user message, masked likewise."),
    col("tail_hash", HASH, "Keyed hash of the last four words of the first user message, masked likewise."),
    col("long_head_hash", HASH, "Keyed hash of the first twelve words of the first user message, masked likewise."),
    col("long_tail_hash", HASH, "Keyed hash of the last twelve words of the first user message, masked likewise."),
    col("system_head_hash", HASH, "Keyed hash of the first four words of the system prompt, masked likewise."),
    col("system_tail_hash", HASH, "Keyed hash of the last four words of the system prompt, masked likewise."),
    col("long_system_head_hash", HASH, "Keyed hash of the first twelve words of the system prompt, masked likewise."),
    col("long_system_tail_hash", HASH, "Keyed hash of the last twelve words of the system prompt, masked likewise."),
    col("message_hashes", pa.list_(HASH), "Keyed hash of each piece: tools, system prompt, then every message."),
    col("prefix_hashes", pa.list_(HASH), "Chain over message_hashes: entry n names the first n pieces."),
    col("prefix_bytes", pa.list_(pa.int64()), "UTF-8 bytes of the first n pieces."),
    col("prompt_sketch", pa.binary(), "MinHash of the last message: 16 unsigned 32-bit numbers, little-endian."),
    col(
        "prompt_bytes",
        pa.int64(),
        "UTF-8 bytes of the messages, system prompt included, tools not. 0 is an empty prompt.",
    ),
    col("tool_result_bytes", pa.int64(), "The part of prompt_bytes that is in messages which bring results of tools."),
    col("output_bytes", pa.int64(), "UTF-8 bytes of the answer."),
]

REQUESTS = pa.schema(
    [
        col("request_id", pa.string(), "The log's own id, made unique in the lake; else made from call_key."),
        col("call_key", pa.string(), "Equal for one call seen twice: md5 of the provider's id, else of file and row."),
        *_DESCRIPTION,
        *USAGE_COLUMNS,
        *_OUTCOME,
        *TEXT_COLUMNS,
    ]
)
"""One row per call. `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning."""

BATCH_ID = col("batch_id", pa.string(), "The ingest that wrote the row; it exists only if `ingests` has the batch.")

STRATUM = col("stratum", pa.int32(), "Group of calls inside which texts are sampled.")

BLOCK_COLUMNS = [
    col("block_hashes", pa.list_(HASH), "Chain over blocks of 512 bytes: entry n names the prompt up to its end."),
    col("block_bytes", pa.list_(pa.int64()), "UTF-8 bytes of content up to the end of each of these blocks."),
]

REQUEST_ROWS = pa.schema(
    [
        *REQUESTS,
        *BLOCK_COLUMNS,
        col("witness", pa.int32(), "1 provider's own log, 2 gateway, 3 trace."),
        STRATUM,
        BATCH_ID,
    ]
)
"""`requests` as stored: before rows of one call are merged. Block chains stay here: they are long, and few ask for them."""

CHARGES = pa.schema(
    [
        col("source", pa.string(), "The source that read the row."),
        col("source_file", pa.string(), "The file it was read from."),
        col("source_row", pa.int64(), "Record number in that file, from 1."),
        col("charge_id", pa.string(), "Equal for one billed line delivered twice."),
        col("provider", pa.string(), "Who bills."),
        col("account_id", pa.string(), "FOCUS BillingAccountId: organisation or subscription."),
        col("sub_account_id", pa.string(), "FOCUS SubAccountId: project or workspace."),
        col("charge_period_start", TIME, "FOCUS ChargePeriodStart, UTC."),
        col("charge_period_end", TIME, "FOCUS ChargePeriodEnd, UTC, not included."),
        col("charge_category", pa.string(), "FOCUS ChargeCategory: Usage, Purchase, Tax, Credit or Adjustment."),
        col("charge_description", pa.string(), "FOCUS ChargeDescription: the line as the bill words it."),
        col("sku_id", pa.string(), "FOCUS SkuId."),
        col("region", pa.string(), "FOCUS RegionId."),
        col("service_tier", pa.string(), "Tier billed, where the line says so."),
        col("model", pa.string(), "Model named by the line."),
        col(
            "token_class",
            pa.string(),
            "input, cache_read, cache_write, cache_write_long, output or another unit's name.",
        ),
        col("quantity", pa.decimal128(38, 12), "Quantity in base units (tokens, calls, seconds)."),
        col("quantity_unit", pa.string(), "Name of the base unit."),
        col("api_key_id", pa.string(), "API key the line is for."),
        col("user_id", pa.string(), "User the line is for."),
        col("list_cost", USD, "FOCUS ListCost in billing_currency."),
        col("contracted_cost", USD, "FOCUS ContractedCost in billing_currency."),
        col("effective_cost", USD, "FOCUS EffectiveCost in billing_currency."),
        col("billed_cost", USD, "FOCUS BilledCost in billing_currency."),
        col("billing_currency", pa.string(), "FOCUS BillingCurrency, ISO 4217."),
    ]
)
"""One row per billed line, in FOCUS words. Reconciled with requests, never added to them."""

USAGE = pa.schema(
    [
        col("source", pa.string(), "The source that read the row."),
        col("source_file", pa.string(), "The file it was read from."),
        col("source_row", pa.int64(), "Record number in that file, from 1."),
        col("usage_id", pa.string(), "Equal for one bucket delivered twice."),
        col("provider", pa.string(), "Who counted."),
        col("account_id", pa.string(), "Organisation."),
        col("project", pa.string(), "Project or workspace."),
        col("user_id", pa.string(), "User, where grouped by it."),
        col("api_key_id", pa.string(), "API key, where grouped by it."),
        col("period_start", TIME, "Start of the bucket, UTC."),
        col("period_end", TIME, "End of the bucket, UTC, not included."),
        col("operation", pa.string(), "chat, embeddings, image, ..."),
        col("model", pa.string(), "Model, where grouped by it."),
        col("service_tier", pa.string(), "Tier served."),
        col("requests", pa.int64(), "Calls in the bucket."),
        *USAGE_COLUMNS,
    ]
)
"""Providers' own aggregates: tokens per bucket and key. Never added to calls or charges."""

TEXTS = pa.schema(
    [
        col("text_hash", HASH, "Matches requests.message_hashes, output_hash."),
        col("kind", pa.string(), "tools, system, message or output."),
        col("role", pa.string(), "Role of the message."),
        col("text", pa.string(), "The text, secrets masked."),
        BATCH_ID,
    ]
)
"""Distinct message texts, as many as the text mode keeps."""

SAMPLES = pa.schema(
    [
        STRATUM,
        col("sample_key", HASH, "What orders calls in the sample: the first 63 bits of call_key."),
        col("text_hashes", pa.list_(HASH), "Hashes of the call's texts, all of which the lake keeps."),
        BATCH_ID,
    ]
)
"""Calls whose texts are kept: what a later run needs to know so that the sample stays one sample."""

INGESTS = pa.schema(
    [
        BATCH_ID,
        col("content_hash", pa.string(), "Hash of the file's bytes: a file is committed once."),
        col("ingested_at", TIME, "When the run began that took the file in, UTC."),
        col("path", pa.string(), "The file, as named."),
        col("source", pa.string(), "The source that read it."),
        col("rows_read", pa.int64(), "Records in the file."),
        col("rows_kept", pa.int64(), "Records that became rows."),
        col("rows_merged", pa.int64(), "Records folded into another row of the same file."),
        col("rows_quarantined", pa.int64(), "Records nobody could read."),
        col("not_calls", pa.string(), "JSON object: kind of record -> count of those that are no call."),
        col("warnings", pa.string(), "JSON array of {kind, text}."),
    ]
)
"""One row per file read. Committing here is what makes a file's rows exist."""

QUARANTINE = pa.schema(
    [
        col("path", pa.string(), "The file."),
        col("line", pa.int64(), "Line number, from 1; null where the whole file is meant."),
        col("reason", pa.string(), "Why it could not be read."),
        col("head", pa.string(), "First bytes, secrets masked; null with text = none."),
        BATCH_ID,
    ]
)
"""Records that could not be read, kept so that nothing is lost."""

SNAPSHOT = col("snapshot", pa.string(), "Which remembered report the row is of.")

REPORTED_PRICES = pa.schema(
    [
        col("month", pa.date32(), "First day of the month of the calls, UTC."),
        REQUESTS.field("provider"),
        col("model", pa.string(), "Model as billed."),
        REQUESTS.field("service_tier"),
        col("priced_by", pa.string(), "How the price was found."),
        col("price_id", pa.string(), "Row of the price book."),
        col("requests", pa.int64(), "Calls."),
        col("charged_requests", pa.int64(), "Those that a meter charges."),
        col("unpriced_requests", pa.int64(), "Those of them without a price."),
        col("tokens", pa.int64(), "Input and output tokens."),
        col("cost_usd", USD, "What they came to."),
        SNAPSHOT,
        col("book_sha256", pa.string(), "The price book, the user's prices included."),
    ]
)
"""What the last report over the whole lake came to; see repricing.py."""

FORGOTTEN = pa.schema(
    [
        col("user_digest", pa.string(), "Keyed digest of the name of a user who is forgotten."),
        col("forgotten_at", TIME, "When, UTC."),
    ]
)
"""Users whose calls arrive without name and texts; see lake/forgetting.py."""

FINDING_CALLS = pa.schema(
    [
        col("finding_id", pa.string(), "The finding, as report.json names it."),
        col("lever", pa.string(), "The lever that found it; its query is queries/<lever>.sql of the package."),
        REQUESTS.field("request_id"),
        col("before_usd", USD, "What the call cost when the lever came to it; null where nothing prices it."),
        col("after_usd", USD, "What it would have cost."),
        col("place", pa.int64(), "1 is the call that saves most. The first 1,000 of a finding are kept."),
        col("requests", pa.int64(), "All calls of the finding."),
        col("saving_usd", USD, "What the whole finding is expected to save."),
    ]
)
"""The calls behind each finding of the last report."""

DECISIONS = pa.schema(
    [
        col("finding_id", pa.string(), "The finding, as report.json names it."),
        col("status", pa.string(), "accepted, declined or done."),
        col("decided_on", pa.date32(), "When."),
        col("owner", pa.string(), "Who sees to it."),
        col("reason", pa.string(), "Why."),
        col("until", pa.date32(), "Last day it holds; after it the finding is open again."),
    ]
)
"""What people decided about findings."""

PRICED = pa.schema(
    [
        *REQUESTS,
        col("model", pa.string(), "Model as billed: response_model, else request_model."),
        col(
            "billable",
            pa.bool_(),
            "False for failures without usage, calls turned away (401, 403, 404, 429) and gateway cache hits.",
        ),
        col("cost_usd", USD, "Contracted cost; null where nothing prices the call."),
        col("list_usd", USD, "Cost at list price."),
        col("priced_by", pa.string(), "exact, alias, rule, user or reported; null where unpriced or not billable."),
        col("price_id", pa.string(), "Row of the price book that priced the call."),
        col("input_usd", USD, "Share of cost_usd for input that is neither read from nor written to a cache."),
        col("cache_read_usd", USD, "Share of cost_usd for cache reads."),
        col("cache_write_usd", USD, "Share of cost_usd for cache writes of the shorter lifetime."),
        col("cache_write_long_usd", USD, "Share of cost_usd for cache writes of the longer lifetime."),
        col("output_usd", USD, "Share of cost_usd for output, reasoning included."),
        col("other_usd", USD, "Share of cost_usd for every other unit."),
        col("low_usd", USD, "Unpriced calls only: what the cheapest plausible price would make of them."),
        col("high_usd", USD, "Unpriced calls only: what the dearest plausible price would make of them."),
    ]
)
"""`requests` with its money: what pricing adds."""


PRICES = pa.schema(
    [
        col("price_id", pa.string(), "As in requests.price_id."),
        col("provider", pa.string(), "Who sells."),
        col("model", pa.string(), "The model's name in the price book."),
        col("tier", pa.string(), "Service tier."),
        col("valid_from", TIME, "First moment the rate holds."),
        col("valid_to", TIME, "First moment it no longer holds; null without end."),
        col("from_tokens", pa.int64(), "Fewest input tokens of a call that has this rate."),
        col("to_tokens", pa.int64(), "First number of input tokens that has another; null without end."),
        col("token_class", pa.string(), "Class or unit that the rate is for."),
        col(
            "usd_per_unit",
            pa.decimal128(22, 18),
            "US dollars per token or piece: what the calls were priced with, contract included.",
        ),
        col("list_usd_per_unit", pa.decimal128(22, 18), "The same at list."),
        col("source", pa.string(), "Who published the list rate; prices.toml where it is the user's alone."),
        col("source_version", pa.string(), "Version of that source."),
        col("checked", pa.date32(), "Day it was read."),
        col("source_url", pa.string(), "Page of the provider that the source names."),
        col("disputed", pa.bool_(), "Whether another source publishes another rate."),
    ]
)
"""One row per price_id and token class, of the price_ids that priced calls."""


def docs(schema: pa.Schema) -> dict[str, str]:
    """Column name -> its documentation."""
    return {field.name: (field.metadata or {}).get(b"doc", b"").decode() for field in schema}


def markdown() -> str:
    """The tables as a page: docs/tables.md."""
    tables = {
        "requests": PRICED,
        "charges": CHARGES,
        "usage": USAGE,
        "prices": PRICES,
        "texts": TEXTS,
        "ingests": INGESTS,
        "quarantine": QUARANTINE,
        "finding_calls": FINDING_CALLS,
        "decisions": DECISIONS,
    }
    lines = [
        "# Tables",
        "",
        'What `llmaudit query "SELECT ..." --lake DIR` and `audit.sql(...)` can ask. Times are UTC, money is decimal US dollars',
        "unless a currency stands beside it, tokens are integers, and null is what is not known.",
    ]
    for name, table in tables.items():
        lines += ["", f"## {name}", "", "| column | type | what it is |", "|---|---|---|"]
        lines += [f"| `{column}` | {table.field(column).type} | {doc} |" for column, doc in docs(table).items()]
    return "\n".join(lines) + "\n"
