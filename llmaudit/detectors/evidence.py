"""What a cross-validated student shows: agreement with its interval, learning curve, forecast, risk and coverage.

The same for every student: it hands in a judge, a function that trains on some rows and scores others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.model_selection import GroupKFold

TARGET = 0.97
"""Agreement asked of the calls that the student takes over, in the risk-coverage point."""

FOLDS = 5
FORECAST_ROWS = 1_200
_FORECAST_TIMES = 4
_Z = 1.959964
REDRAWN, REDRAWN_FIELDS = 1.25, 1.6
"""Another log would also have trained other students: by simulation (tests/bench/interval_coverage.py) that adds about a quarter to the
variance, and more to that of structured answers, whose scores spread less."""

HOPELESS = 0.05
"""With the upper end of the interval no further above the baseline than this, nothing was learned."""

_LATE_SHARE, _MIN_LATE = 0.3, 30
_MIN_TAKEN = 30
_CURVE_FROM, _CURVE_SIZES, _CURVE_FOLDS = 40, 4, 3
_MOST_CURVE = 0.6
_RISK_POINTS = 10
_SHOWN, _CLIP = 3, 200
_SUREST = 0.3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Judge = Callable[[Ints, Ints], tuple[Floats, Floats]]
"""Rows to train on and rows to judge -> how right each judged row was (0 to 1), and how sure the student was of it."""


class NothingToTest(ValueError):
    """Too few families of inputs, or one answer only: nothing unseen is left to test a student on."""


@dataclass(frozen=True)
class Forecast:
    """Agreement to expect with more training inputs, read off the learning curve."""

    n: int
    """Training inputs."""
    estimate: float
    low: float
    """From the lower of the two growth laws, less half of the interval of today's agreement; `high` likewise from the higher one or the ceiling."""
    high: float


@dataclass(frozen=True)
class FieldEvidence:
    """How far one field of structured answers is reproduced."""

    path: str
    kind: str
    """copied: its values stand in the input. closed: few values that come again. constant. open: neither."""
    share: float
    """Answers that have the field."""
    agreement: float | None
    """Of the answers that have it, or were given it: those with exactly the logged values. None where nothing can be learned."""
    low: float | None
    high: float | None
    baseline: float
    """Share of its most frequent value."""


@dataclass(frozen=True)
class Disagreement:
    """An input that the student, not having seen it, answered otherwise than the log. Texts are clipped."""

    input: str
    logged: str
    given: str


@dataclass(frozen=True)
class Evidence:
    """How far a weak model gives the logged answers to inputs it has not seen, nor any near-copy of them."""

    agreement: float
    low: float
    """95 % interval; near-copies of one input count as less than one each."""
    high: float
    baseline: float
    """What always giving the same answer would reach."""
    n: int
    """Distinct inputs judged."""
    labels: int
    families: int
    late_agreement: float | None
    """Trained on the first 70 % in time, tested on inputs of the rest; None without dates, with too few, or with nothing learned."""
    curve: tuple[tuple[int, float], ...]
    """Training inputs and the agreement they gave on held-out folds; one point where nothing was learned."""
    forecast: Forecast | None
    coverage: float
    """Share of calls the student takes if it leaves alone what it is unsure of, aiming at TARGET agreement."""
    covered_agreement: float | None
    """Agreement it then had on those calls; the bar was chosen on other folds."""
    covered_low: float | None
    """Agreement on those calls that is certain at 95 % (Clopper-Pearson, one-sided)."""
    risk_curve: tuple[tuple[float, float], ...]
    """Share of calls taken, the surest first, and the agreement on them."""
    self_agreement: float | None
    """How often the same input got the same answer in the log: the ceiling. None without repeats."""
    repeats: int
    """Pairs of equal inputs behind `self_agreement`."""
    by_looks: float | None = None
    """Agreement of a rule that sees length, digits and marks of the input and no word; None for structured answers and where nothing was learned."""
    fields: tuple[FieldEvidence, ...] = ()
    """Field by field, for answers that have fields."""
    disagreements: tuple[Disagreement, ...] = ()
    """A few, the surest first."""

    @property
    def lift(self) -> float:
        """Share of the way from always giving one answer to giving the logged one. May be negative."""
        return (self.agreement - self.baseline) / (1 - self.baseline) if self.baseline < 1 else 0.0


@dataclass(frozen=True)
class Trial:
    """What is put to the test: distinct inputs, what they were answered, and what a constant answer would reach."""

    groups: Ints
    """Family of each input: members stay on one side of every split."""
    baseline: float
    labels: int
    repeats: int
    same: int
    """Of `repeats` pairs of equal inputs, those with equal answers."""
    times: Sequence[Any] | None
    binary: bool
    """Every input is right or wrong, nothing between."""
    texts: Sequence[str]
    logged: Sequence[str]


@dataclass(frozen=True)
class Folds:
    """Every row judged once, by a student that saw neither it nor its family."""

    right: Floats
    sure: Floats
    fold_of: Ints
    splits: tuple[tuple[Ints, Ints], ...]


