"""Fixed wording that many prompts share, found without labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from llmaudit.detectors.words import SLOT, common_head, common_tail, masked_words, stable_hash

Words = tuple[str, ...]

_LONG_RUN = 6
_COMMON = 0.2
_NAME_SHARE, _NAME_WORDS = 0.9, 3
_CANDIDATE = 0.55
_ENOUGH_INPUTS = 10
_TELLS_APART = 0.75
_ANSWERS_OVERLAP = 0.4
_LOOKED_AT = 60
_FEW_BRANCHES, _MANY_BRANCHES, _BRANCH_WORDS, _ALL_BRANCHES = 10, 50, 3, 0.95
_EDGE_WORDS, _OWN_EDGES = 4, 0.8
_MAX_PAIRED = 3_000


class PromptTemplates(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Group prompts by the wording they share; what varies is a slot. Label -1 has no template.

    Three steps: the same masked text at least `min_prompts` times is a template; rarer texts form one where at least
    `min_prompts` of them open or close with the same words; templates that differ in one place are one if that
    place is a variable. It is taken for one when what the prompt was sent with does not tell the two apart:
    pass the users' messages as `inputs` and the answers as `answers` for that. Without them, or with too
    few to judge, at least `similarity` of the words must agree.
    """

    def __init__(self, min_prompts: int = 5, min_words: int = 4, similarity: float = 0.85) -> None:
        self.min_prompts = min_prompts
        self.min_words = min_words
        self.similarity = similarity

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags

    def fit(
        self,
        X: Iterable[str],  # noqa: N803  scikit-learn's name
        y: object = None,  # noqa: ARG002
        inputs: Sequence[str] | None = None,
        answers: Sequence[str | None] | None = None,
    ) -> Self:
        """Learn `labels_` (one a prompt) and `templates_` (one a label, variables as `{…}`)."""
        self._check_settings()
        texts = _strings(X)
        members: defaultdict[Words, list[int]] = defaultdict(list)
        read = {text: masked_words(text) for text in set(texts)}
        for at, text in enumerate(texts):
            members[read[text]].append(at)
        found = self._find({words: len(rows) for words, rows in members.items() if words})
        families = self._join(*found, _Company(members, inputs, answers))
        families.sort(key=lambda family: (-sum(len(members[w]) for w in family), min(family)))
        self.labels_ = np.full(len(texts), -1, dtype=np.int64)
        for label, family in enumerate(families):
            for words in family:
                self.labels_[members[words]] = label
        self.templates_ = [skeleton({words: len(members[words]) for words in family}) for family in families]
        return self

    def _check_settings(self) -> None:
        if self.min_prompts < 1 or self.min_words < 1 or not 0 < self.similarity <= 1:
            raise ValueError("min_prompts and min_words start at 1, similarity lies in (0, 1]")

    def _find(self, counts: dict[Words, int]) -> tuple[list[_Run], list[set[Words]]]:
        dense = [words for words, n in counts.items() if n >= self.min_prompts]
        rare = sorted(words for words, n in counts.items() if n < self.min_prompts)
        runs = list(_runs(rare, self.min_prompts, self.min_words))
        taken = {words for run in runs for words in run.members}
        # A text sent twice without variation is a template of its own, however small.
        alone = sorted([*dense, *(w for w in rare if counts[w] > 1 and w not in taken)])
        single = [w for w in rare if counts[w] == 1 and w not in taken] if dense else []
        return runs, [*({*run.members} for run in runs), *({words} for words in [*alone, *single[:_MAX_PAIRED]])]

    def _join(self, runs: list[_Run], groups: list[set[Words]], company: _Company) -> list[set[Words]]:
        """Union of near-equal templates. A rare text that joins nothing is dropped."""
        spoken = [max(group, key=lambda w: (len(company.members[w]), w)) for group in groups]
        evidence = company.evidence(groups)
        parent = list(range(len(groups)))
        fitting = ((a, b) for a, run in enumerate(runs) for b in range(len(runs), len(groups)) if run.fits(spoken[b]))
        for a, b in fitting:
            if not evidence.told_apart(a, b) and evidence.answers_alike(a, b):
                parent[_root(parent, b)] = _root(parent, a)
        for a, b in _near_pairs(spoken):
            if _root(parent, a) != _root(parent, b) and self._same(spoken[a], spoken[b], evidence, a, b):
                parent[_root(parent, b)] = _root(parent, a)
        families: defaultdict[int, set[Words]] = defaultdict(set)
        for at, group in enumerate(groups):
            families[_root(parent, at)] |= group
        return [f for f in families.values() if sum(len(company.members[w]) for w in f) > 1]

    def _same(self, a: Words, b: Words, evidence: _Evidence, at: int, bt: int) -> bool:
        fixed = common_head([a, b])
        fixed += common_tail([a[fixed:], b[fixed:]])
        longest = max(len(a), len(b))
        share = max(fixed / longest, len(set(a) & set(b)) / len(set(a) | set(b)))
        if not evidence.answers_alike(at, bt):
            return False
        if share >= _NAME_SHARE and longest - fixed <= _NAME_WORDS:
            return True
        apart = evidence.told_apart(at, bt)
        return share >= self.similarity if apart is None else not apart


