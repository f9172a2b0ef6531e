"""The proxy student: a deliberately weak model that tries to give the logged answers.

What it can learn, a fine-tuned small model can learn too. What it cannot learn proves nothing either way.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from llmaudit.detectors.evidence import (
    FOLDS,
    HOPELESS,
    Evidence,
    Floats,
    Ints,
    NothingToTest,
    Trial,
    codes,
    cross_validate,
    first_rows,
    gather,
    repeated,
)
from llmaudit.detectors.families import PromptFamilies, as_strings
from llmaudit.detectors.words import ends

_STOP = 1e-2


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
        repeats, same = repeated(texts, labels)
        rows = first_rows(texts)
        texts, answers = [texts[row] for row in rows], np.array([labels[row] for row in rows], dtype=object)
        own = PromptFamilies().fit(texts).labels_ if groups is None else codes([groups[row] for row in rows])
        families = len(np.unique(own))
        names, y = np.unique(answers.astype(str), return_inverse=True)
        if families < FOLDS or len(names) < 2:  # noqa: PLR2004  one label is nothing to learn
            raise NothingToTest(f"{families} families of inputs and {len(names)} labels: five and two are needed")
        table = self._table(texts)

        given = np.zeros(len(y), dtype=np.int64)

        def judge(train: Ints, test: Ints) -> tuple[Floats, Floats]:
            picked, sure = self._judge(table, y, train, test)
            given[test] = picked
            return (picked == y[test]).astype(np.float64), sure

        trial = Trial(
            groups=own,
            baseline=float(np.bincount(y).max() / len(y)),
            labels=len(names),
            repeats=repeats,
            same=same,
            times=None if times is None else [times[row] for row in rows],
            binary=True,
            texts=texts,
            logged=answers.tolist(),
        )
        folds = cross_validate(judge, own)
        found = gather(judge, trial, folds, names[given].tolist())
        if found.high <= found.baseline + HOPELESS:
            return found
        from llmaudit.detectors.looks import agreement_by_looks

        return replace(found, by_looks=agreement_by_looks(texts, y, folds))

    def _table(self, texts: list[str]) -> sparse.csr_array:
        """Hashed counts: no vocabulary is learned, so nothing leaks from test to training inputs."""
        read = [ends(text, self.max_chars) for text in texts]
        words = HashingVectorizer(n_features=2**18, alternate_sign=False, norm=None, ngram_range=(1, 2))
        letters = HashingVectorizer(
            n_features=2**18, alternate_sign=False, norm=None, ngram_range=(2, 5), analyzer="char_wb"
        )
        return sparse.csr_array(sparse.hstack([words.transform(read), letters.transform(read)], format="csr"))

    def _fit_table(self, table: Any, y: npt.NDArray[Any], *, weigh: bool) -> Self:
        """Learn labels, or a table of ones and zeros: a column for each of several labels that a row may have."""
        self.columns_ = None
        self.weights_ = None
        if weigh:
            # What one training text alone has cannot help with another, and is most of the columns.
            self.columns_ = np.flatnonzero(np.bincount(table.indices, minlength=table.shape[1]) > 1)
            self.weights_ = TfidfTransformer(sublinear_tf=True).fit(table[:, self.columns_])
            table = self.weights_.transform(table[:, self.columns_])
        # A looser stop than scikit-learn's own: answers in doubt hardly change, and labels without sense take ten times less.
        model = LinearSVC(C=self.C, tol=_STOP, random_state=self.random_state, max_iter=10_000)
        self.model_ = (model if y.ndim == 1 else OneVsRestClassifier(model)).fit(table, y)
        self.classes_ = self.model_.classes_
        return self

    def _decide(self, table: Any) -> Floats:
        if self.weights_ is not None:
            table = self.weights_.transform(table[:, self.columns_])
        return np.asarray(self.model_.decision_function(table), dtype=np.float64)

    def _pick(self, scores: Floats) -> npt.NDArray[Any]:
        best = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _judge(self, table: Any, y: Ints, train: Ints, test: Ints) -> tuple[Ints, Floats]:
        """For each test row: the answer, and how sure the student was of it (lead over the second best)."""
        if len(np.unique(y[train])) == 1:
            return np.full(len(test), y[train[0]]), np.zeros(len(test))
        with warnings.catch_warnings():
            # A learning curve begins where most labels have been seen once.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            student = clone(self)._fit_table(table[train], y[train], weigh=True)  # noqa: SLF001  a copy of itself
        scores = student._decide(table[test])  # noqa: SLF001
        picked = student._pick(scores)  # noqa: SLF001
        if scores.ndim == 1:
            return picked, np.abs(scores)
        top = np.partition(scores, -2, axis=1)
        return picked, top[:, -1] - top[:, -2]
