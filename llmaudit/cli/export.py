"""`llmaudit export`: hand-offs to other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from llmaudit.cli.options import (
    DONE,
    ConfigFile,
    EngineChoice,
    LakeDir,
    Paths,
    Quiet,
    ReportDay,
    Since,
    Until,
    named,
    names_of,
    progress,
    say,
    settings,
)

group = typer.Typer(help="Hand-offs to other tools.", no_args_is_help=True, rich_markup_mode=None)


class FocusVersion(StrEnum):
    v1_4 = "1.4"
    v1_2 = "1.2"


class Grain(StrEnum):
    hour = "hour"
    day = "day"


@group.command("focus")
def export_focus(
    output: Annotated[Path, typer.Option("-o", "--output", help="focus.csv or focus.parquet.")],
    paths: Paths = None,
    lake: LakeDir = None,
    config: ConfigFile = None,
    focus_version: Annotated[FocusVersion, typer.Option(help="Version of the specification.")] = FocusVersion.v1_4,
    grain: Annotated[Grain, typer.Option(help="Charge period.")] = Grain.day,
    tags: Annotated[
        str | None, typer.Option(help="Keys of the log's own labels to carry as Tags: A,B.", show_default=False)
    ] = None,
    since: Since = None,
    until: Until = None,
    engine: EngineChoice = None,
    quiet: Quiet = False,
) -> int:
    """Write priced calls as FOCUS charges, one row per kind of token."""
    from llmaudit import commands, opening
    from llmaudit.export import focus

    focus.check(output, focus_version.value, grain.value)
    stated = settings(
        config,
        paths=tuple(paths or ()),
        lake=lake,
        since=since,
        until=until,
        engine=engine,
    )
    named(stated)
    with progress(quiet=quiet) as (tell, read):
        tell("Reading and pricing")
        with opening.opened(stated, read=read) as (started, _, book):
            tell("Writing FOCUS")
            written = focus.write(
                started,
                book,
                output,
                version=focus_version.value,
                grain=grain.value,
                tags=names_of(tags) or (),
                window=commands.covered(started, stated),
            )
    if not quiet:
        say(written.told())
    return DONE


class TablesFormat(StrEnum):
    csv = "csv"
    xlsx = "xlsx"
    parquet = "parquet"


@group.command("tables")
def export_tables(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the tables; made if it is not there.")],
    paths: Paths = None,
    lake: LakeDir = None,
    config: ConfigFile = None,
    format_: Annotated[TablesFormat, typer.Option("--format", help="How they are written.")] = TablesFormat.csv,
    since: Since = None,
    until: Until = None,
    as_of: ReportDay = None,
    engine: EngineChoice = None,
    quiet: Quiet = False,
) -> int:
    """Audit, and write the report's tables with all their digits: spend, findings, plan, prices used, ..."""
    from llmaudit import pipeline
    from llmaudit.export import tables

    tables.check(output, format_.value)
    stated = settings(
        config,
        paths=tuple(paths or ()),
        lake=lake,
        since=since,
        until=until,
        as_of=as_of,
        engine=engine,
    )
    named(stated)
    with progress(quiet=quiet) as (tell, read):
        run = pipeline.run(stated, tell=tell, read=read)
        try:
            found = tables.collect(run.report, run.engine, run.lake, run.book)
            written = tables.write(found, output, format_.value)
        finally:
            run.close()
    if not quiet:
        typer.echo(f"{output}: {len(written):,} file{'' if len(written) == 1 else 's'}.")
    return DONE
