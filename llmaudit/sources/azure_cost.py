"""Azure's cost and usage details (Cost Management, CSV): what was billed, by day, meter, resource and tags.

EA, MCA and pay-as-you-go exports name their columns alike but in other cases. Meters are disjoint: the input meter is
what the cached one leaves. `Quantity` counts blocks of `UnitOfMeasure` (1K, 1M, hours), and both blocks occur in
one file. Money is in the billing currency as it stands. Of an amortized export, what a reservation covers is accrued,
not billed. Days are UTC. Other services of the subscription are no charges of ours.
Spec: Microsoft Learn, cost and usage details schema; FinOps toolkit schemas 2025-04 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

_COLUMNS = (
    "subscriptionid",
    "subscriptionguid",
    "date",
    "usagedatetime",
    "product",
    "productname",
    "meterid",
    "metercategory",
    "metersubcategory",
    "metername",
    "quantity",
    "usagequantity",
    "unitofmeasure",
    "unitprice",
    "costinbillingcurrency",
    "cost",
    "pretaxcost",
    "paygcostinbillingcurrency",
    "billingcurrency",
    "billingcurrencycode",
    "currency",
    "resourcelocation",
    "meterregion",
    "consumedservice",
    "resourceid",
    "instanceid",
    "additionalinfo",
    "tags",
    "chargetype",
    "pricingmodel",
    "reservationid",
    "publishername",
    "invoicesectionname",
    "invoicesection",
    "costcenter",
)


class AzureCost(Source):
    name = "azure_cost"
    table = "charges"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = dict.fromkeys(_COLUMNS, "VARCHAR")

    def matches(self, peek: Peek) -> bool:
        """FOCUS exports, too, name a meter, but as `x_skumeterid`."""
        return peek.header >= {"meterid", "metercategory", "metername", "unitofmeasure"}


SOURCE = AzureCost()
