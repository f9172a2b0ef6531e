"""Logs of a shape of their own, read by what `[sources.NAME]` in llmaudit.toml says of them: paths to canonical fields.

A mapped record is brought to the plain shape of `plain_jsonl` and read by its SELECT: from there on nothing is special
about it. Paths are literals of a view; nothing that a user wrote becomes SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

from llmaudit.errors import AuditError, UnknownName
from llmaudit.sources.base import Peek, Source

SETTINGS = ("match", "format", "input_includes_cache", "output_includes_reasoning")
FORMATS = {"jsonl": "lines", "json": "document", "csv": "csv"}

WORDS = {
    "started_at": "timestamp",
    "request_id": "request_id",
    "span_id": "span_id",
    "parent_id": "parent_id",
    "attempt": "attempt",
    "endpoint": "endpoint",
    "team": "team",
    "project": "project",
    "environment": "environment",
    "cost_centre": "cost_centre",
    "sample_rate": "sample_rate",
    "user_id": "user",
    "api_key_id": "api_key_id",
    "account_id": "account_id",
    "session_id": "session_id",
    "trace_id": "trace_id",
    "provider": "provider",
    "region": "region",
    "operation": "operation",
    "billing_mode": "billing_mode",
    "request_model": "model",
    "duration_ms": "latency_ms",
    "first_token_ms": "ttft_ms",
}
"""Canonical field -> column of the plain shape that it is as it stands."""

COUNTS = {
    "cache_read_tokens": "$.prompt_tokens_details.cached_tokens",
    "cache_write_tokens": "$.prompt_tokens_details.cache_write_tokens",
    "cache_write_long_tokens": "$.prompt_tokens_details.cache_write_tokens_details.ttl_12h_tokens",
    "reasoning_tokens": "$.completion_tokens_details.reasoning_tokens",
    "input_audio_tokens": "$.prompt_tokens_details.audio_tokens",
    "input_image_tokens": "$.prompt_tokens_details.image_tokens",
    "input_video_tokens": "$.prompt_tokens_details.video_tokens",
    "cache_audio_read_tokens": "$.prompt_tokens_details.cached_tokens_details.audio_tokens",
    "output_audio_tokens": "$.completion_tokens_details.audio_tokens",
    "output_image_tokens": "$.completion_tokens_details.image_tokens",
    "web_searches": "$.server_tool_use.web_search_requests",
    "images": "$.images",
    "storage_searches": "$.storage_searches",
    "input_document_pages": "$.input_document_pages",
    "input_annotated_document_pages": "$.input_annotated_document_pages",
    "audio_seconds": "$.audio_seconds",
    "video_seconds": "$.video_seconds",
    "input_characters": "$.input_characters",
    "output_characters": "$.output_characters",
    "input_text_messages": "$.input_text_messages",
}
"""Canonical count -> its place in a usage object of OpenAI's."""

ASKED = {
    "system_text": "system",
    "temperature": "temperature",
    "max_output_tokens": "max_tokens",
    "stream": "stream",
    "requested_service_tier": "service_tier",
}
ANSWERED = {"provider_id": "id", "response_model": "model", "service_tier": "service_tier"}
FURTHER = (
    "tags",
    "status",
    "http_status",
    "error_type",
    "reported_cost_usd",
    "finish_reason",
    "request",
    "response",
    "messages",
    "prompt_text",
    "output_text",
    "input_tokens",
    "output_tokens",
)
FIELDS = frozenset({*WORDS, *COUNTS, *ASKED, *ANSWERED, *FURTHER})
TIMES = ("started_at",)
MODELS = ("request_model", "response_model", "request", "response")
PLAIN = (*dict.fromkeys(WORDS.values()), "tags", "status", "error", "cost_usd", "request", "response")


