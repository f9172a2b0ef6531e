"""What providers sell a model for besides its standard price: which tiers, context bands and regional surcharges, when.

No money: only whether a tier is cheaper or dearer than standard. Levers choose by this what to replay; what it saves,
the replay finds out.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.pricing.book import Book
from llmaudit.pricing.relations import put_relations
from llmaudit.pricing.siblings import put_siblings
from llmaudit.pricing.wide import Wide

TIERS = ("standard", "batch", "flex", "priority", "fast", "ultrafast")

OFFERS = pa.schema(
    [
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("region", pa.string()),
        pa.field("tier", pa.string()),
        pa.field("valid_from", pa.timestamp("us")),
        pa.field("valid_to", pa.timestamp("us")),
        pa.field("from_tokens", pa.int64()),
        pa.field("against_standard", pa.int32()),
        pa.field("is_long_context", pa.bool_()),
        pa.field("has_surcharge", pa.bool_()),
    ]
)
"""Provider, model and region as the log has them, empty where it has none. `against_standard` is -1, 0 or 1: cheaper
than the standard tier at the same time and length, equal, or dearer. `is_long_context`: the band has higher rates than
the one below it. `has_surcharge`: the region costs more than the model elsewhere."""


def put_offers(engine: Engine, usage: str, book: Book) -> str:
    """Make the tables `offers`, `relations` and `siblings` for the models of `usage`."""
    put_relations(engine, usage, book)
    put_siblings(engine, usage, book)
    named = engine.fetch(queries.run(engine, "priced_names", into="offered_names", usage=usage)).to_pylist()
    places = dict.fromkeys((row["provider"], row["model"], row["region"]) for row in named)
    rows = [row for place in places for row in _offers(book, *place)]
    engine.put("offers", pa.Table.from_pylist(rows, schema=OFFERS))
    return "offers"


def _offers(book: Book, provider: str, model: str, region: str) -> Iterator[dict[str, object]]:
    standard: list[Wide] = []
    for tier in TIERS:
        place = book.place(provider or None, model or None, tier, region or None)
        if place is None:
            return
        listed = book.wide(place)
        standard = standard or listed
        for row in listed:
            usual = _at_the_same_time(standard, row)
            if usual is None:
                continue
            below = [r for r in listed if r["to_tokens"] == row["from_tokens"] and _overlap(r, row)]
            yield {
                "provider": provider,
                "model": model,
                "region": region,
                "tier": tier,
                **{name: row[name] for name in ("valid_from", "valid_to", "from_tokens")},
                "against_standard": _compared(row, usual),
                "is_long_context": any(_compared(row, r) > 0 for r in below),
                "has_surcharge": place.uplift > 1,
            }


def _at_the_same_time(standard: list[Wide], row: Wide) -> Wide | None:
    """The standard row in whose time and band this one begins."""
    return next(
        (
            r
            for r in standard
            if r["valid_from"] <= row["valid_from"] < r["valid_to"]  # type: ignore[operator]
            and r["from_tokens"] <= row["from_tokens"] < r["to_tokens"]  # type: ignore[operator]
        ),
        None,
    )


def _overlap(one: Wide, other: Wide) -> bool:
    return one["valid_from"] < other["valid_to"] and other["valid_from"] < one["valid_to"]  # type: ignore[operator,no-any-return]


def _compared(row: Wide, other: Wide) -> int:
    """-1, 0 or 1: by input and output together, as long as neither of them goes the other way."""
    mine, theirs = ([r[f"{c}_usd"] or Decimal(0) for c in ("input", "output")] for r in (row, other))
    signs = {(a > b) - (a < b) for a, b in zip(mine, theirs, strict=True)}  # type: ignore[operator]
    return 0 if {-1, 1} <= signs else next(iter(signs - {0}), 0)
