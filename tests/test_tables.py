"""Tables as spreadsheets, databases and people write them: the same rows, or a row given up with its reason, never another amount."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import pytest
from test_sources import FURTHER, claims, read_file

COST_TABLE = FURTHER / "openai_cost_csv" / "cost_2026-10-01_2026-10-03.csv"
CUR = FURTHER / "aws_cur" / "harbor-cur2-00001.csv"


def cells(path):
    return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))


def written(tmp_path, rows, delimiter=",", encoding="utf-8", name="bill.csv"):
    path = tmp_path / name
    with path.open("w", newline="", encoding=encoding) as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)
    return path


def with_decimal_commas(rows):
    return [[re.sub(r"^(-?\d+)\.(\d+)$", r"\1,\2", cell) for cell in row] for row in rows]


def facts(path):
    """What the rows say, but for where they stood."""
    rows, reading = read_file(path)
    shown = [{k: v for k, v in row.items() if k not in ("record", "call_key", "request_id")} for row in rows]
    return shown, len(reading.refused), reading.not_calls


def dump(rows):
    """A psql dump of LiteLLM's table with these cells."""
    heads = [
        "request_id",
        "call_type",
        "startTime",
        "endTime",
        "model",
        "spend",
        "prompt_tokens",
        "completion_tokens",
        "team_id",
    ]
    return [heads, *rows]


CALL = ["r-1", "acompletion", "2026-10-07 12:00:00", "2026-10-07 12:00:01", "gpt-4o", "0.0045", "1000", "200", "shop"]


@pytest.mark.parametrize("path", [COST_TABLE, CUR], ids=lambda path: path.parent.name)
@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("\t", "utf-16"), (",", "utf-8-sig"), ("|", "utf-8")]
)
def test_a_bill_says_the_same_whatever_divides_its_cells_and_however_it_is_encoded(tmp_path, path, delimiter, encoding):
    assert facts(written(tmp_path, cells(path), delimiter, encoding)) == facts(path)


@pytest.mark.parametrize("path", [COST_TABLE, CUR], ids=lambda path: path.parent.name)
def test_decimal_commas_of_a_spreadsheet_are_decimal_points(tmp_path, path):
    assert facts(written(tmp_path, with_decimal_commas(cells(path)), ";")) == facts(path)


def cost_table(*amounts):
    heads = [
        "start_time",
        "end_time",
        "start_time_iso",
        "end_time_iso",
        "amount_value",
        "amount_currency",
        "line_item",
        "project_id",
    ]
    day = ["1790812800", "1790899200", "2026-10-01T00:00:00+00:00", "2026-10-02T00:00:00+00:00"]
    return [heads, *[[*day, amount, "usd", f"gpt-4o, {at}", "p"] for at, amount in enumerate(amounts)]]


@pytest.mark.parametrize(
    ("amounts", "delimiter", "read"),
    [
        (["0,072", "1.234,50", "3"], ";", ["0.072", "1234.50", "3"]),
        (["0.072", "3"], ";", ["0.072", "3"]),
        (["0.072", "2,5"], ";", ["0.072"]),  # both in one file: the second is given up, it is not 25
        (["0,072"], ",", []),  # where a comma divides the cells it does not divide numbers
    ],
)
def test_an_amount_with_a_comma_is_read_one_way_or_given_up(tmp_path, amounts, delimiter, read):
    rows, reading = read_file(written(tmp_path, cost_table(*amounts), delimiter))
    assert [row["billed_cost"] for row in rows] == [Decimal(amount) for amount in read]
    assert len(reading.refused) == len(amounts) - len(read)


@pytest.mark.parametrize("nothing", ["NULL", "null", "\\N", ""])
def test_what_a_database_writes_for_nothing_is_nothing(tmp_path, nothing):
    [row] = read_file(written(tmp_path, dump([[*CALL[:-1], nothing]])))[0]
    assert (row["team"], row["input_tokens"]) == (None, 1_000)


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_headings_in_another_case_are_the_same_headings(tmp_path, change):
    heads, *rows = dump([CALL])
    [row] = read_file(written(tmp_path, [[change(name) for name in heads], *rows]))[0]
    assert (row["started_at"].isoformat(), row["output_tokens"]) == ("2026-10-07T12:00:00", 200)


def test_a_row_in_which_the_file_breaks_off_is_given_up_and_a_short_one_inside_is_not(tmp_path):
    path = written(tmp_path, dump([CALL[:-1], CALL]))
    whole = path.read_bytes()
    path.write_bytes(whole.rstrip() + b"\r\nr-3,acompletion,2026-10-07 12:00:05,2026-10-07 12:00:06,gpt-4o,0.00")
    rows, reading = read_file(path)
    assert len(rows) == 2
    assert [refused.reason for refused in reading.refused] == ["the file breaks off: 6 cells under 9 headings"]


def test_the_last_row_needs_no_line_break(tmp_path):
    path = written(tmp_path, dump([CALL]))
    path.write_bytes(path.read_bytes().rstrip())
    assert len(read_file(path)[0]) == 1


def test_p9_cost_explorers_pivot_reads_the_same_with_semicolons_and_decimal_commas(tmp_path):
    [path] = (FURTHER / "aws_cost_explorer_csv").iterdir()
    assert facts(written(tmp_path, with_decimal_commas(cells(path)), ";")) == facts(path)


@pytest.mark.parametrize("nested", ["[[%s]]", "[[%s],[]]", "[\n [\n%s\n]]"])
def test_pages_in_an_array_of_pages_are_known_for_what_they_are(tmp_path, nested):
    row = '{"request_id":"a","call_type":"acompletion","startTime":"2026-10-07T12:00:00Z","model":"m","spend":0.1,"prompt_tokens":3,"completion_tokens":1}'
    path = tmp_path / "pages.json"
    path.write_text(nested % row)
    assert claims(path) == ["litellm_spend_logs"]
    assert len(read_file(path)[0]) == 1
