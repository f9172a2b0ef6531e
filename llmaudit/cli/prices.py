"""`llmaudit prices`: the dated price book."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmaudit.cli.options import (
    DONE,
    POLICY_BROKEN,
    AsOf,
    ConfigFile,
    LakeDir,
    Paths,
    TableAs,
    TableFormat,
    day_of,
    settings,
    today,
)
from llmaudit.errors import AuditError

if TYPE_CHECKING:
    from llmaudit import pricing

group = typer.Typer(help="The dated price book.", no_args_is_help=True, rich_markup_mode=None)


@group.command("show")
def prices_show(
    model: Annotated[str, typer.Argument(help="Model name, as a log or a bill has it.")],
    config: ConfigFile = None,
) -> int:
    """Show every dated price of a model, with its source."""
    from llmaudit import asking, pricing

    stated = settings(config)
    rows = asking.price_list(pricing.show(model, pricing.load(stated.prices, stated.price_book)))
    typer.echo("US dollars for a million tokens (other units: for one), by token class.")
    asking.write(rows, "table", None)
    return DONE


@group.command("upcoming")
def prices_upcoming(
    paths: Paths = None,
    lake: LakeDir = None,
    config: ConfigFile = None,
    as_of: AsOf = None,
    format_: TableAs = TableFormat.table,
) -> int:
    """Show dated price changes and retirements to come; with PATH or --lake, in dollars per endpoint."""
    from llmaudit import asking, commands, pricing
    from llmaudit.pricing import upcoming

    stated = settings(config, paths=tuple(paths or ()), lake=lake, as_of=as_of)
    day = stated.as_of or today()
    if stated.paths or stated.lake:
        rows = commands.upcoming(stated, day)
    else:
        rows = asking.upcoming_list(upcoming.frame(pricing.load(stated.prices, stated.price_book), day))
    asking.write(rows, format_.value, None)
    return DONE


@group.command("lint")
def prices_lint(
    model: Annotated[str | None, typer.Argument(help="One model only.", show_default=False)] = None,
    config: ConfigFile = None,
    as_of: AsOf = None,
    format_: TableAs = TableFormat.table,
) -> int:
    """Check prices against rules that prices keep. Exits with 1 if any is broken."""
    from llmaudit import asking, pricing
    from llmaudit.pricing import lint

    stated = settings(config, as_of=as_of)
    day = stated.as_of or today()
    broken = lint.lint(pricing.load(stated.prices, stated.price_book), day, model)
    asking.write(lint.frame(broken), format_.value, None)
    return POLICY_BROKEN if broken else DONE


@group.command("diff")
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
    from llmaudit.pricing.differences import differences

    own = settings(config).price_book

    def side(text: str) -> tuple[pricing.Book, date | None]:
        if text == "shipped":
            return pricing.load(), None
        if Path(text).is_dir():
            return pricing.load(None, Path(text)), None
        return pricing.load(None, own), day_of("diff", text)

    old, old_day = side(before)
    new, new_day = side(after) if after else (pricing.load(None, own), None)
    rows = differences(old, old_day or new_day or old.as_of, new, new_day or old_day or new.as_of)
    asking.write(rows, format_.value, None)
    return DONE


@group.command("update")
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
    from llmaudit.pricing import updating

    folder = book or settings(config).price_book
    if folder is None:
        raise AuditError('Where should the book lie? Say --book DIR, or price_book = "DIR" in llmaudit.toml.')
    digest = updating.update(folder, day_of("--seen", seen) or date.today())  # noqa: DTZ011
    typer.echo(f"Wrote {folder}, sha256 {digest}.")
    typer.echo(
        f'To use it: price_book = "{folder}" in llmaudit.toml. What changed: llmaudit prices diff shipped {folder}'
    )
    return DONE
