"""Ways of caching prompts, compared by what they do to the input bill.

Nothing here is money: a bill is counted in tokens of fresh input, to which a provider's rule relates reads and writes.
Which way is best for an endpoint is decided here; what it saves in dollars is for pricing and replay to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmaudit.pricing.caching import CacheRule

POLICIES = ("none", "automatic", "5m", "30m", "1h", "12h", "24h")
WRITES = ("everything", "shared", "common")

LEAST_GAIN = 0.01
"""Share of the input bill that a change must take off to be worth telling."""

LEAST_GAIN_IN_USE = 0.05
"""The same where the log shows that the cache is in use: tokens of a prefix are known to a few per cent only."""

WORKS = 0.5
"""An automatic cache that gives at least this share of what its rule allows works. What it misses is routing and eviction,
which nobody but the provider can change."""

KEEPS_UP = 0.75
"""A marked cache that gives at least this share of what its rule allows is marked well. That it gives no more is routing and
eviction again, and a better policy is expected to suffer as much."""

TIE = 0.001
"""Ways whose bills differ by less than this share are equal: the simpler one is taken."""


@dataclass(frozen=True)
class Policy:
    """One way of caching the calls of an endpoint and model, and what it does to them.

    `writes` says how far prompts are written: `everything`, what is `shared` by two prompts, what is `common` to many;
    `free` and `free_gain` cost nothing to write (the second leaves alone what works already); `nothing` is no cache.
    """

    policy: str
    life: str
    writes: str
    read_tokens: int
    written_tokens: int
    bill_tokens: float
    """The input bill, as tokens of fresh input."""
    hit_share: float = 1.0
    """Share of what the rule lets a call read that it is taken to read."""


@dataclass(frozen=True)
class Verdict:
    """What an endpoint and model do now, what each policy would do, and the one that is worth changing to, if any."""

    rule: CacheRule
    totals: Mapping[str, Any]
    now_bill_tokens: float
    policies: tuple[Policy, ...]
    chosen: Policy | None

    @property
    def best_policy(self) -> str:
        if self.chosen is not None:
            return self.chosen.policy
        if self.rule.free_writes:
            return self.rule.short_policy or "none"
        if not self.totals["read_tokens"] and not self.totals["write_tokens"]:
            return "none"
        return (self.rule.long_policy if self.totals["write_long_tokens"] else self.rule.short_policy) or "none"

    @property
    def possible_tokens(self) -> int:
        """Input tokens that the cache could have given: under the best policy or, where none pays, under the rule's shorter life."""
        row = self.totals
        if self.chosen is not None and self.chosen.policy != "none":
            return max(self.chosen.read_tokens, int(row["read_tokens"]))
        allowed = row["short_best_tokens"] if self.rule.free_writes else row["short_tokens"]
        return int(max(allowed, row["read_tokens"]))


def judge(totals: Mapping[str, Any], rule: CacheRule, policy: str | None = None, writes: str | None = None) -> Verdict:
    """Compare the ways of caching one endpoint and model. `totals` is its row of cache_policies.sql.

    A `policy` or `writes` that is asked for is taken even if it loses money; without them the best is, if it saves enough.
    """
    now = _bill(totals["input_tokens"], totals["read_tokens"], _short(totals), totals["write_long_tokens"], rule)
    ways = tuple(_policies(totals, rule, 1.0 if policy or writes else _hit_share(totals, rule)))
    asked = [w for w in ways if policy in (None, w.policy) and (policy == "none" or writes in (None, w.writes))]
    if policy is not None or writes is not None:
        return Verdict(rule, totals, now, ways, _least(asked, totals["input_tokens"]))
    best = _least(ways, totals["input_tokens"])
    return Verdict(rule, totals, now, ways, best if best and _is_worth_it(best, now, totals) else None)


def _is_worth_it(best: Policy, now: float, totals: Mapping[str, Any]) -> bool:
    in_use = totals["read_tokens"] + totals["write_tokens"] > 0
    least = LEAST_GAIN_IN_USE if in_use and best.writes not in ("free", "free_gain") else LEAST_GAIN
    return now - best.bill_tokens > least * now


def _least(ways: Sequence[Policy], input_tokens: int) -> Policy | None:
    """The smallest bill; the earlier of those that are nearly the same."""
    if not ways:
        return None
    least = min(way.bill_tokens for way in ways)
    return next(way for way in ways if way.bill_tokens <= least + TIE * input_tokens)


def _hit_share(row: Mapping[str, Any], rule: CacheRule) -> float:
    """How much of what the rule allows the log's own cache gives, where it is well marked; else 1."""
    if rule.free_writes or row["read_tokens"] < KEEPS_UP * row["base_tokens"]:
        return 1.0
    return min(1.0, row["read_tokens"] / row["base_tokens"]) if row["base_tokens"] else 1.0


def _policies(row: Mapping[str, Any], rule: CacheRule, hit_share: float) -> Iterator[Policy]:
    """Every policy a rule offers, the simple before the elaborate."""
    if rule.free_writes:
        yield from _free(row, rule)
        return
    yield _policy(row, rule, "none", "short", "nothing", 0, 0)
    lives = [("short", rule.short_policy)] + ([("long", rule.long_policy)] if rule.long_policy else [])
    for life, name in lives:
        read, common = (round(hit_share * row[f"{life}{kind}_tokens"]) for kind in ("", "_common"))
        missed, common_missed = row[f"{life}_tokens"] - read, row[f"{life}_common_tokens"] - common
        written = (
            ("common", common, row[f"{life}_common_missed_tokens"] + common_missed),
            ("shared", read, row[f"{life}_missed_tokens"] + missed),
            ("everything", read, row["input_tokens"] - read),
        )
        for writes, gets, puts in written:
            yield replace(_policy(row, rule, name or "", life, writes, gets, puts), hit_share=hit_share)


def _free(row: Mapping[str, Any], rule: CacheRule) -> Iterator[Policy]:
    works = row["base_tokens"] > 0 and row["read_tokens"] >= WORKS * row["base_tokens"]
    writes, suffix = ("free_gain", "gained") if works else ("free", "best")
    yield _policy(row, rule, rule.short_policy or "", "short", writes, row[f"short_{suffix}_tokens"], 0)
    if rule.long_policy:
        yield _policy(row, rule, rule.long_policy, "long", writes, row[f"long_{suffix}_tokens"], 0)


def _policy(
    row: Mapping[str, Any], rule: CacheRule, policy: str, life: str, writes: str, read: int, written: int
) -> Policy:
    short, long = (0, written) if life == "long" else (written, 0)
    return Policy(policy, life, writes, read, written, _bill(row["input_tokens"], read, short, long, rule))


def _short(row: Mapping[str, Any]) -> int:
    return int(row["write_tokens"]) - int(row["write_long_tokens"])


def _bill(input_tokens: int, read: int, short: int, long: int, rule: CacheRule) -> float:
    """An input bill in tokens of fresh input."""
    fresh = input_tokens - read - short - long
    long_multiple = rule.write_multiple if rule.long_write_multiple is None else rule.long_write_multiple
    read_multiple = 1.0 if rule.read_multiple is None else rule.read_multiple
    return fresh + read * read_multiple + short * rule.write_multiple + long * long_multiple
