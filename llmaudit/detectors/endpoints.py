"""Which feature made a call, where the log does not say: endpoint discovery on a sample, as rules for the whole log.

Texts exist for the sample only, keyed hashes for every call. So what is learned on texts leaves here as rules
on hashes; docs/endpoints.md says in which order they apply.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from llmaudit.detectors.words import SLOT, ends, mask, stable_hash

Ints = npt.NDArray[np.int64]

KINDS = (
    "system",
    "template",
    "long_system_tail",
    "long_system_head",
    "system_tail",
    "system_head",
    "long_head",
    "long_tail",
    "head",
    "tail",
    "tools",
)
"""Order in which rules apply: the first kind that names an endpoint wins."""

OTHER = "other"

RULES = {
    "key_kind": pl.String,
    "key_hash": pl.Int64,
    "tools_hash": pl.Int64,
    "response_format": pl.String,
    "alone": pl.Boolean,
    "endpoint": pl.String,
}

_STOCK_WORDS = (
    "you are you're act as be an a the my and very helpful friendly useful polite honest harmless concise smart "
    "knowledgeable expert large language ai assistant chatbot bot model"
)
_STOCK, _STOCK_CHARS = frozenset(_STOCK_WORDS.split()), 200
_FILLING_WORDS = "a an the you are is of to and or in on for from with your this that it be as by at"
_FILLING = frozenset(_FILLING_WORDS.split())
_TOOL_SETS = 3
_MIN_CALLS = 5
_PURE, _FEW_KEYS = 0.95, 0.2
_FEW_TEMPLATES = 3
_SYSTEM_ENDS = ("long_system_tail", "long_system_head", "system_tail", "system_head")
_USER_ENDS = ("long_head", "long_tail", "head", "tail")
_OTHER_END = {"head": "tail", "tail": "head"}
_MIN_LEFT, _MIN_LIKENESS, _MAX_TOPICS = 20, 0.3, 30
_SHOWN, _EXAMPLES, _LOOKED_AT = 600, 3, 30


@dataclass(frozen=True)
class Discovery:
    """What was found. `rules` speaks for the whole log, `inspect` shows a person what each endpoint is."""

    rules: pl.DataFrame
    """One row a rule, columns of RULES. With `alone` the key decides; else tools and response format must be equal too."""
    coverage: float | None
    """Share of the sampled calls without label that the rules give an endpoint. None: there are no such calls."""
    inspect: pl.DataFrame
    """endpoint, calls (in the sample), template with `{…}` for what varies, examples: a few of its calls, the beginnings of their texts."""


def discover(sample: pl.DataFrame) -> Discovery:
    """Find the endpoints of calls without label. Calls with one are only used to name what is the same prompt."""
    calls = _Calls(sample.filter(pl.col("endpoint").is_null()).sort("call_key", "request_id"))
    groups = list(_groups(calls))
    names = _names(groups, calls, sample.filter(pl.col("endpoint").is_not_null()))
    endpoint: list[str | None] = [None] * calls.frame.height
    for group, name in zip(groups, names, strict=True):
        for row in group.rows:
            endpoint[row] = name
    rules = _rules(calls.frame.with_columns(pl.Series("endpoint", endpoint, dtype=pl.String)))
    given = assign(calls.frame, rules)
    coverage = 1 - given.null_count() / len(given) if len(given) else None
    return Discovery(rules, coverage, _inspect(groups, names, calls))


def assign(calls: pl.DataFrame, rules: pl.DataFrame) -> pl.Series:
    """The endpoint of each call by the rules: its label, else the first kind of KINDS with a matching rule."""
    frame = calls.select("endpoint", "response_format", "tools_hash", *(f"{kind}_hash" for kind in KINDS[:-1]))
    answers = [pl.col("endpoint")]
    for kind in KINDS:
        part = rules.filter(pl.col("key_kind") == kind)
        alone = part.filter("alone").select(pl.col("key_hash").alias(f"{kind}_hash"), pl.col("endpoint").alias(kind))
        exact = part.filter(~pl.col("alone")).select(
            pl.col("key_hash").alias(f"{kind}_hash"),
            *([] if kind == "tools" else ["tools_hash"]),
            "response_format",
            pl.col("endpoint").alias(f"{kind}_exact"),
        )
        keys = [name for name in exact.columns if name != f"{kind}_exact"]
        frame = frame.join(alone, on=f"{kind}_hash", how="left", maintain_order="left")
        # A null key names nothing, but no tools and no format are values like any other.
        frame = frame.join(exact, on=keys, how="left", nulls_equal=True, maintain_order="left")
        answers += [pl.col(f"{kind}_exact"), pl.col(kind)]
    return frame.select(pl.coalesce(answers).alias("endpoint")).to_series()


@dataclass(frozen=True)
class _Group:
    rows: list[int]
    template: str
    kind: str
    """What tells apart two groups of one wording: tools offered and response format."""


class _Calls:
    """The unlabelled calls of the sample, in a fixed order."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    @cached_property
    def system(self) -> list[str]:
        """Empty where there is none, or one that says nothing about the feature."""
        return ["" if _is_stock(text) else text for text in self._texts("system")]

    @cached_property
    def prompt(self) -> list[str]:
        return [text if text.strip() else "" for text in self._texts("prompt")]

    @cached_property
    def output(self) -> list[str | None]:
        return self.frame["output"].to_list()

    @cached_property
    def bucket(self) -> list[tuple[int | None, str | None]]:
        """Tool set and response format. A prompt sent with many tool sets picks its tools call by call: none counts."""
        tools, formats = self.frame["tools_hash"].to_list(), self.frame["response_format"].to_list()
        sets: defaultdict[str, set[int | None]] = defaultdict(set)
        if len(set(tools)) == 1:
            return list(zip(tools, formats, strict=True))
        masked = {text: mask(text) for text in set(self.system)}
        for text, tool in zip(self.system, tools, strict=True):
            sets[masked[text]].add(tool)
        return [
            (tool if not text or len(sets[masked[text]]) <= _TOOL_SETS else None, form)
            for text, tool, form in zip(self.system, tools, formats, strict=True)
        ]

    def _texts(self, column: str) -> list[str]:
        return [text or "" for text in self.frame[column].to_list()]


