"""Claude Code's own transcripts: one line for each content block of an answer, each repeating the answer's `usage`.

Lines of one `message.id` are one call: the line with the most tokens counts, the first one dates it. Input excludes
the cache (an Anthropic body). A transcript holds answers but not the requests, and does not say who paid.
Spec: Claude Code 2.1.63 transcripts (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class ClaudeCode(Source):
    name = "claude_code"
    columns: ClassVar[Mapping[str, str]] = {
        "type": "VARCHAR",
        "timestamp": "VARCHAR",
        "uuid": "VARCHAR",
        "sessionId": "VARCHAR",
        "cwd": "VARCHAR",
        "version": "VARCHAR",
        "isSidechain": "VARCHAR",
        "isApiErrorMessage": "VARCHAR",
        "costUSD": "VARCHAR",
        "message": "STRUCT(id VARCHAR, model VARCHAR, stop_reason VARCHAR, content JSON, usage JSON)",
    }
    kept: ClassVar[Mapping[str, str]] = {
        **{name: name for name in ("type", "timestamp", "uuid", "sessionId", "cwd", "version")},
        "is_sidechain": "coalesce(try_cast(isSidechain as boolean), false)",
        "cost_usd": "try_cast(costUSD as decimal(38, 12))",
        "message_id": "message.id",
        "model": "message.model",
        "stop_reason": "message.stop_reason",
        "usage": "message.usage",
        "content": "case when type is distinct from 'user' then message.content end",
        "not_call": """case
            when message.model = '<synthetic>' or lower(isApiErrorMessage) = 'true'
            then 'synthetic message'
            when type = 'user' and contains(left(cast(message.content as varchar), 512), '"tool_result"')
            then 'tool result'
            when coalesce(type, 'assistant') <> 'assistant'
            then type
            when json_type(message.usage) is distinct from 'OBJECT'
            then concat(coalesce(type, 'line'), ' without usage')
        end""",
    }
    usual_places = (".claude/projects/**/*.jsonl", ".config/claude/projects/**/*.jsonl")

    def matches(self, peek: Peek) -> bool:
        head = peek.head
        is_session = '"sessionId"' in head and '"message"' in head and ('"parentUuid"' in head or '"requestId"' in head)
        return is_session or ('"summary"' in head and '"leafUuid"' in head) or '"file-history-snapshot"' in head


SOURCE = ClaudeCode()
