"""What a run says about itself: which analyses ran, which checks failed, what the reader should know before believing a number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from llmaudit import levers, sources
from llmaudit.config import AuditConfig
from llmaudit.detectors.endpoints import Discovery
from llmaudit.lake import Lake
from llmaudit.lake.intake import Intake
from llmaudit.levers.base import Lever
from llmaudit.repricing import Repriced

STALE_BOOK_DAYS = 60
CENT = Decimal("0.01")
MICRO = Decimal("0.000001")

Report = Mapping[str, Any]
Status = tuple[str, str | None]


def statuses(
    config: AuditConfig, lake: Lake, report: Report, discovery: Discovery, pulled: Sequence[Lever]
) -> dict[str, Status]:
    """Analysis -> ran or skipped, and why."""
    no_calls: Status = ("skipped", "there are no calls")
    calls = bool(report["totals"]["requests"])
    ran: Status = ("ran", None)
    found: dict[str, Status] = {"intake": ran}
    for name in ("pricing", "spend", "endpoints", "duplicates"):
        found[name] = ran if calls else no_calls
    found["endpoint_discovery"] = _discovery(lake, report, discovery)
    found["proxy_student"] = _student(lake, report)
    for name in ("disputed_prices", "upcoming_prices", "served_otherwise"):
        found[name] = ran if calls else no_calls
    found["contract"] = (
        ran if report["prices"]["due"] else ("skipped", "no commitment, credit, free tier or margin in prices.toml")
    )
    found["allocation"] = ran if report["allocation"] else ("skipped", "no [allocation] in the settings says by what")
    found["bills"] = ran if report["bills"] else ("skipped", "no bill among the files")
    found["bridge"] = ran if report["bridge"] else ("skipped", "there is one month only, without two whole weeks in it")
    found["migrations"] = _migrations(report) if calls else no_calls
    for name in levers.registry():
        found[name] = no_calls if not calls else _lever(name, config, lake, report, pulled)
    return found


def _migrations(report: Report) -> Status:
    if report["migrations"]:
        return ("ran", None)
    return ("ran", "no endpoint went on on a model whose calls cost less than half")


def _discovery(lake: Lake, report: Report, discovery: Discovery) -> Status:
    if lake.text == "none":
        return ("skipped", "text = none keeps no texts: unlabelled calls are grouped by equal prompt templates only")
    if discovery.coverage is None:
        return ("skipped", "every call has a label or no text")
    unattributed = next((r["requests"] for r in report["spend"]["endpoint"] if r["key"] is None), 0)
    return (
        "ran",
        f"{discovery.coverage:.0%} of the sampled calls without label were given an endpoint; {unattributed} calls stay unattributed",
    )


def _student(lake: Lake, report: Report) -> Status:
    if lake.text == "none":
        return ("skipped", "text = none keeps no answers to learn from")
    return ("ran", None) if report["fine_tune"] else ("skipped", "there are no endpoints")


def _lever(name: str, config: AuditConfig, lake: Lake, report: Report, pulled: Sequence[Lever]) -> Status:
    if any(lever.name == name for lever in pulled):
        return ("ran", _not_cached(lake, report) if name == "prompt_caching" else None)
    if name in config.without or (config.levers and name not in config.levers):
        return ("skipped", "left out by --levers or --without")
    verdicts = [line["verdict"] for line in report["fine_tune"]]
    learned = {"dearer_tuned", "slow_payback", "no_target"}
    if "move" in verdicts or learned & {line["reason_code"] for line in report["fine_tune"]}:
        return ("ran", "every endpoint that could move is already cheaper where it is, or too small to pay back")
    return ("ran", "no endpoint could move") if any(verdicts) else ("skipped", "no endpoint could be judged")


def _not_cached(lake: Lake, report: Report) -> str | None:
    """What the replay of caches could not look at."""
    replayed = {row["model"] for row in report["prompt_caching"]}
    others = [str(row["key"]) for row in report["spend"]["model"] if row["key"] not in replayed]
    said = [f"no rule is published, or no prompt is logged, for {_few(others)}"] if others else []
    if lake.text == "none":
        said.append("text = none keeps no texts: shares are replayed, what breaks a prompt is not shown")
    return "; ".join(said) or None


def warnings(
    config: AuditConfig,
    report: Report,
    book_as_of: date,
    took: Intake,
    ingests: pl.DataFrame,
    likely: Mapping[str, Any],
    reused_ids: int,
) -> list[dict[str, Any]]:
    """Failed self-checks first, then what changes how the numbers should be read."""
    said = [
        *(_warning("check_failed", text) for text in _failed_checks(report)),
        *_about_money(config, report, book_as_of),
        *_about_prices(report),
        *_about_files(config, took, ingests, report),
        *_about_sources(config, report),
        *_about_bills(report),
        *_about_samples(report),
        *_about_sandboxes(config, report),
    ]
    if likely["requests"]:
        said.append(
            _warning(
                "likely_duplicates",
                f"{likely['requests']:,} calls equal another file's call in time (another system's within seconds), model and tokens, but no provider id says they are one: both are counted.",
                likely["cost_usd"],
            )
        )
    if reused_ids:
        said.append(
            _warning(
                "reused_ids",
                f"{reused_ids:,} calls carry a provider id that their file gives to other calls too; such ids merge nothing.",
            )
        )
    return said


def rewritten(changes: Sequence[Repriced]) -> list[dict[str, Any]]:
    """History that newer prices have changed is never passed over."""
    if not changes:
        return []
    months = sorted({f"{change.month:%Y-%m}" for change in changes})
    requests = sum(change.requests for change in changes)
    before, after = (sum((getattr(c, name) for c in changes), Decimal(0)) for name in ("before_usd", "after_usd"))
    return [
        _warning(
            "repriced",
            f"{requests:,} calls of {_few(months)} were reported at ${before:,.2f} and come to ${after:,.2f} now, though they are the "
            "same: prices have changed. `llmaudit reprice --lake DIR --dry-run` shows which and why; without --dry-run it accepts them.",
            after - before,
        )
    ]


def _failed_checks(report: Report) -> Iterator[str]:
    """The program checking itself. Nothing here should ever be said."""
    intake, total, plan = report["intake"], report["totals"]["cost_usd"], report["plan"]
    told = intake["rows_kept"] + intake["rows_merged"] + intake["rows_not_calls"] + intake["rows_quarantined"]
    if intake["rows_read"] != told:
        yield f"{intake['rows_read']:,} records were read but {told:,} are accounted for."
    for dimension in ("provider", "model", "endpoint", "team", "day"):
        parts = sum((row["cost_usd"] or Decimal(0) for row in report["spend"][dimension]), Decimal(0))
        if abs(parts - total) > MICRO:
            yield f"Spend by {dimension} sums to ${parts:,.6f}, not to the total of ${total:,.6f}."
    for table in report["allocation"]:
        parts = sum((row["allocated_usd"] for row in table["rows"]), Decimal(0))
        if abs(parts - table["total_usd"]) > MICRO or abs(table["total_usd"] - table["added_usd"] - total) > MICRO:
            yield f"Cost allocated by {table['by']} sums to ${parts:,.6f}, not to ${total + table['added_usd']:,.6f}."
    yield from _untied(report)
    for name, whole in (("headline", plan), ("with evaluation", plan["with_evaluation"])):
        parts = sum((step["in_order_usd"] for step in whole["steps"]), Decimal(0))
        saving = whole["headline_saving_usd"] if name == "headline" else whole["saving_usd"]
        if abs(parts - saving) > MICRO:
            yield f"The steps of the {name} plan sum to ${parts:,.6f}, not to ${saving:,.6f}."
        if saving > total:
            yield f"The {name} plan saves ${saving:,.2f}, more than the ${total:,.2f} that were spent."


def _untied(report: Report) -> Iterator[str]:
    """Bills and bridges whose parts do not lead from one of their sides to the other."""
    for bill in report["bills"]:
        parts = sum((part["amount"] for part in bill["classes"]), bill["unexplained"] or Decimal(0))
        if bill["priced"] is not None and abs(bill["billed"] - bill["priced"] - parts) > MICRO:
            yield f"The parts of {bill['source']} sum to {parts:,.6f}, not to {bill['billed'] - bill['priced']:,.6f} {bill['currency']}."
    for step in report["bridge"]:
        parts = sum((part["amount"] for part in step["parts"]), Decimal(0))
        if abs(step["after"] - step["before"] - parts) > MICRO:
            yield f"The parts from {step['from']} to {step['to']} sum to {parts:,.6f}, not to {step['after'] - step['before']:,.6f}."


def _about_money(config: AuditConfig, report: Report, book_as_of: date) -> Iterator[dict[str, Any]]:
    totals = report["totals"]
    if totals["unpriced_requests"]:
        models = ", ".join(str(r["key"]) for r in report["spend"]["model"] if r["cost_usd"] is None)
        yield _warning(
            "unpriced",
            f"{totals['unpriced_requests']:,} calls have no price and are not in the total"
            + (f" (models without any price: {models})" if models else "")
            + ". Name their models or rates in prices.toml.",
            totals["unpriced_usd"]["high"],
        )
    if totals["estimated_usage_usd"]:
        yield _warning(
            "estimated_usage",
            "Some calls show texts but no usage: their tokens were counted, not reported.",
            totals["estimated_usage_usd"],
        )
    end = report["window"]["end"]
    day = config.as_of or (date.fromisoformat(end[:10]) if end else None)
    if day and (day - book_as_of).days > STALE_BOOK_DAYS:
        yield _warning(
            "stale_price_book",
            f"The price book is of {book_as_of}, {(day - book_as_of).days} days before {day}. Install a newer llmaudit, or compile a newer book (llmaudit prices update), or put newer rates into prices.toml.",
        )
    reported, total = totals["reported_cost_usd"], totals["cost_usd"]
    if reported and total and abs(reported - total) > max(CENT, total / 20) and reported > total:
        yield _warning(
            "reported_differs", "The logs' own cost figures come to more than the priced total.", reported - total
        )


def _about_prices(report: Report) -> Iterator[dict[str, Any]]:
    """What hangs on a price that the book's sources do not agree on, or that changes soon."""
    disputed = report["prices"]["disputed"]
    low, high = (
        sum((line["at_stake_usd"][end] or Decimal(0) for line in disputed), Decimal(0)) for end in ("low", "high")
    )
    if high - low > CENT:
        models = _few([str(line["model"]) for line in disputed])
        yield _warning(
            "disputed_price",
            f"The price book's two sources differ on {models}: these calls come to ${low:,.2f} or ${high:,.2f}. "
            "Check the provider's page; put what you pay into prices.toml.",
            high - low,
        )
    retiring = [line for line in report["prices"]["upcoming"] if line["kind"] == "retirement" and line["on"]]
    if retiring:
        spent = sum((line["before_usd"] or Decimal(0) for line in retiring), Decimal(0))
        named = _few(list(dict.fromkeys(f"{line['model']} on {line['on']}" for line in retiring)))
        yield _warning("retiring_models", f"Models in use retire: {named}.", spent)


