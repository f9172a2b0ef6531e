"""Codex CLI rollouts: the events of a session, of which `token_count` says what the last call used.

`last_token_usage` is the last call, `total_token_usage` the session so far. Codex writes the event again whenever it
redraws, so a call is a change of the total. Input includes cached, output includes reasoning; the log has no id of
the answer, no cache writes, no tier, and does not say who paid. Resumed and forked sessions and subagents copy the
events of their parent under new times: a call is known by its thread's oldest id and the totals before and after it.
Spec: codex-rs `protocol.rs` and rollouts of Codex 0.88 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class Codex(Source):
    name = "codex"
    columns: ClassVar[Mapping[str, str]] = {
        "timestamp": "VARCHAR",
        "type": "VARCHAR",
        "payload": "STRUCT(type VARCHAR, id VARCHAR, model VARCHAR, cwd VARCHAR, cli_version VARCHAR, originator VARCHAR, "
        "model_provider VARCHAR, forked_from_id VARCHAR, source JSON, info JSON)",
    }
    usual_places = (".codex/sessions/**/*.jsonl", ".codex/archived_sessions/*.jsonl")

    def matches(self, peek: Peek) -> bool:
        kinds = ("session_meta", "turn_context", "response_item", "event_msg")
        return peek.has("timestamp", "type", "payload") and any(f'"{kind}"' in peek.head for kind in kinds)


SOURCE = Codex()
