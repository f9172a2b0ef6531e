"""What taking a log into a lake costs beside DuckDB's own reading of it: `python tests/bench/ingest.py [--rows N] [FILE]`.

Runs, in turn and each in a process of its own: a bare DuckDB `COPY (select ... from read_json) to Parquet` of twelve
fields without texts, the same with the texts kept, and `llmaudit ingest` into a new lake. Prints wall and CPU seconds,
peak memory and the ratios of medians. Needs a POSIX system.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_log import write

FIELDS = """
copy (
    select timestamp, request_id, endpoint, team, "user", provider, latency_ms, status, request.model as asked,
        response.model as answered, response.usage.prompt_tokens as input_tokens,
        response.usage.completion_tokens as output_tokens {texts}
    from read_json('{file}', format = 'newline_delimited', ignore_errors = true, columns = {{timestamp: 'VARCHAR',
        request_id: 'VARCHAR', endpoint: 'VARCHAR', team: 'VARCHAR', "user": 'VARCHAR', provider: 'VARCHAR',
        latency_ms: 'VARCHAR', status: 'VARCHAR', request: 'STRUCT(model VARCHAR {messages})',
        response: 'STRUCT(model VARCHAR, usage STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT) {choices})'}})
) to '{out}' (format parquet, compression zstd)
"""


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of one finished process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"{' '.join(command[:4])} ended with {status}")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1_024


def bare(file: Path, out: Path, *, texts: bool) -> list[str]:
    parts = {
        "texts": ", request.messages, response.choices" if texts else "",
        "messages": ", messages JSON" if texts else "",
        "choices": ", choices JSON" if texts else "",
    }
    sql = FIELDS.format(file=file, out=out, **parts)
    return [sys.executable, "-c", f"import duckdb; duckdb.connect().execute({sql!r})"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = arguments.file or folder / "log.jsonl"
        if not arguments.file:
            write(file, arguments.rows)
        print(f"{file.stat().st_size / 2**20:,.0f} MiB, {arguments.rounds} rounds")
        compare(file, folder, arguments.rounds)


def compare(file: Path, folder: Path, rounds: int) -> None:
    llmaudit = [sys.executable, "-m", "llmaudit.cli", "ingest", str(file), "--quiet", "--lake", str(folder / "lake")]
    contenders = {
        "DuckDB COPY, 12 fields": bare(file, folder / "fields.parquet", texts=False),
        "DuckDB COPY, with texts": bare(file, folder / "texts.parquet", texts=True),
        "llmaudit ingest": llmaudit,
    }
    results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, command in contenders.items():
            shutil.rmtree(folder / "lake", ignore_errors=True)
            results[name].append(measured(command))
    for name, runs in results.items():
        wall, cpu, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:26} wall {wall:7.2f} s   CPU {cpu:7.2f} s   peak {peak:6,.0f} MiB")
    ours = results["llmaudit ingest"]
    for name in list(contenders)[:2]:
        wall, cpu = (statistics.median(a[n] / b[n] for a, b in zip(ours, results[name], strict=True)) for n in (0, 1))
        print(f"llmaudit ingest / {name}: wall {wall:.1f}, CPU {cpu:.1f}")


if __name__ == "__main__":
    main()
