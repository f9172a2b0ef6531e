"""What Helicone's export command writes as CSV: fewer columns, and JSON whose quotes are doubled once too often.

It has no id of the request, no answer and no cache counts. What the columns mean is said in `helicone`.
Spec: Helicone/helicone, the export command (seen 2026-11).
"""

from __future__ import annotations

from llmaudit.sources.base import Peek
from llmaudit.sources.helicone import Helicone


class HeliconeCsv(Helicone):
    name = "helicone_csv"
    shape = "csv"

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"response_status", "request_created_at", "prompt_tokens", "completion_tokens"}


SOURCE = HeliconeCsv()