@dataclass(frozen=True)
class Place:
    """Where a field stands in a record, or the value it has in every one."""

    path: str | None = None
    value: str | None = None
    times: float | None = None
    format: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Outermost keys that hold it: a key may have dots in its name."""
        return () if self.path is None else tuple(dict.fromkeys((self.path, _keys(self.path)[0])))

    def found(self) -> str:
        """What stands there, as text, in SQL."""
        if self.path is None:
            return _literal(self.value or "")
        first, *rest = _keys(self.path)
        if not rest:
            return _column(self.path)
        steps = "".join(f"[{key}]" if key.isdecimal() else f'."{key}"' for key in rest)
        return f"coalesce({_column(self.path)}, try_cast({_column(first)} as json) ->> {_literal('$' + steps)})"

    def sql(self) -> str:
        text = self.found()
        if self.format is not None:
            text = f"coalesce(cast(try_strptime({text}, {_literal(self.format)}) as varchar), {text})"
        if self.times is not None:
            text = f"cast(try_cast(without_thousands({text}) as decimal(30, 10)) * {self.times!r} as varchar)"
        return text


class Mapped(Source):
    """A source that llmaudit.toml describes."""

    query = "plain_jsonl"
    bodies = ("request", "response")
    match: ClassVar[tuple[str, ...]] = ()
    places: ClassVar[Mapping[str, Place]] = {}

    def matches(self, peek: Peek) -> bool:
        return self.claims(peek.name)

    def claims(self, shown: str) -> bool:
        """Whether a file of this name is one of those that `match` means."""
        return any(PurePath(shown).match(pattern) for pattern in self.match)


def sources_of(tables: Mapping[str, Any], known: Mapping[str, Source]) -> dict[str, Source]:
    """The sources that `[sources.NAME]` tables describe. Raises AuditError naming the table and what is wrong with it."""
    return {name: _source(name, table, known) for name, table in tables.items()}


def _source(name: str, table: Any, known: Mapping[str, Source]) -> Source:
    if not isinstance(table, Mapping):
        raise AuditError(f"sources.{name} = {table!r} should be a table of fields: [sources.{name}].")
    if name in known:
        raise AuditError(f"[sources.{name}]: llmaudit has a source called {name} already. Choose another name.")
    places = {field: _place(name, field, given) for field, given in table.items() if field not in SETTINGS}
    _check_needed(name, places)
    patterns = table.get("match", [])
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) and pattern for pattern in patterns):
        raise AuditError(
            f'[sources.{name}]: match = {patterns!r} should be a name with wildcards, such as "checkout-*.jsonl".'
        )
    shape = table.get("format", "csv" if patterns and all(".csv" in pattern for pattern in patterns) else "jsonl")
    if shape not in FORMATS:
        raise UnknownName(f"format in [sources.{name}]", str(shape), FORMATS)
    said = {
        "__module__": __name__,
        "name": name,
        "shape": FORMATS[shape],
        "match": tuple(patterns),
        "places": places,
        "columns": dict.fromkeys((column for place in places.values() for column in place.columns), "VARCHAR"),
        "made": _plain(places, *(_switch(name, table, setting) for setting in SETTINGS[2:])),
    }
    mapped: Source = type("Mapped", (Mapped,), said)()
    return mapped


def _place(name: str, field: str, given: Any) -> Place:
    where = f"[sources.{name}]: {field}"
    if field not in FIELDS:
        raise UnknownName(f"field in [sources.{name}]", field, [*FIELDS, *SETTINGS])
    if isinstance(given, str) and given.strip():
        return Place(path=given.strip())
    if not isinstance(given, Mapping):
        raise AuditError(
            f'{where} = {given!r} should be a path, such as "usage.tokens_in", or a table with path or value.'
        )
    if unknown := set(given) - {"path", "value", "times", "format"}:
        raise UnknownName(f"setting of {field} in [sources.{name}]", min(unknown), ["path", "value", "times", "format"])
    if ("path" in given) == ("value" in given):
        raise AuditError(f"{where} needs either a path or a value.")
    times = given.get("times")
    if times is not None and (isinstance(times, bool) or not isinstance(times, int | float)):
        raise AuditError(f"{where}: times = {times!r} should be a number, such as 1000.")
    texts = {key: str(given[key]) for key in ("path", "value", "format") if key in given}
    return Place(**texts, times=times)


def _check_needed(name: str, places: Mapping[str, Place]) -> None:
    if not set(TIMES) & set(places):
        raise AuditError(
            f'[sources.{name}] does not say where the time of a call stands. Add started_at = "path.to.it".'
        )
    if not set(MODELS) & set(places):
        raise AuditError(
            f'[sources.{name}] does not say where the model stands. Add request_model = "path.to.it", '
            "or request and response where the log holds the provider's own bodies."
        )


def _switch(name: str, table: Mapping[str, Any], setting: str) -> bool:
    given = table.get(setting, True)
    if not isinstance(given, bool):
        raise AuditError(f"[sources.{name}]: {setting} = {given!r} should be true or false.")
    return given


def nowhere(source: Source) -> Iterator[tuple[str, str, str]]:
    """Field, its path, and the path in SQL, of every field that is looked up."""
    for field, place in getattr(source, "places", {}).items():
        if place.path is not None:
            yield field, place.path, place.found()


def _plain(places: Mapping[str, Place], cache_inside: bool, reasoning_inside: bool) -> dict[str, str]:
    """Columns of the plain shape, in SQL over the columns of the file."""

    def of(field: str) -> str:
        return places[field].sql() if field in places else "cast(null as varchar)"

    made = dict.fromkeys(PLAIN, "cast(null as varchar)")
    made |= {column: of(field) for field, column in WORDS.items()}
    made["tags"] = f"try_cast({of('tags')} as json)"
    made["status"] = f"coalesce({of('http_status')}, {of('status')})"
    made["error"] = f"to_json(nullif(trim({of('error_type')}), ''))"
    made["cost_usd"] = f"regexp_replace({of('reported_cost_usd')}, '[$€£\\s,]', '', 'g')"
    made["request"] = f"coalesce({_body(of('request'))}, {_asked(of)})"
    made["response"] = f"coalesce({_body(of('response'))}, {_answered(of, places, cache_inside, reasoning_inside)})"
    return made


def _body(text: str) -> str:
    """A body as JSON; what is none, such as the events of a stream, as JSON's text."""
    return f"coalesce(case when json_type(try_cast({text} as json)) in ('OBJECT', 'ARRAY') then try_cast({text} as json) end, to_json({text}))"


