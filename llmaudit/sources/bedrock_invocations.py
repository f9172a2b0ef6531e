"""Amazon Bedrock's model invocation logs: JSON lines of S3 (`.json.gz`), and events of CloudWatch Logs with them inside.

`inputTokenCount` excludes what was read from and written to the cache, in every kind of body; the split of writes by
lifetime stands in the answer only. Both destinations log one call under one `requestId`; a retry has its own. Bodies
over 100 KB stand in files of their own, to which the record points: such calls have tokens but no texts.
Spec: Amazon Bedrock user guide, model invocation logging, schema 1.0; public captures of 2024 and 2026-04 (seen 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_BODY_FILE = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_(input|output)\.json(\.gz)?$")

COLUMNS = {
    "schemaType": "VARCHAR",
    "timestamp": "VARCHAR",
    "accountId": "VARCHAR",
    "region": "VARCHAR",
    "inferenceRegion": "VARCHAR",
    "requestId": "VARCHAR",
    "operation": "VARCHAR",
    "modelId": "VARCHAR",
    "identity": "JSON",
    "requestMetadata": "JSON",
    "errorCode": "VARCHAR",
    "status": "VARCHAR",
    "serviceTier": "VARCHAR",
    "input": "JSON",
    "output": "JSON",
    "cacheReadInputTokenCount": "VARCHAR",
    "cacheWriteInputTokenCount": "VARCHAR",
    "message": "JSON",
    "@message": "JSON",
    "events": "JSON",
    "logEvents": "JSON",
    "type": "VARCHAR",
    "messages": "VARCHAR",
    "prompt": "VARCHAR",
    "inputText": "VARCHAR",
    "usage": "VARCHAR",
    "content": "VARCHAR",
    "stopReason": "VARCHAR",
    "generation": "VARCHAR",
    "results": "VARCHAR",
    "outputs": "VARCHAR",
    "choices": "VARCHAR",
}


class BedrockInvocations(Source):
    name = "bedrock_invocations"
    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def matches(self, peek: Peek) -> bool:
        """Events of CloudWatch say whose they are only inside; a body kept apart says it by its name alone."""
        is_event = bool(peek.keys & {"events", "logEvents", "message", "@message"})
        return (
            peek.has("requestId", "modelId")
            or (is_event and "ModelInvocationLog" in peek.head and not peek.header)
            or bool(_BODY_FILE.match(peek.name))
        )


SOURCE = BedrockInvocations()
