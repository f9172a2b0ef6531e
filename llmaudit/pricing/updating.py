"""A newer book from newer releases, on top of the shipped one: `llmaudit prices update`.

genai-prices keeps its own history, so its prices are compiled anew. LiteLLM keeps none: what the shipped book knows of
the models that LiteLLM alone prices stays as it is, and a newer release adds what it says from the day it was seen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llmaudit.errors import AuditError
from llmaudit.pricing import from_litellm
from llmaudit.pricing.book import DATA, load
from llmaudit.pricing.compile import Draft, compile_book, uplift_lines, write
from llmaudit.pricing.rates import Band, Period, Witness
from llmaudit.pricing.rates import rows as rates_of


def update(folder: Path, seen: date) -> str:
    """Compile a book into `folder` from the installed genai-prices and, where there is one, LiteLLM; return its sha256.

    `seen` is the day on which the releases are known to be current: today, as a rule.
    """
    if find_spec("genai_prices") is None:
        raise AuditError(
            "prices update compiles from genai-prices, which is not installed: pip install -U genai-prices"
        )
    shipped = load()
    if seen < shipped.as_of:
        raise AuditError(
            f"--seen {seen} is before the shipped book's day, {shipped.as_of}: nothing newer can come of it."
        )
    snapshots = [_installed(seen)] if find_spec("litellm") else []
    earlier = _history(
        shipped.all_rates(), {(r["provider"], r["model"]): r["retires_on"] for r in shipped.retirements()}
    )
    draft, meta = compile_book(seen, snapshots, earlier)
    old = json.loads((DATA / "book.json").read_text("utf-8"))
    _keep(draft, shipped.all_rates(), shipped.all_names(), old["uplifts"])
    for line in shipped.retirements():
        place = (line["provider"], line["model"])
        if line["retires_on"] and draft.retirements.get(place, (None, ""))[0] is None:
            draft.retirements[place] = (line["retires_on"], line["source"])
    meta |= {"slips": _all_slips(old, meta)}
    meta |= {"as_of": seen.isoformat(), "based_on_sha256": old["sha256"], "uplifts": uplift_lines(draft)}
    return write(draft, meta, folder)


def _all_slips(*books: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What one book and then the other left out or mended, once each."""
    listed = [slip for book in books for slip in book.get("slips", ())]
    return [slip for at, slip in enumerate(listed) if slip not in listed[:at]]


def _keep(
    draft: Draft, rates: list[dict[str, Any]], names: list[dict[str, Any]], uplifts: list[dict[str, str]]
) -> None:
    """What the shipped book knows further of models whose price at genai-prices is what it was.

    Tiers, windows and names that LiteLLM told, perhaps in a release that is not here any more.
    """
    for place, listed in _by_model(rates).items():
        fresh = list(rates_of(*place, draft.periods.get(place, [])))
        ours, theirs = ({_told(r) for r in found if r["source"] == "genai-prices"} for found in (listed, fresh))
        if ours == theirs and {_kind(r) for r in listed} - {_kind(r) for r in fresh}:
            draft.periods[place] = list(_periods(listed))
    for line in names:
        if (line["provider"], line["model"]) in draft.periods:
            draft.names.setdefault((line["provider"], line["name"]), (line["model"], line["kind"]))
    for said in uplifts:
        place = (said["provider"], said["model"])
        if place in draft.periods:
            draft.uplifts.setdefault(place, {k: v for k, v in said.items() if k not in ("provider", "model")})


def _told(row: dict[str, Any]) -> tuple[Any, ...]:
    """A rate of genai-prices, which tells no weekdays."""
    names = ("tier", "token_class", "valid_from", "valid_to", "daily_from_second", "from_tokens", "usd_per_unit")
    return tuple(row[name] for name in names)


def _kind(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["tier"], row["token_class"], row["weekdays"]


def _by_model(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["provider"], row["model"]].append(row)
    return found


def _installed(seen: date) -> from_litellm.Snapshot:
    """The map inside the installed LiteLLM. The package is not imported: that takes seconds, and may reach for the network."""
    from importlib.metadata import version

    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / Path(from_litellm.MAP_FILE).name
    return replace(from_litellm.read(path, seen), version=version("litellm"))


def _history(rows: list[dict[str, Any]], retiring: dict[tuple[str, str], date | None]) -> list[from_litellm.Known]:
    """The models of a book that LiteLLM alone prices, as `from_litellm.known` found them."""
    return [
        from_litellm.Known(provider, model, list(_periods(listed)), {}, None, retiring.get((provider, model)))
        for (provider, model), listed in sorted(_by_model(rows).items())
        if {row["source"] for row in listed} == {"litellm"}
    ]


def _periods(rows: list[dict[str, Any]]) -> Iterator[Period]:
    by_time: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        window = (row["daily_from_second"], row["daily_to_second"], row["weekdays"])
        by_time[row["valid_from"], row["valid_to"], *window, row["source"], row["basis"]].append(row)
    for (start, end, first, last, weekdays, source, basis), same in sorted(
        by_time.items(), key=lambda item: _first(item[0])
    ):
        bands: dict[str, dict[tuple[int, int | None, bool], dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
        for row in same:
            span = (row["from_tokens"], row["to_tokens"], row["is_marginal"])
            bands[row["tier"]][span][row["token_class"]] = row["usd_per_unit"]
        tiers = {
            t: tuple(
                Band(first, last, rates, is_marginal)
                for (first, last, is_marginal), rates in sorted(found.items(), key=lambda b: b[0][0])
            )
            for t, found in bands.items()
        }
        disputes = {
            (r["tier"], r["from_tokens"], r["token_class"]): (r["other_usd_per_unit"], r["other_source"])
            for r in same
            if r["disputed"]
        }
        witness = Witness(source, same[0]["source_version"], same[0]["checked"], same[0]["source_url"])
        daily = None if first is None else (first, last)
        yield Period(start, end, tiers, witness, daily, dict.fromkeys(tiers, basis), weekdays, disputes)


def _first(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return (key[0] or date.min, key[2] or 0, key[4] or "", *key[5:])
