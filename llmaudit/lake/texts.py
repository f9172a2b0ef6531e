"""Turns texts into what the lake keeps of them: keyed hashes, lengths, sketches, and a bounded sample.

Every distinct piece (a message, a system prompt, tool schemas, an answer) is hashed once with the lake's key, so that
a short prompt cannot be guessed from its hash by someone who has only the files. The sample is the calls with the
smallest `call_key` of each stratum: the same calls whatever the order, splitting or number of the files.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.lake import blocks
from llmaudit.lake.blocks import mix
from llmaudit.lake.masking import mask_column
from llmaudit.schema import TEXTS

SAMPLE_PER_STRATUM = 1_500
LABEL_STRATA = 4_096
TEMPLATE_STRATA = 64
MOST_TIMES_SEEN = 4
SKETCH_HASHES = 16
SKETCH_BYTES = 8_192
UNIT = "\x1f"
_KEPT = pa.schema([field for field in TEXTS if field.name != "batch_id"])

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_VARIABLE = r"[0-9a-z_.:+-]*[0-9][0-9a-z_.:+-]*"
_HEAD = r"^\s*(?P<words>\S+(?:\s+\S+){0,3})"
_TAIL = r"(?P<words>(?:\S+\s+){0,3}\S+)\s*$"
END_CHARACTERS = 200


def masked(texts: pa.Array) -> pa.Array:
    """Lower-cased texts in which every word with a digit (times, ids, numbers) is `#`.

    >>> masked(pa.array(["Now 2026-10-01T05:03:48Z, ticket 4711 of req_72c931e5"])).to_pylist()
    ['now #, ticket # of #']
    """
    return pc.replace_substring_regex(pc.utf8_lower(texts), _VARIABLE, "#")


@dataclass
class TextRoom:
    """Hashes texts under `key` and picks those to keep under `mode` (sample, all or none)."""

    key: bytes
    mode: str
    _sample: dict[int, _Stratum] = field(default_factory=dict)
    _kept: set[int] = field(default_factory=set)

    def columns(self, calls: pa.RecordBatch) -> dict[str, pa.Array]:
        """Every text-derived column of `schema.REQUEST_ROWS`, for calls in the form of `sources.base.CALLS`."""
        pieces = _Pieces.of(calls, self.key)
        chain, chain_bytes = pieces.chain()
        system = _hashes(_each_once(calls["system_head"], masked), self.key)
        heads, tails = _ends(calls["first_user"])
        return {
            "prompt_hash": pieces.last(chain),
            "system_hash": pieces.system_hash(),
            "tools_hash": _hashes(calls["tools_text"], self.key, _sorted_json),
            "params_hash": _hashes(calls["params_text"], self.key, _sorted_json),
            "output_hash": _hashes(calls["output_text"], self.key),
            "template_hash": system,
            "head_hash": _hashes(heads, self.key),
            "tail_hash": _hashes(tails, self.key),
            "message_hashes": pieces.lists(pieces.hashes),
            "prefix_hashes": pieces.lists(chain),
            "prefix_bytes": pieces.lists(chain_bytes),
            "prompt_sketch": sketch(pieces.last_texts(), self.key),
            "prompt_bytes": pieces.prompt_bytes(),
            "output_bytes": pc.binary_length(calls["output_text"].cast(pa.binary())).cast(pa.int64()),
            **pieces.blocks(chain, self.key),
            "stratum": self._strata(calls["endpoint"], system),
        }

    def texts(self, calls: pa.RecordBatch, rows: pa.RecordBatch) -> pa.Table:
        """The texts to keep of a batch (`text_hash`, `kind`, `role`, `text`): each distinct one once, secrets masked."""
        chosen: Iterable[int] = {"none": (), "all": range(len(rows))}.get(self.mode) or (
            self._sampled(rows) if self.mode == "sample" else ()
        )
        kept = [text for at in chosen for text in self._texts_of(calls, rows, at)]
        table = pa.Table.from_pylist(kept, schema=_KEPT)
        return table.set_column(3, _KEPT.field("text"), mask_column(table["text"].combine_chunks()))

    def _texts_of(self, calls: pa.RecordBatch, rows: pa.RecordBatch, at: int) -> Iterable[dict[str, object]]:
        tools, system = calls["tools_text"][at].as_py(), calls["system_text"][at].as_py()
        pieces = [("tools", tools)] * (tools is not None) + [("system", system)] * (system is not None)
        pieces += [("message", text) for text in calls["messages"][at].as_py() or []]
        hashes = rows["message_hashes"][at].as_py() or []
        for (kind, text), number in zip(pieces, hashes, strict=True):
            yield from self._text(number, kind, text)
        if (output := calls["output_text"][at].as_py()) is not None:
            yield from self._text(rows["output_hash"][at].as_py(), "output", output)

    def _text(self, number: int, kind: str, text: str) -> Iterable[dict[str, object]]:
        if number in self._kept:
            return
        self._kept.add(number)
        role, unit, content = text.partition(UNIT) if kind == "message" else (kind, UNIT, text)
        role, kind = (role, "system") if role in ("system", "developer") else (role, kind)
        shown = plain_text(content if unit else text)
        yield {"text_hash": number, "kind": kind, "role": role, "text": shown.replace("\x00", "")}

    def sampled_hashes(self) -> set[int] | None:
        """Hashes of the texts of every call that is in the sample in the end; None where the mode takes no sample."""
        if self.mode != "sample":
            return None
        seen = [hashes for stratum in self._sample.values() for times in stratum.calls.values() for hashes in times]
        return set().union(*seen)

    def _sampled(self, rows: pa.RecordBatch) -> list[int]:
        """Calls that may belong to the sample: those with a prompt, below the largest key their stratum has kept so far."""
        columns = [rows[name].to_pylist() for name in ("stratum", "call_key", "message_hashes", "output_hash")]
        return [
            at
            for at, (stratum, key, messages, output) in enumerate(zip(*columns, strict=True))
            if messages is not None
            and self._sample.setdefault(stratum, _Stratum()).takes(key, {*messages, *([output] if output else [])})
        ]

    def _strata(self, endpoint: pa.Array, template: pa.Array) -> pa.Array:
        labels = _hashes(endpoint, b"stratum").to_numpy(zero_copy_only=False)
        labelled = pc.is_valid(endpoint).to_numpy(zero_copy_only=False)
        templates = pc.fill_null(template, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        with np.errstate(invalid="ignore"):
            of_label = np.nan_to_num(labels).astype(np.int64) % LABEL_STRATA
        of_template = LABEL_STRATA + templates % TEMPLATE_STRATA
        return pa.array(np.where(labelled, of_label, of_template).astype(np.int32))


@dataclass
class _Stratum:
    """The calls with the smallest keys of one stratum so far, and the hashes of their texts each time they were seen.

    A call seen in two files takes one place. Only its first few times count: an id that many calls share is no id.
    """

    calls: dict[str, list[set[int]]] = field(default_factory=dict)
    _largest: list[int] = field(default_factory=list)

    def takes(self, key: str, hashes: set[int]) -> bool:
        if key in self.calls:
            self.calls[key] += [hashes] * (len(self.calls[key]) < MOST_TIMES_SEEN)
            return self.calls[key][-1] is hashes
        order = -int(key, 16)
        if len(self.calls) < SAMPLE_PER_STRATUM:
            heapq.heappush(self._largest, order)
        elif order > self._largest[0]:
            del self.calls[f"{-heapq.heapreplace(self._largest, order):0{len(key)}x}"]
        else:
            return False
        self.calls[key] = [hashes]
        return True


@dataclass(frozen=True)
class _Pieces:
    """Tools, system prompt and messages of a batch laid end to end; `offsets[i]:offsets[i + 1]` are call i's."""

    calls: pa.RecordBatch
    texts: pa.Array
    hashes: Ints
    bytes_: Ints
    offsets: Ints

    @classmethod
    def of(cls, calls: pa.RecordBatch, key: bytes) -> _Pieces:
        messages, tools, system = calls["messages"], calls["tools_text"], calls["system_text"]
        first = [pc.is_valid(column).to_numpy(zero_copy_only=False).astype(np.int64) for column in (tools, system)]
        counts = pc.fill_null(pc.list_value_length(messages), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts + first[0] + first[1])]).astype(np.int64)
        all_texts = pa.concat_arrays([pc.drop_null(tools), pc.drop_null(system), messages.flatten()])
        places = np.empty(len(all_texts), np.int64)
        tools_at = np.arange(int(first[0].sum()))
        system_at = len(tools_at) + np.arange(int(first[1].sum()))
        places[offsets[:-1][first[0] == 1]] = tools_at
        places[(offsets[:-1] + first[0])[first[1] == 1]] = system_at
        starts = offsets[:-1] + first[0] + first[1]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        places[np.repeat(starts, counts) + within] = len(tools_at) + len(system_at) + np.arange(int(counts.sum()))
        encoded = pc.fill_null(all_texts.cast(pa.string()), "").dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False)[places]
        numbers = np.fromiter((_hash(text, key) for text in encoded.dictionary.to_pylist()), np.int64)
        sizes = pc.binary_length(encoded.dictionary.cast(pa.binary())).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(
            calls,
            encoded.dictionary.take(pa.array(codes)),
            numbers[codes] if len(numbers) else np.empty(0, np.int64),
            sizes[codes] if len(sizes) else np.empty(0, np.int64),
            offsets,
        )

    def chain(self) -> tuple[Ints, Ints]:
        """Running hash and running bytes over each call's pieces, one array operation per position."""
        chained, running = np.zeros_like(self.hashes), np.zeros_like(self.bytes_)
        counts = np.diff(self.offsets)
        state, size = np.zeros(len(counts), np.uint64), np.zeros(len(counts), np.int64)
        for position in range(int(counts.max(initial=0))):
            rows = np.flatnonzero(counts > position)
            at = self.offsets[rows] + position
            state[rows] = mix(state[rows], self.hashes[at].view(np.uint64))
            size[rows] += self.bytes_[at]
            chained[at], running[at] = state[rows].view(np.int64), size[rows]
        return chained, running

    def lists(self, values: Ints) -> pa.Array:
        lists = pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), pa.array(values, pa.int64()))
        return pc.if_else(self._known(), lists, pa.scalar(None, lists.type))

    def blocks(self, chained: Ints, key: bytes) -> dict[str, pa.Array]:
        hashes, ends, begins = blocks.chain(self.texts, chained, self.offsets, key, UNIT)
        lists = {"block_hashes": pa.array(hashes, pa.int64()), "block_bytes": pa.array(ends, pa.int64())}
        begins, known = pa.array(begins, pa.int32()), self._known()
        listed = {name: pa.ListArray.from_arrays(begins, values) for name, values in lists.items()}
        return {name: pc.if_else(known, column, pa.scalar(None, column.type)) for name, column in listed.items()}

    def last(self, values: Ints) -> pa.Array:
        counts = np.diff(self.offsets)
        at = np.maximum(self.offsets[1:] - 1, 0)
        picked = values[at] if len(values) else np.zeros(len(counts), np.int64)
        return pc.if_else(self._known(), pa.array(picked), pa.scalar(None, pa.int64()))

    def last_texts(self) -> pa.Array:
        at = np.where(np.diff(self.offsets) > 0, self.offsets[1:] - 1, -1)
        return self.texts.take(pa.array(at, mask=at < 0))

    def system_hash(self) -> pa.Array:
        """Hash over the system prompt wherever it stands; null where there is none."""
        is_system = pc.or_(pc.starts_with(self.texts, f"system{UNIT}"), pc.starts_with(self.texts, f"developer{UNIT}"))
        flags = is_system.to_numpy(zero_copy_only=False).astype(bool)
        owner = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        total = np.zeros(len(self.offsets) - 1, np.uint64)
        np.add.at(total, owner[flags], self.hashes[flags].view(np.uint64))
        has = np.bincount(owner[flags], minlength=len(total)) > 0
        outside = pc.is_valid(self.calls["system_text"]).to_numpy(zero_copy_only=False)
        tools = pc.is_valid(self.calls["tools_text"]).to_numpy(zero_copy_only=False).astype(np.int64)
        at = (self.offsets[:-1] + tools)[outside]
        total[outside] += self.hashes[at].view(np.uint64)
        return pa.array(total.view(np.int64), mask=~(has | outside))

    def prompt_bytes(self) -> pa.Array:
        """Bytes of content: roles and tools do not count, so that 0 is an empty prompt."""
        found = pc.find_substring(self.texts, UNIT).to_numpy(zero_copy_only=False).astype(np.int64)
        content = self.bytes_ - np.where(found >= 0, found + 1, 0)
        owner = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        total = np.bincount(owner, weights=content, minlength=len(self.offsets) - 1).astype(np.int64)
        tools = pc.fill_null(pc.binary_length(self.calls["tools_text"].cast(pa.binary())), 0)
        return pa.array(
            total - tools.to_numpy(zero_copy_only=False), mask=~self._known().to_numpy(zero_copy_only=False)
        )

    def _known(self) -> pa.Array:
        return pc.or_(pc.is_valid(self.calls["messages"]), pc.is_valid(self.calls["system_text"]))


