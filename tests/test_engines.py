"""Every engine keeps the promises of engine/base.py, and means the same by our SQL (docs/sql.md)."""

from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from llmaudit import engine as engines
from llmaudit.engine import duckdb as duckdb_engine
from llmaudit.engine.duckdb import DuckDB
from llmaudit.errors import AuditError, UnknownName
from llmaudit.schema import PRICED, REQUESTS, USD

CALLS = [
    {"request_id": "a", "started_at": "2026-01-01T10:00:30", "input_tokens": 5, "reported_cost_usd": "0.000000000007"},
    {"request_id": "b", "started_at": "2026-01-01T10:01:10", "input_tokens": 7, "prefix_hashes": [3, 4, 5]},
    {"request_id": "c", "started_at": "2026-01-04T00:00:00.000001", "endpoint": "/x", "prefix_hashes": []},
]


@pytest.fixture
def calls(engine, lake_requests):
    engine.put("requests", lake_requests(CALLS))
    return engine


def answer(engine, select, **params):
    """The rows of one SELECT as tuples."""
    engine.run(select, "answer", params)
    return [tuple(row.values()) for row in engine.fetch("answer").to_pylist()]


# --- tables ---------------------------------------------------------------------------------------


def test_no_files_are_an_empty_table_with_every_column(engine):
    engine.attach("requests", [], REQUESTS)
    got = engine.fetch("requests")
    assert got.num_rows == 0
    assert got.schema.names == REQUESTS.names
    assert got.schema.types == REQUESTS.types


def test_a_column_that_a_file_lacks_reads_as_null_and_one_too_many_is_left_out(engine, tmp_path):
    pq.write_table(pa.table({"request_id": ["old"], "gone": [1]}), tmp_path / "old.parquet")
    pq.write_table(pa.table({"request_id": ["new"], "input_tokens": [3]}), tmp_path / "new.parquet")
    engine.attach("requests", [str(tmp_path / name) for name in ("old.parquet", "new.parquet")], REQUESTS)
    got = engine.fetch("requests")
    assert got.schema.names == REQUESTS.names
    assert sorted(zip(*(got[c].to_pylist() for c in ("request_id", "input_tokens")), strict=True)) == [
        ("new", 3),
        ("old", None),
    ]


def test_every_type_of_the_canonical_tables_survives_attach_and_fetch(engine, lake_requests, tmp_path):
    table = lake_requests(
        [{**CALLS[1], "prompt_sketch": b"\x00\xff", "stream": True, "temperature": 0.1, "attempt": 2}]
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    engine.attach("requests", [str(tmp_path / "rows.parquet")], REQUESTS)
    got = engine.fetch("requests")
    assert got.schema.types == REQUESTS.types
    assert got.to_pylist() == table.to_pylist()


@pytest.mark.parametrize("place", ["day=2026-01-01", "a b", "[x]{y}*", "it's"])
def test_a_file_is_read_whatever_its_folder_is_called(engine, lake_requests, tmp_path, place):
    (tmp_path / place).mkdir()
    pq.write_table(lake_requests(CALLS[:1]), tmp_path / place / "rows.parquet")
    engine.attach("requests", [str(tmp_path / place / "rows.parquet")], REQUESTS)
    assert engine.fetch("requests")["request_id"].to_pylist() == ["a"]


def test_put_takes_what_polars_and_arrow_write_for_text(engine):
    columns = {"big": pa.large_string(), "view": pa.string_view(), "coded": pa.dictionary(pa.int32(), pa.string())}
    engine.put(
        "words", pa.table({name: pa.array(["x", None], pa.string()).cast(kind) for name, kind in columns.items()})
    )
    assert answer(engine, "select big, view, coded from words order by big") == [("x", "x", "x"), (None, None, None)]


def test_put_replaces_and_may_be_empty(engine):
    engine.put("words", pa.table({"word": ["x"]}))
    engine.put("words", pa.table({"word": pa.array([], pa.string())}))
    assert engine.fetch("words").num_rows == 0


def test_a_result_may_replace_the_table_it_was_made_from(calls):
    calls.run("select * from requests where request_id <> 'a' order by request_id", "requests", {})
    assert answer(calls, "select request_id from requests order by request_id") == [("b",), ("c",)]


def test_saved_tables_attach_again_as_they_were(calls, tmp_path):
    calls.save("requests", str(tmp_path / "saved.parquet"))
    reader = DuckDB()
    reader.attach("again", [str(tmp_path / "saved.parquet")], REQUESTS)
    assert sorted(reader.fetch("again").to_pylist(), key=str) == sorted(calls.fetch("requests").to_pylist(), key=str)
    reader.close()


def test_a_large_result_comes_in_the_order_its_query_asked_for(engine):
    engine.run("select unnest(range(0, 300000)) as n", "numbers", {})
    engine.run("select n from numbers order by n desc", "sorted_numbers", {})
    got = engine.fetch("sorted_numbers")["n"].to_numpy()
    assert (got[:-1] > got[1:]).all()


# --- aliases --------------------------------------------------------------------------------------


def test_an_alias_means_its_table_until_told_otherwise(calls):
    calls.put("others", pa.table({"request_id": ["z"]}))
    calls.alias("these", "requests")
    assert answer(calls, "select count(*) from these") == [(3,)]
    calls.alias("these", "others")
    assert answer(calls, "select request_id from these") == [("z",)]


def test_an_alias_follows_its_table_when_that_is_made_anew(calls):
    calls.alias("these", "requests")
    calls.alias("those", "these")
    calls.put("requests", pa.table({"other": ["z"]}))
    assert answer(calls, "select other from those") == [("z",)]


def test_an_alias_never_hides_a_real_table(calls):
    calls.put("others", pa.table({"request_id": ["z"]}))
    with pytest.raises(ValueError, match="others is a table, so it cannot become another name for requests"):
        calls.alias("others", "requests")
    with pytest.raises(ValueError, match="requests is a table"):
        calls.alias("requests", "requests")
    assert answer(calls, "select request_id from others") == [("z",)]


def test_an_alias_that_became_a_table_is_a_table(calls):
    calls.alias("these", "requests")
    calls.run("select 1 as one", "these", {})
    with pytest.raises(ValueError, match="these is a table"):
        calls.alias("these", "requests")


# --- running --------------------------------------------------------------------------------------


def test_params_that_the_sql_does_not_name_are_left_out(calls):
    sql = "-- $unused in a comment\nselect request_id from requests where input_tokens > $floor order by 1"
    assert answer(calls, sql, floor=5, unused=1) == [("b",)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime.fromisoformat("2026-01-01 12:00:00"), "timestamp"),
        (Decimal("0.000000000001"), "decimal(38, 12)"),
        ("it's $x", "varchar"),
        (None, "bigint"),
        (0.1, "double"),
        (2**40, "bigint"),
    ],
)
def test_params_arrive_as_they_were_given(engine, value, kind):
    assert answer(engine, f"select cast($x as {kind})", x=value) == [(value,)]


