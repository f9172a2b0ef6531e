"""LiteLLM's table of spend logs as a CSV that `psql` or a database tool made: the same rows, JSON in cells, no zone.

What the columns mean is said in `litellm_spend_logs`. Times in a dump name no zone and are UTC.
Spec: LiteLLM 1.109.1, `LiteLLM_SpendLogs` of its Prisma schema (seen 2026-11).
"""

from __future__ import annotations

from llmaudit.sources.base import Peek
from llmaudit.sources.litellm_spend_logs import LitellmSpendLogs


class LitellmSpendLogsCsv(LitellmSpendLogs):
    name = "litellm_spend_logs_csv"
    shape = "csv"

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"request_id", "call_type", "spend", "starttime", "prompt_tokens"}


SOURCE = LitellmSpendLogsCsv()
