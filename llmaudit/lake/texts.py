"""Turns texts into what the lake keeps of them: keyed hashes, lengths, sketches, and a bounded sample.

Every distinct piece (a message, a system prompt, tool schemas, an answer) is hashed once with the lake's key, so that
a short prompt cannot be guessed from its hash by someone who has only the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit.lake import sampling
from llmaudit.lake.masking import mask_column
from llmaudit.lake.pieces import (
    MESSAGE,
    SYSTEM,
    TOOLS,
    UNIT,
    Flags,
    Ints,
    Pieces,
    distinct,
    each_once,
    flags,
    hashes_of,
    integers,
    keyed_hashes,
    plain_text,
)
from llmaudit.lake.sampling import Reuse, Sample
from llmaudit.lake.sketches import sketch
from llmaudit.schema import SAMPLES, TEXTS

END_CHARACTERS = 200
OPENING_CHARACTERS = 512
MOST_REMEMBERED = 2_000_000
_KEPT = pa.schema([field for field in TEXTS if field.name != "batch_id"])
_KINDS = {TOOLS: "tools", SYSTEM: "system", MESSAGE: "message"}

_DAY = r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b"
_MONTH = (
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    r"|dec(?:ember)?)\b"
)
_VARIABLE = rf"[0-9a-z_.:+-]*[0-9][0-9a-z_.:+-]*|{_DAY}|{_MONTH}"
SHORT_WORDS, LONG_WORDS = 4, 12


def masked(texts: pa.Array) -> pa.Array:
    """Lower-cased texts in which every word with a digit (times, ids, numbers), weekday and month is `#`.

    >>> masked(pa.array(["Now 2026-10-01T05:03:48Z, ticket 4711 of req_72c931e5"])).to_pylist()
    ['now #, ticket # of #']
    >>> masked(pa.array(["Today is Thursday, 26 November 2026."])).to_pylist()
    ['today is #, # # #']
    """
    return pc.replace_substring_regex(pc.utf8_lower(texts), _VARIABLE, "#")


@dataclass
class TextRoom:
    """Hashes texts under `key` and picks those to keep under `mode` (sample, all or none).

    `sample` takes the calls whose texts are kept; a lake that has a sample already gives one that fits beside it.
    """

    key: bytes
    mode: str
    sample: Sample = field(default_factory=lambda: Sample(sampling.SAMPLE_PER_STRATUM))
    _reuse: Reuse = field(default_factory=Reuse)
    _kept: set[int] = field(default_factory=set)

    def read(self, calls: pa.RecordBatch) -> Read:
        return Read(self, calls, Pieces.of(calls, self.key))

    def samples(self) -> pa.Table:
        """Rows of `schema.SAMPLES`, without their batch, of the calls that are in the sample in the end."""
        return self.sample.settled()

    def sampled_hashes(self) -> set[int] | None:
        """Hashes of the texts of those calls; None where the mode takes no sample."""
        if self.mode != "sample":
            return None
        return set(pc.unique(pc.list_flatten(self.samples()["text_hashes"])).to_pylist())

    def forget_again(self, hashes: Ints) -> Flags:
        """Which of these texts have not been kept yet; from now on they have. Two million are remembered at a time."""
        if len(self._kept) > MOST_REMEMBERED:
            self._kept.clear()
        is_new = np.fromiter((number not in self._kept for number in hashes.tolist()), bool, len(hashes))
        self._kept.update(hashes[is_new].tolist())
        return is_new

    def chosen(self, rows: pa.RecordBatch, files: Ints) -> Ints:
        """Numbers of the calls of a batch whose texts are to be kept for now."""
        if self.mode == "none":
            return np.empty(0, np.int64)
        if self.mode == "all":
            return np.arange(len(rows))
        shown = np.flatnonzero(flags(pc.is_valid(rows["message_hashes"])))
        asked = rows.take(pa.array(shown))
        keys = self._reuse.sample_keys(asked, files[shown])
        taken = self.sample.offer(integers(asked["stratum"]), keys, _text_hashes(asked))
        found: Ints = shown[taken]
        return found


@dataclass(frozen=True)
class Read:
    """What a batch of calls, in the form of `sources.base.CALLS`, says in words."""

    room: TextRoom
    calls: pa.RecordBatch
    pieces: Pieces

    def columns(self) -> dict[str, pa.Array]:
        """Every text-derived column of `schema.REQUEST_ROWS`."""
        calls, pieces, key = self.calls, self.pieces, self.room.key
        chain, chain_bytes = pieces.chain()
        asked, told = _or(calls["first_user"], pieces.first_user()), pieces.system_text()
        opening = _or(calls["system_head"], each_once(told, _opening))
        template = hashes_of(each_once(opening, masked), key)
        ends = {
            **{f"{name}_hash": hashes_of(part, key) for name, part in _ends(asked, "").items()},
            **{f"{name}_hash": hashes_of(part, key) for name, part in _ends(told, "system_").items()},
        }
        return {
            "prompt_hash": pieces.last(chain),
            "system_hash": pieces.system_hash(),
            "tools_hash": hashes_of(calls["tools_text"], key, _sorted_json),
            "params_hash": hashes_of(calls["params_text"], key, _sorted_json),
            "output_hash": hashes_of(calls["output_text"], key),
            "template_hash": template,
            **ends,
            "message_hashes": pieces.lists(pieces.hashes),
            "prefix_hashes": pieces.lists(chain),
            "prefix_bytes": pieces.lists(chain_bytes),
            "prompt_sketch": pieces.of_last(lambda texts: sketch(texts, key)),
            "prompt_bytes": pieces.prompt_bytes(),
            "tool_result_bytes": pieces.tool_result_bytes(),
            "output_bytes": pc.binary_length(calls["output_text"].cast(pa.binary())).cast(pa.int64()),
            **pieces.block_columns(chain),
            "stratum": self._strata(pc.coalesce(template, ends["long_head_hash"])),
        }

    def texts(self, rows: pa.RecordBatch, files: Ints) -> pa.Table:
        """The texts to keep (`text_hash`, `kind`, `role`, `text`): each distinct one once, secrets masked."""
        chosen = self.room.chosen(rows, files)
        kept = [*self._pieces(chosen), *self._outputs(chosen)]
        table = pa.Table.from_pylist(kept, schema=_KEPT)
        return table.set_column(3, _KEPT.field("text"), mask_column(table["text"].combine_chunks()))

    def _pieces(self, chosen: Ints) -> Iterator[dict[str, object]]:
        pieces = self.pieces
        is_chosen = np.zeros(len(self.calls), bool)
        is_chosen[chosen] = True
        at = np.flatnonzero(is_chosen[pieces.owners])
        codes, first = np.unique(pieces.codes[at], return_index=True)
        is_new = self.room.forget_again(pieces.text_hashes[codes])
        kinds = pieces.kinds[at[first]][is_new].tolist()
        texts = pieces.texts.take(pa.array(codes[is_new])).to_pylist()
        for number, kind, text in zip(pieces.text_hashes[codes][is_new].tolist(), kinds, texts, strict=True):
            yield _kept_text(number, _KINDS[kind], text)

    def _outputs(self, chosen: Ints) -> Iterator[dict[str, object]]:
        answers = pc.drop_null(self.calls["output_text"].take(pa.array(chosen)))
        texts, _ = distinct(answers)
        hashes = keyed_hashes(texts, self.room.key)
        is_new = self.room.forget_again(hashes)
        for number, text in zip(hashes[is_new].tolist(), texts.filter(pa.array(is_new)).to_pylist(), strict=True):
            yield _kept_text(number, "output", text)

    def _strata(self, wording: pa.Array) -> pa.Array:
        """Without a label, calls of one system prompt are in one stratum; without that, those that open with the same words."""
        labels = self.calls["endpoint"]
        numbers = integers(pc.fill_null(hashes_of(labels, b"stratum"), 0))
        found = sampling.strata(numbers, flags(pc.is_valid(labels)), integers(pc.fill_null(wording, 0)))
        return pa.array(found.astype(np.int32))


def _kept_text(number: int, kind: str, text: str) -> dict[str, object]:
    role, unit, content = text.partition(UNIT) if kind == "message" else (kind, UNIT, text)
    role, kind = (role, "system") if role in ("system", "developer") else (role, kind)
    shown = text if kind == "tools" else plain_text(content if unit else text)
    return {"text_hash": number, "kind": kind, "role": role, "text": shown.replace("\x00", "")}


def _text_hashes(rows: pa.RecordBatch) -> pa.Array:
    """The hashes of each call's texts, its answer's last."""
    messages, outputs = rows["message_hashes"], rows["output_hash"]
    answered = flags(pc.is_valid(outputs)).astype(np.int64)
    counts = integers(pc.list_value_length(messages))
    offsets = np.concatenate([[0], np.cumsum(counts + answered)])
    hashes = np.empty(offsets[-1], np.int64)
    at_end = (offsets[1:] - 1)[answered == 1]
    is_message = np.ones(len(hashes), bool)
    is_message[at_end] = False
    hashes[is_message] = integers(messages.flatten())
    hashes[at_end] = integers(pc.drop_null(outputs))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(hashes), type=SAMPLES.field("text_hashes").type
    )


def _or(column: pa.Array, other: pa.DictionaryArray) -> pa.Array:
    """Where there is no value in the column, the other's."""
    return other if column.null_count == len(column) else pc.coalesce(column, other.dictionary_decode())


def _opening(texts: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(texts, 0, OPENING_CHARACTERS)


def _sorted_json(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _ends(texts: pa.Array, of: str) -> dict[str, pa.Array]:
    """The first and last words of each text, masked: a few and some more."""
    encoded = texts.dictionary_encode()
    starts = pc.utf8_slice_codeunits(encoded.dictionary, 0, END_CHARACTERS)
    ends = pc.utf8_slice_codeunits(encoded.dictionary, -END_CHARACTERS, None)
    found = {}
    for end, words, cut in (("head", starts, _first), ("tail", ends, _last)):
        long = each_once(cut(words, LONG_WORDS), masked)
        found[f"{of}{end}"] = each_once(long, partial(cut, count=SHORT_WORDS)).take(encoded.indices)
        found[f"long_{of}{end}"] = long.take(encoded.indices)
    return found


def _first(texts: pa.Array, count: int) -> pa.Array:
    words = pc.extract_regex(texts, rf"^\s*(?P<words>\S+(?:\s+\S+){{0,{count - 1}}})")
    return pc.struct_field(words, "words")


def _last(texts: pa.Array, count: int) -> pa.Array:
    return pc.utf8_reverse(_first(pc.utf8_reverse(texts), count))
