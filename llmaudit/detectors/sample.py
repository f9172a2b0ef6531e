"""The bounded sample of calls whose texts are kept, as one frame for the detectors."""

from __future__ import annotations

import polars as pl

from llmaudit import queries
from llmaudit.engine.base import Engine

FIRST_MESSAGES, LAST_MESSAGES = 2, 6
FIRST_CHARACTERS, LAST_CHARACTERS = 2_000, 6_000


def load(engine: Engine, *, per_stratum: int) -> pl.DataFrame:
    """One row per sampled call with `system`, `prompt` and `output` texts; nulls where a text was not kept.

    Reads the tables calls, request_rows, texts and batches. Long conversations are cut to their ends.
    """
    params = {"per_stratum": per_stratum}
    calls = queries.run(engine, "sampled_calls", into="sample", params=params)
    texts = queries.run(engine, "sampled_texts", into="sample_texts", sample=calls)
    sample, known = pl.DataFrame(engine.fetch(calls)), pl.DataFrame(engine.fetch(texts))
    prompts = _prompts(sample, known)
    outputs = known.select(pl.col("text_hash").alias("output_hash"), pl.col("text").alias("output"))
    return sample.join(prompts, on="call_key", how="left", maintain_order="left").join(
        outputs, on="output_hash", how="left", maintain_order="left"
    )


def prompts(engine: Engine) -> dict[str, str]:
    """The prompt of each sampled call whose text was kept, by `call_key`, from the tables that `load` made."""
    sample, known = pl.DataFrame(engine.fetch("sample")), pl.DataFrame(engine.fetch("sample_texts"))
    found = _prompts(sample, known).drop_nulls("prompt")
    return dict(zip(found["call_key"], found["prompt"], strict=True))


def _prompts(sample: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    pieces = (
        sample.select(
            "call_key",
            pl.concat_list(
                pl.col("message_hashes").list.head(FIRST_MESSAGES + 2),
                pl.col("message_hashes").list.slice(FIRST_MESSAGES + 2).list.tail(LAST_MESSAGES),
            ).alias("text_hash"),
        )
        .explode("text_hash")
        .join(known, on="text_hash", how="inner", maintain_order="left")
    )
    texts = pieces.group_by("call_key", maintain_order=True).agg(
        pl.col("text").filter(pl.col("kind") == "system").str.join("\n").alias("system"),
        pl.col("text").filter(pl.col("kind") == "message").str.join("\n").alias("prompt"),
        (pl.col("kind") == "system").any().alias("has_system"),
    )
    longest = FIRST_CHARACTERS + LAST_CHARACTERS
    return texts.select(
        "call_key",
        pl.when("has_system").then("system").alias("system"),
        pl.when(pl.col("prompt").str.len_chars() > longest)
        .then(
            pl.concat_str(
                pl.col("prompt").str.head(FIRST_CHARACTERS), pl.lit("\n…\n"), pl.col("prompt").str.tail(LAST_CHARACTERS)
            )
        )
        .otherwise("prompt")
        .alias("prompt"),
    )
