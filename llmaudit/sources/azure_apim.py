"""Azure API Management's log of its LLM gateway (`ApiManagementGatewayLlmLog`), as CSV from Log Analytics.

A call has one row with SequenceNumber 0, its tokens and model, and further rows with pieces of its messages, which
are no calls. Input includes the cached part, whose share the log does not tell. A stream that was not asked for its
usage shows zeros: they are unknown, not free. Times are UTC, ISO or as the portal prints them.
Spec: Microsoft Learn, Azure Monitor tables, ApiManagementGatewayLlmLog (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class AzureApim(Source):
    name = "azure_apim"
    witness = 2
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "timegenerated",
            "timegenerated [utc]",
            "correlationid",
            "requestid",
            "operationname",
            "region",
            "deploymentname",
            "modelname",
            "isstreamcompletion",
            "sequencenumber",
            "prompttokens",
            "completiontokens",
            "totaltokens",
            "requestmessages",
            "responsemessages",
            "_subscriptionid",
        ),
        "VARCHAR",
    )
    caveats: ClassVar[Mapping[str, str]] = {
        "no_cached_tokens": "the gateway's log has no cached tokens: all input is priced as uncached, which is more than "
        "was billed where prompts were cached."
    }

    def matches(self, peek: Peek) -> bool:
        return peek.header >= {"correlationid", "deploymentname", "sequencenumber", "prompttokens"}


SOURCE = AzureApim()
