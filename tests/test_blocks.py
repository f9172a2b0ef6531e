"""Block chains: two prompts share an opening exactly as far as their chains are equal."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmaudit.lake import blocks
from llmaudit.lake.texts import UNIT, TextRoom
from llmaudit.sources.base import CALLS

KEY = b"0123456789abcdef"


def columns(*calls: dict[str, object], key: bytes = KEY, rows_a_batch: int | None = None) -> list[tuple[list, list]]:
    """Hashes and bytes of each call's chain."""
    size = rows_a_batch or len(calls)
    found = []
    for start in range(0, len(calls), size):
        rows = [{name: call.get(name) for name in CALLS.names} for call in calls[start : start + size]]
        made = TextRoom(key, "none").read(pa.RecordBatch.from_pylist(rows, CALLS)).columns()
        found += zip(made["block_hashes"].to_pylist(), made["block_bytes"].to_pylist(), strict=True)
    return found


def asked(*messages: str, **more: object) -> dict[str, object]:
    return {"messages": [f"user{UNIT}{text}" for text in messages], **more}


def shared_bytes(one: tuple[list, list], other: tuple[list, list]) -> int:
    run = 0
    for mine, end, theirs in zip(*one, other[0], strict=False):
        if mine != theirs:
            break
        run = end
    return run


def test_prompts_that_part_inside_a_message_share_the_blocks_before_it():
    one, other = columns(asked("a" * 1_300 + "b" * 700), asked("a" * 1_300 + "c" * 700))
    assert one[1] == [512, 1_024, 1_536, 2_000]
    assert shared_bytes(one, other) == 1_024


def test_a_message_said_again_after_the_same_opening_is_shared_to_its_end():
    one, other = columns(asked("a" * 600, "b" * 10), asked("a" * 600, "b" * 10, "c"))
    assert shared_bytes(one, other) == 610


def test_the_same_words_after_another_opening_are_not_shared():
    one, other = columns(asked("x", "a" * 600), asked("y", "a" * 600))
    assert shared_bytes(one, other) == 0


def test_the_same_words_in_other_messages_or_another_role_are_not_shared():
    one, two, other_role = columns(
        asked("a" * 600, "b" * 600), asked("a" * 600 + "b" * 600), {"messages": [f"system{UNIT}{'a' * 600}"]}
    )
    assert shared_bytes(one, two) == 512
    assert shared_bytes(one, other_role) == 0


def test_bytes_count_content_and_tools_but_not_roles():
    [one] = columns(asked("é" * 10, tools_text="[1]", system_text="be brief"))
    assert one[1] == [3, 11, 31]


def test_long_pieces_have_longer_blocks():
    [one] = columns(asked("a" * 1_000_000))
    assert one[1][63:65] == [32_768, 33_792]
    assert len(one[1]) < 400


def test_a_prompt_nobody_logged_has_no_chain():
    assert columns({})[0] == (None, None)


def test_another_key_gives_other_hashes():
    assert columns(asked("a" * 600)) != columns(asked("a" * 600), key=b"another key")


PIECES = st.lists(st.text("ab", max_size=3).map(lambda text: text * 400), max_size=3)
PROMPTS = st.builds(
    lambda m, t, s: asked(*m, tools_text=t, system_text=s), PIECES, st.none() | st.just("[]"), st.none() | st.just("s")
)


@given(st.lists(PROMPTS, min_size=1, max_size=5), st.integers(1, 5))
def test_how_calls_are_batched_changes_no_chain(calls, rows_a_batch):
    assert columns(*calls) == columns(*calls, rows_a_batch=rows_a_batch)


@given(PROMPTS, PROMPTS)
def test_equal_chains_are_equal_prompts(one, other):
    left, right = columns(one, other)
    assert (left[0] == right[0]) == (one == other)


@given(st.integers(0, 200_000))
def test_blocks_cover_a_piece_from_end_to_end(size):
    ends = list(blocks.cuts(size))
    assert ends == sorted(set(ends))
    assert ends[-1] == size


@pytest.mark.parametrize("batch", [[], [{}]])
def test_nothing_to_cut_is_no_error(batch):
    assert columns(*batch, rows_a_batch=1) == [(None, None)] * len(batch)


def test_the_last_entry_is_the_whole_prompt():
    rows = [{name: asked("a" * 600, "b").get(name) for name in CALLS.names}]
    made = TextRoom(KEY, "none").read(pa.RecordBatch.from_pylist(rows, CALLS)).columns()
    assert pc.list_element(made["block_hashes"], 2).to_pylist() == made["prompt_hash"].to_pylist()
