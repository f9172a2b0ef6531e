"""Commands for the first day: write settings, check the set-up, list what can be read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmaudit.cli.options import DONE, USER_CAN_FIX, AsOf, ConfigFile, day_of, today


def init(
    folder: Annotated[Path, typer.Argument(help="Where the files are written.")] = Path(),
) -> int:
    """Write llmaudit.toml and prices.toml to start from. Nothing is written over."""
    from llmaudit import starting

    for path in starting.write(folder):
        typer.echo(f"Wrote {path}")
    typer.echo("Next: llmaudit report LOGS --config llmaudit.toml -o report.html")
    return DONE


def doctor(
    lake: Annotated[
        Path | None, typer.Option("--lake", help="Folder of a lake to look at, too.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    as_of: AsOf = None,
) -> int:
    """Check install, engine, config, prices and lake. Each line is ok, warn or fix; exit code 2 if any is to be fixed."""
    from llmaudit import doctor as doctors

    day = day_of("--as-of", as_of) or today()
    found = []
    for check in doctors.checks(config, lake, day):
        typer.echo(str(check))
        found.append(check.state)
    return USER_CAN_FIX if doctors.FIX in found else DONE


def sources() -> int:
    """List the kinds of files that can be read."""
    from llmaudit import sources as readers

    for name, source in sorted(readers.registry().items()):
        summary = (sys.modules[type(source).__module__].__doc__ or "").strip().splitlines()[0]
        typer.echo(f"{name:20} {source.table:9} {summary}")
    return DONE
