"""The replay of caches in memory against the SQL it stands for: the same calls, the same tokens."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import call, replay

from llmaudit.detectors import breaks
from llmaudit.engine.duckdb import DuckDB
from llmaudit.levers.prompt_caching import PromptCaching

MODELS = (
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("acme", "acme-1"),
)
COUNTED = ("input_tokens", "cache_read_tokens", "cache_write_tokens")
LEVERS = (
    PromptCaching(),
    PromptCaching(common_calls=2),
    PromptCaching(policy="5m", writes="everything", common_calls=2),
    PromptCaching(policy="1h", writes="shared"),
    PromptCaching(policy="5m", writes="common", common_calls=2),
    PromptCaching(policy="none"),
)
BROKEN = {"template_hash": None, "kinds": "date", "place": "system", "byte_offset": 0, "example": "x"}
BREAKS = pa.Table.from_pylist(
    [
        {**BROKEN, "endpoint": "/faq", "model": "gpt-4o-2024-08-06", "node_hash": 77, "static_bytes": 3_500},
        {
            **BROKEN,
            "endpoint": None,
            "model": "claude-sonnet-4-5",
            "node_hash": 10,
            "static_bytes": 9_000,
            "template_hash": 5,
        },
    ],
    schema=breaks.BREAKS,
)


@pytest.fixture(scope="module")
def duck():
    engine = DuckDB(threads=1)
    yield engine
    engine.close()


@st.composite
def calls(draw, number):
    provider, model = draw(st.sampled_from(MODELS))
    tokens = draw(st.integers(0, 20_000))
    reads = draw(st.sampled_from((0, 0, tokens // 2)))
    return call(
        number,
        draw(st.sampled_from((0, 1, 60, 299, 300, 301, 1_800, 3_600, 7_200))) + draw(st.integers(0, 1)),
        provider=provider,
        model=model,
        account_id=draw(st.sampled_from(("org-1", None))),
        endpoint=draw(st.sampled_from(("/faq", None))),
        region=draw(st.sampled_from((None, "eu"))),
        prompt_hash=draw(st.sampled_from((1, 2, 2, 3, None))),
        template_hash=draw(st.sampled_from((5, None))),
        duration_ms=draw(st.sampled_from((None, 2_000.0))),
        first_token_ms=draw(st.sampled_from((None, 900.0))),
        billable=draw(st.sampled_from((True, True, False))),
        prompt_bytes=draw(st.sampled_from((40, 40, None))),
        input_tokens=tokens,
        cache_read_tokens=reads,
        cache_write_tokens=draw(st.sampled_from((None, 0, tokens - reads))),
    )


logs = st.integers(0, 14).flatmap(lambda size: st.tuples(*(calls(number) for number in range(size))))


@settings(max_examples=12)
@given(rows=logs, other=logs, lever=st.sampled_from(LEVERS))
def test_memory_and_sql_find_the_same_calls_and_tokens_in_every_state(duck, rows, other, lever):
    usage = replay(duck, rows).usage
    duck.put("prompt_breaks", BREAKS)
    logged = duck.fetch(usage).sort_by("request_id").combine_chunks()
    memory = lever.in_memory(duck, logged)
    later = _moved(logged, other)
    for place, state in enumerate((logged, later)):
        memory.learn(np.arange(len(logged)), state.select(memory.changing))
        duck.put("a_state", state)
        said = duck.fetch(lever.asked(duck, "a_state")).sort_by("request_id")
        versions = np.arange(len(logged)) + place * len(logged)
        at, further = memory.hits(versions)
        assert logged["request_id"].take(pa.array(at)).to_pylist() == said["request_id"].to_pylist()
        assert further.to_pylist() == said.select(further.column_names).to_pylist()


def _moved(logged, other):
    """The calls in a later state: some avoided, some with another model and other counts."""
    state = logged
    for name in ("provider", "model", "region", "billable", "prompt_bytes", *COUNTED):
        values = [row[name] for row in other][: len(logged)]
        now = pa.array([*values, *state[name].to_pylist()[len(values) :]], state.schema.field(name).type)
        state = state.set_column(state.schema.get_field_index(name), name, now)
    reads = pc.min_element_wise(pc.fill_null(state["cache_read_tokens"], 0), state["input_tokens"])
    return state.set_column(state.schema.get_field_index("cache_read_tokens"), "cache_read_tokens", reads)
