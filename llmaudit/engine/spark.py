"""Spark, for those who outgrow one machine: pip install 'llm-spend-audit[spark]'.

Our SQL is DuckDB's. `translate` turns it into Spark's through sqlglot and REWRITES, the list of
everything sqlglot gets wrong; docs/sql.md is the same list for people. What has no faithful
translation raises NotPortable, because the danger is not the error but the quietly different number.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmaudit.engine.base import Batches, BatchFn
from llmaudit.engine.duckdb import conform
from llmaudit.errors import MissingExtra

try:
    import_module("pandas")  # mapInArrow asks for it, and uses none of it
    import sqlglot
    from pyspark.logger import PySparkLogger
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.pandas.types import from_arrow_schema
    from sqlglot import exp
except ImportError as missing:
    raise MissingExtra("The Spark engine", "spark") from missing

MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.legacy.charVarcharAsString": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""Settings that decide what our SQL means. Set on every session, whoever started it."""

AT_HOME = {
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}
"""Settings for a master that is this machine."""

QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


class NotPortable(Exception):
    """SQL that the engines would answer differently. Our own mistake, so not an AuditError."""


class Spark:
    """Tables are temporary views of one session; what `run` makes is computed once and kept."""

    name = "spark"

    def __init__(self, session: SparkSession, *, checkpoint_dir: str = "", owns_session: bool = False) -> None:
        self._root = session
        self._owns_session = owns_session
        self._spark = session.newSession()
        for key, value in MEANING.items():
            self._spark.conf.set(key, value)
        self._reliable = bool(checkpoint_dir)
        if checkpoint_dir:
            self._spark.sparkContext.setCheckpointDir(checkpoint_dir)
        self._aliases: dict[str, str] = {}

    def attach(self, table: str, uris: Sequence[str], schema: pa.Schema) -> None:
        fields = _spark_schema(schema)
        if uris:
            frame = self._spark.read.schema(fields).parquet(*map(_verbatim, uris))
        else:
            frame = self._spark.createDataFrame([], fields)
        self._define(table, frame.select(*map(_quoted, schema.names)))

    def put(self, table: str, rows: pa.Table) -> None:
        plain = rows.cast(pa.schema([pa.field(f.name, _plain(f.type)) for f in rows.schema]))
        if plain.num_rows:
            self._define(table, self._spark.createDataFrame(plain))
        else:
            self._define(table, self._spark.createDataFrame([], _spark_schema(plain.schema)))

    def alias(self, alias: str, table: str) -> None:
        if alias == table or (alias not in self._aliases and self._spark.catalog.tableExists(alias)):
            raise ValueError(f"{alias} is a table, so it cannot become another name for {table}")
        self._point(alias, table)
        self._aliases[alias] = table

    def run(self, sql: str, into: str, params: Mapping[str, object]) -> None:
        spark_sql, names = translate(sql)
        frame = self._spark.sql(spark_sql, args={name: params[name] for name in names})
        self._define(into, self._kept(_without_zones(frame)))

    def map_batches(self, table: str, fn: BatchFn, schema: pa.Schema, into: str, columns: Sequence[str] = ()) -> None:
        plain = pa.schema([pa.field(f.name, _plain(f.type)) for f in schema])
        asked = self._spark.table(table).select(*columns) if columns else self._spark.table(table)
        frame = asked.mapInArrow(partial(_mapped, fn, plain), _spark_schema(schema))
        self._define(into, self._kept(frame))

    def fetch(self, table: str) -> pa.Table:
        rows = _without_zones(self._spark.table(table)).toArrow()
        return rows.cast(pa.schema([pa.field(f.name, f.type) for f in rows.schema]))

    def save(self, table: str, uri: str) -> None:
        """One file at `uri` where the master is this machine, a folder of files where it is a cluster."""
        frame = self._spark.table(table)
        if not _is_local(self._spark.sparkContext.master or ""):
            frame.write.mode("overwrite").parquet(uri)
            return
        with tempfile.TemporaryDirectory(dir=Path(uri).parent) as folder:
            frame.coalesce(1).write.mode("overwrite").parquet(folder)
            [part] = Path(folder).glob("part-*.parquet")
            part.replace(uri)

    def tables(self) -> list[str]:
        return sorted(view.name for view in self._spark.catalog.listTables() if view.name not in self._aliases)

    def close(self) -> None:
        for view in self._spark.catalog.listTables():
            self._spark.catalog.dropTempView(view.name)
        if self._owns_session:
            self._root.stop()

    def _kept(self, frame: DataFrame) -> DataFrame:
        """Compute now, once. Also cuts the plan, which would double with every self join of a long replay."""
        return frame.checkpoint() if self._reliable else frame.localCheckpoint()

    def _define(self, table: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(table)
        self._aliases.pop(table, None)
        for alias in self._meaning(table):
            self._point(alias, self._aliases[alias])

    def _point(self, alias: str, table: str) -> None:
        self._spark.table(table).createOrReplaceTempView(alias)

    def _meaning(self, table: str) -> list[str]:
        """Aliases of `table` and aliases of those, nearest first: a view here is bound to what it was made of."""
        direct = [alias for alias, target in self._aliases.items() if target == table]
        return direct + [further for alias in direct for further in self._meaning(alias)]


def start(options: Mapping[str, str]) -> Spark:
    """`master` (default: all cores of this machine), `checkpoint_dir`, and any setting whose name starts with `spark.`."""
    running = SparkSession.getActiveSession()
    session = running or start_session(options)
    return Spark(session, checkpoint_dir=options.get("checkpoint_dir", ""), owns_session=running is None)


def start_session(options: Mapping[str, str]) -> SparkSession:
    """A session of our own. Batch functions run in the Python that runs this, unless PYSPARK_PYTHON says otherwise."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = options.get("master", "local[*]")
    if _is_local(master):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("LOG4J_CONFIGURATION_FILE", str(Path(__file__).with_name("spark_log4j2.properties")))
    settings = QUIET | (AT_HOME if _is_local(master) else {})
    settings |= {key: value for key, value in options.items() if key.startswith("spark.")}
    PySparkLogger.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # the exception says it all again
    builder: Any = SparkSession.builder
    session: SparkSession = builder.config(map=settings).appName("llmaudit").master(master).getOrCreate()
    return session


# --- our SQL in Spark's words -----------------------------------------------------------------

Rewrite = Callable[[Any], Any]


@cache
def translate(sql: str) -> tuple[str, tuple[str, ...]]:
    """Spark's wording of one SELECT in our SQL, and the $names it asks for."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    names = {node.name for node in tree.find_all(exp.Placeholder)}
    for node in tree.walk():
        _refuse(node)
    for rewrite in REWRITES:
        tree = _from_the_leaves_up(tree, rewrite)
    worded = tree.sql(dialect="spark", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
    return worded, tuple(sorted(names))


def truncated_times_have_no_zone(node: Any) -> Any:
    """Spark's date_trunc answers with a zoned time, whatever it was given."""
    if isinstance(node, (exp.TimestampTrunc, exp.DateTrunc)):
        return _spark("cast(:truncated as timestamp_ntz)", truncated=node)
    return node


def date_diff_counts_boundaries(node: Any) -> Any:
    """DuckDB counts the minutes (days, ...) that begin between two times, Spark those that fit in whole."""
    if isinstance(node, exp.DateDiff):
        unit = node.text("unit") or "day"
        difference = f"timestampdiff({unit}, date_trunc('{unit}', :since), date_trunc('{unit}', :until))"
        return _spark(difference, since=node.expression, until=node.this)
    return node


def epochs_count_micros(node: Any) -> Any:
    if _is_call(node, "epoch_us"):
        return _spark("unix_micros(cast(:time as timestamp))", time=node.expressions[0])
    if isinstance(node, exp.TimeToUnix):
        return _spark("unix_micros(cast(:time as timestamp)) / 1000000", time=node.this)
    return node


def weeks_start_on_sunday_zero_or_monday_one(node: Any) -> Any:
    if isinstance(node, exp.DayOfWeek):
        return _spark("weekday(date_add(cast(:time as date), 1))", time=node.this)
    if isinstance(node, exp.DayOfWeekIso):
        return _spark("weekday(:time) + 1", time=node.this)
    return node


def division_is_double(node: Any) -> Any:
    """DuckDB divides decimals and integers as doubles; Spark keeps decimals decimal."""
    if isinstance(node, exp.Div):
        return _spark("cast(:over as double) / cast(:under as double)", over=node.this, under=node.expression)
    return node


def arg_max_skips_null_answers(node: Any) -> Any:
    if isinstance(node, exp.ArgMax):
        return _spark(
            "max_by(:answer, case when :answer is not null then :by end)", answer=node.this, by=node.expression
        )
    if isinstance(node, exp.ArgMin):
        return _spark(
            "min_by(:answer, case when :answer is not null then :by end)", answer=node.this, by=node.expression
        )
    return node


def lists_count_from_one(node: Any) -> Any:
    """A literal index arrives from sqlglot one too low, l[-1] too; a computed one as written, and 0 is an error on Spark."""
    if _is_call(node, "list_slice"):
        return _slice(*node.expressions)
    if not isinstance(node, exp.Bracket):
        return node
    [index] = node.expressions
    if isinstance(index, exp.Slice):
        return _slice(node.this, index.this, index.expression)
    if index.is_number:
        index = sqlglot.parse_one(str(index.to_py() + 1))
    return _spark("try_element_at(:list, nullif(cast(:index as int), 0))", list=node.this, index=index)


def series_may_be_empty(node: Any) -> Any:
    """Spark's sequence(1, 0) counts down."""
    if isinstance(node, exp.GenerateSeries):
        end = "(:end - 1)" if node.args.get("is_end_exclusive") else ":end"
        series = f"slice(sequence(:start, greatest(:start, {end})), 1, cast(greatest({end} - :start + 1, 0) as int))"
        return _spark(series, start=node.args["start"], end=node.args["end"])
    return node


def strlen_counts_bytes(node: Any) -> Any:
    return _spark("octet_length(:text)", text=node.expressions[0]) if _is_call(node, "strlen") else node


REWRITES: tuple[Rewrite, ...] = (
    truncated_times_have_no_zone,
    date_diff_counts_boundaries,
    epochs_count_micros,
    weeks_start_on_sunday_zero_or_monday_one,
    division_is_double,
    arg_max_skips_null_answers,
    lists_count_from_one,
    series_may_be_empty,
    strlen_counts_bytes,
)
"""Where sqlglot's wording fails or, worse, answers differently. In order; each sees what the ones before it made."""

NOT_PORTABLE: dict[str, Callable[[Any], bool]] = {
    "quantiles are approximate or missing on Spark; rank with row_number() and count(*) over ()": lambda node: (
        isinstance(node, (exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.ApproxQuantile))
    ),
    "ties fall either way; rank by count(*) with a tie-breaker": lambda node: isinstance(node, exp.Mode),
    "sketches differ; count(distinct x) is exact": lambda node: isinstance(node, exp.ApproxDistinct),
    "Spark has no asof join; join on valid_from and valid_to": lambda node: (
        isinstance(node, exp.Join) and node.method == "ASOF"
    ),
    "a list made by an aggregate has no order and no nulls on Spark; use string_agg(x, ',' order by ...)": lambda node: (
        isinstance(node, exp.ArrayAgg)
    ),
    "each engine hashes in its own way; use md5": lambda node: _is_call(node, "hash"),
    "without 'g' Spark still replaces every match": lambda node: (
        isinstance(node, exp.RegexpReplace) and "g" not in node.text("modifiers")
    ),
    "Sunday has another number on Spark; use dayofweek or isodow": lambda node: (
        isinstance(node, exp.Extract) and node.name.lower() in {"dow", "dayofweek", "isodow"}
    ),
    "sqlglot takes it for the making of a time; use epoch_us": lambda node: isinstance(node, exp.UnixToTime),
    "Spark has no steps in a series": lambda node: isinstance(node, exp.GenerateSeries) and bool(node.args.get("step")),
    "positions start at 0 on Spark; unnest a series and index the list by it": lambda node: (
        isinstance(node, exp.Unnest) and bool(node.args.get("offset"))
    ),
}
"""What has no faithful wording, by the reason we give."""


def _refuse(node: Any) -> None:
    for reason, found in NOT_PORTABLE.items():
        if found(node):
            raise NotPortable(f"{node.sql(dialect='duckdb')}: {reason} (docs/sql.md)")


def _from_the_leaves_up(tree: Any, rewrite: Rewrite) -> Any:
    for node in reversed(list(tree.walk(bfs=True))):
        new = rewrite(node)
        if node is tree:
            tree = new
        elif new is not node:
            node.replace(new)
    return tree


def _spark(wording: str, **parts: Any) -> Any:
    """Spark SQL with `parts` in place of :names, bracketed so that nothing binds otherwise than before."""
    worded = sqlglot.parse_one(wording, read="spark")
    named = exp.replace_placeholders(worded, **{name: exp.paren(part) for name, part in parts.items()})
    return exp.paren(named) if isinstance(named, exp.Binary) else named


def _slice(items: Any, first: Any, last: Any) -> Any:
    first = first or exp.Literal.number(1)
    if not last:
        raise NotPortable("a list slice needs both ends (docs/sql.md)")
    return _spark("slice(:items, :first, greatest(:last - :first + 1, 0))", items=items, first=first, last=last)


def _is_call(node: Any, name: str) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == name


# --- Arrow and Spark types ----------------------------------------------------------------------


def _spark_schema(schema: pa.Schema) -> Any:
    return from_arrow_schema(pa.schema([pa.field(f.name, _plain(f.type)) for f in schema]))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type Spark knows for the same values: one kind of string, list and integer, times in microseconds."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    return next((plain for known, plain in PLAIN.items() if known(kind)), kind)


PLAIN: dict[Callable[[pa.DataType], bool], pa.DataType] = {
    pa.types.is_large_string: pa.string(),
    pa.types.is_string_view: pa.string(),
    pa.types.is_large_binary: pa.binary(),
    pa.types.is_binary_view: pa.binary(),
    pa.types.is_timestamp: pa.timestamp("us"),
    pa.types.is_unsigned_integer: pa.int64(),
}


def _without_zones(frame: DataFrame) -> DataFrame:
    zoned = [name for name, kind in frame.dtypes if kind == "timestamp"]
    return frame.withColumns({name: frame[_quoted(name)].cast("timestamp_ntz") for name in zoned}) if zoned else frame


def _mapped(fn: BatchFn, schema: pa.Schema, batches: Batches) -> Batches:
    return conform(fn(batches), schema)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _verbatim(uri: str) -> str:
    """`uri` with the characters Hadoop globs by escaped: we name files, never patterns."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", uri)


def _is_local(master: str) -> bool:
    return master.startswith("local")
