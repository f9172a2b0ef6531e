"""What is due under a contract: each term worked by hand, then its laws."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmaudit import pricing
from llmaudit.errors import AuditError
from llmaudit.pricing import contract as terms
from llmaudit.pricing import user
from llmaudit.pricing.contract import Contract

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)


def agreed(folder: Path, text: str) -> Contract:
    (folder / "prices.toml").write_text(text, "utf-8")
    return user.read(folder / "prices.toml").contract


def spend(*rows: tuple) -> pl.DataFrame:
    names = ["month", "provider", "model", "contracted_usd"]
    listed = [dict(zip(names, (*row[:3], Decimal(str(row[3]))), strict=True)) for row in rows]
    kinds = {"month": pl.Date, "provider": pl.String, "model": pl.String, "contracted_usd": pl.Decimal(38, 12)}
    return pl.DataFrame(listed, schema=kinds)


def row(frame: pl.DataFrame, month: date, provider: str | None) -> dict:
    [found] = [line for line in frame.to_dicts() if (line["month"], line["provider"]) == (month, provider)]
    return found


def test_without_terms_what_is_due_is_what_was_spent() -> None:
    found = terms.due(spend((OCTOBER, "openai", "gpt-5", 12.5)), Contract())
    assert row(found, OCTOBER, "openai")["due_usd"] == Decimal("12.5")


def test_a_shortfall_is_trued_up_in_the_last_month_of_its_period(tmp_path: Path) -> None:
    held = agreed(
        tmp_path,
        '[[commitment]]\nname = "ea"\nprovider = "openai"\nperiod = "quarter"\nvalid_from = 2026-10-01\namount_usd = 1000',
    )
    months = spend(
        (OCTOBER, "openai", "gpt-5", 300), (NOVEMBER, "openai", "gpt-5", 200), (DECEMBER, "openai", "gpt-5", 100)
    )
    found = terms.due(months, held)
    assert row(found, OCTOBER, "openai")["due_usd"] == 300
    assert row(found, DECEMBER, "openai")["true_up_usd"] == 1000 - 300 - 200 - 100
    assert terms.due_usd(months, held) == 1000


def test_spend_above_the_commitment_is_simply_due(tmp_path: Path) -> None:
    held = agreed(tmp_path, '[[commitment]]\nname = "ea"\namount_usd = 100')
    assert terms.due_usd(spend((OCTOBER, "openai", "gpt-5", 130), (NOVEMBER, "openai", "gpt-5", 60)), held) == 130 + 100


def test_a_window_of_half_a_month_owes_half_of_the_month_s_commitment(tmp_path: Path) -> None:
    held = agreed(tmp_path, '[[commitment]]\nname = "ea"\namount_usd = 100')
    half = (date(2026, 11, 1), date(2026, 11, 16))
    months = spend((NOVEMBER, "openai", "gpt-5", 20))
    [promise] = terms.promises(months, held, half)
    assert (promise.committed_usd, promise.counted_usd, promise.is_complete) == (50, 20, False)
    assert terms.due_usd(months, held, half) == 50


def test_credits_are_used_by_priority_inside_their_days_and_only_once(tmp_path: Path) -> None:
    held = agreed(
        tmp_path,
        '[[credit]]\nname = "late"\namount_usd = 50\npriority = 2\n'
        '[[credit]]\nname = "first"\namount_usd = 30\npriority = 1\nvalid_to = 2026-11-01\n',
    )
    months = spend((OCTOBER, "openai", "gpt-5", 40), (NOVEMBER, "openai", "gpt-5", 100))
    lines = terms.ledger(months, held)
    used = [(r["month"], r["name"], r["usd"]) for r in lines.to_dicts() if r["line"] == "credit"]
    assert used == [(OCTOBER, "first", -30), (OCTOBER, "late", -10), (NOVEMBER, "late", -40)]
    assert terms.due_usd(months, held) == 140 - 80


def test_spend_paid_from_credits_meets_a_commitment_only_where_it_says_so(tmp_path: Path) -> None:
    text = '[[credit]]\nname = "c"\namount_usd = 40\n[[commitment]]\nname = "ea"\namount_usd = 100\n'
    months = spend((OCTOBER, "openai", "gpt-5", 100))
    assert terms.due_usd(months, agreed(tmp_path, text)) == 60 + 40
    assert terms.due_usd(months, agreed(tmp_path, text + "credits_count = true")) == 60


def test_a_free_tier_in_units_takes_off_its_share_each_month(tmp_path: Path) -> None:
    held = agreed(
        tmp_path,
        '[[free_tier]]\nname = "first million"\nprovider = "google"\ntoken_class = "input"\nunits_per_month = 1000000',
    )
    months = spend((OCTOBER, "gcp.gemini", "gemini-2.5-flash", 1.2), (NOVEMBER, "gcp.gemini", "gemini-2.5-flash", 0.15))
    months = months.with_columns(token_class=pl.lit("input"), quantity=pl.Series([4_000_000, 500_000]))
    found = terms.due(months, held)
    assert row(found, OCTOBER, "gcp.gemini")["due_usd"] == Decimal("0.9")  # 3 of 4 million at 0.30
    assert row(found, NOVEMBER, "gcp.gemini")["due_usd"] == 0


def test_a_term_covers_its_provider_and_models_alone(tmp_path: Path) -> None:
    held = agreed(tmp_path, '[[credit]]\nname = "c"\namount_usd = 10\nprovider = "openai"\nmodels = ["gpt-5"]')
    months = spend(
        (OCTOBER, "openai", "gpt-5-mini", 5),
        (OCTOBER, "anthropic", "claude-opus-5", 5),
        (OCTOBER, "openai", "gpt-5", 4),
    )
    assert terms.due_usd(months, held) == 10


def test_a_margin_is_shown_and_not_due(tmp_path: Path) -> None:
    held = agreed(tmp_path, '[[margin]]\npercent = 10\n[[margin]]\nteam = "search"\npercent = 5')
    costs = spend((OCTOBER, "openai", "gpt-5", 100), (OCTOBER, "openai", "gpt-5", 100)).with_columns(
        team=pl.Series(["search", "ads"])
    )
    assert terms.showback(costs, held)["showback_usd"].to_list() == [Decimal("115.5"), Decimal(110)]
    assert terms.due_usd(costs, held) == 200


def test_a_discount_on_a_token_class_lowers_that_class_alone(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        '[[discount]]\nprovider = "openai"\ntoken_class = "output"\npercent = 50', "utf-8"
    )
    frame = pl.DataFrame(
        {
            "provider": ["openai"],
            "model": ["gpt-5-mini"],
            "started_at": [NOVEMBER],
            "input_tokens": [1000],
            "output_tokens": [500],
        }
    )
    found = pricing.price(frame, pricing.load(tmp_path / "prices.toml")).row(0, named=True)
    assert found["cost_usd"] == Decimal("0.00025") + Decimal("0.0005")
    assert found["list_usd"] == Decimal("0.00025") + Decimal("0.001")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[commitment]]\namount_usd = 1", "needs a name"),
        ('[[commitment]]\nname = "a"\namount_usd = 1\nperiod = "week"', "Known: month, quarter, year, term"),
        ('[[commitment]]\nname = "a"\namount_usd = 1\nperiod = "term"', "needs valid_from and valid_to"),
        ('[[commitment]]\nname = "a"\namount_usd = 1\nvalid_from = 2026-01-15', "first of a month"),
        ('[[credit]]\nname = "a"\namount_usd = 1\n[[credit]]\nname = "a"\namount_usd = 1', "its own name"),
        ('[[free_tier]]\nname = "a"\nunits_per_month = 5', "units of which"),
        ('[[free_tier]]\nname = "a"\nunits_per_month = 5\ntoken_class = "reasoning"', "not summed by itself"),
        ('[[discount]]\npercent = 5\ntoken_class = "outputs"', "no token class 'outputs'"),
    ],
)
def test_a_term_that_cannot_be_understood_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(AuditError, match=complaint):
        agreed(tmp_path, text)


CENTS = st.integers(0, 100_000).map(lambda cents: Decimal(cents) / 100)
SPENDS = st.lists(
    st.tuples(
        st.sampled_from([OCTOBER, NOVEMBER, DECEMBER]), st.sampled_from(["openai", "anthropic"]), st.just("m"), CENTS
    ),
    max_size=8,
)
FULL = Contract(
    (
        terms.Commitment("a", terms.Scope("openai"), Decimal(500), "month"),
        terms.Commitment("b", terms.Scope(), Decimal(2000), "quarter"),
    ),
    (terms.Credit("c", terms.Scope(), Decimal("123.45")),),
    (terms.FreeTier("f", terms.Scope("anthropic"), usd_per_month=Decimal("7.77")),),
)


@given(SPENDS)
def test_the_lines_of_the_ledger_sum_to_what_is_due(rows: list[tuple]) -> None:
    months = spend(*rows)
    total = terms.due_usd(months, FULL)
    assert sum(terms.ledger(months, FULL)["usd"].to_list(), Decimal(0)) == total
    assert sum(terms.due(months, FULL)["due_usd"].to_list(), Decimal(0)) == total


@given(SPENDS, st.randoms(use_true_random=False))
def test_the_order_of_rows_never_changes_what_is_due(rows: list[tuple], chance: object) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert terms.due_usd(spend(*rows), FULL) == terms.due_usd(spend(*shuffled), FULL)


@given(SPENDS)
def test_savings_never_lower_what_is_due_below_a_commitment(rows: list[tuple]) -> None:
    only = Contract(FULL.commitments[:1])
    window = (OCTOBER, date(2027, 1, 1))
    nothing = spend(*[(m, p, n, 0) for m, p, n, _ in rows])
    assert terms.due_usd(spend(*rows), only, window) >= terms.due_usd(nothing, only, window) == 3 * 500
