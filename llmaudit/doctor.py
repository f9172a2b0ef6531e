"""`llmaudit doctor`: whether this machine, this config and this lake can do an audit, and what to do where they cannot."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from llmaudit import config as configs
from llmaudit import engine as engines
from llmaudit import pricing, tokens
from llmaudit.config import AuditConfig
from llmaudit.doubts import STALE_BOOK_DAYS
from llmaudit.errors import AuditError
from llmaudit.lake import Lake, owners
from llmaudit.lake.health import health

OK, WARN, FIX = "ok", "warn", "fix"
DISTRIBUTION = "llm-spend-audit"
FOR_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it is, and what to do unless it is well."""

    state: str
    name: str
    found: str
    next_move: str = ""

    def __str__(self) -> str:
        return f"{self.state:5}{self.name:12}{self.found}" + (f" Next: {self.next_move}" if self.next_move else "")


def checks(config_file: Path | None, lake: Path | None, as_of: date) -> Iterator[Check]:
    """Look at everything, and stop at nothing. The lake is read and not changed."""
    config, said = _config(config_file, lake)
    yield said
    yield _versions()
    yield _engine(config)
    yield from _extras()
    yield _book(config, as_of)
    yield from _own_files(config)
    yield from _ranks()
    if config.lake:
        yield from _lake(config.lake)


def _config(file: Path | None, lake: Path | None) -> tuple[AuditConfig, Check]:
    """The config, or one of defaults where it is wrong."""
    try:
        config = configs.load(file, lake=lake)
    except AuditError as error:
        return AuditConfig(lake=lake), Check(
            FIX, "config", str(error), f"mend {file}: docs/cli.md lists every setting."
        )
    return config, Check(OK, "config", f"{file} is valid." if file else "None is given, so defaults hold.")


def _versions() -> Check:
    try:
        own = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return Check(
            WARN, "install", f"{DISTRIBUTION} runs from a folder that is not installed.", f"pip install {DISTRIBUTION}"
        )
    return Check(OK, "install", f"{DISTRIBUTION} {own}, Python {platform.python_version()}.")


def _engine(config: AuditConfig) -> Check:
    """Whether the engine of the config answers a query. Spark is not started, which takes long: it needs its extra and Java."""
    if config.engine == "spark":
        return _spark()
    try:
        started = engines.start(config.engine, dict(config.engine_options))
    except Exception as error:  # noqa: BLE001 - whatever hinders the engine is what is to be told
        return Check(FIX, "engine", f"{config.engine}: {error}", "mend engine and engine_options of the config.")
    try:
        started.run("select 1 as one", "doctor_asks", {})
    finally:
        started.close()
    return Check(OK, "engine", f"DuckDB {metadata.version('duckdb')} answers.")


def _spark() -> Check:
    absent = _absent(["pyspark", "sqlglot", "pandas"])
    if absent:
        return Check(FIX, "engine", f"Spark lacks {', '.join(absent)}.", f"pip install '{DISTRIBUTION}[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        return Check(FIX, "engine", "Spark finds no Java.", "install Java 17 or newer, or set JAVA_HOME.")
    return Check(OK, "engine", f"Spark {metadata.version('pyspark')}, not started.")


def _extras() -> Iterator[Check]:
    """Which optional parts are there. None of them has to be."""
    for extra, packages in sorted(_optional().items()):
        absent = _absent(packages)
        there = "installed." if not absent else f"not installed; pip install '{DISTRIBUTION}[{extra}]' adds it."
        yield Check(OK, "extra", f"{extra}: {there}")


def _optional() -> dict[str, list[str]]:
    """Extra -> the packages it brings, as the installed distribution says."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {}
    for line in required:
        package, extra = re.match(r"[\w.-]+", line), re.search(r"extra\s*==\s*[\"'](\w+)", line)
        if package and extra and extra[1] != FOR_DEVELOPERS:
            found.setdefault(extra[1], []).append(package[0])
    return found


def _absent(packages: list[str]) -> list[str]:
    there = {re.sub(r"[-_.]+", "-", str(d.metadata["Name"])).lower() for d in metadata.distributions()}
    return [name for name in packages if re.sub(r"[-_.]+", "-", name).lower() not in there]


def _book(config: AuditConfig, as_of: date) -> Check:
    try:
        book = pricing.load(config.prices, config.price_book, config.tuning_targets)
    except AuditError as error:
        return Check(FIX, "prices", str(error), "mend that file: docs/pricing.md shows how it is written.")
    days = (as_of - book.as_of).days
    if days > STALE_BOOK_DAYS:
        cure = "install a newer llmaudit, or compile a newer book: llmaudit prices update"
        return Check(WARN, "prices", f"The price book is of {book.as_of}, {days} days before {as_of}.", cure)
    own = f" {config.prices} is over it." if config.prices else ""
    return Check(OK, "prices", f"The price book is of {book.as_of}, {max(days, 0)} days old.{own}")


def _own_files(config: AuditConfig) -> Iterator[Check]:
    """The user's further files, if the config names any."""
    readers: dict[str, Callable[[], object]] = {
        "owners": lambda: owners.load(config.owners, config.zone, str),
        "rates": lambda: pricing.exchange(config.rates),
    }
    for name, read in readers.items():
        if getattr(config, name) is None:
            continue
        try:
            read()
        except AuditError as error:
            yield Check(FIX, name, str(error), "mend that file, or take it out of the config.")
        else:
            yield Check(OK, name, f"{getattr(config, name)} can be read.")


def _ranks() -> Iterator[Check]:
    """Whether tokens can be counted without the network, for logs that have texts and no counts."""
    for encoding in tokens.ENCODINGS:
        path = tokens.ranks_file(encoding)
        if path:
            yield Check(OK, "tokens", f"{encoding} is counted with {path}.")
        else:
            cure = "put its file where docs/tokens.md says, if logs have texts without counts."
            yield Check(WARN, "tokens", f"{encoding} is estimated: no file of its ranks is on this machine.", cure)


def _lake(path: Path) -> Iterator[Check]:
    """Whether everything that was committed can be read, and is as much as was committed."""
    try:
        found = health(Lake.open(path))
    except Exception as error:  # noqa: BLE001 - whatever hinders reading is what is to be told
        yield Check(FIX, "lake", f"{path}: {error}", "restore it from a copy, or ingest the logs into a new lake.")
        return
    restore = "restore it from a copy, or ingest the logs into a new lake."
    for complaint in found.unreadable:
        yield Check(FIX, "lake", complaint, restore)
    for file in found.short:
        yield Check(FIX, "lake", f"{path} holds fewer rows of {file} than were committed.", restore)
    if found.strays:
        yield Check(WARN, "lake", f"{path}: {len(found.strays)} files belong to no commit.", _LEFT)
    if not (found.unreadable or found.short):
        yield Check(OK, "lake", f"{path}: {found.rows:,} rows of {found.files:,} files, as committed.")


_LEFT = "nothing reads them; they may be deleted while no run is writing."