def cross_validate(judge: Judge, groups: Ints) -> Folds:
    """Judge every row in one of five folds, no family on both sides."""
    splits = tuple(GroupKFold(FOLDS, shuffle=True, random_state=0).split(groups, groups=groups))
    right, sure, fold_of = np.zeros(len(groups)), np.zeros(len(groups)), np.zeros(len(groups), dtype=np.int64)
    for fold, (train, test) in enumerate(splits):
        right[test], sure[test] = judge(train, test)
        fold_of[test] = fold
    return Folds(right, sure, fold_of, splits)


def gather(
    judge: Judge, trial: Trial, folds: Folds, given: Sequence[str], fields: tuple[FieldEvidence, ...] = ()
) -> Evidence:
    """All that the folds show, and the further trials: later calls, fewer training inputs.

    `given` is what the student of each row's fold answered.
    """
    redrawn = REDRAWN if trial.binary else REDRAWN_FIELDS
    low, high = interval(folds.right, trial.groups, binary=trial.binary, redrawn=redrawn)
    agreement = float(folds.right.mean())
    taken = taken_by(folds)
    exact = folds.right[taken] >= 1
    # Where not even the upper end is better than guessing, no further trial can change what is said: most of the time is saved.
    is_open = high > trial.baseline + HOPELESS
    curve = (*(_curve(judge, folds) if is_open else ()), (len(folds.splits[0][0]), agreement))
    return Evidence(
        agreement=agreement,
        low=low,
        high=high,
        baseline=trial.baseline,
        n=len(folds.right),
        labels=trial.labels,
        families=len(np.unique(trial.groups)),
        late_agreement=_late(judge, trial) if is_open else None,
        curve=curve,
        forecast=forecast(curve, (high - low) / 2, steps=trial.binary, ceiling=_ceiling(folds)),
        coverage=float(taken.mean()),
        covered_agreement=float(exact.mean()) if taken.any() else None,
        covered_low=least_share(int(exact.sum()), len(exact)) if taken.any() else None,
        risk_curve=tuple(_risk_curve(folds)),
        self_agreement=trial.same / trial.repeats if trial.repeats else None,
        repeats=trial.repeats,
        fields=fields,
        disagreements=tuple(_disagreements(trial, folds, given)),
    )


def interval(right: Floats, groups: Ints, *, binary: bool = True, redrawn: float = 1.0) -> tuple[float, float]:
    """Wilson interval for a share; the sample counts for fewer rows where members of a group err together.

    Scores between 0 and 1 (`binary` false) spread less than right and wrong do: then it counts for more. `redrawn` is the
    factor by which drawing the training rows anew would add to the variance.

    >>> low, high = interval(np.repeat([1.0, 0.0], 50), np.arange(100))
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    n, share = len(right), float(right.mean())
    by_group = np.bincount(groups, weights=right - share)
    spread = float((by_group**2).sum()) / n
    # Without any error there is no spread to see: the groups themselves are then the sample.
    even = share * (1 - share)
    ratio = spread / even if even > 0 else 0.0
    count = n / (max(1.0, ratio) if binary else max(ratio, 1 / n)) if even > 0 else len(np.unique(groups))
    count /= redrawn
    return share_interval(share, count)


def share_interval(share: float, n: float) -> tuple[float, float]:
    """Wilson interval, 95 %, of a share seen in `n` cases.

    >>> low, high = share_interval(0.5, 100)
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * float(np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)))
    return max(0.0, centre - half), min(1.0, centre + half)


