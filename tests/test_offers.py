"""Which tiers, bands and surcharges the book knows of: no money, only where there is a price and whether it is lower."""

from datetime import datetime

import pytest
from small_logs import book, call, replay, table

from llmaudit import pricing
from llmaudit.engine.duckdb import DuckDB


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


def offers(engine, provider, model, region=None, day="2026-11-01"):
    named = dict.fromkeys(("model", "request_model", "response_model"), model)
    pricing.put_offers(engine, replay(engine, [call(1, provider=provider, region=region, **named)]).usage, book())
    at = datetime.fromisoformat(day)
    return [row for row in table(engine, "offers") if row["valid_from"] <= at < row["valid_to"]]


def test_a_batch_is_cheaper_and_priority_dearer(duck):
    tiers = {row["tier"]: row["against_standard"] for row in offers(duck, "openai", "gpt-5")}
    assert (tiers["batch"], tiers["flex"], tiers["standard"], tiers["priority"]) == (-1, -1, 0, 1)


def test_a_model_that_nobody_sells_has_no_offers(duck):
    assert offers(duck, "acme", "acme-1") == []
    assert offers(duck, None, None) == []


def test_a_long_context_band_is_known_by_its_higher_rates(duck):
    bands = {
        r["from_tokens"]: r["is_long_context"]
        for r in offers(duck, "gcp.gemini", "gemini-2.5-pro")
        if r["tier"] == "standard"
    }
    assert bands == {0: False, 200_001: True}


@pytest.mark.parametrize(("region", "dearer"), [("us-east5", True), ("global", False), (None, False)])
def test_a_region_with_a_surcharge_is_known(duck, region, dearer):
    found = offers(duck, "gcp.vertex_ai", "claude-sonnet-4-5", region)
    assert {row["has_surcharge"] for row in found} == {dearer}