def test_batch_functions_see_every_row_once(calls):
    def longer(batches):
        for batch in batches:
            at = batch.schema.get_field_index("input_tokens")
            yield batch.set_column(at, "input_tokens", pc.add(batch["input_tokens"], 100))

    calls.map_batches("requests", longer, REQUESTS, "longer")
    assert calls.fetch("longer").schema.types == REQUESTS.types
    assert answer(calls, "select request_id, input_tokens from longer order by 1") == [
        ("a", 105),
        ("b", 107),
        ("c", None),
    ]


def test_batch_functions_may_order_and_type_their_columns_loosely(calls):
    def loose(batches):
        for batch in batches:
            yield pa.record_batch({"n": pa.array(range(len(batch)), pa.int32()), "word": pa.array(["x"] * len(batch))})

    schema = pa.schema([("word", pa.string()), ("n", pa.int64())])
    calls.map_batches("requests", loose, schema, "loose")
    assert calls.fetch("loose").schema.types == schema.types
    assert {word for word, _ in answer(calls, "select word, n from loose order by n")} == {"x"}


WHOLE = "select list(range) as numbers from range(8000000) order by all"
"""One list of 64 MB: what cannot spill."""


def test_a_step_that_cannot_spill_is_tried_again_with_more_memory(monkeypatch):
    monkeypatch.setattr(duckdb_engine, "USUAL_LIMIT_BYTES", 30_000_000)
    started = DuckDB(threads=1)
    started.run(WHOLE, "whole", {})
    assert len(started.fetch("whole")["numbers"][0]) == 8_000_000
    started.close()


def test_a_limit_that_the_user_set_is_kept_and_named_where_it_is_too_small():
    started = DuckDB(memory_limit="30MB", threads=1)
    try:
        with pytest.raises(AuditError, match=r"needs more memory than the 28\.6 MiB .*memory_limit.*--until"):
            started.run(WHOLE, "whole", {})
    finally:
        started.close()


def test_an_unknown_engine_is_named_with_those_there_are():
    with pytest.raises(UnknownName, match=r"No engine called 'dask'\. Known: duckdb, spark\."):
        engines.start("dask")


# --- money ----------------------------------------------------------------------------------------


def test_money_keeps_twelve_decimals_through_every_operation(engine):
    engine.put("prices", pa.table({"usd": pa.array([Decimal("123456789.000000123457")], USD), "n": [999_999_999_999]}))
    sums = {
        "usd + usd": "246913578.000000246914",
        "usd - cast('0.000000000001' as decimal(38, 12))": "123456789.000000123456",
        "cast(n as decimal(12, 0)) * usd": "123456788999876666667.999999876543",
        "usd * 2": "246913578.000000246914",
        "sum(usd)": "123456789.000000123457",
        "sum(cast(n as decimal(12, 0)) * usd)": "123456788999876666667.999999876543",
        "coalesce(null, usd, 0)": "123456789.000000123457",
        "greatest(usd - usd, 0)": "0",
        "sum(case when n > 0 then usd else 0 end)": "123456789.000000123457",
    }
    for formula, by_hand in sums.items():
        assert answer(engine, f"select {formula} from prices group by usd, n") == [(Decimal(by_hand),)], formula
        assert engine.fetch("answer").schema.field(0).type == USD, formula


