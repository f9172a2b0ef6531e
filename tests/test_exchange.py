"""Dated rates: each month its own, and none for a month that has none."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from llmaudit import assemble, pricing
from llmaudit.errors import AuditError
from llmaudit.pricing.exchange import _reference_rates


def test_a_month_has_the_mean_of_its_days() -> None:
    """The bank quotes dollars for a euro; a dollar is one over that."""
    days = [row for row in _reference_rates()[1:] if row[0].startswith("2026-09")]
    mean = sum((1 / Decimal(row[1]) for row in days), Decimal(0)) / len(days)
    found = pricing.exchange().of_month("EUR", "2026-09")
    assert found is not None
    assert abs(found.per_usd - mean) < Decimal("0.000001")
    assert f"mean of {len(days)} days" in found.source


def test_another_currency_goes_by_way_of_the_euro() -> None:
    """On 30 October 2026 a euro was 1.1172 dollars and 10.978 crowns; the month is near 10.978 / 1.1172 = 9.83."""
    found = pricing.exchange().of_month("SEK", "2026-10")
    assert found is not None
    assert abs(found.per_usd - Decimal("9.83")) < Decimal("0.3")


@pytest.mark.parametrize(("currency", "month"), [("EUR", "2031-01"), ("EUR", "1998-12"), ("XYZ", "2026-10")])
def test_what_nobody_published_is_unknown(currency: str, month: str) -> None:
    assert pricing.exchange().of_month(currency, month) is None


def test_the_users_own_rate_holds_for_its_month_only(tmp_path: Path) -> None:
    own = tmp_path / "rates.csv"
    own.write_text("currency,month,per_usd,source\nEUR,2026-10,0.90,treasury\n")
    rates = pricing.exchange(own)
    assert rates("EUR", datetime(2026, 10, 31, 23, 59)) == Decimal("0.90")  # noqa: DTZ001
    assert rates.of_month("EUR", "2026-10") == pricing.exchange(own).of_month("EUR", "2026-10")
    assert rates.of_month("EUR", "2026-09") == pricing.exchange().of_month("EUR", "2026-09")


@pytest.mark.parametrize("line", ["EUR,2026-10,0", "EUR,October,0.9", "EUR,2026-10,", "EUR,2026-10,nan"])
def test_a_rate_that_is_none_names_its_line(tmp_path: Path, line: str) -> None:
    own = tmp_path / "rates.csv"
    own.write_text(f"currency,month,per_usd\nEUR,2026-09,0.9\n{line}\n")
    with pytest.raises(AuditError, match="line 3"):
        pricing.exchange(own)


def test_months_are_converted_before_they_are_summed(tmp_path: Path) -> None:
    """100 dollars at 0.90 and 50 at 0.80 are 130 euros; one mean rate would make 127.50 of them."""
    own = tmp_path / "rates.csv"
    own.write_text("currency,month,per_usd,source\nEUR,2026-09,0.90,t\nEUR,2026-10,0.80,t\n")
    days = [
        {"key": "2026-09-30", "cost_usd": Decimal(100)},
        {"key": "2026-10-01", "cost_usd": Decimal(20)},
        {"key": "2026-10-02", "cost_usd": Decimal(30)},
    ]
    found = assemble.display("EUR", pricing.exchange(own), days)
    assert found is not None
    assert found["cost"] == Decimal(130)
    assert found["rates"] == [
        {"month": "2026-09", "rate": 0.9, "source": "t"},
        {"month": "2026-10", "rate": 0.8, "source": "t"},
    ]


def test_a_total_with_a_month_without_rate_is_unknown() -> None:
    found = assemble.display("EUR", pricing.exchange(), [{"key": "2031-01-01", "cost_usd": Decimal(1)}])
    assert found == {"currency": "EUR", "rates": [], "cost": None}
