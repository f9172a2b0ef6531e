"""What compacting a conversation does to its calls: tokens left out, the summary that stands for them, the cache that breaks.

A conversation is a run of calls each of which begins with the whole prompt of the one before. Its head is the first
call's prompt, which stays. Once a prompt is longer than a bar, what lies between the head and the last few calls gives
way to a summary: one further call reads it and writes the summary, and the prompt's opening is new behind the head.
All conversations are walked at once, call by call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LEAST_SUMMARY_TOKENS = 500
LEAST_SHRINKAGE = 2
"""What a summary stands for is at least so many times as long as the summary."""

COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens", "output_tokens")


@dataclass(frozen=True)
class Policy:
    """Compact once a prompt has more tokens than the bar, keep the last `keep_calls` steps, sum the rest up in `summary_share` of it."""

    keep_calls: int
    summary_share: float


@dataclass(frozen=True)
class Calls:
    """Calls of conversations, end to end: conversation i has those at `starts[i]:starts[i] + lengths[i]`. Counts by name."""

    starts: Ints
    lengths: Ints
    counts: Mapping[str, Ints]


@dataclass(frozen=True)
class Compacted:
    """The same calls as they would have been. A call that compacts bears the call that wrote the summary."""

    counts: Mapping[str, Ints]
    compacts: Flags
    summary_tokens: Ints
    bill_tokens: Floats
    """What each call's input and summary would come to, in tokens of fresh input, with all that was sent before read from the cache."""


def of(keys: Ints, counts: Mapping[str, Ints]) -> Calls:
    """Calls sorted by conversation (`keys`) and time."""
    is_start = np.ones(len(keys), bool)
    is_start[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(is_start)
    return Calls(starts, np.diff(np.append(starts, len(keys))), counts)


def compact(calls: Calls, bars: Ints, policy: Policy, multiples: Mapping[str, Floats]) -> Compacted:
    """Walk through the conversations; each has its own bar (`bars`, in tokens) and multiples of the price of fresh input."""
    walk = _Walk(calls, policy, multiples)
    longest = int(calls.lengths.max(initial=0))
    for place in range(longest):
        walk.step(place, bars)
    return Compacted(walk.new, walk.compacts, walk.summary_tokens, walk.bill_tokens)


class _Walk:
    def __init__(self, calls: Calls, policy: Policy, multiples: Mapping[str, Floats]) -> None:
        self.calls, self.policy, self.multiples = calls, policy, multiples
        self.new = {name: calls.counts[name].copy() for name in COUNTS}
        size = len(calls.counts["input_tokens"])
        self.compacts = np.zeros(size, bool)
        self.summary_tokens = np.zeros(size, np.int64)
        self.bill_tokens = np.zeros(size)
        self.head = calls.counts["input_tokens"][calls.starts]
        self.removed = np.zeros(len(calls.starts), np.int64)
        self.cut = self.head.copy()
        """Tokens of the logged prompt, from its start, of which all behind the head is in the summary."""

    def step(self, place: int, bars: Ints) -> None:
        alive = np.flatnonzero(self.calls.lengths > place)
        at = self.calls.starts[alive] + place
        logged = {name: self.calls.counts[name][at] for name in COUNTS}
        size = logged["input_tokens"]
        before = self._moved(logged["cache_read_tokens"], alive)
        summary, replaced_to = self._summary(place, alive, size, bars)
        now = summary > 0
        asked = np.where(now, replaced_to - self.removed[alive], 0)
        asked_read = np.where(now, np.minimum(before, asked), 0)
        gone = replaced_to - self.head[alive] - self.removed[alive] - summary
        self.removed[alive[now]] += gone[now]
        self.cut[alive[now]] = replaced_to[now]

        kept = size - self.removed[alive]
        read = np.where(
            now,
            np.minimum(logged["cache_read_tokens"], self.head[alive]),
            self._moved(logged["cache_read_tokens"], alive),
        )
        ends = self._moved(logged["cache_read_tokens"] + logged["cache_write_tokens"], alive)
        writes = logged["cache_write_tokens"]
        write = np.where(writes > 0, np.maximum(ends - read, 0), 0)
        long = np.where(writes > 0, write * logged["cache_write_long_tokens"] // np.maximum(writes, 1), 0)
        changed = self.removed[alive] > 0
        for name, value in zip(COUNTS, (kept + asked, read + asked_read, write, long), strict=False):
            self.new[name][at] = np.where(changed, value, logged[name])
        self.new["output_tokens"][at] += summary
        self.compacts[at] = now
        self.summary_tokens[at] = summary
        self.bill_tokens[at] = self._bill(place, alive, at, kept, now, asked, summary)

    def _moved(self, position: Ints, alive: Ints) -> Ints:
        """Where a place in the logged prompt has come to. Inside what was summed up: the end of the head."""
        head, cut = self.head[alive], self.cut[alive]
        inside = np.minimum(position, head)
        return np.where(position >= cut, np.maximum(position - self.removed[alive], inside), inside)

    def _summary(self, place: int, alive: Ints, size: Ints, bars: Ints) -> tuple[Ints, Ints]:
        """Tokens of the summary that each conversation gets at this call (0: none), and up to where it replaces the logged prompt."""
        none = np.zeros(len(alive), np.int64)
        back = place - self.policy.keep_calls
        if back < 1:
            return none, none
        upto = np.minimum(self.calls.counts["input_tokens"][self.calls.starts[alive] + back], size)
        replaced = upto - self.head[alive] - self.removed[alive]
        summary = np.maximum(np.ceil(self.policy.summary_share * replaced).astype(np.int64), LEAST_SUMMARY_TOKENS)
        due = (size - self.removed[alive] > bars[alive]) & (upto > self.cut[alive])
        return np.where(due & (replaced >= LEAST_SHRINKAGE * summary), summary, 0), upto

    def _bill(self, place: int, alive: Ints, at: Ints, kept: Ints, now: Flags, asked: Ints, summary: Ints) -> Floats:
        read, write, output = (self.multiples[name][alive] for name in ("read", "write", "output"))
        if not place:
            return kept * write
        sent = self.calls.counts["input_tokens"][at - 1] - self.removed[alive]
        known = np.where(now, self.head[alive], np.clip(sent, 0, kept))
        bill: Floats = known * read + (kept - known) * write + asked * read + summary * output
        return bill
