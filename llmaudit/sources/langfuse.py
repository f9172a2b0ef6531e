"""Langfuse's observations: from its API, its table of observations as JSON, or what it exports to a bucket.

Names are camelCase or snake_case. `usageDetails` holds disjoint buckets: `input` excludes what was read from or written
to a cache, `output` excludes reasoning, whatever the provider means by them. Only generations and embeddings are calls.
Times that name no zone are UTC. `totalCost` is null where Langfuse has no price.
Spec: langfuse/langfuse at 6275144 of 2026-08-22 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_TEXT = (
    "id",
    "type",
    "name",
    "level",
    "environment",
    "model",
    "latency",
    "traceId",
    "trace_id",
    "projectId",
    "project_id",
    "parentObservationId",
    "parent_observation_id",
    "startTime",
    "start_time",
    "endTime",
    "end_time",
    "completionStartTime",
    "completion_start_time",
    "timeToFirstToken",
    "statusMessage",
    "status_message",
    "providedModelName",
    "provided_model_name",
    "inputUsage",
    "outputUsage",
    "promptTokens",
    "completionTokens",
    "totalCost",
    "total_cost",
    "calculatedTotalCost",
    "userId",
    "user_id",
    "sessionId",
    "session_id",
    "traceName",
    "trace_name",
)
_JSON = (
    "data",
    "modelParameters",
    "model_parameters",
    "usageDetails",
    "usage_details",
    "usage",
    "costDetails",
    "cost_details",
    "traceTags",
    "tags",
    "metadata",
    "input",
    "output",
)


class Langfuse(Source):
    name = "langfuse"
    witness = 3
    pages = "data"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(_TEXT, "VARCHAR") | dict.fromkeys(_JSON, "JSON")

    def matches(self, peek: Peek) -> bool:
        """Traces and scores have neither a type of observation nor usage."""
        is_named_so = bool(peek.keys & {"usageDetails", "modelParameters", "providedModelName"})
        is_page = peek.has("data", "meta") and all(
            f'"{key}"' in peek.head for key in ("traceId", "startTime", "usageDetails")
        )
        is_blob = peek.has("trace_id", "type", "start_time", "provided_model_name")
        return (peek.has("id", "traceId", "type", "startTime") and is_named_so) or is_blob or is_page


SOURCE = Langfuse()
