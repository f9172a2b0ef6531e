"""The door: arguments in, one call, exit code out. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmaudit import __version__
from llmaudit.errors import AuditError

if TYPE_CHECKING:
    import polars as pl

    from llmaudit.config import AuditConfig

DONE, POLICY_BROKEN, USER_CAN_FIX, OUR_BUG, INTERRUPTED = 0, 1, 2, 70, 130

app = typer.Typer(
    name="llmaudit",
    help="Audit what LLM API calls cost, and prove what could be saved, on your own logs, offline.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
prices_app = typer.Typer(help="The dated price book.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(prices_app, name="prices")
export_app = typer.Typer(help="Hand-offs to other tools.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(export_app, name="export")
findings_app = typer.Typer(help="What was decided about findings.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(findings_app, name="findings")


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
ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings as TOML.", show_default=False)]
SourceName = Annotated[
    str | None, typer.Option("--source", help="Read every file with this source.", show_default=False)
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress and no summary.")]


@app.command()
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
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="First day after the window.", show_default=False)] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day the report speaks from.", show_default=False)
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of days and of the window.", show_default="UTC")] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
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
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any record is quarantined.")] = False,
    quiet: Quiet = False,
    keep_steps: Annotated[
        bool, typer.Option("--keep-steps", help="Save every intermediate table in LAKE/steps.")
    ] = False,
) -> int:
    """Audit logs and bills, print a summary, write reports. Without PATH and --lake: coding-agent logs of this user."""
    from dataclasses import replace

    from llmaudit import config as configs
    from llmaudit import report as reports

    outputs = output or []
    for path in outputs:
        reports.check(path)
    if compare is not None:
        reports.last(compare)
    stated = configs.load(
        config,
        paths=tuple(paths or ()),
        lake=lake,
        source=source,
        since=_day("--since", since),
        until=_day("--until", until),
        as_of=_day("--as-of", as_of),
        timezone=timezone,
        engine=engine.value if engine else None,
        text=text.value if text else None,
        levers=_names(levers),
        without=_names(without),
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
    with _progress(quiet=quiet) as (tell, read):
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


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs, addresses, or -.")],
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake; made if it is not there.")],
    source: SourceName = None,
    config: ConfigFile = None,
    text: Annotated[TextMode | None, typer.Option(help="Which texts a new lake keeps.", show_default="sample")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any record is quarantined.")] = False,
    quiet: Quiet = False,
) -> int:
    """Take files into a lake, each exactly once."""
    import tempfile

    from llmaudit import config as configs
    from llmaudit import sources
    from llmaudit.lake import Lake
    from llmaudit.lake.intake import ingest as take

    stated = configs.load(config, source=source, text=text.value if text else None, strict=strict or None)
    opened = Lake.open(lake, create=True, text=stated.text)
    with _progress(quiet=quiet) as (tell, read), tempfile.TemporaryDirectory(prefix="llmaudit-") as spool:
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


@app.command()
def query(
    sql: Annotated[
        str, typer.Argument(help="One SELECT over requests, charges, usage, prices, ingests, quarantine, texts.")
    ],
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake.")],
    format_: Annotated[
        TableFormat | None,
        typer.Option("--format", help="How the result is written.", show_default="as -o ends, else table"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write to.", show_default=False)] = None,
    config: ConfigFile = None,
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
) -> int:
    """Ask the lake a question in SQL."""
    from llmaudit import asking
    from llmaudit import config as configs

    how = asking.chosen(format_.value if format_ else None, output)
    stated = configs.load(config, lake=lake, engine=engine.value if engine else None)
    asking.write(asking.ask(stated, sql), how, output)
    return DONE


@app.command()
def reconcile(
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON file to write.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="First day after the window.", show_default=False)] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
) -> int:
    """Hold the lake's bills against its calls: what differs, why, and what nothing explains."""
    from llmaudit import asking
    from llmaudit import config as configs
    from llmaudit.report import plain
    from llmaudit.report.sections import bills as section

    stated = configs.load(
        config,
        lake=lake,
        since=_day("--since", since),
        until=_day("--until", until),
        engine=engine.value if engine else None,
    )
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise AuditError(f"{output}: name a file in a folder that is there.")
    found = asking.bills(stated)
    if output is not None:
        output.write_text(plain.to_json({"bills": found}), encoding="utf-8")
    if not found:
        raise AuditError(f"{lake} holds no bill. Take one in with: llmaudit ingest BILL --lake {lake}")
    typer.echo(section.text([plain.plain(bill) for bill in found]))
    return DONE


