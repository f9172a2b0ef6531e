"""The same units at another amount: a discount, another tier, another price, a rate of exchange, or nothing that shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import partial

from llmaudit.reconcile.cells import FAMILIES, LATE_DAYS, Bill, Square
from llmaudit.reconcile.evidence import Evidence, bill_rows, call_rows, kind_rows
from llmaudit.reconcile.facts import Facts, Tally
from llmaudit.reconcile.quantities import LATE, TIER, UNLOGGED, outside
from llmaudit.reconcile.rounding import ZERO, money

DISCOUNT, PRICE, CREDIT, CURRENCY = "discount", "price", "credit", "currency"
DISCOUNT_OR_PRICE, TIER_OR_DISCOUNT = "discount_or_price", "tier_or_discount"
CREDIT_OR_DISCOUNT = "credit_or_discount"
CURRENCY_OR_DISCOUNT = "currency_or_discount_or_price"
COMMITMENT, COMMITMENT_PAID = "credit_or_commitment", "commitment"
ROUNDING, OTHER_SERVICES, UNEXPLAINED = "rounding", "other_services", "unexplained"

TIERS = ("standard", "batch", "flex", "priority")
ENOUGH = Fraction(6, 10)
"""A ratio is the bill's own where squares of so much of the money that differs have it."""
SHARP = Fraction(1, 400)
"""A square tells a ratio where rounding leaves it within so much."""
FEW = 25
SEVERAL = 3
"""Lines of one class that share a ratio before it is taken for a price."""
FEW_OFF = 10
"""One line in so many may be off beside a price of its own."""
NEAR_RATE = Fraction(3, 100)
"""A rate of exchange off the published one by more than this is no matter of the day it was taken."""
_UNITS_OF_OTHERS = (
    "storage",
    "hour",
    "session",
    "search",
    "image",
    "train",
    "host",
    "container",
    "interpreter",
    "second",
)


@dataclass
class _Ratio:
    value: Fraction
    sharp: list[Square]
    """Squares that tell the ratio sharply."""
    squares: list[Square]
    """These, and those where rounding leaves it open."""
    share: Fraction


