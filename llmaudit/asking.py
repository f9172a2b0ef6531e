"""`llmaudit query`: one SELECT over a lake's tables, written as people want it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl

from llmaudit import engine as engines
from llmaudit import pipeline
from llmaudit.config import AuditConfig
from llmaudit.errors import AuditError
from llmaudit.lake import Lake

ROWS_SHOWN = 50
SIDE_TABLES = ("ingests", "quarantine")


def ask(config: AuditConfig, sql: str) -> pl.DataFrame:
    """Run one SELECT. `requests` are priced calls with the endpoint that the last report used. Raises AuditError for bad SQL."""
    assert config.lake is not None
    lake = Lake.open(config.lake)
    engine = engines.start(config.engine, dict(config.engine_options))
    try:
        pipeline.open_tables(engine, lake, config)
        for name in SIDE_TABLES:
            engine.put(name, (lake.ingests() if name == "ingests" else lake.frame(name)).to_arrow())
        try:
            engine.run(sql.strip().rstrip(";"), "asked", {})
        except Exception as error:
            if not _is_about_sql(error):
                raise
            raise AuditError(
                f"{str(error).splitlines()[0]}\nTables: requests, charges, usage, texts, {', '.join(SIDE_TABLES)}."
            ) from error
        return pl.DataFrame(engine.fetch("asked"))
    finally:
        engine.close()


def write(rows: pl.DataFrame, how: str, path: Path | None) -> None:
    """Write a result as table, csv, json or parquet, to a file or to standard output."""
    try:
        if path is None:
            _print(rows, how)
        elif how == "parquet":
            rows.write_parquet(path)
        else:
            path.write_text(_TEXTS[how](rows), encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AuditError(f"{path}: cannot be written ({error.strerror}).") from error


def price_list(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of `pricing.show` as a list for people: one line per tier, context band and period, a column per token class."""
    per_million = pl.when(pl.col("token_class").is_in(_SINGLE_UNITS)).then(1).otherwise(1_000_000)
    until = pl.col("valid_to").cast(pl.String).fill_null("")
    lines = rows.with_columns(
        price=(pl.col("usd_per_unit").cast(pl.Float64) * per_million).round(9),
        since=pl.col("valid_from").cast(pl.String).fill_null(""),
        until=until,
        context=pl.when(pl.col("from_tokens") > 0)
        .then(pl.format("over {}", pl.col("from_tokens") - 1))
        .otherwise(pl.lit("")),
        hours=pl.when(pl.col("daily_from_second").is_not_null())
        .then(pl.format("{}-{} h UTC", pl.col("daily_from_second") // 3_600, pl.col("daily_to_second") // 3_600))
        .otherwise(pl.lit("")),
    )
    about = ["provider", "model", "tier", "context", "hours", "since", "until"]
    wide = lines.pivot("token_class", index=[*about, "source", "checked"], values="price", aggregate_function="first")
    empty = [name for name in about if wide[name].dtype == pl.String and (wide[name] == "").all()]
    prices = [name for name in wide.columns if name not in {*about, "source", "checked"}]
    return wide.select(*[name for name in about if name not in empty], *prices, "source", "checked").sort(
        [name for name in about if name not in empty]
    )


_SINGLE_UNITS = ("images", "web_searches")


def _print(rows: pl.DataFrame, how: str) -> None:
    if how == "parquet":
        raise AuditError("Parquet is no text: name a file with -o FILE.")
    text = _TEXTS[how](rows)
    print(text, end="" if text.endswith("\n") else "\n")  # noqa: T201 - this is the command's output


def _json(rows: pl.DataFrame) -> str:
    from llmaudit.report import to_json

    return to_json({"rows": rows.to_dicts()})


def _table(rows: pl.DataFrame) -> str:
    with pl.Config(
        tbl_rows=ROWS_SHOWN, tbl_cols=-1, tbl_width_chars=220, fmt_str_lengths=60, tbl_hide_dataframe_shape=True
    ):
        return f"{rows}\n{rows.height:,} rows"


_TEXTS: dict[str, Callable[[pl.DataFrame], str]] = {"csv": pl.DataFrame.write_csv, "json": _json, "table": _table}


def _is_about_sql(error: Exception) -> bool:
    return isinstance(error, duckdb.Error) or type(error).__module__.startswith(
        ("pyspark", "sqlglot", "llmaudit.engine")
    )