@app.command()
def verify(
    baseline: Annotated[Path, typer.Option("--baseline", help="report.json that made the promises.")],
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON file to write.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    since: Annotated[
        str | None, typer.Option(help="First day of the later calls.", show_default="the baseline's end")
    ] = None,
    until: Annotated[str | None, typer.Option(help="First day after them.", show_default=False)] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
    quiet: Quiet = False,
) -> int:
    """Hold what a report promised against what later calls still have to save."""
    from llmaudit import config as configs
    from llmaudit import pipeline
    from llmaudit.replay import promises as held
    from llmaudit.report import plain
    from llmaudit.report import promises as section

    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise AuditError(f"{output}: name a file in a folder that is there.")
    stated = configs.load(config, lake=lake, until=_day("--until", until), engine=engine.value if engine else None)
    found = pipeline.verified(stated, baseline, _day("--since", since))
    if output is not None:
        output.write_text(plain.to_json(found), encoding="utf-8")
    if not quiet:
        typer.echo(section.text(plain.plain(found)))
    broken = held.broken(found)
    for finding in broken:
        typer.echo(f"{finding} is called done, and later calls do not show it.", err=True)
    return POLICY_BROKEN if broken else DONE


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where the files are written.")] = Path(),
) -> int:
    """Write llmaudit.toml and prices.toml to start from. Nothing is written over."""
    from llmaudit import starting

    for path in starting.write(folder):
        typer.echo(f"Wrote {path}")
    typer.echo("Next: llmaudit report LOGS --config llmaudit.toml -o report.html")
    return DONE


