"""Write the blanks of a new source: `python tools/new.py source acme_gateway`. docs/adding-a-source.md says how to fill them in."""

from __future__ import annotations

import re
import sys
from pathlib import Path

DATA_SHEET = '''"""<Acme's gateway log: JSON lines, one finished call a line.>

<What is odd about its counts: Acme counts cached tokens beside the input.>
Spec: <address or title of the page> (seen <year-month>).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class {camel}(Source):
    name = "{name}"
    witness = 2
    columns: ClassVar[Mapping[str, str]] = {{
        "<key>": "VARCHAR",
    }}

    def matches(self, peek: Peek) -> bool:
        return peek.has("<key that only this file has>", "<another>")


SOURCE = {camel}()
'''

SELECT = """select
    record,
    unread,
    case
        when as_utc("<time>") is null
        then concat('no readable time in <time>: ', coalesce("<time>", 'missing'))
        when "<model>" is null
        then 'no model in <model>'
    end as problem,
    "<the provider's id>" as provider_id,
    "<the log's own id>" as own_id,
    as_utc("<time>") as started_at,
    'chat' as operation,
    "<model>" as request_model,
    as_count("<input>") as input_tokens,
    as_count("<output>") as output_tokens,
    'reported' as usage_source,
    'ok' as status
from raw
"""

PAGE = """# {name}

<What the file is, and what a row of it becomes.>

**Where the file comes from.** <Menu, command or API call that gives it.>

| field | meaning |
|---|---|
| `<key>` | <what it counts, and what that includes> |

**What is odd.** <What a reader of the numbers has to know.>

**Spec.** <Title, seen year-month-day.> **Sample:** `tests/data/sources/{name}/`.
"""

NEXT = """Now fill in what stands in <>:
  llmaudit/sources/{name}.py       what the file is, the keys it reads, how it is told from others
  llmaudit/sources/{name}.sql      one SELECT from those keys to canonical columns
  docs/sources/{name}.md           its page; the index has a row for it
and put a sample, composed by you, into tests/data/sources/{name}/. Then:
  pytest tests/test_sources.py -k {name} --refresh    and read tests/golden/sources/{name}/
docs/adding-a-source.md has the whole way."""

INDEX_ROW = "| [{name}](sources/{name}.md) | <what the file is> | requests |\n"


def source(root: Path, name: str) -> list[Path]:
    """Write the files of a source and its row in the index. Nothing is overwritten."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise SystemExit(f"{name!r} is no name of a source: lower case and underscores, <vendor>_<export>.")
    filled = {"name": name, "camel": "".join(part.title() for part in name.split("_"))}
    contents = {
        root / "llmaudit" / "sources" / f"{name}.py": DATA_SHEET.format(**filled),
        root / "llmaudit" / "sources" / f"{name}.sql": SELECT,
        root / "docs" / "sources" / f"{name}.md": PAGE.format(**filled),
    }
    if there := [path for path in contents if path.exists()]:
        raise SystemExit(f"{there[0].relative_to(root)} is there already: nothing was written.")
    for path, content in contents.items():
        path.write_text(content, "utf-8")
    (root / "tests" / "data" / "sources" / name).mkdir(parents=True, exist_ok=True)
    index = root / "docs" / "index.md"
    lines = index.read_text("utf-8").splitlines(keepends=True)
    last = max(at for at, line in enumerate(lines) if "](sources/" in line)
    index.write_text("".join([*lines[: last + 1], INDEX_ROW.format(**filled), *lines[last + 1 :]]), "utf-8")
    return list(contents)


KINDS = {"source": source}


def main(arguments: list[str]) -> None:
    if len(arguments) != 2 or arguments[0] not in KINDS:  # noqa: PLR2004
        raise SystemExit(f"usage: new.py {'|'.join(KINDS)} NAME")
    kind, name = arguments
    for path in KINDS[kind](Path(__file__).parents[1], name):
        print(f"wrote {path.relative_to(Path(__file__).parents[1])}")
    print(NEXT.format(name=name))


if __name__ == "__main__":
    main(sys.argv[1:])
