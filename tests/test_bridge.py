"""From one month's cost to the next one's: worked by hand, and laws that hold for any two months."""

from datetime import date
from decimal import Decimal
from math import log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_logs import MODEL, record, write_log

import llmaudit
from llmaudit import report as reports
from llmaudit.errors import AuditError
from llmaudit.reconcile import bridge as bridges
from llmaudit.reconcile.bridge import CLASSES, COSTS, COUNTS, Bridge, bridge

USD = {"input": "2", "cache_read": "0.2", "output": "10"}
"""A million tokens."""


def segment(
    model: str = "a", tier: str = "standard", requests: int = 100, price: str = "1", **tokens: int
) -> dict[str, Any]:
    counts = dict.fromkeys(COUNTS, 0) | {f"{name}_tokens": count for name, count in tokens.items()}
    costs = {name: Decimal(0) for name in COSTS}
    for name, count in tokens.items():
        costs[f"{name}_usd"] = count * Decimal(USD[name]) * Decimal(price) / 1_000_000
    return {"provider": "p", "model": model, "service_tier": tier, **counts, "requests": requests, **costs}


def of(*rows: list[dict[str, Any]]) -> Bridge:
    before, after = rows
    return bridge("2026-09", before, "2026-10", after)


def test_twice_the_calls_are_volume_alone() -> None:
    """1,000,000 tokens at 2.00: two dollars, then four."""
    found = of([segment(input=1_000_000)], [segment(requests=200, input=2_000_000)])
    assert found.parts() == {"volume": Decimal("2.000000")}


def test_a_price_twice_as_high_is_price_alone() -> None:
    found = of([segment(input=1_000_000)], [segment(input=1_000_000, price="2")])
    assert found.parts() == {"price": Decimal("2.000000")}


def test_longer_answers_are_tokens_per_call_alone() -> None:
    """100,000 tokens at 10.00 become 150,000: half a dollar more."""
    found = of([segment(output=100_000)], [segment(output=150_000)])
    assert found.parts() == {"tokens_per_call": Decimal("0.500000")}


def test_a_cache_that_was_not_used_before_is_cache_rate_alone() -> None:
    """Of 1,000,000 tokens, 400,000 are now read at 0.20 instead of 2.00: 0.4 x 1.80 = 0.72 less."""
    found = of([segment(input=1_000_000)], [segment(input=600_000, cache_read=400_000)])
    assert found.parts() == {"cache_rate": Decimal("-0.720000")}


def test_half_the_calls_in_a_cheaper_tier_are_tier_alone() -> None:
    """500,000 of 1,000,000 tokens at half of 2.00: 0.50 less."""
    after = [segment(requests=50, input=500_000), segment(tier="batch", requests=50, input=500_000, price="0.5")]
    assert of([segment(input=1_000_000)], after).parts() == {"tier": Decimal("-0.500000")}


def test_calls_that_went_to_a_cheaper_model_are_mix_alone() -> None:
    """50 calls of 10,000 tokens from 2.00 to 1.00 a million: 0.50 less, and the number of calls is the same."""
    before = [segment("a", requests=100, input=1_000_000), segment("b", requests=100, input=1_000_000, price="0.5")]
    after = [segment("a", requests=50, input=500_000), segment("b", requests=150, input=1_500_000, price="0.5")]
    assert of(before, after).parts() == {"model_mix": Decimal("-0.500000")}


def test_new_and_ended_models_stand_on_their_own_lines() -> None:
    found = of(
        [segment("a", input=1_000_000), segment("old", input=500_000)],
        [segment("a", input=1_000_000), segment("new", output=50_000)],
    )
    assert [(change.part, change.model, change.amount) for change in found.changes] == [
        ("new", "new", Decimal("0.500000")),
        ("ended", "old", Decimal("-1.000000")),
    ]


def test_two_causes_at_once_share_by_the_logarithmic_mean() -> None:
    """2 to 6 dollars: twice the calls, 1.5 times the price. L = 4 / ln 3; volume L ln 2 = 2.523719, price L ln 1.5 = 1.476281."""
    found = of([segment(input=1_000_000)], [segment(requests=200, input=2_000_000, price="1.5")])
    mean = 4 / log(3)
    assert found.parts()["volume"] == Decimal(str(round(mean * log(2), 6)))
    assert found.parts() == {"volume": Decimal("2.523719"), "price": Decimal("1.476281")}


