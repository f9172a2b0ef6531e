"""Azure OpenAI's diagnostic logs (`insights-logs-requestresponse`): JSON lines, or Event Hub's `{"records": [...]}`.

A RequestResponse record says when, which deployment and model, and how it ended. It has **no tokens**, only lengths in
bytes: its calls stay unpriced. `requestTime` is in .NET ticks. Operations that run no model are no calls, nor are the
other categories (Audit, Trace; the payload of AzureOpenAIRequestUsage is not documented).
Spec: Microsoft Learn, monitoring Azure OpenAI; records of a public test log (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AzureDiagnostics(Source):
    name = "azure_diagnostics"
    shape = "document"
    columns: ClassVar[Mapping[str, str]] = {
        "records": "JSON",
        "time": "VARCHAR",
        "resourceId": "VARCHAR",
        "category": "VARCHAR",
        "operationName": "VARCHAR",
        "resultSignature": "VARCHAR",
        "durationMs": "VARCHAR",
        "correlationId": "VARCHAR",
        "location": "VARCHAR",
        "properties": "JSON",
    }
    caveats: ClassVar[Mapping[str, str]] = {
        "no_usage": "Azure's RequestResponse log has no tokens, so none of its calls has a price. Bills, the gateway's log "
        "or the application's own log have them."
    }

    def matches(self, peek: Peek) -> bool:
        is_diagnostic = peek.has("category", "operationName", "resourceId") or peek.has("records")
        return is_diagnostic and "MICROSOFT.COGNITIVESERVICES" in peek.head.upper()


SOURCE = AzureDiagnostics()
