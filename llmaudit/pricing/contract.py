"""What is due for a stretch of spend under a contract: free tiers, credits, commitments with their true-up, margins.

Discounts change what a call costs and are in its price. What stands here changes what is due for a month or a year, so it
is worked out on sums: first the free tier, then credits, then what a commitment asks for beyond that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

from llmaudit.errors import AuditError

if TYPE_CHECKING:
    import polars as pl

ZERO = Decimal(0)
PLACES = Decimal("0.000000000001")
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
PERIODS = (*MONTHS_OF, "term")

LEDGER = ("month", "line", "name", "provider", "model", "usd")
"""Columns of `ledger`. `line` is usage, free_tier, credit or true_up; the amounts of a month sum to what is due for it."""

DUE = ("month", "provider", "contracted_usd", "free_tier_usd", "credit_usd", "true_up_usd", "due_usd")
"""Columns of `due`. A true-up of a commitment over several providers stands on a row of its own, without provider."""

Row = Mapping[str, Any]
Window = tuple[date, date]
"""First day, and first day after."""


@dataclass(frozen=True)
class Scope:
    """What a term of the contract is about. Empty is everything."""

    provider: str | None = None
    models: frozenset[str] = frozenset()
    valid_from: date = date.min
    valid_to: date = date.max
    """Not included."""

    def holds(self, row: Row) -> bool:
        named = not self.models or str(row.get("model") or "").lower() in self.models
        return named and self.provider in {None, row.get("provider")} and self.valid_from <= row["day"] < self.valid_to


@dataclass(frozen=True)
class Commitment:
    """Spend promised per period: what is spent less is due all the same."""

    name: str
    scope: Scope
    amount_usd: Decimal
    period: str
    """month, quarter, year, or term: the whole stretch from valid_from to valid_to."""
    true_up_percent: Decimal = Decimal(100)
    """Share of the shortfall that is due."""
    credits_count: bool = False
    """Whether spend paid from credits meets the commitment."""


@dataclass(frozen=True)
class Credit:
    """Money given in advance. `priority`: the lowest is used up first, then the one that ends first."""

    name: str
    scope: Scope
    amount_usd: Decimal
    priority: int = 0


@dataclass(frozen=True)
class FreeTier:
    """What costs nothing each calendar month: dollars, or units of a token class."""

    name: str
    scope: Scope
    usd_per_month: Decimal | None = None
    units_per_month: Decimal | None = None
    token_class: str | None = None


@dataclass(frozen=True)
class Margin:
    """What is added when cost is shown or charged on to others. Nothing of it is due to a provider."""

    scope: Scope
    team: str | None
    percent: Decimal


@dataclass(frozen=True)
class Contract:
    """Every term that works on sums. An empty one changes nothing."""

    commitments: tuple[Commitment, ...] = ()
    credits: tuple[Credit, ...] = ()
    free_tiers: tuple[FreeTier, ...] = ()
    margins: tuple[Margin, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.commitments or self.credits or self.free_tiers or self.margins)

    def needs_days(self) -> bool:
        """Whether a term begins or ends within a month."""
        terms: list[Commitment | Credit | FreeTier] = [*self.commitments, *self.credits, *self.free_tiers]
        ends = (day for term in terms for day in (term.scope.valid_from, term.scope.valid_to))
        return any(day.day > 1 for day in ends if day != date.max)


NO_CONTRACT = Contract()


@dataclass(frozen=True)
class Promise:
    """One period of a commitment beside what was spent in it."""

    name: str
    start: date
    end: date
    """Not included."""
    committed_usd: Decimal
    """For the days that the spend covers: the whole amount where it covers the period."""
    counted_usd: Decimal
    true_up_usd: Decimal
    is_complete: bool
    """False: the spend covers a part of the period, and the amount is the same part of it."""
    month: date = field(default=date.min, compare=False)


def due(monthly: pl.DataFrame, contract: Contract, window: Window | None = None) -> pl.DataFrame:
    """What is due per month and provider, columns `DUE`: contracted less free tier and credits, plus true-up.

    `monthly` has month (the first of it or, which dates credits more exactly, any day in it), provider, contracted_usd
    and perhaps model; free tiers in units also need token_class and quantity. `window` says which days the spend covers;
    left out, every month in it is whole. Amounts are exact to the twelfth place.
    """
    import polars as pl

    amounts: dict[tuple[date, str | None], dict[str, Decimal]] = {}
    columns = {
        "usage": "contracted_usd",
        "free_tier": "free_tier_usd",
        "credit": "credit_usd",
        "true_up": "true_up_usd",
    }
    for line in _lines(_rows(monthly), contract, window):
        place = (line["month"], line["provider"])
        cell = amounts.setdefault(place, dict.fromkeys((*columns.values(), "due_usd"), ZERO))
        cell[columns[line["line"]]] += line["usd"] if line["line"] in {"usage", "true_up"} else -line["usd"]
        cell["due_usd"] += line["usd"]
    ordered = sorted(amounts.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    rows = [{"month": month, "provider": provider, **cell} for (month, provider), cell in ordered]
    money = [(name, pl.Decimal(38, 12)) for name in DUE[2:]]
    return pl.DataFrame(rows, schema=[("month", pl.Date()), ("provider", pl.String()), *money])


def due_usd(monthly: pl.DataFrame, contract: Contract, window: Window | None = None) -> Decimal:
    """What is due in all: the total that savings have to lower, and that a commitment holds up."""
    return sum((line["usd"] for line in _lines(_rows(monthly), contract, window)), ZERO)


def ledger(monthly: pl.DataFrame, contract: Contract, window: Window | None = None) -> pl.DataFrame:
    """The same, one line for each term that changed the sum: columns `LEDGER`, amounts signed."""
    import polars as pl

    kinds = dict.fromkeys(LEDGER, pl.String()) | {"month": pl.Date(), "usd": pl.Decimal(38, 12)}
    rows = [{name: line[name] for name in LEDGER} for line in _lines(_rows(monthly), contract, window)]
    return pl.DataFrame(rows, schema=kinds)


def promises(monthly: pl.DataFrame, contract: Contract, window: Window | None = None) -> list[Promise]:
    """How far each period of each commitment has been met."""
    rows = _rows(monthly)
    lines = [*_free(rows, contract), *_credited(rows, contract)]
    return _promises(rows, lines, contract, window)


def showback(costs: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """`costs` (month, provider, contracted_usd, perhaps model and team) with `showback_usd`: the cost with its margins on it."""
    import polars as pl

    factors = [_margin(row, contract) for row in _rows(costs)]
    shown = [
        (row["contracted_usd"] * factor).quantize(PLACES) for row, factor in zip(_rows(costs), factors, strict=True)
    ]
    return costs.with_columns(pl.Series("showback_usd", shown, pl.Decimal(38, 12)))


def _margin(row: Row, contract: Contract) -> Decimal:
    factor = Decimal(1)
    for margin in contract.margins:
        if margin.scope.holds(row) and margin.team in {None, row.get("team")}:
            factor *= 1 + margin.percent / 100
    return factor


def _rows(monthly: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows in one order, so that which row a credit pays for does not hang on how they came."""
    for name in ("month", "provider", "contracted_usd"):
        if name not in monthly.columns:
            raise AuditError(f"The contract needs the column {name}; the table has {', '.join(monthly.columns)}.")
    rows = [
        {
            **row,
            "day": row["month"],
            "month": row["month"].replace(day=1),
            "contracted_usd": row["contracted_usd"] or ZERO,
        }
        for row in monthly.iter_rows(named=True)
    ]
    return sorted(
        rows, key=lambda row: tuple(str(row.get(name) or "") for name in ("day", "provider", "model", "token_class"))
    )


