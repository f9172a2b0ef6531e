"""AWS's cost and usage reports as CSV: CUR 2.0 of Data Exports, and the legacy CUR with its `lineItem/…` headings.

What Bedrock billed, by hour or day, usage type and resource. The unit column says how many tokens one unit is: 1K in
rows of Bedrock, 1M in those of the Marketplace, whose usage types name no model. Meters are disjoint. Credits, refunds,
discounts and tax are rows of their own. A month is delivered again and again until it closes, under changing line ids.
Spec: AWS Data Exports user guide, CUR 2.0 columns; usage types of AWS price lists and of an AWS blog of 2026-08 (seen 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmaudit.sources.base import Peek, Source

COLUMNS = dict.fromkeys(
    (
        "bill_payer_account_id",
        "line_item_usage_account_id",
        "line_item_usage_start_date",
        "line_item_usage_end_date",
        "line_item_line_item_type",
        "line_item_product_code",
        "line_item_usage_type",
        "line_item_operation",
        "line_item_resource_id",
        "line_item_usage_amount",
        "line_item_unblended_cost",
        "line_item_currency_code",
        "line_item_line_item_description",
        "line_item_tax_type",
        "line_item_iam_principal",
        "pricing_unit",
        "pricing_public_on_demand_cost",
        "product",
        "product_servicename",
        "product_servicecode",
        "product_product_name",
        "product_region",
        "product_region_code",
        "resource_tags",
        "tags",
        "bill/payeraccountid",
        "lineitem/usageaccountid",
        "lineitem/usagestartdate",
        "lineitem/usageenddate",
        "lineitem/lineitemtype",
        "lineitem/productcode",
        "lineitem/usagetype",
        "lineitem/operation",
        "lineitem/resourceid",
        "lineitem/usageamount",
        "lineitem/unblendedcost",
        "lineitem/currencycode",
        "lineitem/lineitemdescription",
        "lineitem/taxtype",
        "pricing/unit",
        "pricing/publicondemandcost",
        "product/servicename",
        "product/servicecode",
        "product/productname",
        "product/region",
    ),
    "VARCHAR",
)


class AwsCur(Source):
    name = "aws_cur"
    table = "charges"
    shape = "csv"
    columns: ClassVar[Mapping[str, str]] = COLUMNS

    def matches(self, peek: Peek) -> bool:
        is_new = peek.header >= {"line_item_line_item_type", "line_item_usage_type", "line_item_unblended_cost"}
        return is_new or peek.header >= {"lineitem/lineitemtype", "lineitem/usagetype", "lineitem/unblendedcost"}


SOURCE = AwsCur()
