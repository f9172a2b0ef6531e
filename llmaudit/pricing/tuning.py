"""Where a small model can be tuned and served, and for how much: dated facts, with what the user puts in their place.

Inference billed by the token is priced by the price book, under the name the target has there. What the book does not
list has skus of its own: `fine_tune/<target>/training_tokens`, `fine_tune/<target>/month`, `gpu/<gpu>/hour`. An entry
of that name in the user's prices.toml (`requests_usd`) goes before the shipped fact.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from llmaudit.errors import AuditError
from llmaudit.pricing.providers import canonical

STATUSES = ("open", "closing", "closed", "unverified")
SERVINGS = ("per_token", "dedicated")
ANSWERS = ("yes", "no", "unknown")
MTOK = Decimal(1_000_000)


@dataclass(frozen=True)
class Target:
    """A model that can be tuned, and how it is then served. None is what is not known.

    `per_token`: at the book's price of `model`. `dedicated`: on a `gpu` that is paid by the hour whether it works or not.
    """

    target: str
    provider: str | None
    model: str | None
    """As the price book names what is billed per token."""
    base_model: str
    params_b: Decimal | None
    open_weights: str
    licence: str
    serving: str
    training_usd_per_mtok: Decimal | None
    training_gpu: str | None
    """Trained on a rented GPU, where the host trains not or at no lasting price."""
    training_tokens_per_second: int | None
    least_training_mtok: Decimal | None
    """Tokens that every training job is billed for at least, in millions."""
    usd_per_month: Decimal | None
    """For keeping the tuned model, used or not."""
    gpu: str | None
    output_tokens_per_second: int | None
    input_tokens_per_second: int | None
    prompt_caching: str
    batch: str
    status: str
    """Of tuning there: open, closing, closed or unverified."""
    closed_to_new_on: date | None
    closes_on: date | None
    note: str
    checked: date | None
    source: str
    confidence: str

    @property
    def is_open(self) -> bool:
        """Whether anyone may begin, with no end in sight. A day to come is as good as a day gone by."""
        return self.status == "open" and self.closed_to_new_on is None and self.closes_on is None

    @property
    def has_open_weights(self) -> bool:
        return self.open_weights == "yes"

    @property
    def training_sku(self) -> str:
        return f"fine_tune/{self.target}/training_tokens"

    @property
    def month_sku(self) -> str:
        return f"fine_tune/{self.target}/month"


@dataclass(frozen=True)
class Terms:
    """What a provider's terms say of training on its models' answers."""

    provider: str
    terms: str
    checked: date | None
    source: str
    confidence: str


@cache
def targets(own: Path | None = None) -> tuple[Target, ...]:
    """Every target of the shipped table; rows of the user's own file go before those of the same name."""
    shipped = _rows(_data("tuning_targets"), "the shipped tuning_targets.csv")
    stated = _rows(_text(own), str(own)) if own else ()
    known = {row.target: row for row in (*shipped, *stated)}
    return tuple(known.values())


@cache
def training_terms() -> Mapping[str, Terms]:
    """Provider -> its terms."""
    return {
        row["provider"]: Terms(**_typed(row, Terms, "training_terms.csv")) for row in _read(_data("training_terms"))
    }


def gpu_sku(gpu: str) -> str:
    return f"gpu/{gpu}/hour"


def unit_usd(sku: str, known: Sequence[Target] = ()) -> Decimal | None:
    """What one of a sku costs by the facts; None where they do not say."""
    return _units(tuple(known) or targets()).get(sku)


@cache
def _units(known: tuple[Target, ...]) -> dict[str, Decimal]:
    units = {gpu_sku(row["gpu"]): Decimal(row["usd_per_hour"]) for row in _read(_data("gpu_hours"))}
    for target in known:
        if target.training_usd_per_mtok is not None:
            units[target.training_sku] = target.training_usd_per_mtok / MTOK
        if target.usd_per_month is not None:
            units[target.month_sku] = target.usd_per_month
    return units


def _data(name: str) -> str:
    return files(__package__).joinpath(f"data/{name}.csv").read_text("utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: the table of tuning targets cannot be read ({error}).") from error


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def _rows(text: str, where: str) -> tuple[Target, ...]:
    return tuple(_target(row, where) for row in _read(text))


def _target(row: Mapping[str, str], where: str) -> Target:
    found = Target(**_typed(row, Target, where))
    for name, known in _WORDS.items():
        if getattr(found, name) not in known:
            said = getattr(found, name)
            raise AuditError(f"{where}: {name} of {found.target!r} is {said!r}. Known: {', '.join(known)}.")
    if found.serving == "per_token" and not (found.provider and found.model):
        raise AuditError(
            f"{where}: {found.target!r} is billed per token: name provider and model as the price book does."
        )
    if found.serving == "dedicated" and not (
        found.gpu and found.output_tokens_per_second and found.input_tokens_per_second
    ):
        raise AuditError(
            f"{where}: {found.target!r} runs on its own GPU: name gpu and how many tokens it does a second."
        )
    return found


_WORDS = {
    "serving": SERVINGS,
    "status": STATUSES,
    "open_weights": ANSWERS,
    "prompt_caching": ANSWERS,
    "batch": ANSWERS,
}


def _typed(row: Mapping[str, str], kind: type, where: str) -> dict[str, Any]:
    """The cells of a row as the fields of `kind` want them; an empty one is None where that is allowed."""
    hints = {field.name: str(field.type) for field in fields(kind)}
    if missing := [name for name in hints if row.get(name) is None]:
        raise AuditError(f"{where}: column {missing[0]!r} is missing. Columns: {', '.join(hints)}.")
    return {name: _cell(row[name].strip(), hint, f"{where}: {name}") for name, hint in hints.items()}


def _cell(text: str, hint: str, where: str) -> Any:
    if not text and "None" in hint:
        return None
    read = next((read for kind, read in _READERS.items() if hint.startswith(kind)), str)
    try:
        value = read(text)
    except (ValueError, InvalidOperation):
        raise AuditError(f"{where} is {text!r}; expected {_SAID[hint.split(' ', maxsplit=1)[0]]}.") from None
    if isinstance(value, int | Decimal) and not value >= 0:
        raise AuditError(f"{where} is {text!r}; expected {_SAID[hint.split(' ', maxsplit=1)[0]]}.")
    return canonical(value) if where.endswith(": provider") else value


_READERS: Mapping[str, Callable[[str], Any]] = {"Decimal": Decimal, "int": int, "date": date.fromisoformat}
_SAID = {"Decimal": "a number of 0 or more", "int": "a whole number", "date": "a day such as 2026-11-21"}