def sketch(texts: pa.Array, key: bytes) -> pa.Array:
    """MinHash over three-word runs of each text: binary, 16 unsigned 32-bit numbers; null for an empty text.

    The share of equal numbers in two sketches estimates how much of their runs two texts share.
    """
    words = pc.utf8_split_whitespace(pc.utf8_slice_codeunits(pc.fill_null(pc.utf8_lower(texts), ""), 0, SKETCH_BYTES))
    words = pc.list_parent_indices(words), words.flatten()
    owner, flat = words[0].to_numpy(zero_copy_only=False), words[1]
    filled = pc.not_equal(flat, "").to_numpy(zero_copy_only=False).astype(bool)
    owner, flat = owner[filled], flat.filter(pa.array(filled))
    encoded = flat.dictionary_encode()
    vocabulary = np.fromiter((_hash(w, key) for w in encoded.dictionary.to_pylist()), np.int64).view(np.uint64)
    if not len(vocabulary):
        return pa.nulls(len(texts), pa.binary())
    runs = vocabulary[encoded.indices.to_numpy(zero_copy_only=False)]
    for step in (1, 2):
        same = owner[step:] == owner[:-step]
        runs[:-step][same] = mix(
            runs[:-step][same], vocabulary[encoded.indices.to_numpy(zero_copy_only=False)][step:][same]
        )
    starts = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    least = np.empty((len(starts), SKETCH_HASHES), np.uint32)
    for number in range(SKETCH_HASHES):
        turned = ((runs * _TURNS[number]) >> np.uint64(32)).astype(np.uint32)
        least[:, number] = np.minimum.reduceat(turned, starts)
    found = dict(zip(owner[starts].tolist(), (row.astype("<u4").tobytes() for row in least), strict=True))
    return pa.array([found.get(row) for row in range(len(texts))], pa.binary())