class Amounts:
    """Works through the squares of one bill whose amount is not what their units come to at our prices."""

    def __init__(self, bill: Bill, facts: Facts, found: Evidence) -> None:
        self.bill, self.facts, self.found = bill, facts, found
        self.last_digit = bill.last_digit
        self.base = Fraction(1)
        self.every = list(bill.squares.values())
        self.pending: list[Square] = []

    def explain(self) -> None:
        self.pending = [square for square in self.every if square.open]
        self._sift(self._no_calls)
        self._sift(self._committed)
        self._sift(self._only_rounding)
        self._sift(self._own_columns)
        self._sift(self._free)
        self._sift(self._unpriced)
        if self.bill.currency != "USD":
            self._exchange()
        else:
            self._uniform(self.pending)
        self._tiers()
        self._per_model()
        self._late()
        for square in self.pending:
            square.put(UNEXPLAINED, square.open)

    def _sift(self, explains: Callable[[Square], bool]) -> None:
        self.pending = [square for square in self.pending if not explains(square)]

    def value(self, square: Square) -> Decimal:
        """What the billed units come to at our prices."""
        return square.billed - square.open

    def tolerance(self, square: Square) -> Decimal:
        """How far rounding alone can take the bill from the exact sum: half its last digit, line by line."""
        return self.last_digit / 2 * max(square.lines, 1) + Decimal("0.000000000002") * max(square.calls, 1)

    # --- one square at a time -------------------------------------------------------------------------

    def _no_calls(self, square: Square) -> bool:
        """Lines of a model that the log does not have on that day, and lines of what no call carries."""
        if square.calls or square.logged_q or square.priced or not square.lines or square.parts:
            return False
        key = square.key
        if key.family == "other":
            words = sorted({str(token_class) for _, _, token_class in square.classes} | self._words(square))
            if square.billed_q is None and not any(unit in word for unit in _UNITS_OF_OTHERS for word in words):
                return False
            name, text = (
                OTHER_SERVICES,
                f"{key.at:%Y-%m-%d}: {', '.join(words)}: billed by a unit that no logged call carries.",
            )
        elif key.model is None:
            return False
        elif outside(self.bill, self.facts, key.at):
            name, text = LATE, f"{key.at:%Y-%m-%d}: the bill charges this day, and the log has none."
        else:
            name, text = UNLOGGED, f"{key.at:%Y-%m-%d}: the bill charges {key.model}, and the log has no call of it."
        amount = square.open
        square.put(name, amount)
        self.found.add(name, text, amount, bill_rows(self.bill, key.at, model=key.model))
        return True

    def _words(self, square: Square) -> set[str]:
        return {
            str(row["token_class"])
            for row in self.bill.usage
            if row["token_class"] and self.bill.bucket(row["start_at"]) == square.key.at and row["model"] is None
        }

    def _committed(self, square: Square) -> bool:
        """Anthropic's cost report leaves out its Priority Tier: a commitment has paid for it."""
        if square.lines or self.bill.provider != "anthropic" or {served for served, _ in square.tiers} != {"priority"}:
            return False
        amount = square.open
        square.put(COMMITMENT_PAID, amount)
        text = f"{square.key.at:%Y-%m-%d} {square.key.model}: served in the Priority Tier, which the cost report leaves out."
        self.found.add(
            COMMITMENT_PAID, text, amount, call_rows(self.bill, square.key.at, " and service_tier = 'priority'")
        )
        return True

    def _only_rounding(self, square: Square) -> bool:
        if abs(square.open) > self.tolerance(square):
            return False
        amount = square.open
        square.put(ROUNDING, amount)
        text = f"The bill's lines are rounded at {self.last_digit.normalize():f}, the calls are not."
        self.found.add(ROUNDING, text, amount, bill_rows(self.bill, self.bill.start_at, self.bill.end_at))
        return True

    def _own_columns(self, square: Square) -> bool:
        """A bill that has list and contracted cost beside the billed one says itself what was taken off."""
        if square.list_cost is None:
            return False
        contracted = square.contracted if square.contracted is not None else square.billed
        ours = self.value(square)
        at_list = money(Fraction(square.billed_q) * square.list_unit) if square.billed_q and square.list_unit else ours
        off = (contracted - square.list_cost) - (ours - at_list)
        paid_otherwise = square.billed - contracted
        rest = square.open - off - paid_otherwise
        if abs(rest) > self.tolerance(square) * 2 or not (off or paid_otherwise):
            return False
        day = f"{square.key.at:%Y-%m-%d} {square.key.model or ''}".strip()
        rows = bill_rows(self.bill, square.key.at, model=square.key.model)
        if off:
            square.put(DISCOUNT, off)
            text = f"{day}: list {square.list_cost:,.6f}, contracted {contracted:,.6f} on the bill itself."
            self.found.add(DISCOUNT, text, off, rows)
        if paid_otherwise:
            name = CREDIT if str(self.bill.provider).startswith("gcp.") else COMMITMENT
            square.put(name, paid_otherwise)
            text = f"{day}: contracted {contracted:,.6f}, billed {square.billed:,.6f} on the bill itself."
            self.found.add(name, text, paid_otherwise, rows)
        square.put(ROUNDING, square.open)
        return True

    def _free(self, square: Square) -> bool:
        """Units that the bill counts and charges nothing for."""
        if square.billed or not square.billed_q or self.value(square) <= 0:
            return False
        amount = square.open
        square.put(CREDIT_OR_DISCOUNT, amount)
        text = f"{square.key.at:%Y-%m-%d} {square.key.model}: {square.billed_q.normalize():,f} billed at nothing."
        rows = bill_rows(self.bill, square.key.at, model=square.key.model)
        self.found.add(CREDIT_OR_DISCOUNT, text, amount, rows)
        return True

    def _unpriced(self, square: Square) -> bool:
        """Calls that nobody has a price for: their units are on both sides, their money on one."""
        if not square.unpriced_calls or square.priced:
            return False
        amount = square.open
        square.put(PRICE, amount)
        text = f"{square.key.at:%Y-%m-%d}: no price for {square.key.model} in the price book; its {square.unpriced_calls:,} calls count as nothing."
        self.found.add(PRICE, text, amount, call_rows(self.bill, square.key.at, " and cost_usd is null"))
        return True

    # --- one ratio for many squares -------------------------------------------------------------------

    def _ratio(self, squares: Sequence[Square]) -> _Ratio | None:
        """The ratio of billed to ours that most of the money shares, if squares enough tell it sharply."""
        known = [s for s in squares if self.value(s) > 0 and s.billed > 0]
        sharp = [s for s in known if Fraction(self.tolerance(s)) <= SHARP * Fraction(self.value(s))]
        if not sharp:
            return None
        sharp.sort(key=lambda s: (-self.value(s), s.key.at, str(s.key)))
        total = Fraction(sum((self.value(s) for s in sharp), ZERO))
        best: _Ratio | None = None
        for value in dict.fromkeys(self._snapped(square) for square in sharp[:FEW]):
            fitting = [s for s in sharp if self._fits(s, value)]
            share = Fraction(sum((self.value(s) for s in fitting), ZERO)) / total
            if best is None or share > best.share:
                best = _Ratio(value, fitting, [], share)
        if best is None or best.share < ENOUGH or best.value == 1:
            return None
        best.squares = [s for s in known if self._fits(s, best.value)]
        return best

    def _fits(self, square: Square, value: Fraction) -> bool:
        return abs(Fraction(square.billed) - value * Fraction(self.value(square))) <= Fraction(self.tolerance(square))

    def _snapped(self, square: Square) -> Fraction:
        """The ratio with the fewest decimals that rounding allows."""
        ours, slack = Fraction(self.value(square)), Fraction(self.tolerance(square))
        low, high = (Fraction(square.billed) - slack) / ours, (Fraction(square.billed) + slack) / ours
        middle = Fraction(square.billed) / ours
        for places in range(1, 9):
            short = Fraction(
                (Decimal(middle.numerator) / middle.denominator).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
            )
            if low <= short <= high:
                return short
        return middle

    def _uniform(self, squares: Sequence[Square]) -> None:
        """One ratio for the whole bill: a discount, where it is below one and several prices share it."""
        ratio = self._ratio(squares)
        if ratio is None or len({s.unit or s.key for s in ratio.sharp}) < 2:  # noqa: PLR2004
            return
        if len({s.key.model for s in ratio.sharp}) < 2:  # noqa: PLR2004
            return
        if ratio.value > 1:
            self._surcharge(ratio)
            return
        name = DISCOUNT
        if self._all_of_another_tier(ratio):
            name = TIER_OR_DISCOUNT
        self.base = ratio.value
        self._settle(
            ratio.squares,
            name,
            f"{float(ratio.value):.6g} of our price on {{n}} of the bill's squares of day, model and class",
        )

    def _surcharge(self, ratio: _Ratio) -> None:
        """Everything dearer by one ratio: a fee, a rate, a tax inside the price. Nothing says which, so nothing is named."""
        self.bill.assumptions.append(
            f"The bill's prices are {float(ratio.value):.6g} times our price in {len(ratio.squares):,} squares of day, model and "
            "class. The inputs do not say why, so this is unexplained."
        )
        for square in ratio.squares:
            square.put(UNEXPLAINED, square.open)
        settled = {id(square) for square in ratio.squares}
        self.pending = [square for square in self.pending if id(square) not in settled]

    def _all_of_another_tier(self, ratio: _Ratio) -> bool:
        return any(all(self._value_in(s, tier) == s.billed for s in ratio.squares) for tier in TIERS[1:])

    def _settle(self, squares: Sequence[Square], name: str, text: str) -> None:
        settled = {id(square) for square in squares}
        amount = sum((square.open for square in squares), ZERO)
        for square in squares:
            square.put(name, square.open)
        first, last = min(s.key.at for s in squares), max(s.key.at for s in squares)
        rows = bill_rows(self.bill, first, self.bill.end_at if last >= first else None)
        self.found.add(name, f"The bill charges {text.replace('{n}', f'{len(squares):,}')}.", amount, rows)
        self.pending = [square for square in self.pending if id(square) not in settled]

    def _exchange(self) -> None:
        """The bill's own rate of exchange: one ratio for all squares of a month, else of a day."""
        for by in (lambda at: (at.year, at.month), lambda at: (at.year, at.month, at.day)):
            groups: dict[tuple[int, ...], list[Square]] = defaultdict(list)
            for square in self.pending:
                groups[by(square.key.at)].append(square)
            for when, squares in sorted(groups.items()):
                ratio = self._ratio(squares)
                if ratio is None or len({s.unit or s.key for s in ratio.sharp}) < 2:  # noqa: PLR2004
                    continue
                near = abs(ratio.value - 1) <= NEAR_RATE
                name = CURRENCY if near else CURRENCY_OR_DISCOUNT
                spoken = "-".join(f"{part:02}" for part in when)
                self._settle(
                    ratio.squares, name, f"{float(ratio.value):.6g} times our price at the published rates in {spoken}"
                )

    # --- another tier -----------------------------------------------------------------------------------

    def _tiers(self) -> None:
        groups: dict[tuple[datetime, str | None], list[Square]] = defaultdict(list)
        for square in self.pending:
            if square.key.tier is None and square.key.family in FAMILIES and square.billed_q is not None:
                groups[square.key.at, square.key.model].append(square)
        for (at, model), squares in sorted(groups.items(), key=str):
            self._tier_of(at, model, squares)

    def _tier_of(self, at: datetime, model: str | None, squares: Sequence[Square]) -> None:
        """Try what the provider counts by tier, then the log's calls of one tier at another one's price."""
        counts = self.facts.counted.get((at, model))
        if counts and len(set(counts.tiers) - {None}) and self._all(squares, lambda s: self._as_counted(s, counts)):
            tiers = ", ".join(sorted(str(tier or "standard") for tier in counts.tiers))
            self._move(
                squares,
                lambda s: self._as_counted(s, counts),
                TIER,
                f"{self.facts.counted_by} counts these tokens as {tiers}",
            )
            return
        subsets = sorted({place for s in squares for place, (units, _) in s.tiers.items() if units}, key=str)
        for served, requested in subsets:
            for tier in dict.fromkeys((*((requested,) if requested else ()), *TIERS)):
                if tier == (served or "standard"):
                    continue
                moved = partial(self._retiered, place=(served, requested), tier=tier)
                listed = [square for square in squares if moved(square) is not None]
                if listed and self._all(listed, moved):
                    asked = f", asked for {requested}" if requested and requested != served else ""
                    whole = len(subsets) == 1 and not asked
                    name = TIER if not whole or len(listed) > 1 else "tier_or_price"
                    self._move(
                        listed,
                        moved,
                        name,
                        f"the calls logged as {served or 'standard'}{asked} are billed at the price of {tier}",
                    )
                    return

    def _all(self, squares: Sequence[Square], value: Callable[[Square], Fraction | None]) -> bool:
        found = [(square, value(square)) for square in squares]
        return all(
            ours is not None and abs(Fraction(square.billed) - self.base * ours) <= Fraction(self.tolerance(square)) * 2
            for square, ours in found
        )

    def _move(self, squares: Sequence[Square], value: Callable[[Square], Fraction | None], name: str, why: str) -> None:
        amount = ZERO
        for square in squares:
            ours = value(square)
            assert ours is not None
            part = square.open if self.base == 1 else money(ours) - self.value(square)
            amount += part
            square.put(name, part)
            square.put(DISCOUNT, square.open)
        key = squares[0].key
        text = f"{key.at:%Y-%m-%d} {key.model}: {why}."
        self.found.add(name, text, amount, call_rows(self.bill, key.at))
        settled = {id(square) for square in squares}
        self.pending = [square for square in self.pending if id(square) not in settled]

    def _price(self, square: Square, tier: str) -> Fraction | None:
        price = self.facts.price(square.key.model, tier, square.key.family, square.key.at)
        return price.contract if price else None

    def _value_in(self, square: Square, tier: str) -> Decimal | None:
        price = self._price(square, tier)
        return None if price is None or square.billed_q is None else money(Fraction(square.billed_q) * price)

    def _as_counted(self, square: Square, counts: Tally) -> Fraction | None:
        total = Fraction(0)
        units = ZERO
        for tier, tokens in counts.tiers.items():
            of = tokens.get(str(square.key.family), ZERO)
            price = self._price(square, tier or "standard")
            if of and price is None:
                return None
            total += Fraction(of) * (price or 0)
            units += of
        return total if units == square.billed_q else None

    def _retiered(self, square: Square, place: tuple[str | None, str | None], tier: str) -> Fraction | None:
        units, paid = square.tiers.get(place, (ZERO, ZERO))
        if not units:
            return None
        price = self._price(square, tier)
        if price is None:
            return None
        return Fraction(self.value(square)) - Fraction(paid) + Fraction(units) * price

    # --- one model's own price ---------------------------------------------------------------------------

    def _per_model(self) -> None:
        """A model at a ratio of its own, then a class of it: on several days, or at a price as round as prices are."""
        for by in (lambda s: (s.key.model,), lambda s: (s.key.model, s.key.tier, s.key.family)):
            groups: dict[tuple[str | None, ...], list[Square]] = defaultdict(list)
            for square in self.pending:
                if square.key.model is not None:
                    groups[by(square)].append(square)
            for place, squares in sorted(groups.items(), key=lambda item: str(item[0])):
                ratio = self._ratio(squares)
                if ratio is None or not self._is_price(ratio, [s for s in self.every if by(s) == place]):
                    continue
                name = DISCOUNT_OR_PRICE if ratio.value < 1 else PRICE
                said = " ".join(str(part).replace("_", " ") for part in place if part)
                self._settle(
                    ratio.squares,
                    name,
                    f"{said} at {float(ratio.value):.6g} times our price, the units being equal, in {{n}} squares",
                )

    def _is_price(self, ratio: _Ratio, place: Sequence[Square]) -> bool:
        """Whether it is seen often enough, or round, and for a while; without quantities, in several classes alike.

        There less of one class is fewer tokens as well as another price.
        """
        classes = {square.key.family for square in ratio.sharp} - {None}
        if len(ratio.sharp) < SEVERAL and len(classes) < 2 and not self._is_round(ratio.sharp[0]):  # noqa: PLR2004
            return False
        if ratio.sharp[0].billed_q is None and len(classes) < SEVERAL:
            return False
        return self._is_for_a_while(ratio, place)

    def _is_for_a_while(self, ratio: _Ratio, place: Sequence[Square]) -> bool:
        """Whether it holds from its first day to its last, as prices do, and other days are at ours, but for a few."""
        days = {square.key.at for square in ratio.squares}
        first, last = min(days), max(days)
        told = [
            s for s in place if self.value(s) > 0 and Fraction(self.tolerance(s)) <= SHARP * Fraction(self.value(s))
        ]
        others = [s for s in told if not s.parts and not self._fits(s, ratio.value)]
        off = [s for s in others if not self._fits(s, self.base)]
        around = {square.key.at for square in others}
        if FEW_OFF * len(off) > len(told) or any(first <= day <= last for day in around):
            return False
        is_between = bool(around) and min(around) < first and last < max(around)
        return not (first == last and is_between and (len(ratio.sharp) == 1 or ratio.value > 1))

    def _is_round(self, square: Square) -> bool:
        """Whether the bill's own price per million is one with a few digits, as published prices are."""
        if not square.billed_q or self.tolerance(square) * 1_000 > square.billed:
            return False
        price = Fraction(square.billed) * 1_000_000 / Fraction(square.billed_q)
        slack = Fraction(self.tolerance(square)) * 1_000_000 / Fraction(square.billed_q)
        cents = Fraction(round(price * 100), 100)
        return abs(price - cents) <= slack < Fraction(1, 1_000)

    def _late(self) -> None:
        """A bill without units whose last days come to less than the log's, while the days before agree."""
        if self.bill.counted or not self.bill.is_daily:
            return
        last = sorted({square.key.at for square in self.every}, reverse=True)[:LATE_DAYS]
        before = [square for square in self.every if square.key.at not in last]
        if FEW_OFF * sum(square.key.at not in last for square in self.pending) > len(before):
            return
        for day in last:
            open_here = [square for square in self.pending if square.key.at == day]
            if not open_here or any(square.open > 0 for square in open_here):
                return
            amount = sum((square.open for square in open_here), ZERO)
            for square in open_here:
                square.put(LATE, square.open)
            self.pending = [square for square in self.pending if square.key.at != day]
            self.found.add(
                LATE,
                f"{day:%Y-%m-%d}: the bill's last day comes to less than the log's calls.",
                amount,
                call_rows(self.bill, day),
            )


def lines_without_calls(bill: Bill, found: Evidence) -> None:
    """Lines that stand for no call: the bill itself names them."""
    for row in bill.other:
        name = row["line_kind"]
        said = row["description"] or row["words"] or name
        text = f"{row['start_at']:%Y-%m-%d}: {said}: {row['billed_cost']:,.6f}."
        found.add(name, text, row["billed_cost"], _kind_rows(bill, name))


def _kind_rows(bill: Bill, name: str) -> str:
    return kind_rows(bill, sorted({str(r["description"] or "") for r in bill.other if r["line_kind"] == name}))
