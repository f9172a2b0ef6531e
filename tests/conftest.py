"""What every test may ask for: an engine, rows of requests, a golden file. No test reaches the network."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import settings

from llmaudit import engine as engines
from llmaudit.engine import Engine
from llmaudit.errors import MissingExtra
from llmaudit.schema import REQUESTS

GOLDEN = Path(__file__).parent / "golden"
IN_CI = bool(os.environ.get("CI"))
HERE_ONLY = ["127.0.0.1", "::1"]
"""Spark's two halves talk to each other over a local socket."""

ENGINES = {
    "duckdb": pytest.param("duckdb"),
    "spark": pytest.param("spark", marks=[pytest.mark.spark, pytest.mark.allow_hosts(HERE_ONLY)]),
}

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if IN_CI else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engines", default="duckdb", help=f"comma-separated, of {', '.join(ENGINES)}; default duckdb")
    parser.addoption("--refresh", action="store_true", help="rewrite golden files, then fail so nobody ships the run")
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.option.disable_socket = True
    config.option.allow_unix_socket = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" not in metafunc.fixturenames:
        return
    names = [name.strip() for name in metafunc.config.getoption("--engines").split(",")]
    if unknown := set(names) - set(ENGINES):
        raise pytest.UsageError(f"--engines: no engine called {', '.join(unknown)}. Known: {', '.join(ENGINES)}.")
    metafunc.parametrize("engine", [ENGINES[name] for name in names], indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "spark":
        request.getfixturevalue("spark_session")
    options = {"duckdb": {"threads": "2"}, "spark": {}}[request.param]
    started = engines.start(request.param, options)
    yield started
    started.close()


@pytest.fixture(scope="session")
def spark_session() -> Iterator[object]:
    """One session for the whole run; each engine takes its own tables and settings from it."""
    not_here = pytest.fail if IN_CI else pytest.skip
    if not shutil.which("java"):
        not_here("Spark needs Java 17, and there is no java on the PATH")
    try:
        from llmaudit.engine import spark
    except MissingExtra as missing:
        not_here(str(missing))
    session = spark.start_session({"master": "local[2]"})
    yield session
    session.stop()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    def check(name: str, got: str) -> None:
        path = GOLDEN / name
        known = path.read_text("utf-8") if path.exists() else None
        if request.config.getoption("--refresh") and got != known:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(got, "utf-8")
            pytest.fail(f"rewrote {path.relative_to(GOLDEN)}: read the diff, then run again")
        assert known is not None, f"no golden file {name}: run `just refresh` and read what it wrote"
        assert got == known

    return check


@pytest.fixture
def lake_requests() -> Callable[[list[dict[str, object]]], pa.Table]:
    """Rows of `requests`; what a row leaves out is null. Times and money may be written as text."""
    return requests_table


def requests_table(rows: list[dict[str, object]], schema: pa.Schema = REQUESTS) -> pa.Table:
    if unknown := {name for row in rows for name in row} - set(schema.names):
        raise KeyError(f"no such column: {', '.join(sorted(unknown))}")
    return pa.Table.from_pylist([{name: _typed(schema, name, row[name]) for name in row} for row in rows], schema)


def _typed(schema: pa.Schema, name: str, value: object) -> object:
    kind = schema.field(name).type
    if isinstance(value, str) and pa.types.is_decimal(kind):
        return Decimal(value)
    if isinstance(value, str) and pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value)
    return value
