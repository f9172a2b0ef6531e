"""Why a part of the difference bears its name: sentences, and the queries that show the rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from llmaudit.reconcile.cells import Bill
from llmaudit.reconcile.rounding import ZERO

MOST_SENTENCES = 12


@dataclass(frozen=True)
class Fact:
    text: str
    amount: Decimal
    rows: str
    """A SELECT that `llmaudit query` runs."""


@dataclass
class Evidence:
    facts: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, text: str, amount: Decimal, rows: str) -> None:
        self.facts[name].append(Fact(text, amount, rows))

    def texts(self, name: str) -> list[str]:
        """The sentences about the largest amounts; how many more there are."""
        facts = sorted(self.facts[name], key=lambda fact: (-abs(fact.amount), fact.text))
        said = list(dict.fromkeys(fact.text for fact in facts))
        more = len(said) - MOST_SENTENCES
        return said[:MOST_SENTENCES] + ([f"and {more} more of this kind"] if more > 0 else [])

    def rows(self, name: str) -> str | None:
        facts = sorted(self.facts[name], key=lambda fact: (-abs(fact.amount), fact.text))
        return facts[0].rows if facts else None

    def amount(self, name: str) -> Decimal:
        return sum((fact.amount for fact in self.facts[name]), ZERO)


def bill_rows(bill: Bill, start: datetime, end: datetime | None = None, model: str | None = None) -> str:
    """The bill's lines of a time, dearest first."""
    words = sorted({str(row["words"]) for row in bill.usage if model and model in (row["model"], row["words"])})
    named = f" and model in ({', '.join(map(_text, words))})" if words else ""
    return (
        "select charge_period_start, charge_description, quantity, billed_cost, source_file, source_row from charges "
        f"where source = {_text(bill.source)} and charge_period_start >= {_time(start)} "
        f"and charge_period_start < {_time(end or start + timedelta(days=1))}{named} order by billed_cost desc"
    )


def kind_rows(bill: Bill, words: list[str]) -> str:
    """The bill's lines with these descriptions."""
    said = ", ".join(_text(word) for word in words)
    return (
        "select charge_period_start, charge_category, charge_description, billed_cost, source_file, source_row from charges "
        f"where source = {_text(bill.source)} and coalesce(charge_description, '') in ({said}) order by charge_period_start"
    )


def call_rows(bill: Bill, start: datetime, where: str = "", end: datetime | None = None) -> str:
    """The logged calls of a time."""
    return (
        "select request_id, started_at, model, service_tier, status, http_status, input_tokens, output_tokens, cost_usd, price_id, "
        f"source_file, source_row from requests where provider = {_text(bill.provider or '')} "
        f"and started_at >= {_time(start)} and started_at < {_time(end or start + timedelta(days=1))}{where} order by started_at"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _time(moment: datetime) -> str:
    return f"timestamp '{moment:%Y-%m-%d %H:%M:%S}'"


def named(values: dict[str, Decimal]) -> str:
    """Quantities in words.

    >>> named({"input": Decimal(38000), "output": Decimal(8400)})
    '38,000 input, 8,400 output'
    """
    return ", ".join(f"{amount:,.0f} {name.replace('_', ' ')}" for name, amount in values.items() if amount)