def _is_stock(text: str) -> bool:
    return len(text) <= _STOCK_CHARS and set(re.findall(r"[^\s.,!]+", text.lower())) <= _STOCK


def _groups(calls: _Calls) -> Iterator[_Group]:
    """System prompts first, then the wording of the messages, then tool sets, then likeness of what is left."""
    rows = range(calls.frame.height)
    left: list[int] = []
    for part in _buckets(calls, (row for row in rows if calls.system[row])):
        inputs = [calls.prompt[row] for row in part]
        groups, rest = _templates(part, calls, [calls.system[row] for row in part], inputs)
        yield from groups
        left += rest
    for part in _buckets(calls, (row for row in rows if not calls.system[row] and calls.prompt[row])):
        groups, rest = _templates(part, calls, [calls.prompt[row] for row in part], None)
        yield from groups
        by_tools, rest = _by_tools(rest, calls)
        yield from by_tools
        left += rest
    yield from _by_hash(calls)
    yield from _by_likeness(sorted(left), calls)


def _buckets(calls: _Calls, rows: Iterable[int]) -> list[list[int]]:
    buckets: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        buckets[str(calls.bucket[row])].append(row)
    return [buckets[key] for key in sorted(buckets)]


def _templates(
    rows: list[int], calls: _Calls, texts: Sequence[str], inputs: Sequence[str] | None
) -> tuple[list[_Group], list[int]]:
    from llmaudit.detectors.templates import PromptTemplates

    answers = [calls.output[row] for row in rows]
    found = PromptTemplates().fit(texts, inputs=inputs, answers=answers)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row, label in zip(rows, found.labels_.tolist(), strict=True):
        members[label].append(row)
    rest = members.pop(-1, [])
    return [_Group(members[n], found.templates_[n], _kind(members[n][0], calls)) for n in sorted(members)], rest


def _by_tools(rows: list[int], calls: _Calls) -> tuple[list[_Group], list[int]]:
    """Without any wording in common, the same tools are the same feature. All rows are of one bucket."""
    if len(rows) < _MIN_CALLS or calls.bucket[rows[0]][0] is None:
        return [], rows
    return [_Group(rows, f"tools {SLOT}", _kind(rows[0], calls))], []


def _by_hash(calls: _Calls) -> Iterator[_Group]:
    """Where no text was kept, an equal template is all there is to go by; its name then changes with the lake's key."""
    columns = ("system", "prompt", "template_hash", "tools_hash", "response_format")
    alike: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for row, (system, prompt, *hashes) in enumerate(calls.frame.select(columns).rows()):
        if system is None and prompt is None and hashes[0] is not None:
            alike[tuple(hashes)].append(row)
    for key, rows in sorted(alike.items(), key=lambda item: (-len(item[1]), str(item[0]))):
        if len(rows) >= _MIN_CALLS:
            yield _Group(rows, f"prompt {SLOT}", str(key))


