"""Prices seen from elsewhere: the other source's, those to come, those asked for; rules, differences, newer books."""

import json
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from llmaudit import pricing
from llmaudit.errors import AuditError
from llmaudit.pricing import book as books
from llmaudit.pricing import lint, slips, upcoming
from llmaudit.pricing.differences import differences
from llmaudit.pricing.rates import Band, Period, Witness

NOVEMBER = date(2026, 11, 20)


def changed(*rows: dict) -> pricing.Book:
    """A book whose rates are these: gpt-5-mini's unless they say otherwise."""
    usual = pricing.load().rows("openai/gpt-5-mini").to_pylist()[0]
    standard = {"tier": "standard", "token_class": "input", "from_tokens": 0, "valid_from": None, "valid_to": None}
    book = pricing.load()
    rates = [{**usual, **standard, "disputed": False, "other_usd_per_unit": None, **row} for row in rows]
    table = book._shelf.rates.schema.empty_table().from_pylist(rates, book._shelf.rates.schema)
    return replace(book, _shelf=replace(book._shelf, rates=table, meta={**book._shelf.meta, "slips": []}))


def rules(*rows: dict) -> list[str]:
    return [broken.rule for broken in lint.lint(changed(*rows), NOVEMBER)]


def rate(usd: str, token_class: str = "input", **more: object) -> dict:
    return {"usd_per_unit": Decimal(usd), "token_class": token_class, **more}


def test_a_price_list_that_keeps_the_rules_breaks_none() -> None:
    assert rules(rate("0.000002"), rate("0.000001", "cache_read"), rate("0.000004", "output")) == []


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([rate("0.000003", model="claude-x"), rate("0.000004", "cache_write", model="claude-x")], "cache-write"),
        ([rate("0.000003", model="claude-x"), rate("0.0000036", "cache_write_long", model="claude-x")], "cache-write"),
        ([rate("0.000002"), rate("0.000003", "cache_read")], "cache-read"),
        ([rate("0.000002"), rate("0.000003", tier="batch")], "tier-order"),
        ([rate("0.000002"), rate("0.000001", tier="priority")], "tier-order"),
        ([rate("0.000002"), rate("0.000001", from_tokens=200_001)], "long-context"),
        ([rate("0"), rate("0", "output")], "zero-price"),
        ([rate("0.000002", model="m-1"), rate("0.000003", model="m-1-2026-01-02")], "dated-alias"),
        ([rate("0.000002", disputed=True, other_usd_per_unit=Decimal("0.000003"))], "sources-differ"),
        (
            [rate("0.000012", valid_to=date(2026, 6, 1)), rate("0.000002", valid_from=date(2026, 6, 1))],
            "large-move",
        ),
        ([rate("0.0135")], "unit-slip"),
        ([rate("0.0004"), rate("0.0000004", provider="azure.ai.openai")], "unit-slip"),
        (
            [rate("0.0000000004"), *(rate("0.0000004", provider=host) for host in ("azure.ai.openai", "openrouter"))],
            "unit-slip",
        ),
    ],
)
def test_a_price_that_breaks_a_rule_is_named_by_it(rows: list[dict], rule: str) -> None:
    assert set(rules(*rows)) == {rule}


def test_of_two_hosts_a_thousandfold_apart_the_dear_one_is_wrong() -> None:
    broken = lint.lint(changed(rate("0.0004"), rate("0.0000004", provider="azure.ai.openai")), NOVEMBER)
    assert [(b.provider, b.text) for b in broken if b.rule == "unit-slip"] == [
        ("openai", "input 400, other hosts at most 0.4")
    ]


def test_a_slip_that_its_own_source_divided_later_is_divided_and_any_other_left_out() -> None:
    place, day = ("acme", "m-1"), date(2026, 10, 8)
    slipped = period(None, day, input="0.135", output="0.54")
    divided = period(day, None, input="0.00000135", output="0.0000054")
    [only] = slips.mended({place: [slipped, divided]})[0][place]
    assert (only.valid_from, only.tiers) == (None, divided.tiers)
    cheaper = period(day, None, input="0.00000003", output="0.00000017")
    kept, [slip] = slips.mended({place: [slipped, cheaper]})
    assert (kept, slip.is_mended) == ({place: [cheaper]}, False)
    assert slips.mended({place: [slipped]})[0] == {}


def period(valid_from: date | None, valid_to: date | None, **usd: str) -> Period:
    rates = {token_class: Decimal(said) for token_class, said in usd.items()}
    return Period(valid_from, valid_to, {"standard": (Band(0, None, rates),)}, Witness("litellm", "1", NOVEMBER))


