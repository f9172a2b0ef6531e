"""Results of Anthropic's Message Batches: one request a line, in no order.

No line says when it ran. The batch object (`type: message_batch`) does, and a file that has it, before or among its
results, can be counted: results take the time of the last batch object above them, else of the first in the file. A
line may also bring a `timestamp`. Only what succeeded is billed, at half price; `input_tokens` excludes the cache.
Spec: Anthropic API reference, Message Batches; Python SDK 2.11.0 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AnthropicBatch(Source):
    name = "anthropic_batch"
    columns: ClassVar[Mapping[str, str]] = {
        "id": "VARCHAR",
        "type": "VARCHAR",
        "custom_id": "VARCHAR",
        "result": "JSON",
        "params": "VARCHAR",
        "timestamp": "VARCHAR",
        "created_at": "VARCHAR",
        "ended_at": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        is_batch = peek.has("processing_status", "request_counts")
        return peek.has("custom_id", "result") or peek.has("custom_id", "params") or is_batch


SOURCE = AnthropicBatch()
