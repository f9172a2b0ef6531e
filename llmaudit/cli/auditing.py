"""`llmaudit report`: the whole audit."""

from __future__ import annotations

import glob
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmaudit.cli.options import (
    DONE,
    POLICY_BROKEN,
    ConfigFile,
    EngineChoice,
    LakeDir,
    Paths,
    Quiet,
    ReportDay,
    Since,
    SourceName,
    Strict,
    TextMode,
    Until,
    names_of,
    progress,
    settings,
)
from llmaudit.errors import AuditError

if TYPE_CHECKING:
    from llmaudit.config import AuditConfig


def report(
    paths: Paths = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--output", help="report.html, report.json or report.md; may be repeated.", show_default=False
        ),
    ] = None,
    lake: LakeDir = None,
    config: ConfigFile = None,
    source: SourceName = None,
    since: Since = None,
    until: Until = None,
    as_of: ReportDay = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of days and of the window.", show_default="UTC")] = None,
    engine: EngineChoice = None,
    text: Annotated[TextMode | None, typer.Option(help="Which texts are kept.", show_default="sample")] = None,
    levers: Annotated[str | None, typer.Option(help="Pull only these levers: A,B.", show_default=False)] = None,
    without: Annotated[str | None, typer.Option(help="Pull every lever but these: A,B.", show_default=False)] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="An earlier report.json to lead from.", show_default=False)
    ] = None,
    share: Annotated[
        bool,
        typer.Option("--share", help="A report to give away: no texts, no names of users, keys, accounts or files."),
    ] = False,
    strict: Strict = False,
    quiet: Quiet = False,
    keep_steps: Annotated[
        bool, typer.Option("--keep-steps", help="Save every intermediate table in LAKE/steps.")
    ] = False,
) -> int:
    """Audit logs and bills, print a summary, write reports. Without PATH and --lake: coding-agent logs of this user."""
    from dataclasses import replace

    from llmaudit import report as reports

    outputs = output or []
    for path in outputs:
        reports.check(path)
    if compare is not None:
        reports.last(compare)
    stated = settings(
        config,
        paths=tuple(paths or ()),
        lake=lake,
        source=source,
        since=since,
        until=until,
        as_of=as_of,
        timezone=timezone,
        engine=engine,
        text=text,
        levers=names_of(levers),
        without=names_of(without),
        compare=compare,
        strict=strict or None,
        keep_steps=keep_steps or None,
    )
    if not stated.paths and stated.lake is None:
        stated = replace(stated, paths=tuple(_usual_logs(quiet=quiet)))
    return _report(stated, outputs, share=share, quiet=quiet)


def _report(config: AuditConfig, outputs: list[Path], *, share: bool, quiet: bool) -> int:
    from rich.console import Console

    from llmaudit import pipeline
    from llmaudit import report as reports

    if config.engine == "duckdb":
        _leave_pandas_out()
    with progress(quiet=quiet) as (tell, read):
        run = pipeline.run(config, tell=tell, read=read)
        told = run.shareable() if share else run.report
        try:
            for path in outputs:
                reports.render(told, path)
        finally:
            run.close()
    if not quiet:
        reports.to_terminal(told, Console(), outputs)
    return POLICY_BROKEN if config.strict and run.report["intake"]["rows_quarantined"] else DONE


def _usual_logs(*, quiet: bool) -> list[str]:
    """Coding-agent logs of this user, where neither a path nor a lake was named."""
    from llmaudit import sources as readers

    places = [place for source in readers.registry().values() for place in source.usual_places]
    found = [place for place in places if any(Path.home().glob(place))]
    if not found:
        looked = ", ".join(f"~/{place}" for place in places)
        raise AuditError(
            f"Nothing to audit: name a file or folder, or --lake DIR. No coding-agent logs in their usual places either ({looked})."
        )
    if not quiet:
        typer.echo(
            f"No path given: reading coding-agent logs in {', '.join(f'~/{place}' for place in found)}", err=True
        )
    return [f"{glob.escape(str(Path.home()))}/{place}" for place in found]


class _NoPandas:
    """Finds no pandas."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(f"no {name} is needed here")


def _leave_pandas_out() -> None:
    """Spare half a second: to tell a list from a Series, Arrow imports pandas wherever it is installed, unless it once found none."""
    import pyarrow as pa

    hidden = _NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(hidden)
