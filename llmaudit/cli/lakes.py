"""Commands that work on a lake: take in, ask, reconcile, verify, forget, reprice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmaudit.cli.options import (
    DONE,
    POLICY_BROKEN,
    ConfigFile,
    EngineChoice,
    JsonFile,
    LakeFolder,
    Quiet,
    Since,
    SourceName,
    Strict,
    TableFormat,
    TextMode,
    Until,
    day_of,
    progress,
    say,
    settings,
    writable,
)
from llmaudit.errors import AuditError

if TYPE_CHECKING:
    import polars as pl


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs, addresses, or -.")],
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake; made if it is not there.")],
    source: SourceName = None,
    config: ConfigFile = None,
    text: Annotated[TextMode | None, typer.Option(help="Which texts a new lake keeps.", show_default="sample")] = None,
    strict: Strict = False,
    quiet: Quiet = False,
) -> int:
    """Take files into a lake, each exactly once."""
    import tempfile

    from llmaudit import sources
    from llmaudit.lake import Lake
    from llmaudit.lake.intake import ingest as take

    stated = settings(config, source=source, text=text, strict=strict or None)
    opened = Lake.open(lake, create=True, text=stated.text)
    with progress(quiet=quiet) as (tell, read), tempfile.TemporaryDirectory(prefix="llmaudit-") as spool:
        tell("Reading files")
        took = take(
            opened,
            paths,
            spool=Path(spool),
            source=stated.source,
            own=sources.described(stated.sources),
            timezone=stated.log_timezone,
            progress=read,
        )
    taken = opened.ingests()
    taken = taken.filter(taken["batch_id"].is_in(took.batches))
    quarantined = int(taken["rows_quarantined"].sum())
    if not quiet:
        typer.echo(f"Files: {len(took.files):,} read, {took.known:,} in the lake already.")
        typer.echo(_ledger(taken))
    return POLICY_BROKEN if stated.strict and quarantined else DONE


def _ledger(taken: pl.DataFrame) -> str:
    """What became of every record of the files that were read now."""
    names = ("rows_read", "rows_kept", "rows_merged", "rows_quarantined")
    read, kept, merged, quarantined = (int(taken[name].sum()) for name in names)
    return (
        f"{read:,} records = {kept:,} kept + {merged:,} merged + {read - kept - merged - quarantined:,} not calls "
        f"+ {quarantined:,} quarantined"
    )


def query(
    sql: Annotated[
        str, typer.Argument(help="One SELECT over requests, charges, usage, prices, ingests, quarantine, texts.")
    ],
    lake: LakeFolder,
    format_: Annotated[
        TableFormat | None,
        typer.Option("--format", help="How the result is written.", show_default="as -o ends, else table"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write to.", show_default=False)] = None,
    config: ConfigFile = None,
    engine: EngineChoice = None,
) -> int:
    """Ask the lake a question in SQL."""
    from llmaudit import asking

    how = asking.chosen(format_.value if format_ else None, output)
    stated = settings(config, lake=lake, engine=engine)
    asking.write(asking.ask(stated, sql), how, output)
    return DONE


def reconcile(
    lake: LakeFolder,
    output: JsonFile = None,
    config: ConfigFile = None,
    since: Since = None,
    until: Until = None,
    engine: EngineChoice = None,
) -> int:
    """Hold the lake's bills against its calls: what differs, why, and what nothing explains."""
    from llmaudit import asking
    from llmaudit.report import plain
    from llmaudit.report.sections import bills as section

    stated = settings(
        config,
        lake=lake,
        since=since,
        until=until,
        engine=engine,
    )
    writable(output)
    found = asking.bills(stated)
    if output is not None:
        output.write_text(plain.to_json({"bills": found}), encoding="utf-8")
    if not found:
        raise AuditError(f"{lake} holds no bill. Take one in with: llmaudit ingest BILL --lake {lake}")
    typer.echo(section.text([plain.plain(bill) for bill in found]))
    return DONE


def verify(
    baseline: Annotated[Path, typer.Option("--baseline", help="report.json that made the promises.")],
    lake: LakeFolder,
    output: JsonFile = None,
    config: ConfigFile = None,
    since: Annotated[
        str | None, typer.Option(help="First day of the later calls.", show_default="the baseline's end")
    ] = None,
    until: Annotated[str | None, typer.Option(help="First day after them.", show_default=False)] = None,
    engine: EngineChoice = None,
    quiet: Quiet = False,
) -> int:
    """Hold what a report promised against what later calls still have to save."""
    from llmaudit import commands
    from llmaudit.replay import promises as held
    from llmaudit.report import plain
    from llmaudit.report import promises as section

    writable(output)
    stated = settings(config, lake=lake, until=until, engine=engine)
    found = commands.verified(stated, baseline, day_of("--since", since))
    if output is not None:
        output.write_text(plain.to_json(found), encoding="utf-8")
    if not quiet:
        typer.echo(section.text(plain.plain(found)))
    broken = held.broken(found)
    for finding in broken:
        typer.echo(f"{finding} is called done, and later calls do not show it.", err=True)
    return POLICY_BROKEN if broken else DONE


def forget(
    user: Annotated[str, typer.Option("--user", help="The user_id, as `llmaudit query` shows it.")],
    lake: LakeFolder,
) -> int:
    """Take a user's name and texts out of a lake, for good. Their calls stay as numbers, so that dollars still tie."""
    from llmaudit import engine as engines
    from llmaudit.lake import Lake, forgetting

    opened = Lake.open(lake)
    engine = engines.start("duckdb")
    try:
        found = forgetting.forget(opened, engine, user)
    finally:
        engine.close()
    if not found:
        typer.echo(
            f"{lake}: nothing was kept about {user}. What is taken in later will arrive without the name and texts."
        )
        return DONE
    typer.echo(
        f"Forgotten: {found.rows:,} rows of calls without name and texts, {found.texts:,} texts deleted, "
        f"{found.charges + found.usage:,} lines of bills and counts, {found.quarantined:,} quarantined records."
    )
    typer.echo("The log files themselves are yours: they were read, not changed.")
    return DONE


def reprice(
    lake: LakeFolder,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what changed; remember nothing.")] = False,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Price every call as if made on that day; remember nothing.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write the changes as csv, json or parquet.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    engine: EngineChoice = None,
) -> int:
    """Show what newer prices make of calls that were reported before, and make these the reported amounts."""
    from llmaudit import asking, commands

    how = asking.chosen(None, output) if output else "table"
    stated = settings(config, lake=lake, engine=engine)
    day = day_of("--as-of", as_of)
    found = commands.reprice_on(stated, day) if day else commands.reprice(stated, dry_run=dry_run)
    say(found.told(dry_run=dry_run))
    rows = found.frame()
    if output:
        asking.write(rows, how, output)
    elif found.changes:
        asking.write(rows.drop("before_price", "after_price"), how, None)
    return DONE
