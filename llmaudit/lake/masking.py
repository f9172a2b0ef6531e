"""Masks what must never be kept: API keys, tokens, passwords. Applied to everything that is written."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

MASK = "[secret]"

_EDGE = r"(?:\b|\\+(?:[bfnrt]|u[0-9A-Fa-f]{4}))"
"""Where a word begins. Inside JSON a line break is the letter n, which would pass for a part of the word."""

_KEYS = "|".join(  # noqa: FLY002 - one kind of key a line
    (
        r"(?:\b|_)sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, OpenRouter, LiteLLM
        r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
        r"\b(?:gsk_|xai-|pplx-|hf_|r8_)[A-Za-z0-9]{20,}",
        r"\bAIza[A-Za-z0-9_-]{30,}|\bya29\.[A-Za-z0-9_-]{20,}",  # Google
        r"\b(?:AKIA|ASIA|ABSK)[A-Za-z0-9+/=]{12,}",  # AWS
        r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}",
        r"\bxox[abposr]-[A-Za-z0-9-]{10,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}|\bdop_v1_[a-f0-9]{40,}",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JSON web tokens
        r"(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,-]|\\+[nr])*?-----END [A-Z ]*PRIVATE KEY-----",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\+[nr])*",  # cut off
    )
).replace(r"\b", _EDGE)
_NAMED = (
    rf"""({_EDGE}(?i:api[_-]?key|secret|password|passwd|access[_-]?token|auth[_-]?token)\\*["']?\s*[:=]\s*\\*["']?)"""
    r"""(?:[^\s"',;&}\\]|\\[^"']){8,}"""
)
_IN_URLS = r"://[^/\s:@\"']{1,64}:[^/\s@\"']{1,128}@"
_ANY = f"{_KEYS}|{_NAMED}|{_IN_URLS}"


def mask(text: str) -> str:
    r"""Replace secrets by `[secret]`. A scheme such as `Bearer` goes with it; a name stays, so that JSON stays JSON.

    >>> mask("use sk-abcdefghijklmnopqrstuv please")
    'use [secret] please'
    >>> mask(r"as JSON: my key\nsk-abcdefghijklmnopqrstuv")
    'as JSON: my key[secret]'
    >>> mask('{"password": "correct-horse", "team": "search"}')
    '{"password": "[secret]", "team": "search"}'
    """
    return str(mask_column(pa.array([text]))[0])


def mask_column(column: pa.Array) -> pa.Array:
    """The same, over a string column; distinct values are looked at once, and rewritten only where there is a secret."""
    if column.null_count == len(column):
        return column
    encoded = column.dictionary_encode()
    suspect = pc.match_substring_regex(encoded.dictionary, _ANY)
    if not pc.any(suspect).as_py():
        return column
    masked = pc.replace_substring_regex(encoded.dictionary.filter(suspect), _KEYS, MASK)
    masked = pc.replace_substring_regex(masked, _NAMED, rf"\1{MASK}")
    masked = pc.replace_substring_regex(masked, _IN_URLS, f"://{MASK}@")
    return pc.replace_with_mask(encoded.dictionary, suspect, masked).take(encoded.indices)
