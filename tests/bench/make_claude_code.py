"""Writes transcripts as Claude Code keeps them, with the truth planted: `python tests/bench/make_claude_code.py DIR --megabytes N`.

Seeded: equal arguments give equal bytes. Of what inflates a careless count there is all that is known:

- an answer is a line for each of its content blocks, each repeating `usage`, all but the last with the output counted so far (G1);
- a session that was resumed or forked begins with a copy of the lines before it, under its own session id (G2);
- a side chain replays messages of its session under new request ids, and has answers of its own, which are real (G2);
- tool results, most of the bytes, and summaries, snapshots and synthetic errors, which are no calls.

Prints the number of calls and their tokens by class, as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from make_log import WORDS

Line = dict[str, Any]

MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-5-20251101", "claude-haiku-4-5-20251001")
CLASSES = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
TURNS = 60
PROJECTS = 12
FORKED, SIDE_CHAIN, SYNTHETIC = 0.3, 0.08, 0.01
BEGAN = datetime(2026, 9, 1, tzinfo=UTC)


class Transcripts:
    """Sessions, one after the other, and what their calls add up to."""

    def __init__(self, seed: int = 7) -> None:
        self._rng = random.Random(seed)
        self._page = " ".join(self._rng.choices(WORDS, k=40_000))
        self._number = 0
        self._at = BEGAN
        self.calls = 0
        self.tokens = dict.fromkeys(CLASSES, 0)

    def session(self, number: int, before: list[Line]) -> list[Line]:
        """Lines of a session that goes on from `before`, the lines of another one."""
        same = {
            "sessionId": f"{number:08x}-0000-4000-8000-000000000000",
            "cwd": f"/home/dev/project-{number % PROJECTS}",
            "version": "2.1.63",
        }
        lines: list[Line] = [{"type": "summary", "summary": self._text(40), "leafUuid": self._id("u")}]
        lines += [{**line, "sessionId": same["sessionId"]} for line in before if line["type"] in ("user", "assistant")]
        for _ in range(self._rng.randint(TURNS // 3, TURNS)):
            lines += self._turn(same)
        return lines

    def _turn(self, same: Line) -> Iterator[Line]:
        rng = self._rng
        yield self._line("user", same, message={"role": "user", "content": self._text(300)})
        answers = [list(self._answer(same, is_last=step == 0)) for step in range(rng.randint(1, 4), -1, -1)]
        for answer in answers:
            yield from answer
            if answer[-1]["message"]["stop_reason"] == "tool_use":
                result = {"type": "tool_result", "tool_use_id": self._id("toolu"), "content": self._text(9_000)}
                yield self._line(
                    "user", same, message={"role": "user", "content": [result]}, toolUseResult={"ok": True}
                )
        if rng.random() < SIDE_CHAIN:
            replayed = [{**line, "requestId": self._id("req"), "isSidechain": True} for line in answers[0]]
            yield from replayed
            yield from self._answer(same, is_last=True, side=True)
        if rng.random() < SYNTHETIC:
            failed = {"role": "assistant", "model": "<synthetic>", "content": [{"type": "text", "text": "API Error"}]}
            yield self._line(
                "assistant", same, message={**failed, "usage": dict.fromkeys(CLASSES, 0)}, isApiErrorMessage=True
            )
        yield {"type": "file-history-snapshot", "messageId": self._id("u"), "snapshot": {"trackedFileBackups": {}}}

    def _answer(self, same: Line, *, is_last: bool, side: bool = False) -> Iterator[Line]:
        """The lines of one answer: a block each, with the output counted so far and in the last line in whole."""
        rng = self._rng
        written = rng.choice((0, 0, 900, 4_000))
        usage = {
            "input_tokens": rng.randint(2, 60),
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": rng.randint(8_000, 120_000),
            "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0},
            "output_tokens": rng.randint(30, 1_800),
            "service_tier": "standard",
        }
        self.calls += 1
        for name in CLASSES:
            self.tokens[name] += usage[name]
        blocks = (
            [{"type": "thinking", "thinking": self._text(600), "signature": "x" * 200}] if rng.random() < 0.5 else []
        )
        blocks += [{"type": "text", "text": self._text(400)}]
        if not is_last:
            blocks += [
                {"type": "tool_use", "id": self._id("toolu"), "name": "Bash", "input": {"command": self._text(120)}}
            ]
        message = {"id": self._id("msg"), "type": "message", "role": "assistant", "model": rng.choice(MODELS)}
        request = self._id("req")
        for place, block in enumerate(blocks, 1):
            finished = place == len(blocks)
            stop = ("end_turn" if is_last else "tool_use") if finished else None
            counted = usage if finished else {**usage, "output_tokens": min(usage["output_tokens"], 4 * place)}
            whole = {**message, "content": [block], "stop_reason": stop, "usage": counted}
            yield self._line("assistant", same, message=whole, requestId=request, isSidechain=side)

    def _line(self, kind: str, same: Line, **more: Any) -> Line:
        self._at += timedelta(milliseconds=self._rng.randint(200, 9_000))
        at = self._at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shared = {"parentUuid": None, "isSidechain": False, "userType": "external", **same}
        return {**shared, "type": kind, "uuid": self._id("u"), "timestamp": at, **more}

    def _id(self, kind: str) -> str:
        self._number += 1
        return f"{kind}_{self._number:016x}"

    def _text(self, characters: int) -> str:
        """A cut from one long page, of half to one and a half times so many characters."""
        length = self._rng.randint(characters // 2, characters * 3 // 2)
        start = self._rng.randrange(len(self._page) - length)
        return self._page[start : start + length]


def write(folder: Path, megabytes: int, seed: int = 7) -> dict[str, int]:
    """Write sessions under `folder`/projects until they take up so much; return the calls and tokens that are in them."""
    made = Transcripts(seed)
    rng = random.Random(seed + 1)
    size = number = 0
    earlier: list[Line] = []
    while size < megabytes * 10**6:
        number += 1
        lines = made.session(number, earlier if rng.random() < FORKED else [])
        path = folder / "projects" / f"-home-dev-project-{number % PROJECTS}" / f"{number:08x}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        path.write_text(text, "utf-8")
        size += len(text)
        earlier = lines[: rng.randint(1, 200)]
    return {"calls": made.calls, **made.tokens}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=int, default=1_000)
    arguments = parser.parse_args()
    print(json.dumps(write(arguments.folder, arguments.megabytes)))


if __name__ == "__main__":
    main()
