"""Compile the price book from genai-prices and a series of LiteLLM releases.

    python -m llmaudit.pricing.compile --genai-date 2026-11-10 --litellm litellm-1.106.2-py3-none-any.whl@2026-10-21

genai-prices must be installed; LiteLLM's releases are read as files, each with the day it is known to have
been current. Where both price the same thing genai-prices wins; LiteLLM adds models, tiers and history.
Same inputs, same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llmaudit.pricing import from_genai, from_litellm, slips
from llmaudit.pricing.book import DATA, sha256
from llmaudit.pricing.rates import BOOK, NAMES, RANGES, RATE, RETIREMENTS, Band, Period, Rates, base, places, rows
from llmaudit.pricing.user import UNIT_CLASSES

ROUTED = frozenset({"aws.bedrock", "azure.ai.openai"})
"""Here a slash in a LiteLLM name divides a region from the model, and the region has its own price."""

LENT_CLASSES = frozenset({"cache_write_long", *UNIT_CLASSES}) - {"requests"}
"""Classes that a genai-prices model takes from LiteLLM where it lacks them and both publish the same standard price."""

Place = tuple[str, str]


@dataclass
class Draft:
    """The book while it is being compiled."""

    periods: dict[Place, list[Period]] = field(default_factory=dict)
    names: dict[Place, tuple[str, str]] = field(default_factory=dict)
    uplifts: dict[Place, Mapping[str, str]] = field(default_factory=dict)
    retirements: dict[Place, tuple[date | None, str]] = field(default_factory=dict)

    def name(self, provider: str, name: str, model: str, kind: str) -> None:
        if self.names.get((provider, name), ("", ""))[1] != "exact":
            self.names[provider, name] = (model, kind)


def compile_book(
    genai_date: date, snapshots: list[from_litellm.Snapshot], earlier: Sequence[from_litellm.Known] = ()
) -> tuple[Draft, dict[str, object]]:
    """The whole book, and the metadata that says what it was made from. `earlier` is what a book already knows from LiteLLM."""
    package = from_genai.Package(genai_date)
    draft = Draft()
    for known in package.models():
        place = (known.provider, known.model)
        draft.periods.setdefault(place, known.periods)
        if known.deprecated:
            draft.retirements[place] = (None, f"genai-prices {package.version}")
        for name, kind in known.names.items():
            draft.name(known.provider, name, known.model, kind)
    _add_litellm(draft, package, from_litellm.continued(earlier, from_litellm.known(snapshots)))
    draft.periods, slipped = slips.mended(draft.periods)
    meta: dict[str, object] = {
        "as_of": max([genai_date, *(s.seen for s in snapshots)]).isoformat(),
        "sources": [
            {"name": "genai-prices", "version": package.version, "checked": genai_date.isoformat(), "licence": "MIT"},
            *(
                {"name": "litellm", "version": s.version, "checked": s.seen.isoformat(), "licence": "MIT"}
                for s in sorted(snapshots, key=lambda s: s.seen)
            ),
        ],
        "uplifts": uplift_lines(draft),
        "slips": [asdict(slip) for slip in slipped],
    }
    return draft, meta


def uplift_lines(draft: Draft) -> list[dict[str, str]]:
    """Regional surcharges as book.json has them."""
    listed = sorted(draft.uplifts.items())
    return [{"provider": provider, "model": model, **factors} for (provider, model), factors in listed]


def _add_litellm(draft: Draft, package: from_genai.Package, found: list[from_litellm.Known]) -> None:
    witnesses: dict[Place, list[from_litellm.Known]] = defaultdict(list)
    for known in found:
        if known.retires_on:
            model = None if _is_routed(known) else package.find(known.provider, known.name)
            place = (known.provider, model or known.name)
            earlier = draft.retirements.get(place, (None, ""))[0]
            if earlier is None or known.name == place[1]:
                draft.retirements[place] = (known.retires_on, f"litellm {known.periods[-1].witness.version}")
        for borrower in package.borrowers(known.provider):
            if lent := package.find(borrower, known.name):
                draft.names.setdefault((borrower, known.name), (lent, "lent"))
        model = None if _is_routed(known) else package.find(known.provider, known.name)
        if model is None:
            _add_model(draft, known)
            continue
        draft.name(known.provider, known.name, model, "exact" if known.name == model else "alias")
        witnesses[known.provider, model].append(known)
    for place, same in witnesses.items():
        same.sort(key=lambda k: (k.name != place[1], len(k.name), k.name))
        draft.periods[place] = _completed(draft.periods[place], same)
        uplifts = next((k.uplifts for k in same if k.uplifts), None)
        if uplifts:
            draft.uplifts[place] = uplifts


def _is_routed(known: from_litellm.Known) -> bool:
    return known.provider in ROUTED and "/" in known.name


def _add_model(draft: Draft, known: from_litellm.Known) -> None:
    place = (known.provider, known.name)
    *earlier, newest = known.periods
    draft.periods[place] = [*earlier, *(from_litellm.by_hours(newest, known.off_peak) if known.off_peak else [newest])]
    draft.names[place] = (known.name, "exact")
    if known.uplifts:
        draft.uplifts[place] = known.uplifts


def _completed(periods: list[Period], same: Sequence[from_litellm.Known]) -> list[Period]:
    """A model's periods with the tiers that only LiteLLM knows, and a flag where the two disagree today.

    A tier is taken only while both publish the same standard price, so that no tier hangs on a stale base.
    """
    known_tiers = {tier for period in periods for tier in period.tiers}
    standard = [p for p in periods if "standard" in p.tiers]
    if not standard:
        return periods
    added: list[Period] = []
    for other in same:
        fresh = {t for p in other.periods for t in p.tiers} - known_tiers - {t for p in added for t in p.tiers}
        added += [_overlap(ours, theirs, fresh) for ours in standard for theirs in _agreeing(ours, other, fresh)]
    newest, hours = same[0].periods[-1], same[0].off_peak
    told = [_flagged(p, newest) if p.valid_to is None and not (hours and p.daily) else p for p in periods]
    if hours:
        told = _by_weekdays(told, newest, hours)
    return [*told, *added, *_lent(told, newest)]


def _by_weekdays(periods: list[Period], theirs: Period, hours: from_litellm.OffPeak) -> list[Period]:
    """Daily windows that hold on some weekdays only: where both sources know the same two prices, one knows the days.

    The source that does not tell weekdays apart stands beside as the other one.
    """
    daily = [p for p in periods if p.daily and p.valid_to is None and "standard" in p.tiers]
    ours = {base(p.tiers, "input") for p in daily}
    if ours != {base(theirs.tiers, "input"), hours.rates.get("input")}:
        return periods
    quiet = next(p for p in daily if base(p.tiers, "input") == hours.rates["input"])
    done = [p for p in periods if p not in daily]
    for window in daily:
        assert window.daily is not None
        busy = [d for d in range(1, 8) if not any(a <= window.daily[0] < b for a, b in hours.spans.get(d, ()))]
        days = "".join(str(d) for d in busy)
        if window.tiers == quiet.tiers or not days:
            done.append(window)
            continue
        rest = "".join(str(d) for d in range(1, 8) if d not in busy)
        done.append(replace(window, weekdays=days if rest else None))
        if rest:
            said = f"{window.witness.source} {window.witness.version}"
            disputes = {
                ("standard", b.from_tokens, c): (usd, said)
                for b in window.tiers["standard"]
                for c, usd in b.rates.items()
            }
            done.append(replace(window, weekdays=rest, tiers=quiet.tiers, witness=theirs.witness, disputes=disputes))
    return done


def _lent(periods: list[Period], theirs: Period) -> Iterator[Period]:
    """Rates that the first source lacks, for as long as its own standard price is the one the second publishes."""
    for period in periods:
        if period.daily or "standard" not in period.tiers or not from_litellm.same_price(period.tiers, theirs.tiers):
            continue
        lent = {(b.from_tokens, b.to_tokens): b.rates for b in theirs.tiers.get("standard", ())}
        more = [
            Band(
                b.from_tokens, b.to_tokens, _missing(b.rates, lent.get((b.from_tokens, b.to_tokens), {})), b.is_marginal
            )
            for b in period.tiers["standard"]
        ]
        if any(band.rates for band in more) and any(
            c.startswith("output") for b in period.tiers["standard"] for c in b.rates
        ):
            yield replace(period, tiers={"standard": tuple(more)}, witness=theirs.witness, disputes={})


def _missing(ours: Rates, theirs: Rates) -> Rates:
    return {c: usd for c, usd in theirs.items() if c in LENT_CLASSES and c not in ours and usd}


def _agreeing(ours: Period, other: from_litellm.Known, fresh: set[str]) -> Iterator[Period]:
    for theirs in other.periods:
        if fresh & theirs.tiers.keys() and ours.covers(theirs) and from_litellm.same_price(ours.tiers, theirs.tiers):
            yield theirs


def _overlap(ours: Period, theirs: Period, fresh: set[str]) -> Period:
    starts = [d for d in (ours.valid_from, theirs.valid_from) if d]
    ends = [d for d in (ours.valid_to, theirs.valid_to) if d]
    tiers = {tier: b for tier, b in theirs.tiers.items() if tier in fresh}
    return Period(
        max(starts, default=None), min(ends, default=None), tiers, theirs.witness, ours.daily, weekdays=ours.weekdays
    )


def _flagged(ours: Period, theirs: Period) -> Period:
    """With what the other source says of the same tier, band and class, where it differs."""
    said = f"{theirs.witness.source} {theirs.witness.version}"
    disputes = {
        (tier, band.from_tokens, name): (other.rates[name], said)
        for tier, tier_bands in ours.tiers.items()
        for band in tier_bands
        for other in theirs.tiers.get(tier, ())
        if other.from_tokens == band.from_tokens
        for name, usd in band.rates.items()
        if name in other.rates and places(other.rates[name]) != places(usd)
    }
    return replace(ours, disputes=disputes)


def _ranges(draft: Draft) -> Iterator[dict[str, object]]:
    """For each provider and stretch of time, the span of its text models' standard rates."""
    by_provider: dict[str, list[Period]] = defaultdict(list)
    for (provider, _), periods in draft.periods.items():
        text = [p for p in periods if base(p.tiers, "input") and base(p.tiers, "output")]
        by_provider[provider] += text
        by_provider[""] += text
    for provider, periods in sorted(by_provider.items()):
        days = sorted({d for p in periods for d in (p.valid_from, p.valid_to) if d}) if provider else []
        for day, until in zip([None, *days], [*days, None], strict=True):
            span = Period(day, until, {}, periods[0].witness) if periods else None
            alive = [p.tiers["standard"] for p in periods if span and p.covers(span)]
            if alive:
                yield {
                    "provider": provider,
                    "valid_from": day,
                    "valid_to": until,
                    **_span([band.rates for b in alive for band in b]),
                }