def test_the_book_has_no_slip_and_says_which_its_sources_had() -> None:
    """Of W&B's prices before 8 October 2026 LiteLLM had a hundred thousand times too much, as it later mended itself."""
    book = pricing.load()
    found = {b.model: b.text for b in lint.lint(book, NOVEMBER) if b.rule == "unit-slip"}
    assert all(" left out" in text or " divided" in text for text in found.values())
    assert {"deepseek-ai/deepseek-r1-0528", "openai/gpt-oss-120b"} <= found.keys()
    september = date(2026, 9, 1)
    mended = book.rate("wandb", "deepseek-ai/deepseek-r1-0528", "input", at=september)
    assert mended is not None
    assert mended.usd == Decimal("0.00000135")
    assert book.rate("wandb", "openai/gpt-oss-120b", "input", at=september) is None
    highest = max(row["high_input"] for row in book.ranges("wandb")[1].to_pylist())
    assert highest < Decimal("0.0001")


def test_sources_that_differ_by_a_percent_agree() -> None:
    assert rules(rate("0.000002", disputed=True, other_usd_per_unit=Decimal("0.00000201"))) == []


def test_an_introductory_price_s_end_is_known_before_it_comes() -> None:
    found = [
        c
        for c in upcoming.coming(pricing.load(), NOVEMBER)
        if (c.provider, c.model) == ("gcp.gemini", "gemini-4-argon")
    ]
    [standard] = [c for c in found if (c.tier, c.token_class, c.kind) == ("standard", "input", "price")]
    assert (standard.on, standard.before_usd_per_unit, standard.after_usd_per_unit) == (
        date(2026, 12, 1),
        Decimal("0.000002"),
        Decimal("0.000004"),
    )
    assert not [
        c
        for c in upcoming.coming(pricing.load(), date(2026, 12, 1))
        if c.model == "gemini-4-argon" and c.kind == "price"
    ]


def test_a_retirement_is_announced_until_it_has_come() -> None:
    book = pricing.load()
    [day] = {r["retires_on"] for r in book.retirements() if (r["provider"], r["model"]) == ("openai", "gpt-5-mini")}
    assert any(c.model == "gpt-5-mini" and c.kind == "retirement" for c in upcoming.coming(book, NOVEMBER))
    assert not any((c.provider, c.model, c.on) == ("openai", "gpt-5-mini", day) for c in upcoming.coming(book, day))


def test_two_days_of_a_book_differ_by_what_changed_between_them() -> None:
    book = pricing.load()
    found = differences(book, date(2026, 11, 30), book, date(2026, 12, 1)).to_dicts()
    lines = [
        r
        for r in found
        if (r["provider"], r["model"], r["tier"], r["token_class"])
        == ("gcp.gemini", "gemini-4-argon", "standard", "output")
    ]
    assert [(r["change"], r["before_usd_per_unit"], r["after_usd_per_unit"]) for r in lines] == [
        ("changed", Decimal("0.00001"), Decimal("0.00002"))
    ]
    assert differences(book, NOVEMBER, book, NOVEMBER).is_empty()


@pytest.mark.slow
def test_an_update_from_the_same_release_changes_no_price(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    from llmaudit.pricing.updating import update

    digest = update(tmp_path / "book", date(2026, 11, 25))
    newer = pricing.load(None, tmp_path / "book")
    assert newer.sha256 == digest
    assert newer.as_of == date(2026, 11, 25)
    assert differences(pricing.load(), NOVEMBER, newer, NOVEMBER).is_empty()


def test_a_book_changed_by_hand_is_refused(tmp_path: Path) -> None:
    for file in books.DATA.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert pricing.load(None, tmp_path).sha256 == pricing.load().sha256
    meta = json.loads((tmp_path / "book.json").read_text("utf-8"))
    (tmp_path / "book.json").write_text(json.dumps({**meta, "sha256": "0" * 64}), "utf-8")
    with pytest.raises(AuditError, match="prices update --book"):
        pricing.load(None, tmp_path)


def test_a_folder_without_a_book_is_an_error_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="prices update --book"):
        pricing.load(None, tmp_path / "nothing")


def test_an_update_may_not_go_back_in_time(tmp_path: Path) -> None:
    pytest.importorskip("genai_prices")
    from llmaudit.pricing.updating import update

    with pytest.raises(AuditError, match="before the shipped book's day"):
        update(tmp_path, date(2026, 1, 1))


