"""Vertex AI's request-response logging: the BigQuery table that an endpoint logs its calls to, one JSON object a row.

`full_request` and `full_response` hold Gemini's bodies in snake_case (a stream as the list of its chunks, counts
cumulative), or those of Anthropic's models. `promptTokenCount` includes the cached part, thoughts are counted
beside the candidates. `logging_time` is when the answer was logged: the call began `request_latency` before.
Logging is sampled, at a rate that the rows do not tell.
Spec: Google Cloud documentation, log requests and responses (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class VertexRequestResponse(Source):
    name = "vertex_request_response"
    columns: ClassVar[Mapping[str, str]] = {
        "endpoint": "VARCHAR",
        "deployed_model_id": "VARCHAR",
        "logging_time": "VARCHAR",
        "request_id": "VARCHAR",
        "request_payload": "JSON",
        "response_payload": "JSON",
        "model": "VARCHAR",
        "model_version": "VARCHAR",
        "api_method": "VARCHAR",
        "full_request": "JSON",
        "full_response": "JSON",
        "metadata": "JSON",
        "sampling_rate": "VARCHAR",
    }

    caveats: ClassVar[Mapping[str, str]] = {
        "sampled_log": "Vertex logs a sample of the calls, at the rate set on the endpoint; unless that is 1, the sums "
        "here are below what was spent. They are not scaled up."
    }

    def matches(self, peek: Peek) -> bool:
        return peek.has("logging_time", "request_id") and bool(peek.keys & {"full_response", "response_payload"})


SOURCE = VertexRequestResponse()
