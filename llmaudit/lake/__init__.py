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
from dataclasses import dataclass
from pathlib import Path

import deltalake
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import CommitFailedError, DeltaError
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
    "ingests": schema.INGESTS,
    "quarantine": schema.QUARANTINE,
    "endpoints": pa.schema([schema.REQUESTS.field("request_id"), schema.REQUESTS.field("endpoint")]),
}
_TEMPORARY_KEY = b"llmaudit temporary lake"
_COMMIT_TRIES = 8


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
        config = path / CONFIG
        if not config.exists():
            if not create:
                raise AuditError(
                    f"{path} is not a lake: it has no {CONFIG}. Make one with: llmaudit ingest LOGS --lake {path}"
                )
            _make(path, text or "sample")
        stored = json.loads(config.read_text("utf-8"))
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
        uri = str(self.path / table)
        return sorted(deltalake.DeltaTable(uri).file_uris()) if deltalake.DeltaTable.is_deltatable(uri) else []

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
        for attempt in range(1, _COMMIT_TRIES + 1):
            try:
                delta = deltalake.DeltaTable.create(str(self.path / table), schema=TABLES[table], mode="ignore")
                delta.create_write_transaction([action], "append", TABLES[table], commit_properties=properties)
            except (CommitFailedError, DeltaError):
                if attempt == _COMMIT_TRIES:
                    raise
                time.sleep(0.05 * 2**attempt)
            else:
                return

    def writer(self, table: str) -> Part:
        folder = self.path / table
        folder.mkdir(parents=True, exist_ok=True)
        return Part(self, table, folder / f"part-{uuid.uuid4().hex}.parquet")

    def replace(self, table: str, rows: pa.Table) -> None:
        """Overwrite a small table that is derived from the others."""
        deltalake.write_deltalake(str(self.path / table), rows.cast(TABLES[table]), mode="overwrite")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class Part:
    """One Parquet file on its way into a table. Nothing of it is in the lake before `commit`."""

    def __init__(self, lake: Lake, table: str, path: Path) -> None:
        self._lake, self._table, self._path = lake, table, path
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        if not rows.num_rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, TABLES[self._table], compression="zstd")
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        self._writer.write_table(table.select(TABLES[self._table].names).cast(TABLES[self._table]))
        self.rows += table.num_rows

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def commit(self, transactions: list[str] | None = None) -> None:
        self.close()
        if self.rows:
            self._lake.commit(self._table, self._path, self.rows, transactions)

    def discard(self) -> None:
        self.close()
        self._path.unlink(missing_ok=True)


def _make(path: Path, text: str) -> None:
    if text not in TEXT_MODES:
        raise AuditError(f"text = {text!r} is not one of {', '.join(TEXT_MODES)}.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        content = {"lake_version": schema.LAKE_VERSION, "text": text, "key": secrets.token_hex(32)}
        with os.fdopen(os.open(path / CONFIG, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(content, out)
    except FileExistsError:
        if not (path / CONFIG).exists():
            raise AuditError(f"{path} is a file, so it cannot be a lake. Name a folder with --lake.") from None
    except OSError as error:
        raise AuditError(
            f"{path}: cannot make a lake here ({error.strerror}). Name another folder with --lake."
        ) from error
