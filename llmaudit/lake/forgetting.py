"""Takes a person out of a lake: their name, their texts, and everything by which their calls could be told.

The calls stay as numbers under the name `forgotten`, shared by all who were forgotten, so that every dollar still ties to the
bill. What was rewritten is deleted from disk, earlier versions included. The lake remembers a keyed digest of the name, and
what is taken in later about the same person arrives forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import deltalake
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from llmaudit import queries, schema
from llmaudit.engine.base import Engine
from llmaudit.errors import AuditError
from llmaudit.lake import Lake, until_committed
from llmaudit.lake.masking import mask
from llmaudit.lake.sampling import numbers

FORGOTTEN = "forgotten"
AT_ONCE = 2_000
"""Keys in one predicate."""

TELLING = (
    "session_id",
    "trace_id",
    "span_id",
    "parent_id",
    "tags",
    *(f.name for f in schema.TEXT_COLUMNS if f.name not in ("prompt_bytes", "tool_result_bytes", "output_bytes")),
    *(name for name in schema.REQUEST_ROWS.names if name.startswith("block_")),
)
"""Columns of a call by which it could be told whose it was, or what was said. Sizes and counts stay."""

TEXTS = ("system_text", "system_head", "messages", "first_user", "tools_text", "params_text", "output_text")
"""The same in a call that is being taken in, see `sources.base.CALLS`."""

_SILENT = deltalake.WriterProperties(
    compression="ZSTD", default_column_properties=deltalake.ColumnProperties(statistics_enabled="NONE")
)
"""Without the smallest and largest name of a file, which would stand in the table's history for good."""

_WHO = ("session_id", "trace_id", "span_id", "parent_id", "tags")


@dataclass(frozen=True)
class Forgotten:
    """How much of a person a lake held."""

    rows: int
    texts: int
    charges: int
    usage: int
    quarantined: int

    def __bool__(self) -> bool:
        return bool(self.rows or self.texts or self.charges or self.usage or self.quarantined)


def forget(lake: Lake, engine: Engine, user: str) -> Forgotten:
    """Forget one user. Running it again finds what an interrupted run, or a run at the same time, has left."""
    name = mask(user.strip())
    if not name or name == FORGOTTEN:
        raise AuditError(f"--user {user!r}: nobody goes by this name. Give the user_id as `llmaudit query` shows it.")
    _remember(lake, name)
    engine.attach("request_rows", lake.files("requests"), schema.REQUEST_ROWS)
    calls = engine.fetch(queries.run(engine, "forgotten_calls", params={"user": name}))
    hashes = engine.fetch(queries.run(engine, "forgotten_texts"))["text_hash"].to_pylist()
    texts = sum(_delete(lake, "texts", f"text_hash in ({few})") for few in _lists(map(str, hashes)))
    _drop_samples(lake, calls["call_key"].to_pylist())
    blank = dict.fromkeys(TELLING, "NULL") | {"user_id": _literal(FORGOTTEN)}
    nameless = {"user_id": _literal(FORGOTTEN)}
    found = Forgotten(
        _rewrite(lake, "requests", blank, "call_key", calls["call_key"].to_pylist()),
        texts,
        _rewrite(lake, "charges", nameless, "charge_id", _ids(lake, "charges", "charge_id", name)),
        _rewrite(lake, "usage", nameless, "usage_id", _ids(lake, "usage", "usage_id", name)),
        _rewrite_quarantine(lake, name),
    )
    for table in ("requests", "texts", "samples", "charges", "usage", "quarantine"):
        _clear(lake, table)
    return found


def scrubbed(calls: pa.RecordBatch, known: frozenset[str], key: bytes) -> pa.RecordBatch:
    """Calls on their way into the lake, those of forgotten users without what tells on them."""
    if not known:
        return calls
    users = calls["user_id"].dictionary_encode()
    listed = [name is not None and digest(mask(name), key) in known for name in users.dictionary.to_pylist()]
    theirs = pc.fill_null(pa.array(listed, pa.bool_()).take(users.indices), fill_value=False)
    if not pc.any(theirs).as_py():
        return calls
    for name in (*_WHO, *TEXTS):
        column = pc.if_else(theirs, pa.scalar(None, calls.schema.field(name).type), calls[name])
        calls = calls.set_column(calls.schema.get_field_index(name), calls.schema.field(name), column)
    at = calls.schema.get_field_index("user_id")
    return calls.set_column(at, calls.schema.field(at), pc.if_else(theirs, pa.scalar(FORGOTTEN), calls["user_id"]))


