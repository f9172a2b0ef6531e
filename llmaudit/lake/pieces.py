"""The pieces of prompts (tools, system prompt, messages), each distinct one looked at once however often it was sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.lake import blocks
from llmaudit.lake.blocks import Blocks, mix

UNIT = "\x1f"
TOOLS, SYSTEM, MESSAGE = 0, 1, 2

PART_TYPES = frozenset(
    (
        *("text", "input_text", "output_text", "summary_text", "refusal", "thinking", "redacted_thinking", "reasoning"),
        *(
            "image",
            "image_url",
            "input_image",
            "audio",
            "input_audio",
            "video",
            "video_url",
            "file",
            "input_file",
            "document",
        ),
        *("function", "function_call", "function_call_output", "custom", "tool_use", "tool_result", "tool_call"),
        *("server_tool_use", "web_search_tool_result", "search_result", "container_upload", "item_reference"),
    )
)

_TOOL_RESULT = (
    rf"(?s)\A(?:(?:tool|function|ipython|[a-z_]+_call_output){UNIT}"
    rf'|[^{UNIT}]*{UNIT}[\[{{].*"(?:tool_result|toolResult|functionResponse|function_response|function_call_output)")'
)
"""A message of a tool's own role, or one in parts of which one of the first says that it is a result."""