def _lines(rows: list[dict[str, Any]], contract: Contract, window: Window | None) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield _line(row, "usage", "", row["contracted_usd"])
    lessened = [*_free(rows, contract), *_credited(rows, contract)]
    yield from lessened
    for promise in _promises(rows, lessened, contract, window):
        if promise.true_up_usd:
            commitment = next(c for c in contract.commitments if c.name == promise.name)
            only = next(iter(commitment.scope.models)) if len(commitment.scope.models) == 1 else None
            owed = {"month": promise.month, "provider": commitment.scope.provider, "model": only}
            yield _line(owed, "true_up", promise.name, promise.true_up_usd)


def _line(row: Row, line: str, name: str, usd: Decimal) -> dict[str, Any]:
    return {
        "month": row["month"],
        "line": line,
        "name": name,
        "provider": row["provider"],
        "model": row.get("model"),
        "usd": usd,
        "day": row.get("day", row["month"]),
    }


def _free(rows: list[dict[str, Any]], contract: Contract) -> Iterator[dict[str, Any]]:
    """Takes off what each month's allowance covers; `left_usd` of a row is what it still costs."""
    for row in rows:
        row["left_usd"] = row["contracted_usd"]
    for tier in contract.free_tiers:
        left: dict[date, Decimal] = {}
        for row in rows:
            if not tier.scope.holds(row) or tier.token_class not in {None, row.get("token_class")}:
                continue
            allowance = left.setdefault(row["month"], tier.usd_per_month or tier.units_per_month or ZERO)
            if tier.usd_per_month is not None:
                taken = used = max(min(allowance, row["left_usd"]), ZERO)
            else:
                used, taken = _units(row, allowance, tier)
            left[row["month"]] = allowance - used
            if taken > 0:
                row["left_usd"] -= taken
                yield _line(row, "free_tier", tier.name, -taken)


