"""Sketches tell how alike two texts are, from sixteen numbers each, and nothing else."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmaudit.lake.sketches import SKETCH_HASHES, WINDOW_BYTES, sketch

KEY = b"0123456789abcdef"
WORDS = [
    f"{a}{b}" for a in ("re", "un", "con", "pre", "dis") for b in ("form", "tract", "port", "ject", "spect", "late")
]


def sketches(*texts, key=KEY):
    return [
        None if found is None else np.frombuffer(found, "<u4") for found in sketch(pa.array(texts), key).to_pylist()
    ]


def alike(one, other):
    return float(np.mean(one == other))


def runs(text):
    """Runs as the docstring has them: a word and what follows it, 24 bytes in all."""
    padded = text + " " * WINDOW_BYTES
    starts = [at for at in range(len(text)) if text[at] != " " and (at == 0 or text[at - 1] == " ")]
    return {padded[at : at + WINDOW_BYTES] for at in starts}


@pytest.mark.parametrize("changed", [0, 4, 20, 60, 120])
def test_the_share_of_equal_numbers_estimates_the_share_of_common_runs(changed):
    rng = np.random.default_rng(changed)
    truths, estimates = [], []
    for _ in range(150):
        words = rng.choice(WORDS, 120)
        other = words.copy()
        at = rng.choice(120, changed, replace=False)
        other[at] = rng.choice(WORDS, changed)
        one, two = " ".join(words), " ".join(other)
        truths.append(len(runs(one) & runs(two)) / len(runs(one) | runs(two)))
        estimates.append(alike(*sketches(one, two)))
    # 150 estimates of 16 numbers each: a standard error of at most 0.5 / sqrt(150 * 16) = 0.01.
    assert np.mean(estimates) == pytest.approx(np.mean(truths), abs=0.04)


@given(st.lists(st.text("ab 1é\n", max_size=40), min_size=1, max_size=6), st.integers(0, 5))
def test_a_text_has_the_same_sketch_whatever_stands_beside_it(texts, at):
    at %= len(texts)
    [alone] = sketches(texts[at])
    beside = sketches(*texts)[at]
    assert (alone is None) == (beside is None)
    assert alone is None or (alone == beside).all()


def test_case_makes_no_difference_and_one_digit_does():
    one, shouted, other = sketches("Order 4711 is late", "ORDER 4711 IS LATE", "Order 4712 is late")
    assert (one == shouted).all()
    assert alike(one, other) < 1


def test_text_without_spaces_between_words_is_sketched_by_its_characters():
    one, other = sketches("请把下面的文章总结成三句话并列出要点", "请把下面的文章总结成三句话并列出重点")
    assert 0 < alike(one, other) < 1


def test_an_empty_text_has_no_sketch_and_one_word_has():
    assert sketches("", "  ", "word")[:2] == [None, None]
    assert len(sketches("word")[0]) == SKETCH_HASHES


def test_another_key_gives_other_numbers():
    assert alike(sketches("a few words of text")[0], sketches("a few words of text", key=b"another")[0]) < 0.2
