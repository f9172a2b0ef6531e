"""What a US dollar was in other currencies, by date."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal


def no_rates(currency: str, _: datetime) -> Decimal | None:
    """The rates of those who have none: a dollar is a dollar."""
    return Decimal(1) if currency == "USD" else None