@dataclass(frozen=True)
class _Run:
    """Texts that open (or close) with the same words."""

    head: Words
    tail: Words
    members: tuple[Words, ...]

    def fits(self, words: Words) -> bool:
        fixed = len(self.head) + len(self.tail)
        return (
            fixed >= _LONG_RUN
            and 2 * fixed >= len(words) >= fixed
            and words[: len(self.head)] == self.head
            and words[len(words) - len(self.tail) :] == self.tail
        )


class _Company:
    """What each prompt was sent with and how it was answered."""

    def __init__(
        self,
        members: dict[Words, list[int]],
        inputs: Sequence[str] | None,
        answers: Sequence[str | None] | None,
    ) -> None:
        self.members, self._inputs, self._answers = members, inputs, answers

    def evidence(self, groups: list[set[Words]]) -> _Evidence:
        rows = [sorted(at for words in group for at in self.members[words]) for group in groups]
        return _Evidence(
            _closeness([self._texts(self._inputs, at) for at in rows]),
            [_shapes(self._texts(self._answers, at, distinct=False)) for at in rows],
        )

    @staticmethod
    def _texts(source: Sequence[str | None] | None, rows: list[int], *, distinct: bool = True) -> list[str]:
        texts = [text for at in rows if source is not None and (text := source[at])]
        return sorted(set(texts), key=stable_hash)[:_LOOKED_AT] if distinct else texts


@dataclass(frozen=True)
class _Evidence:
    closeness: list[npt.NDArray[np.float64] | None]
    """For each group, its held-out inputs against the centre of every group's other inputs."""
    shapes: list[tuple[Counter[str], Counter[str]]]

    def told_apart(self, a: int, b: int) -> bool | None:
        """Whether a nearest-centre rule learned on half of the inputs sorts the other half. None: too few inputs."""
        near_a, near_b = self.closeness[a], self.closeness[b]
        if near_a is None or near_b is None:
            return None
        right = (_wins(near_a[:, a], near_a[:, b]) + _wins(near_b[:, b], near_b[:, a])) / 2
        return right >= _TELLS_APART

    def answers_alike(self, a: int, b: int) -> bool:
        """Whether answers have the same labels, where both are few words, or else about the same form and length."""
        (labels_a, forms_a), (labels_b, forms_b) = self.shapes[a], self.shapes[b]
        ours, theirs = (labels_a, labels_b) if labels_a and labels_b else (forms_a, forms_b)
        few = min(ours.total(), theirs.total()) < _ENOUGH_INPUTS
        return few or _overlap(ours, theirs) >= _ANSWERS_OVERLAP


