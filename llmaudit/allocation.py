"""Who bears the cost: by team, project, customer or any label, with rules for what several of them share.

    [allocation]
    by = ["team", "tags.customer"]          # one table each
    cache = "readers"                       # a cached opening costs whoever uses it alike; else "writer": whoever wrote it
    failed_calls = "proportional"           # else "direct": whoever made them
    unattributed = "keep"                   # or spread by a rule

    [[allocation.shared]]
    name = "evaluation runs"
    where = { endpoint = "/evals" }         # calls whose cost is everybody's
    rule = "tokens"

    [[allocation.shared]]
    name = "provisioned throughput"
    usd_per_hour = "12.50"                  # a cost that no call bears
    rule = { search = 60, support = 40 }    # percent

A rule is `even`, `proportional` to direct cost, by `tokens`, or fixed percentages. What is shared is measured against direct
cost and tokens, never against what another rule has added, so the order of rules does not matter. A call belongs to one key,
so nothing counts twice: a label that holds several values is one key that names them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Batches, Engine
from llmaudit.errors import AuditError, UnknownName
from llmaudit.pricing import contract

DIMENSIONS = (
    "team",
    "project",
    "environment",
    "endpoint",
    "user_id",
    "api_key_id",
    "account_id",
    "session_id",
    "provider",
    "model",
    "source",
)
RULES = ("even", "proportional", "tokens")
FAILED = "failed_calls"
UNATTRIBUTED = "unattributed"
PLACES = Decimal("0.000000000001")
ZERO = Decimal(0)
HUNDRED = Decimal(100)

Rule = str | Mapping[str, Decimal]
"""One of RULES, or key -> percent."""
Weights = Mapping[str | None, Decimal]


@dataclass(frozen=True)
class Shared:
    """Cost that is not one key's: that of some calls, or so much an hour."""

    name: str
    rule: Rule
    where: Mapping[str, str] = field(default_factory=dict)
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True)
class Rules:
    """How cost is allocated, as `[allocation]` of llmaudit.toml says."""

    by: tuple[str, ...] = ()
    share_cache: bool = False
    failed_calls: Rule | None = None
    """None: whoever made them bears them."""
    unattributed: Rule | None = None
    """None: it stays, and is shown."""
    shared: tuple[Shared, ...] = ()

    def pools(self) -> dict[str, Rule]:
        """Pool -> how it is divided."""
        failed = {FAILED: self.failed_calls} if self.failed_calls else {}
        return {**{pool.name: pool.rule for pool in self.shared}, **failed}


@dataclass(frozen=True)
class Share:
    """What one key bears."""

    key: str | None
    requests: int
    tokens: int
    direct_usd: Decimal
    allocated_usd: Decimal
    showback_usd: Decimal | None

    @property
    def shared_usd(self) -> Decimal:
        """What the rules added to its direct cost; less than nothing where they took some away."""
        return self.allocated_usd - self.direct_usd


@dataclass(frozen=True)
class Pool:
    """What was shared."""

    name: str
    rule: Rule
    requests: int
    usd: Decimal


@dataclass(frozen=True)
class Allocation:
    """One way of dividing the cost. `shares` come to `total_usd`, to the last digit."""

    by: str
    total_usd: Decimal
    added_usd: Decimal
    """Part of the total that no call bears."""
    shares: tuple[Share, ...]
    pools: tuple[Pool, ...]


# --- the rules ------------------------------------------------------------------------------------


def read(stated: Mapping[str, Any]) -> Rules:
    """The table `[allocation]`. Raises AuditError naming what is wrong with it."""
    known = {"by", "cache", FAILED, UNATTRIBUTED, "shared"}
    for name in stated:
        if name not in known:
            raise UnknownName("setting in [allocation]", name, known)
    by = stated.get("by", [])
    if not isinstance(by, (list, tuple)) or not all(isinstance(name, str) for name in by):
        raise AuditError('[allocation] by should be a list of names, such as ["team", "tags.customer"].')
    for name in by:
        check_dimension(name)
    cache = stated.get("cache", "writer")
    if cache not in ("writer", "readers"):
        raise AuditError(f"[allocation] cache = {cache!r} is not writer or readers.")
    shared = tuple(_shared(entry) for entry in stated.get("shared", []))
    names = [pool.name for pool in shared]
    for name in names:
        if names.count(name) > 1 or name in (FAILED, UNATTRIBUTED):
            raise AuditError(f"[[allocation.shared]] {name!r}: the name is taken. Give every pool its own.")
    return Rules(
        tuple(dict.fromkeys(by)),
        cache == "readers",
        _unless(stated, FAILED, "direct"),
        _unless(stated, UNATTRIBUTED, "keep"),
        shared,
    )


