"""The door: arguments in, one call, exit code out. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import sys

import typer

from llmaudit import __version__
from llmaudit.cli import auditing, export, findings, handoff, lakes, prices, setup
from llmaudit.cli.options import DONE, INTERRUPTED, OUR_BUG, USER_CAN_FIX
from llmaudit.errors import AuditError, of_the_disk

app = typer.Typer(
    name="llmaudit",
    help="Audit what LLM API calls cost, and prove what could be saved, on your own logs, offline.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (
    auditing.report,
    lakes.ingest,
    lakes.query,
    lakes.reconcile,
    lakes.verify,
    setup.init,
    setup.doctor,
    lakes.forget,
    lakes.reprice,
    setup.sources,
):
    app.command()(command)
app.add_typer(prices.group, name="prices")
handoff.add_to(export.group)
app.add_typer(export.group, name="export")
app.add_typer(findings.group, name="findings")


_PLACES = (
    "Make room, or name another place: -o for results, --lake for the lake, TMPDIR for what a run needs meanwhile."
)


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
    if reason := of_the_disk(error):
        typer.echo(f"llmaudit: a file could not be written: {reason}. {_PLACES}", err=True)
        return USER_CAN_FIX
    traceback.print_exception(error)
    typer.echo(f"llmaudit {__version__}: this is our bug, not yours. Please report it with the lines above.", err=True)
    return OUR_BUG
