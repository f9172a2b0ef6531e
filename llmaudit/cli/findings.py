"""`llmaudit findings`: what was decided about them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmaudit.cli.options import DONE, LakeFolder, day_of

group = typer.Typer(help="What was decided about findings.", no_args_is_help=True, rich_markup_mode=None)


FindingId = Annotated[str, typer.Argument(help="Id of the finding, as report.json and the report's pages have it.")]
Owner = Annotated[str | None, typer.Option(help="Who sees to it.", show_default=False)]
Reason = Annotated[str | None, typer.Option(help="Why, for those who ask later.", show_default=False)]
HoldsUntil = Annotated[
    str | None, typer.Option(help="Last day it holds, YYYY-MM-DD; then it is open again.", show_default=False)
]


@group.command("list")
def findings_list(lake: LakeFolder) -> int:
    """List the findings of the last report, the largest first, with what was decided about each."""
    from llmaudit import asking
    from llmaudit.lake import Lake, decisions

    asking.write(decisions.listed(Lake.open(lake)), "table", None)
    return DONE


@group.command("accept")
def findings_accept(
    finding: FindingId, lake: LakeFolder, owner: Owner = None, reason: Reason = None, until: HoldsUntil = None
) -> int:
    """Somebody sees to it."""
    return _decide(finding, lake, "accepted", owner, reason, until)


@group.command("decline")
def findings_decline(
    finding: FindingId, lake: LakeFolder, owner: Owner = None, reason: Reason = None, until: HoldsUntil = None
) -> int:
    """Nobody will: the finding is shown apart, and no plan counts it. Needs a reason."""
    return _decide(finding, lake, "declined", owner, reason, until)


@group.command("done")
def findings_done(
    finding: FindingId, lake: LakeFolder, owner: Owner = None, reason: Reason = None, until: HoldsUntil = None
) -> int:
    """It was done; what is found of it still is what is left."""
    return _decide(finding, lake, "done", owner, reason, until)


@group.command("reopen")
def findings_reopen(finding: FindingId, lake: LakeFolder) -> int:
    """Forget what was decided."""
    from llmaudit.lake import Lake, decisions

    decisions.reopen(Lake.open(lake), finding)
    typer.echo(f"{finding}: open")
    return DONE


def _decide(finding: str, lake: Path, status: str, owner: str | None, reason: str | None, until: str | None) -> int:
    from datetime import UTC, datetime

    from llmaudit.lake import Lake, decisions

    today = datetime.now(UTC).date()
    decided = decisions.Decision(finding, status, today, owner, reason, day_of("--until", until))
    decisions.decide(Lake.open(lake), decided)
    typer.echo(f"{finding}: {status}" + (f" until {decided.until}" if decided.until else ""))
    return DONE
