"""What several commands take, and how it is read: shared options, days, names, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmaudit.errors import AuditError

if TYPE_CHECKING:
    from llmaudit.config import AuditConfig

DONE, POLICY_BROKEN, USER_CAN_FIX, OUR_BUG, INTERRUPTED = 0, 1, 2, 70, 130


class EngineName(StrEnum):
    duckdb = "duckdb"
    spark = "spark"


class TextMode(StrEnum):
    sample = "sample"
    all = "all"
    none = "none"


class TableFormat(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


Paths = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files, folders, globs, s3:// gs:// az:// addresses, or - for standard input.", show_default=False
    ),
]
LakeDir = Annotated[Path | None, typer.Option("--lake", help="Folder of the lake.", show_default=False)]
LakeFolder = Annotated[Path, typer.Option("--lake", help="Folder of the lake.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings as TOML.", show_default=False)]
SourceName = Annotated[
    str | None, typer.Option("--source", help="Read every file with this source.", show_default=False)
]
Since = Annotated[str | None, typer.Option("--since", help="First day, YYYY-MM-DD.", show_default=False)]
Until = Annotated[str | None, typer.Option("--until", help="First day after the window.", show_default=False)]
ReportDay = Annotated[str | None, typer.Option("--as-of", help="Day the report speaks from.", show_default=False)]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Day to look from.", show_default="today")]
EngineChoice = Annotated[
    EngineName | None, typer.Option("--engine", help="Where the work runs.", show_default="duckdb")
]
TableAs = Annotated[TableFormat, typer.Option("--format", help="How the rows are written.")]
JsonFile = Annotated[Path | None, typer.Option("-o", "--output", help="JSON file to write.", show_default=False)]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if any record is quarantined.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress and no summary.")]


def settings(file: Path | None, **said: Any) -> AuditConfig:
    """The config file with what the command line said over it. Raises AuditError for a day that is none."""
    from llmaudit import config as configs

    for name in _DAYS & said.keys():
        said[name] = day_of(f"--{name.replace('_', '-')}", said[name])
    return configs.load(
        file, **{name: value.value if isinstance(value, Enum) else value for name, value in said.items()}
    )


_DAYS = {"since", "until", "as_of"}


def day_of(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise AuditError(f"{option} {text}: not a day. Write it as YYYY-MM-DD, such as 2026-10-01.") from None


def names_of(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def say(lines: Iterable[str]) -> None:
    """Print what was done, a line each."""
    for line in lines:
        typer.echo(line)


def today() -> date:
    """The clock is read at the door and nowhere else."""
    return date.today()  # noqa: DTZ011


def writable(output: Path | None) -> None:
    """Raise AuditError where no file can be written, before the work begins."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise AuditError(f"{output}: name a file in a folder that is there.")


def named(config: AuditConfig) -> None:
    if not config.paths and config.lake is None:
        raise AuditError("Nothing to export: name files, or a lake with --lake DIR.")


Told = tuple[Callable[[str], None], Callable[[str, int], None]]


@contextmanager
def progress(*, quiet: bool) -> Iterator[Told]:
    """Progress bars on a terminal, plain lines otherwise, all on standard error."""
    if quiet:
        yield (lambda step: None), (lambda name, size: None)
        return
    if not sys.stderr.isatty():
        yield (lambda step: typer.echo(f"{step} ...", err=True)), (lambda name, size: None)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns: tuple[Any, ...] = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=None)

        def tell(step: str) -> None:
            bar.update(task, description=step)

        def read(name: str, size: int) -> None:
            bar.update(task, description=f"Read {escape(name)} ({size / 2**20:,.1f} MiB)")

        yield tell, read
