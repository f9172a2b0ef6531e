"""Which levers are pulled, with which settings, on which calls; and what they say of what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from llmaudit import assemble, dossier, levers, pricing, queries, savings
from llmaudit.config import AuditConfig
from llmaudit.detectors.verdicts import Verdict
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError, UnknownName
from llmaudit.facts import Facts, rows_of
from llmaudit.lake.decisions import Decision
from llmaudit.levers.base import Lever
from llmaudit.levers.fine_tune import FineTune
from llmaudit.levers.right_size import RightSize
from llmaudit.replay import FEWEST_DAYS, Plan, Replay, Step


@dataclass(frozen=True)
class Asked:
    """What is asked of the levers: those chosen, the settings of fine-tuning, the prices, and what was decided before."""

    config: AuditConfig
    book: pricing.Book
    chosen: Sequence[str]
    tuning: FineTune
    day: date
    """The day that the report speaks from."""


@dataclass(frozen=True)
class Pulled:
    """What the levers came to: two plans, and what of them was found where."""

    levers: tuple[Lever, ...]
    replay: Replay
    moving: dossier.Moving
    headline: Plan
    everything: Plan
    apart: list[Step]
    """Of levers that were declined somewhere."""
    window: Mapping[str, Any]
    findings: list[dict[str, Any]]

    def calls_behind(self) -> pa.Table:
        """The calls of each finding."""
        return savings.calls_behind(self.replay.engine, [*self._steps, *self.apart], self.findings)

    @property
    def _steps(self) -> list[Step]:
        return steps_of(self.headline, self.everything)


def steps_of(headline: Plan, everything: Plan) -> list[Step]:
    """A step of each lever: of grades A and B as the headline has it, of grade C as it adds to all others."""
    return [*headline.steps, *(step for step in everything.steps if step.lever.grade == "C")]


def pull(
    engine: Engine,
    money: str,
    asked: Asked,
    facts: Facts,
    verdicts: Sequence[Verdict],
    decisions: Mapping[str, Decision],
) -> Pulled:
    """Replay every lever, alone and in order, on the priced calls; `money` is the table of what these cost."""
    config, window = asked.config, assemble.window(asked.config, *facts.extent, [*facts.sources, *facts.extents])
    replay = Replay(
        engine,
        asked.book,
        _wanted(engine, config),
        money,
        by_day=window["days"] >= FEWEST_DAYS,
        due=savings.due(asked.book.user.contract, window),
        declined=savings.declined(decisions, asked.day),
    )
    moving = dossier.moving(
        replay,
        replace(asked.tuning, window_days=window["days"], priced_on=asked.day),
        verdicts if FineTune.name in asked.chosen else (),
        config.sandbox,
        levers.make(RightSize.name, _settings(RightSize.name, config)) if RightSize.name in asked.chosen else None,
    )
    pulled = _instances(asked.chosen, config, moving)
    everything = replay.plan(pulled, facts.total)
    headline = replay.plan([lever for lever in pulled if lever.grade != "C"], facts.total)
    apart = replay.declined_steps(pulled)
    found = _findings(steps_of(headline, everything), apart, replay, window, _evidence(replay, pulled, config.sandbox))
    return Pulled(
        tuple(pulled),
        replay,
        moving,
        headline,
        everything,
        apart,
        window,
        savings.with_status(found, decisions, asked.day),
    )


def chosen(config: AuditConfig) -> list[str]:
    known = levers.registry()
    for name in (*config.levers, *config.without):
        if name not in known:
            raise UnknownName("lever", name, known)
    for name, settings in config.lever_settings.items():
        levers.make(name, settings)
    return [name for name in known if (not config.levers or name in config.levers) and name not in config.without]


def tuning(config: AuditConfig, book: pricing.Book) -> FineTune:
    """The settings of fine-tuning. A target that cannot be had is said before the work begins."""
    lever = levers.make(FineTune.name, config.lever_settings.get(FineTune.name, {}))
    assert isinstance(lever, FineTune)
    return dossier.check(book, lever, config.tuned_provider, config.tuned_model)


def as_meant(
    asked: Sequence[Lever], replay: Replay, verdicts: Sequence[Verdict], config: AuditConfig, day: date, days: int
) -> list[Lever]:
    """Levers as a question means them: fine-tuning moves what the evidence says, net of what that costs.

    With moves, or a target model of its own, it stays as it is. Raises AuditError for endpoints that nothing speaks for.
    """
    by_hand = [
        lever for lever in asked if isinstance(lever, FineTune) and not lever.moves and not lever.names_its_target
    ]
    if not by_hand:
        return list(asked)
    [lever] = by_hand
    found = dossier.moving(replay, replace(lever, window_days=days, priced_on=day), verdicts, config.sandbox)
    moves = {move.endpoint: move for move in found.lever.moves}
    for endpoint in lever.endpoints or ():
        if endpoint not in moves:
            raise AuditError(_unmoved(endpoint, verdicts))
    endpoints = tuple(lever.endpoints or found.worth)
    meant = replace(found.lever, endpoints=endpoints, moves=tuple(moves[endpoint] for endpoint in endpoints))
    return [meant if other is lever else _beside(other, endpoints) for other in asked]


def _unmoved(endpoint: str, verdicts: Sequence[Verdict]) -> str:
    judged = {v.endpoint: v for v in verdicts}
    if endpoint not in judged:
        raise UnknownName("endpoint", endpoint, {name for name in judged if name})
    found = judged[endpoint]
    why = f"{found.verdict or 'no verdict'}. {found.reason}" if found.verdict != "move" else "no target saves anything."
    return (
        f"FineTune: the log does not show that {endpoint} could move and save: {why} To see it at a model's price all the "
        'same, gross, name that model: FineTune([...], target_provider="...", target_model="...").'
    )


def _instances(chosen: Sequence[str], config: AuditConfig, moving: dossier.Moving) -> list[Lever]:
    """The levers to pull, with their settings. Endpoints that would cost more on a tuned model are not moved."""
    pulled = [levers.make(name, _settings(name, config)) for name in chosen if name != FineTune.name]
    if moving.to_pull is None:
        return pulled
    return [*(_beside(lever, moving.to_pull.endpoints or ()) for lever in pulled), moving.to_pull]


def _beside(lever: Lever, tuned: Sequence[str]) -> Lever:
    """A call takes one route: endpoints that move to a tuned model move to no other."""
    return replace(lever, leave=(*lever.leave, *tuned)) if isinstance(lever, RightSize) else lever


def _settings(name: str, config: AuditConfig) -> dict[str, Any]:
    """What llmaudit.toml says of a lever, over what the config says by names of its own."""
    own: dict[str, dict[str, Any]] = {
        "exact_duplicates": {"ttl_seconds": config.ttl_seconds},
    }
    return {**own.get(name, {}), **config.lever_settings.get(name, {})}


def _wanted(engine: Engine, config: AuditConfig) -> str:
    """The calls that levers are pulled on: all that a meter charges, but for those of a sandbox."""
    if not config.sandbox:
        return "metered"
    engine.put("sandbox", pa.table({"endpoint": pa.array(config.sandbox, pa.string())}))
    return queries.run(engine, "outside_sandbox", usage="metered")


def _findings(
    steps: Sequence[Step],
    apart: Sequence[Step],
    replay: Replay,
    window: Mapping[str, Any],
    evidence: Mapping[str, Mapping[assemble.Site, Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """Those of the plans, and apart from them those that were declined."""
    blocks, factor = replay.blocks(window["days"]), window["month_factor"]
    found, declined = (
        assemble.findings(part, blocks, factor, savings.evidence_of(evidence, replay.declined, declined=is_declined))
        for part, is_declined in ((steps, False), (apart, True))
    )
    return [*found, *declined]


def _evidence(
    replay: Replay, pulled: Sequence[Lever], sandbox: Sequence[str]
) -> dict[str, dict[assemble.Site, dict[str, Any]]]:
    """What each lever can say of an endpoint and model, besides what it saves."""
    found: dict[str, dict[assemble.Site, dict[str, Any]]] = {}
    for lever in pulled:
        table = lever.evidence(replay.engine, replay.usage)
        if table is None:
            continue
        rows = [row for row in rows_of(replay.engine, table) if row["endpoint"] not in sandbox]
        found[lever.name] = {(row["endpoint"], row["model"]): row for row in rows}
        for place, usd in _unproven(lever, replay).items():
            found[lever.name].get(place, {})["unproven_usd"] = usd
    return found


def _unproven(lever: Lever, replay: Replay) -> dict[assemble.Site, Decimal]:
    """What the lever would save by itself where nothing in the log speaks for it yet."""
    further = lever.if_it_holds()
    if further is None:
        return {}
    shown, possible = replay.saved_alone(lever), replay.saved_alone(further)
    proved = {(row.endpoint, row.model) for row in shown}
    return {place: usd for place, usd in assemble.by_site(possible).items() if place not in proved}
