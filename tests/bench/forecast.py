"""How far the forecast from a few hundred inputs is from what 1,200 training inputs reach, with clean labels and with a tenth of them wrong.

    python tests/bench/forecast.py [--devdata DIR] [--more DIR] [--draws 5] [--rows 300]

The truth is what a student of 1,200 rows agrees with on the rest of the task, over a few draws. Prints one line a task. Folders as in
leave_one_out.py; only tasks with 1,400 rows or more are used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from leave_one_out import MOVABLE, NOISE, Given, logged, made, others
from made_tasks import tasks

from llmaudit.detectors.answers import normal, pairs_of
from llmaudit.detectors.evidence import FORECAST_ROWS, Evidence, NothingToTest
from llmaudit.detectors.fields import FieldStudent, _shared, _Task
from llmaudit.detectors.student import ProxyStudent

TRUTH_DRAWS = 3
CLOSE = 0.05
ENOUGH = 1_400


def line(task: Given, noise: float, rows: int, draws: int) -> str:
    drawn = task.drawn(None, noise)
    texts, answers = [text for text, _ in drawn.rows], [answer for _, answer in drawn.rows]
    structured = sum(answer[:1] == "{" for answer in answers) > len(answers) / 2 or len(set(answers)) > len(answers) / 2
    evaluate, right = (_fields if structured else _labels)(texts, answers)
    truth = float(np.mean([right(*_split(len(texts), FORECAST_ROWS, seed)) for seed in range(TRUTH_DRAWS)]))
    found = [_forecast(evaluate, _split(len(texts), rows, 100 + draw)[0]) for draw in range(draws)]
    seen = np.array([one for one in found if one is not None])
    if not len(seen):
        return f"| {task.name} | {noise:.0%} | {truth:.3f} | none | | |"
    off = seen[:, 0] - truth
    held = float(np.mean((seen[:, 1] <= truth) & (truth <= seen[:, 2])))
    close = float(np.mean(np.abs(off) <= CLOSE))
    return f"| {task.name} | {noise:.0%} | {truth:.3f} | {seen[:, 0].mean():.3f} | {off[np.abs(off).argmax()]:+.3f} | {close:.0%} | {held:.0%} |"


def _split(number: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(number)
    return order[:rows], order[rows:]


_Evaluate = Callable[[np.ndarray], Evidence]
_Right = Callable[[np.ndarray, np.ndarray], float]


def _labels(texts: list[str], answers: list[str]) -> tuple[_Evaluate, _Right]:
    labels = [normal(answer) for answer in answers]
    student = ProxyStudent()
    table, y = student._table(texts), np.unique(labels, return_inverse=True)[1]
    return (
        lambda rows: student.evaluate([texts[row] for row in rows], [labels[row] for row in rows]),
        lambda train, test: float((student._judge(table, y, train, test)[0] == y[test]).mean()),
    )


def _fields(texts: list[str], answers: list[str]) -> tuple[_Evaluate, _Right]:
    pairs = [pairs_of(answer) for answer in answers]
    task = _Task(FieldStudent(), texts, pairs)

    def right(train: np.ndarray, test: np.ndarray) -> float:
        given, _ = task.learn(train).answer(task, test)
        return float(np.mean([_shared(pairs[row], found) for row, found in zip(test.tolist(), given, strict=True)]))

    return lambda rows: FieldStudent().evaluate([texts[row] for row in rows], [answers[row] for row in rows]), right


def _forecast(evaluate: _Evaluate, rows: np.ndarray) -> tuple[float, float, float] | None:
    try:
        found = evaluate(rows).forecast
    except NothingToTest:
        return None
    return (found.estimate, found.low, found.high) if found else None


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--devdata", type=Path)
    said.add_argument("--more", type=Path)
    said.add_argument("--draws", type=int, default=5)
    said.add_argument("--rows", type=int, default=300)
    asked = said.parse_args()
    given = [
        *made(tasks(), "made"),
        *(logged(asked.devdata) if asked.devdata else ()),
        *(others(asked.more) if asked.more else ()),
    ]
    print("| task | noise | at 1,200 | forecast, mean | worst | within 0.05 | interval holds |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for task in given:
        if task.kind == MOVABLE and len(task.rows) >= ENOUGH:
            for noise in (0.0, NOISE):
                print(line(task, noise, asked.rows, asked.draws), flush=True)


if __name__ == "__main__":
    main()