@app.command()
def doctor(
    lake: Annotated[
        Path | None, typer.Option("--lake", help="Folder of a lake to look at, too.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    as_of: AsOf = None,
) -> int:
    """Check install, engine, config, prices and lake. Each line is ok, warn or fix; exit code 2 if any is to be fixed."""
    from llmaudit import doctor as doctors

    day = _day("--as-of", as_of) or date.today()  # noqa: DTZ011 - the clock is read at the door
    found = []
    for check in doctors.checks(config, lake, day):
        typer.echo(str(check))
        found.append(check.state)
    return USER_CAN_FIX if doctors.FIX in found else DONE


@app.command()
def forget(
    user: Annotated[str, typer.Option("--user", help="The user_id, as `llmaudit query` shows it.")],
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake.")],
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


@app.command()
def reprice(
    lake: Annotated[Path, typer.Option("--lake", help="Folder of the lake.")],
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
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
) -> int:
    """Show what newer prices make of calls that were reported before, and make these the reported amounts."""
    from llmaudit import asking, pipeline
    from llmaudit import config as configs

    how = asking.chosen(None, output) if output else "table"
    stated = configs.load(config, lake=lake, engine=engine.value if engine else None)
    day = _day("--as-of", as_of)
    found = pipeline.reprice_on(stated, day) if day else pipeline.reprice(stated, dry_run=dry_run)
    for line in found.told(dry_run=dry_run):
        typer.echo(line)
    rows = found.frame()
    if output:
        asking.write(rows, how, output)
    elif found.changes:
        asking.write(rows.drop("before_price", "after_price"), how, None)
    return DONE


@app.command()
def sources() -> int:
    """List the kinds of files that can be read."""
    from llmaudit import sources as readers

    for name, source in sorted(readers.registry().items()):
        summary = (sys.modules[type(source).__module__].__doc__ or "").strip().splitlines()[0]
        typer.echo(f"{name:20} {source.table:9} {summary}")
    return DONE


@prices_app.command("show")
def prices_show(
    model: Annotated[str, typer.Argument(help="Model name, as a log or a bill has it.")],
    config: ConfigFile = None,
) -> int:
    """Show every dated price of a model, with its source."""
    from llmaudit import asking, pricing
    from llmaudit import config as configs

    stated = configs.load(config)
    rows = asking.price_list(pricing.show(model, pricing.load(stated.prices, stated.price_book)))
    typer.echo("US dollars for a million tokens (other units: for one), by token class.")
    asking.write(rows, "table", None)
    return DONE


AsOf = Annotated[str | None, typer.Option("--as-of", help="Day to look from.", show_default="today")]
TableAs = Annotated[TableFormat, typer.Option("--format", help="How the rows are written.")]


@prices_app.command("upcoming")
def prices_upcoming(
    paths: Paths = None,
    lake: LakeDir = None,
    config: ConfigFile = None,
    as_of: AsOf = None,
    format_: TableAs = TableFormat.table,
) -> int:
    """Show dated price changes and retirements to come; with PATH or --lake, in dollars per endpoint."""
    from llmaudit import asking, pipeline, pricing
    from llmaudit import config as configs
    from llmaudit.pricing import upcoming

    stated = configs.load(config, paths=tuple(paths or ()), lake=lake, as_of=_day("--as-of", as_of))
    day = stated.as_of or date.today()  # noqa: DTZ011 - the clock is read at the door
    if stated.paths or stated.lake:
        rows = pipeline.upcoming(stated, day)
    else:
        rows = asking.upcoming_list(upcoming.frame(pricing.load(stated.prices, stated.price_book), day))
    asking.write(rows, format_.value, None)
    return DONE


@prices_app.command("lint")
def prices_lint(
    model: Annotated[str | None, typer.Argument(help="One model only.", show_default=False)] = None,
    config: ConfigFile = None,
    as_of: AsOf = None,
    format_: TableAs = TableFormat.table,
) -> int:
    """Check prices against rules that prices keep. Exits with 1 if any is broken."""
    from llmaudit import asking, pricing
    from llmaudit import config as configs
    from llmaudit.pricing import lint

    stated = configs.load(config, as_of=_day("--as-of", as_of))
    day = stated.as_of or date.today()  # noqa: DTZ011
    broken = lint.lint(pricing.load(stated.prices, stated.price_book), day, model)
    asking.write(lint.frame(broken), format_.value, None)
    return POLICY_BROKEN if broken else DONE


@prices_app.command("diff")
def prices_diff(
    before: Annotated[str, typer.Argument(help="A day, the folder of a book, or shipped.")] = "shipped",
    after: Annotated[
        str | None, typer.Argument(help="The same.", show_default="the book of the settings, as of its day")
    ] = None,
    config: ConfigFile = None,
    format_: TableAs = TableFormat.table,
) -> int:
    """Show which prices differ between two days, or between two books."""
    from llmaudit import asking, pricing
    from llmaudit import config as configs
    from llmaudit.pricing.differences import differences

    own = configs.load(config).price_book

    def side(text: str) -> tuple[pricing.Book, date | None]:
        if text == "shipped":
            return pricing.load(), None
        if Path(text).is_dir():
            return pricing.load(None, Path(text)), None
        return pricing.load(None, own), _day("diff", text)

    old, old_day = side(before)
    new, new_day = side(after) if after else (pricing.load(None, own), None)
    rows = differences(old, old_day or new_day or old.as_of, new, new_day or old_day or new.as_of)
    asking.write(rows, format_.value, None)
    return DONE


@prices_app.command("update")
def prices_update(
    book: Annotated[
        Path | None, typer.Option("--book", help="Folder of the new book.", show_default="price_book of the settings")
    ] = None,
    seen: Annotated[
        str | None, typer.Option(help="Day the installed releases are known to be current.", show_default="today")
    ] = None,
    config: ConfigFile = None,
) -> int:
    """Compile a newer book from the genai-prices and LiteLLM that are installed."""
    from llmaudit import config as configs
    from llmaudit.pricing import updating

    folder = book or configs.load(config).price_book
    if folder is None:
        raise AuditError('Where should the book lie? Say --book DIR, or price_book = "DIR" in llmaudit.toml.')
    digest = updating.update(folder, _day("--seen", seen) or date.today())  # noqa: DTZ011
    typer.echo(f"Wrote {folder}, sha256 {digest}.")
    typer.echo(
        f'To use it: price_book = "{folder}" in llmaudit.toml. What changed: llmaudit prices diff shipped {folder}'
    )
    return DONE


class FocusVersion(StrEnum):
    v1_4 = "1.4"
    v1_2 = "1.2"


class Grain(StrEnum):
    hour = "hour"
    day = "day"


@export_app.command("focus")
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
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="First day after the window.", show_default=False)] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
    quiet: Quiet = False,
) -> int:
    """Write priced calls as FOCUS charges, one row per kind of token."""
    from llmaudit import config as configs
    from llmaudit import pipeline
    from llmaudit.export import focus

    focus.check(output, focus_version.value, grain.value)
    stated = configs.load(
        config,
        paths=tuple(paths or ()),
        lake=lake,
        since=_day("--since", since),
        until=_day("--until", until),
        engine=engine.value if engine else None,
    )
    _named(stated)
    with _progress(quiet=quiet) as (tell, read):
        tell("Reading and pricing")
        with pipeline.opened(stated, read=read) as (started, _, book):
            tell("Writing FOCUS")
            written = focus.write(
                started, book, output, version=focus_version.value, grain=grain.value, tags=_names(tags) or ()
            )
    if not quiet:
        for line in written.told():
            typer.echo(line)
    return DONE


