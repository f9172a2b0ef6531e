"""Endpoints whose task a small tuned model learns from the log itself, with all that moving them costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import ceil
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import queries
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.levers.base import CHARGES, Lever, Stage, with_column
from llmaudit.pricing.tuning import Target, gpu_sku
from llmaudit.schema import TIME

LABOUR_SKU = "labour/hour"
DAYS_OF_A_MONTH = Decimal("365.25") / 12
HOURS_OF_A_DAY = 24
FEWEST_JUDGED = 100
_Z = 1.959964
_HASHES = 16**8
ONE_OFF = ("training", "evaluation", "labelling")
"""Kinds of outlay that are paid once, before anything is saved."""

MOVES = pa.schema(
    [
        ("endpoint", pa.string()),
        ("target_provider", pa.string()),
        ("target_model", pa.string()),
        ("kept_input", pa.float64()),
        ("keeps_cache", pa.bool_()),
        ("priced_at", TIME),
        ("below", pa.string()),
    ]
)
"""`below` bounds the hashes of the calls that move; null is all of them."""
EVIDENCE = pa.schema(
    [
        ("endpoint", pa.string()),
        ("model", pa.string()),
        ("target", pa.string()),
        ("moved_share", pa.float64()),
        ("low_factor", pa.float64()),
        ("high_factor", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Move:
    """One endpoint and the model it would go to. Shares are of its answered calls; the others stay where they are."""

    endpoint: str
    target: Target
    share: float = 1.0
    low_share: float = 1.0
    high_share: float = 1.0
    kept_input: float = 1.0
    """Share of the input tokens that a tuned model still needs."""
    agreement: float | None = None
    retrain_days: int = 90


@dataclass(frozen=True)
class Volume:
    """The calls of an endpoint that move, and the model that answers them today."""

    endpoint: str
    provider: str | None
    model: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    tuned_input_tokens: int
    """Input of the tuned model, instructions dropped where they are."""


@dataclass(frozen=True)
class Outlay:
    """So much of a sku that moving an endpoint takes: once (`ONE_OFF`), or in the window of the log."""

    kind: str
    sku: str
    quantity: Decimal


@dataclass(frozen=True)
class FineTune(Lever):
    """Serve answered calls of `endpoints` from a tuned small model.

    With `moves`, as a report makes them, the number is net: training, evaluation and labelling are spread over
    `spread_days`, and hosting, upkeep and retraining are paid as long as the log lasts. Without, it is gross: the price
    of `target_model` alone. Tokens stay as logged, although another tokenizer counts differently.
    """

    name = "fine_tune"
    stage = Stage.ROUTE
    rank = 2
    grade = "C"
    action = "Fine-tune a small open model on these calls and run its acceptance test before moving traffic."
    effort = "weeks"
    risk = "medium"
    scope = ("request_id",)
    steady = True

    endpoints: Sequence[str] | None = ()
    target_provider: str = "nebius"
    target_model: str = "meta-llama/meta-llama-3.1-8b-instruct"
    target: str | None = None
    """A row of the table of targets; None is the one that leaves most."""
    share: float | None = None
    """Share of the calls that moves; None is the coverage that the evidence shows."""
    pay_both: bool = False
    """Whether calls that stay are asked of the tuned model first, and paid twice."""
    drop_instructions: bool = True
    """Whether the tuned model is asked without the words that all calls share, as the student of the evidence was."""
    open_weights_only: bool = True
    examples: int = 2_000
    epochs: int = 3
    margin: float = 0.03
    """Half of the interval that the acceptance test is to have."""
    labelling_hours: float = 0.0
    upkeep_hours_per_month: float = 0.0
    retrain_days: int = 90
    spread_days: int = 365
    """Days in which what is paid once has to come back."""
    max_payback_days: int | None = None
    replicas: int = 1
    utilisation: float = 0.2
    """Share of its speed that a dedicated GPU is used at, over day and night."""
    moves: tuple[Move, ...] = field(default=(), metadata={"setting": False})
    window_days: int = field(default=0, metadata={"setting": False})
    priced_on: date | None = field(default=None, metadata={"setting": False})
    """Day whose prices hold for the target; None is the day of each call."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise AuditError(f"levers.fine_tune.{name} = {value} should be from {least:g} to {most:g}.")

    @property
    def names_its_target(self) -> bool:
        """Whether it was given a model whose price is to stand for the tuned one's."""
        return (self.target_provider, self.target_model) != (FineTune.target_provider, FineTune.target_model)

    def settings(self) -> dict[str, str]:
        """Each move has a target of its own: the model whose price stands for the tuned one's is then not used."""
        unused = {"target_provider", "target_model"} if self.moves else set()
        return {name: value for name, value in super().settings().items() if name not in unused}

    def assumes(self) -> tuple[str, ...]:
        if not self.moves:
            return (
                f"tuned inference is billed like {self.target_provider} {self.target_model}, as hosts of tuned open models do",
                "gross: without training, hosting, evaluation and upkeep",
                "token counts stay as logged",
            )
        hours = f"{self.labelling_hours:g} hours of labelling" if self.labelling_hours else "no hours of labelling"
        upkeep = (
            f"{self.upkeep_hours_per_month:g} hours of upkeep a month" if self.upkeep_hours_per_month else "of upkeep"
        )
        return (
            f"training and evaluation are spread over {self.spread_days:,} days, and both are done again as the task drifts",
            f"{hours} or {upkeep} are paid: set labelling_hours and upkeep_hours_per_month"
            if not (self.labelling_hours and self.upkeep_hours_per_month)
            else f"{hours} and {upkeep} are paid",
            "calls the student was unsure of stay with today's model"
            if self.share is None
            else f"{self.share:.0%} of calls move",
            "token counts stay as logged"
            if not self.drop_instructions
            else "the tuned model needs no instructions or examples",
        )

    def hits(self, engine: Engine, usage: str) -> str:
        return queries.run(engine, self.name, into=f"{self.name}_hits", usage=usage, moves=self.put_moves(engine))

    def put_moves(self, engine: Engine) -> str:
        """The table of MOVES."""
        engine.put("fine_tune_moves", pa.Table.from_pylist(list(map(self._moved, self._moves())), schema=MOVES))
        return "fine_tune_moves"

    def change(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Hosted calls are priced like the target's; on a GPU of one's own a call costs nothing by itself."""
        here = pc.is_valid(batch["target_model"])
        for name in ("model", "request_model", "response_model"):
            batch = with_column(batch, name, pc.if_else(here, batch["target_model"], batch[name]))
        batch = with_column(batch, "billable", pc.and_(batch["billable"], here))
        batch = with_column(batch, "service_tier", pa.repeat("standard", batch.num_rows))
        batch = with_column(batch, "reported_cost_usd", pa.nulls(batch.num_rows, batch["reported_cost_usd"].type))
        batch = with_column(batch, "started_at", pc.coalesce(batch["priced_at"], batch["started_at"]))
        batch = _with_prompt(batch)
        return with_column(batch, "provider", pc.if_else(here, batch["target_provider"], batch["provider"]))

    def evidence(self, engine: Engine, usage: str) -> str | None:
        if not self.moves:
            return None
        moves = {move.endpoint: move for move in self.moves}
        rows = [
            _evidence(moves[volume.endpoint], volume)
            for volume in self._volumes(engine, usage, self.hits(engine, usage))
        ]
        engine.put("fine_tune_evidence", pa.Table.from_pylist(rows, schema=EVIDENCE))
        return "fine_tune_evidence"

    def charges(self, engine: Engine, usage: str, hits: str) -> str | None:
        if not self.moves:
            return None
        volumes = self._volumes(engine, usage, hits)
        rows = [
            row
            for move in self.moves
            for row in self._charged(move, [v for v in volumes if v.endpoint == move.endpoint])
        ]
        engine.put("fine_tune_charges", pa.Table.from_pylist(rows, schema=CHARGES))
        return "fine_tune_charges"

    def outlays(self, move: Move, volumes: Sequence[Volume]) -> list[Outlay]:
        """All that moving these calls takes besides inference billed per token: once, and in the window."""
        return [*self.one_off(move, volumes), *self.running(move, volumes)]

    def one_off(self, move: Move, volumes: Sequence[Volume]) -> list[Outlay]:
        """What is paid before anything is saved, and again with every retraining."""
        return [
            *self._training(move, volumes),
            *self._evaluation(move, volumes),
            *_some("labelling", LABOUR_SKU, _exact(self.labelling_hours)),
        ]

    def in_window(self, outlay: Outlay) -> Decimal:
        """The part of an outlay that falls to the days of the log."""
        days = self.window_days / Decimal(self.spread_days) if outlay.kind in ONE_OFF else Decimal(1)
        return outlay.quantity * days

    def hours_of_gpu(self, target: Target, volumes: Sequence[Volume]) -> Decimal:
        """Hours that a GPU of one's own is paid in the window: day and night, and as many as the busiest use takes."""
        busy_seconds = Decimal(sum(v.tuned_input_tokens for v in volumes)) / (target.input_tokens_per_second or 1)
        busy_seconds += Decimal(sum(v.output_tokens for v in volumes)) / (target.output_tokens_per_second or 1)
        paid_seconds = Decimal(3_600 * HOURS_OF_A_DAY * self.window_days)
        gpus = ceil(busy_seconds / paid_seconds / _exact(self.utilisation)) if paid_seconds else 0
        return Decimal(HOURS_OF_A_DAY * self.window_days * max(self.replicas, gpus))

    def _training(self, move: Move, volumes: Sequence[Volume]) -> Iterator[Outlay]:
        target = move.target
        tokens = self.trained_tokens(move, volumes)
        if target.training_gpu and target.training_tokens_per_second:
            hours = ceil(tokens / (target.training_tokens_per_second * 3_600))
            yield Outlay("training", gpu_sku(target.training_gpu), Decimal(max(1, hours)))
        else:
            least = (target.least_training_mtok or Decimal(0)) * 1_000_000
            yield Outlay("training", target.training_sku, max(Decimal(tokens), least))

    def trained_tokens(self, move: Move, volumes: Sequence[Volume]) -> int:
        """Tokens of the training set, as often as they are shown. Examples are as long as the calls that move.

        Calls that stay with today's model are examples as well.
        """
        calls = sum(volume.calls for volume in volumes)
        tokens = sum(volume.tuned_input_tokens + volume.output_tokens for volume in volumes)
        examples = min(self.examples, round(calls / move.share) if move.share else calls)
        return ceil(tokens * examples * self.epochs / calls) if calls else 0

    def _evaluation(self, move: Move, volumes: Sequence[Volume]) -> Iterator[Outlay]:
        """Both models answer the calls of the acceptance test; on a GPU of one's own that costs nothing more."""
        calls, judged = sum(volume.calls for volume in volumes), calls_to_judge(move.agreement, self.margin)
        for volume in volumes:
            part = Decimal(judged) / calls
            old, new = f"{volume.provider or ''}/{volume.model or ''}", f"{move.target.provider}/{move.target.model}"
            yield from _tokens("evaluation", old, volume.input_tokens * part, volume.output_tokens * part)
            if move.target.model:
                yield from _tokens("evaluation", new, volume.tuned_input_tokens * part, volume.output_tokens * part)

    def running(self, move: Move, volumes: Sequence[Volume]) -> Iterator[Outlay]:
        """Each retraining pays training, test and labels anew."""
        target, months = move.target, self.window_days / DAYS_OF_A_MONTH
        if target.gpu:
            yield Outlay("hosting", gpu_sku(target.gpu), self.hours_of_gpu(target, volumes))
        if target.usd_per_month is not None:
            yield Outlay("hosting", target.month_sku, months)
        yield from _some("upkeep", LABOUR_SKU, _exact(self.upkeep_hours_per_month) * months)
        for outlay in self.one_off(move, volumes):
            yield Outlay("retraining", outlay.sku, outlay.quantity * self.window_days / move.retrain_days)
        if self.pay_both and target.model and 0 < move.share < 1:
            more = Decimal(repr((1 - move.share) / move.share))
            for volume in volumes:
                sku = f"{target.provider}/{target.model}"
                yield from _tokens("fallback", sku, volume.tuned_input_tokens * more, volume.output_tokens * more)

    def _charged(self, move: Move, volumes: Sequence[Volume]) -> Iterator[dict[str, Any]]:
        """The outlays as charges of the window, shared out by the calls of today's models."""
        calls = sum(volume.calls for volume in volumes)
        for outlay in self.outlays(move, volumes) if calls else ():
            for volume in volumes:
                quantity = self.in_window(outlay) * volume.calls / calls
                site = {"endpoint": volume.endpoint, "model": volume.model, "day": self.priced_on or date.min}
                yield {**site, "sku": outlay.sku, "quantity": quantity.quantize(_TWELVE)}

    def _volumes(self, engine: Engine, usage: str, hits: str) -> list[Volume]:
        found = queries.run(engine, "fine_tune_volumes", usage=usage, hits=hits)
        counts = ("calls", "input_tokens", "output_tokens", "tuned_input_tokens")
        return [
            Volume(row["endpoint"], row["provider"], row["model"], *(int(row[name]) for name in counts))
            for row in engine.fetch(found).to_pylist()
        ]

    def _moves(self) -> Sequence[Move]:
        return self.moves or [Move(endpoint, self._gross_target()) for endpoint in self.endpoints or ()]

    def _gross_target(self) -> Target:
        return listed(self.target_provider, self.target_model)

    def _moved(self, move: Move) -> dict[str, Any]:
        hosted = move.target.serving == "per_token"
        on = self.priced_on
        return {
            "endpoint": move.endpoint,
            "target_provider": move.target.provider if hosted else None,
            "target_model": move.target.model if hosted else None,
            "kept_input": move.kept_input,
            "keeps_cache": move.target.prompt_caching == "yes" and move.kept_input == 1,
            "priced_at": datetime(on.year, on.month, on.day) if on else None,  # noqa: DTZ001 - the tables keep UTC bare
            "below": None if move.share >= 1 else f"{int(move.share * _HASHES):08x}",
        }


def listed(provider: str, model: str) -> Target:
    """A target of which nothing is known but that the price book has its model."""
    unknown = dict.fromkeys(Target.__dataclass_fields__)
    said = {
        "target": f"{provider}/{model}",
        "provider": provider,
        "model": model,
        "base_model": model,
        "open_weights": "unknown",
        "licence": "unknown",
        "serving": "per_token",
        "prompt_caching": "yes",
        "batch": "unknown",
        "status": "open",
        "note": "",
        "source": "",
        "confidence": "",
    }
    return Target(**{**unknown, **said})  # type: ignore[arg-type]


def calls_to_judge(agreement: float | None, margin: float) -> int:
    """Calls of an acceptance test whose 95 % interval is to be no wider than `margin` to either side.

    >>> calls_to_judge(0.9, 0.03), calls_to_judge(None, 0.03), calls_to_judge(0.999, 0.03)
    (385, 1068, 100)
    """
    share = 0.5 if agreement is None else agreement
    return max(FEWEST_JUDGED, ceil(_Z**2 * share * (1 - share) / margin**2))


def _evidence(move: Move, volume: Volume) -> dict[str, Any]:
    return {
        "endpoint": volume.endpoint,
        "model": volume.model,
        "target": move.target.target,
        "moved_share": move.share,
        "low_factor": move.low_share / move.share,
        "high_factor": move.high_share / move.share,
    }


def _with_prompt(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The prompt as the tuned model gets it: shorter where instructions are dropped, from no cache where there is none."""
    tokens = batch["input_tokens"]
    kept = pc.cast(pc.ceil(pc.multiply(pc.cast(tokens, pa.float64()), batch["kept_input"])), tokens.type)
    batch = with_column(batch, "input_tokens", kept)
    for name in ("cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens"):
        none = pa.array([0] * batch.num_rows, batch[name].type)
        batch = with_column(batch, name, pc.if_else(batch["keeps_cache"], batch[name], none))
    return batch


def _tokens(kind: str, model: str, input_tokens: Decimal, output_tokens: Decimal) -> Iterator[Outlay]:
    yield from _some(kind, f"{model}/input_tokens", input_tokens)
    yield from _some(kind, f"{model}/output_tokens", output_tokens)


def _some(kind: str, sku: str, quantity: Decimal) -> Iterator[Outlay]:
    if quantity:
        yield Outlay(kind, sku, quantity)


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


_TWELVE = Decimal("1e-12")
_BOUNDS: Sequence[tuple[str, float, float]] = (
    ("share", 0, 1),
    ("examples", 1, 10_000_000),
    ("epochs", 1, 100),
    ("margin", 0.001, 0.5),
    ("labelling_hours", 0, 1_000_000),
    ("upkeep_hours_per_month", 0, 1_000_000),
    ("retrain_days", 1, 100_000),
    ("spread_days", 1, 100_000),
    ("max_payback_days", 1, 100_000),
    ("replicas", 1, 10_000),
    ("utilisation", 0.001, 1),
)

LEVER = FineTune
