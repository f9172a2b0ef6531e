"""Counts of tokens that a file holds and no source reads: a provider's new kind of token must not pass in silence."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib.resources import files

from llmaudit.sources.base import Peek, Source

_COUNT = re.compile(r'"([A-Za-z0-9_.]*[tT]okens?(?:_?[cC]ount)?)\\?"\s*:\s*"?[1-9]')
_WORD = re.compile(r"[A-Za-z0-9_.]*[tT]oken[A-Za-z0-9_]*")

HARMLESS = {
    "text_tokens",
    "textTokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
    "citation_tokens",
    "ttl_30m_tokens",
    "output_reasoning_tokens",
    "dram_cached_tokens",
    "sram_cached_tokens",
}
"""Parts of a count that is read, and figures that nobody bills."""

_LIMIT = re.compile(r"^(max|min|total)|budget|limit|remaining|cost|price|per_token", re.IGNORECASE)


def unread_counts(source: Source, peek: Peek) -> dict[str, int]:
    """Key -> how often it stands with a count above zero at the start of the file, for keys that nothing here reads."""
    if not source.name or source.table != "requests":
        return {}
    found = Counter(_COUNT.findall(peek.head))
    return {name: hits for name, hits in sorted(found.items()) if not _is_harmless(name) and not _is_read(name, source)}


def _is_harmless(name: str) -> bool:
    return name.rpartition(".")[2] in HARMLESS or bool(_LIMIT.search(name.rpartition(".")[2]))


def _is_read(name: str, source: Source) -> bool:
    return name in _names_read() or any(name in column or name in sql for column, sql in source.made.items())


@cache
def _names_read() -> frozenset[str]:
    """Every word about tokens in the sources' own text: whoever reads a key names it there."""
    here = [file for file in files(__package__).iterdir() if file.name.endswith((".sql", ".py"))]
    texts = [file.read_text("utf-8") for file in here if file.name != "unread.py"]
    return frozenset(word for text in texts for word in _WORD.findall(text))
