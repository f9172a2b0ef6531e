"""OpenTelemetry files (OTLP as JSON): a line is a batch of spans or log records, and some of those are LLM calls.

Reads the GenAI conventions with their older spellings, OpenLLMetry's flattened attributes and OpenInference. Input
includes the cache, output includes reasoning. Agents, chains, workflows and tools repeat what the calls below them used:
only the lowest span of a call counts. Numbers of 64 bits and times in nanoseconds are texts, or numbers.
Spec: semantic-conventions-genai main, OpenLLMetry semconv-ai 0.5.1, OpenInference semconv 0.1.42 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OtelGenai(Source):
    name = "otel_genai"
    witness = 3
    columns: ClassVar[Mapping[str, str]] = {
        "resourceSpans": "JSON",
        "resourceLogs": "JSON",
        "resourceMetrics": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        """A batch may start with spans that are no calls: any file of traces is taken, logs and metrics if they say so."""
        if not peek.keys & {"resourceLogs", "resourceMetrics"}:
            return peek.has("resourceSpans")
        words = ('"gen_ai.', '"llm.', '"openinference.', '"traceloop.')
        return peek.has("resourceSpans") or any(word in peek.head for word in words)


SOURCE = OtelGenai()
