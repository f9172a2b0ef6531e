"""Units that only one side has: who used them, and what shows it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from llmaudit.reconcile.cells import DAY, FAMILIES, INPUT_FAMILIES, LATE_DAYS, Bill, Square, midnight
from llmaudit.reconcile.evidence import Evidence, bill_rows, call_rows, named
from llmaudit.reconcile.facts import Facts, Place, Tally
from llmaudit.reconcile.rounding import ZERO, money

UNLOGGED, FAILURES = "unlogged_traffic", "billed_failures"
UNLOGGED_OR_FAILURES = "unlogged_traffic_or_billed_failures"
LATE, REPEATED, CACHE, TIER = "late_data", "duplicate_rows", "cache_class", "tier"
NOT_BILLED, ESTIMATED = "failures_not_billed", "estimated_usage"
UNEXPLAINED = "unexplained"


class Left:
    """The units of each square that no cause has taken yet."""

    def __init__(self, squares: Iterable[Square]) -> None:
        self._units = {id(square): square.more for square in squares}
        self._given: dict[int, Decimal] = defaultdict(lambda: ZERO)

    def of(self, square: Square) -> Decimal:
        return self._units[id(square)]

    def take(self, square: Square, units: Decimal, name: str) -> Decimal:
        """Put units down to a cause, at our price; return the amount. The last to take gets the last digit."""
        if not units or square.unit is None:
            return ZERO
        self._units[id(square)] -= units
        rest = square.quantity_part - self._given[id(square)]
        amount = money(Fraction(units) * square.unit) if self.of(square) else rest
        self._given[id(square)] += amount
        square.put(name, amount)
        return amount


def explain(bill: Bill, facts: Facts, found: Evidence) -> None:
    """Name who used the units that only one side has. What nothing shows is left unexplained."""
    squares = [s for s in bill.squares.values() if s.billed_q is not None and s.unit is not None and _is_of_calls(s)]
    for square in squares:
        square.quantity_part = money(Fraction(square.more) * square.unit) if square.unit else ZERO
    left = Left(squares)
    late = _late_days(bill, squares)
    for part in _grouped(squares, lambda square: (square.key.at, square.key.project, square.key.model)):
        _other_tier(bill, part, left, found)
        _other_class(bill, part, facts, left, found)
    for part in _grouped(squares, lambda square: (square.key.at, square.key.model)):
        at, model = part[0].key.at, part[0].key.model
        if outside(bill, facts, at):
            _not_covered(bill, facts, part, left, found)
            continue
        _suspected(bill, facts, part, left, found)
        if at in late:
            _late(bill, part, left, found)
        _more_on_the_bill(bill, facts, (at, model), part, left, found)
    for square in squares:
        left.take(square, left.of(square), UNEXPLAINED)


def _is_of_calls(square: Square) -> bool:
    """Searches and images are of calls where the log has some; storage and hours never are."""
    return square.key.family in FAMILIES or bool(square.logged_q)


def _grouped(squares: Sequence[Square], by: Callable[[Square], object]) -> Iterator[list[Square]]:
    groups: dict[object, list[Square]] = defaultdict(list)
    for square in squares:
        groups[by(square)].append(square)
    yield from groups.values()


# --- the same units elsewhere -----------------------------------------------------------------------


def _other_tier(bill: Bill, part: Sequence[Square], left: Left, found: Evidence) -> None:
    """Units that the bill has in one tier and the log in another."""
    for same in _grouped(part, lambda square: square.key.family):
        if len(same) > 1 and same[0].key.family in FAMILIES:
            _swap(same, left, TIER, lambda units, amount, on, off: _say_tier(bill, units, amount, on, off, found))


def _other_class(bill: Bill, part: Sequence[Square], facts: Facts, left: Left, found: Evidence) -> None:
    """Input that the bill has in one class and the log in another: cached tokens as fresh ones, short writes as long ones."""
    more_calls = _more_calls(facts, (part[0].key.at, part[0].key.model))
    for same in _grouped(part, lambda square: square.key.tier):
        inputs = [square for square in same if square.key.family in INPUT_FAMILIES]
        if len(inputs) > 1:
            _swap(
                inputs,
                left,
                CACHE,
                lambda units, amount, on, off: _say_class(bill, units, amount, on, off, found),
                uneven=bool(more_calls and more_calls > 0),
            )


Say = Callable[[Decimal, Decimal, list[Square], list[Square]], None]


def _swap(squares: Sequence[Square], left: Left, name: str, say: Say, *, uneven: bool = False) -> None:
    """Take units that are missing in some squares and turn up in others: as many, or what one square can hold of them."""
    on = [square for square in squares if left.of(square) > 0]
    off = [square for square in squares if left.of(square) < 0]
    gained, lost = sum(map(left.of, on), ZERO), -sum(map(left.of, off), ZERO)
    if not on or not off or not (gained == lost or (uneven and gained > lost and len(on) == 1)):
        return
    amount = sum((left.take(square, left.of(square), name) for square in off), ZERO)
    if gained == lost:
        amount += sum((left.take(square, left.of(square), name) for square in on), ZERO)
    else:
        amount += left.take(on[0], lost, name)
    say(lost, amount, on, off)


def _say_tier(
    bill: Bill, units: Decimal, amount: Decimal, on: list[Square], off: list[Square], found: Evidence
) -> None:
    key = on[0].key
    text = (
        f"{key.at:%Y-%m-%d} {key.model}: {units:,.0f} {_class(on)} tokens are on the bill as {_tiers(on)} "
        f"and in the log as {_tiers(off)}."
    )
    found.add(TIER, text, amount, bill_rows(bill, key.at, model=key.model))


def _say_class(
    bill: Bill, units: Decimal, amount: Decimal, on: list[Square], off: list[Square], found: Evidence
) -> None:
    key = on[0].key
    text = (
        f"{key.at:%Y-%m-%d} {key.model}: {units:,.0f} input tokens are billed as {_class(on)} "
        f"and logged as {_class(off)}; the sum of both is the same."
    )
    found.add(CACHE, text, amount, bill_rows(bill, key.at, model=key.model))


def _class(squares: Sequence[Square]) -> str:
    return " and ".join(sorted({str(square.key.family).replace("_", " ") for square in squares}))


def _tiers(squares: Sequence[Square]) -> str:
    return " and ".join(sorted({square.key.tier or "standard" for square in squares}))


# --- units that one side lacks ------------------------------------------------------------------------


def outside(bill: Bill, facts: Facts, at: datetime) -> bool:
    """Whether the log had not begun on this day, or had ended."""
    if not bill.is_daily or facts.first_at is None or facts.last_at is None:
        return False
    return at + DAY <= midnight(facts.first_at) + bill.shift or at > facts.last_at + max(bill.shift, timedelta(0))


def _not_covered(bill: Bill, facts: Facts, part: Sequence[Square], left: Left, found: Evidence) -> None:
    at = part[0].key.at
    amount = sum((left.take(square, left.of(square), LATE) for square in part), ZERO)
    text = f"{at:%Y-%m-%d}: the bill charges this day, and the log has none: it holds {facts.first_at:%Y-%m-%d} to {facts.last_at:%Y-%m-%d}."
    if amount:
        found.add(LATE, text, amount, bill_rows(bill, at))


def _late_days(bill: Bill, squares: Sequence[Square]) -> set[datetime]:
    """The last days of a bill, as long as it has less of everything on them than the log: it was drawn before they were complete."""
    if not bill.is_daily or not squares:
        return set()
    differing: dict[datetime, list[Decimal]] = defaultdict(list)
    for square in squares:
        if square.more:
            differing[square.key.at].append(square.more)
    found: set[datetime] = set()
    day = bill.end_at - DAY
    while len(found) < LATE_DAYS and day > bill.start_at and _all_fewer(differing[day]):
        found.add(day)
        day -= DAY
    return found


def _all_fewer(units: Sequence[Decimal]) -> bool:
    return bool(units) and all(more < 0 and more == more.to_integral_value() for more in units)


def _late(bill: Bill, part: Sequence[Square], left: Left, found: Evidence) -> None:
    fewer = [square for square in part if left.of(square) < 0]
    missing = {str(square.key.family): -left.of(square) for square in fewer}
    amount = sum((left.take(square, left.of(square), LATE) for square in fewer), ZERO)
    key = part[0].key
    if amount:
        text = f"{key.at:%Y-%m-%d} {key.model}: the bill's last day lacks {named(missing)} tokens that are logged."
        found.add(LATE, text, amount, call_rows(bill, key.at))


def _suspected(bill: Bill, facts: Facts, part: Sequence[Square], left: Left, found: Evidence) -> None:
    """Calls in the log that the bill does not have, where the log itself shows calls that look like it."""
    key = part[0].key
    kinds = (
        ("repeated_row", REPEATED, "rows repeat another row of the log to the token"),
        ("failed_with_usage", NOT_BILLED, "failed calls are logged with usage"),
    )
    for kind, name, said in kinds:
        tally = facts.suspect(kind, (key.at, key.model))
        if not tally or len({square.key.tier for square in part}) > 1:
            continue
        wanted = {family: units for family, units in tally.tokens.items() if units}
        missing = {str(square.key.family): -left.of(square) for square in part if left.of(square) < 0}
        if not wanted or any(missing.get(family, ZERO) < units for family, units in wanted.items()):
            continue
        amount = ZERO
        for square in part:
            units = wanted.pop(str(square.key.family), ZERO)
            amount += left.take(square, -units, name) if left.of(square) < 0 else ZERO
        text = (
            f"{key.at:%Y-%m-%d} {key.model}: {tally.calls:,} {said}, and the bill lacks {named(tally.tokens)} tokens."
        )
        where = " and status <> 'ok'" if name == NOT_BILLED else ""
        found.add(name, text, amount, call_rows(bill, key.at, where))


def _more_calls(facts: Facts, place: Place) -> int | None:
    """Calls that the provider counts beyond those logged; None where it counts none of this."""
    tally = facts.counted.get(place)
    return tally.calls - facts.calls.get(place, 0) if tally is not None and tally.says_calls else None


def _more_on_the_bill(
    bill: Bill, facts: Facts, place: Place, part: Sequence[Square], left: Left, found: Evidence
) -> None:
    """Billed units that no logged call used: calls that nobody logged, or failures that were billed after all."""
    more = [square for square in part if left.of(square) > 0]
    if not more or _contradicted(facts, place, part, left):
        return
    extra = _more_calls(facts, place)
    gave_up = facts.suspect("gave_up", place) or Tally()
    others = facts.suspect("server_error", place) or Tally()
    estimated = facts.suspect("estimated", place)
    fresh = sum((left.of(square) for square in more if square.key.family in INPUT_FAMILIES), ZERO)
    if estimated:
        name = ESTIMATED if extra == 0 else f"{ESTIMATED}_or_{UNLOGGED}"
        _give(bill, facts, place, more, left, name, found)
    elif gave_up.calls and _is(gave_up, fresh, extra):
        _give(bill, facts, place, more, left, FAILURES, found)
    elif gave_up.calls and extra is not None and gave_up.known == gave_up.calls and 0 < gave_up.known_input < fresh:
        _give_known_input(bill, place, more, left, gave_up, found)
        _give(bill, facts, place, [s for s in more if left.of(s) > 0], left, UNLOGGED_OR_FAILURES, found)
    elif gave_up.calls:
        _give(bill, facts, place, more, left, UNLOGGED_OR_FAILURES, found)
    elif others.calls and others.known == others.calls and others.known_input == fresh:
        _give(bill, facts, place, more, left, FAILURES, found)
    else:
        _give(bill, facts, place, more, left, UNLOGGED, found)


def _is(failures: Tally, fresh: Decimal, extra: int | None) -> bool:
    """Whether the failures are all there is: as many calls as the provider counts more, or their very prompts."""
    if extra is not None:
        return 0 < extra <= failures.calls
    return failures.known == failures.calls and failures.known_input == fresh


MUCH = Decimal("0.2")
LITTLE = Decimal("0.1")


def _contradicted(facts: Facts, place: Place, part: Sequence[Square], left: Left) -> bool:
    """Whether something speaks against calls that nobody logged.

    Parts of tokens do; so do classes of which the bill has less, if they weigh much beside those of which it has more, or
    if all of them are off by little; and so does the provider, where it counts what the log has.
    """
    if not facts.calls.get(place):
        return False
    tokens = [square for square in part if square.key.family in FAMILIES and left.of(square)]
    if any(left.of(square) != left.of(square).to_integral_value() for square in tokens):
        return True
    more, fewer = (sum((_worth(s, left) for s in tokens if sign * left.of(s) > 0), ZERO) for sign in (1, -1))
    if fewer and (fewer >= MUCH * more or all(abs(left.of(s)) <= LITTLE * s.logged_q for s in tokens)):
        return True
    tally = facts.counted.get(place)
    if tally is None:
        return False
    logged = dict.fromkeys(FAMILIES, ZERO)
    for square in part:
        if square.key.family in logged:
            logged[square.key.family] += square.logged_q
    return tally.tokens == logged and not _more_calls(facts, place)


def _worth(square: Square, left: Left) -> Decimal:
    return money(Fraction(abs(left.of(square))) * square.unit) if square.unit else ZERO


def _give_known_input(
    bill: Bill, place: Place, more: Sequence[Square], left: Left, failures: Tally, found: Evidence
) -> None:
    """The input of failures whose prompts an answered call had too; their output stays unknown."""
    fresh = [square for square in more if square.key.family == "input"]
    if len(fresh) == 1 and left.of(fresh[0]) >= failures.known_input:
        amount = left.take(fresh[0], failures.known_input, FAILURES)
        at, model = place
        text = (
            f"{at:%Y-%m-%d} {model}: {failures.calls:,} calls that were given up have prompts of "
            f"{failures.known_input:,.0f} tokens, as answered calls with the same prompts show."
        )
        found.add(FAILURES, text, amount, call_rows(bill, at, " and status <> 'ok'"))


def _give(
    bill: Bill, facts: Facts, place: Place, more: Sequence[Square], left: Left, name: str, found: Evidence
) -> None:
    at, model = place
    units = {str(square.key.family): left.of(square) for square in more}
    amount = sum((left.take(square, left.of(square), name) for square in more), ZERO)
    said = [f"{at:%Y-%m-%d} {model}: {named(units)} tokens more on the bill than in the log"]
    extra = _more_calls(facts, place)
    if extra is not None:
        said.append(f"{facts.counted_by} counts {extra:,} calls more than are logged")
    if name != UNLOGGED and (gave_up := facts.suspect("gave_up", place) or facts.suspect("server_error", place)):
        said.append(f"{gave_up.calls:,} logged calls failed without usage")
    rows = call_rows(bill, at, " and status <> 'ok'") if name == FAILURES else bill_rows(bill, at, model=model)
    found.add(name, "; ".join(said) + ".", amount, rows)
