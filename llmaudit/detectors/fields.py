"""A student for structured answers: JSON field by field, and texts copied out of the input.

Closed fields are classes; copied fields are spans of the input, found by a tagger over its words. What is neither, the
student cannot give, and it counts as wrong. Objects inside lists are read field by field: which belong together is not judged.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from llmaudit.detectors import marks
from llmaudit.detectors.answers import WHOLE, Pairs, normal, pairs_of
from llmaudit.detectors.evidence import (
    FOLDS,
    REDRAWN,
    Evidence,
    FieldEvidence,
    Floats,
    Ints,
    NothingToTest,
    Trial,
    cross_validate,
    first_rows,
    gather,
    interval,
    repeated,
)
from llmaudit.detectors.families import PromptFamilies, as_strings
from llmaudit.detectors.kinds import CLOSED, CONSTANT, COPIED, OPEN, kinds, stands_in
from llmaudit.detectors.student import ProxyStudent

_MIN_SHOWN = 30
_MAX_CLOSED = 12
_MIN_LISTED, _MOST_LISTED = 5, 40
_MAX_WORDS, _MAX_ALL_WORDS = 300, 60_000
_OUT, _FIRST, _MORE = 0, 1, 2
_SHARPER = 2.0
_NEVER = -50.0
_WORD = re.compile(r"\w+|[^\w\s]")
_AROUND = 30


class FieldStudent(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Linear models over words and their neighbours; an answer is a JSON object or a text copied from the input.

    `predict` gives JSON with paths as keys ("person.name", "items[]"), or the copied text. A numeric matrix has no words to copy:
    then whole answers are classes. Of a long text the first `max_words` words are read.
    """

    def __init__(self, C: float = 0.5, max_words: int = _MAX_WORDS, random_state: int | None = 0) -> None:  # noqa: N803
        self.C = C
        self.max_words = max_words
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
            check_classification_targets(y)
            self.model_ = LinearSVC(C=self.C, random_state=self.random_state, max_iter=10_000).fit(table, y)
            self.classes_ = self.model_.classes_
            return self
        answers = [pairs_of(text) for text in y]
        self.model_ = _Task(self, texts, answers).learn(np.arange(len(texts)))
        self.classes_ = np.unique([_written(pairs) for pairs in answers])
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        check_is_fitted(self)
        texts = as_strings(X)
        if texts is None:
            return np.asarray(
                self.model_.predict(validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False))
            )
        task = _Task(self, texts, [frozenset()] * len(texts), self.model_.kinds)
        given, _ = self.model_.answer(task, np.arange(len(texts)))
        return np.array([_written(pairs) for pairs in given], dtype=object)

    def evaluate(self, texts: Sequence[str], outputs: Sequence[str], times: Sequence[Any] | None = None) -> Evidence:
        """Cross-validate on logged answers, near-copies of an input on one side.

        An answer scores the share of (field, value) pairs that logged and given answer have in common, of all that either has.
        An input that repeats is judged once, by its first answer. Raises NothingToTest with fewer than five families of inputs.
        """
        repeats, same = repeated(texts, [normal(output) for output in outputs])
        rows = self._fitting(texts, first_rows(texts))
        own = PromptFamilies().fit([texts[row] for row in rows]).labels_
        families = len(np.unique(own))
        if families < FOLDS:
            raise NothingToTest(f"{families} families of inputs: five are needed")
        answers = [pairs_of(outputs[row]) for row in rows]
        task = _Task(self, [texts[row] for row in rows], answers)
        given: dict[int, Pairs] = {}

        def judge(train: Ints, test: Ints) -> tuple[Floats, Floats]:
            found, sure = task.learn(train).answer(task, test)
            given.update(zip(test.tolist(), found, strict=True))
            shared = [_shared(answers[row], pairs) for row, pairs in zip(test.tolist(), found, strict=True)]
            return np.array(shared), sure

        folds = cross_validate(judge, own)
        written = [_written(given[row]) for row in range(len(rows))]
        fields = tuple(_fields(task, [given[row] for row in range(len(rows))], own))
        trial = Trial(
            groups=own,
            baseline=_constant_score(answers),
            labels=len(set(answers)),
            repeats=repeats,
            same=same,
            times=None if times is None else [times[row] for row in rows],
            binary=False,
            texts=task.texts,
            logged=[_written(pairs) for pairs in answers],
        )
        return gather(judge, trial, folds, written, fields)

    def _fitting(self, texts: Sequence[str], rows: list[int]) -> list[int]:
        """As many of the inputs, the first ones, as keep the tagger's table small."""
        sizes = np.cumsum([min(len(texts[row].split()), self.max_words) for row in rows])
        return rows[: max(1, int(np.searchsorted(sizes, _MAX_ALL_WORDS, side="right")))]


