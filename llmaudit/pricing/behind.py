"""The rows of the price book behind priced calls, with who published each, where, and when it was checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from llmaudit.pricing.book import Book
from llmaudit.pricing.user import TOKEN_CLASSES, UNIT_CLASSES
from llmaudit.pricing.wide import ENDLESS, FALLBACKS, NEVER, Wide, midnight
from llmaudit.schema import PRICES

_NOTES = ("+no-cache-rate", "+no-output-rate", "+mixed-cache")
"""What pricing adds to an id where a call lacked a rate of its own."""


def behind(book: Book, price_ids: Iterable[str]) -> pa.Table:
    """The rows behind these price_ids. The book must have priced the calls: it knows the places it was asked for."""
    wide: dict[str, Wide] = {}
    for row in book.looked_up():
        wide[str(row["price_id"])] = _joined(wide.get(str(row["price_id"])), row)
    found = [line for price_id in sorted(set(price_ids)) for line in _lines(book, price_id, wide)]
    return pa.Table.from_pylist(found, PRICES)


def _joined(known: Wide | None, row: Wide) -> Wide:
    """One row for all stretches of the days and hours of a price."""
    if known is None:
        return row
    ends = {
        name: pick(known[name], row[name])  # type: ignore[call-overload]
        for name, pick in (("valid_from", min), ("valid_to", max))
    }
    return {**known, **ends}


def _lines(book: Book, price_id: str, wide: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    plain = price_id
    for note in _NOTES:
        plain = plain.replace(note, "")
    row = wide.get(plain)
    provider, _, rest = plain.rpartition("/")[0].partition("/")
    model, _, tier = rest.rpartition("/")
    if row is None or not model:
        return
    published = [r for r in book.rows(f"{provider}/{model}").to_pylist() if r["tier"] == tier and _covers(r, row)]
    for kind in (*TOKEN_CLASSES, *UNIT_CLASSES):
        if row[f"{kind}_usd"] is None or (kind == "requests" and not row["requests_usd"]):
            continue
        witness = _witness(published, kind)
        yield {
            "price_id": price_id,
            "provider": provider,
            "model": model,
            "tier": tier,
            "valid_from": row["valid_from"],
            "valid_to": None if row["valid_to"] == midnight(NEVER) else row["valid_to"],
            "from_tokens": row["from_tokens"],
            "to_tokens": None if row["to_tokens"] == ENDLESS else row["to_tokens"],
            "token_class": kind,
            "usd_per_unit": row[f"{kind}_usd"],
            "list_usd_per_unit": row[f"list_{kind}_usd"],
            **{name: witness.get(name) for name in ("source", "source_version", "checked", "source_url", "disputed")},
        }


def _covers(published: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    since, until = published["valid_from"], published["valid_to"]
    return (
        (since is None or midnight(since) <= row["valid_from"])
        and (until is None or row["valid_from"] < midnight(until))
        and published["from_tokens"] <= row["from_tokens"]
        and (published["to_tokens"] is None or row["from_tokens"] < published["to_tokens"])
    )


def _witness(published: list[dict[str, Any]], token_class: str) -> Mapping[str, Any]:
    """The published row of the class, or of the class that it is billed as; the user's own where nobody published one."""
    for name in (token_class, *FALLBACKS.get(token_class, ())):
        for row in published:
            if row["token_class"] == name:
                return row
    return {"source": "prices.toml"} if not published else {}
