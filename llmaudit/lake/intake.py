"""Takes files into the lake: each once, every record accounted for."""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from llmaudit import schema, sources
from llmaudit.errors import AuditError
from llmaudit.lake import TABLES, Lake, sampling
from llmaudit.lake.files import CHUNK_BYTES as LOOK_BYTES
from llmaudit.lake.files import Content, InputFile, find, look_through
from llmaudit.lake.forgetting import remembered, renamed, scrubbed
from llmaudit.lake.masking import mask_column
from llmaudit.lake.pieces import Ints, plain_text
from llmaudit.lake.sampling import Sample
from llmaudit.lake.texts import TextRoom
from llmaudit.sources.ahead import in_turn
from llmaudit.sources.base import Peek, Source
from llmaudit.sources.reader import Reading, ReadOptions, Refused, Rows, fits_together, heads, read, read_together
from llmaudit.sources.unread import unread_counts

CHUNK_BYTES = 2**31
CHUNK_FILES = 2_000
MOST_HEADS = 1_000
MOST_LOOKS = 200
GROUP_FILES = 500
GROUP_BYTES = 2**28
GROUPS_AHEAD = 2
WRITTEN = ("requests", "charges", "usage", "texts", "samples", "quarantine", "ingests")
SAYS_WHO = (
    "endpoint",
    "team",
    "project",
    "environment",
    "cost_centre",
    "user_id",
    "session_id",
    "trace_id",
    "tags",
    "error_type",
    "deployment",
)


@dataclass
class Intake:
    """What one run took in. `files` are those read now, under the ids `batches`; `known` counts files the lake had already."""

    files: list[str] = field(default_factory=list)
    known: int = 0
    left_out: list[str] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Job:
    file: InputFile
    content: Content
    source: Source | None
    problem: str = ""
    head: str = ""


BILL_WORDS = ("charge_description", "user_id", "project", "sub_account_id", "sku_id")

Progress = Callable[[str, int], None]


def ingest(
    lake: Lake,
    paths: Sequence[str],
    *,
    spool: Path,
    source: str | None = None,
    own: Mapping[str, Source] = MappingProxyType({}),
    timezone: str = "UTC",
    progress: Progress = lambda name, size: None,
) -> Intake:
    """Read `paths` into `lake`. A file that the user named and nobody can read raises AuditError; any other is quarantined.

    `own` are sources that the user described. `progress` is told each file's name and size in bytes when it has been read.
    """
    reader = sources.by_name(source, own) if source else None
    found, left_out = find(paths, spool)
    jobs, known, copies = _jobs(lake, found, reader, own)
    if not jobs and not known:
        raise AuditError(f"{', '.join(paths)}: no file here. llmaudit reads logs and bills; see `llmaudit sources`.")
    if not known and all(job.source is None for job in jobs):
        examples = "\n".join(f"  {job.file.shown}: {job.problem}" for job in jobs[:3])
        raise AuditError(
            f"{', '.join(paths)}: none of {len(jobs)} files is a log or bill that llmaudit knows.\n{examples}"
        )
    began = datetime.now(UTC).replace(tzinfo=None)
    batches = [_take(lake, chunk, copies, timezone, began, progress) for chunk in _chunks(jobs)]
    return Intake([job.file.shown for job in jobs], known, left_out, batches)


def _jobs(
    lake: Lake, found: Sequence[InputFile], source: Source | None, own: Mapping[str, Source]
) -> tuple[list[_Job], int, dict[str, list[str]]]:
    """Files to read, how many the lake has already, and further names of files to read (content hash -> names)."""
    have = set(lake.ingests()["content_hash"])
    jobs: dict[str, _Job] = {}
    copies: dict[str, list[str]] = {}
    known = 0
    room = bytearray(LOOK_BYTES)
    for file in found:
        content = _look(file, room)
        if content.content_hash in have:
            known += 1
        elif content.content_hash in jobs:
            copies.setdefault(content.content_hash, []).append(file.shown)
        else:
            jobs[content.content_hash] = _job(file, content, source, own)
    return list(jobs.values()), known, copies


def _look(file: InputFile, room: bytearray) -> Content:
    try:
        return look_through(file.path, room)
    except OSError as error:
        raise AuditError(f"{file.shown}: cannot be read ({error.strerror}).") from error


def _job(file: InputFile, content: Content, source: Source | None, own: Mapping[str, Source]) -> _Job:
    if not content.size:
        if file.named:
            raise AuditError(f"{file.shown} is empty: there is nothing to audit in it.")
        return _Job(file, content, None, "the file is empty")
    if source:
        return _Job(file, content, source)
    try:
        return _Job(file, content, sources.identify(file.path, file.shown, own))
    except sources.Unclaimed as error:
        if file.named:
            raise
        return _Job(file, content, None, error.reason, error.head)
    except (OSError, EOFError, zlib.error) as error:
        if file.named:
            raise AuditError(f"{file.shown}: cannot be unpacked ({error}).") from error
        return _Job(file, content, None, f"cannot be unpacked ({error})")


