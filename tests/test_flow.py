"""The tree is the architecture: imports point one way, and whoever adds a thing adds all of it."""

import ast
import importlib.util
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_socket import SocketBlockedError

from llmaudit import levers, sources
from llmaudit.report.sections import sections

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "llmaudit"

FLOW = (
    ("errors",),
    ("schema",),
    ("tokens",),
    ("config",),
    ("engine",),
    ("queries",),
    ("pull",),
    ("sources",),
    ("lake",),
    ("pricing",),
    ("detectors",),
    ("levers",),
    ("replay",),
    ("reconcile", "supply", "watch", "export", "allocation", "repricing"),
    ("report",),
    ("assemble", "dossier", "doubts"),
    ("savings",),
    ("facts", "opening"),
    ("pulling",),
    ("pipeline",),
    ("commands",),
    ("notebook", "asking", "starting", "doctor"),
    ("cli",),
    ("__init__",),
)
"""Each room may import from those above it. Rooms in one line do not know each other.

`queries` stands high because its Python is the loader; its SQL knows tables by name only.
"""

HEIGHT = {room: height for height, rooms in enumerate(FLOW) for room in rooms}

HEAVY = {
    "altair",
    "deltalake",
    "duckdb",
    "jinja2",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pyspark",
    "scipy",
    "sklearn",
    "sqlglot",
    "tiktoken",
    "vl_convert",
}


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "llmaudit":
            yield from (alias.name for alias in node.names if alias.name in HEIGHT)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: write llmaudit.{node.module}, not a relative import"
            yield from room_in(node.module or "")
        elif isinstance(node, ast.Import):
            yield from (room for alias in node.names for room in room_in(alias.name))


def room_in(module: str) -> Iterator[str]:
    package, _, inside = module.partition(".")
    if package == "llmaudit" and inside:
        yield inside.split(".")[0]


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_upstream_only(file: Path) -> None:
    here = room_of(file)
    assert here in HEIGHT, f"{here} has no place in FLOW yet: which rooms may it know?"
    for there in rooms_imported(file):
        assert there == here or HEIGHT[there] < HEIGHT[here], f"{here} must not import {there}"


def test_only_its_own_engine_imports_spark() -> None:
    having = [file for file in PACKAGE.rglob("*.py") if {"pyspark", "sqlglot"} & packages_imported(file)]
    assert having == [PACKAGE / "engine" / "spark.py"]


def packages_imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    plain = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}


# --- whoever adds a thing adds all of it ------------------------------------------------------------


def ours() -> set[str]:
    return {name for name, source in sources.registry().items() if type(source).__module__.startswith("llmaudit.")}


def sample_folders() -> list[Path]:
    """The invented company's month, and the samples of sources that it does not use."""
    tops = (ROOT / "sample_logs", ROOT / "tests" / "data" / "sources")
    return [path for top in tops if top.exists() for path in top.iterdir() if path.is_dir() and any(path.iterdir())]


def test_every_source_has_a_sample_and_a_page() -> None:
    assert not ours() - {path.name for path in sample_folders()}, "no sample"
    assert not {name for name in ours() if not (ROOT / "docs" / "sources" / f"{name}.md").exists()}, "no page"


def test_every_sample_and_every_source_page_is_of_a_source() -> None:
    samples = {path.name for path in sample_folders()}
    pages = {path.stem for path in (ROOT / "docs" / "sources").glob("*.md")} - {"index"}
    assert not samples - ours(), "samples that nobody reads"
    assert not pages - ours(), "pages of no source"


@pytest.mark.parametrize("name", levers.registry())
def test_a_lever_is_a_file_a_query_a_case_and_a_page_of_one_name(name: str) -> None:
    assert levers.registry()[name].__module__ == f"llmaudit.levers.{name}"
    assert (PACKAGE / "queries" / f"{name}.sql").exists()
    assert any((ROOT / "tests" / "queries" / name).glob("*/expected.csv"))
    assert (ROOT / "docs" / "levers" / f"{name}.md").exists()


def test_every_page_of_a_lever_is_of_a_lever() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "levers").glob("*.md")} - {"index"}
    assert not pages - set(levers.registry())


def test_every_section_file_is_a_section_of_the_report() -> None:
    files = {path.stem for path in (PACKAGE / "report" / "sections").glob("*.py")} - {"__init__"}
    assert {section.name for section in sections()} == files


# --- nothing reaches the network --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:A test tried to use")
def test_a_test_that_opens_a_connection_fails() -> None:
    with pytest.raises(SocketBlockedError):
        socket.create_connection(("192.0.2.1", 443), timeout=1)


# --- the command starts at once ---------------------------------------------------------------------


@pytest.mark.parametrize("module", ["llmaudit", "llmaudit.cli"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_help_takes_less_than_a_third_of_a_second() -> None:
    assert min(seconds_of_help() for _ in range(3)) < 0.3


def seconds_of_help() -> float:
    """Processor time, not time on the clock: other work on the machine does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from llmaudit.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_blanks_of_a_new_source_are_where_discovery_looks_and_overwrite_nothing(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("new", ROOT / "tools" / "new.py")
    assert spec
    assert spec.loader
    new = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(new)
    for folder in ("llmaudit/sources", "docs/sources"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "docs" / "index.md").write_text("| [codex](sources/codex.md) | transcripts | requests |\n\nEnd\n")
    written = new.source(tmp_path, "acme_gateway")
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"llmaudit", "docs"}
    compile((tmp_path / "llmaudit/sources/acme_gateway.py").read_text(), "acme_gateway.py", "exec")
    assert "class AcmeGateway(Source)" in (tmp_path / "llmaudit/sources/acme_gateway.py").read_text()
    assert (
        (tmp_path / "docs/index.md").read_text().splitlines()[1].startswith("| [acme_gateway](sources/acme_gateway.md)")
    )
    for name in ("acme_gateway", "Acme Gateway"):
        with pytest.raises(SystemExit):
            new.source(tmp_path, name)


def test_an_audit_starts_without_the_libraries_that_only_some_of_it_needs():
    """scipy and scikit-learn take longer to import than a small log takes to read."""
    asked = (
        "import sys, llmaudit.pipeline; print(sorted({'scipy', 'sklearn', 'altair', 'tiktoken'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