def renamed(users: pa.Array, known: frozenset[str], key: bytes) -> pa.Array:
    """Names of users in bills and counts, those of forgotten users replaced."""
    if not known:
        return users
    encoded = users.dictionary_encode()
    names = [
        FORGOTTEN if name is not None and digest(mask(name), key) in known else name
        for name in encoded.dictionary.to_pylist()
    ]
    return pa.array(names, pa.string()).take(encoded.indices)


def remembered(lake: Lake) -> frozenset[str]:
    """Digests of the names that this lake has forgotten."""
    return frozenset(lake.frame("forgotten")["user_digest"])


def digest(name: str, key: bytes) -> str:
    return hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=16, key=key).hexdigest()


def _remember(lake: Lake, name: str) -> None:
    known = lake.frame("forgotten").to_arrow()
    if digest(name, lake.key) in known["user_digest"].to_pylist():
        return
    line = {"user_digest": digest(name, lake.key), "forgotten_at": datetime.now(UTC).replace(tzinfo=None)}
    added = pa.Table.from_pylist([line], schema.FORGOTTEN)
    lake.replace("forgotten", pa.concat_tables([known.cast(schema.FORGOTTEN), added]))


def _ids(lake: Lake, table: str, column: str, name: str) -> list[str]:
    """Lines of bills and counts that name the user, file by file: a bill may be long."""
    found: list[str] = []
    for file in lake.files(table):
        with pq.ParquetFile(file) as rows:
            for batch in rows.iter_batches(columns=[column, "user_id"]):
                found += batch.filter(pc.fill_null(pc.equal(batch["user_id"], name), fill_value=False))[
                    column
                ].to_pylist()
    return found


def _rewrite_quarantine(lake: Lake, name: str) -> int:
    """Records that nobody could read, where their first bytes speak of the user. Whose else they are is not known."""
    kept = lake.frame("quarantine")
    theirs = kept.filter(pl.concat_str("head", "reason", ignore_nulls=True).str.contains(name, literal=True))
    silent = {"head": "NULL", "reason": _literal(FORGOTTEN)}
    rows = 0
    for batch_id, path, line in theirs.select("batch_id", "path", "line").rows():
        number = "line is null" if line is None else f"line = {line}"
        rows += _update(
            lake, "quarantine", silent, f"batch_id = {_literal(batch_id)} and path = {_literal(path)} and {number}"
        )
    return rows


def _rewrite(lake: Lake, table: str, updates: dict[str, str], column: str, keys: Iterable[str]) -> int:
    """By keys, never by the name: a commit writes down what it was asked."""
    return sum(_update(lake, table, updates, f"{column} in ({few})") for few in _lists(map(_literal, keys)))


def _drop_samples(lake: Lake, call_keys: list[str]) -> None:
    kept = lake.samples()
    theirs = np.isin(kept["sample_key"].to_numpy(), numbers(call_keys)) if call_keys else np.zeros(kept.num_rows, bool)
    for few in _lists(str(key) for key in kept["sample_key"].filter(pa.array(theirs)).to_pylist()):
        _delete(lake, "samples", f"sample_key in ({few})")


def _update(lake: Lake, table: str, updates: dict[str, str], predicate: str) -> int:
    done = {"num_updated_rows": 0}

    def update() -> None:
        done.update(
            deltalake.DeltaTable(str(lake.path / table)).update(
                updates=updates, predicate=predicate, writer_properties=_SILENT
            )
        )

    if lake.files(table):
        until_committed(update)
    return int(done["num_updated_rows"])


def _delete(lake: Lake, table: str, predicate: str) -> int:
    done = {"num_deleted_rows": 0}

    def delete() -> None:
        done.update(deltalake.DeltaTable(str(lake.path / table)).delete(predicate, writer_properties=_SILENT))

    if lake.files(table):
        until_committed(delete)
    return int(done["num_deleted_rows"])


def _clear(lake: Lake, table: str) -> None:
    """Delete from disk what earlier versions held. Files that another run is writing have no version yet and stay."""
    folder = str(lake.path / table)
    if deltalake.DeltaTable.is_deltatable(folder):
        deltalake.DeltaTable(folder).vacuum(
            retention_hours=0, enforce_retention_duration=False, dry_run=False, full=False
        )


def _lists(values: Iterable[str]) -> Iterator[str]:
    every = list(values)
    for at in range(0, len(every), AT_ONCE):
        yield ", ".join(every[at : at + AT_ONCE])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