def _about_files(config: AuditConfig, took: Intake, ingests: pl.DataFrame, report: Report) -> Iterator[dict[str, Any]]:
    quarantined = report["intake"]["rows_quarantined"]
    if quarantined:
        files = [f["path"] for f in report["intake"]["files"] if f["quarantined"]]
        yield _warning(
            "quarantined",
            f"{quarantined:,} records in {len(files):,} files could not be read and are not in any number: {_few(files)}.",
        )
    if took.left_out:
        yield _warning(
            "left_out", f"{len(took.left_out):,} files were taken for documents, not logs: {_few(took.left_out)}."
        )
    for line in ingests.iter_rows(named=True):
        for said in json.loads(line["warnings"]):
            yield _warning(said["kind"], f"{line['path']}: {said['text']}")
    rate_is_known = set(config.sample_rates) | {part["source"] for part in report["sampling"]}
    for name in sorted(set(ingests.filter(pl.col("rows_kept") > 0)["source"]) & set(sources.registry())):
        for kind, text in sources.by_name(name).caveats.items():
            if kind != "sampled_log" or name not in rate_is_known:
                yield _warning(kind, f"{name}: {text}")


def _about_sources(config: AuditConfig, report: Report) -> Iterator[dict[str, Any]]:
    for row in report["spend"]["source"]:
        if _is_coding_agent(row["key"]) and row["key"] not in config.billing_modes and row["cost_usd"]:
            yield _warning(
                "billing_mode_assumed",
                f"{row['key']} logs do not say whether a subscription paid; they are counted as metered. "
                f'If a seat paid, put billing_modes = {{ {row["key"]} = "subscription" }} into llmaudit.toml.',
                row["cost_usd"],
            )


