"""How often the student's 95 % interval holds the truth, and how wide it is: repeated draws from made-up tasks.

    python tests/bench/interval_coverage.py [--draws 200] [--rows 300] [--only WORD]

The truth is what a student trained on four fifths of the rows agrees with on fresh inputs of the same task, over many draws; answers
count as the log has them, wrong ones included. Width is held against two that know more than a log can tell: that of a Wilson interval on as
many independent rows of a known student (`rows`), and the span that holds 95 % of the estimates of all draws (`spread`). Prints one line a task.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_tasks import Draw, tasks

from llmaudit.detectors.answers import pairs_of
from llmaudit.detectors.evidence import REDRAWN, REDRAWN_FIELDS, cross_validate, interval, share_interval
from llmaudit.detectors.fields import FieldStudent, _shared, _Task
from llmaudit.detectors.kinds import kinds
from llmaudit.detectors.student import ProxyStudent

FRESH = 2_000
TRUTH_DRAWS = 60
LEAST_HELD, MOST_WIDE = 0.93, 1.3
"""What is asked of the intervals: to hold the truth, and not to be wider than that times the best."""


@dataclass(frozen=True)
class Labels:
    """Texts of filler words, some of them drawn from the words of the label; `noise` of the labels are drawn anew."""

    name: str
    labels: int
    signal: float
    """Chance that a word is one of its label's own."""
    noise: float = 0.0
    copies: int = 1
    """Near-copies of every input, which err together."""

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Texts, labels and families."""
        families = -(-rows // self.copies)
        labels = rng.integers(self.labels, size=families)
        words = rng.integers(400, size=(families, 12))
        own = rng.random((families, 12)) < self.signal
        told = rng.integers(12, size=(families, 12))
        texts = [
            " ".join(f"label{label}word{t}" if o else f"filler{w}" for w, o, t in zip(ws, os, ts, strict=True))
            for label, ws, os, ts in zip(labels, words, own, told, strict=True)
        ]
        given = np.where(rng.random(families) < self.noise, rng.integers(self.labels, size=families), labels)
        family = np.repeat(np.arange(families), self.copies)[:rows]
        return [f"{texts[f]} copy{n % self.copies}" for n, f in enumerate(family)], given[family], family

    def fresh(self, rows: int, rng: np.random.Generator) -> float:
        """Agreement on new inputs of a student of so many rows."""
        texts, labels, _ = self.draw(rows, rng)
        new, wanted, _ = self.draw(FRESH, rng)
        return float((ProxyStudent().fit(texts, labels).predict(new) == wanted).mean())

    def judged(self, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """How right each row was in its fold, and the families."""
        texts, labels, family = self.draw(rows, rng)
        student = ProxyStudent()
        table = student._table(texts)
        y = np.unique(labels, return_inverse=True)[1]

        def judge(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            picked, sure = student._judge(table, y, train, test)
            return (picked == y[test]).astype(float), sure

        return cross_validate(judge, family).right, family


@dataclass(frozen=True)
class Fields:
    """Objects of a made-up task, field by field; `noise` of the answers are another input's."""

    name: str
    pair: Draw
    noise: float = 0.0
    copies: int = 1

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
        dice = Random(int(rng.integers(2**32)))
        texts, answers = zip(*(self.pair(dice) for _ in range(rows)), strict=True)
        return list(texts), [dice.choice(answers) if dice.random() < self.noise else answer for answer in answers]

    def _scores(
        self, texts: list[str], answers: list[str], known: int
    ) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """What a field is, copied or one of a few values, is told by the first `known` rows."""
        pairs = [pairs_of(answer) for answer in answers]
        task = _Task(FieldStudent(), texts, pairs, kinds(pairs[:known], texts[:known]))

        def right(train: np.ndarray, test: np.ndarray) -> np.ndarray:
            given, _ = task.learn(train).answer(task, test)
            return np.array([_shared(pairs[row], found) for row, found in zip(test.tolist(), given, strict=True)])

        return right

    def fresh(self, rows: int, rng: np.random.Generator) -> float:
        right = self._scores(*self.draw(rows + FRESH, rng), known=rows)
        return float(right(np.arange(rows), np.arange(rows, rows + FRESH)).mean())

    def judged(self, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        right = self._scores(*self.draw(rows, rng), known=rows)
        family = np.arange(rows)
        return cross_validate(lambda train, test: (right(train, test), np.zeros(len(test))), family).right, family


_MADE = {task.name: task.draw for task in tasks()}
TASKS = (
    Labels("two labels, hard", 2, 0.08),
    Labels("two labels, hard, a tenth wrong", 2, 0.08, noise=0.1),
    Labels("four labels", 4, 0.15),
    Labels("four labels, a tenth wrong", 4, 0.15, noise=0.1),
    Labels("twenty labels", 20, 0.25),
    Labels("twenty labels, a tenth wrong", 20, 0.25, noise=0.1),
    Labels("easy", 6, 0.4),
    Labels("easy, a tenth wrong", 6, 0.4, noise=0.1),
    Labels("near-copies in threes", 4, 0.15, copies=3),
    Labels("near-copies in threes, a tenth wrong", 4, 0.15, noise=0.1, copies=3),
    Fields("two closed fields", _MADE["triage"]),
    Fields("two closed fields, a tenth wrong", _MADE["triage"], noise=0.1),
    Fields("copied fields, a tenth wrong", _MADE["order"], noise=0.1),
)


class Held(NamedTuple):
    """What the intervals of one task come to."""

    truth: float
    held: float
    """Share of intervals that hold the truth."""
    to_rows: float
    to_spread: float
    """Mean width over the best width, by either measure."""


def coverage(task: Labels | Fields, rows: int, draws: int, seed: int = 1) -> Held:
    rng = np.random.default_rng(seed)
    truth = float(np.mean([task.fresh(4 * rows // 5, rng) for _ in range(TRUTH_DRAWS)]))
    seen = np.array([_span(*task.judged(rows, rng), binary=isinstance(task, Labels)) for _ in range(draws)])
    low, high, estimate, alone = seen.T
    width = float((high - low).mean())
    spread = float(np.subtract(*np.quantile(estimate, [0.975, 0.025])))
    return Held(truth, float(np.mean((low <= truth) & (truth <= high))), width / float(alone.mean()), width / spread)


def _span(right: np.ndarray, family: np.ndarray, *, binary: bool) -> tuple[float, float, float, float]:
    """The interval, the estimate, and the width that rows of a known student would have."""
    low, high = interval(right, family, binary=binary, redrawn=REDRAWN if binary else REDRAWN_FIELDS)
    share = float(right.mean())
    even = share * (1 - share)
    count = len(np.unique(family)) * (1.0 if binary or not even else even / float(right.var()))
    return low, high, share, float(np.subtract(*share_interval(share, count)[::-1]))


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--draws", type=int, default=200)
    said.add_argument("--rows", type=int, default=300)
    said.add_argument("--only", default="", help="tasks with this in their name")
    asked = said.parse_args()
    print("| task | truth | intervals that hold it | width / rows | width / spread |")
    print("|---|--:|--:|--:|--:|")
    seen = []
    for task in TASKS:
        if asked.only in task.name:
            found = coverage(task, asked.rows, asked.draws)
            seen.append(found)
            shares = f"{found.truth:.3f} | {found.held:.3f} | {found.to_rows:.2f} | {found.to_spread:.2f}"
            print(f"| {task.name} | {shares} |", flush=True)
    held, wide = np.mean([one.held for one in seen]), np.mean([one.to_rows for one in seen])
    error = float(np.sqrt(LEAST_HELD * (1 - LEAST_HELD) / asked.draws))
    print(
        f"\n{len(seen)} tasks of {asked.draws} draws: held {held:.3f} in the mean, {min(one.held for one in seen):.3f} at worst"
    )
    print(
        f"(one task's share is known to +-{error:.3f}); width / rows {wide:.2f} in the mean, {max(one.to_rows for one in seen):.2f} at most"
    )
    short = [one for one in seen if one.held < LEAST_HELD or one.to_rows > MOST_WIDE]
    print(f"asked: {LEAST_HELD} or more, {MOST_WIDE} or less: {len(seen) - len(short)} of {len(seen)} tasks")


if __name__ == "__main__":
    main()