class TablesFormat(StrEnum):
    csv = "csv"
    xlsx = "xlsx"
    parquet = "parquet"


@export_app.command("tables")
def export_tables(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the tables; made if it is not there.")],
    paths: Paths = None,
    lake: LakeDir = None,
    config: ConfigFile = None,
    format_: Annotated[TablesFormat, typer.Option("--format", help="How they are written.")] = TablesFormat.csv,
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="First day after the window.", show_default=False)] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day the report speaks from.", show_default=False)
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Where the work runs.", show_default="duckdb")] = None,
    quiet: Quiet = False,
) -> int:
    """Audit, and write the report's tables with all their digits: spend, findings, plan, prices used, ..."""
    from llmaudit import config as configs
    from llmaudit import pipeline
    from llmaudit.export import tables

    tables.check(output, format_.value)
    stated = configs.load(
        config,
        paths=tuple(paths or ()),
        lake=lake,
        since=_day("--since", since),
        until=_day("--until", until),
        as_of=_day("--as-of", as_of),
        engine=engine.value if engine else None,
    )
    _named(stated)
    with _progress(quiet=quiet) as (tell, read):
        run = pipeline.run(stated, tell=tell, read=read)
        try:
            found = tables.collect(run.report, run.engine, run.lake, run.book)
            written = tables.write(found, output, format_.value)
        finally:
            run.close()
    if not quiet:
        typer.echo(f"{output}: {len(written):,} file{'' if len(written) == 1 else 's'}.")
    return DONE


Endpoint = Annotated[str, typer.Argument(help="The endpoint, as the report names it.")]
HandoffLake = Annotated[Path, typer.Option("--lake", help="Folder of the lake.")]
Teacher = Annotated[
    str | None, typer.Option("--model", help="Whose answers are taken.", show_default="the one most is spent on")
]
HandoffDir = Annotated[Path, typer.Option("-o", "--output", help="Folder for the files; made if it is not there.")]


class TrainingFormat(StrEnum):
    openai = "openai"
    huggingface = "huggingface"
    axolotl = "axolotl"


@export_app.command("fine-tune")
def export_fine_tune(
    endpoint: Endpoint,
    lake: HandoffLake,
    output: HandoffDir,
    format_: Annotated[
        list[TrainingFormat] | None,
        typer.Option("--format", help="Whose shape; may be repeated.", show_default="all of them"),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="Model to be tuned, by its name on Hugging Face.", show_default="a small Apache-2.0 one"),
    ] = None,
    model: Teacher = None,
    held_out: Annotated[
        int | None,
        typer.Option(help="Held-out examples, at most half.", show_default="what the usual acceptance test takes"),
    ] = None,
    most: Annotated[int, typer.Option(help="Most calls to make examples of.")] = 10_000,
    config: ConfigFile = None,
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="First day after the window.", show_default=False)] = None,
    quiet: Quiet = False,
) -> int:
    """Write training, validation and held-out files of an endpoint, with recipe, model card and manifest."""
    from llmaudit import config as configs
    from llmaudit import pipeline
    from llmaudit.export import fine_tune

    formats = tuple(each.value for each in format_ or ()) or fine_tune.FORMATS
    fine_tune.check(output, formats)
    stated = configs.load(config, lake=lake, since=_day("--since", since), until=_day("--until", until))
    with _progress(quiet=quiet) as (tell, _):
        tell("Making examples")
        found = pipeline.handoff(stated, endpoint, model=model, held_out=held_out, most=most)
    written = fine_tune.write(found, output, formats=formats, **({"base_model": base_model} if base_model else {}))
    if not quiet:
        for line in written.told():
            typer.echo(line)
    return DONE


