"""Google Cloud's billing export of BigQuery, standard or detailed, as JSON lines: what was billed, by hour or day.

`cost` is before credits, in `currency`; `credits` is a list of negative amounts. Rows are only ever added: late
corrections come as further rows. A query that unnests `credits` repeats a row for each of them: such rows are one.
SKUs are disjoint, and tell class, tier and model in words. Other services of the account are no charges of ours.
Spec: Google Cloud documentation, structure of the billing export (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source


class GcpBilling(Source):
    name = "gcp_billing"
    table = "charges"
    columns: ClassVar[Mapping[str, str]] = {
        "billing_account_id": "VARCHAR",
        "service": "JSON",
        "sku": "JSON",
        "usage_start_time": "VARCHAR",
        "usage_end_time": "VARCHAR",
        "project": "JSON",
        "labels": "JSON",
        "system_labels": "JSON",
        "tags": "JSON",
        "location": "JSON",
        "resource": "JSON",
        "cost": "VARCHAR",
        "cost_at_list": "VARCHAR",
        "currency": "VARCHAR",
        "usage": "JSON",
        "credits": "JSON",
        "credit_amount": "VARCHAR",
        "credits_amount": "VARCHAR",
        "amount": "VARCHAR",
        "full_name": "VARCHAR",
        "invoice": "JSON",
        "cost_type": "VARCHAR",
        "transaction_type": "VARCHAR",
        "adjustment_info": "JSON",
        "export_time": "VARCHAR",
    }

    def matches(self, peek: Peek) -> bool:
        return peek.has("service", "sku", "usage_start_time", "cost", "currency")


SOURCE = GcpBilling()