def check_dimension(name: str) -> None:
    if name not in DIMENSIONS and not name.removeprefix("tags.") != name:
        raise UnknownName("way to allocate cost", name, {*DIMENSIONS, "tags.<label>"})


def _unless(stated: Mapping[str, Any], name: str, plain: str) -> Rule | None:
    value = stated.get(name, plain)
    return None if value == plain else _rule(f"[allocation] {name}", value, plain)


def _shared(entry: Mapping[str, Any]) -> Shared:
    name = str(entry.get("name", ""))
    where = f"[[allocation.shared]] {name!r}"
    known = {"name", "rule", "where", "usd_per_hour"}
    for key in entry:
        if key not in known:
            raise UnknownName(f"setting of {where}", key, known)
    if not name:
        raise AuditError('[[allocation.shared]] has no name. Say what is shared, such as name = "evaluation runs".')
    matches = entry.get("where", {})
    if bool(matches) == ("usd_per_hour" in entry):
        raise AuditError(f'{where}: say either which calls, where = {{ endpoint = "/evals" }}, or usd_per_hour.')
    for column, value in matches.items():
        check_dimension(column)
        if not isinstance(value, str):
            raise AuditError(f"{where}: {column} = {value!r} should be text in quotes.")
    hourly = _number(where, "usd_per_hour", entry["usd_per_hour"]) if "usd_per_hour" in entry else None
    return Shared(name, _rule(where, entry.get("rule", "proportional")), dict(matches), hourly)


def _rule(where: str, value: object, *plain: str) -> Rule:
    if isinstance(value, dict):
        shares = {key: _number(where, key, percent) for key, percent in value.items()}
        if sum(shares.values()) != HUNDRED:
            raise AuditError(f"{where}: the shares come to {sum(shares.values())} percent, not to 100.")
        return shares
    if value not in RULES:
        raise AuditError(
            f"{where} = {value!r} is not one of {', '.join((*RULES, *plain))}, nor a table of percentages."
        )
    return str(value)


