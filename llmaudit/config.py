"""Everything a run can be told, as one frozen value. The only reader of `llmaudit.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llmaudit.errors import AuditError, UnknownName

DEFAULT_TTL_SECONDS = 3_600


@dataclass(frozen=True)
class AuditConfig:
    """One audit. Dates are days in `timezone`; `until` is not included."""

    paths: tuple[str, ...] = ()
    lake: Path | None = None
    source: str | None = None
    since: date | None = None
    until: date | None = None
    as_of: date | None = None
    """Day the report speaks from; None is today."""
    timezone: str = "UTC"
    log_timezone: str = "UTC"
    """Zone of times in logs that name none."""
    engine: str = "duckdb"
    engine_options: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    """sample, all or none; None is what the lake already keeps, or sample."""
    levers: tuple[str, ...] = ()
    """Levers to pull; empty is every one."""
    without: tuple[str, ...] = ()
    prices: Path | None = None
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    """How long a response cache may keep an answer, for the exact_duplicates finding."""
    billing_modes: Mapping[str, str] = field(default_factory=dict)
    """Source -> billing mode of its calls, where the log does not say: subscription for coding agents on a seat."""
    tuned_provider: str = "mistral_ai"
    tuned_model: str = "ministral-8b-latest"
    """Whose list price stands for inference on a tuned small model."""
    keep_steps: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        for name in (self.timezone, self.log_timezone):
            _zone(name)
        if self.since and self.until and self.since >= self.until:
            raise AuditError(f"--since {self.since} is not before --until {self.until}: the window is empty.")

    @property
    def zone(self) -> ZoneInfo:
        return _zone(self.timezone)

    def starts_at(self) -> datetime:
        """First moment of the window, UTC without zone."""
        return self._moment(self.since) if self.since else datetime(1, 1, 2)  # noqa: DTZ001 - the lake keeps UTC bare

    def ends_at(self) -> datetime:
        """First moment after the window, UTC without zone."""
        return self._moment(self.until) if self.until else datetime(9999, 12, 30)  # noqa: DTZ001

    def sha256(self) -> str:
        """Equal for configs that give equal numbers from equal input: where files lie does not count."""
        apart = {"paths", "lake", "keep_steps", "strict", "as_of", "engine_options"}
        said = {f.name: str(getattr(self, f.name)) for f in fields(self) if f.name not in apart}
        return sha256(repr(sorted(said.items())).encode()).hexdigest()

    def _moment(self, day: date) -> datetime:
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        return local.astimezone(UTC).replace(tzinfo=None)


def load(path: Path | None, **given: Any) -> AuditConfig:
    """An AuditConfig from a TOML file, with what the user said on the command line over it.

    Raises AuditError naming the file and the key for anything it does not know.
    """
    stated = _read(path) if path else {}
    said = {name: value for name, value in given.items() if value is not None}
    return replace(AuditConfig(**stated), **said)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise AuditError(f"{path}: cannot be read ({error.strerror}).") from error
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"{path}: not TOML: {error}.") from error
    known = {f.name for f in fields(AuditConfig)} - {"paths"}
    for name in content:
        if name not in known:
            raise UnknownName(f"setting in {path}", name, known)
    return {name: _typed(name, value, path.parent) for name, value in content.items()}


def _typed(name: str, value: Any, folder: Path) -> Any:
    if name in ("levers", "without"):
        return tuple(value)
    if name in ("lake", "prices"):
        return folder / value
    return value


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise AuditError(
            f"No timezone called {name!r}. Use a name such as UTC, Europe/Berlin or America/New_York."
        ) from None


def days_between(first: datetime, last: datetime, zone: ZoneInfo) -> list[tuple[str, datetime, datetime]]:
    """Every local day that holds a moment from `first` to `last`: name, start, end (UTC without zone)."""
    day = first.replace(tzinfo=UTC).astimezone(zone).date()
    end = last.replace(tzinfo=UTC).astimezone(zone).date()
    days = []
    while day <= end:
        following = day + timedelta(days=1)
        days.append((day.isoformat(), _bare(day, zone), _bare(following, zone)))
        day = following
    return days


def _bare(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
