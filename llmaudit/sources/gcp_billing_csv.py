"""The cost table of Google Cloud's console (Billing, Reports, CSV): what was billed, by day of Pacific time and SKU.

Headings follow the language and the currency of the account: `List cost ($)`, `Savings programmes (£)`. Amounts have
thousands separators. The rows after the data (Subtotal, Tax, Filtered total) have no day and are sums, not charges.
A table that is not grouped by day has none, and cannot be placed.
Spec: a public fixture of the console's download; Google Cloud documentation, billing reports (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

SYMBOLS = ("$", "€", "£", "¥", "₹")
_AMOUNTS = ("list cost", "unrounded subtotal", "subtotal", "other savings")


class GcpBillingCsv(Source):
    name = "gcp_billing_csv"
    table = "charges"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "date",
            "project id",
            "service description",
            "service id",
            "sku description",
            "sku id",
            "usage amount",
            "usage unit",
            "region",
            *(f"{amount} ({symbol})" for amount in _AMOUNTS for symbol in SYMBOLS),
        ),
        "VARCHAR",
    )

    def matches(self, peek: Peek) -> bool:
        has_subtotal = any(name.startswith(("subtotal (", "unrounded subtotal (")) for name in peek.header)
        return has_subtotal and peek.header >= {"service description", "sku description"}


SOURCE = GcpBillingCsv()
