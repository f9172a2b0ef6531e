"""Files of OpenAI's Batch API: answers and errors of a batch, one a line, in no order. Azure OpenAI's are alike.

The line holds a normal body and nothing that says batch: the tier is `batch` because of the file it stands in. The
time is the body's `created`. A refused request takes the earliest time in the file, and so do embeddings, whose
bodies have none: the batch object, put into the same file, gives it. A request that never ran is no call, nor are
the lines of the input file; the `usage` of the batch object repeats its lines and is not read.
Spec: OpenAI API reference, Batch; Python SDK 3.52.0 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class OpenaiBatch(Source):
    name = "openai_batch"
    columns: ClassVar[Mapping[str, str]] = {
        "id": "VARCHAR",
        "object": "VARCHAR",
        "custom_id": "VARCHAR",
        "response": "JSON",
        "error": "JSON",
        "method": "VARCHAR",
        "url": "VARCHAR",
        "body": "VARCHAR",
        "created_at": "VARCHAR",
        "in_progress_at": "VARCHAR",
        "completed_at": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        is_result = peek.has("custom_id", "response")
        is_request = peek.has("custom_id", "url", "body")
        is_batch = peek.has("input_file_id", "completion_window")
        return (is_result or is_request or is_batch) and not peek.has("timestamp")


SOURCE = OpenaiBatch()
