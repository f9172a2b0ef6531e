"""Near-copies among the inputs of one endpoint."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize
from sklearn.utils.validation import validate_data

from llmaudit.detectors.words import ends, mask_ids

_ROWS_AT_ONCE = 256


class PromptFamilies(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Families of near-duplicate prompts: chains of neighbours with a cosine of at least `threshold`.

    Words that most prompts have weigh little, so a template that all share makes nobody a neighbour; times and ids
    are masked, so prompts that differ in nothing else are neighbours. Takes strings, or a numeric matrix
    with one prompt a row (embeddings, counts) that is compared as it is. A prompt without words is a family of its own. Of a long text the first and last
    `max_chars` are read.
    """

    def __init__(self, threshold: float = 0.9, max_chars: int = 2_000) -> None:
        self.threshold = threshold
        self.max_chars = max_chars

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: ARG002, N803  scikit-learn's names
        """Learn `labels_`, one a row; the family of the first row is 0, the next new one 1, and so on."""
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold is a cosine in (0, 1], got {self.threshold}")
        texts = as_strings(X)
        if texts is None:
            vectors = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32))
        else:
            vectors = self._vectors(texts)
        self.labels_ = _in_order_of_arrival(_chains(sparse.csr_array(normalize(vectors)), self.threshold))
        return self

    def _vectors(self, texts: list[str]) -> sparse.csr_array:
        masked = [mask_ids(ends(text, self.max_chars)) for text in texts]
        hasher = HashingVectorizer(n_features=2**18, alternate_sign=False, norm=None, token_pattern=r"\S+")  # noqa: S106
        counts = hasher.transform(masked)
        return TfidfTransformer(sublinear_tf=True).fit_transform(counts)


def as_strings(values: Any) -> list[str] | None:
    """The texts, if that is what `values` are; None for anything that looks like a matrix."""
    if isinstance(values, list | tuple) or (hasattr(values, "ndim") and values.ndim == 1):
        items = list(values)
        if items and all(isinstance(item, str) for item in items):
            return items
    return None


def _chains(vectors: sparse.csr_array, threshold: float) -> npt.NDArray[np.int64]:
    """Connected neighbours, a block of rows at a time."""
    edges = []
    for start in range(0, vectors.shape[0], _ROWS_AT_ONCE):
        near = (vectors[start : start + _ROWS_AT_ONCE] @ vectors.T).tocoo()
        keep = near.data >= threshold - 1e-9
        edges.append(np.stack([near.row[keep] + start, near.col[keep]]))
    row, col = np.concatenate(edges, axis=1)
    graph = sparse.coo_array((np.ones(len(row), dtype=np.int8), (row, col)), shape=(vectors.shape[0],) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _in_order_of_arrival(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    _, first, back = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[back].astype(np.int64)
