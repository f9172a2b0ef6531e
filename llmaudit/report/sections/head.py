"""The first screen: what was spent, what can be saved, and what was read to know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmaudit.report import show
from llmaudit.report.blocks import Block, Facts, Figure, Figures, Line, Para, line
from llmaudit.report.grades import NEEDS_TEST
from llmaudit.report.sections import Report
from llmaudit.report.text import clean, logged

TITLE = "Summary"
ORDER = 10


def blocks(report: Report) -> Sequence[Block]:
    return (
        Figures((_spend(report), _saving(report), _evaluation(report), _bills(report))),
        Para(_sentence(report)),
        Facts(tuple(_audited(report))),
    )


def terminal(report: Report) -> Sequence[Line]:
    window, intake = report["window"], report["intake"]
    return (
        line(
            "LLM spend",
            f"{_span(report)}, {_days(report)}, {clean(window['timezone'] or 'UTC', 40)}",
            "good",
        ),
        line("Read", f"{show.noun(intake['rows_read'], 'record')} in {show.noun(len(intake['files']), 'file')}"),
        line("", ledger(report)),
    )


def ledger(report: Report) -> str:
    """Records read, and where each of them went."""
    intake = report["intake"]
    parts = (intake["rows_kept"], intake["rows_merged"], intake["rows_not_calls"], intake["rows_quarantined"])
    names = ("kept", "merged", "not calls", "quarantined")
    text = " + ".join(f"{show.count(part)} {name}" for part, name in zip(parts, names, strict=True))
    return f"= {text}" if sum(parts) == intake["rows_read"] else f"does not add up: {text}"


def _spend(report: Report) -> Figure:
    totals, billed = report["totals"], report.get("billed", ())
    if not totals["requests"] and len(billed) == 1:
        return Figure("Billed", _billed(billed[0]), (f"no calls, {show.noun(billed[0]['lines'], 'line')} of a bill",))
    notes = [f"{show.noun(totals['requests'], 'call')} in {_days(report)}"]
    if (second := _second_currency(report)) is not None:
        notes.append(second)
    if totals["cost_usd"] is not None and totals["cost_usd"] != totals["list_usd"]:
        notes.append(f"{show.usd(totals['list_usd'])} at list price")
    return Figure("Spend", show.spent(totals, totals["cost_usd"]), tuple(notes))


def _saving(report: Report) -> Figure:
    plan = report["plan"]
    saving = plan["headline_saving_usd"]
    notes = (*share_of_spend(saving, plan["baseline_usd"]), *_monthly(report, saving), "from the log alone")
    return Figure("Can be saved now", show.spent(report["totals"], saving), notes, "good")


def _evaluation(report: Report) -> Figure:
    more = further(report)
    notes = (*share_of_spend(more, report["plan"]["baseline_usd"]), *_monthly(report, more), NEEDS_TEST)
    return Figure("Further, if the answers hold", show.spent(report["totals"], more), notes, "test")


def share_of_spend(part: float | None, whole: float | None) -> list[str]:
    share = show.of(part, whole)
    return [] if share is None else [f"{show.share(share)} of spend"]


def further(report: Report) -> float | None:
    """What the plan with evaluation adds to the headline."""
    plan = report["plan"]
    total, headline = plan["with_evaluation"]["saving_usd"], plan["headline_saving_usd"]
    return None if total is None or headline is None else round(total - headline, 6)


def _bills(report: Report) -> Figure:
    references = [bill for bill in report["bills"] if not bill.get("same_spend_as")]
    rates = sorted((bill for bill in references if bill["capture_rate"] is not None), key=lambda b: b["capture_rate"])
    if not rates:
        return Figure("Tied to bills", "not tied", ("no bill to hold the log against",), "muted")
    note = "one bill reconciled" if len(rates) == 1 else f"the lowest of {len(rates)} bills"
    open_ = f"{show.money(rates[0]['unexplained'], clean(rates[0]['currency'], 8))} unexplained"
    return Figure("Of the bill found in the log", show.share(rates[0]["capture_rate"]), (note, open_))


def _monthly(report: Report, amount: float | None) -> list[str]:
    factor = report["window"]["month_factor"]
    return [] if factor is None or amount is None else [f"{show.usd(amount * factor)} a month"]


def _sentence(report: Report) -> str:
    totals, plan = report["totals"], report["plan"]
    if not totals["requests"]:
        return (
            f"No calls were found in what was read, so there is nothing to price and nothing to save.{_instead(report)}"
        )
    if show.spent(totals, totals["cost_usd"]) == show.UNKNOWN:
        return f"From {_span(report)}, {show.noun(totals['requests'], 'call')} were made, and no price is known for any that is billed."
    return (
        f"From {_span(report)}, {show.noun(totals['requests'], 'call')} cost {show.usd(totals['cost_usd'])}. "
        f"Changes that need no judgement of answer quality would have left {show.usd(plan['after_usd'])} of it; "
        f"those that do, once tested, {show.usd(plan['with_evaluation']['after_usd'])}."
    )


def _instead(report: Report) -> str:
    """What there is where there are no calls."""
    bills = "; ".join(f"{logged(bill['source'], limit=40)} {_billed(bill)}" for bill in report.get("billed", ()))
    counts = ", ".join(logged(export["source"], limit=40) for export in report.get("counted", ()))
    billed = f" What was billed stands below: {bills}." if bills else ""
    return billed + (f" What providers counted themselves stands below: {counts}." if counts else "")


def _billed(bill: Mapping[str, Any]) -> str:
    return show.money(bill["billed"], clean(bill["currency"] or "USD", 8))


def _second_currency(report: Report) -> str | None:
    """The total in the display currency: each month at its rate, or one rate for the whole window."""
    display, total = report["display"], report["totals"]["cost_usd"]
    if display is None or total is None:
        return None
    currency = clean(display["currency"], 8)
    if display.get("cost") is not None:
        return f"{show.money(display['cost'], currency)}, converted month by month"
    rates = {rate["rate"] for rate in display["rates"]}
    if "cost" in display or len(rates) != 1:
        return f"in {currency} unknown: a month has no rate"
    return f"{show.money(total * rates.pop(), currency)}, converted"


def _audited(report: Report) -> list[tuple[str, str]]:
    window, intake, book = report["window"], report["intake"], report["price_book"]
    facts = [
        ("Window", f"{_span(report)} ({_days(report)}, {clean(window['timezone'] or 'UTC', 40)})"),
        ("Records read", f"{show.count(intake['rows_read'])} {ledger(report)}"),
        ("Files", f"{show.count(len(intake['files']))}{_sources(report)}"),
        ("Price book", f"as of {show.day(book['as_of'])}{_age(report)}"),
        ("Currency", _currencies(report)),
        ("Made", f"{show.day(report['generated_at'])} with llmaudit {clean(report['llmaudit_version'], 40)}"),
    ]
    if window["partial_days"]:
        facts.insert(1, ("Partial days", ", ".join(show.day(clean(day, 40)) for day in window["partial_days"])))
    return facts


def _sources(report: Report) -> str:
    timezone = report["window"]["timezone"] or "UTC"
    spans = (
        f"{logged(source['source'], 'unknown source')} {show.span(source['start'], source['end'], timezone)}"
        for source in report["window"]["sources"]
    )
    text = "; ".join(spans)
    return f" ({text})" if text else ""


def _age(report: Report) -> str:
    age = show.days_between(report["price_book"]["as_of"], report["generated_at"])
    return "" if age is None or age < 0 else f", {show.noun(age, 'day')} old"


def _currencies(report: Report) -> str:
    display = report["display"]
    if not display:
        return clean(report["currency"], 8)
    rates = ", ".join(
        f"{rate['rate']:g} in {clean(str(rate['month']), 20)} ({clean(str(rate['source']), 80)})"
        for rate in display["rates"]
    )
    return f"{clean(report['currency'], 8)}; {clean(display['currency'], 8)} at {rates or 'no known rate'}"


def _span(report: Report) -> str:
    window = report["window"]
    return clean(show.span(window["start"], window["end"], window["timezone"] or "UTC"), 80)


def _days(report: Report) -> str:
    days = report["window"]["days"]
    if days is None:
        return "no days"
    return f"{days:.4g} {'day' if days == 1 else 'days'}"
