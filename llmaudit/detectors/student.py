"""The proxy student: a deliberately weak model that tries to give the logged answers.

What it can learn, a fine-tuned small model can learn too. What it cannot learn proves nothing either way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.model_selection import GroupKFold
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from llmaudit.detectors.families import PromptFamilies, as_strings
from llmaudit.detectors.words import ends

TARGET = 0.97
"""Agreement asked of the calls that the student takes over, in the risk-coverage point."""

_FOLDS = 5
_Z = 1.959964
_LATE_SHARE, _MIN_LATE = 0.3, 30
_MIN_TAKEN = 30
_CURVE_FROM = 50

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """How far a weak model gives the logged answers to inputs it has not seen, nor any near-copy of them."""

    agreement: float
    low: float
    """95 % Wilson interval; near-copies of one input count as less than one each."""
    high: float
    baseline: float
    """Share of the most frequent answer."""
    n: int
    """Distinct inputs judged."""
    labels: int
    families: int
    late_agreement: float | None
    """Trained on the first 70 % in time, tested on inputs of the rest; None without dates or with too few."""
    curve: tuple[tuple[int, float], ...]
    """Training inputs and the agreement they gave, on one held-out fold."""
    coverage: float
    """Share of calls the student takes if it leaves alone what it is unsure of, aiming at TARGET agreement."""
    covered_agreement: float | None
    """Agreement it then had on those calls; the bar was chosen on other folds."""
    self_agreement: float | None
    """How often the same input got the same answer in the log: the ceiling. None without repeats."""
    repeats: int
    """Pairs of equal inputs behind `self_agreement`."""

    @property
    def lift(self) -> float:
        """Share of the way from always giving the most frequent answer to giving the logged one. May be negative."""
        return (self.agreement - self.baseline) / (1 - self.baseline) if self.baseline < 1 else 0.0


class ProxyStudent(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Linear model over words, word pairs and letter groups. Takes strings, or a numeric matrix as it is.

    Of a long text the first and last `max_chars` are read.
    """

    def __init__(self, C: float = 1.0, max_chars: int = 1_000, random_state: int | None = 0) -> None:  # noqa: N803
        self.C = C
        self.max_chars = max_chars
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803  scikit-learn's name
        texts = as_strings(X)
        if texts is None:
            table, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        else:
            table, y = self._table(texts), check_array(y, ensure_2d=False, dtype=None)
        check_classification_targets(y)
        return self._fit_table(table, y, weigh=texts is not None)

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        texts = as_strings(X)
        if texts is None:
            return self._decide(validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False))
        return self._decide(self._table(texts))

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        return self._pick(self.decision_function(X))

    def evaluate(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        groups: Sequence[Hashable] | None = None,
        times: Sequence[Any] | None = None,
    ) -> Evidence:
        """Cross-validate on logged answers, each group of near-copies (PromptFamilies unless given) on one side.

        An input that repeats is judged once, by its first answer. Needs at least five groups and two labels.
        """
        repeats, same = _repeats(texts, labels)
        rows = _first_rows(texts)
        texts, answers = [texts[row] for row in rows], np.array([labels[row] for row in rows], dtype=object)
        own = PromptFamilies().fit(texts).labels_ if groups is None else _codes([groups[row] for row in rows])
        families = len(np.unique(own))
        names, y = np.unique(answers.astype(str), return_inverse=True)
        if families < _FOLDS or len(names) < 2:  # noqa: PLR2004  one label is nothing to learn
            raise ValueError(f"{families} families of inputs and {len(names)} labels: five and two are needed")
        table = self._table(texts)
        folds = list(GroupKFold(_FOLDS, shuffle=True, random_state=0).split(table, y, own))
        right, sure, fold_of = np.zeros(len(y)), np.zeros(len(y)), np.zeros(len(y), dtype=np.int64)
        for fold, (train, test) in enumerate(folds):
            right[test], sure[test] = self._judge(table, y, train, test)
            fold_of[test] = fold
        low, high = interval(right, own)
        coverage, covered = _risk_coverage(right, sure, fold_of)
        return Evidence(
            agreement=float(right.mean()),
            low=low,
            high=high,
            baseline=float(np.bincount(y).max() / len(y)),
            n=len(y),
            labels=len(names),
            families=families,
            late_agreement=self._late(table, y, own, None if times is None else [times[row] for row in rows]),
            curve=tuple(self._curve(table, y, *folds[0])),
            coverage=coverage,
            covered_agreement=covered,
            self_agreement=same / repeats if repeats else None,
            repeats=repeats,
        )

    def _table(self, texts: list[str]) -> sparse.csr_array:
        """Hashed counts: no vocabulary is learned, so nothing leaks from test to training inputs."""
        read = [ends(text, self.max_chars) for text in texts]
        words = HashingVectorizer(n_features=2**18, alternate_sign=False, norm=None, ngram_range=(1, 2))
        letters = HashingVectorizer(
            n_features=2**18, alternate_sign=False, norm=None, ngram_range=(2, 5), analyzer="char_wb"
        )
        return sparse.csr_array(sparse.hstack([words.transform(read), letters.transform(read)], format="csr"))

    def _fit_table(self, table: Any, y: npt.NDArray[Any], *, weigh: bool) -> Self:
        self.columns_ = None
        self.weights_ = None
        if weigh:
            # What one training text alone has cannot help with another, and is most of the columns.
            self.columns_ = np.flatnonzero(np.bincount(table.indices, minlength=table.shape[1]) > 1)
            self.weights_ = TfidfTransformer(sublinear_tf=True).fit(table[:, self.columns_])
            table = self.weights_.transform(table[:, self.columns_])
        self.model_ = LinearSVC(C=self.C, random_state=self.random_state, max_iter=10_000).fit(table, y)
        self.classes_ = self.model_.classes_
        return self

    def _decide(self, table: Any) -> Floats:
        if self.weights_ is not None:
            table = self.weights_.transform(table[:, self.columns_])
        return np.asarray(self.model_.decision_function(table), dtype=np.float64)

    def _pick(self, scores: Floats) -> npt.NDArray[Any]:
        best = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _judge(self, table: Any, y: Ints, train: Ints, test: Ints) -> tuple[Floats, Floats]:
        """For each test row: was the answer right (1 or 0), and how sure was it (lead over the second best)."""
        if len(np.unique(y[train])) == 1:
            return (y[test] == y[train[0]]).astype(np.float64), np.zeros(len(test))
        student = clone(self)._fit_table(table[train], y[train], weigh=True)  # noqa: SLF001  a copy of itself
        scores = student._decide(table[test])  # noqa: SLF001
        right = (student._pick(scores) == y[test]).astype(np.float64)  # noqa: SLF001
        if scores.ndim == 1:
            return right, np.abs(scores)
        top = np.partition(scores, -2, axis=1)
        return right, top[:, -1] - top[:, -2]

    def _late(self, table: Any, y: Ints, own: Ints, times: Sequence[Any] | None) -> float | None:
        if times is None or any(time is None for time in times):
            return None
        order = np.array(sorted(range(len(y)), key=lambda row: (times[row], row)), dtype=np.int64)
        early, late = np.split(order, [int(len(y) * (1 - _LATE_SHARE))])
        late = late[~np.isin(own[late], own[early])]
        return float(self._judge(table, y, early, late)[0].mean()) if len(late) >= _MIN_LATE else None

    def _curve(self, table: Any, y: Ints, train: Ints, test: Ints) -> Iterator[tuple[int, float]]:
        drawn = np.random.default_rng(0).permutation(train)
        sizes = takewhile(lambda n: n < len(train), (_CURVE_FROM * 2**n for n in range(20)))
        # Less than two inputs a label is no training set, and scikit-learn says so.
        for size in (n for n in sizes if n >= 2 * len(np.unique(y[drawn[:n]]))):
            yield size, float(self._judge(table, y, drawn[:size], test)[0].mean())