def _written(pairs: Pairs) -> str:
    if all(path == WHOLE for path, _ in pairs):
        return " ".join(sorted(value for _, value in pairs))
    values: defaultdict[str, list[str]] = defaultdict(list)
    for path, value in sorted(pairs):
        values[path].append(value)
    return json.dumps({path: found[0] if len(found) == 1 else found for path, found in values.items()})


def _shared(logged: Pairs, given: Pairs) -> float:
    return len(logged & given) / len(logged | given) if logged or given else 1.0


def _constant_score(answers: Sequence[Pairs]) -> float:
    """The better of two answers that read no input: the most frequent one, or all pairs that most answers have."""
    counts = Counter(pair for answer in answers for pair in answer)
    usual = frozenset(pair for pair, n in counts.items() if 2 * n > len(answers))
    [(top, _)] = Counter(answers).most_common(1)
    return max(float(np.mean([_shared(answer, constant) for answer in answers])) for constant in (usual, top))


@dataclass(frozen=True)
class _Span:
    start: int
    stop: int
    path: str


class _Task:
    """Texts and answers with all that is hashed once: a table of texts, a table of words, spans of copied values."""

    def __init__(
        self,
        student: FieldStudent,
        texts: Sequence[str],
        answers: Sequence[Pairs],
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.student = student
        self.texts = texts
        self.answers = answers
        matches = [[*_WORD.finditer(text)][: student.max_words] for text in texts]
        self.places = [[match.span() for match in found] for found in matches]
        self.words = [[match[0].casefold() for match in found] for found in matches]
        shapes = {word: _shape(word) for word in {match[0] for found in matches for match in found}}
        self.shapes = [[shapes[match[0]] for match in found] for found in matches]
        self.offsets = np.cumsum([0, *map(len, self.words)])
        self.kinds = dict(given) if given is not None else kinds(answers, texts)
        self.spans = [list(self._spans(row)) for row in range(len(texts))]

    @cached_property
    def table(self) -> sparse.csr_array:
        return ProxyStudent()._table(list(self.texts))  # noqa: SLF001  the same view of a whole text

    @cached_property
    def word_table(self) -> Any:
        return marks.word_table(self.words, self.shapes)

    @cached_property
    def span_table(self) -> Any:
        """The spans of all rows, described."""
        return marks.table([self.describe(row, s.start, s.stop) for row, spans in enumerate(self.spans) for s in spans])

    @cached_property
    def span_rows(self) -> Ints:
        """The row that each span is in."""
        return np.repeat(np.arange(len(self.spans)), [len(spans) for spans in self.spans])

    @cached_property
    def span_paths(self) -> npt.NDArray[Any]:
        return np.array([span.path for spans in self.spans for span in spans], dtype=object)

    @cached_property
    def tags(self) -> Ints:
        tags = np.full(int(self.offsets[-1]), _OUT, dtype=np.int64)
        for row, spans in enumerate(self.spans):
            for span in spans:
                start = int(self.offsets[row])
                tags[start + span.start : start + span.stop] = _MORE
                tags[start + span.start] = _FIRST
        return tags

    @cached_property
    def is_told(self) -> npt.NDArray[np.bool_]:
        """Rows whose copied values all stand in the input: of the others nothing shows what should have been copied."""
        return np.array([self._is_told(row) for row in range(len(self.texts))], dtype=bool)

    def _is_told(self, row: int) -> bool:
        text, words = self.texts[row].casefold(), self.words[row]
        return all(stands_in(value, text, words) for path, value in self.answers[row] if self.kinds.get(path) == COPIED)

    def learn(self, rows: Ints) -> _Learned:
        return _Learned(self, rows)

    def words_of(self, rows: Ints) -> Ints:
        parts = [np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def copied(self, row: int, start: int, stop: int) -> str:
        places = self.places[row]
        return self.texts[row][places[start][0] : places[stop - 1][1]].casefold()

    def describe(self, row: int, start: int, stop: int) -> Ints:
        """What is known of a span, as columns: its words and theirs around it."""
        words, codes = self.words[row], self.codes[row]
        around = {at: _at(words, at) for at in (start - 2, start - 1, stop, stop + 1)}
        before, after = around[start - 1], around[stop]
        inside = words[start:stop]
        said = (
            f"whole={' '.join(inside)}",
            f"first={inside[0]}",
            f"last={inside[-1]}",
            f"length={min(len(inside), 6)}",
            f"before={before}",
            f"after={after}",
            f"before2={around[start - 2]} {before}",
            f"after2={after} {around[stop + 1]}",
            f"into={before} {inside[0]}",
        )
        outside = np.concatenate([codes[max(0, start - _AROUND) : start], codes[stop : stop + _AROUND]])
        return np.concatenate(
            [
                np.array([marks.code(mark) % marks.COLUMNS for mark in said]),
                marks.marked(codes[start:stop], "in="),
                marks.marked(self.shape_codes[row][start:stop], "shape="),
                marks.marked(outside, "out="),
            ]
        )

    @cached_property
    def codes(self) -> list[marks.Codes]:
        known: dict[str, int] = {}
        return [marks.codes_of(words, known) for words in self.words]

    @cached_property
    def shape_codes(self) -> list[marks.Codes]:
        known: dict[str, int] = {}
        return [marks.codes_of(shapes, known) for shapes in self.shapes]

    def _spans(self, row: int) -> Iterator[_Span]:
        """Where the copied values of a row stand: long values first, each word in one span only."""
        words, taken = self.words[row], set[int]()
        wanted = [(path, value) for path, value in self.answers[row] if self.kinds.get(path) == COPIED]
        for path, value in sorted(wanted, key=lambda pair: (-len(pair[1]), pair)):
            parts = _WORD.findall(value)
            for start in range(len(words) - len(parts) + 1 if parts else 0):
                place = range(start, start + len(parts))
                if words[start : start + len(parts)] == parts and taken.isdisjoint(place):
                    taken.update(place)
                    yield _Span(start, start + len(parts), path)
                    break


class _Learned:
    """Models of one set of rows: which words belong to a span, which field a span is of, and every closed field."""

    def __init__(self, task: _Task, rows: Ints) -> None:
        self.kinds = task.kinds
        C, seed = task.student.C, task.student.random_state  # noqa: N806
        told = rows[task.is_told[rows]]
        told = told if 2 * len(told) >= len(rows) else rows
        words = task.words_of(told)
        tags = task.tags[words]
        has_spans = tags.any()
        spans = np.isin(task.span_rows, told)
        self.tagger: Any = _classifier(task.word_table[words], tags, C, seed) if has_spans else None
        self.steps = _steps(task, told)
        self.namer: Any = (
            _classifier(task.span_table[spans], task.span_paths[spans].astype(str), C, seed) if has_spans else None
        )
        self.closed = {path: _closed(task, rows, path) for path in _dearest(task, rows)}
        self.constant = frozenset(
            pair
            for pair, n in Counter(pair for row in rows for pair in task.answers[row]).items()
            if task.kinds.get(pair[0]) == CONSTANT and 2 * n > len(rows)
        )

    def answer(self, task: _Task, rows: Ints) -> tuple[list[Pairs], Floats]:
        """Answers to the rows, and how sure: the smallest lead among the decisions behind one."""
        given: list[set[tuple[str, str]]] = [set(self.constant) for _ in rows]
        sure = np.full(len(rows), np.inf)
        if self.tagger is not None and self.namer is not None:
            self._copy(task, rows, given, sure)
        for path, field in self.closed.items():
            values, leads = field.answer(task, rows)
            for at, value in enumerate(values):
                given[at] |= {(path, part) for part in value.split(_JOIN) if part}
            sure = np.minimum(sure, leads)
        return [frozenset(pairs) for pairs in given], np.where(np.isinf(sure), 0.0, sure)

    def _copy(self, task: _Task, rows: Ints, given: list[set[tuple[str, str]]], sure: Floats) -> None:
        words = task.words_of(rows)
        if not len(words):
            return
        scores = np.full((len(words), 3), _NEVER)
        scores[:, self.tagger.classes_] = _scores(self.tagger, task.word_table[words])
        found, start = [], 0
        for at, row in enumerate(rows.tolist()):
            part = scores[start : start + len(task.words[row])]
            start += len(part)
            if len(part):
                sure[at] = _leads(part).min()
                found += [(at, row, *span) for span in _cut(_best_path(part, self.steps))]
        if not found:
            return
        table = marks.table([task.describe(row, first, stop) for _, row, first, stop in found])
        named = _scores(self.namer, table)
        names, leads = self.namer.classes_[named.argmax(axis=1)], _leads(named)
        for (at, row, first, stop), name, lead in zip(found, names, leads, strict=True):
            given[at].add((str(name), task.copied(row, first, stop)))
            sure[at] = min(sure[at], lead)


def _closed(task: _Task, rows: Ints, path: str) -> _Closed | _Listed:
    """Where values come in more combinations than there are values, each is learned by itself."""
    labels = [_value(task.answers[row], path) for row in rows]
    counts = Counter(value for label in labels for value in label.split(_JOIN) if value)
    often = sorted(value for value, n in counts.most_common(_MOST_LISTED) if n >= _MIN_LISTED)
    if len(set(labels)) > len(counts) + 1 and len(often) > 1:
        return _Listed(task.table[rows], labels, often)
    return _Closed(task.table[rows], labels)


class _Closed:
    """One field with few values, its absence being one of them; several values at once are one, too."""

    def __init__(self, table: Any, labels: Sequence[str]) -> None:
        self.student = ProxyStudent()
        self.only = labels[0] if len(set(labels)) == 1 else None
        if self.only is None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="The number of unique classes")
                self.student._fit_table(table, np.array(labels), weigh=True)  # noqa: SLF001

    def answer(self, task: _Task, rows: Ints) -> tuple[list[str], Floats]:
        if self.only is not None:
            return [self.only] * len(rows), np.full(len(rows), np.inf)
        scores = self.student._decide(task.table[rows])  # noqa: SLF001
        return list(self.student._pick(scores)), _leads(scores)  # noqa: SLF001


class _Listed:
    """One field with several values at once, such as tags: each is given or not, whatever the others are."""

    def __init__(self, table: Any, labels: Sequence[str], values: Sequence[str]) -> None:
        self.values = np.array(values, dtype=object)
        sets = [set(label.split(_JOIN)) for label in labels]
        is_there = np.array([[int(value in own) for value in values] for own in sets])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
            self.student = ProxyStudent()._fit_table(table, is_there, weigh=True)  # noqa: SLF001

    def answer(self, task: _Task, rows: Ints) -> tuple[list[str], Floats]:
        scores = self.student._decide(task.table[rows])  # noqa: SLF001
        return [_JOIN.join(self.values[row > 0]) for row in scores], np.abs(scores).min(axis=1)


_JOIN = "\x1f"


def _dearest(task: _Task, rows: Ints) -> list[str]:
    """The closed fields that most answers have; to judge hundreds would take hundreds of models."""
    counts = Counter(path for row in rows for path in {path for path, _ in task.answers[row]})
    closed = [path for path in sorted(counts, key=lambda path: (-counts[path], path)) if task.kinds.get(path) == CLOSED]
    return closed[:_MAX_CLOSED]


def _value(answer: Pairs, path: str) -> str:
    return _JOIN.join(sorted(value for name, value in answer if name == path))


def _fields(task: _Task, given: Sequence[Pairs], groups: Ints) -> Iterator[FieldEvidence]:
    """Evidence for each field that enough answers have, the most frequent first."""
    logged: defaultdict[str, list[int]] = defaultdict(list)
    for row, answer in enumerate(task.answers):
        for path in {path for path, _ in answer}:
            logged[path].append(row)
    for path, rows in sorted(logged.items(), key=lambda item: (-len(item[1]), item[0])):
        if len(rows) < _MIN_SHOWN:
            continue
        values = Counter(_value(task.answers[row], path) for row in rows)
        kind = task.kinds[path]
        judged = sorted({*rows, *(row for row, pairs in enumerate(given) if any(name == path for name, _ in pairs))})
        right = np.array([float(_value(task.answers[row], path) == _value(given[row], path)) for row in judged])
        low, high = interval(right, np.unique(groups[judged], return_inverse=True)[1], redrawn=REDRAWN)
        known = kind != OPEN
        yield FieldEvidence(
            path=path,
            kind=kind,
            share=len(rows) / len(task.answers),
            agreement=float(right.mean()) if known else None,
            low=low if known else None,
            high=high if known else None,
            baseline=max(values.values()) / len(rows),
        )


def _classifier(table: Any, y: Any, C: float, seed: int | None) -> Any:  # noqa: N803
    """A linear classifier, or one that knows a single answer where there is but one."""
    labels = np.asarray(y)
    if len(np.unique(labels)) == 1:
        return _Single(labels[:1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")
        return LinearSVC(C=C, tol=1e-2, random_state=seed, max_iter=10_000).fit(table, labels)


@dataclass(frozen=True)
class _Single:
    classes_: npt.NDArray[Any]

    def decision_function(self, table: Any) -> Floats:
        return np.zeros((table.shape[0], 1))


def _scores(model: Any, table: Any) -> Floats:
    """Scores with one column a class."""
    scores = np.asarray(model.decision_function(table), dtype=np.float64)
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def _leads(scores: Floats) -> Floats:
    """How far the best answer of each row is ahead of the second."""
    if scores.ndim == 1:
        return np.abs(scores)
    if scores.shape[1] == 1:
        return np.full(len(scores), np.inf)
    top = np.partition(scores, -2, axis=1)
    return np.asarray(top[:, -1] - top[:, -2])


def _steps(task: _Task, rows: Ints) -> Floats:
    """Log odds of one tag after another; a span never goes on that has not begun."""
    counts = np.full((3, 3), 0.5)
    for row in rows:
        tags = task.tags[task.offsets[row] : task.offsets[row + 1]]
        before = np.concatenate([[_OUT], tags[:-1]])[: len(tags)]
        np.add.at(counts, (before, tags), 1)
    steps = np.log(counts / counts.sum(axis=1, keepdims=True))
    steps[_OUT, _MORE] = _NEVER
    return np.asarray(steps)


def _best_path(scores: Floats, steps: Floats) -> list[int]:
    """The best sequence of tags (Viterbi)."""
    scores = _SHARPER * scores
    best = scores[0] + steps[_OUT]
    back = []
    for step in scores[1:]:
        ways = best[:, None] + steps
        back.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + step
    path = [int(best.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return path[::-1]


def _cut(tags: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Spans in a sequence of tags."""
    start = None
    for at, tag in enumerate([*tags, _OUT]):
        if start is not None and tag != _MORE:
            yield start, at
            start = None
        if tag == _FIRST:
            start = at


def _shape(word: str) -> str:
    return "".join("9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word[:6])


def _at(items: Sequence[str], at: int) -> str:
    return items[at] if 0 <= at < len(items) else "<" if at < 0 else ">"
