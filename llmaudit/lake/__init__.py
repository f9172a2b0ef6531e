"""The lake: a folder of Delta tables that any engine reads. Only this room commits.

A file's rows carry the id of the batch that wrote them; they exist once that batch is in `ingests`, which is
committed last. A crash half-way, a second run or two runs at once therefore change nothing. Where two runs did
commit the same file, the batch with the smaller id is the one that counts, for every reader alike.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import deltalake
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from llmaudit import schema
from llmaudit.errors import AuditError

CONFIG = "llmaudit-lake.json"
TEXT_MODES = ("sample", "all", "none")
TABLES = {
    "requests": schema.REQUEST_ROWS,
    "charges": pa.schema([*schema.CHARGES, schema.BATCH_ID]),
    "usage": pa.schema([*schema.USAGE, schema.BATCH_ID]),
    "texts": schema.TEXTS,
    "samples": schema.SAMPLES,
    "ingests": schema.INGESTS,
    "quarantine": schema.QUARANTINE,
    "endpoints": pa.schema([schema.REQUESTS.field("request_id"), schema.REQUESTS.field("endpoint")]),
    "forgotten": schema.FORGOTTEN,
    "finding_calls": schema.FINDING_CALLS,
    "decisions": schema.DECISIONS,
    "reported_prices": schema.REPORTED_PRICES,
    "reported_batches": pa.schema([schema.INGESTS.field("batch_id"), schema.INGESTS.field("path"), schema.SNAPSHOT]),
}
_TEMPORARY_KEY = b"llmaudit temporary lake"
_COMMIT_TRIES = 8
GROUP_ROWS = 16_384
GROUP_BYTES = 2**25


@dataclass(frozen=True)
class Lake:
    """An open lake. `key` keys the prompt hashes; `text` says which texts are kept."""

    path: Path
    key: bytes
    text: str

    @classmethod
    def temporary(cls, path: Path, text: str = "sample") -> Lake:
        """A lake for one report. Its key is fixed, so that equal input gives an equal report."""
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, _TEMPORARY_KEY, text)

    @classmethod
    def open(cls, path: Path, *, create: bool = False, text: str | None = None) -> Lake:
        """Open the lake at `path`; with `create`, make it if it is not there. Raises AuditError if it cannot be."""
        if unquote(str(path.absolute())) != str(path.absolute()):
            raise AuditError(
                f"{path}: Delta tables cannot lie under a name with % and two digits. Choose another name."
            )
        config = path / CONFIG
        if not config.exists():
            if not create:
                raise AuditError(
                    f"{path} is not a lake: it has no {CONFIG}. Make one with: llmaudit ingest LOGS --lake {path}"
                )
            _make(path, text or "sample")
        stored = _stored(config)
        if stored["lake_version"] != schema.LAKE_VERSION:
            raise AuditError(
                f"{path} is a lake of version {stored['lake_version']}; this llmaudit reads version {schema.LAKE_VERSION}. "
                "Ingest the logs into a new lake, or use the llmaudit that wrote it."
            )
        if text and text != stored["text"]:
            raise AuditError(
                f"{path} keeps text = {stored['text']!r}, not {text!r}: what a lake keeps is settled when it is made. "
                "Leave --text out, or ingest into a new lake."
            )
        return cls(path, bytes.fromhex(stored["key"]), stored["text"])

    def files(self, table: str) -> list[str]:
        """Parquet files of the table's newest snapshot."""
        folder = str(self.path / table)
        if not deltalake.DeltaTable.is_deltatable(folder):
            return []
        addresses = deltalake.DeltaTable(folder).file_uris()  # percent-encoded, but for the name of the file itself
        return sorted(f"{folder}/{address.rpartition('/')[2]}" for address in addresses)

    def versions(self, tables: Collection[str]) -> dict[str, int]:
        """The newest version of each of these tables; of one that has none yet, nothing."""
        folders = {table: str(self.path / table) for table in tables}
        return {
            table: deltalake.DeltaTable(folder).version()
            for table, folder in folders.items()
            if deltalake.DeltaTable.is_deltatable(folder)
        }

    def frame(self, table: str) -> pl.DataFrame:
        """A *small* table in whole, every batch of it."""
        files = self.files(table)
        shape = pl.from_arrow(TABLES[table].empty_table())
        assert isinstance(shape, pl.DataFrame)
        return pl.concat([shape, pl.read_parquet(files)], how="diagonal") if files else shape

    def ingests(self) -> pl.DataFrame:
        """One row per file that is in the lake, by path."""
        every = self.frame("ingests")
        winners = every.group_by("content_hash").agg(pl.col("batch_id").min())
        return every.join(winners, on=["content_hash", "batch_id"], how="semi").sort("path", "content_hash")

    def quarantine(self) -> pl.DataFrame:
        """One row per record that could not be read, of the files that are in the lake."""
        return self.frame("quarantine").join(self.ingests(), on=["batch_id", "path"], how="semi").sort("path", "line")

    def samples(self) -> pa.Table:
        """Calls whose texts the lake keeps, of the batches that are in it."""
        files = self.files("samples")
        if not files:
            return schema.SAMPLES.empty_table()
        rows = pq.read_table(files, schema=schema.SAMPLES, partitioning=None)
        return rows.filter(pc.is_in(rows["batch_id"], pa.array(self.ingests()["batch_id"].to_list(), pa.string())))

    def commit(self, table: str, parquet: Path, rows: int, transactions: list[str] | None = None) -> None:
        """Add one written Parquet file to a table."""
        action = AddAction(
            path=parquet.name,
            size=parquet.stat().st_size,
            partition_values={},
            modification_time=int(parquet.stat().st_mtime * 1_000),
            data_change=True,
            stats=json.dumps({"numRecords": rows}),
        )
        properties = deltalake.CommitProperties(
            app_transactions=[deltalake.Transaction(app_id=name, version=1) for name in transactions or []]
        )

        def append() -> None:
            delta = deltalake.DeltaTable.create(str(self.path / table), schema=TABLES[table], mode="ignore")
            delta.create_write_transaction([action], "append", TABLES[table], commit_properties=properties)

        until_committed(append)

    def writer(self, table: str) -> Part:
        folder = self.path / table
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AuditError(f"{folder}: the lake cannot be written here ({error.strerror}).") from error
        return Part(self, table, folder / f"part-{uuid.uuid4().hex}.parquet")

    def replace(self, table: str, rows: pa.Table) -> None:
        """Overwrite a small table that is derived from the others."""
        content = rows.cast(TABLES[table])
        until_committed(lambda: deltalake.write_deltalake(str(self.path / table), content, mode="overwrite"))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class Part:
    """One Parquet file on its way into a table. Nothing of it is in the lake before `commit`."""

    def __init__(self, lake: Lake, table: str, path: Path) -> None:
        self._lake, self._table, self._path = lake, table, path
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.Table] = []
        self._held_rows = self._held_bytes = 0
        self.rows = 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Add rows. Few are held until there are enough of them for a group of rows."""
        if not rows.num_rows:
            return
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        self._held.append(table.select(TABLES[self._table].names).cast(TABLES[self._table]))
        self.rows += table.num_rows
        self._held_rows += table.num_rows
        self._held_bytes += self._held[-1].nbytes
        if self._held_rows >= GROUP_ROWS or self._held_bytes >= GROUP_BYTES:
            self._write_held()

    def _write_held(self) -> None:
        if not self._held:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, TABLES[self._table], compression="zstd")
        self._writer.write_table(pa.concat_tables(self._held))
        self._held = []
        self._held_rows = self._held_bytes = 0

    def keep(self, column: str, wanted: Collection[int]) -> None:
        """Write the part anew with only those rows whose `column` is among `wanted`."""
        self.close()
        if self._writer is None:
            return
        kept = pa.array(sorted(wanted), TABLES[self._table].field(column).type)
        written, self._writer, self.rows = self._path, None, 0
        self._path = written.with_name(f"part-{uuid.uuid4().hex}.parquet")
        with pq.ParquetFile(written) as rows:
            for batch in rows.iter_batches():
                self.write(batch.filter(pc.is_in(batch[column], kept)))
        self.close()
        written.unlink()

    def close(self) -> None:
        self._write_held()
        if self._writer is not None:
            self._writer.close()

    def commit(self, transactions: list[str] | None = None) -> None:
        self.close()
        if self.rows:
            self._lake.commit(self._table, self._path, self.rows, transactions)

    def discard(self) -> None:
        self._held = []
        self.close()
        self._path.unlink(missing_ok=True)


def until_committed(commit: Callable[[], None]) -> None:
    """Try again, a little later each time, where another run's commit came first."""
    for attempt in range(1, _COMMIT_TRIES + 1):
        try:
            commit()
        except DeltaError:
            if attempt == _COMMIT_TRIES:
                raise
            time.sleep(0.05 * 2**attempt)
        else:
            return