def interval(right: Floats, groups: Ints) -> tuple[float, float]:
    """Wilson interval for a share; the sample counts for fewer rows where members of a group err together.

    >>> low, high = interval(np.repeat([1.0, 0.0], 50), np.arange(100))
    >>> round(low, 3), round(high, 3)
    (0.404, 0.596)
    """
    n, share = len(right), float(right.mean())
    by_group = np.bincount(groups, weights=right - share)
    spread = float((by_group**2).sum()) / n
    # Without any error there is no spread to see: the groups themselves are then the sample.
    even = share * (1 - share)
    count = n / max(1.0, spread / even) if even > 0 else len(np.unique(groups))
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * float(np.sqrt(even / count + _Z**2 / (4 * count**2)))
    return max(0.0, centre - half), min(1.0, centre + half)


def _risk_coverage(right: Floats, sure: Floats, fold_of: Ints) -> tuple[float, float | None]:
    taken = np.zeros(len(right), dtype=bool)
    for fold in np.unique(fold_of):
        others = fold_of != fold
        bar = _bar(right[others], sure[others])
        taken |= (fold_of == fold) & (sure >= bar)
    return float(taken.mean()), float(right[taken].mean()) if taken.any() else None


def _bar(right: Floats, sure: Floats) -> float:
    """The lowest lead from which on the calls meet TARGET; infinite if too few ever do."""
    order = np.argsort(-sure, kind="stable")
    reached = np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= TARGET
    last = np.flatnonzero(reached)
    return float(sure[order[last[-1]]]) if len(last) and last[-1] + 1 >= _MIN_TAKEN else float("inf")


def _repeats(texts: Sequence[str], labels: Sequence[str]) -> tuple[int, int]:
    """Pairs of equal inputs, and those among them with equal answers."""
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for text, label in zip(texts, labels, strict=True):
        answers[text].append(label)
    pairs = same = 0
    for given in answers.values():
        pairs += len(given) * (len(given) - 1) // 2
        same += sum(n * (n - 1) // 2 for n in np.unique(given, return_counts=True)[1].tolist())
    return pairs, same


def _first_rows(texts: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    for row, text in enumerate(texts):
        seen.setdefault(text, row)
    return list(seen.values())


def _codes(groups: Sequence[Hashable]) -> Ints:
    codes: dict[Hashable, int] = {}
    return np.array([codes.setdefault(group, len(codes)) for group in groups], dtype=np.int64)