_TOLD_BY = 512
"""Bytes of a message that tell whether it brings a result."""

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pieces:
    """Tools, system prompt and messages of a batch laid end to end; `offsets[i]:offsets[i + 1]` are call i's.

    Piece p has the text `texts[codes[p]]`, with its role before a unit separator if it is a message; what is known of
    a text stands under its code: its bytes, where its content begins after the role, its hashes.
    """

    calls: pa.RecordBatch
    texts: pa.Array
    codes: Ints
    kinds: npt.NDArray[np.int8]
    offsets: Ints
    text_bytes: Ints
    content_at: Ints
    blocks: Blocks

    @classmethod
    def of(cls, calls: pa.RecordBatch, key: bytes) -> Pieces:
        messages, tools, system = calls["messages"], calls["tools_text"], calls["system_text"]
        has_tools, has_system = (integers(pc.is_valid(column)) for column in (tools, system))
        counts = integers(pc.fill_null(pc.list_value_length(messages), 0))
        offsets = np.concatenate([[0], np.cumsum(counts + has_tools + has_system)]).astype(np.int64)
        texts, codes = distinct(pc.drop_null(tools), pc.drop_null(system), messages.flatten())
        kinds = np.full(len(codes), MESSAGE, np.int8)
        tools_at = offsets[:-1][has_tools == 1]
        system_at = (offsets[:-1] + has_tools)[has_system == 1]
        kinds[tools_at], kinds[system_at] = TOOLS, SYSTEM
        placed = np.empty(len(codes), np.int64)
        placed[np.concatenate([tools_at, system_at, np.flatnonzero(kinds == MESSAGE)])] = codes
        sizes = integers(pc.binary_length(texts.cast(pa.binary())))
        content_at = integers(pc.find_substring(texts, UNIT)) + 1
        cut = blocks.of_texts(_views(texts), content_at, sizes, key)
        return cls(calls, texts, placed, kinds, offsets, sizes, content_at, cut)

    @property
    def text_hashes(self) -> Ints:
        return self.blocks.wholes

    @cached_property
    def hashes(self) -> Ints:
        return self.text_hashes[self.codes]

    @cached_property
    def counts(self) -> Ints:
        return np.diff(self.offsets)

    @cached_property
    def owners(self) -> Ints:
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def known(self) -> Flags:
        """Calls of which the log shows the prompt."""
        shown = pc.or_(pc.is_valid(self.calls["messages"]), pc.is_valid(self.calls["system_text"]))
        return flags(shown)

    def chain(self) -> tuple[Ints, Ints]:
        """Running hash and running bytes over each call's pieces, one array operation per position."""
        hashes, sizes = self.hashes.view(np.uint64), self.text_bytes[self.codes]
        running = np.cumsum(sizes)
        before = np.concatenate([[0], running])[self.offsets[:-1]]
        chained = np.zeros_like(hashes)
        state = np.zeros(len(self.counts), np.uint64)
        rows = np.flatnonzero(self.counts)
        position = 0
        while len(rows):
            at = self.offsets[rows] + position
            state[rows] = mix(state[rows], hashes[at])
            chained[at] = state[rows]
            position += 1
            rows = rows[self.counts[rows] > position]
        return chained.view(np.int64), running - np.repeat(before, self.counts)

    def lists(self, values: Ints) -> pa.Array:
        return self._listed(values, self.offsets)

    def _listed(self, values: Ints, offsets: Ints) -> pa.Array:
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, pa.int64()))
        return pc.if_else(pa.array(self.known), lists, pa.scalar(None, lists.type))

    def block_columns(self, chained: Ints) -> dict[str, pa.Array]:
        hashes, ends, begins = blocks.chain(self.blocks, self.codes, chained, self.offsets)
        return {"block_hashes": self._listed(hashes, begins), "block_bytes": self._listed(ends, begins)}

    def last(self, values: Ints) -> pa.Array:
        at = np.maximum(self.offsets[1:] - 1, 0)
        picked = values[at] if len(values) else np.zeros(len(at), np.int64)
        return pa.array(picked, mask=~self.known)

    def of_last(self, describe: Callable[[pa.Array], pa.Array]) -> pa.Array:
        """What `describe` says of the last piece of each call, each distinct one described once."""
        at = np.where(self.counts > 0, self.offsets[1:] - 1, 0)
        if not len(self.codes):
            return pa.nulls(len(at), describe(self.texts).type)
        wanted, places = np.unique(self.codes[at], return_inverse=True)
        return describe(self.texts.take(pa.array(wanted))).take(pa.array(places, mask=self.counts == 0))

    def system_text(self) -> pa.DictionaryArray:
        """What the system prompt says: the one beside the messages or else the first among them."""
        at = self._firsts(self.kinds == SYSTEM)
        among = self._firsts(self._has_role("system") | self._has_role("developer"))
        return self._said(np.where(at >= 0, at, among))

    def first_user(self) -> pa.DictionaryArray:
        """What the first user message says."""
        return self._said(self._firsts(self._has_role("user")))

    def _firsts(self, wanted: Flags) -> Ints:
        """Place of each call's first piece that is `wanted`, or -1."""
        found = np.full(len(self.counts), -1)
        at = np.flatnonzero(wanted)[::-1]
        found[self.owners[at]] = at
        return found

    def _said(self, at: Ints) -> pa.DictionaryArray:
        """What the pieces at these places say, without role and form; each distinct one is looked at once."""
        has = at >= 0
        wanted, places = np.unique(self.codes[at[has]], return_inverse=True)
        index = np.zeros(len(at), np.int64)
        index[has] = places
        contents = _contents(self.texts.take(pa.array(wanted)), self.content_at[wanted])
        return pa.DictionaryArray.from_arrays(pa.array(index, mask=~has), _spoken(contents))

    def system_hash(self) -> pa.Array:
        """Hash over the system prompt wherever it stands; null where there is none."""
        is_system = (self.kinds == SYSTEM) | self._has_role("system") | self._has_role("developer")
        total = np.zeros(len(self.counts), np.uint64)
        np.add.at(total, self.owners[is_system], self.hashes[is_system].view(np.uint64))
        has = np.bincount(self.owners[is_system], minlength=len(total)) > 0
        return pa.array(total.view(np.int64), mask=~has)

    def prompt_bytes(self) -> pa.Array:
        """Bytes of content: roles and tools do not count, so that 0 is an empty prompt."""
        return self._content_bytes(self.kinds != TOOLS)

    def tool_result_bytes(self) -> pa.Array:
        """Bytes of content of the messages that bring results of tools."""
        starts = pc.binary_slice(self.texts.cast(pa.binary()), 0, _TOLD_BY)
        brings = flags(pc.match_substring_regex(starts, _TOOL_RESULT))[self.codes]
        return self._content_bytes(brings & (self.kinds == MESSAGE))

    def _content_bytes(self, counted: Flags) -> pa.Array:
        content = np.where(counted, (self.text_bytes - self.content_at)[self.codes], 0)
        total = np.bincount(self.owners, weights=content, minlength=len(self.counts)).astype(np.int64)
        return pa.array(total, mask=~self.known)

    def _has_role(self, role: str) -> Flags:
        has = flags(pc.starts_with(self.texts, f"{role}{UNIT}"))[self.codes]
        found: Flags = has & (self.kinds == MESSAGE)
        return found


def distinct(*columns: pa.Array) -> tuple[pa.Array, Ints]:
    """The distinct texts of all columns, and for each value of each in turn the number of its text. Null reads as empty."""
    filled = [pc.fill_null(column.cast(pa.string()), "") for column in columns if len(column)]
    encoded = pa.chunked_array(filled, pa.string()).dictionary_encode().unify_dictionaries()
    if not encoded.num_chunks:
        return pa.array([], pa.string()), np.empty(0, np.int64)
    return encoded.chunk(0).dictionary, np.concatenate([integers(chunk.indices) for chunk in encoded.chunks])