def _stored(config: Path) -> dict[str, Any]:
    """What the lake says of itself."""
    try:
        stored: dict[str, Any] = json.loads(config.read_text("utf-8"))
        _ = stored["lake_version"], stored["text"], bytes.fromhex(stored["key"])
    except OSError as error:
        raise AuditError(f"{config}: cannot be read ({error.strerror}). Run as the user who made the lake.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise AuditError(
            f"{config} is damaged: put it back from a copy. Its key cannot be made again, "
            "so without one the logs have to go into a new lake."
        ) from error
    return stored


def _make(path: Path, text: str) -> None:
    """Write the lake's config, whole or not at all: of two runs that both make the lake, one does, and both read its key."""
    if text not in TEXT_MODES:
        raise AuditError(f"text = {text!r} is not one of {', '.join(TEXT_MODES)}.")
    content = {"lake_version": schema.LAKE_VERSION, "text": text, "key": secrets.token_hex(32)}
    written = path / f".{CONFIG}.{uuid.uuid4().hex}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(content, out)
        try:
            os.link(written, path / CONFIG)
        finally:
            written.unlink()
    except FileExistsError:
        if not (path / CONFIG).exists():
            raise AuditError(f"{path} is a file, so it cannot be a lake. Name a folder with --lake.") from None
    except OSError as error:
        raise AuditError(
            f"{path}: cannot make a lake here ({error.strerror}). Name another folder with --lake."
        ) from error
