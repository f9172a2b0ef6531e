"""Whether an endpoint's task changed within the log, and on which day: in its answers, or in the words of its inputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from llmaudit.detectors.words import ends

Floats = npt.NDArray[np.float64]

FEWEST = 100
"""Calls under which nothing is said."""
MIN_ANSWERS, MIN_WORD = 0.15, 0.15
"""Smaller changes are not called drift: share of the answers that are others, rise or fall of a word's share of inputs."""

_MOST, _DRAWS, _ENOUGH, _CUTS, _EDGE = 800, 99, 5, 41, 0.1
_ANSWERS, _WORDS, _SHOWN, _SHOWN_FROM, _READ = 30, 150, 5, 0.1, 500
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u9fff]")
_LETTERS = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True)
class Shift:
    """A word or an answer that became more or less frequent; shares of the calls before and since."""

    what: str
    before: float
    since: float


@dataclass(frozen=True)
class Drift:
    """The cut in time that parts the calls best. `day` is None where what differs may be chance, or is little."""

    day: date | None
    """First day of the new task."""
    answers: float
    """Total variation distance of the answers before and since, less what chance would show: the share of them that are others."""
    inputs: float
    """The largest rise or fall of a word's share of the inputs."""
    chance: float
    """Share of random orders of the same calls that part as well."""
    calls: int
    shifts: tuple[Shift, ...] = ()
    """The words and answers that changed most."""


def drift(times: Sequence[datetime | None], inputs: Sequence[str], answers: Sequence[str]) -> Drift | None:
    """Look for the day that parts inputs and answers best, and ask whether a random order would part them as well.

    `answers` are labels, or whatever says of an open answer what kind it is. None with too few calls, or without times.
    """
    known = [row for row, at in enumerate(times) if at is not None][:_MOST]
    rows = sorted(known, key=lambda row: (times[row], row))
    if len(rows) < FEWEST or times[rows[0]] == times[rows[-1]]:
        return None
    told, names = _answers([answers[row] for row in rows])
    said, words = _words([inputs[row] for row in rows])
    seen = sparse.csr_array(sparse.hstack([told, said], format="csr"))
    cuts = np.unique(np.linspace(_EDGE, 1 - _EDGE, _CUTS) * len(rows)).astype(np.int64)
    best, at = _parted(seen, cuts, np.arange(len(rows)))
    as_well, drawn = _by_chance(seen, cuts, best)
    before, since = seen[:at].mean(axis=0), seen[at:].mean(axis=0)
    change = np.asarray(since - before, dtype=np.float64).ravel()
    others = _distance(change[: len(names) + 1], seen[:, : len(names) + 1].mean(axis=0), at, len(rows))
    moved = float(np.abs(change[len(names) + 1 :]).max(initial=0.0))
    is_drift = as_well == 0 and (others >= MIN_ANSWERS or moved >= MIN_WORD)
    first = times[rows[at]]
    return Drift(
        day=first.date() if is_drift and first is not None else None,
        answers=others,
        inputs=moved,
        chance=(1 + as_well) / (1 + drawn),
        calls=len(rows),
        shifts=_shifts([*names, "other answers", *words], change, before) if is_drift else (),
    )


def _distance(change: Floats, share: Floats, at: int, calls: int) -> float:
    """Half the sum of all rises and falls, less what they would sum to if only chance had parted the calls."""
    noise = np.sqrt(2 / np.pi * np.maximum(share * (1 - share), 0.0) * (1 / at + 1 / (calls - at)))
    return max(0.0, float(np.abs(change).sum() - noise.sum()) / 2)


def _by_chance(seen: sparse.csr_array, cuts: npt.NDArray[np.int64], best: float) -> tuple[int, int]:
    """How many random orders part as well, of how many; a few are enough to know that many do."""
    draws, as_well, n = np.random.default_rng(0), 0, seen.shape[0]
    for drawn in range(1, _DRAWS + 1):
        as_well += _parted(seen, cuts, draws.permutation(n))[0] >= best
        if as_well == _ENOUGH:
            return as_well, drawn
    return as_well, _DRAWS


def _answers(answers: Sequence[str]) -> tuple[sparse.csr_array, list[str]]:
    """One column for each of the commonest answers and one for the rest."""
    common = [answer for answer, _ in sorted(Counter(answers).items(), key=lambda item: (-item[1], item[0]))[:_ANSWERS]]
    place = {answer: n for n, answer in enumerate(common)}
    columns = [place.get(answer, len(common)) for answer in answers]
    table = (np.ones(len(answers)), (np.arange(len(answers)), columns))
    return sparse.csr_array(table, shape=(len(answers), len(common) + 1)), common


def _words(inputs: Sequence[str]) -> tuple[sparse.csr_array, list[str]]:
    """Which of the usual words each input has; what nearly all or hardly any have tells nothing."""
    counter = CountVectorizer(analyzer=_tokens, binary=True, min_df=0.03, max_df=0.97, max_features=_WORDS)
    try:
        found = counter.fit_transform([ends(text, _READ) for text in inputs])
    except ValueError:  # no such words
        return sparse.csr_array((len(inputs), 0)), []
    return sparse.csr_array(found, dtype=np.float64), counter.get_feature_names_out().tolist()


def _tokens(text: str) -> list[str]:
    """Words; where a script has no blanks, pairs of letters."""
    found = _LETTERS.findall(text.lower())
    return [
        part
        for word in found
        for part in ([word] if not _UNSPACED.search(word) else [word[n : n + 2] for n in range(len(word) - 1)])
    ]


def _parted(seen: sparse.csr_array, cuts: npt.NDArray[np.int64], order: npt.NDArray[np.int64]) -> tuple[float, int]:
    """The largest standardised difference of any column over any cut, and that cut."""
    n = len(order)
    piece = np.empty(n, dtype=np.int64)
    piece[order] = np.searchsorted(cuts, np.arange(n), side="right")
    belongs = sparse.csr_array((np.ones(n), (piece, np.arange(n))), shape=(len(cuts) + 1, n))
    sums = np.cumsum((belongs @ seen).toarray(), axis=0)
    left, total = sums[:-1], sums[-1]
    size = cuts[:, None].astype(np.float64)
    share = total / n
    noise = np.sqrt(np.maximum(share * (1 - share), 1e-12) * (1 / size + 1 / (n - size)))
    apart = np.abs(left / size - (total - left) / (n - size)) / noise
    at = int(apart.max(axis=1).argmax())
    return float(apart.max()), int(cuts[at])


def _shifts(names: Sequence[str], change: Floats, before: Floats) -> tuple[Shift, ...]:
    """The largest rises and falls."""
    order = np.argsort(-np.abs(change), kind="stable")[:_SHOWN]
    was = np.asarray(before, dtype=np.float64).ravel()
    return tuple(
        Shift(names[n], float(was[n]), float(was[n] + change[n])) for n in order if abs(change[n]) >= _SHOWN_FROM
    )
