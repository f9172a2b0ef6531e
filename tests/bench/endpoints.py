"""Times endpoint discovery and the judging of endpoints on an unlabelled log of made-up tasks.

    python tests/bench/endpoints.py [--rows 100000] [--endpoints 50]

The log is written and taken in first, which is not timed. Prints wall and CPU seconds of each part, workers included, and the peak
memory of the process with all its workers; then how well the endpoints were recovered and what became of the made-up tasks.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_tasks import Task, many, prompts

REPEATS = 0.1
"""Calls that ask what another call of the endpoint has asked."""


def write(path: Path, rows: int, endpoints: int) -> dict[str, Task]:
    """Write an unlabelled log over 30 days; return the task of each request id's first part."""
    made = many(endpoints)
    dice = random.Random(1)
    weights = [1 / (n + 3) ** 0.3 for n in range(len(made))]
    sizes = Counter(dice.choices(range(len(made)), weights, k=rows))
    calls = [call for n, task in enumerate(made) for call in _calls(n, task, sizes[n])]
    dice.shuffle(calls)
    with path.open("w", encoding="utf-8") as out:
        for number, call in enumerate(calls):
            second = number * 30 * 86_400 // len(calls)
            at = f"2026-10-{1 + second // 86_400:02}T{second % 86_400 // 3_600:02}:{second % 3_600 // 60:02}:{second % 60:02}Z"
            out.write(json.dumps({"timestamp": at, **call}) + "\n")
    return {f"{n}": task for n, task in enumerate(made)}


def _calls(number: int, task: Task, size: int) -> Iterator[dict[str, object]]:
    rows = task.rows(max(1, round(size * (1 - REPEATS))), 1)
    rows += random.Random(number).choices(rows, k=size - len(rows))
    tools = [{"type": "function", "function": {"name": f"{name}_{number}"}} for name in ("find", "add")]
    for n, ((system, prompt), (_, answer)) in enumerate(zip(prompts(task, rows, number % 4), rows, strict=True)):
        messages = [{"role": "system", "content": system}] if system else []
        message: dict[str, object] = {"role": "assistant", "content": answer or None}
        if task.tools:
            message["tool_calls"] = [
                {"id": f"c{n}", "type": "function", "function": {"name": f"find_{number}", "arguments": "{}"}}
            ]
        request = {"model": "gpt-4o", "messages": [*messages, {"role": "user", "content": prompt}], "temperature": 0}
        yield {
            "request_id": f"{number}-{n}",
            "provider": "openai",
            "request": request | ({"tools": tools} if task.tools else {}),
            "response": {
                "model": "gpt-4o-2024-08-06",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 20 + len(prompt) // 4, "completion_tokens": 1 + len(answer) // 4},
            },
            "status": 200,
        }


@dataclass
class Clock:
    """What the process and all its workers take; their memory is looked at ten times a second."""

    parts: dict[str, tuple[float, float]] = field(default_factory=dict)
    peak_bytes: int = 0
    _cpu: dict[int, float] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        yield
        self._done.set()
        watcher.join()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), self._now()
        yield
        self.parts[name] = time.perf_counter() - wall, self._now() - cpu

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self._now()

    def _now(self) -> float:
        used = 0
        for pid in _family(os.getpid()):
            try:
                user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
                self._cpu[pid] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
                # Shared pages count once, divided among those that share them.
                shared = Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:", 1)[1]
                used += int(shared.split()[0]) * 1_024
            except (OSError, IndexError):  # it has just ended
                continue
        self.peak_bytes = max(self.peak_bytes, used)
        return sum(self._cpu.values())


def _family(pid: int) -> list[int]:
    children = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [pid, *(one for child in children.split() for one in _family(int(child)))]


def main() -> None:
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--rows", type=int, default=100_000)
    said.add_argument("--endpoints", type=int, default=50)
    said.add_argument("--keep", type=Path, help="also write the sample as Parquet")
    asked = said.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log.jsonl"
        truth = write(log, asked.rows, asked.endpoints)
        _time(log, truth, asked.keep)


def _time(log: Path, truth: dict[str, Task], keep: Path | None) -> None:
    import polars as pl
    from sklearn.metrics import adjusted_rand_score

    from llmaudit import queries
    from llmaudit.config import AuditConfig
    from llmaudit.detectors import endpoints, sample, verdicts
    from llmaudit.lake.sampling import SAMPLE_PER_STRATUM
    from llmaudit.opening import opened

    clock = Clock()
    with opened(AuditConfig(paths=(str(log),))) as (engine, _, _), clock.running():
        with clock.part("sample read"):
            found = sample.load(engine, per_stratum=SAMPLE_PER_STRATUM)
        if keep:
            found.write_parquet(keep)
        with clock.part("endpoints discovered"):
            discovery = endpoints.discover(found)
        with clock.part("rules applied to the whole log"):
            engine.put("endpoint_rules", discovery.rules.to_arrow())
            given = pl.DataFrame(engine.fetch(queries.run(engine, "discovered", into="found_endpoints")))
        labels = given.rename({"endpoint": "found"})
        named = (
            found.drop("endpoint")
            .join(labels, on="request_id", how="left", maintain_order="left")
            .rename({"found": "endpoint"})
        )
        costs = (
            labels.group_by("found").len("requests").rename({"found": "endpoint"}).with_columns(cost_usd=pl.lit(1.0))
        )
        with clock.part("students and verdicts"):
            judged = verdicts.judge(named, costs)
    print(f"{found.height:,} calls in the sample, {given.height:,} of the log named, {len(judged)} endpoints")
    print("\n| part | wall s | CPU s |\n|---|--:|--:|")
    for name, (wall, cpu) in clock.parts.items():
        print(f"| {name} | {wall:.1f} | {cpu:.1f} |")
    print(f"| all | {sum(w for w, _ in clock.parts.values()):.1f} | {sum(c for _, c in clock.parts.values()):.1f} |")
    print(f"\npeak {clock.peak_bytes / 2**20:,.0f} MiB\n")
    tasks = given["request_id"].str.split("-").list.first()
    print(f"adjusted Rand index over the calls named: {adjusted_rand_score(tasks, given['endpoint']):.3f}")
    of = dict(zip(given["endpoint"], tasks, strict=True))
    kinds = Counter((truth[of[v.endpoint]].kind, v.verdict, v.reason_code) for v in judged if v.endpoint)
    for (kind, verdict, code), number in sorted(kinds.items(), key=str):
        print(f"{kind}: {number} {verdict} ({code})")


if __name__ == "__main__":
    main()
