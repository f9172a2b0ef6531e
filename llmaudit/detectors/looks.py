"""What an input looks like without a word of it being read: its length, its lines, its digits and marks.

Where that alone gives the answer, the answer follows from counting (steps, turns, sides), and a student that found it out has not
learned what the task is about.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llmaudit.detectors.evidence import Floats, Folds, Ints

_MARKS = ",.:;?!()-'\"/[]{}<>=+*\n"
_TREES, _LEAF = 30, 3
_READ = 8_000


def looks(texts: Sequence[str]) -> Floats:
    """A row of counts for each text.

    >>> looks(["Turn left. Take 3 steps."]).sum(axis=1) > 0
    array([ True])
    """
    return np.array([_counts(text[:_READ]) for text in texts], dtype=np.float64)


def agreement_by_looks(texts: Sequence[str], y: Ints, folds: Folds) -> float:
    """How often trees over the looks alone give the answer, on the student's own folds."""
    from sklearn.ensemble import ExtraTreesClassifier

    table = looks(texts)
    right: npt.NDArray[np.bool_] = np.zeros(len(y), dtype=bool)
    for train, test in folds.splits:
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=_LEAF, random_state=0).fit(table[train], y[train])
        right[test] = trees.predict(table[test]) == y[test]
    return float(right.mean())


def _counts(text: str) -> list[float]:
    words = text.split()
    return [
        len(text),
        len(words),
        sum(map(len, words)) / max(len(words), 1),
        sum(map(str.isdigit, text)),
        sum(map(str.isupper, text)),
        *map(text.count, _MARKS),
    ]
