"""`llmaudit export fine-tune` and `export evals`: what a move to a tuned model needs."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from llmaudit.cli.options import (
    DONE,
    POLICY_BROKEN,
    ConfigFile,
    LakeDir,
    LakeFolder,
    Quiet,
    Since,
    Until,
    progress,
    say,
    settings,
    today,
)
from llmaudit.errors import AuditError

Endpoint = Annotated[str, typer.Argument(help="The endpoint, as the report names it.")]
Teacher = Annotated[
    str | None, typer.Option("--model", help="Whose answers are taken.", show_default="the one most is spent on")
]
HandoffDir = Annotated[Path, typer.Option("-o", "--output", help="Folder for the files; made if it is not there.")]


class TrainingFormat(StrEnum):
    openai = "openai"
    huggingface = "huggingface"
    axolotl = "axolotl"


def export_fine_tune(
    endpoint: Endpoint,
    lake: LakeFolder,
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
    since: Since = None,
    until: Until = None,
    quiet: Quiet = False,
) -> int:
    """Write training, validation and held-out files of an endpoint, with recipe, model card and manifest."""
    from llmaudit import commands
    from llmaudit.export import fine_tune

    formats = tuple(each.value for each in format_ or ()) or fine_tune.FORMATS
    fine_tune.check(output, formats)
    stated = settings(config, lake=lake, since=since, until=until)
    with progress(quiet=quiet) as (tell, _):
        tell("Making examples")
        found = commands.handoff(stated, endpoint, model=model, held_out=held_out, most=most)
    written = fine_tune.write(found, output, formats=formats, **({"base_model": base_model} if base_model else {}))
    if not quiet:
        say(written.told())
    return DONE


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
    since: Since = None,
    until: Until = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day of the prices and of the record.", show_default="today")
    ] = None,
    quiet: Quiet = False,
) -> int:
    """Write an acceptance test of a tuned model for promptfoo; or, with --check, hold its results against the rule."""
    from llmaudit import commands
    from llmaudit.export import evals

    stated = settings(config, lake=lake, since=since, until=until, as_of=as_of)
    day = stated.as_of or today()
    if check is not None:
        return _checked(output, endpoint, check, run=run, who=who, model=model, day=day, quiet=quiet)
    if from_ is None and lake is None:
        raise AuditError(
            "Nothing to test on: name a lake with --lake DIR, or the folder of an export fine-tune with --from DIR."
        )
    evals.can_write(output)
    terms = evals.Terms(floor, expected, power, confidence)
    with progress(quiet=quiet) as (tell, _):
        tell("Choosing cases")
        if from_ is not None:
            material = evals.of_export(from_, endpoint)
        else:
            wanted = evals.wanted(terms)
            material = evals.of_handoff(commands.handoff(stated, endpoint, model=model, held_out=wanted))
        costs = commands.acceptance_costs(stated, material, terms, day)
    evals.write(material, output, terms, costs, priced_on=day, tuned=provider or evals.TUNED_PROVIDER)
    if not quiet:
        say(evals.told(material, terms, costs, output))
    return DONE


def _checked(
    output: Path, endpoint: str, results: Path, *, run: str, who: str | None, model: str | None, day: date, quiet: bool
) -> int:
    from llmaudit.export import evals

    checked = evals.check(output, endpoint, results, run=run)
    if who is not None:
        evals.sign(output, checked, results, who=who, model=model, day=day)
    if not quiet:
        say(checked.told())
        typer.echo(f"Signed by {who} in {output / evals.RECORDS}." if who else "Not signed: say who with --who NAME.")
    return DONE if checked.passed else POLICY_BROKEN


def add_to(group: typer.Typer) -> None:
    """Make these two commands of `llmaudit export`."""
    group.command("fine-tune")(export_fine_tune)
    group.command("evals")(export_evals)
