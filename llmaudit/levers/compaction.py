"""What shortening a conversation does to its calls: tokens left out, what stands for them, the cache that breaks.

A conversation is a run of calls each of which begins with the whole prompt of the one before. Its head is the first
call's prompt, which stays. Once a prompt is longer than a bar, what lies between the head and the last few calls gives
way to a summary: one further call reads it and writes the summary, and the prompt's opening is new behind the head.
Or else only the results of tools between the two are cleared: no further call is made, and the opening is new behind
what had been cleared before. All conversations are walked at once, call by call.
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

LEAST_CLEARED = 0.25
"""Share of the bar that is cleared at once, or nothing is: each time breaks the cache."""

STUB_TOKENS = 10
"""What stays of the results of one step: that there were some."""

COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_long_tokens", "output_tokens")


@dataclass(frozen=True)
class Policy:
    """Shorten once a prompt has more tokens than the bar, and keep the last `keep_calls` steps.

    Of the rest, all is summed up in `summary_share` of it, or the results of tools are cleared (`clears`).
    """

    keep_calls: int
    summary_share: float
    clears: bool = False


@dataclass(frozen=True)
class Calls:
    """Calls of conversations, end to end: conversation i has those at `starts[i]:starts[i] + lengths[i]`. Counts by name.

    `results` are the input tokens that are results of tools.
    """

    starts: Ints
    lengths: Ints
    counts: Mapping[str, Ints]
    results: Ints


@dataclass(frozen=True)
class Shortened:
    """The same calls as they would have been. A call that compacts bears the call that wrote the summary."""

    counts: Mapping[str, Ints]
    shortens: Flags
    summary_tokens: Ints
    gone_tokens: Ints
    """By how much each call that shortens makes the prompt shorter, for itself and all after it."""
    bill_tokens: Floats
    """What each call's input and summary would come to, in tokens of fresh input, with all that was sent before read from the cache."""


def of(keys: Ints, counts: Mapping[str, Ints], results: Ints) -> Calls:
    """Calls sorted by conversation (`keys`) and time."""
    is_start = np.ones(len(keys), bool)
    is_start[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(is_start)
    return Calls(starts, np.diff(np.append(starts, len(keys))), counts, results)


def shorten(calls: Calls, bars: Ints, policy: Policy, multiples: Mapping[str, Floats]) -> Shortened:
    """Walk through the conversations; each has its own bar (`bars`, in tokens) and multiples of the price of fresh input."""
    walk = _Walk(calls, policy, multiples)
    longest = int(calls.lengths.max(initial=0))
    for place in range(longest):
        walk.step(place, bars)
    return Shortened(walk.new, walk.shortens, walk.summary_tokens, walk.gone_tokens, walk.bill_tokens)


class _Walk:
    def __init__(self, calls: Calls, policy: Policy, multiples: Mapping[str, Floats]) -> None:
        self.calls, self.policy, self.multiples = calls, policy, multiples
        self.new = {name: calls.counts[name].copy() for name in COUNTS}
        size = len(calls.counts["input_tokens"])
        self.shortens = np.zeros(size, bool)
        self.summary_tokens = np.zeros(size, np.int64)
        self.gone_tokens = np.zeros(size, np.int64)
        self.bill_tokens = np.zeros(size)
        self.head = calls.counts["input_tokens"][calls.starts]
        self.removed = np.zeros(len(calls.starts), np.int64)
        self.cut = self.head.copy()
        """Tokens of the logged prompt, from its start, of which what lies behind the head was shortened."""

    def step(self, place: int, bars: Ints) -> None:
        alive = np.flatnonzero(self.calls.lengths > place)
        at = self.calls.starts[alive] + place
        logged = {name: self.calls.counts[name][at] for name in COUNTS}
        size = logged["input_tokens"]
        before = self._moved(logged["cache_read_tokens"], alive)
        gone, summary, replaced_to = self._gone(place, alive, size, bars)
        now = gone > 0
        asks = now & (not self.policy.clears)
        asked = np.where(asks, replaced_to - self.removed[alive], 0)
        asked_read = np.minimum(before, asked)
        stays = self.cut[alive] - self.removed[alive] if self.policy.clears else self.head[alive]
        self.removed[alive] += gone
        self.cut[alive[now]] = replaced_to[now]

        kept = size - self.removed[alive]
        read = np.where(now, np.minimum(before, stays), self._moved(logged["cache_read_tokens"], alive))
        ends = self._moved(logged["cache_read_tokens"] + logged["cache_write_tokens"], alive)
        writes = logged["cache_write_tokens"]
        write = np.where(writes > 0, np.maximum(ends - read, 0), 0)
        long = np.where(writes > 0, write * logged["cache_write_long_tokens"] // np.maximum(writes, 1), 0)
        changed = self.removed[alive] > 0
        for name, value in zip(COUNTS, (kept + asked, read + asked_read, write, long), strict=False):
            self.new[name][at] = np.where(changed, value, logged[name])
        self.new["output_tokens"][at] += summary
        self.shortens[at] = now
        self.summary_tokens[at] = summary
        self.gone_tokens[at] = gone
        self.bill_tokens[at] = self._bill(place, alive, at, kept, np.where(now, stays, kept), asked, summary)

    def _moved(self, position: Ints, alive: Ints) -> Ints:
        """Where a place in the logged prompt has come to. Inside what was summed up: the end of the head."""
        head, cut = self.head[alive], self.cut[alive]
        inside = np.minimum(position, head)
        return np.where(position >= cut, np.maximum(position - self.removed[alive], inside), inside)

    def _gone(self, place: int, alive: Ints, size: Ints, bars: Ints) -> tuple[Ints, Ints, Ints]:
        """By how much each conversation is shortened at this call (0: it is not), its summary, and up to where in the log's prompt."""
        none = np.zeros(len(alive), np.int64)
        back = place - self.policy.keep_calls
        if back < 1:
            return none, none, none
        first = self.calls.starts[alive]
        upto = np.minimum(self.calls.counts["input_tokens"][first + back], size)
        replaced = upto - self.head[alive] - self.removed[alive]
        if self.policy.clears:
            results = self.calls.results[first + back] - self.calls.results[first]
            summary, gone = none, np.minimum(results - STUB_TOKENS * back - self.removed[alive], replaced)
            is_worth = gone >= LEAST_CLEARED * bars[alive]
        else:
            summary = np.maximum(np.ceil(self.policy.summary_share * replaced).astype(np.int64), LEAST_SUMMARY_TOKENS)
            gone, is_worth = replaced - summary, replaced >= LEAST_SHRINKAGE * summary
        due = is_worth & (gone > 0) & (size - self.removed[alive] > bars[alive]) & (upto > self.cut[alive])
        return np.where(due, gone, 0), np.where(due, summary, 0), upto

    def _bill(self, place: int, alive: Ints, at: Ints, kept: Ints, stays: Ints, asked: Ints, summary: Ints) -> Floats:
        read, write, output = (self.multiples[name][alive] for name in ("read", "write", "output"))
        if not place:
            return kept * write
        sent = self.calls.counts["input_tokens"][at - 1] - self.removed[alive]
        known = np.minimum(np.clip(sent, 0, kept), stays)
        bill: Floats = known * read + (kept - known) * write + asked * read + summary * output
        return bill
