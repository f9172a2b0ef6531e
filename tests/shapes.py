"""Arrivals of made-up callers: people at work, agents, and jobs. Every shape is a list of calls for `small_logs.replay`.

Unless a shape says so, a call bears no user, session or stream flag: what a gateway that logs little would show.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from small_logs import call

DAY, HOUR, MINUTE = 86_400, 3_600, 60
NINE = 9 * HOUR
"""`call` counts seconds from 09:00."""


class Shapes:
    """Makes calls with ids of their own, drawn with a fixed seed."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.number = 0

    def one(self, day: float, second_of_day: float, **changed: Any) -> dict[str, object]:
        self.number += 1
        fields = {
            "temperature": 0.7,
            "prompt_hash": 1_000_000 + self.number,
            "output_hash": self.number,
            "duration_ms": round(self.draw.uniform(800, 4_000), 3),
            "input_tokens": self.draw.randint(200, 3_000),
            "output_tokens": self.draw.randint(20, 400),
            **changed,
        }
        return call(self.number, day * DAY + second_of_day - NINE, **fields) | {"request_id": f"r{self.number:06}"}

    # --- people ---------------------------------------------------------------------------------

    def office(self, days: int = 14, per_day: int = 150, **changed: Any) -> list[dict[str, object]]:
        """Traffic that swells and ebbs with the working day, fewer on weekends."""
        return [
            self.one(day, min(max(self.draw.gauss(13, 2.4), 0), 23.9) * HOUR, **changed)
            for day in range(days)
            for _ in range(per_day if day % 7 < 5 else per_day // 8)
        ]

    def opening_hours(self, opens: int, closes: int, days: int = 14, per_day: int = 200) -> list[dict[str, object]]:
        """Even traffic between two sharp hours, each day."""
        return [
            self.one(day, self.draw.uniform(opens * HOUR, closes * HOUR)) for day in range(days) for _ in range(per_day)
        ]

    def chats(self, days: int = 10, **changed: Any) -> list[dict[str, object]]:
        """Webhook conversations at all hours: several turns, one after the other, each prompt going on from the last."""
        rows = []
        for chat in range(days * 20):
            day, at = chat // 20, self.draw.uniform(7, 23) * HOUR
            rows += list(self._turns(day, at, f"chat-{chat}", self.draw.randint(2, 7), **changed))
        return rows

    def agents(self, days: int = 10, at_night: bool = False, session: bool = True) -> list[dict[str, object]]:
        """Loops of dependent calls, a dozen steps each; with `at_night` started by a scheduler at 02:00 sharp."""
        rows = []
        for day in range(days):
            for n in range(6):
                at = 2 * HOUR + n * 5 * MINUTE if at_night else self.draw.uniform(8, 20) * HOUR
                rows += list(self._turns(day, at, f"agent-{day}-{n}" if session else None, 12, pause=(0.2, 3)))
        return rows

    def _turns(
        self, day: int, at: float, session: str | None, turns: int, pause: tuple[float, float] = (5, 90), **changed: Any
    ) -> Iterator[dict[str, object]]:
        chain: list[int] = []
        for turn in range(turns):
            chain = [*chain, *(self.draw.getrandbits(60) for _ in range(2))]
            row = self.one(
                day,
                at,
                session_id=session,
                input_tokens=500 + 600 * turn,
                prefix_hashes=list(chain),
                prompt_hash=chain[-1],
                **changed,
            )
            at += row["duration_ms"] / 1000 + self.draw.uniform(*pause)  # type: ignore[operator]
            yield row

    def fan_outs(self, days: int = 10) -> list[dict[str, object]]:
        """A person asks for a report now and then, and thirty calls at once make it."""
        rows = []
        for day in range(days):
            for _ in range(5):
                at = self.draw.uniform(9, 18) * HOUR
                rows += [self.one(day, at + self.draw.random()) for _ in range(30)]
        return rows

    def lessons(self, days: int = 10) -> list[dict[str, object]]:
        """A class of thirty that starts at ten, each pupil with a name of their own."""
        return [
            self.one(day, 10 * HOUR + self.draw.uniform(0, 20 * MINUTE), user_id=f"pupil-{n}")
            for day in range(days)
            for n in range(30)
        ]

    def steady(self, hours: float, gap_seconds: float, **changed: Any) -> list[dict[str, object]]:
        """Arrivals of no memory, all through the log."""
        rows, at = [], 0.0
        while at < hours * HOUR:
            at += self.draw.expovariate(1 / gap_seconds)
            rows.append(self.one(0, at, **changed))
        return rows

    def launched(self, day: int, days: int = 14) -> list[dict[str, object]]:
        """An endpoint that people begin to use in the last hours of the log, at once a lot."""
        return [self.one(day, self.draw.uniform(20 * HOUR, 24 * HOUR)) for _ in range(9_000 if day < days else 0)]

    # --- jobs -----------------------------------------------------------------------------------

    def nightly(
        self, days: int = 10, calls: int = 40, at: float = 2 * HOUR, minutes: float = 20, **changed: Any
    ) -> list[dict[str, object]]:
        """Every night at the same time, anywhere within some minutes."""
        rows = []
        for day in range(days):
            start = at + self.draw.uniform(0, 30)
            seconds = [0.0, *(self.draw.uniform(0, minutes * MINUTE) for _ in range(calls - 1))]
            rows += [self.one(day, start + second, **changed) for second in seconds]
        return rows

    def hourly(self, hours: int = 72, calls: int = 15, minute: float = 5, **changed: Any) -> list[dict[str, object]]:
        rows = []
        for hour in range(hours):
            start = hour * HOUR + minute * MINUTE + self.draw.uniform(0, 5)
            rows += [self.one(0, start + n * self.draw.uniform(0.5, 3), **changed) for n in range(calls)]
        return rows

    def backfill(
        self, day: int = 3, at: float = 3 * HOUR, calls: int = 1_500, gap: float = 1.0, **changed: Any
    ) -> list[dict[str, object]]:
        """Once: a queue worked off with steady arrivals."""
        rows, second = [], at
        for _ in range(calls):
            second += self.draw.uniform(0.2, 1.8) * gap
            rows.append(self.one(day, second, **changed))
        return rows

    def workers(
        self, pool: int = 8, calls: int = 2_000, day: int = 0, at: float = 10 * HOUR
    ) -> list[dict[str, object]]:
        """So many workers, each taking the next item when one is done."""
        free, rows = [at] * pool, []
        for _ in range(calls):
            free.sort()
            row = self.one(day, free[0])
            free[0] += row["duration_ms"] / 1000 + self.draw.uniform(0.01, 0.1)  # type: ignore[operator]
            rows.append(row)
        return rows
