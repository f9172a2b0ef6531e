"""The report's tables as files: CSV and Parquet one a table, XLSX one workbook with a sheet each.

Amounts keep all their digits in CSV and Parquet. A spreadsheet counts in doubles, which hold fifteen. Text from logs that a
spreadsheet would run as a formula is made harmless in CSV and XLSX by a leading apostrophe; Parquet has it as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from llmaudit import pricing, queries
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError, MissingExtra
from llmaudit.lake import Lake

FORMATS = ("csv", "xlsx", "parquet")
WORKBOOK = "tables.xlsx"
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
MOST_ROWS_OF_A_SHEET = 1_048_576
LONGEST_CELL = 32_767

Report = Mapping[str, Any]
Tables = dict[str, pl.DataFrame]


def check(folder: Path, how: str) -> None:
    """Raise AuditError for what cannot be written, before any work is done."""
    if how not in FORMATS:
        raise AuditError(f"--format {how} is not one of {', '.join(FORMATS)}.")
    if folder.exists() and not folder.is_dir():
        raise AuditError(f"{folder}: this is a file. Name a folder for the tables with -o.")
    if how == "xlsx":
        _xlsxwriter()


def collect(report: Report, engine: Engine, lake: Lake, book: pricing.Book) -> Tables:
    """Every table, by the name of its file."""
    found: Tables = {f"spend_by_{name}": frame(rows) for name, rows in report["spend"].items()}
    found |= {f"allocation_by_{table['by'].replace('.', '_')}": frame(table["rows"]) for table in report["allocation"]}
    pools = [{"by": table["by"], **pool} for table in report["allocation"] for pool in table["pools"]]
    bills = [{k: v for k, v in bill.items() if not isinstance(v, list)} for bill in report["bills"]]
    causes = [
        {**{k: bill[k] for k in ("source", "account_id", "currency")}, **cause}
        for bill in report["bills"]
        for cause in bill["classes"]
    ]
    return {
        "totals": frame([{"name": name, **_value(value)} for name, value in _flat(report["totals"]).items()]),
        **found,
        "allocation_pools": frame(pools),
        "findings": frame(report["findings"]),
        "plan": frame(report["plan"]["steps"]),
        "plan_with_evaluation": frame(report["plan"]["with_evaluation"]["steps"]),
        "fine_tune": frame(report["fine_tune"]),
        "duplicate_classes": frame(report["duplicates"]["classes"]),
        "duplicates_by_ttl": frame(report["duplicates"]["by_ttl"]),
        "bills": frame(bills),
        "bill_causes": frame(causes),
        "prices_used": _prices_used(engine, book),
        "files": frame(report["intake"]["files"]),
        "quarantine": lake.quarantine().drop("batch_id"),
        "warnings": frame(report["warnings"]),
        "analyses": frame(report["analyses"]),
    }


def write(tables: Tables, folder: Path, how: str) -> list[Path]:
    """Write the tables that have rows; return the files."""
    filled = {name: table for name, table in tables.items() if not table.is_empty()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if how == "xlsx":
            _workbook(filled, folder / WORKBOOK)
            return [folder / WORKBOOK]
        paths = [folder / f"{name}.{how}" for name in filled]
        for path, table in zip(paths, filled.values(), strict=True):
            table.write_parquet(path) if how == "parquet" else harmless(table).write_csv(path)
    except OSError as error:
        raise AuditError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    return paths


# --- rows of a report as a frame ---------------------------------------------------------------------


def frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of report.json as columns: what is nested one level deep has columns of its own, deeper things are JSON."""
    flat = [_flat(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return pl.DataFrame([_column(name, [row.get(name) for row in flat]) for name in names])


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and name != "evidence":
            found |= {f"{name}_{part}": inner for part, inner in value.items()}
        else:
            found[name] = value
    return found


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    known = [value for value in values if value is not None]
    if any(isinstance(value, Decimal) for value in known):
        return pl.Series(name, [None if v is None else Decimal(str(v)) for v in values], pl.Decimal(38, 12))
    if known and all(isinstance(value, bool) for value in known):
        return pl.Series(name, values, pl.Boolean)
    if known and all(isinstance(value, int) for value in known):
        return pl.Series(name, values, pl.Int64)
    if known and all(isinstance(value, (int, float)) for value in known):
        return pl.Series(name, values, pl.Float64)
    return pl.Series(name, [_as_text(value) for value in values], pl.String)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return value.isoformat() if isinstance(value, date) else json.dumps(value, default=str)


def _value(value: Any) -> dict[str, Any]:
    """Totals are of several kinds: amounts and counts stand in columns of their own."""
    return {"usd": value if isinstance(value, Decimal) else None, "count": value if isinstance(value, int) else None}


def _prices_used(engine: Engine, book: pricing.Book) -> pl.DataFrame:
    """The rows of the price book behind the money, each with who published it and when it was checked."""
    used = pl.DataFrame(engine.fetch(queries.run(engine, "prices_used")))
    listed = [_source(price_id, book) for price_id in used["price_id"]]
    return used.with_columns(
        pl.Series(name, [source[at] for source in listed], pl.String)
        for at, name in enumerate(("source", "checked", "source_url"))
    )


def _source(price_id: str | None, book: pricing.Book) -> tuple[str | None, str | None, str | None]:
    place, _, dated = (price_id or "").rpartition("/")
    provider, _, rest = place.partition("/")
    model, _, tier = rest.rpartition("/")
    if not model:
        return None, None, None
    own = "prices.toml" if "+user" in dated else None
    rows = [
        r for r in book.rows(f"{provider}/{model}").to_pylist() if r["tier"] == tier and dated.startswith(_since(r))
    ]
    sources = {r["source"] for r in rows} | ({own} if own else set())
    checked = max((r["checked"] for r in rows if r["checked"]), default=None)
    urls = {r["source_url"] for r in rows if r["source_url"]}
    return ", ".join(sorted(sources)) or None, checked.isoformat() if checked else None, ", ".join(sorted(urls)) or None


def _since(row: Mapping[str, Any]) -> str:
    return row["valid_from"].isoformat() if row["valid_from"] else "ever"


# --- spreadsheets -------------------------------------------------------------------------------------


def harmless(table: pl.DataFrame) -> pl.DataFrame:
    """Text that a spreadsheet would run begins with an apostrophe; lists and the like are text already."""
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    risky = [pl.col(name).str.starts_with(start) for name in texts for start in STARTS_A_FORMULA]
    if not risky:
        return table
    return table.with_columns(
        pl.when(pl.any_horizontal(pl.col(name).str.starts_with(start) for start in STARTS_A_FORMULA))
        .then(pl.lit("'") + pl.col(name))
        .otherwise(name)
        .alias(name)
        for name in texts
    )


def _workbook(tables: Tables, path: Path) -> None:
    book = _xlsxwriter().Workbook(
        str(path), {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    )
    try:
        bold = book.add_format({"bold": True})
        styles = {
            pl.Decimal: book.add_format({"num_format": "#,##0.00####"}),
            pl.Datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
        }
        for name, table in tables.items():
            if table.height >= MOST_ROWS_OF_A_SHEET:
                raise AuditError(
                    f"{name} has {table.height:,} rows, more than a sheet can hold. Write it with --format csv."
                )
            _sheet(book.add_worksheet(name[:31]), harmless(table), bold, styles)
    finally:
        book.close()


def _sheet(sheet: Any, table: pl.DataFrame, bold: Any, styles: Mapping[Any, Any]) -> None:
    sheet.freeze_panes(1, 0)
    kinds = [styles.get(kind.base_type()) for kind in table.dtypes]
    for at, name in enumerate(table.columns):
        sheet.set_column(at, at, max(12, min(40, len(name) + 2)))
    sheet.write_row(0, 0, table.columns, bold)
    for row, values in enumerate(table.iter_rows(), start=1):
        for at, value in enumerate(values):
            _cell(sheet, row, at, value, kinds[at])


def _cell(sheet: Any, row: int, at: int, value: Any, style: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, at, value)
    elif isinstance(value, (int, float, Decimal)):
        sheet.write_number(row, at, value, style)
    elif isinstance(value, datetime):
        sheet.write_datetime(row, at, value, style)
    else:
        sheet.write_string(row, at, str(value)[:LONGEST_CELL])


def _xlsxwriter() -> Any:
    try:
        import xlsxwriter
    except ImportError:
        raise MissingExtra("Writing XLSX", "xlsx") from None
    return xlsxwriter
