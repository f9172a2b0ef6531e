"""Taking a log in stays near DuckDB's own reading of it, and pricing far from a calculator's call per row. A gross slip fails; a slow or busy machine does not: both are measured in CPU seconds."""

import sys
import time
from datetime import UTC
from pathlib import Path

import pytest

import llmaudit

ROWS = 20_000
MOST = 9


@pytest.mark.slow
def test_taking_in_costs_a_few_times_what_duckdb_takes_to_copy_the_same_texts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "bench"))
    from ingest import bare, measured
    from make_log import write

    log, one = tmp_path / "log.jsonl", tmp_path / "one.jsonl"
    write(log, ROWS)
    write(one, 1)

    def cpu_seconds(file, lake):
        command = [sys.executable, "-m", "llmaudit.cli", "ingest", str(file), "--quiet", "--lake", str(tmp_path / lake)]
        return measured(command)[1]

    copied = min(measured(bare(log, tmp_path / f"{n}.parquet", texts=True))[1] for n in range(2))
    # What starting up costs, imports above all, is taken off: it is the same for a log of any size.
    taken = min(cpu_seconds(log, f"lake-{n}") for n in range(2)) - cpu_seconds(one, "one")
    # Measured: 3 to 4. Hashing every row anew, or looking for secrets in every text, made it 5 on top of that.
    assert taken / copied < MOST


@pytest.mark.slow
def test_a_call_is_priced_in_a_two_hundredth_of_what_a_calculator_takes(monkeypatch):
    pytest.importorskip("genai_prices")
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "bench"))
    import pricing

    frame = pricing.calls(1_000_000)
    llmaudit.price(frame.head(10))
    begun = time.process_time()
    priced = llmaudit.price(frame)
    ours = frame.height / (time.process_time() - begun)
    rows = [{**row, "started_at": row["started_at"].replace(tzinfo=UTC)} for row in priced.head(20_000).to_dicts()]
    _, theirs, compared, equal = pricing.beside(pricing.genai_prices(), rows)
    assert equal == compared
    # Measured: about 500.
    assert ours / theirs > 200
