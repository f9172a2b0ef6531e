"""Google Cloud's billing export of BigQuery as Parquet: the columns of `gcp_billing`, with structs where that has JSON.

BigQuery writes repeated fields as lists; some of its writers put every element under a name of its own (`list`,
`element`). Times come as timestamps of UTC, money as doubles or decimals.
Spec: Google Cloud documentation, structure of the billing export, and exporting table data (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source
from llmaudit.sources.gcp_billing import GcpBilling


class GcpBillingParquet(Source):
    name = "gcp_billing_parquet"
    table = "charges"
    shape = "parquet"
    columns: ClassVar[Mapping[str, str]] = GcpBilling.columns

    def matches(self, peek: Peek) -> bool:
        return peek.columns >= {"service", "sku", "usage_start_time", "cost", "currency"}


SOURCE = GcpBillingParquet()
