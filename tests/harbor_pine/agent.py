"""The developers' Claude Code transcripts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from harbor_pine.base import FIRST, Dice, Usage, digest, later, zulu
from harbor_pine.bodies import messages_usage


@dataclass
class Agent:
    """Claude Code transcripts being written: lines by file, and what is true of them."""

    dice: Dice
    files: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    calls: dict[str, tuple[str, str, Usage]] = field(default_factory=dict)
    at: datetime = FIRST

    def session(
        self,
        project: str,
        name: str,
        start: datetime,
        turns: int,
        model: str,
        *,
        copied: list[dict[str, Any]] | None = None,
    ) -> list[dict[str, Any]]:
        """Write one session. Every turn is one call, logged as one line for each block of its answer."""
        session = session_id(name)
        lines = self.files[f"-home-dev-{project}/{session}.jsonl"]
        base = {
            "isSidechain": False,
            "userType": "external",
            "cwd": f"/home/dev/{project}",
            "sessionId": session,
            "version": "2.1.63",
            "gitBranch": "main",
        }
        self.at = start
        lines += [line | ({"sessionId": session} if "sessionId" in line else {}) for line in copied or []]
        if not copied:
            lines.append(
                {
                    "type": "file-history-snapshot",
                    "messageId": digest(name, 12),
                    "snapshot": {"messageId": digest(name, 12), "trackedFileBackups": {}, "timestamp": zulu(start)},
                    "isSnapshotUpdate": False,
                }
            )
        context, fresh = (24_000 if copied else 0), self.dice.between(28_000, 46_000)
        for turn in range(turns):
            self._user(lines, base, f"{name} {turn} {bool(copied)}", turn)
            context, fresh = self._answer(
                lines, base, f"{name} {turn} {bool(copied)}", model, context=context, fresh=fresh, long=turn % 9 == 4
            )
        return lines

    def _user(self, lines: list[dict[str, Any]], base: dict[str, Any], name: str, turn: int) -> None:
        self.at = later(self.at, self.dice.between(4_000, 60_000))
        content: Any = (
            "Please fix the failing test in checkout."
            if turn == 0
            else [
                {
                    "tool_use_id": f"toolu_{digest(name, 12)}",
                    "type": "tool_result",
                    "content": self.dice.pick(["1 failed, 41 passed", "ok", "no matches", "12 lines"]),
                    "is_error": False,
                }
            ]
        )
        lines.append(
            {
                "parentUuid": last_uuid(lines),
                **base,
                "type": "user",
                "message": {"role": "user", "content": content},
                "uuid": uuid(f"user {name}"),
                "timestamp": zulu(self.at),
            }
        )

    def _answer(
        self,
        lines: list[dict[str, Any]],
        base: dict[str, Any],
        name: str,
        model: str,
        *,
        context: int,
        fresh: int,
        long: bool,
    ) -> tuple[int, int]:
        self.at = later(self.at, self.dice.between(2_000, 9_000))
        output = self.dice.between(90, 900)
        usage = Usage(context + fresh + 3, output, read=context, write=fresh, write_long=fresh if long else 0)
        message_id = f"msg_{digest(f'cc {name}', 22)}"
        self.calls[message_id] = (zulu(self.at), model, usage)
        blocks = agent_blocks(self.dice, name)
        for place, block in enumerate(blocks):
            last = place == len(blocks) - 1
            shown = usage if last else replace(usage, output=self.dice.between(1, 8))
            stop = "tool_use" if last and block["type"] == "tool_use" else ("end_turn" if last else None)
            message = {
                "model": model,
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "content": [block],
                "stop_reason": stop,
                "stop_sequence": None,
                "usage": messages_usage(shown),
            }
            lines.append(
                {
                    "parentUuid": last_uuid(lines),
                    **base,
                    "message": message,
                    "requestId": f"req_{digest(f'cc {name}', 20)}",
                    "type": "assistant",
                    "uuid": uuid(f"{name} {place}"),
                    "timestamp": zulu(later(self.at, 700 * place)),
                }
            )
        return context + fresh, output + self.dice.between(400, 6_500)

    def notice(self, lines: list[dict[str, Any]], text: str) -> None:
        """A message that the tool made itself: no model was called."""
        base = {key: lines[-1][key] for key in ("isSidechain", "userType", "cwd", "sessionId", "version", "gitBranch")}
        zero = {"input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        message = {
            "model": "<synthetic>",
            "id": uuid(f"synthetic {text}"),
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "stop_sequence",
            "stop_sequence": "",
            "usage": zero,
        }
        lines.append(
            {
                "parentUuid": last_uuid(lines),
                **base,
                "message": message,
                "type": "assistant",
                "uuid": uuid(f"notice {text}"),
                "timestamp": zulu(later(self.at, 500)),
                "isApiErrorMessage": True,
            }
        )

    def sidechain(self, lines: list[dict[str, Any]], name: str, model: str) -> None:
        """A side question: it replays an earlier message under a new request id, then makes a call of its own."""
        earlier = next(line for line in lines if line["type"] == "assistant" and line["message"]["stop_reason"])
        base = {key: earlier[key] for key in ("userType", "cwd", "sessionId", "version", "gitBranch")} | {
            "isSidechain": True
        }
        lines.append(
            earlier
            | {
                "isSidechain": True,
                "requestId": f"req_{digest(f'replay {name}', 20)}",
                "uuid": uuid(f"replay {name}"),
                "timestamp": zulu(later(self.at, 60_000)),
            }
        )
        self.at = later(self.at, 64_000)
        self._answer(lines, base, f"side {name}", model, context=9000, fresh=1200, long=False)


def agent_blocks(dice: Dice, name: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if dice.chance(0.4):
        blocks.append({"type": "thinking", "thinking": "", "signature": digest(f"sign {name}", 16)})
    if dice.chance(0.6):
        blocks.append(
            {
                "type": "text",
                "text": dice.pick(
                    [
                        "Let me look at the test.",
                        "The total ignores the voucher.",
                        "I run the suite again.",
                        "That file is generated.",
                    ]
                ),
            }
        )
    if dice.chance(0.8) or not blocks:
        blocks.append(
            {
                "type": "tool_use",
                "id": f"toolu_{digest(f'tool {name}', 12)}",
                "name": dice.pick(["Bash", "Read", "Edit", "Grep"]),
                "input": {"path": f"src/{dice.pick(['checkout', 'voucher', 'stock'])}.py"},
            }
        )
    return blocks


def coding_agent() -> Agent:
    agent = Agent(Dice("coding agent"))
    day = lambda d, h: FIRST + timedelta(days=d, hours=h, minutes=agent.dice.upto(50))  # noqa: E731
    first = agent.session("shop", "voucher", day(4, 8), 16, "claude-opus-5-5")
    agent.notice(first, "API Error: 529 overloaded")
    copied = [line for line in first if line["type"] != "file-history-snapshot"][:9]
    resumed = agent.session("shop", "voucher resumed", day(5, 9), 9, "claude-opus-5-5", copied=copied)
    resumed.insert(0, {"type": "summary", "summary": "Voucher total in checkout", "leafUuid": resumed[8]["uuid"]})
    side = agent.session("shop", "stock", day(12, 13), 18, "claude-sonnet-5-5")
    agent.sidechain(side, "stock", "claude-sonnet-5-5")
    side.append(
        {
            "parentUuid": last_uuid(side),
            "isSidechain": False,
            "userType": "external",
            "cwd": "/home/dev/shop",
            "sessionId": side[-1]["sessionId"],
            "version": "2.1.63",
            "type": "system",
            "subtype": "local_command",
            "content": "<command-name>/cost</command-name>",
            "level": "info",
            "uuid": uuid("system stock"),
            "timestamp": zulu(later(agent.at, 5_000)),
        }
    )
    agent.session("warehouse", "scanner", day(19, 10), 15, "claude-opus-5-5")
    last = agent.session("warehouse", "labels", day(27, 14), 12, "claude-sonnet-5-5")
    agent.notice(last, "API Error: 500 internal server error")
    return agent


def session_id(name: str) -> str:
    return uuid(f"session {name}")


def uuid(name: str) -> str:
    h = digest(name, 32)
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}"


def last_uuid(lines: list[dict[str, Any]]) -> str | None:
    return next((line["uuid"] for line in reversed(lines) if "uuid" in line), None)
