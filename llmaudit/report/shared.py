"""A report that can be given away: no texts, no examples, no names of users, keys, accounts or files.

Whatever is not known to be harmless is left out: numbers stay, and of the strings only those that we wrote, and names of
models, teams, projects and labelled endpoints. A new part of the report is therefore left out until it is named here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmaudit.lake.masking import mask

LEFT_OUT = "left out"

OURS = frozenset(
    [
        "generated_at",
        "llmaudit_version",
        "lake_version",
        "config_sha256",
        "as_of",
        "sha256",
        "currency",
        "start",
        "end",
        "timezone",
        "source",
        "lever",
        "stage",
        "grade",
        "class",
        "kinds",
        "query",
        "best_policy",
        "effort",
        "risk",
        "status",
        "verdict",
        "reason_code",
        "kind",
        "month",
        "by",
        "day",
        "form",
        "language",
        "method",
        "partial_days",
        "where",
        "provider",
        "operation",
        "service_tier",
        "region",
        "rate_source",
    ]
)
"""Keys of strings that are words of ours, times, or names that everybody knows."""

CLEANED = frozenset(("text", "assumes", "assumptions", "action", "reason", "rule", "model", "name", "id"))
"""Keys of strings that we wrote or that name a thing, in which a name of somebody may stand."""

NAMES = {
    "user_id": "user",
    "api_key_id": "key",
    "account_id": "account",
    "sub_account_id": "account",
    "session_id": "session",
    "path": "file",
}
"""Keys, and dimensions, whose values become a word and a number or digest."""

_WORD = re.compile(r"[^\s,;:()'\"]+")
_PATH = re.compile(r"\S*[/\\]\S*\.\w{1,8}\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_NUMBER = re.compile(r"\d{9,}")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)

Report = Mapping[str, Any]


def shareable(report: Report, discovered: Collection[str], key: bytes | None = None) -> dict[str, Any]:
    """The report without what would tell on anybody. `discovered` are endpoints that were named after words of prompts.

    With `key`, a name has the same pseudonym in every report; without one, pseudonyms count up in this report.
    """
    names = _Names(frozenset(discovered), key)
    names.learn(report)
    shared: dict[str, Any] = names.told(report)
    shared["shared"] = True
    shared["warnings"] = [
        {
            "kind": "shared",
            "text": "This report was made to be given away: users, keys, accounts and files have other names, and texts and examples are left out.",
            "usd": None,
        },
        *(_short(warning) for warning in shared["warnings"]),
    ]
    return shared


def _short(warning: Mapping[str, Any]) -> dict[str, Any]:
    """Warnings about files end in a list of their names."""
    if warning["kind"] in ("left_out", "quarantined"):
        return {**warning, "text": warning["text"].partition(":")[0] + "."}
    return dict(warning)


@dataclass
class _Names:
    discovered: frozenset[str]
    key: bytes | None
    known: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def learn(self, value: Any, at: str = "", dimension: str = "") -> None:
        """Give every name its pseudonym, so that it is found in sentences too."""
        if isinstance(value, Mapping):
            inside = str(value["by"]) if isinstance(value.get("by"), str) else dimension
            for name, inner in value.items():
                self.learn(
                    inner, name, name if isinstance(inner, list | tuple) and name not in ("rows", "classes") else inside
                )
        elif isinstance(value, list | tuple):
            for inner in value:
                self.learn(inner, at, dimension)
        elif isinstance(value, str):
            self.name(value, at, dimension)

    def name(self, value: str, at: str, dimension: str) -> str | None:
        """The pseudonym of a value that needs one."""
        kind = NAMES.get(dimension if at == "key" else at)
        if at == "path" and dimension != "files":  # of a field in an answer, not of a file
            return None
        is_endpoint = at == "endpoint" or (at == "key" and dimension == "endpoint")
        if kind is None and is_endpoint and value in self.discovered:
            kind = "endpoint"
        if kind is None and at == "key" and dimension.startswith("tags."):
            kind = "label"
        return None if kind is None else self._pseudonym(kind, value)

    def _pseudonym(self, kind: str, value: str) -> str:
        if value not in self.known:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.known[value] = f"{kind}-{self._mark(kind, value)}"
        return self.known[value]

    def _mark(self, kind: str, value: str) -> str:
        if self.key is None:
            return str(self.counts[kind])
        return hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=5, key=self.key[:64]).hexdigest()

    def told(self, value: Any, at: str = "", dimension: str = "") -> Any:
        if isinstance(value, Mapping):
            inside = str(value["by"]) if isinstance(value.get("by"), str) else dimension
            kept = {
                name: self.told(
                    inner, name, name if isinstance(inner, list | tuple) and name not in ("rows", "classes") else inside
                )
                for name, inner in value.items()
                if not (at == "prompt_caching" and name == "break")
            }
            return self._with_id({**kept, **({"break": None} if "break" in value else {})}, value)
        if isinstance(value, list | tuple):
            return [
                self.told(inner, at, dimension)
                for inner in value
                if not (isinstance(inner, str) and at not in OURS | CLEANED)
            ]
        return self._string(value, at, dimension) if isinstance(value, str) else value

    def _with_id(self, kept: dict[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
        """A finding's id is made of its endpoint and model."""
        if {"id", "lever", "endpoint", "model"} <= set(value):
            kept["id"] = "|".join(str(kept[name] or "") for name in ("lever", "endpoint", "model"))
        return kept

    def _string(self, value: str, at: str, dimension: str) -> str:
        named = self.name(value, at, dimension)
        if named is not None:
            return named
        if at in OURS:
            return value
        return self._clean(value, files=at == "text") if at in CLEANED or at in ("key", "endpoint") else LEFT_OUT

    def _clean(self, text: str, *, files: bool) -> str:
        """A sentence or name of ours, with the names of others in it replaced. Warnings begin with files."""
        if files:
            head, colon, tail = text.partition(": ")
            text = f"{self.known.get(head, head)}{colon}{tail}"
        text = _WORD.sub(lambda found: self._word(found.group(), files=files), text)
        for pattern, instead in ((_EMAIL, "[e-mail]"), (_UUID, "[id]"), (_NUMBER, "[number]")):
            text = pattern.sub(instead, text)
        return mask(text)

    def _word(self, word: str, *, files: bool) -> str:
        bare = word.rstrip(".")
        if bare in self.known:
            return self.known[bare] + word[len(bare) :]
        return "[file]" if files and _PATH.fullmatch(bare) else word
