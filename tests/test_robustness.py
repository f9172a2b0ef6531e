"""Every source, its samples broken in every way: no record is lost, none stops the reading of the others, and it is said."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_sources import FILES, place

from llmaudit import sources
from llmaudit.lake import Lake
from llmaudit.lake.intake import ingest
from llmaudit.sources.base import Peek, open_text
from llmaudit.sources.reader import Reading, ReadOptions, read
from llmaudit.sources.unread import unread_counts

ODD: tuple[Any, ...] = (7, "odd", True, None, [], {}, [1, {"x": "y"}], {"deep": [None]})
JSON_FILES = [path for path in FILES if sources.by_name(place(path).parts[0]).shape in ("lines", "document")]
TABLES = [path for path in FILES if sources.by_name(place(path).parts[0]).shape == "csv"]
FEW = 3
"""Records of a sample that are broken in every way."""


def objects(path: Path) -> list[dict[str, Any]]:
    text = path.read_text("utf-8-sig")
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    at = 0
    while (at := min((text.find(mark, at) for mark in "{[" if text.find(mark, at) >= 0), default=-1)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            at += 1
            continue
        found += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
    return found


def short(value: Any) -> Any:
    """The same with lists cut to their first two: a page of a month would be broken a thousand times."""
    if isinstance(value, list):
        return [short(each) for each in value[:2]]
    return {name: short(each) for name, each in value.items()} if isinstance(value, dict) else value


def broken(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The record with a new field, and with each of its blocks gone or of another type, two floors deep."""
    yield {**record, "brand_new": {"deep": [None, 1]}}
    for at, (name, value) in enumerate(record.items()):
        yield {key: each for key, each in record.items() if key != name}
        yield {**record, name: ODD[at % len(ODD)]}
        if isinstance(value, dict):
            yield {**record, name: {**value, "brand_new": 3}}
            for inner_at, inner in enumerate(value):
                yield {**record, name: {**value, inner: ODD[(at + inner_at) % len(ODD)]}}


def told(reading: Reading) -> int:
    return reading.rows_kept + reading.rows_merged + sum(reading.not_calls.values()) + len(reading.refused)


def reading_of(path: Path, source: str) -> Reading:
    reading = Reading(source)
    for _ in read(
        sources.by_name(source), path, reading, ReadOptions(content_hash="h", longest_line=path.stat().st_size)
    ):
        pass
    return reading


@pytest.mark.parametrize("path", JSON_FILES, ids=lambda path: str(place(path)))
def test_a_new_field_a_changed_type_and_a_missing_block_lose_no_record(tmp_path, path):
    source = place(path).parts[0]
    whole = [short(record) for record in objects(path)[:FEW]]
    records = [each for record in whole for each in (record, *broken(record))]
    odd = tmp_path / path.name.removesuffix(".gz")
    odd.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    reading = reading_of(odd, source)
    assert told(reading) == reading.rows_read
    assert reading.rows_read >= len(records) or sources.by_name(source).table != "requests"
    assert all(refused.reason for refused in reading.refused)


@pytest.mark.slow
@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(place(path)))
def test_a_new_a_missing_and_an_odd_column_of_a_table_lose_no_row(tmp_path, path):
    source = place(path).parts[0]
    with open_text(path) as text:
        content = text.read()
    delimiter = max(",;\t|", key=content.splitlines()[0].count)
    rows = [row for row in csv.reader(io.StringIO(content), delimiter=delimiter) if any(row)]
    header, body = rows[0], rows[1 : 1 + FEW]
    versions = [([*header, "Brand New"], [[*row, "x"] for row in body])]
    for at in range(len(header)):
        versions.append(([*header[:at], *header[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in body]))
        versions.append((header, [[*row[:at], "odd", *row[at + 1 :]] for row in body if at < len(row)]))
    for number, (names, lines) in enumerate(versions):
        odd = tmp_path / f"{number}.csv"
        with odd.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([names, *lines])
        reading = reading_of(odd, source)
        assert told(reading) == reading.rows_read, names
        assert reading.rows_read >= sum(any(row) for row in lines), names


def test_a_new_kind_of_token_is_said_with_its_count_and_known_ones_are_not(tmp_path):
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "telepathy_tokens": 4}
    call = {"timestamp": "2026-10-07T12:00:00Z", "request": {"model": "gpt-4o", "max_tokens": 9}, "response": {"model": "gpt-4o", "choices": [], "usage": usage}}  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({**call, "request_id": str(at)}) + "\n" for at in range(3)))
    lake = Lake.temporary(tmp_path / "lake")
    ingest(lake, [str(path)], spool=tmp_path)
    [line] = lake.ingests().iter_rows(named=True)
    [warning] = json.loads(line["warnings"])
    assert warning["kind"] == "unread_counts"
    assert "telepathy_tokens (3 times)" in warning["text"]
    assert line["rows_kept"] == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(place(path)))
def test_no_sample_has_a_count_that_its_source_does_not_read(path):
    assert unread_counts(sources.by_name(place(path).parts[0]), Peek.of(path)) == {}