def skeleton(counts: dict[Words, int]) -> str:
    """The words that all texts share, in order, with `{…}` where they differ."""
    seqs = sorted(counts, key=lambda words: (-counts[words], words))[:200]
    if len(seqs) == 1:
        return " ".join(seqs[0])
    head = common_head(seqs)
    rests = [words[head:] for words in seqs]
    tail = common_tail(rests)
    middles = [words[: len(words) - tail] for words in rests]
    closing = seqs[0][len(seqs[0]) - tail :]
    return " ".join([*seqs[0][:head], *_fixed_words(middles), *closing])


def _strings(values: Iterable[str]) -> list[str]:
    texts = list(values)
    if any(not isinstance(text, str) for text in texts):
        raise ValueError("PromptTemplates groups strings: pass a list or one-dimensional array of them")
    if not texts:
        raise ValueError("PromptTemplates needs at least 1 prompt, got 0")
    return texts


def _runs(rare: list[Words], min_prompts: int, min_words: int) -> Iterator[_Run]:
    """Biggest first, each text in one run."""
    left = set(rare)
    buckets: defaultdict[tuple[str, Words], set[Words]] = defaultdict(set)
    for words in rare:
        for key in _run_keys(words, min_words):
            buckets[key].add(words)
    waiting = {key: texts for key, texts in buckets.items() if len(texts) >= min_prompts}
    while waiting:
        key = min(waiting, key=lambda k: (-len(waiting[k]), k))
        texts = waiting.pop(key) & left
        for run in _split(sorted(texts), min_prompts):
            if _is_wording(run, key, len(rare), min_words):
                yield run
                left.difference_update(run.members)
        waiting = {k: alive for k, texts in waiting.items() if len(alive := texts & left) >= min_prompts}


def _run_keys(words: Words, min_words: int) -> list[tuple[str, Words]]:
    """A label such as `Summarise:` is wording enough, so an opening ends early at a colon."""
    opening = next((n + 1 for n, word in enumerate(words[:min_words]) if word.endswith(":")), min_words)
    if len(words) <= min_words:
        return [("head", words[:opening])] if len(words) > opening else []
    return [("head", words[:opening]), ("tail", words[-min_words:])]


def _split(texts: list[Words], min_prompts: int) -> list[_Run]:
    """One run, or several where all texts go on (or end) in one of a few ways that are wording themselves."""
    if len(texts) < min_prompts:
        return []
    head = common_head(texts)
    tail = common_tail([words[head:] for words in texts])
    run = _Run(texts[0][:head], texts[0][len(texts[0]) - tail :], tuple(texts))
    for way, edge, more in (
        (lambda words: words[head : head + 1], _opening, head),
        (lambda words: words[: len(words) - tail][head:][-1:], _closing, tail),
    ):
        ways = _grouped(texts, way)
        for most in (_FEW_BRANCHES, _MANY_BRANCHES):
            often = [ways[key] for key in sorted(ways) if len(ways[key]) >= max(min_prompts, len(texts) / most)]
            edges = [edge(part) for part in often]
            worded = len(often) > 1 and all(len(words) >= more + _BRANCH_WORDS for words in edges)
            if not worded or sum(map(len, often)) < _ALL_BRANCHES * len(texts):
                continue
            # Many ways that come to the same end are the values of a variable: forty schools, one task.
            if most == _FEW_BRANCHES or len({words[-_EDGE_WORDS:] for words in edges}) >= _OWN_EDGES * len(edges):
                return [part for branch in often for part in _split(branch, min_prompts)]
    return [run]


def _opening(texts: list[Words]) -> Words:
    return texts[0][: common_head(texts)]


def _closing(texts: list[Words]) -> Words:
    """The words that all end in, the last first."""
    return texts[0][::-1][: common_tail(texts)]


def _grouped(texts: list[Words], way: Callable[[Words], Words]) -> dict[Words, list[Words]]:
    groups: defaultdict[Words, list[Words]] = defaultdict(list)
    for words in texts:
        groups[way(words)].append(words)
    return groups


