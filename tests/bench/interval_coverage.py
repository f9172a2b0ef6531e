"""How often the student's 95 % interval holds the truth, and how wide it is: repeated draws from made-up tasks.

    python tests/bench/interval_coverage.py [--draws 200] [--rows 300]

The truth is what a student trained on four fifths of the rows agrees with on fresh inputs of the same task, over many draws. The best
width is that of a binomial share on as many independent rows. Prints one line a task.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from llmaudit.detectors.evidence import REDRAWN, cross_validate, interval
from llmaudit.detectors.student import ProxyStudent

FRESH = 2_000
TRUTH_DRAWS = 20


@dataclass(frozen=True)
class Task:
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


TASKS = (
    Task("two labels, hard", 2, 0.08),
    Task("four labels", 4, 0.15),
    Task("four labels, a tenth wrong", 4, 0.15, noise=0.1),
    Task("twenty labels", 20, 0.25),
    Task("twenty labels, a tenth wrong", 20, 0.25, noise=0.1),
    Task("easy", 6, 0.4),
    Task("easy, a tenth wrong", 6, 0.4, noise=0.1),
    Task("near-copies in threes", 4, 0.15, copies=3),
)


def coverage(task: Task, rows: int, draws: int, seed: int = 1) -> tuple[float, float, float]:
    """Share of intervals that hold the truth, mean width over the best width, and the truth."""
    rng = np.random.default_rng(seed)
    truth = float(np.mean([_fresh(task, rows, rng) for _ in range(TRUTH_DRAWS)]))
    spans = np.array([_span(task, rows, rng) for _ in range(draws)])
    held = float(np.mean((spans[:, 0] <= truth) & (truth <= spans[:, 1])))
    best = 2 * 1.959964 * np.sqrt(truth * (1 - truth) * task.copies / rows)
    return held, float((spans[:, 1] - spans[:, 0]).mean() / best), truth


def _fresh(task: Task, rows: int, rng: np.random.Generator) -> float:
    texts, labels, _ = task.draw(4 * rows // 5, rng)
    new, wanted, _ = task.draw(FRESH, rng)
    return float((ProxyStudent().fit(texts, labels).predict(new) == wanted).mean())


def _span(task: Task, rows: int, rng: np.random.Generator) -> tuple[float, float]:
    texts, labels, family = task.draw(rows, rng)
    student = ProxyStudent()
    table = student._table(texts)
    y = np.unique(labels, return_inverse=True)[1]

    def judge(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        picked, sure = student._judge(table, y, train, test)
        return (picked == y[test]).astype(float), sure

    folds = cross_validate(judge, family)
    return interval(folds.right, family, redrawn=REDRAWN)


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--draws", type=int, default=200)
    said.add_argument("--rows", type=int, default=300)
    asked = said.parse_args()
    print("| task | truth | intervals that hold it | width / best width |")
    print("|---|--:|--:|--:|")
    for task in TASKS:
        held, width, truth = coverage(task, asked.rows, asked.draws)
        print(f"| {task.name} | {truth:.3f} | {held:.3f} | {width:.2f} |", flush=True)


if __name__ == "__main__":
    main()