def _asked(of: Any) -> str:
    prompt = f"case when {of('prompt_text')} is not null then json_array(json_object('role', 'user', 'content', {of('prompt_text')})) end"
    parts = [f"'{key}', {of(field)}" for field, key in ASKED.items()]
    return (
        f"json_object('model', {of('request_model')}, 'messages', "
        f"coalesce(try_cast({of('messages')} as json), {prompt}), {', '.join(parts)})"
    )


def _answered(of: Any, places: Mapping[str, Place], cache_inside: bool, reasoning_inside: bool) -> str:
    count = {field: f"as_count(without_thousands({of(field)}))" for field in (*COUNTS, "input_tokens", "output_tokens")}
    beside = [] if cache_inside else [f"coalesce({count[f]}, 0)" for f in ("cache_read_tokens", "cache_write_tokens")]
    prompt = " + ".join([count["input_tokens"], *beside])
    completion = " + ".join(
        [count["output_tokens"], *([] if reasoning_inside else [f"coalesce({count['reasoning_tokens']}, 0)"])]
    )
    usage = f"json_object('prompt_tokens', {prompt}, 'completion_tokens', {completion}, {_nested(count)})"
    message = (
        f"json_object('finish_reason', {of('finish_reason')}, 'message', json_object('content', {of('output_text')}))"
    )
    parts = [f"'{key}', {of(field)}" for field, key in ANSWERED.items()]
    told = [of(field) for field in ("provider_id", "response_model", "finish_reason", "output_text") if field in places]
    counted = [of(field) for field in (*COUNTS, "input_tokens", "output_tokens") if field in places]
    if not told and not counted:
        return "null"
    has_usage = f"coalesce({', '.join(counted)}) is not null" if counted else "false"
    return (
        f"case when coalesce({', '.join([*told, *counted])}) is not null then json_object({', '.join(parts)}, "
        f"'choices', json_array({message}), 'usage', case when {has_usage} then {usage} end) end"
    )


def _nested(count: Mapping[str, str]) -> str:
    """The details of a usage object, as arguments of json_object."""
    tree: dict[str, Any] = {}
    for field, path in COUNTS.items():
        *above, last = path.removeprefix("$.").split(".")
        node = tree
        for key in above:
            node = node.setdefault(key, {})
        node[last] = count[field]
    return _arguments(tree)


def _arguments(tree: Mapping[str, Any]) -> str:
    return ", ".join(
        f"'{key}', {part if isinstance(part, str) else f'json_object({_arguments(part)})'}"
        for key, part in tree.items()
    )


def _keys(path: str) -> list[str]:
    """The steps of a path; a name that is none is one step.

    >>> _keys("choices[0].text")
    ['choices', '0', 'text']
    """
    return [key for key in path.replace("[", ".").replace("]", "").split(".") if key] or [path]


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