def _chunks(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    """Jobs in groups that are committed together: what is done stays done when a long run is stopped."""
    chunk: list[_Job] = []
    size = 0
    for job in jobs:
        chunk.append(job)
        size += job.content.size
        if len(chunk) == CHUNK_FILES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _groups(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    """Neighbours that are small files of one source, to be read together; every other job by itself."""
    group: list[_Job] = []
    size = 0
    for job in jobs:
        fits = job.source is not None and fits_together(job.source, job.file.path)
        is_full = len(group) == GROUP_FILES or size >= GROUP_BYTES
        if group and (not fits or is_full or group[0].source != job.source):
            yield group
            group, size = [], 0
        if fits:
            group.append(job)
            size += job.content.size
        else:
            yield [job]
    if group:
        yield group


def _take(
    lake: Lake, jobs: list[_Job], copies: dict[str, list[str]], timezone: str, began: datetime, progress: Progress
) -> str:
    """Read a chunk of files and commit it, everything or nothing; return the id of its batch."""
    batch = _Batch(lake, timezone, began)
    try:
        with closing(in_turn(map(batch.open, _groups(jobs)), _Opened.rows, _Opened.is_of_many, GROUPS_AHEAD)) as turns:
            for group, rows in turns:
                batch.take(group, rows, copies)
                for job in group.jobs:
                    progress(job.file.shown, job.content.size)
        batch.finish()
    except OSError as error:
        batch.discard()
        raise AuditError(f"{lake.path}: the lake cannot be written ({error.strerror or error}).") from error
    except BaseException:
        batch.discard()
        raise
    for table, part in batch.parts.items():
        part.commit([job.content.content_hash for job in jobs] if table == "ingests" else None)
    return batch.id


@dataclass(frozen=True)
class _Opened:
    """Files that are read together, and what became of their records, which is known when all rows were taken."""

    jobs: list[_Job]
    readings: list[Reading]
    timezone: str

    def is_of_many(self) -> bool:
        return len(self.jobs) > 1

    def rows(self) -> Iterator[Rows]:
        source, readings = self.jobs[0].source, self.readings
        if source is None:
            readings[0].rows_read = 1
            readings[0].refused.append(Refused(None, self.jobs[0].problem, self.jobs[0].head))
            return iter(())
        opened = [
            (job.file.path, reading, self._options(job)) for job, reading in zip(self.jobs, readings, strict=True)
        ]
        if self.is_of_many():
            return read_together(source, opened)
        whole = _as_far_as_it_goes(read(source, *opened[0]), readings[0])
        return ((np.zeros(len(batch), np.int64), batch) for batch in whole)

    def _options(self, job: _Job) -> ReadOptions:
        return ReadOptions(
            timezone=self.timezone,
            longest_line=job.content.longest_line,
            content_hash=job.content.content_hash,
            named=job.file.named,
        )


class _Batch:
    """Files on their way into the lake under one batch id. `ingests` is the last of the parts, and the commit point."""

    def __init__(self, lake: Lake, timezone: str, began: datetime) -> None:
        self.parts = {table: lake.writer(table) for table in WRITTEN}
        self._room = TextRoom(lake.key, lake.text, Sample.beside(lake.samples(), sampling.SAMPLE_PER_STRATUM))
        self._files_before = 0
        self._keeps_text = lake.text != "none"
        self._timezone = timezone
        self._began = began
        self._looked_at = 0
        self._names_before = set(lake.ingests()["path"])
        self._forgotten = remembered(lake)
        self.id = uuid.uuid4().hex

    def open(self, jobs: list[_Job]) -> _Opened:
        readings = [Reading(job.source.name if job.source else "") for job in jobs]
        return _Opened(jobs, readings, self._timezone)

    def take(self, group: _Opened, rows: Iterator[Rows], copies: dict[str, list[str]]) -> None:
        nameless = self._read(group, rows)
        lines: list[dict[str, object]] = []
        for job, reading, calls in zip(group.jobs, group.readings, nameless, strict=True):
            if calls and job.file.shown in self._names_before:
                reading.warnings.append(("read_before", _READ_BEFORE.format(calls=calls)))
            self._look_for_new_counts(job, reading)
            if reading.refused:
                refused = _with_heads(job, reading.refused)
                kept = _quarantine(job.file.shown, refused, self.id, keep_text=self._keeps_text)
                self.parts["quarantine"].write(kept)
            lines += _ledger(job, reading, copies.get(job.content.content_hash, []), self._began, self.id)
        self.parts["ingests"].write(pa.Table.from_pylist(lines, schema=schema.INGESTS))

    def _look_for_new_counts(self, job: _Job, reading: Reading) -> None:
        """Say which counts of tokens a file holds that nobody reads, as far as a look at its start tells."""
        if job.source is None or self._looked_at >= MOST_LOOKS:
            return
        self._looked_at += 1
        found = unread_counts(job.source, Peek.of(job.file.path))
        if found:
            said = ", ".join(f"{name} ({hits:,} times)" for name, hits in found.items())
            reading.warnings.append(("unread_counts", _UNREAD.format(said=said)))

    def finish(self) -> None:
        """Keep of the texts only those of the sample, now that it is settled."""
        if (wanted := self._room.sampled_hashes()) is not None:
            self.parts["texts"].keep("text_hash", wanted)
            samples = self._room.samples()
            self.parts["samples"].write(samples.append_column("batch_id", pa.repeat(self.id, samples.num_rows)))

    def discard(self) -> None:
        for part in self.parts.values():
            part.discard()

    def _read(self, group: _Opened, rows: Iterator[Rows]) -> list[int]:
        """Store what can be read of each file; return how many of its calls bear no id."""
        nameless = np.zeros(len(group.jobs), np.int64)
        source = group.jobs[0].source
        names = pa.array([job.file.shown for job in group.jobs], pa.string())
        for files, batch in rows:
            assert source is not None
            self._store(batch, source, files, names)
            if source.table == "requests":
                no_id = pc.and_(pc.is_null(batch["provider_id"]), pc.is_null(batch["own_id"]))
                nameless += np.bincount(files[no_id.to_numpy(zero_copy_only=False)], minlength=len(group.jobs))
        self._files_before += len(group.jobs)
        counts: list[int] = nameless.tolist()
        return counts

    def _store(self, batch: pa.RecordBatch, source: Source, files: Ints, names: pa.Array) -> None:
        if not batch.num_rows:
            return
        common = {
            "source": pa.repeat(source.name, batch.num_rows),
            "source_file": names.take(pa.array(files)),
            "source_row": batch["record"],
            "batch_id": pa.repeat(self.id, batch.num_rows),
        }
        if source.table == "requests":
            self._store_calls(batch, source, common, files)
        else:
            self._store_lines(batch, source, common)

    def _store_lines(self, batch: pa.RecordBatch, source: Source, common: dict[str, pa.Array]) -> None:
        """Billed lines and counted buckets: what they say in words is masked, keys become names."""
        words = {name: mask_column(batch[name]) for name in batch.schema.names if name in BILL_WORDS}
        if "user_id" in words:
            words["user_id"] = renamed(words["user_id"], self._forgotten, self._room.key)
        made = {**common, **words, "api_key_id": _key_names(batch["api_key_id"], self._room.key)}
        self.parts[source.table].write(_assemble(batch, made, TABLES[source.table]))

    def _store_calls(self, batch: pa.RecordBatch, source: Source, common: dict[str, pa.Array], files: Ints) -> None:
        counted = _counted(batch)
        batch = scrubbed(batch, self._forgotten, self._room.key)
        said = self._room.read(batch)
        made = {
            **common,
            "witness": pa.repeat(pa.scalar(source.witness, pa.int32()), batch.num_rows),
            **{name: mask_column(batch[name]) for name in SAYS_WHO},
            "api_key_id": _key_names(batch["api_key_id"], self._room.key),
            **counted,
            **said.columns(),
        }
        rows = _assemble(batch, made, schema.REQUEST_ROWS)
        self.parts["requests"].write(rows)
        kept = said.texts(rows, files + self._files_before)
        self.parts["texts"].write(kept.append_column("batch_id", pa.repeat(self.id, kept.num_rows)))


_UNREAD = (
    "counts that llmaudit does not know, at the start of the file: {said}. If the provider bills them beside the others, "
    "they are in no number. A newer llmaudit may read them."
)
_READ_BEFORE = (
    "a file of this name is in the lake with other content, and {calls:,} calls of this one have no id: "
    "those that stood in both count twice. Log a request_id, or take in files that have stopped growing."
)


def _as_far_as_it_goes(batches: Iterator[pa.RecordBatch], reading: Reading) -> Iterator[pa.RecordBatch]:
    """The batches, and a quarantined record where the file breaks off. What the lake raises passes by here."""
    try:
        yield from batches
    except (OSError, EOFError) as error:
        reading.rows_read += 1
        reading.refused.append(Refused(None, f"the file breaks off: {error}", ""))


def _assemble(batch: pa.RecordBatch, made: dict[str, pa.Array], wanted: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [made.get(f.name, batch[f.name] if f.name not in made else None) for f in wanted], schema=wanted
    )


def key_name(name: str, key: bytes) -> str:
    """The name that a lake with this key has for an API key."""
    named: str = _key_names(pa.array([name], pa.string()), key)[0].as_py()
    return named


def _key_names(column: pa.Array, key: bytes) -> pa.Array:
    """API keys as names. A name stays; a raw key becomes `key-` and eight digits of its keyed hash."""
    encoded = column.dictionary_encode()
    is_raw = pc.not_equal(encoded.dictionary, mask_column(encoded.dictionary))
    raw = encoded.dictionary.filter(is_raw).to_pylist()
    digests = [hashlib.blake2b(name.encode(), digest_size=4, key=key).hexdigest() for name in raw]
    made = pa.array([f"key-{digest}" for digest in digests], pa.string())
    return pc.replace_with_mask(encoded.dictionary, is_raw, made).take(encoded.indices)


def _counted(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Token counts for calls that report none but show their texts: counted, and marked as estimated."""
    lacking = pc.and_(
        pc.and_(pc.is_null(batch["usage_source"]), pc.equal(batch["status"], "ok")), pc.is_valid(batch["messages"])
    )
    if not pc.any(lacking).as_py():
        return {}
    from llmaudit import tokens

    counts = {"input_tokens": batch["input_tokens"].to_pylist(), "output_tokens": batch["output_tokens"].to_pylist()}
    source = batch["usage_source"].to_pylist()
    for at in pc.indices_nonzero(lacking).to_pylist():
        call = (
            batch.slice(at, 1)
            .select(["messages", "system_text", "tools_text", "output_text", "request_model"])
            .to_pylist()[0]
        )
        encoding = tokens.encoding_for(call["request_model"] or "")
        texts = [
            call["system_text"] or "",
            call["tools_text"] or "",
            *[plain_text(m.partition("\x1f")[2]) for m in call["messages"]],
        ]
        asked, answered = (
            sum(tokens.count_tokens(pa.array(part), encoding).to_pylist())
            for part in (texts, [call["output_text"] or ""])
        )
        counts["input_tokens"][at], counts["output_tokens"][at], source[at] = asked, answered, "estimated"
    return {name: pa.array(values, pa.int64()) for name, values in counts.items()} | {
        "usage_source": pa.array(source, pa.string())
    }


def _with_heads(job: _Job, refused: list[Refused]) -> list[Refused]:
    """Fill in line number and first bytes where the fast path knew the record number only."""
    bare = {r.line for r in refused if r.line is not None and not r.head}
    if not bare or job.source is None:
        return refused
    found = heads(job.file.path, set(sorted(bare)[:MOST_HEADS]))
    return [
        Refused(*found[r.line][:1], r.reason, found[r.line][1]) if r.line in found and not r.head else r
        for r in refused
    ]


def _quarantine(shown: str, refused: list[Refused], batch_id: str, *, keep_text: bool) -> pa.Table:
    starts = [r.head if keep_text and r.head else None for r in refused]
    columns = {
        "path": pa.repeat(pa.scalar(shown, pa.string()), len(refused)),
        "line": pa.array([r.line for r in refused], pa.int64()),
        "reason": mask_column(pa.array([r.reason for r in refused], pa.string())),
        "head": mask_column(pa.array(starts, pa.string())),
        "batch_id": pa.repeat(pa.scalar(batch_id, pa.string()), len(refused)),
    }
    return pa.Table.from_pydict(columns, schema=schema.QUARANTINE)


def _ledger(job: _Job, reading: Reading, copies: list[str], began: datetime, batch_id: str) -> list[dict[str, object]]:
    """What became of the file, and of its copies under other names."""
    line: dict[str, object] = {
        "batch_id": batch_id,
        "content_hash": job.content.content_hash,
        "ingested_at": began,
        "path": job.file.shown,
        "source": reading.source or None,
        "rows_read": reading.rows_read,
        "rows_kept": reading.rows_kept,
        "rows_merged": reading.rows_merged,
        "rows_quarantined": len(reading.refused),
        "not_calls": json.dumps(reading.not_calls, sort_keys=True),
        "warnings": json.dumps([{"kind": kind, "text": text} for kind, text in reading.warnings]),
    }
    again = {
        "rows_kept": 0,
        "rows_merged": reading.rows_read,
        "rows_quarantined": 0,
        "not_calls": "{}",
        "warnings": "[]",
    }
    return [line, *({**line, **again, "path": copy} for copy in copies)]
