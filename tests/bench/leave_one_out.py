"""Leave one task out: the gate of the verdict (MIN_LIFT) is set on all tasks but one, and that one is judged by it.

    python tests/bench/leave_one_out.py [--devdata DIR] [--more DIR] [--fresh SEED] [--jobs 1]

Tasks are the made-up ones, those of a development log beside its truth, and files of other people's tasks in `--more`, named
<kind>.<name>.jsonl with `input` and `output` a line. The gate is put in the middle of the gap between the movable tasks and the
others; where they overlap, where fewest are on the wrong side. Done on all rows, on 600 and on 300, each also with a tenth of the answers drawn anew.
With `--fresh` the tasks are those of fresh_tasks.py and of `--more` alone: what counts there is the column `shipped`, the gates as they are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from fresh_tasks import fresh
from made_tasks import Task, tasks

from llmaudit.detectors.verdicts import MIN_MARGIN

ROWS = 1_500
SIZES = (None, 300, 600)
NOISE = 0.1
MOVABLE = "movable"
GATES = ("lift",)
"""The other gate, MIN_MARGIN above the most frequent answer, is a guard for one-sided tasks; it is not set by tasks and stays as it is."""


@dataclass(frozen=True)
class Given:
    """One task: its name, its kind, its inputs and answers."""

    name: str
    kind: str
    rows: tuple[tuple[str, str], ...]

    def drawn(self, size: int | None, noise: float) -> Given:
        dice = random.Random(f"{self.name} {size} {noise}")
        whole = range(len(self.rows))
        rows = [self.rows[n] for n in (whole if size is None else sorted(dice.sample(whole, min(size, len(whole)))))]
        answers = [answer for _, answer in rows]
        return Given(
            self.name,
            self.kind,
            tuple((text, dice.choice(answers) if dice.random() < noise else answer) for text, answer in rows),
        )


@dataclass(frozen=True)
class Shown:
    """What the evidence of a task comes to: its verdict without the gates, and where it stands by each of them."""

    task: str
    kind: str
    verdict: str
    code: str
    shipped: str
    lift: float | None
    margin: float | None


def made(drawn: Sequence[Task], name: str) -> Iterator[Given]:
    for task in drawn:
        if not task.tools:
            yield Given(f"{name}/{task.name}", task.kind, tuple(task.rows(ROWS, 1)))


def logged(folder: Path) -> Iterator[Given]:
    """The endpoints of a development log."""
    kinds = {name: told["kind"] for name, told in json.loads((folder / "truth.json").read_text())["endpoints"].items()}
    rows: dict[str, list[tuple[str, str]]] = {}
    with gzip.open(folder / "devlog.jsonl.gz", "rt") as lines:
        for line in lines:
            call = json.loads(line)
            text = call["request"]["messages"][-1]["content"]
            if call["status"] == 200 and text:
                answer = call["response"]["choices"][0]["message"]["content"]
                rows.setdefault(call["endpoint"], []).append((text, answer))
    for name, found in sorted(rows.items()):
        yield Given(name, kinds[name], tuple(found[:ROWS]))


def others(folder: Path) -> Iterator[Given]:
    for path in sorted(folder.glob("*.jsonl")):
        kind, name, _ = path.name.split(".", 2)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        yield Given(name, kind, tuple((row["input"], row["output"]) for row in rows[:ROWS]))


def shown(task: Given, size: int | None, noise: float) -> Shown:
    """Judge once without gates; what they would have said follows from where the task stands."""
    import polars as pl

    from llmaudit.detectors import verdicts

    drawn = task.drawn(size, noise)
    inputs, outputs = zip(*drawn.rows, strict=True)
    number = len(inputs)
    frame = pl.DataFrame(
        {
            "request_id": [f"r{n}" for n in range(number)],
            "call_key": [f"{n:06}" for n in range(number)],
            "started_at": pl.Series(np.arange(number) * 60_000_000, dtype=pl.Int64).cast(pl.Datetime("us")),
            "status": ["ok"] * number,
            **{name: pl.Series([None] * number, dtype=pl.Int32) for name in ("tools_offered", "tools_called")},
            **{
                name: pl.Series([None] * number, dtype=pl.Int64)
                for name in ("input_tokens", "output_tokens", "reasoning_tokens")
            },
            "system": pl.Series([None] * number, dtype=pl.String),
            "prompt": inputs,
            "output": outputs,
        }
    )
    kept = verdicts.MIN_LIFT, verdicts.MIN_MARGIN
    verdicts.MIN_LIFT, verdicts.MIN_MARGIN = -np.inf, -np.inf
    try:
        found = verdicts._verdict(task.name, number, frame)
    finally:
        verdicts.MIN_LIFT, verdicts.MIN_MARGIN = kept
    standing = (None, None) if found.evidence is None else verdicts.standing(found.evidence)
    moves = found.verdict == "move" and found.evidence and standing[0] >= kept[0] and standing[1] > kept[1]
    shipped = "move" if moves else "stay" if found.verdict == "move" else str(found.verdict)
    return Shown(task.name, task.kind, str(found.verdict), found.reason_code, shipped, *standing)


def gate(values: Sequence[tuple[float, bool]]) -> float:
    """Between the movable tasks and the others: the middle of the widest stretch where fewest are on the wrong side."""
    points = sorted({value for value, _ in values})
    edges = list(pairwise(points))
    wrong = {edge: sum((value > edge[0]) != movable for value, movable in values) for edge in edges}
    low, high = min(edges, key=lambda edge: (wrong[edge], edge[0] - edge[1]))
    return (low + high) / 2


def judged_by_the_rest(found: Sequence[Shown]) -> list[tuple[Shown, dict[str, float], str]]:
    """Each task with the gates that the others set, and what it gets by them."""
    result = []
    for left in found:
        rest = [one for one in found if one is not left and one.verdict == "move"]
        gates = {name: gate([(getattr(one, name), one.kind == MOVABLE) for one in rest]) for name in GATES}
        passed = left.verdict == "move" and left.lift > gates["lift"] and left.margin > MIN_MARGIN
        result.append((left, gates, "move" if passed else "stay"))
    return result


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--devdata", type=Path)
    said.add_argument("--more", type=Path)
    said.add_argument("--fresh", type=int)
    said.add_argument("--jobs", type=int, default=1)
    asked = said.parse_args()
    given = list(made(tasks(), "made") if asked.fresh is None else made(fresh(asked.fresh), f"fresh-{asked.fresh}"))
    given += [*(logged(asked.devdata) if asked.devdata else ()), *(others(asked.more) if asked.more else ())]
    for size in SIZES:
        for noise in (0.0, NOISE):
            with ProcessPoolExecutor(asked.jobs) as pool:
                found = list(pool.map(partial(shown, size=size, noise=noise), given))
            _tell(f"{size or 'all'} rows{', a tenth of the answers drawn anew' if noise else ''}", found)


def _tell(title: str, found: list[Shown]) -> None:
    judged = judged_by_the_rest(found)
    print(f"\n## {title}\n")
    print("| task | kind | without gates | lift | margin | gates of the rest | left out | shipped |")
    print("|---|---|---|--:|--:|---|---|---|")
    for one, gates, verdict in judged:
        shares = [("" if value is None else f"{value:.2f}") for value in (one.lift, one.margin)]
        set_at = ", ".join(f"{name} {value:.2f}" for name, value in gates.items())
        without = f"{one.verdict} ({one.code})"
        print(
            f"| {one.task} | {one.kind} | {without} | {shares[0]} | {shares[1]} | {set_at} | {verdict} | {one.shipped} |"
        )
    for name, answers in (("left out", [v for *_, v in judged]), ("shipped", [one.shipped for one in found])):
        moved = Counter(one.kind for one, answer in zip(found, answers, strict=True) if answer == "move")
        kinds = Counter(one.kind for one in found)
        print(
            f"\n{name}: " + ", ".join(f"{moved[kind]} of {kinds[kind]} {kind} move" for kind in sorted(kinds)),
            flush=True,
        )


if __name__ == "__main__":
    main()
