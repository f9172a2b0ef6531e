"""Amazon Bedrock's model invocation logs as the CloudWatch console exports them: a table of events, the record as JSON.

Columns `timestamp,message`, or `@timestamp,@message` of Logs Insights. The record is that of `bedrock_invocations`,
whose calls these are: one that was logged to S3 as well counts once.
Spec: Amazon CloudWatch Logs user guide, and that of Bedrock's invocation logs (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source
from llmaudit.sources.bedrock_invocations import COLUMNS


class BedrockInvocationsCsv(Source):
    name = "bedrock_invocations_csv"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def matches(self, peek: Peek) -> bool:
        return bool(peek.header & {"message", "@message"}) and "ModelInvocationLog" in peek.head


SOURCE = BedrockInvocationsCsv()