def _number(where: str, name: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise AuditError(f"{where}: {name} is {value!r}; expected a number such as 12.5.")
    return number


# --- the division -----------------------------------------------------------------------------------


def divide(
    engine: Engine, by: str, rules: Rules, *, hours: int = 0, terms: contract.Contract = contract.NO_CONTRACT
) -> Allocation:
    """Allocate the engine's `requests` (priced, see `schema.PRICED`) by one dimension. `hours` is the length of the window."""
    engine.map_batches("requests", partial(_keyed, by=by, rules=rules), _KEYS, "allocation_keys")
    found = engine.fetch(queries.run(engine, "allocation_costs", params={"share_cache": rules.share_cache})).to_pylist()
    direct = {row["key"]: row for row in found if row["pool"] is None}
    own = {key: row["cost_usd"] or ZERO for key, row in direct.items()}
    added = {pool.name: pool.usd_per_hour * hours for pool in rules.shared if pool.usd_per_hour is not None}
    pools = tuple(_pool(name, rule, found, added) for name, rule in rules.pools().items())
    borne = dict(own)
    _even_out_caches(borne, direct)
    basis = {key: (own[key], Decimal(row["tokens"] or 0)) for key, row in direct.items() if key is not None}
    for pool in pools:
        _add(borne, spread(pool.usd, pool.rule, basis))
    if rules.unattributed:
        rest = spread(borne.pop(None, ZERO), rules.unattributed, basis)
        _add(borne, rest)
    factors = _margins(engine, terms)
    total = sum(own.values(), ZERO) + sum((pool.usd for pool in pools), ZERO)
    shares = [_share(key, direct.get(key), borne.get(key, ZERO), factors) for key in {**own, **borne}]
    return Allocation(
        by,
        total,
        sum(added.values(), ZERO),
        tuple(sorted(shares, key=lambda s: (-s.allocated_usd, s.key or "~"))),
        pools,
    )


def _pool(name: str, rule: Rule, found: Iterable[Mapping[str, Any]], added: Mapping[str, Decimal]) -> Pool:
    rows = [row for row in found if row["pool"] == name]
    usd = sum((row["cost_usd"] or ZERO for row in rows), added.get(name, ZERO))
    return Pool(name, rule, sum(row["requests"] for row in rows), usd)


def _even_out_caches(borne: dict[str | None, Decimal], direct: Mapping[str | None, Mapping[str, Any]]) -> None:
    """Each opening's cost of writing and reading, by the cached tokens that a key used of it."""
    weights = {key: row["even_cache_usd"] for key, row in direct.items() if row["even_cache_usd"] is not None}
    whole = sum((row["own_cache_usd"] for row in direct.values() if row["own_cache_usd"] is not None), ZERO)
    for key in weights:
        borne[key] -= direct[key]["own_cache_usd"]
    _add(borne, split(whole, weights))


def spread(usd: Decimal, rule: Rule, basis: Mapping[str, tuple[Decimal, Decimal]]) -> dict[str | None, Decimal]:
    """Divide an amount among keys. `basis` is key -> (direct cost, tokens); with nobody to bear it, it is unattributed."""
    if not isinstance(rule, str):
        return split(usd, {key: percent for key, percent in rule.items()})  # noqa: C416 - keys widen to those of Weights
    weights: dict[str | None, Decimal] = {
        key: {"even": Decimal(1), "proportional": cost, "tokens": tokens}[rule] for key, (cost, tokens) in basis.items()
    }
    if basis and not any(weights.values()):
        weights = dict.fromkeys(weights, Decimal(1))
    return split(usd, weights)


def split(usd: Decimal, weights: Weights, places: Decimal = PLACES) -> dict[str | None, Decimal]:
    """Parts of an amount that come to it exactly: what rounding leaves goes to the largest remainders.

    >>> [str(part) for part in split(Decimal(10), {"a": Decimal(1), "b": Decimal(2)}, Decimal("0.01")).values()]
    ['3.33', '6.67']
    """
    whole = sum(weights.values(), ZERO)
    if not whole:
        return {None: usd} if usd else {}
    with localcontext() as precise:
        precise.prec = 80
        exact = {key: usd * weight / whole for key, weight in weights.items()}
        parts = {key: amount.quantize(places, ROUND_FLOOR) for key, amount in exact.items()}
        left = int((usd - sum(parts.values(), ZERO)) / places)
        order = sorted(exact, key=lambda key: parts[key] - exact[key])  # equal remainders in the order of the keys
        for key in order[:left]:
            parts[key] += places
        parts[order[0]] += usd - sum(parts.values(), ZERO)
    return parts


def _add(borne: dict[str | None, Decimal], parts: Weights) -> None:
    for key, usd in parts.items():
        borne[key] = borne.get(key, ZERO) + usd


def _share(
    key: str | None, row: Mapping[str, Any] | None, usd: Decimal, factors: Mapping[str | None, Decimal] | None
) -> Share:
    counted = row or {"requests": 0, "tokens": 0, "cost_usd": ZERO}
    shown = None if factors is None else (usd * factors.get(key, factors[_ALL])).quantize(PLACES)
    return Share(key, counted["requests"], counted["tokens"] or 0, counted["cost_usd"] or ZERO, usd, shown)


_ALL = "\x00all"


def _margins(engine: Engine, terms: contract.Contract) -> dict[str | None, Decimal] | None:
    """Key -> what a dollar of it becomes with the margins of its own calls; `_ALL` is that of all calls together."""
    if not terms.margins:
        return None
    costs = pl.DataFrame(engine.fetch(queries.run(engine, "allocation_months")))
    shown = contract.showback(costs, terms)
    sums = pl.col("contracted_usd", "showback_usd").sum()
    found = {row[0]: row[1:] for row in shown.group_by("key").agg(sums).rows()}
    found[_ALL] = shown.select(sums).row(0)
    return {key: after / before if before else Decimal(1) for key, (before, after) in found.items()}


# --- keys -------------------------------------------------------------------------------------------

_KEYS = pa.schema([("request_id", pa.string()), ("key", pa.string()), ("pool", pa.string())])


def _keyed(batches: Batches, *, by: str, rules: Rules) -> Batches:
    """Each call's key, and the pool it belongs to instead, if it does."""
    for batch in batches:
        pool = pa.nulls(len(batch), pa.string())
        if rules.failed_calls:
            failed = pc.fill_null(pc.not_equal(batch["status"], "ok"), fill_value=False)
            pool = pc.if_else(failed, pa.scalar(FAILED), pool)
        for shared in reversed(rules.shared):
            if shared.where:
                pool = pc.if_else(_matches(batch, shared.where), pa.scalar(shared.name), pool)
        yield pa.RecordBatch.from_arrays([batch["request_id"], _values(batch, by), pool], schema=_KEYS)


def _matches(batch: pa.RecordBatch, where: Mapping[str, str]) -> pa.Array:
    every = pa.array([True] * len(batch))
    for column, wanted in where.items():
        every = pc.and_(every, pc.fill_null(pc.equal(_values(batch, column), wanted), fill_value=False))
    return every


def _values(batch: pa.RecordBatch, dimension: str) -> pa.Array:
    if dimension in DIMENSIONS:
        return batch[dimension].cast(pa.string())
    label = dimension.removeprefix("tags.")
    encoded = batch["tags"].dictionary_encode()
    return pa.array([_label(text, label) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def _label(text: str | None, label: str) -> str | None:
    """A label's value as a key. Several values are one key that names them all; dots lead into nested labels."""
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    if isinstance(found, dict) and label in found:
        return _as_key(found[label])
    for step in label.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return _as_key(found)


def _as_key(value: object) -> str | None:
    if isinstance(value, list):
        return " + ".join(sorted({_as_key(item) or "" for item in value} - {""})) or None
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


# --- for report.json ----------------------------------------------------------------------------------


def tables(engine: Engine, rules: Rules, *, hours: int, terms: contract.Contract) -> list[Allocation]:
    """One allocation for each dimension that the rules name."""
    return [divide(engine, by, rules, hours=hours, terms=terms) for by in rules.by]


def as_report(found: Sequence[Allocation]) -> list[dict[str, Any]]:
    """For report.json, where amounts have six places: there too the parts come to the total."""
    return [_as_report(allocation) for allocation in found]


def _as_report(found: Allocation) -> dict[str, Any]:
    parts = rounded([share.allocated_usd for share in found.shares], found.total_usd)
    return {
        "by": found.by,
        "total_usd": found.total_usd,
        "added_usd": found.added_usd,
        "pools": [
            {"name": p.name, "rule": _in_words(p.rule), "requests": p.requests, "usd": p.usd} for p in found.pools
        ],
        "rows": [
            {
                "key": share.key,
                "requests": share.requests,
                "tokens": share.tokens,
                "direct_usd": share.direct_usd,
                "shared_usd": share.shared_usd,
                "allocated_usd": part,
                "share": float(share.allocated_usd / found.total_usd) if found.total_usd else None,
                "showback_usd": share.showback_usd,
            }
            for share, part in zip(found.shares, parts, strict=True)
        ],
    }


def rounded(amounts: Sequence[Decimal], total: Decimal) -> list[Decimal]:
    """Amounts that come to `total`, to six places: by largest remainder."""
    floors = [amount.quantize(_MICRO, ROUND_FLOOR) for amount in amounts]
    left = int((total.quantize(_MICRO) - sum(floors, ZERO)) / _MICRO)
    order = sorted(range(len(amounts)), key=lambda at: floors[at] - amounts[at])
    for at in order[:left]:
        floors[at] += _MICRO
    return floors


_MICRO = Decimal("0.000001")


def _in_words(rule: Rule) -> str:
    return rule if isinstance(rule, str) else ", ".join(f"{key} {percent} %" for key, percent in rule.items())


def frame(found: Allocation) -> pl.DataFrame:
    """What each key bears, the dearest first."""
    columns = ("key", "requests", "tokens", "direct_usd", "shared_usd", "allocated_usd", "showback_usd")
    kinds: list[pl.DataType] = [pl.String(), pl.Int64(), pl.Int64(), *[pl.Decimal(38, 12)] * 4]
    rows = [tuple(getattr(share, name) for name in columns) for share in found.shares]
    table = pl.DataFrame(rows, schema=list(zip(columns, kinds, strict=True)), orient="row")
    total = float(found.total_usd)
    share = pl.col("allocated_usd").cast(pl.Float64) / total if total else pl.lit(None, pl.Float64)
    return table.with_columns(share=share)
