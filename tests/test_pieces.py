"""Pieces of prompts: what they say, whichever way it is written down."""

import json

import pyarrow as pa
import pytest

from llmaudit.lake.pieces import UNIT, Pieces
from llmaudit.sources.base import CALLS

PARTS = [
    {"type": "text", "text": "Article:"},
    {"type": "image_url", "image_url": {"url": "https://x"}},
    {"type": "text", "text": "Garden"},
]


def pieces(*calls):
    rows = [{name: call.get(name) for name in CALLS.names} for call in calls]
    return Pieces.of(pa.RecordBatch.from_pylist(rows, CALLS), b"key")


def test_the_first_user_message_is_the_first_of_that_role_and_its_parts_are_joined():
    found = pieces(
        {"messages": [f"system{UNIT}Sum up.", f"user{UNIT}{json.dumps(PARTS)}", f"user{UNIT}again"]},
        {"messages": [f"user{UNIT}é", f"assistant{UNIT}[{{not json"]},
        {"messages": [f"assistant{UNIT}hello"]},
        {"system_text": "user\x1fno message"},
        {"messages": []},
        {"messages": [f"user{UNIT}"]},
    )
    assert found.first_user().to_pylist() == ["Article:\nGarden", "é", None, None, None, ""]


def test_the_system_prompt_is_the_one_beside_the_messages_or_else_the_first_among_them():
    found = pieces(
        {"tools_text": "[]", "system_text": "outside", "messages": [f"system{UNIT}inside"]},
        {"messages": [f"user{UNIT}hi", f"developer{UNIT}inside", f"system{UNIT}second"]},
        {"tools_text": "[]", "messages": [f"user{UNIT}system"]},
        {"system_text": json.dumps(PARTS[:1])},
    )
    assert found.system_text().to_pylist() == ["outside", "inside", None, "Article:"]


@pytest.mark.parametrize("content", ["[{not json", "[{}]", '[{"text": null}]'])
def test_contents_that_only_look_like_parts_are_themselves(content):
    assert pieces({"messages": [f"user{UNIT}{content}"]}).first_user().to_pylist() == [content]


def test_bytes_of_results_are_those_of_messages_that_bring_them():
    part = json.dumps([{"type": "tool_result", "content": "left"}])
    late = json.dumps([{"type": "text", "text": "x" * 600}, {"type": "tool_result", "content": "left"}])
    found = pieces(
        {"tools_text": '["tool_result"]', "messages": [f"user{UNIT}ask", f"tool{UNIT}four", f"user{UNIT}{part}"]},
        {"system_text": '{"tool_result"', "messages": [f'user{UNIT}the word "tool_result"', f"user{UNIT}{late}"]},
        {"messages": []},
        {},
    )
    assert found.tool_result_bytes().to_pylist() == [4 + len(part), 0, 0, None]