def _is_wording(run: _Run, key: tuple[str, Words], texts: int, min_words: int) -> bool:
    """Whether somebody wrote the run as a template: long, or ending in a mark, or very common."""
    longest = max(len(run.head), len(run.tail))
    if longest >= _LONG_RUN:
        return True
    marked = bool(run.head) and run.head[-1][-1] in ':.?!>"`)'
    if key[0] == "head" and marked and len(run.head) >= len(key[1]):
        return True
    return longest >= min_words and len(run.members) >= _COMMON * texts


def _near_pairs(spoken: list[Words]) -> Iterator[tuple[int, int]]:
    """Pairs of texts with at least `_CANDIDATE` of their distinct words in common, in order."""
    if len(spoken) < 2:  # noqa: PLR2004  a pair
        return
    vocabulary: dict[str, int] = {}
    sets = [sorted({vocabulary.setdefault(word, len(vocabulary)) for word in words}) for words in spoken]
    sizes = np.array([len(s) for s in sets], dtype=np.float32)
    pointer = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ones = np.ones(int(pointer[-1]), dtype=np.float32)
    table = sparse.csr_array((ones, np.concatenate(sets), pointer), shape=(len(sets), len(vocabulary)))
    for start in range(0, len(sets), 256):
        both = (table[start : start + 256] @ table.T).tocoo()
        row, other = both.row + start, both.col
        keep = (row < other) & (both.data >= _CANDIDATE * (sizes[row] + sizes[other] - both.data))
        yield from sorted(zip(row[keep].tolist(), other[keep].tolist(), strict=True))


def _closeness(inputs: list[list[str]]) -> list[npt.NDArray[np.float64] | None]:
    judged = [at for at, texts in enumerate(inputs) if len(texts) >= _ENOUGH_INPUTS]
    if len(judged) < 2:  # noqa: PLR2004  nothing to compare
        return [None] * len(inputs)
    owner = np.array([at for at in judged for _ in inputs[at]])
    second = np.array([n % 2 == 1 for at in judged for n in range(len(inputs[at]))])
    texts = [text[:4_000] for at in judged for text in inputs[at]]
    counts = HashingVectorizer(n_features=2**15, alternate_sign=False, norm=None).transform(texts)
    vectors = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    learned = np.flatnonzero(~second)
    owners = sparse.csr_array((np.ones(len(learned)), (owner[learned], learned)), shape=(len(inputs), len(texts)))
    centres = owners @ vectors
    length = np.sqrt(centres.multiply(centres).sum(axis=1))
    near: list[npt.NDArray[np.float64] | None] = [None] * len(inputs)
    for at in judged:
        rows = np.flatnonzero(second & (owner == at))
        near[at] = (vectors[rows] @ centres.T).toarray() / np.maximum(length, 1e-12)
    return near


def _shapes(answers: list[str]) -> tuple[Counter[str], Counter[str]]:
    """The answers themselves where they are a small set, and their forms."""
    labels = Counter(answer.strip().lower() for answer in answers)
    closed = 5 * len(labels) <= len(answers)
    return labels if closed else Counter(), Counter(map(_form, answers))


def _form(answer: str) -> str:
    body = answer.strip()
    return f"{body[:1] if body[:1] in ('{', '[', '`', '<') else ''}{len(body).bit_length() // 2}"


def _overlap(a: Counter[str], b: Counter[str]) -> float:
    return sum(min(n / a.total(), b[key] / b.total()) for key, n in a.items())


def _wins(own: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    return float(np.mean((own > other) + 0.5 * (own == other)))


def _fixed_words(middles: list[Words]) -> list[str]:
    """Words of the first text that all have, if they are most of it; runs of the others become one slot."""
    if not any(middles):
        return []
    shared = set.intersection(*map(set, middles))
    kept = [word if word in shared else SLOT for word in middles[0]]
    if 2 * sum(word != SLOT for word in kept) < len(kept) or not kept:
        return [SLOT]
    return [word for n, word in enumerate(kept) if word != SLOT or n == 0 or kept[n - 1] != SLOT]


def _root(parent: list[int], at: int) -> int:
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at