def test_a_weaker_dollar_is_currency_alone() -> None:
    """Two dollars at 0.90 and at 0.85: 1.80 and 1.70 euros."""
    rows = [segment(input=1_000_000)]
    found = bridge("2026-09", rows, "2026-10", rows, {"2026-09": Decimal("0.90"), "2026-10": Decimal("0.85")})
    assert (found.before, found.after) == (Decimal("1.800000"), Decimal("1.700000"))
    assert found.parts() == {"currency": Decimal("-0.100000")}


@pytest.mark.parametrize("rows", [[], [segment(requests=0)]])
def test_nothing_to_something_is_new(rows: list[dict[str, Any]]) -> None:
    found = of(rows, [segment(input=1_000_000)])
    assert sum(found.parts().values()) == Decimal(2)
    assert of([], []).changes == ()


@st.composite
def months(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to four models in up to two tiers, any class of theirs perhaps without tokens, or without cost."""
    rows = []
    for model in draw(st.sets(st.sampled_from("abcd"))):
        for tier in draw(st.sets(st.sampled_from(("standard", "batch")), min_size=1)):
            row = {"provider": "p", "model": model, "service_tier": tier, "requests": draw(st.integers(1, 1_000))}
            for name in CLASSES:
                count = draw(st.integers(0, 10**9)) if draw(st.booleans()) else 0
                paid = draw(st.decimals(0, 1_000, places=12)) if count and draw(st.booleans()) else Decimal(0)
                row |= {f"{name}_tokens": count, f"{name}_usd": paid}
            rows.append(row)
    return rows


@given(months(), months())
def test_the_parts_sum_to_the_change_whatever_the_months(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    found = of(before, after)
    assert sum(found.parts().values()) == found.after - found.before
    assert abs(found.after - sum((row[name] for row in after for name in COSTS), Decimal(0))) <= Decimal("0.0000005")


@given(months(), months())
def test_the_way_back_is_the_way_there_with_the_other_sign(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    there, back = of(before, after).parts(), of(after, before).parts()
    back["new"], back["ended"] = back.get("ended", Decimal(0)), back.get("new", Decimal(0))
    slack = Decimal("0.0001")
    for name in {*there, *back}:
        assert abs(there.get(name, Decimal(0)) + back.get(name, Decimal(0))) <= slack


def test_days_become_months_where_there_are_two_and_whole_weeks_where_not() -> None:
    days = [{**segment(input=1_000), "day": day} for day in ("2026-09-30", "2026-10-01", "2026-10-02")]
    assert list(bridges.periods(days)) == ["2026-09", "2026-10"]
    october = [{**segment(input=1_000), "day": f"2026-10-{day:02}"} for day in range(1, 29)]
    assert list(bridges.periods(october)) == ["2026-10-05", "2026-10-12", "2026-10-19"]


@pytest.mark.slow
def test_a_report_leads_from_an_earlier_one_and_to_the_next_month(tmp_path: Path) -> None:
    """September: one call of 0.0035. October: two of them, the second answering twice as long: 0.0035 + 0.0045."""
    september = write_log(tmp_path / "september.jsonl", [record(1, "2026-09-10T09:00:00Z")])
    october = write_log(
        tmp_path / "october.jsonl",
        [record(2, "2026-10-10T09:00:00Z"), record(3, "2026-10-11T09:00:00Z", tokens=(1_000, 200))],
    )
    last = tmp_path / "last.json"
    with llmaudit.audit(september, as_of=date(2026, 10, 1)) as audit:
        audit.report(last)
        assert audit.bridge().is_empty()
    with llmaudit.audit(october, compare=last, as_of=date(2026, 11, 1)) as audit:
        compared = audit.bridge()
    with llmaudit.audit(september, october, as_of=date(2026, 11, 1)) as audit:
        monthly = audit.bridge()
        assert audit.bridge("model")["model"].to_list() == [MODEL, MODEL]
    for frame in (compared, monthly):
        assert set(frame["part"]) == {"volume", "tokens_per_call"}
        assert frame["amount"].sum() == Decimal("0.004500")
        assert set(frame["after"] - frame["before"]) == {Decimal("0.0045")}


@pytest.mark.parametrize("content", ["", "[]", '{"totals": {}}'])
def test_a_file_to_compare_with_that_is_no_report_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "last.json"
    path.write_text(content)
    with pytest.raises(AuditError, match=r"last\.json"):
        reports.last(path)
