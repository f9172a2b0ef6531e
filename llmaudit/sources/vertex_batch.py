"""Batch predictions of Vertex AI: `predictions.jsonl` in Cloud Storage, or the rows of the output table in BigQuery.

Each line echoes the request and adds `response`, `processed_time` (the only time there is) and `status`, which is
empty unless the request failed. Nothing says batch: every answer is billed at the batch tier. Bodies are Gemini's:
`promptTokenCount` includes the cached part, thoughts are counted beside the candidates. Order is not the input's.
Spec: Google Cloud documentation, batch prediction with Gemini (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class VertexBatch(Source):
    name = "vertex_batch"
    columns: ClassVar[Mapping[str, str]] = {
        "status": "VARCHAR",
        "processed_time": "VARCHAR",
        "request": "JSON",
        "response": "JSON",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.has("processed_time", "response")


SOURCE = VertexBatch()
