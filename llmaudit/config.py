"""Everything a run can be told, as one frozen value. The only reader of `llmaudit.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from llmaudit.errors import AuditError, UnknownName

DEFAULT_TTL_SECONDS = 3_600
TEXT_MODES = ("sample", "all", "none")
BILLING_MODES = ("metered", "subscription", "provisioned", "self_hosted", "free")


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
    sandbox: tuple[str, ...] = ()
    """Endpoints where nobody wants to save: in the totals, and in no finding and no plan."""
    lever_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Lever -> its settings, as `[levers.<name>]` of llmaudit.toml has them."""
    prices: Path | None = None
    price_book: Path | None = None
    """Folder of a price book that `llmaudit prices update` wrote; None is the shipped one."""
    rates: Path | None = None
    """The user's own exchange rates, over the published ones."""
    currency: str = "USD"
    """Currency of the second view of totals."""
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    """How long a response cache may keep an answer, for the exact_duplicates finding."""
    billing_modes: Mapping[str, str] = field(default_factory=dict)
    """Source -> billing mode of its calls, where the log does not say: subscription for coding agents on a seat."""
    tuned_provider: str = ""
    tuned_model: str = ""
    """The one model whose list price stands for inference on a tuned small model; empty compares those of the table."""
    tuning_targets: Path | None = None
    """The user's own rows of the table of where models are tuned and served, as docs/fine-tune-economics.md has them."""
    allocation: Mapping[str, Any] = field(default_factory=dict)
    """How cost is allocated, as `[allocation]` has it; see allocation.py."""
    owners: Path | None = None
    """Whose calls are, where the log does not say: a CSV of labels by key, project, user or endpoint."""
    sample_rates: Mapping[str, float] = field(default_factory=dict)
    """Source -> share of the calls that its logs were set to keep."""
    sources: Mapping[str, Any] = field(default_factory=dict)
    """Logs of the user's own shape: name -> paths to canonical fields, as `[sources.NAME]` has them."""
    compare: Path | None = None
    """An earlier report.json, whose cost a bridge leads from."""
    keep_steps: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        for name in (self.timezone, self.log_timezone):
            _zone(name)
        if self.text not in (None, *TEXT_MODES):
            raise AuditError(f"text = {self.text!r} is not one of {', '.join(TEXT_MODES)}.")
        if unknown := set(self.billing_modes.values()) - set(BILLING_MODES):
            raise UnknownName("billing mode", min(unknown), BILLING_MODES)
        for name, rate in self.sample_rates.items():
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
                raise AuditError(f"sample_rates: {name} = {rate!r} should be a share above 0 and up to 1, such as 0.1.")
        if not re.fullmatch("[A-Z]{3}", self.currency):
            raise AuditError(f"currency = {self.currency!r} is not a currency's code, such as EUR.")
        if self.keep_steps and not self.lake:
            raise AuditError("--keep-steps leaves its tables in the lake: name one with --lake DIR.")
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
        apart = {"paths", "lake", "compare", "keep_steps", "strict", "as_of", "engine_options"}
        said = {f.name: str(getattr(self, f.name)) for f in fields(self) if f.name not in apart}
        return sha256(repr(sorted(said.items())).encode()).hexdigest()

    def _moment(self, day: date) -> datetime:
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        try:
            return local.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise AuditError(f"{day}: no day that a log could be of.") from None


def load(path: Path | None, **given: Any) -> AuditConfig:
    """An AuditConfig from a TOML file, with what the user said on the command line over it.

    Raises AuditError naming the file and the key for anything it does not know.
    """
    stated = _read(path) if path else {}
    said = {name: value for name, value in given.items() if value is not None}
    return AuditConfig(**{**stated, **said})


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise AuditError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise AuditError(f"{path}: not TOML: it is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"{path}: not TOML: {error}.") from error
    content |= _lever_tables(content.pop("levers", None), path)
    known = {f.name for f in fields(AuditConfig)} - {"paths"}
    for name in content:
        if name not in known:
            raise UnknownName(f"setting in {path}", name, known)
    return {name: _typed(name, value, path) for name, value in content.items()}


def _lever_tables(levers: Any, file: Path) -> dict[str, Any]:
    """`levers` is a list of those to pull, or a table of settings by lever, with the list under `only`."""
    if not isinstance(levers, dict):
        return {} if levers is None else {"levers": levers}
    tables = dict(levers)
    only = {"levers": tables.pop("only")} if "only" in tables else {}
    for name, settings in tables.items():
        if not isinstance(settings, dict):
            raise AuditError(f"{file}: levers.{name} = {settings!r} should be a table: [levers.{name}].")
    return {**only, "lever_settings": tables}


def _typed(name: str, value: Any, file: Path) -> Any:
    """A value of TOML as `AuditConfig` wants it."""
    kind, wanted = _KINDS.get(name, (str, 'text in quotes, such as "UTC"'))
    if not _is(value, kind):
        raise AuditError(f"{file}: {name} = {value!r} should be {wanted}.")
    if name in ("lake", "prices", "price_book", "rates", "owners", "compare", "tuning_targets"):
        return file.parent / Path(value).expanduser()
    if name == "engine_options":
        return {option: str(setting) for option, setting in value.items()}
    return tuple(value) if kind is list else value


def _is(value: object, kind: type) -> bool:
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return False
    return type(value) is kind  # a switch is no number, and a time is no day


_DAY = (date, "a day without quotes, such as 2026-10-01")
_NAMES = (list, 'a list of names, such as ["exact_duplicates"]')
_SWITCH = (bool, "true or false")
_KINDS: Mapping[str, tuple[type, str]] = {
    "since": _DAY,
    "until": _DAY,
    "as_of": _DAY,
    "levers": _NAMES,
    "without": _NAMES,
    "sandbox": (list, 'a list of endpoints, such as ["/playground"]'),
    "ttl_seconds": (int, "a whole number of seconds"),
    "keep_steps": _SWITCH,
    "strict": _SWITCH,
    "lever_settings": (dict, "a table of settings by lever"),
    "billing_modes": (dict, 'a table of source = "mode"'),
    "engine_options": (dict, "a table of the engine's own settings"),
    "sample_rates": (dict, "a table of source = share"),
    "sources": (dict, "tables of fields: [sources.NAME]"),
    "allocation": (dict, "a table: [allocation]"),
}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, such as Europe, is an OSError
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