def keyed_hashes(texts: pa.Array, key: bytes) -> Ints:
    """Keyed hash of every text, of eight bytes."""
    start = hashlib.blake2b(digest_size=8, key=key).copy
    digests = []
    for text in _views(texts):
        state = start()
        state.update(text)
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), "<i8").astype(np.int64)


def each_once(column: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.DictionaryArray:
    """`change` of every value, worked out once for each distinct one; null of null."""
    encoded = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices, change(encoded.dictionary))


def hashes_of(column: pa.Array, key: bytes, prepare: Callable[[str], str] | None = None) -> pa.Array:
    """Keyed hash of every value, computed once for each distinct one; null of null."""
    encoded = (column if pa.types.is_dictionary(column.type) else column.cast(pa.string())).dictionary_encode()
    texts = encoded.dictionary
    if prepare:
        texts = pa.array([prepare(text) for text in texts.to_pylist()], pa.string())
    hashes = pa.array(keyed_hashes(texts, key), mask=~flags(pc.is_valid(texts)))
    return hashes.take(encoded.indices)


def _contents(texts: pa.Array, starts: Ints) -> pa.Array:
    """Each text from its start on. Roles are few, so texts are cut by the length of their role."""
    found = texts
    for start in np.unique(starts[starts > 0]).tolist():
        here = pa.array(starts == start)
        found = pc.replace_with_mask(found, here, pc.utf8_slice_codeunits(texts.filter(here), start))
    return found


def _spoken(contents: pa.Array) -> pa.Array:
    """The text parts of contents that are given in parts; contents without any as they are."""
    in_parts = pc.starts_with(contents, "[{")
    if not pc.any(in_parts).as_py():
        return contents
    said = pa.array([_text_parts(content) for content in contents.filter(in_parts).to_pylist()], pa.string())
    return pc.replace_with_mask(contents, in_parts, said)


def _text_parts(content: str) -> str:
    try:
        parts = json.loads(content)
    except ValueError:
        return content
    texts = [part["text"] for part in parts if isinstance(part, dict) and part.get("text") is not None]
    return "\n".join(text if isinstance(text, str) else json.dumps(text) for text in texts) or content


def plain_text(content: str) -> str:
    r"""What a person would read of a message's content: the text parts joined, calls and results of tools, other parts named.

    >>> plain_text('[{"type": "text", "text": "Hi"}, {"type": "image", "source": {}}]')
    'Hi\n[image]'
    >>> plain_text('[{"type": "function", "function": {"name": "find", "arguments": "{}"}}]')
    '[function] find {}'
    >>> plain_text('[{"type": "tool_result", "content": [{"type": "text", "text": "left"}]}]')
    '[tool_result] left'

    A list that somebody said is no list of parts.

    >>> plain_text('[{"product": "lamp", "count": 2}]')
    '[{"product": "lamp", "count": 2}]'
    """
    if not content.startswith("[{"):
        return content
    try:
        parts = json.loads(content)
    except ValueError:
        return content
    if not all(isinstance(part, dict) and _is_part(part) for part in parts):
        return content
    return "\n".join(_part_text(part) for part in parts)


def _is_part(part: Mapping[str, Any]) -> bool:
    """Whether some API has parts of content, or calls of tools, in this shape."""
    if isinstance(part.get("type"), str):
        return part["type"] in PART_TYPES or isinstance(part.get(part["type"]), dict)
    return part.keys() <= {"text", "cache_control", "function", "id", "index"}


def _part_text(part: Mapping[str, Any]) -> str:
    if part.get("text"):
        return str(part["text"])
    kind = f"[{part.get('type', 'part')}]"
    called = part["function"] if isinstance(part.get("function"), dict) else part
    if called.get("name"):
        given = called.get("arguments", called.get("input", ""))
        return f"{kind} {called['name']} {given if isinstance(given, str) else json.dumps(given)}"
    if part.get("type") == "tool_result":
        content = part.get("content", "")
        return f"{kind} {plain_text(content if isinstance(content, str) else json.dumps(content))}"
    return kind


def integers(column: pa.Array) -> Ints:
    found: Ints = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def flags(column: pa.Array) -> Flags:
    found: Flags = column.to_numpy(zero_copy_only=False).astype(bool)
    return found


def _views(texts: pa.Array) -> Iterator[memoryview]:
    """The bytes of each text, without a copy."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return repeat(memoryview(b""), len(texts))
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].tolist()
    whole = memoryview(data)
    return (whole[start:end] for start, end in pairwise(ends))
