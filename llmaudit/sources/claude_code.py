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
        "message": """STRUCT(
            id VARCHAR, model VARCHAR, stop_reason VARCHAR, content STRUCT(type VARCHAR, id VARCHAR)[],
            usage STRUCT(
                input_tokens DOUBLE, cache_read_input_tokens DOUBLE, cache_creation_input_tokens DOUBLE, output_tokens DOUBLE,
                cache_creation STRUCT(ephemeral_5m_input_tokens DOUBLE, ephemeral_1h_input_tokens DOUBLE),
                output_tokens_details STRUCT(thinking_tokens DOUBLE), server_tool_use STRUCT(web_search_requests DOUBLE),
                iterations STRUCT(
                    type VARCHAR, input_tokens DOUBLE, cache_read_input_tokens DOUBLE, cache_creation_input_tokens DOUBLE,
                    output_tokens DOUBLE
                )[],
                service_tier VARCHAR, speed VARCHAR, inference_geo VARCHAR
            )
        )""",
    }
    kept: ClassVar[Mapping[str, str]] = {
        **{name: name for name in ("timestamp", "uuid", "sessionId", "cwd", "version", "costUSD")},
        "model": "message.model",
        "stop_reason": "message.stop_reason",
        "usage": "message.usage",
        "is_sidechain": "coalesce(try_cast(isSidechain as boolean), false)",
        "tools": """case
            when message.content[1].type in ('tool_use', 'server_tool_use') or len(message.content) > 1
            then list_transform(
                list_filter(message.content, lambda part: part.type in ('tool_use', 'server_tool_use')),
                lambda part: coalesce(part.id, '')
            )
        end""",
        "most": """(coalesce(try_cast(least(
            coalesce(message.usage.input_tokens, 0) + coalesce(message.usage.cache_read_input_tokens, 0)
            + coalesce(message.usage.cache_creation_input_tokens, 0) + coalesce(message.usage.output_tokens, 0), 2147483647
        ) as bigint), 0) << 32) + number""",
        "not_call": """case
            when message.model = '<synthetic>' or lower(isApiErrorMessage) = 'true'
            then 'synthetic message'
            when type = 'user' and 'tool_result' in (message.content[1].type, message.content[-1].type)
            then 'tool result'
            when coalesce(type, 'assistant') <> 'assistant'
            then type
            when message.usage is null
            then concat(coalesce(type, 'line'), ' without usage')
        end""",
        "message_id": "case when not_call is null then message.id end",
    }
    folded: ClassVar[Mapping[str, str]] = {
        "started_at": "min(as_utc(timestamp))",
        "timestamp": "min(timestamp)",
        **{name: f"arg_max({name}, most)" for name in ("usage", "model", "stop_reason")},
        "uuid": "arg_min(uuid, number)",
        **{name: f"arg_min({name}, number + (is_sidechain::bigint << 32))" for name in ("sessionId", "cwd", "version")},
        "is_sidechain": "bool_and(is_sidechain)",
        "cost_usd": "max(try_cast(costUSD as decimal(38, 12)))",
        "tools_called": "len(list_distinct(flatten(list(tools) filter (where tools is not null))))",
    }
    one: ClassVar[tuple[str, ...]] = ("not_call", "message_id")
    usual_places = (".claude/projects/**/*.jsonl", ".config/claude/projects/**/*.jsonl")

    def matches(self, peek: Peek) -> bool:
        head = peek.head
        is_session = '"sessionId"' in head and '"message"' in head and ('"parentUuid"' in head or '"requestId"' in head)
        return is_session or ('"summary"' in head and '"leafUuid"' in head) or '"file-history-snapshot"' in head


SOURCE = ClaudeCode()