def _about_bills(report: Report) -> Iterator[dict[str, Any]]:
    """Exports that may be two views of one spend."""
    bills = report["billed"]
    for place, one in enumerate(bills):
        for other in bills[place + 1 :]:
            shared = {row["key"] for row in one["by"]["provider"]} & {row["key"] for row in other["by"]["provider"]}
            overlap = one["start"] < other["end"] and other["start"] < one["end"]
            if shared and overlap and one["currency"] == other["currency"] and one["source"] != other["source"]:
                names = ", ".join(sorted(name or "an unnamed provider" for name in shared))
                yield _warning(
                    "bills_overlap",
                    f"{one['source']} and {other['source']} both bill {names} in the same days: where they are two views of one "
                    "spend, it counts once. They stand side by side and are never added.",
                    min(one["billed"] or Decimal(0), other["billed"] or Decimal(0))
                    if one["currency"] == "USD"
                    else None,
                )


def _about_samples(report: Report) -> Iterator[dict[str, Any]]:
    for part in report["sampling"]:
        yield _warning(
            "sampled_log",
            f"{part['requests']:,} calls of {part['source']} are a sample of {part['sample_rate']:.3g} of those that were made. Spend and savings "
            "are those of the sample: nothing is scaled. What was spent in whole stands on the bill.",
            part["cost_usd"],
        )


def _is_coding_agent(source: str) -> bool:
    """A tool that keeps its logs in a person's home folder."""
    return source in sources.registry() and bool(sources.by_name(source).usual_places)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")  # noqa: PLR2004


def _about_sandboxes(config: AuditConfig, report: Report) -> Iterator[dict[str, Any]]:
    """What was left out on request is said, with its dollars."""
    rows = [row for row in report["spend"]["endpoint"] if row["key"] in config.sandbox]
    if rows:
        calls = sum(row["requests"] for row in rows)
        names = ", ".join(sorted(row["key"] for row in rows))
        yield _warning(
            "sandbox",
            f"{calls:,} calls of {names} are a sandbox, as the settings say: in the totals, and in no finding and no plan.",
            sum((row["cost_usd"] or Decimal(0) for row in rows), Decimal(0)),
        )


def _warning(kind: str, text: str, usd: Decimal | None = None) -> dict[str, Any]:
    return {"kind": kind, "text": text, "usd": usd}
