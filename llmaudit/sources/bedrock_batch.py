"""Results of Amazon Bedrock's batch inference (`….jsonl.out`): one record a line, in no order.

No line says when it ran, nor the tier, nor always the model. The job (`aws bedrock get-model-invocation-job`) does, and
a file that has it on a line of its own can be counted. All of it is billed at the batch tier; bodies are the models' own.
Spec: Amazon Bedrock user guide, batch inference; API reference, GetModelInvocationJob (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class BedrockBatch(Source):
    name = "bedrock_batch"
    columns: ClassVar[Mapping[str, str]] = {
        "recordId": "VARCHAR",
        "modelInput": "JSON",
        "modelOutput": "JSON",
        "error": "JSON",
        "timestamp": "VARCHAR",
        "jobArn": "VARCHAR",
        "modelId": "VARCHAR",
        "submitTime": "VARCHAR",
        "endTime": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.has("recordId", "modelInput") or peek.has("jobArn", "modelId", "submitTime")


SOURCE = BedrockBatch()
