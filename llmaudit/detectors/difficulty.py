"""Which prompts a cheaper model answers like the dearer one, learned from prompts that both were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmaudit.detectors.evidence import TARGET, Floats, Ints, bar, cross_validate, least_share, taken_by
from llmaudit.detectors.families import PromptFamilies
from llmaudit.detectors.student import ProxyStudent

FEWEST_PAIRS = 100
FEWEST_OF_A_KIND = 15
"""Pairs with texts, and pairs of equal and of other answers among them: from fewer nothing is learned."""

SAME, OTHER = "same", "other"


@dataclass(frozen=True)
class Sorted:
    """How well prompts can be sorted into easy and hard, tried on prompts that were not learned from, and the easy ones."""

    share: float
    """Easy prompts among those that both models were asked."""
    agreement: float
    """Equal answers among the easy ones."""
    low: float
    """What that is at least, at 95 % (Clopper-Pearson, one-sided)."""
    n: int
    target: float
    easy: tuple[bool, ...]
    """Of the further texts, which are easy."""


def sort(texts: Sequence[str], same: Sequence[bool], further: Sequence[str]) -> Sorted | None:
    """Learn from prompts and whether both models said the same, then sort further ones. None where nothing can be learned."""
    right = np.array(same)
    if len(right) < FEWEST_PAIRS or min(right.sum(), len(right) - right.sum()) < FEWEST_OF_A_KIND:
        return None
    labels = np.where(right, SAME, OTHER)
    rows = np.array(texts, dtype=object)

    def judge(train: Ints, test: Ints) -> tuple[Floats, Floats]:
        if len(set(labels[train])) == 1:
            return right[test].astype(np.float64), np.zeros(len(test))
        return right[test].astype(np.float64), _ease(rows[train].tolist(), labels[train], rows[test].tolist())

    groups = PromptFamilies().fit(list(texts)).labels_
    try:
        folds = cross_validate(judge, groups)
    except ValueError:  # near-copies of a few texts: no folds
        return None
    taken = taken_by(folds)
    if not taken.any():
        return None
    hits = int(right[taken].sum())
    least = bar(right.astype(np.float64), folds.sure)
    ease = _ease(list(texts), labels, list(further)) if further else np.empty(0)
    return Sorted(
        share=float(taken.mean()),
        agreement=hits / int(taken.sum()),
        low=least_share(hits, int(taken.sum())),
        n=len(right),
        target=TARGET,
        easy=tuple((ease >= least).tolist()),
    )


def _ease(texts: list[str], labels: np.typing.NDArray[np.str_], asked: list[str]) -> Floats:
    """How sure a weak model is that the answers will be the same; above 0 it thinks so."""
    student = ProxyStudent().fit(texts, labels)
    found = np.asarray(student.decision_function(asked), dtype=np.float64)
    at = list(student.classes_).index(SAME)
    ease: Floats = found[:, at] if found.ndim > 1 else (found if at else -found)
    return ease