def _units(row: Row, allowance: Decimal, tier: FreeTier) -> tuple[Decimal, Decimal]:
    """Units that are free, and their dollars: the row's own average price, rounded down."""
    if row.get("quantity") is None:
        raise AuditError(f"Free tier {tier.name!r} counts units; the table of spend lacks the column quantity.")
    used = min(allowance, Decimal(row["quantity"]))
    if not used:
        return ZERO, ZERO
    return used, (row["left_usd"] * used / Decimal(row["quantity"])).quantize(PLACES, ROUND_FLOOR)


def _credited(rows: list[dict[str, Any]], contract: Contract) -> Iterator[dict[str, Any]]:
    for credit in sorted(contract.credits, key=lambda c: (c.priority, c.scope.valid_to, c.name)):
        left = credit.amount_usd
        for row in rows:
            taken = min(left, row["left_usd"]) if credit.scope.holds(row) else ZERO
            if taken > 0:
                left -= taken
                row["left_usd"] -= taken
                yield _line(row, "credit", credit.name, -taken)


def _promises(
    rows: list[dict[str, Any]], lessened: Collection[Row], contract: Contract, window: Window | None
) -> list[Promise]:
    covered = window or _whole_months(rows)
    if covered is None:
        return []
    return [
        promise
        for commitment in contract.commitments
        for start, end in _periods(commitment, covered)
        for promise in [_promise(commitment, (start, end), covered, rows, lessened)]
    ]


def _promise(
    commitment: Commitment, period: Window, covered: Window, rows: Iterable[Row], lessened: Iterable[Row]
) -> Promise:
    start, end = max(period[0], covered[0]), min(period[1], covered[1])
    taken = {"free_tier"} if commitment.credits_count else {"free_tier", "credit"}
    counted = sum((r["contracted_usd"] for r in rows if _counts(commitment, r, period)), ZERO)
    counted += sum((r["usd"] for r in lessened if r["line"] in taken and _counts(commitment, r, period)), ZERO)
    share = Decimal((end - start).days) / (period[1] - period[0]).days
    owed = (commitment.amount_usd * share).quantize(PLACES)
    short = max(owed - counted, ZERO) * commitment.true_up_percent / 100
    last = (end - timedelta(days=1)).replace(day=1)
    whole = (start, end) == period
    return Promise(commitment.name, *period, owed, counted, short.quantize(PLACES), whole, last)


def _counts(commitment: Commitment, row: Row, period: Window) -> bool:
    return commitment.scope.holds(row) and period[0] <= row["day"] < period[1]


def _whole_months(rows: list[dict[str, Any]]) -> Window | None:
    if not rows:
        return None
    return min(r["month"] for r in rows), _later(max(r["month"] for r in rows), 1)


def _periods(commitment: Commitment, covered: Window) -> Iterator[Window]:
    """The commitment's periods that the covered days touch."""
    scope = commitment.scope
    if commitment.period == "term":
        if scope.valid_from < covered[1] and covered[0] < scope.valid_to:
            yield scope.valid_from, scope.valid_to
        return
    months = MONTHS_OF[commitment.period]
    anchor = scope.valid_from if scope.valid_from != date.min else date(covered[0].year, 1, 1)
    start = anchor
    while start < min(covered[1], scope.valid_to):
        end = min(_later(start, months), scope.valid_to)
        if covered[0] < end:
            yield start, end
        start = _later(start, months)


def _later(day: date, months: int) -> date:
    """The first day of the month that many months on.

    >>> _later(date(2026, 11, 1), 3)
    datetime.date(2027, 2, 1)
    """
    whole = day.year * 12 + day.month - 1 + months
    return date(whole // 12, whole % 12 + 1, 1)
