"""A priced report on Claude Code's transcripts beside ccusage's: `python tests/bench/claude_code_race.py [--megabytes N]`.

Writes transcripts with planted truth (`make_claude_code.py`), then runs, in turn, `llmaudit report DIR -o r.json` and
`ccusage daily --json --offline` on them, each with its own processes. Prints what each counted beside the truth, and
wall and CPU seconds with the ratios of medians. ccusage comes from npm: `npm install ccusage` in any folder, then
`--ccusage FOLDER/node_modules/.bin/ccusage`. Needs a POSIX system.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_claude_code import write

OURS = {
    "input": "input_tokens",
    "cache writes": "cache_write_tokens",
    "cache reads": "cache_read_tokens",
    "output": "output_tokens",
}
THEIRS = {
    "input": "inputTokens",
    "cache writes": "cacheCreationTokens",
    "cache reads": "cacheReadTokens",
    "output": "outputTokens",
}
PLANTED = {
    "input": "input_tokens",
    "cache writes": "cache_creation_input_tokens",
    "cache reads": "cache_read_input_tokens",
    "output": "output_tokens",
}

Counts = dict[str, int | float]


def measured(command: list[str], out: Path, **environment: str) -> tuple[float, float]:
    """Wall and CPU seconds of one finished process and its children; what it prints goes to `out`."""
    with out.open("wb") as stdout:
        before, started = os.times(), time.perf_counter()
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=os.environ | environment, check=False)
        wall, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return wall, used


def ours(report: Path) -> Counts:
    """Our totals in disjoint classes: our input includes the cache."""
    totals = json.loads(report.read_text("utf-8"))["totals"]
    counted: Counts = {name: totals[key] for name, key in OURS.items()}
    counted["input"] -= counted["cache reads"] + counted["cache writes"]
    return {**counted, "usd": totals["cost_usd"]}


def theirs(answer: Path) -> Counts:
    totals = json.loads(answer.read_text("utf-8"))["totals"]
    return {**{name: totals[key] for name, key in THEIRS.items()}, "usd": round(totals["totalCost"], 6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="transcripts written earlier, with their truth.json")
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ccusage", default="ccusage")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "claude"
        if not (folder / "truth.json").exists():
            planted = write(folder, arguments.megabytes)
            (folder / "truth.json").write_text(json.dumps(planted), "utf-8")
        race(folder, Path(scratch), arguments.rounds, arguments.ccusage)


def race(folder: Path, scratch: Path, rounds: int, ccusage: str) -> None:
    logs, report, answer = folder / "projects", scratch / "r.json", scratch / "ccusage.json"
    audit = [sys.executable, "-m", "llmaudit.cli", "report", str(logs), "--quiet", "-o", str(report)]
    daily = [ccusage, "daily", "--json", "--offline"]
    runs: dict[str, list[tuple[float, float]]] = {"llmaudit": [], "ccusage": []}
    for _ in range(rounds):
        runs["llmaudit"].append(measured(audit, scratch / "said.txt"))
        runs["ccusage"].append(measured(daily, answer, CLAUDE_CONFIG_DIR=str(folder)))
    planted = json.loads((folder / "truth.json").read_text("utf-8"))
    files = list(logs.rglob("*.jsonl"))
    print(
        f"{sum(file.stat().st_size for file in files) / 10**6:,.0f} MB in {len(files)} files, {planted['calls']:,} calls"
    )
    ours_counted, theirs_counted = ours(report), theirs(answer)
    for name in (*PLANTED, "usd"):
        truth = f"{planted[PLANTED[name]]:,}" if name in PLANTED else "-"
        print(
            f"{name:13} planted {truth:>18}   llmaudit {ours_counted[name]:>18,}   ccusage {theirs_counted[name]:>18,}"
        )
    for name, taken in runs.items():
        wall, cpu = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"{name:13} wall {wall:7.2f} s   CPU {cpu:7.2f} s")
    pairs = list(zip(runs["llmaudit"], runs["ccusage"], strict=True))
    wall, cpu = (statistics.median(one[n] / other[n] for one, other in pairs) for n in (0, 1))
    print(f"llmaudit / ccusage: wall {wall:.2f}, CPU {cpu:.2f}")
    if any(ours_counted[name] != planted[key] for name, key in PLANTED.items()):
        raise SystemExit("llmaudit's tokens are not those that were planted")


if __name__ == "__main__":
    main()
