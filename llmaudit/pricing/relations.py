"""What reading, writing and answering cost beside fresh input, model by model. Ratios, no money.

Levers choose by these between ways of doing a thing; what the chosen one saves, the replay finds out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.pricing.book import Book
from llmaudit.pricing.wide import Wide, midnight

RELATIONS = pa.schema(
    [
        ("provider", pa.string()),
        ("model", pa.string()),
        ("read_multiple", pa.float64()),
        ("write_multiple", pa.float64()),
        ("output_multiple", pa.float64()),
    ]
)
"""Provider and model as the log has them. Multiples of the price of fresh input at the standard tier, today's short prompts."""


def put_relations(engine: Engine, usage: str, book: Book) -> str:
    """Make the table `relations` for the models of `usage` that have a price by the token."""
    named = engine.fetch(queries.run(engine, "priced_names", into="related_names", usage=usage)).to_pylist()
    pairs = dict.fromkeys((row["provider"], row["model"]) for row in named)
    rows = [row for provider, model in pairs for row in _relations(book, provider, model)]
    engine.put("relations", pa.Table.from_pylist(rows, schema=RELATIONS))
    return "relations"


def _relations(book: Book, provider: str, model: str) -> Iterator[dict[str, object]]:
    row = in_force(book, provider, model)
    if row is None or not row["input_usd"]:
        return
    yield {
        "provider": provider,
        "model": model,
        "read_multiple": float(row["cache_read_usd"] / row["input_usd"]),  # type: ignore[operator]
        "write_multiple": float(row["cache_write_usd"] / row["input_usd"]),  # type: ignore[operator]
        "output_multiple": float(row["output_usd"] / row["input_usd"]),  # type: ignore[operator]
    }


def in_force(book: Book, provider: str | None, model: str | None) -> Wide | None:
    """The rates of a model on the day of the book, for short prompts at the standard tier; None where there are none."""
    place = book.place(provider or None, model or None, None, None)
    if place is None:
        return None
    day = midnight(book.as_of)
    rows = (r for r in book.wide(place) if r["from_tokens"] == 0 and r["valid_from"] <= day < r["valid_to"])  # type: ignore[operator]
    return next((r for r in rows if r["input_usd"] is not None and r["output_usd"] is not None), None)
