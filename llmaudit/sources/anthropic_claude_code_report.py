"""Anthropic's Claude Code report: tokens by day, person or key, terminal and model, of an organisation's coding agents.

Records of the admin API's pages, one page a day or more. `tokens.input` excludes the cache; cache writes are not split
by lifetime. The estimated cost (cents) is notional for subscriptions and is not read. For API customers the same
tokens are in the usage report of messages too: views of one spend, never added.
Spec: Anthropic API reference, usage_report/claude_code (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AnthropicClaudeCodeReport(Source):
    name = "anthropic_claude_code_report"
    table = "usage"
    shape = "document"
    columns: ClassVar[Mapping[str, str]] = {
        "data": "JSON",
        "date": "VARCHAR",
        "actor": "JSON",
        "organization_id": "VARCHAR",
        "customer_type": "VARCHAR",
        "terminal_type": "VARCHAR",
        "model_breakdown": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        is_record = peek.has("actor", "model_breakdown")
        return is_record or ("data" in peek.keys and '"model_breakdown"' in peek.head and '"actor"' in peek.head)


SOURCE = AnthropicClaudeCodeReport()
