"""A folder of files that are handed over: written in one go, each with its hash in `manifest.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llmaudit.errors import AuditError

MANIFEST = "manifest.json"


def check(folder: Path, kind: str) -> None:
    """Raise AuditError for a place that cannot be written, before any work is done: only an export of the same kind is replaced."""
    if folder.exists() and not folder.is_dir():
        raise AuditError(f"{folder}: this is a file. Name a folder with -o.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise AuditError(f"{folder} holds other files. Name a new folder with -o, or empty this one.")
    if (folder / MANIFEST).exists() and (held := _kind(folder)) != kind:
        raise AuditError(f"{folder} holds another export ({held or 'damaged'}). Name a new folder with -o.")


def write(folder: Path, files: Mapping[str, str], manifest: Mapping[str, Any]) -> list[Path]:
    """Write texts and the manifest, which gains the size and hash of each; what an earlier manifest lists goes first."""
    listed = {name: {**about(text), **_rows(name, text)} for name, text in files.items()}
    whole = {**files, MANIFEST: as_json({**manifest, "files": listed})}
    try:
        _clear(folder)
        for name, text in whole.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise AuditError(f"{folder}: cannot be written ({error.strerror or error}).") from error
    return [folder / name for name in whole]


def about(text: str) -> dict[str, Any]:
    content = text.encode()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def manifest_of(folder: Path) -> dict[str, Any]:
    """What a folder says of itself. Raises AuditError where it says nothing, or where a file was changed since."""
    path = folder / MANIFEST
    try:
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))
        listed = said["files"].items()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise AuditError(f"{path}: no manifest of an export. Write one with: llmaudit export fine-tune.") from error
    for name, file in listed:
        there = (folder / name).read_bytes() if (folder / name).is_file() else b""
        if hashlib.sha256(there).hexdigest() != file["sha256"]:
            raise AuditError(
                f"{folder / name} is not the file that {path} lists: it was changed or lost. Export it again."
            )
    return said


def jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def as_yaml(value: Mapping[str, Any]) -> str:
    """YAML of mappings, lists and JSON's scalars; texts stand in quotes.

    >>> print(as_yaml({"a": {"b": [1, "x"], "c": []}, "on": [{"d": None, "e": True}]}), end="")
    a:
      b:
        - 1
        - "x"
      c: []
    "on":
      - d: null
        e: true
    """
    return "".join(f"{line}\n" for line in _yaml(value))


def _yaml(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _yaml_under(_yaml_key(key), inner)
    elif isinstance(value, list) and value:
        for inner in value:
            first, *rest = _yaml(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _yaml_under(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list) and value:
        yield f"{key}:"
        yield from (f"  {line}" for line in _yaml(value))
    else:
        yield f"{key}: {json.dumps(value, ensure_ascii=False)}"


def _yaml_key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").isalnum() and key[0].isalpha()
    return key if plain and key.lower() not in _READ_AS_SWITCHES else json.dumps(key, ensure_ascii=False)


_READ_AS_SWITCHES = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def _kind(folder: Path) -> str | None:
    try:
        kind: str | None = json.loads((folder / MANIFEST).read_text("utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kind


def _rows(name: str, text: str) -> dict[str, int]:
    return {"rows": text.count("\n")} if name.endswith(".jsonl") else {}


def _clear(folder: Path) -> None:
    """Remove what an earlier export listed, so that no file of it is taken for one of this."""
    try:
        listed = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return
    for name in listed:
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()):
            path.unlink(missing_ok=True)
