"""What differs between two price lists: two days of one book, or two books."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from llmaudit.pricing.book import Book

if TYPE_CHECKING:
    import polars as pl

KEY = ("provider", "model", "tier", "token_class", "from_tokens", "daily_from_second", "weekdays")
COLUMNS = ("change", *KEY, "before_usd_per_unit", "after_usd_per_unit", "source")


def differences(before: Book, before_day: date, after: Book, after_day: date) -> pl.DataFrame:
    """Rates in force on one day in one book beside those on another day in another: changed, new, gone."""
    import polars as pl

    old, new = _in_force(before, before_day), _in_force(after, after_day)
    rows = []
    for key in sorted(old.keys() | new.keys(), key=lambda k: tuple(str(part or "") for part in k)):
        was, becomes = old.get(key), new.get(key)
        if was and becomes and was["usd_per_unit"] == becomes["usd_per_unit"]:
            continue
        told = becomes or was or {}
        rows.append(
            {
                "change": "new" if was is None else "gone" if becomes is None else "changed",
                **dict(zip(KEY, key, strict=True)),
                "before_usd_per_unit": was["usd_per_unit"] if was else None,
                "after_usd_per_unit": becomes["usd_per_unit"] if becomes else None,
                "source": f"{told['source']} {told['source_version']}",
            }
        )
    kinds = dict.fromkeys(COLUMNS, pl.String()) | {
        "from_tokens": pl.Int64(),
        "daily_from_second": pl.Int32(),
        "before_usd_per_unit": pl.Decimal(22, 18),
        "after_usd_per_unit": pl.Decimal(22, 18),
    }
    return pl.DataFrame(rows, schema=kinds)


def _in_force(book: Book, day: date) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {
        tuple(row[name] for name in KEY): row
        for row in book.all_rates()
        if (row["valid_from"] or date.min) <= day < (row["valid_to"] or date.max)
    }
