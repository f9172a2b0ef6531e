"""AWS Cost Explorer's CSV download: costs by day or month, one column for each service or usage type.

A pivot: periods below one another and groups side by side, or the other way round. Each cell is a charge; the column and
the row of totals repeat them and are none. Grouped by anything but service or usage type, no cell says whose it is.
Costs are as the console showed them (unblended unless set otherwise), in dollars; quantities have no cost and are left out.
Spec: AWS Cost Management user guide; headings as public copies of downloads have them (seen 2026-11, uncertain).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from llmaudit.sources.base import Peek, Refuse, Source
from llmaudit.sources.tables import Row, csv_rows

_UNIT = re.compile(r"^(.*?)\s*\(([^()]*)\)$")
_PERIOD = re.compile(r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?$")
_GROUPINGS = {"service", "usage type", "linked account", "region", "api operation", "charge type", "usage type group"}


class AwsCostExplorerCsv(Source):
    name = "aws_cost_explorer_csv"
    table = "charges"
    shape = "own"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("period", "grain", "grouping", "grouped", "amount", "unit"), "VARCHAR"
    )

    def matches(self, peek: Peek) -> bool:
        has_total = any(name.replace(" ", "") in ("totalcosts($)", "total($)") for name in peek.header)
        has_periods = any(_PERIOD.match(_UNIT.sub(r"\1", name)) for name in peek.header)
        return has_total or (has_periods and bool(peek.header & _GROUPINGS))

    def records(self, path: Path, refuse: Refuse) -> Iterator[tuple[int, bytes]]:
        """Line number and JSON object of every cell that holds something."""
        rows = csv_rows(path)
        header = [cell.strip() for cell in next(rows, (1, Row([])))[1]]
        lines: list[tuple[int, list[str]]] = []
        for number, row in rows:
            if row.torn and len(row) < len(header):
                refuse(number, f"the file breaks off: {len(row)} cells under {len(header)} headings", row[0].encode())
            elif any(row):
                lines.append((number, [cell.strip() for cell in row]))
        sideways = any(_PERIOD.match(_named(heading)[0]) for heading in header[1:])
        periods = [_named(heading)[0] for heading in header[1:]] if sideways else [row[0] for _, row in lines]
        for number, cells in lines:
            for heading, cell in zip(header[1:], cells[1:], strict=False):
                name, unit = _named(heading)
                if cell:
                    said = {
                        "period": name if sideways else cells[0],
                        "grain": _grain(periods),
                        "grouping": header[0],
                        "grouped": _named(cells[0])[0] if sideways else name,
                        "amount": cell,
                        "unit": unit,
                    }
                    yield number, json.dumps(said, ensure_ascii=False).encode()


def _named(heading: str) -> tuple[str, str | None]:
    """A heading and the unit behind it.

    >>> _named("Claude Opus 4.6 (Amazon Bedrock Edition)($)"), _named("2026-10-01")
    (('Claude Opus 4.6 (Amazon Bedrock Edition)', '$'), ('2026-10-01', None))
    """
    found = _UNIT.match(heading)
    return (found[1], found[2]) if found and found[2] != "Amazon Bedrock Edition" else (heading, None)


def _grain(periods: list[str]) -> str:
    """Months begin on a first, all of them; hours name one."""
    known = [period for period in periods if _PERIOD.match(period)]
    if any(":" in period for period in known):
        return "hour"
    return "month" if known and all(period.endswith("-01") for period in known) else "day"


SOURCE = AwsCostExplorerCsv()
