"""Bills in the words of FOCUS, 1.0 to 1.4, as CSV: exports of AWS, Azure, Google, Oracle and of vendors.

Columns are found by name; those that a provider leaves out are unknown. Tokens are `ConsumedQuantity` where its unit is
tokens, else `PricingQuantity` times the block in its unit (`1000 Tokens`, `1M tokens`): one amount in two units. Where
prices are in a currency of the vendor's own, a "Token" is a credit. Model and class stand in words, columns `x_…` first.
Spec: FOCUS 1.4, Cost and Usage (ratified 2026-06); examples of 1.2 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

NAMES = (
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingCategory",
    "PricingCurrency",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceProviderName",
    "RegionId",
    "ResourceId",
    "AllocatedResourceId",
    "ServiceCategory",
    "ServiceSubcategory",
    "ServiceName",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SubAccountId",
    "Tags",
    "x_Model",
    "x_Provider",
    "x_ServiceTier",
    "x_TokenType",
    "x_UsageType",
    "x_Operation",
    "x_SkuMeterName",
    "x_SkuMeterSubcategory",
    "x_SkuDescription",
)


class Focus(Source):
    name = "focus"
    table = "charges"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = {name.lower(): "VARCHAR" for name in NAMES}

    def matches(self, peek: Peek) -> bool:
        """Its other datasets (invoice details, billing periods, commitments) have no period of a charge."""
        return peek.header >= {"billedcost", "chargecategory", "chargeperiodstart", "billingcurrency"}


SOURCE = Focus()