def log(folder: Path, *calls: dict) -> Path:
    lines = [
        {
            "timestamp": "2026-11-20T12:00:00Z",
            "endpoint": "/a",
            "provider": "openai",
            "request": {"model": call["asked"], "service_tier": call.get("asked_tier")},
            "response": {
                "id": f"c{number}",
                "model": call["served"],
                "service_tier": call.get("tier"),
                "usage": {"prompt_tokens": 1_000_000 // 10, "completion_tokens": 0, "total_tokens": 100_000},
            },
            "status": 200,
            **{name: value for name, value in call.items() if name == "provider"},
        }
        for number, call in enumerate(calls)
    ]
    path = folder / "calls.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def audited(path: Path, **settings: object) -> dict:
    from llmaudit import pipeline
    from llmaudit.config import AuditConfig

    run = pipeline.run(AuditConfig(paths=(str(path),), as_of=NOVEMBER, **settings))  # type: ignore[arg-type]
    run.close()
    return run.report


def test_a_tier_asked_for_and_not_served_is_shown_with_both_costs(tmp_path: Path) -> None:
    report = audited(
        log(tmp_path, {"asked": "gpt-5-mini", "asked_tier": "priority", "served": "gpt-5-mini", "tier": "default"})
    )
    [gap] = report["prices"]["served"]
    assert (gap["requested_service_tier"], gap["requests"]) == ("priority", 1)
    assert gap["cost_usd"] == Decimal("0.25") / 10 == report["totals"]["cost_usd"]
    assert gap["as_requested_usd"] == Decimal("0.45") / 10


def test_dollars_that_hang_on_a_disputed_price_are_said(tmp_path: Path) -> None:
    report = audited(log(tmp_path, {"provider": "mistral", "asked": "mistral-large-4", "served": "mistral-large-4"}))
    [line] = report["prices"]["disputed"]
    assert (line["cost_usd"], line["other_usd"]) == (Decimal("0.07"), Decimal("0.136"))
    [warning] = [w for w in report["warnings"] if w["kind"] == "disputed_price"]
    assert warning["usd"] == Decimal("0.066")


def test_a_price_to_come_is_told_in_dollars_of_each_endpoint(tmp_path: Path) -> None:
    call = {"provider": "google", "asked": "gemini-4-argon", "served": "gemini-4-argon"}
    report = audited(log(tmp_path, call))
    lines = [line for line in report["prices"]["upcoming"] if line["kind"] == "price"]
    assert [(r["on"], r["endpoint"], r["before_usd"], r["after_usd"]) for r in lines] == [
        ("2026-12-01", "/a", Decimal("0.2"), Decimal("0.4"))
    ]


def test_what_is_due_stands_beside_what_was_spent(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('[[commitment]]\nname = "ea"\namount_usd = 30', "utf-8")
    path = log(tmp_path, {"asked": "gpt-5-mini", "served": "gpt-5-mini"})
    due = audited(path, prices=tmp_path / "prices.toml")["prices"]["due"]
    [commitment] = due["commitments"]
    assert (commitment["committed_usd"], commitment["counted_usd"]) == (1, Decimal("0.025"))  # one day of thirty
    assert due["due_usd"] == 1
    assert datetime.fromisoformat(due["months"][0]["month"]).month == NOVEMBER.month


def test_free_tiers_and_credits_of_half_a_month_are_taken_off_what_is_due(tmp_path: Path) -> None:
    """100,000 tokens at $0.25 a million: 40,000 are free, and $0.01 of the rest is paid from a credit that ends next day."""
    (tmp_path / "prices.toml").write_text(
        '[[free_tier]]\nname = "some"\nprovider = "openai"\ntoken_class = "input"\nunits_per_month = 40000\n'
        '[[credit]]\nname = "launch"\namount_usd = "0.01"\nvalid_from = 2026-11-02\nvalid_to = 2026-11-21\n'
        '[[credit]]\nname = "late"\namount_usd = 5\nvalid_from = 2026-11-21\n',
        "utf-8",
    )
    path = log(tmp_path, {"asked": "gpt-5-mini", "served": "gpt-5-mini"})
    due = audited(path, prices=tmp_path / "prices.toml")["prices"]["due"]
    assert [(line["line"], line["name"], line["usd"]) for line in due["lines"]] == [
        ("free_tier", "some", Decimal("-0.01")),
        ("credit", "launch", Decimal("-0.01")),
    ]
    assert due["due_usd"] == Decimal("0.025") - Decimal("0.02")