@export_app.command("evals")
def export_evals(
    endpoint: Endpoint,
    output: HandoffDir,
    lake: LakeDir = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Folder of an export fine-tune, whose held-out calls are taken.", show_default=False
        ),
    ] = None,
    floor: Annotated[
        float | None, typer.Option(help="Agreement to be proved.", show_default="0.95 of how steady today's model is")
    ] = None,
    expected: Annotated[
        float | None,
        typer.Option(help="Agreement of a model worth moving to.", show_default="halfway from the floor to that"),
    ] = None,
    power: Annotated[float, typer.Option(help="Chance that such a model passes.")] = 0.8,
    confidence: Annotated[float, typer.Option(help="One-sided confidence of the proof.")] = 0.95,
    provider: Annotated[
        str | None, typer.Option(help="The tuned model, as promptfoo names it.", show_default="openai:chat:tuned")
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Results to hold against the test in -o.", show_default=False)
    ] = None,
    run: Annotated[str, typer.Option(help="Label of the run that is checked.")] = "tuned",
    who: Annotated[str | None, typer.Option(help="Who signs the record of a check.", show_default=False)] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Whose answers are taken; of a check, the model's name.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    since: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option(help="First day after the window.", show_default=False)] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day of the prices and of the record.", show_default="today")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Write an acceptance test of a tuned model for promptfoo; or, with --check, hold its results against the rule."""
    from llmaudit import config as configs
    from llmaudit import pipeline
    from llmaudit.export import evals

    stated = configs.load(
        config, lake=lake, since=_day("--since", since), until=_day("--until", until), as_of=_day("--as-of", as_of)
    )
    day = stated.as_of or date.today()  # noqa: DTZ011 - the clock is read at the door
    if check is not None:
        return _checked(output, endpoint, check, run=run, who=who, model=model, day=day, quiet=quiet)
    if from_ is None and lake is None:
        raise AuditError(
            "Nothing to test on: name a lake with --lake DIR, or the folder of an export fine-tune with --from DIR."
        )
    evals.can_write(output)
    terms = evals.Terms(floor, expected, power, confidence)
    with _progress(quiet=quiet) as (tell, _):
        tell("Choosing cases")
        if from_ is not None:
            material = evals.of_export(from_, endpoint)
        else:
            material = evals.of_handoff(pipeline.handoff(stated, endpoint, model=model, held_out=evals.wanted(terms)))
        costs = pipeline.acceptance_costs(stated, material, terms, day)
    evals.write(material, output, terms, costs, priced_on=day, tuned=provider or evals.TUNED_PROVIDER)
    if not quiet:
        for line in evals.told(material, terms, costs, output):
            typer.echo(line)
    return DONE


def _checked(
    output: Path, endpoint: str, results: Path, *, run: str, who: str | None, model: str | None, day: date, quiet: bool
) -> int:
    from llmaudit.export import evals

    checked = evals.check(output, endpoint, results, run=run)
    if who is not None:
        evals.sign(output, checked, results, who=who, model=model, day=day)
    if not quiet:
        for line in checked.told():
            typer.echo(line)
        typer.echo(f"Signed by {who} in {output / evals.RECORDS}." if who else "Not signed: say who with --who NAME.")
    return DONE if checked.passed else POLICY_BROKEN