def _by_likeness(rows: list[int], calls: _Calls) -> list[_Group]:
    """Topics among prompts without template, where they hold together; everything else is `other`."""
    if not rows:
        return []
    texts = [mask(ends(f"{calls.system[row]} {calls.prompt[row]}", 1_000)) for row in rows]
    topics = _topics(texts)
    groups = [
        _Group([row for row, t in zip(rows, topics, strict=True) if t == topic], topic, "")
        for topic in sorted(set(topics))
    ]
    return sorted(groups, key=lambda group: (-len(group.rows), group.template))


def _topics(texts: list[str]) -> list[str]:
    """A topic for each text, named by its heaviest words. OTHER where the texts have too little in common."""
    if len(texts) < _MIN_LEFT:
        return [OTHER] * len(texts)
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer(token_pattern=r"[^\W\d_]{2,}", max_df=0.9, max_features=20_000, sublinear_tf=True)  # noqa: S106
    try:
        vectors = vectoriser.fit_transform(texts)
    except ValueError:  # no words at all
        return [OTHER] * len(texts)
    wanted = min(_MAX_TOPICS, max(2, int(np.sqrt(len(texts) / 2))), len(set(texts)))
    found = MiniBatchKMeans(wanted, random_state=0, n_init=3, batch_size=1_024).fit_predict(vectors)
    names = vectoriser.get_feature_names_out()
    topics = [OTHER] * len(texts)
    for rows in _merged([np.flatnonzero(found == label) for label in np.unique(found)], vectors):
        centre = _centre(vectors, rows)
        # Mean cosine between two members: what a topic has that a heap has not.
        likeness = (len(rows) * float(centre @ centre) - 1) / max(len(rows) - 1, 1)
        if len(rows) >= _MIN_CALLS and likeness >= _MIN_LIKENESS:
            name = " ".join(names[np.lexsort((names, -centre))[:4]])
            for row in rows:
                topics[row] = name
    return topics


def _merged(parts: list[Ints], vectors: Any) -> list[Ints]:
    """Parts whose members are as alike across the border as within a topic are one."""
    centres = [_centre(vectors, rows) for rows in parts]
    merged: list[list[int]] = []
    for part, centre in enumerate(centres):
        home = next((m for m in merged if float(centre @ centres[m[0]]) >= _MIN_LIKENESS), None)
        if home is None:
            merged.append([part])
        else:
            home.append(part)
    return [np.concatenate([parts[part] for part in group]) for group in merged]


def _centre(vectors: Any, rows: Ints) -> npt.NDArray[np.float64]:
    return np.asarray(vectors[rows].mean(axis=0), dtype=np.float64).ravel()


def _kind(row: int, calls: _Calls) -> str:
    tools, form = calls.bucket[row]
    offered = calls.frame["tools_offered"][row] if tools is not None else None
    return f"{form or ''}/{'' if tools is None else offered or 'tools'}"


def _names(groups: list[_Group], calls: _Calls, labelled: pl.DataFrame) -> list[str]:
    """The log's own label where labelled calls have the same prompt, else a name made of the wording."""
    labels = _labels_by_key(labelled)
    keys = calls.frame.select("template_hash", "tools_hash", "response_format").rows()
    names = []
    taken: set[str] = set()
    for group in groups:
        votes = Counter(labels.get(keys[row]) for row in group.rows if keys[row][0] is not None)
        label, count = max(votes.items(), key=lambda item: (item[1], str(item[0])), default=(None, 0))
        name = label if label and count >= _PURE * len(group.rows) else None
        name = name or OTHER * (group.template == OTHER) or _unique(_slug(group), group, calls, taken)
        taken.add(name)
        names.append(name)
    return names


def _labels_by_key(labelled: pl.DataFrame) -> dict[tuple[Any, ...], str]:
    by_key: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for *key, label in labelled.select("template_hash", "tools_hash", "response_format", "endpoint").rows():
        by_key[tuple(key)][label] += 1
    return {key: next(iter(count)) for key, count in by_key.items() if key[0] is not None and len(count) == 1}


def _slug(group: _Group) -> str:
    words = [word for word in re.findall(r"[^\W_]+", group.template.replace(SLOT, " ")) if word not in _FILLING]
    return "-".join([*words[:4], stable_hash(f"{group.template}\n{group.kind}", 4)])[:60]


def _unique(name: str, group: _Group, calls: _Calls, taken: set[str]) -> str:
    """Same wording, same number of tools, other tools: their hash tells, as stable as the lake's key."""
    if name not in taken:
        return name
    tools = f"{group.template}\n{group.kind}\n{calls.bucket[group.rows[0]][0]}"
    return next(longer for digits in range(4, 33, 4) if (longer := f"{name}-{stable_hash(tools, digits)}") not in taken)