# Odd multipliers: each turns the runs' hashes, mixed already, into another order.
_TURNS = np.random.default_rng(16).integers(0, 2**63, SKETCH_HASHES, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def plain_text(content: str) -> str:
    """What a person would read of a message's content: the text parts joined, other parts named."""
    if not content.startswith("[{"):
        return content
    try:
        parts = json.loads(content)
    except ValueError:
        return content
    return "\n".join(
        str(part.get("text") or f"[{part.get('type', 'part')}]") for part in parts if isinstance(part, dict)
    )


def _hash(text: str, key: bytes) -> int:
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8, key=key).digest(), "little", signed=True
    )


def _hashes(column: pa.Array, key: bytes, prepare: Callable[[str], str] = str) -> pa.Array:
    """Keyed hash of every value, computed once for each distinct one."""
    encoded = column.cast(pa.string()).dictionary_encode()
    numbers = pa.array([_hash(prepare(text), key) for text in encoded.dictionary.to_pylist()], pa.int64())
    return numbers.take(encoded.indices)


def _each_once(column: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    encoded = column.dictionary_encode()
    return change(encoded.dictionary).take(encoded.indices)


def _sorted_json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _ends(first_user: pa.Array) -> tuple[pa.Array, pa.Array]:
    """First and last four words of each text, masked."""
    starts = pc.extract_regex(pc.utf8_slice_codeunits(first_user, 0, END_CHARACTERS), _HEAD)
    ends = pc.extract_regex(pc.utf8_slice_codeunits(first_user, -END_CHARACTERS, None), _TAIL)
    return masked(pc.struct_field(starts, "words")), masked(pc.struct_field(ends, "words"))