def test_money_times_money_is_cast_back_before_it_is_summed(engine):
    engine.put("prices", pa.table({"usd": pa.array([Decimal("2.000000000003")], USD)}))
    rounded = "select cast(usd * cast('0.5' as decimal(38, 12)) as decimal(38, 12)) from prices"
    assert answer(engine, rounded) == [(Decimal("1.000000000002"),)]


def test_money_divided_by_money_is_a_double(engine):
    engine.put("prices", pa.table({"usd": pa.array([Decimal(1)], USD), "of_usd": pa.array([Decimal(3)], USD)}))
    assert answer(engine, "select usd / of_usd, 7 / 2 from prices") == [(1 / 3, 3.5)]


def test_sums_of_tokens_are_integers(calls):
    assert answer(calls, "select sum(input_tokens) as tokens from requests") == [(12,)]
    assert calls.fetch("answer").schema.field("tokens").type == pa.int64()


# --- idioms that sqlglot or the engines get differently (docs/sql.md) -------------------------------

SAME = {
    "select date_trunc('day', started_at) from requests where request_id = 'c'": [
        (datetime.fromisoformat("2026-01-04 00:00:00"),)
    ],
    "select date_diff('minute', min(started_at), max(started_at)) from requests where request_id <> 'c'": [(1,)],
    "select date_diff('day', started_at, timestamp '2026-01-02 00:00:00') from requests where request_id = 'a'": [(1,)],
    "select epoch_us(started_at) from requests where request_id = 'c'": [(1_767_484_800_000_001,)],
    "select epoch(started_at) from requests where request_id = 'a'": [(1_767_261_630.0,)],
    "select dayofweek(started_at), isodow(started_at) from requests where request_id = 'c'": [(0, 7)],
    "select arg_max(endpoint, started_at), arg_min(input_tokens, started_at) from requests": [("/x", 5)],
    "select arg_max(request_id, started_at) filter (where input_tokens > 0) from requests": [("b",)],
    "select prefix_hashes[1], prefix_hashes[-1], prefix_hashes[9] from requests where request_id = 'b'": [(3, 5, None)],
    "select prefix_hashes[input_tokens - 5] from requests where request_id = 'b'": [(4,)],
    "select prefix_hashes[input_tokens - 7] from requests where request_id = 'b'": [(None,)],
    "select prefix_hashes[2:3], list_slice(prefix_hashes, 1, 2) from requests where request_id = 'b'": [
        ([4, 5], [3, 4])
    ],
    "select request_id, unnest(generate_series(1, array_length(prefix_hashes))) from requests order by 1, 2": [
        ("b", 1),
        ("b", 2),
        ("b", 3),
    ],
    "select request_id, unnest(range(1, array_length(prefix_hashes))) from requests order by 1, 2": [
        ("b", 1),
        ("b", 2),
    ],
    "select strlen('é'), length('é')": [(2, 1)],
    "select string_agg(request_id, ',' order by started_at desc, request_id) from requests": [("c,b,a",)],
    "select endpoint from requests order by endpoint, request_id": [("/x",), (None,), (None,)],
    "select 8 / 4 / 2, 1 - 4 / 2, 7 // 2": [(1.0, -1.0, 3)],
}


@pytest.mark.parametrize("sql", SAME)
def test_the_idiom_has_one_answer(calls, sql):
    assert answer(calls, sql) == SAME[sql]


DIFFERENT = [
    "select quantile_cont(input_tokens, 0.5) from requests",
    "select percentile_cont(0.5) within group (order by input_tokens) from requests",
    "select approx_count_distinct(input_tokens) from requests",
    "select list(request_id order by started_at) from requests",
    "select hash(request_id) from requests",
    "select mode(endpoint) from requests",
    "select * from requests as r asof join requests as s on r.started_at >= s.started_at",
    "select regexp_replace(request_id, 'a', 'b') from requests",
    "select extract('dow' from started_at) from requests",
    "select epoch_ms(started_at) from requests",
    "select unnest(generate_series(1, 9, 2))",
    "select x.h from requests as r cross join unnest(r.prefix_hashes) with ordinality as x(h, i)",
]


@pytest.mark.parametrize("sql", DIFFERENT)
def test_sql_that_the_engines_answer_differently_is_refused(sql):
    spark = pytest.importorskip("llmaudit.engine.spark", exc_type=Exception)
    with pytest.raises(spark.NotPortable, match=r"docs/sql\.md"):
        spark.translate(sql)


def test_priced_rows_keep_their_types_on_every_engine(engine):
    engine.attach("priced", [], PRICED)
    engine.run("select * from priced order by request_id", "copy", {})
    assert engine.fetch("copy").schema.types == PRICED.types
