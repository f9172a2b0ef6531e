"""Writes a synthetic request log in the plain shape: `python tests/bench/make_log.py FILE --rows N`.

Seeded: equal arguments give equal bytes. About 4.2 kB a record; 20 endpoints with system prompts of 2.6 kB, 30 % exact
repeats, 1 % failures, cached tokens. Words are drawn from a fixed list, so real logs compress and repeat less.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

WORDS = [
    f"{a}{b}{c}"
    for a in ("re", "un", "con", "pre", "dis", "")
    for b in ("form", "tract", "port", "ject", "spect", "late", "vise", "pose")
    for c in ("", "s", "ed", "ing", "ion", "or", "able")
]
ENDPOINTS = 20
REPEAT, FAILURE = 0.3, 0.01


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def write(path: Path, rows: int, seed: int = 7) -> None:
    """Write `rows` calls over 30 days."""
    rng = random.Random(seed)
    systems = [f"You are endpoint {n}. {sentence(rng, 340)}" for n in range(ENDPOINTS)]
    asked: list[tuple[int, str, str]] = []
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            out.write(json.dumps(_call(rng, number, rows, systems, asked), separators=(",", ":")) + "\n")


def _call(
    rng: random.Random, number: int, rows: int, systems: list[str], asked: list[tuple[int, str, str]]
) -> dict[str, object]:
    if asked and rng.random() < REPEAT:
        endpoint, prompt, answer = asked[rng.randrange(len(asked))]
    else:
        endpoint, prompt, answer = rng.randrange(ENDPOINTS), sentence(rng, 90), sentence(rng, 60)
        if len(asked) < 50_000:
            asked.append((endpoint, prompt, answer))
    second = number * 30 * 86_400 // rows
    failed = rng.random() < FAILURE
    usage = {
        "prompt_tokens": 800 + len(prompt) // 4,
        "completion_tokens": len(answer) // 4,
        "prompt_tokens_details": {"cached_tokens": rng.choice((0, 512, 640))},
    }
    body = {
        "id": f"chatcmpl-{number:012d}",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": usage,
    }
    return {
        "timestamp": f"2026-10-{1 + second // 86_400:02d}T{second % 86_400 // 3_600:02d}:{second % 3_600 // 60:02d}:{second % 60:02d}Z",
        "request_id": f"req-{number:012d}",
        "endpoint": f"/service/{endpoint}",
        "team": f"team-{endpoint % 4}",
        "user": f"u{number % 977}",
        "provider": "openai",
        "request": {
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": systems[endpoint]}, {"role": "user", "content": prompt}],
            "temperature": 0,
        },
        "response": None if failed else body,
        "latency_ms": 200 + number % 3_000,
        "status": 503 if failed else 200,
        "error": {"type": "server_error"} if failed else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    write(arguments.file, arguments.rows)


if __name__ == "__main__":
    main()