FindingId = Annotated[str, typer.Argument(help="Id of the finding, as report.json and the report's pages have it.")]
FindingsLake = Annotated[Path, typer.Option("--lake", help="Folder of the lake.")]
Owner = Annotated[str | None, typer.Option(help="Who sees to it.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Why, for those who ask later.", show_default=False)]
Until = Annotated[
    str | None, typer.Option(help="Last day it holds, YYYY-MM-DD; then it is open again.", show_default=False)
]


@findings_app.command("list")
def findings_list(lake: FindingsLake) -> int:
    """List the findings of the last report, the largest first, with what was decided about each."""
    from llmaudit import asking
    from llmaudit.lake import Lake, decisions

    asking.write(decisions.listed(Lake.open(lake)), "table", None)
    return DONE


@findings_app.command("accept")
def findings_accept(
    finding: FindingId, lake: FindingsLake, owner: Owner = None, reason: Reason = None, until: Until = None
) -> int:
    """Somebody sees to it."""
    return _decide(finding, lake, "accepted", owner, reason, until)


@findings_app.command("decline")
def findings_decline(
    finding: FindingId, lake: FindingsLake, owner: Owner = None, reason: Reason = None, until: Until = None
) -> int:
    """Nobody will: the finding is shown apart, and no plan counts it. Needs a reason."""
    return _decide(finding, lake, "declined", owner, reason, until)


@findings_app.command("done")
def findings_done(
    finding: FindingId, lake: FindingsLake, owner: Owner = None, reason: Reason = None, until: Until = None
) -> int:
    """It was done; what is found of it still is what is left."""
    return _decide(finding, lake, "done", owner, reason, until)


@findings_app.command("reopen")
def findings_reopen(finding: FindingId, lake: FindingsLake) -> int:
    """Forget what was decided."""
    from llmaudit.lake import Lake, decisions

    decisions.reopen(Lake.open(lake), finding)
    typer.echo(f"{finding}: open")
    return DONE


def _decide(finding: str, lake: Path, status: str, owner: str | None, reason: str | None, until: str | None) -> int:
    from datetime import UTC, datetime

    from llmaudit.lake import Lake, decisions

    today = datetime.now(UTC).date()
    decided = decisions.Decision(finding, status, today, owner, reason, _day("--until", until))
    decisions.decide(Lake.open(lake), decided)
    typer.echo(f"{finding}: {status}" + (f" until {decided.until}" if decided.until else ""))
    return DONE


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


def _named(config: AuditConfig) -> None:
    if not config.paths and config.lake is None:
        raise AuditError("Nothing to export: name files, or a lake with --lake DIR.")


def main() -> None:
    """Run the command and turn what happens into an exit code."""
    try:
        code = app(prog_name="llmaudit", standalone_mode=False)
        sys.stdout.flush()
    except AuditError as error:
        typer.echo(f"llmaudit: {error}", err=True)
        code = USER_CAN_FIX
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # Typer and Rich leave by SystemExit when nobody reads on, as in `| head`
        code = _nobody_reads()
    except Exception as error:  # noqa: BLE001 - the one place where everything else ends
        code = _other(error)
    if code == INTERRUPTED:
        typer.echo(
            "llmaudit: interrupted. What was committed to a lake stays; run the same command to go on.", err=True
        )
    sys.exit(code or DONE)


def _nobody_reads() -> int:
    """Send what is left to say nowhere, so that Python does not complain of the broken pipe as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return DONE


def _other(error: Exception) -> int:
    import traceback

    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        said = error.format_message()
        command = getattr(getattr(error, "ctx", None), "command_path", "llmaudit")
        is_help = said.startswith("Usage:")
        stop = "" if said.endswith((".", "?", "!")) else "."
        typer.echo(said if is_help else f"llmaudit: {said}{stop} Try: {command} --help", err=True)
        return USER_CAN_FIX
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    traceback.print_exception(error)
    typer.echo(f"llmaudit {__version__}: this is our bug, not yours. Please report it with the lines above.", err=True)
    return OUR_BUG


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


def _day(option: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise AuditError(f"{option} {text}: not a day. Write it as YYYY-MM-DD, such as 2026-10-01.") from None


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


Told = tuple[Callable[[str], None], Callable[[str, int], None]]


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Told]:
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


if __name__ == "__main__":
    main()