def least_share(hits: int, tries: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson: the share that `hits` of `tries` guarantee, one-sided.

    >>> round(least_share(59, 59), 3), round(least_share(299, 299), 2), least_share(0, 10)
    (0.95, 0.99, 0.0)
    """
    return float(stats.beta.ppf(1 - confidence, hits, tries - hits + 1)) if hits else 0.0


def forecast(curve: Sequence[tuple[int, float]], half: float, *, steps: bool, ceiling: float = 1.0) -> Forecast | None:
    """Carry a learning curve on to FORECAST_ROWS training inputs, or four times as many as there are.

    Labels are learned one after another, which is straight on a scale of log odds against log n (`steps`), until what is seen often
    is known: the estimate is half-way from that line to `ceiling`. Errors inside an answer fall with a power of n. No estimate is
    beyond `ceiling`, or what is reached already; both laws bound it, above without that ceiling. None with fewer than three points.
    """
    points = [(n, min(max(share, 1e-3), 1 - 1e-3)) for n, share in curve if n > 0]
    if len({n for n, _ in points}) < 3:  # noqa: PLR2004  two points are no curve
        return None
    at = max(FORECAST_ROWS, _FORECAST_TIMES * points[-1][0])
    log_n = np.log([n for n, _ in points])
    share = np.array([share for _, share in points])
    odds = _line(log_n, np.log(share / (1 - share)), share * (1 - share), np.log(at))
    power = 1 - float(np.exp(_line(log_n, np.log(1 - share), 1 - share, np.log(at))))
    logistic = float(1 / (1 + np.exp(-odds)))
    reached = float(share[-1])
    most = max(ceiling, reached)
    capped = (min(logistic, most), min(power, most))
    best = max((capped[0] + most) / 2 if steps else capped[1], reached - half)
    return Forecast(at, best, max(0.0, min(best, *capped) - half), min(1.0, max(best, most, logistic, power) + half))


def _ceiling(folds: Folds) -> float:
    """What more examples cannot pass: where even the surest third is often wrong, the logged answers themselves are."""
    surest = np.argsort(-folds.sure, kind="stable")[: max(1, round(_SUREST * len(folds.right)))]
    return float(folds.right[surest].mean())


def first_rows(texts: Sequence[str]) -> list[int]:
    """The first row of each distinct text."""
    seen: dict[str, int] = {}
    for row, text in enumerate(texts):
        seen.setdefault(text, row)
    return list(seen.values())


def repeated(texts: Sequence[str], labels: Sequence[str]) -> tuple[int, int]:
    """Pairs of equal inputs, and those among them with equal answers."""
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for text, label in zip(texts, labels, strict=True):
        answers[text].append(label)
    pairs = same = 0
    for given in answers.values():
        pairs += len(given) * (len(given) - 1) // 2
        same += sum(n * (n - 1) // 2 for n in np.unique(given, return_counts=True)[1].tolist())
    return pairs, same


def codes(groups: Sequence[Hashable]) -> Ints:
    """Groups as numbers, in order of arrival."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(group, len(known)) for group in groups], dtype=np.int64)


def _line(x: Floats, y: Floats, weights: Floats, at: float) -> float:
    """A weighted straight line through the points, carried on to `at`; it may rise or stay, never fall."""
    mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
    slope = np.average((x - mean_x) * (y - mean_y), weights=weights) / np.average((x - mean_x) ** 2, weights=weights)
    return float(mean_y + slope * (at - mean_x))


def _late(judge: Judge, trial: Trial) -> float | None:
    times = trial.times
    if times is None or any(time is None for time in times):
        return None
    order = np.array(sorted(range(len(times)), key=lambda row: (times[row], row)), dtype=np.int64)
    early, late = np.split(order, [int(len(order) * (1 - _LATE_SHARE))])
    late = late[~np.isin(trial.groups[late], trial.groups[early])]
    return float(judge(early, late)[0].mean()) if len(late) >= _MIN_LATE else None


def _curve(judge: Judge, folds: Folds) -> Iterator[tuple[int, float]]:
    """Agreement from fewer training inputs: the mean of a few folds, each with its own draw."""
    most = _MOST_CURVE * min(len(train) for train, _ in folds.splits)
    sizes = np.geomspace(_CURVE_FROM, most, _CURVE_SIZES) if most >= 2 * _CURVE_FROM else ()
    for size in (int(size) for size in sizes):
        scores = []
        for fold, (train, test) in enumerate(folds.splits[:_CURVE_FOLDS]):
            drawn = np.random.default_rng(fold).permutation(train)[:size]
            scores.append(float(judge(drawn, test)[0].mean()))
        yield size, float(np.mean(scores))


def taken_by(folds: Folds) -> npt.NDArray[np.bool_]:
    """Rows the student would take, by a bar that was set on the other folds."""
    exact = (folds.right >= 1).astype(np.float64)
    taken = np.zeros(len(exact), dtype=bool)
    for fold in np.unique(folds.fold_of):
        others = folds.fold_of != fold
        taken |= (folds.fold_of == fold) & (folds.sure >= bar(exact[others], folds.sure[others]))
    return taken


def bar(exact: Floats, sure: Floats) -> float:
    """The lowest lead from which on the calls meet TARGET; infinite if too few ever do."""
    order = np.argsort(-sure, kind="stable")
    reached = np.cumsum(exact[order]) / np.arange(1, len(order) + 1) >= TARGET
    last = np.flatnonzero(reached)
    return float(sure[order[last[-1]]]) if len(last) and last[-1] + 1 >= _MIN_TAKEN else float("inf")


def _disagreements(trial: Trial, folds: Folds, given: Sequence[str]) -> Iterator[Disagreement]:
    wrong = np.flatnonzero(folds.right < 1)
    for row in wrong[np.argsort(-folds.sure[wrong], kind="stable")][:_SHOWN]:
        yield Disagreement(*(_clipped(text) for text in (trial.texts[row], trial.logged[row], given[row])))


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIP else f"{text[: _CLIP - 1]}…"


def _risk_curve(folds: Folds) -> Iterator[tuple[float, float]]:
    order = np.argsort(-folds.sure, kind="stable")
    exact = np.cumsum(folds.right[order] >= 1)
    for part in range(1, _RISK_POINTS + 1):
        count = max(1, round(part * len(order) / _RISK_POINTS))
        yield part / _RISK_POINTS, float(exact[count - 1] / count)