def _rules(calls: pl.DataFrame) -> pl.DataFrame:
    """Keys that name one endpoint. A call in `other` or without a prompt leaves no rule."""
    known = calls.filter(pl.col("endpoint").is_not_null() & (pl.col("endpoint") != OTHER))
    several = _several("template_hash", known)
    worded = known.filter(pl.col("template_hash").is_null() | pl.col("template_hash").is_in(several))
    sources = {
        "system": known.filter(pl.col("template_hash").is_in(several)),
        "template": known,
        "tools": known,
        **dict.fromkeys(_SYSTEM_ENDS, known),
        **dict.fromkeys(_USER_ENDS, worded),
    }
    rules = [rule for kind in KINDS for rule in _kind_rules(kind, sources[kind])]
    return pl.DataFrame(rules, schema=RULES, orient="row").sort(list(RULES), nulls_last=True)


def _several(key: str, known: pl.DataFrame) -> list[int]:
    """Keys under which more than one endpoint was found, tools and format being equal."""
    per = known.group_by(key, "tools_hash", "response_format").agg(pl.col("endpoint").n_unique())
    return per.filter(pl.col(key).is_not_null() & (pl.col("endpoint") > 1))[key].unique().sort().to_list()


def _kind_rules(kind: str, known: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    marks: defaultdict[int, list[tuple[int | None, str | None, str]]] = defaultdict(list)
    columns = [known[f"{kind}_hash"], known["tools_hash"], known["response_format"], known["endpoint"]]
    for value, tools, form, endpoint in zip(*columns, strict=True):
        if value is not None:
            marks[value].append((tools, form, endpoint))
    telling = _telling(kind, known)
    for value, seen in marks.items():
        whole = _winner(endpoint for _, _, endpoint in seen)
        exact: defaultdict[tuple[int | None, str | None], list[str]] = defaultdict(list)
        for tools, form, endpoint in seen if whole is None else []:
            exact[tools, form].append(endpoint)
        found = [(None, None, True, whole), *((*key, False, _winner(names)) for key, names in exact.items())]
        yield from ((kind, value, *rule) for rule in found if rule[-1] in telling)


def _telling(kind: str, known: pl.DataFrame) -> set[str]:
    """Endpoints that this kind of key describes.

    A system prompt is known by its opening; by its first or last words only where a context, a customer or a day makes the opening another
    one from call to call. An opening in the user's own words says nothing of the endpoint if the closing words are the template's,
    and the other way round; of long openings and closings only those count that hardly vary.
    """
    if kind in ("system", "tools"):
        return set(known["endpoint"])
    columns = [f"{name}_hash" for name in ("template", *_SYSTEM_ENDS, *_USER_ENDS)]
    distinct = known.group_by("endpoint").agg(pl.len(), *(pl.col(name).drop_nulls().n_unique() for name in columns))
    few = {name: (pl.col(name) > 0) & (pl.col(name) <= _FEW_KEYS * pl.col("len")) for name in columns}
    varied = pl.col("template_hash") > _FEW_TEMPLATES
    mine = f"{kind}_hash"
    if kind == "template":
        by_ends = pl.any_horizontal(few[f"{name}_hash"] for name in _SYSTEM_ENDS)
        tells = ~(varied & ~few[mine] & by_ends)
    elif kind in _SYSTEM_ENDS:
        tells = varied & few[mine]
    elif kind in _OTHER_END:
        tells = few[mine] | (pl.col(mine) <= pl.col(f"{_OTHER_END[kind]}_hash"))
    else:
        tells = few[mine]
    return set(distinct.filter(tells)["endpoint"])


def _winner(endpoints: Iterable[str]) -> str | None:
    """The endpoint that has practically all calls of a key: fewer strays than the smallest endpoint has calls."""
    votes = Counter(endpoints)
    name, count = max(votes.items(), key=lambda item: (item[1], item[0]))
    return name if count >= _PURE * votes.total() and votes.total() - count < _MIN_CALLS else None


def _inspect(groups: list[_Group], names: list[str], calls: _Calls) -> pl.DataFrame:
    schema: dict[str, Any] = {
        "endpoint": pl.String,
        "calls": pl.Int64,
        "template": pl.String,
        "examples": pl.List(pl.String),
    }
    rows = [
        (name, len(group.rows), group.template[:_SHOWN], _examples(group.rows, calls))
        for group, name in zip(groups, names, strict=True)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row").sort(["calls", "endpoint"], descending=[True, False])


def _examples(rows: list[int], calls: _Calls) -> list[str]:
    """The first calls that read differently."""
    texts = dict.fromkeys(_example(row, calls) for row in rows[:_LOOKED_AT])
    return [text for text in texts if text][:_EXAMPLES]


def _example(row: int, calls: _Calls) -> str:
    return "\n".join(text for text in (calls.system[row], calls.prompt[row]) if text)[:_SHOWN]
