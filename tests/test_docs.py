"""The pages say what the program does: tables, commands, options and links are asked of both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from llmaudit import schema
from llmaudit.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sample_logs").glob("*.md")])
COMMANDS = typer.main.get_command(app)


def commands(group, before=()):
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


def test_the_tables_page_is_the_schema():
    assert (ROOT / "docs" / "tables.md").read_text("utf-8") == schema.markdown()


def test_every_column_has_its_documentation():
    for table in (schema.PRICED, schema.CHARGES, schema.USAGE, schema.TEXTS, schema.INGESTS, schema.QUARANTINE):
        assert not [name for name, doc in schema.docs(table).items() if not doc.endswith(".")]


@pytest.mark.parametrize(
    ("name", "command"), list(commands(COMMANDS)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_stands_on_the_command_line_page(name, command):
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert f"llmaudit {name}" in page
    assert command.help
    for option in command.params:
        flags = [flag for flag in option.opts if flag.startswith("-")]
        assert not flags or any(flag in page for flag in flags), f"{name} {flags}"


def test_the_command_line_page_names_no_option_that_is_not_there():
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    known = {flag for _, command in commands(COMMANDS) for option in command.params for flag in option.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) - known - {"--help"} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_can_be_reached_from_the_index():
    reached, waiting = set(), [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [page.parent / target for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))]
    assert {page.resolve() for page in (ROOT / "docs").rglob("*.md")} - reached == set()


def test_the_project_speaks_of_itself_alone():
    for page in [*PAGES, *(ROOT / "llmaudit").rglob("*.py"), *(ROOT / "llmaudit").rglob("*.sql")]:
        text = page.read_text("utf-8")
        assert not re.search(r"/work/|/tmp/|pypi\.org|pythonhosted|registry\.npmjs", text), page
