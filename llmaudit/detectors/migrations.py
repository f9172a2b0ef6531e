"""Whether the model that an endpoint moved to answers as the one before it did, where the log has both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from llmaudit.detectors.answers import normal
from llmaudit.detectors.verdicts import MAX_ROWS, inputs_of

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Paired:
    """How often both models gave the same answer. Clopper-Pearson, 95 %, two-sided."""

    estimate: float
    low: float
    high: float
    n: int
    """Different prompts, or families of near-equal inputs."""


def paired(same: int, n: int) -> Paired | None:
    """None without a pair.

    >>> found = paired(19, 20)
    >>> found.estimate, round(found.low, 3), round(found.high, 3)
    (0.95, 0.751, 0.999)
    """
    if not n:
        return None
    from scipy import stats

    tail = (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(tail, same, n - same + 1)) if same else 0.0
    high = float(stats.beta.ppf(1 - tail, same + 1, n - same)) if same < n else 1.0
    return Paired(same / n, low, high, n)


def on_the_same_prompts(pairs: pl.DataFrame, texts: Mapping[int, str]) -> dict[str, Paired | None]:
    """By endpoint, from rows of old_output_hash, new_output_hash, prompts.

    Answers are the same letter for letter or, where both texts are kept, but for case, closing full stop and order of keys.
    """
    same, asked = Counter[str](), Counter[str]()
    for row in pairs.iter_rows(named=True):
        old, new = row["old_output_hash"], row["new_output_hash"]
        asked[row["endpoint"]] += row["prompts"]
        if old == new or (old in texts and new in texts and normal(texts[old]) == normal(texts[new])):
            same[row["endpoint"]] += row["prompts"]
    return {endpoint: paired(same[endpoint], n) for endpoint, n in asked.items()}


def on_near_equal_inputs(sample: pl.DataFrame, old_model: str, new_model: str) -> Paired | None:
    """Of each family of near-equal inputs that both models answered: the new one's first answer, the old one's usual one.

    `sample` are sampled calls of one endpoint. What all calls of a model share (its own, perhaps shorter, instructions) is not compared.
    """
    from llmaudit.detectors.families import PromptFamilies

    seen = sample.filter(
        (pl.col("status") == "ok")
        & pl.col("prompt").is_not_null()
        & (pl.col("output").fill_null("").str.strip_chars() != "")
    )
    sides = [
        seen.filter(pl.col("model") == model).sort("started_at", "call_key").head(MAX_ROWS)
        for model in (old_model, new_model)
    ]
    if any(side.is_empty() for side in sides):
        return None
    inputs = [inputs_of(side) for side in sides]
    answers = [[normal(output) for output in side["output"]] for side in sides]
    families = PromptFamilies().fit([*inputs[0], *inputs[1]]).labels_.tolist()
    return _by_family(families[: len(inputs[0])], answers[0], families[len(inputs[0]) :], answers[1])


def _by_family(
    old_families: Sequence[int], old_answers: Sequence[str], new_families: Sequence[int], new_answers: Sequence[str]
) -> Paired | None:
    usual: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for family, answer in zip(old_families, old_answers, strict=True):
        usual[family][answer] += 1
    first: dict[int, str] = {}
    for family, answer in zip(new_families, new_answers, strict=True):
        first.setdefault(family, answer)
    both = [family for family in first if family in usual]
    same = sum(first[family] == max(usual[family], key=lambda a: (usual[family][a], a)) for family in both)
    return paired(same, len(both))
