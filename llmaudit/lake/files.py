"""Finds the files that a user means: a file, a folder, a glob, standard input, a remote address."""

from __future__ import annotations

import fnmatch
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import xxhash

from llmaudit.errors import AuditError, MissingExtra

CHUNK_BYTES = 2**20
NOT_LOGS = (
    "*.md",
    "LICENSE*",
    ".*",
    "*.pyc",
    "*[Mm]anifest.json",
    "manifest.json.out",
    "_SUCCESS",
    "amazon-bedrock-logs-permission-check",
)
"""Documents, and what clouds write beside their exports."""


@dataclass(frozen=True)
class InputFile:
    """One file to read. `named` says whether the user named it, rather than a folder that holds it."""

    path: Path
    shown: str
    named: bool


@dataclass(frozen=True)
class Content:
    """What one pass over the bytes tells: who the file is, and the memory its longest line will need."""

    content_hash: str
    size: int
    longest_line: int


def find(paths: Sequence[str], spool: Path) -> tuple[list[InputFile], list[str]]:
    """The files behind `paths`, sorted, and the names of those left out as no logs. Raises AuditError for a path that is not there.

    Standard input (`-`) and remote files are copied into the folder `spool` first.
    """
    found: dict[Path, InputFile] = {}
    left_out: list[str] = []
    for name in paths:
        for file in _expand(name, spool):
            if not file.named and any(fnmatch.fnmatch(file.path.name, pattern) for pattern in NOT_LOGS):
                left_out.append(file.shown)
                continue
            if file.named or file.path.absolute() not in found:
                found[file.path.absolute()] = file
    return sorted(found.values(), key=lambda file: file.shown), left_out


COMPRESSED_LINE_BYTES = 2**26


def look_through(path: Path, room: bytearray | None = None) -> Content:
    """Hash the file and measure its longest line (no less than `CHUNK_BYTES`; compressed files are given a fixed room).

    `room` is what to read into: one for many files spares the machine new memory for each.
    """
    room = room or bytearray(CHUNK_BYTES)
    bytes_read = memoryview(room)
    digest = xxhash.xxh3_128()
    longest = COMPRESSED_LINE_BYTES if path.suffix in (".gz", ".zst") else CHUNK_BYTES
    since = size = 0
    with path.open("rb", buffering=0) as stream:
        while read := stream.readinto(room):
            digest.update(bytes_read[:read])
            size += read
            first = room.find(b"\n", 0, read)
            longest = max(longest, since + (first if first >= 0 else read))
            since = since + read if first < 0 else read - room.rfind(b"\n", 0, read)
    return Content(digest.hexdigest(), size, longest)


def _expand(name: str, spool: Path) -> Iterator[InputFile]:
    if name == "-":
        yield InputFile(_spooled(sys.stdin.buffer, "stdin.jsonl", spool), "standard input", named=True)
        return
    if "://" in name:
        yield from _remote(name, spool)
        return
    yield from _on_disk(name, Path(name).expanduser(), spool)


def _on_disk(name: str, path: Path, spool: Path) -> Iterator[InputFile]:
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            files = [Path(folder, name) for name in names if not name.startswith(".")]
            yield from (InputFile(file, str(file), named=False) for file in files if file.is_file())
        return
    if path.is_file():
        yield InputFile(path, name, named=True)
        return
    if path.exists():  # a pipe, such as the shell's <(...), which can be read once only
        with path.open("rb") as pipe:
            yield InputFile(_spooled(pipe, path.name, spool), name, named=True)
        return
    matches = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))) if _is_glob(name) else []
    if not matches:
        raise AuditError(
            f"{name}: {'no file matches' if _is_glob(name) else 'no such file or folder'}. {_nearby(path)}"
        )
    for match in matches:
        for found in _on_disk(str(match), match, spool):
            yield replace(found, named=False)


def _is_glob(name: str) -> bool:
    return any(mark in name for mark in "*?[")


def _nearby(path: Path) -> str:
    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))[:5]
    return f"{folder.absolute()} holds: {', '.join(names) or 'nothing'}."


def _remote(name: str, spool: Path) -> Iterator[InputFile]:
    try:
        import fsspec
    except ImportError:
        raise MissingExtra(f"Reading {name}", "cloud") from None
    files = fsspec.open_files(name, "rb")
    if not files:
        raise AuditError(f"{name}: nothing is there, or the credentials in the environment may not list it.")
    for remote in files:
        with remote as stream:
            target = _spooled(stream, Path(remote.path).name, spool)
        yield InputFile(target, remote.full_name, named=len(files) == 1)


def _spooled(stream: IO[bytes], name: str, spool: Path) -> Path:
    """A copy under a name of its own: two streams of one name are two files."""
    target = Path(tempfile.mkdtemp(dir=spool)) / name
    with target.open("wb") as out:
        shutil.copyfileobj(stream, out)
    return target
