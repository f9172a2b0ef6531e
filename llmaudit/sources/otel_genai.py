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
        "resource_spans": "JSON",
        "resource_logs": "JSON",
        "resource_metrics": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        """A batch may start with spans that are no calls: any file of traces is taken, logs and metrics if they say so."""
        if peek.keys & {"resourceSpans", "resource_spans"}:
            return True
        words = ('"gen_ai.', '"llm.', '"openinference.', '"traceloop.')
        others = {"resourceLogs", "resource_logs", "resourceMetrics", "resource_metrics"}
        return bool(peek.keys & others) and any(word in peek.head for word in words)


SOURCE = OtelGenai()