def _span(found: list[Rates]) -> dict[str, Decimal]:
    flat = [rates for rates in found if rates.get("input") and rates.get("output")]
    low = {c: min(r[c] for r in flat) for c in ("input", "output")}
    high = {c: max(r[c] for r in flat) for c in ("input", "output")}
    reads = [r["cache_read"] for r in flat if r.get("cache_read")]
    writes = [r[c] for r in flat for c in ("cache_write", "cache_write_long") if r.get(c)]
    ends = {
        **{f"low_{c}": usd for c, usd in low.items()},
        **{f"high_{c}": usd for c, usd in high.items()},
        "low_cache_read": min([low["input"], *reads]),
        "low_cache_write": min([low["input"], *writes]),
        "high_cache_read": high["input"],
        "high_cache_write": max([high["input"], *writes]),
    }
    return {name: usd.quantize(Decimal(1).scaleb(-RATE.scale)) for name, usd in ends.items()}


def write(draft: Draft, meta: dict[str, object], folder: Path) -> str:
    """Write the book; return its sha256."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = [row for (provider, model), periods in draft.periods.items() for row in rows(provider, model, periods)]
    names = [
        {"provider": provider, "name": name, "model": model, "kind": kind}
        for (provider, name), (model, kind) in sorted(draft.names.items())
        if (provider, model) in draft.periods
    ]
    _save(pa.Table.from_pylist(listed, BOOK).sort_by([(c, "ascending") for c in _ORDER]), folder / "rates")
    _save(pa.Table.from_pylist(names, NAMES), folder / "names")
    _save(pa.Table.from_pylist(list(_ranges(draft)), RANGES), folder / "ranges")
    retiring = [
        {"provider": provider, "model": model, "retires_on": day, "source": source}
        for (provider, model), (day, source) in sorted(draft.retirements.items())
        if (provider, model) in draft.periods
    ]
    _save(pa.Table.from_pylist(retiring, RETIREMENTS), folder / "retirements")
    digest = sha256(folder)
    text = json.dumps({**meta, "sha256": digest}, indent=1, sort_keys=True)
    (folder / "book.json").write_text(text + "\n", "utf-8")
    return digest


_ORDER = BOOK.names[: BOOK.get_field_index("token_class") + 1]


def _save(table: pa.Table, stem: Path) -> None:
    pq.write_table(
        table, stem.with_suffix(".parquet"), compression="zstd", compression_level=19, write_statistics=False
    )


def _dated(text: str) -> from_litellm.Snapshot:
    path, _, day = text.rpartition("@")
    return from_litellm.read(Path(path), date.fromisoformat(day))


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile and write the book that ships with the package."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--genai-date", type=date.fromisoformat, required=True, help="day of the installed release")
    parser.add_argument("--litellm", type=_dated, action="append", default=[], metavar="FILE@DATE")
    parser.add_argument("--out", type=Path, default=DATA)
    given = parser.parse_args(arguments)
    draft, meta = compile_book(given.genai_date, given.litellm)
    digest = write(draft, meta, given.out)
    print(f"{len(draft.periods)} models, {len(draft.names)} names, sha256 {digest}")  # noqa: T201


if __name__ == "__main__":
    main()
