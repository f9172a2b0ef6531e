"""`llmaudit query`: one SELECT over a lake's tables, written as people want it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from llmaudit import assemble, commands, opening, queries, schema
from llmaudit import engine as engines
from llmaudit.config import AuditConfig
from llmaudit.errors import AuditError
from llmaudit.lake import TABLES as TABLES_OF_LAKE
from llmaudit.lake import Lake
from llmaudit.pricing.user import TOKEN_CLASSES

ROWS_SHOWN = 50


def ask(config: AuditConfig, sql: str) -> pl.DataFrame:
    """Run one SELECT. `requests` are priced calls with the endpoint that the last report used. Raises AuditError for bad SQL."""
    assert config.lake is not None
    lake = Lake.open(config.lake)
    engine = engines.start(config.engine, dict(config.engine_options))
    try:
        book = opening.open_tables(engine, lake, config)
        opening.put_records(engine, lake, book, sql)
        engine.attach("finding_calls", lake.files("finding_calls"), TABLES_OF_LAKE["finding_calls"])
        if "texts" in sql.lower():
            engine.attach("text_rows", lake.files("texts"), schema.TEXTS)
            queries.run(engine, "kept_texts", into="texts")
        try:
            engine.run(sql.strip().rstrip(";"), "asked", {})
        except Exception as error:
            if not _is_about_sql(error):
                raise
            raise AuditError(f"{str(error).splitlines()[0]}\nTables: {', '.join(opening.TABLES_ASKED)}.") from error
        return pl.DataFrame(engine.fetch("asked"))
    finally:
        engine.close()


def bills(config: AuditConfig) -> list[dict[str, Any]]:
    """Every bill in the lake against its calls, as report.json has it under `bills`."""
    assert config.lake is not None
    lake = Lake.open(config.lake)
    engine = engines.start(config.engine, dict(config.engine_options))
    try:
        return assemble.bills(commands.reconciled(engine, lake, config))
    finally:
        engine.close()


def chosen(how: str | None, path: Path | None) -> str:
    """How to write: as asked, else as the ending of the file says, else a table. Raises AuditError for what cannot work."""
    how = how or (path.suffix.removeprefix(".").lower() if path and path.suffix else "table")
    if how not in FORMATS:
        raise AuditError(f"{path}: no format goes by this ending. Say which with --format: {', '.join(FORMATS)}.")
    if how == "parquet" and path is None:
        raise AuditError("Parquet is no text: name a file with -o FILE.")
    if path is not None and not path.parent.is_dir():
        raise AuditError(f"{path}: there is no folder {path.parent}. Create it, or choose another place with -o.")
    if path is not None and path.is_dir():
        raise AuditError(f"{path}: this is a folder. Name a file in it with -o.")
    return how


def write(rows: pl.DataFrame, how: str, path: Path | None) -> None:
    """Write a result as table, csv, json or parquet, to a file or to standard output."""
    if path is None:
        text = _TEXTS[how](rows)
        print(text, end="" if text.endswith("\n") else "\n")  # noqa: T201 - this is the command's output
        return
    try:
        if how == "parquet":
            rows.write_parquet(path)
        else:
            path.write_text(_TEXTS[how](rows), encoding="utf-8")
    except OSError as error:
        raise AuditError(f"{path}: cannot be written ({error.strerror}).") from error


def price_list(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of `pricing.show` as a list for people: one line per tier, context band and period, a column per token class."""
    per_million = pl.when(pl.col("token_class").is_in(TOKEN_CLASSES)).then(1_000_000).otherwise(1)
    until = pl.col("valid_to").cast(pl.String).fill_null("")
    lines = rows.with_columns(
        price=(pl.col("usd_per_unit").cast(pl.Float64) * per_million).round(9),
        since=pl.col("valid_from").cast(pl.String).fill_null(""),
        until=until,
        context=pl.when(pl.col("from_tokens") > 0)
        .then(pl.format("over {}", pl.col("from_tokens") - 1))
        .otherwise(pl.lit("")),
        hours=pl.when(pl.col("daily_from_second").is_not_null())
        .then(
            pl.format(
                "{}{}-{} h UTC",
                pl.col("weekdays").replace({"12345": "Mon-Fri ", "67": "Sat-Sun "}).fill_null(""),
                pl.col("daily_from_second") // 3_600,
                pl.col("daily_to_second") // 3_600,
            )
        )
        .otherwise(pl.lit("")),
    )
    about = ["provider", "model", "tier", "context", "hours", "since", "until"]
    wide = lines.pivot("token_class", index=[*about, "source", "checked"], values="price", aggregate_function="first")
    empty = [name for name in about if wide[name].dtype == pl.String and (wide[name] == "").all()]
    prices = [name for name in wide.columns if name not in {*about, "source", "checked"}]
    return wide.select(*[name for name in about if name not in empty], *prices, "source", "checked").sort(
        [name for name in about if name not in empty]
    )


def upcoming_list(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of `pricing.upcoming.frame` as a list for people: rates by the million tokens."""
    per_million = pl.when(pl.col("token_class").is_in(TOKEN_CLASSES)).then(1_000_000).otherwise(1)
    return rows.select(
        "on",
        "kind",
        "provider",
        "model",
        "tier",
        "token_class",
        *(
            (pl.col(f"{name}_usd_per_unit").cast(pl.Float64) * per_million).round(9).alias(name)
            for name in ("before", "after")
        ),
        "source",
    )


def _json(rows: pl.DataFrame) -> str:
    """Amounts to their last digit, which the report's own JSON would round away."""
    return json.dumps({"rows": rows.to_dicts()}, indent=2, default=_as_json) + "\n"


def _csv(rows: pl.DataFrame) -> str:
    """Lists as JSON and bytes as hex: a cell holds text only."""
    nested = [name for name, kind in rows.schema.items() if kind.is_nested() or kind == pl.Binary]
    flat = {name: pl.Series(name, [_cell(value) for value in rows[name].to_list()], pl.String) for name in nested}
    return rows.with_columns(**flat).write_csv()


def _cell(value: object) -> str | None:
    return None if value is None else value.hex() if isinstance(value, bytes) else json.dumps(value, default=_as_json)


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else str(value)


def _table(rows: pl.DataFrame) -> str:
    with pl.Config(
        tbl_rows=ROWS_SHOWN, tbl_cols=-1, tbl_width_chars=220, fmt_str_lengths=60, tbl_hide_dataframe_shape=True
    ):
        return f"{rows}\n{rows.height:,} row{'' if rows.height == 1 else 's'}"


_TEXTS: dict[str, Callable[[pl.DataFrame], str]] = {"table": _table, "csv": _csv, "json": _json}
FORMATS = (*_TEXTS, "parquet")


def _is_about_sql(error: Exception) -> bool:
    return isinstance(error, duckdb.Error) or type(error).__module__.startswith(
        ("pyspark", "sqlglot", "llmaudit.engine")
    )
