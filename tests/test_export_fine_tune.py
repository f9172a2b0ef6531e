"""The hand-off of an endpoint: what is in which file, that nothing leaks from one to the other, and where every call went."""

import hashlib
import json
from datetime import datetime, timedelta

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import llmaudit, refused

from llmaudit.detectors import personal
from llmaudit.detectors.families import PromptFamilies
from llmaudit.export import handoff
from llmaudit.export.conversations import Piece, Unfit, answer_of, prompt_of, tools_of
from llmaudit.lake.pieces import plain_text

START = datetime.fromisoformat("2026-10-01T09:00:00")
THINGS = ["lamp", "chair", "kettle", "bicycle", "carpet", "mirror", "guitar", "blanket", "toaster", "ladder"]
DEEDS = [
    "arrived broken",
    "never shipped",
    "charged twice",
    "smells odd",
    "wrong colour",
    "too small",
    "missing screws",
    "makes noise",
]
SIDES = ("train", "validation", "held-out")
KEY = "sk-abcdefghijklmnopqrstuvwx"


def call(number, *, said=None, answer="refund", **fields):
    """One classification; inputs of different numbers share few words."""
    said = said or f"{DEEDS[number % 8]} {THINGS[number // 8 % 10]} ordered{number} {'xyz'[number % 3] * (number + 3)}"
    messages = [{"role": "system", "content": "Name the intent."}, {"role": "user", "content": said}]
    return {
        "timestamp": f"{START + timedelta(hours=number):%Y-%m-%dT%H:%M:%SZ}",
        "request_id": f"c{number}",
        "endpoint": "/intent",
        "provider": "openai",
        "request": {"model": "gpt-4o", "messages": messages},
        "response": {
            "model": "gpt-4o-2024-08-06",
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 60, "completion_tokens": 4},
        },
        **fields,
    }


def cut(number):
    made = call(number)
    made["response"]["choices"][0]["finish_reason"] = "length"
    return made


def pictured(number):
    made = call(number)
    parts = [
        {"type": "text", "text": f"what is this {number}"},
        {"type": "image_url", "image_url": {"url": "http://x/y.png"}},
    ]
    made["request"]["messages"][1]["content"] = parts
    return made


def lake_of(folder, calls, *further):
    log = folder / "log.jsonl"
    log.write_text("".join(f"{json.dumps(each)}\n" for each in calls), "utf-8")
    ended = llmaudit("ingest", log, "--lake", folder / "lake", *further)
    assert ended.code == 0, ended
    return folder / "lake"


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """60 usable inputs, hourly, and one or two of everything that is left out."""
    folder = tmp_path_factory.mktemp("handoff")
    usable = [call(n, answer=("refund", "exchange", "where is it")[n % 3]) for n in range(60)]
    usable[7] = call(7, said=f"my key is {KEY} and my mail ann@example.org", answer="exchange")
    others = [
        call(100, status=500, response=None, error="down"),
        cut(101),
        call(102, answer=""),
        pictured(103),
        pictured(104),
        call(105, said="charged twice lamp again", answer="refund", endpoint="/other"),
        call(61, said=usable[3]["request"]["messages"][1]["content"], answer="refund"),  # usable[3] says refund
        call(62, said=usable[3]["request"]["messages"][1]["content"], answer="exchange"),
    ]
    lake = lake_of(folder, [*usable, *others])
    ended = llmaudit("export", "fine-tune", "/intent", "--lake", lake, "-o", folder / "out")
    assert ended.code == 0, ended
    return folder, json.loads((folder / "out/manifest.json").read_text("utf-8")), ended


def test_every_call_is_in_a_file_or_counted_with_its_reason(exported):
    _, manifest, ended = exported
    assert {code: each["calls"] for code, each in manifest["left_out"].items()} == {
        "cut": 1,
        "failed": 1,
        "no_answer": 1,
        "not_text": 2,
        "other_answer_to_the_same": 1,
        "repeat": 1,
    }
    assert manifest["calls"] == 67
    assert sum(manifest["examples"].values()) == 60
    assert manifest["examples"]["held-out"] == 18  # three tenths: the usual test takes 361
    assert "/intent: 67 calls = 38 train + 4 validation + 18 held-out + 7 left out." in ended.out


def test_the_manifest_has_the_hash_of_every_file_and_no_file_is_missing_from_it(exported):
    folder, manifest, _ = exported
    there = {str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*") if path.is_file()}
    assert there == {*manifest["files"], "manifest.json"}
    for name, file in manifest["files"].items():
        content = (folder / "out" / name).read_bytes()
        assert (file["sha256"], file["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        if name.endswith(".jsonl"):
            assert file["rows"] == len(rows(folder / "out" / name))
    assert manifest["model"] == "gpt-4o-2024-08-06"
    assert manifest["source"]["text"] == "sample"
    assert set(manifest["source"]["table_versions"]) == {"requests", "texts", "ingests"}


def test_the_shapes_are_those_that_people_load(exported):
    out = exported[0] / "out"
    [first] = [row for row in rows(out / "openai/train.jsonl") if "ordered0 " in row["messages"][1]["content"]]
    assert first == {
        "messages": [
            {"role": "system", "content": "Name the intent."},
            {"role": "user", "content": "arrived broken lamp ordered0 xxx"},
            {"role": "assistant", "content": "refund"},
        ]
    }
    for side in SIDES:
        openai = rows(out / f"openai/{side}.jsonl")
        assert rows(out / f"huggingface/conversational/{side}.jsonl") == openai
        pairs = rows(out / f"huggingface/prompt-completion/{side}.jsonl")
        assert [{"messages": [*p["prompt"], *p["completion"]]} for p in pairs] == openai
        axolotl = rows(out / f"axolotl/{side}.jsonl")
        assert [m.pop("train") for row in axolotl for m in row["messages"] if m["role"] == "assistant"] == [True] * len(
            openai
        )
        assert axolotl == openai


def test_cards_have_the_head_that_hugging_face_reads(exported):
    out = exported[0] / "out"
    heads = [
        yaml.safe_load(path.read_text("utf-8").split("---\n")[1])
        for path in (out / "README.md", out / "huggingface/README.md")
    ]
    assert heads[0]["base_model"] == yaml.safe_load((out / "axolotl/recipe.yaml").read_text("utf-8"))["base_model"]
    assert [config["config_name"] for config in heads[1]["configs"]] == ["prompt-completion", "conversational"]
    for config in heads[1]["configs"]:
        assert all((out / "huggingface" / file["path"]).is_file() for file in config["data_files"])
    # `datasets` caches a local folder by its name and configs: two endpoints' folders are told apart by this alone.
    pairs = "".join((out / f"huggingface/prompt-completion/{s}.jsonl").read_text("utf-8") for s in SIDES)
    digest = hashlib.sha256(pairs.encode()).hexdigest()
    assert all(config["description"] == f"/intent, content {digest}" for config in heads[1]["configs"])
    recipe = yaml.safe_load((out / "huggingface/trl-sft.yaml").read_text("utf-8"))
    splits = {file["split"] for file in heads[1]["configs"][0]["data_files"]}
    assert {recipe["dataset_train_split"], recipe["dataset_test_split"]} < splits
    assert recipe["dataset_config"] == "prompt-completion"
    assert recipe["dataset_name"] == "huggingface"  # a name: `datasets` has none for "."


def test_held_out_inputs_come_after_all_that_is_trained_on(exported):
    folder, manifest, _ = exported
    assert manifest["split"]["held_out_from"] == f"{(START + timedelta(hours=42)).isoformat()}"
    held = rows(folder / "out/held-out.jsonl")
    assert sorted(int(case["case"][1:]) for case in held) == list(range(42, 60))


def test_secrets_are_masked_and_personal_data_is_counted(exported):
    folder, manifest, ended = exported
    everything = "".join(path.read_text("utf-8") for path in (folder / "out").rglob("*") if path.is_file())
    assert KEY not in everything
    assert "my key is [secret] and my mail ann@example.org" in everything
    assert manifest["secrets_masked"] == 1
    assert {kind: n for kind, n in manifest["personal_data"].items() if n} == {"email": 1, "any": 1}
    assert "1 of 60 examples hold what looks like personal data (email 1)" in ended.out


def test_the_same_lake_gives_the_same_bytes_and_formats_that_were_not_asked_for_are_gone(exported):
    folder, _, _ = exported
    again = folder / "again"
    for formats in ((), ("--format", "axolotl")):
        ended = llmaudit("export", "fine-tune", "/intent", "--lake", folder / "lake", "-o", again, "--quiet", *formats)
        assert (ended.code, ended.out) == (0, "")
        for path in again.rglob("*"):
            if path.is_file() and path.name not in ("README.md", "manifest.json"):
                assert path.read_bytes() == (folder / "out" / path.relative_to(again)).read_bytes()
    assert {path.name for path in again.iterdir() if any(p.is_file() for p in [path, *path.rglob("*")])} == {
        "axolotl",
        "README.md",
        "held-out.jsonl",
        "manifest.json",
    }


def test_a_lake_without_texts_says_so(tmp_path):
    lake = lake_of(tmp_path, [call(1)], "--text", "none")
    said = refused("export", "fine-tune", "/intent", "--lake", lake, "-o", tmp_path / "out")
    assert 'keeps no texts (text = "none"), so there is nothing to train on' in said
    assert "--text all" in said


def test_an_endpoint_that_is_not_there_or_whose_inputs_are_one_text_is_refused(tmp_path):
    lake = lake_of(tmp_path, [call(n, said=f"Where is order {20_000 + n}?") for n in range(20)])
    assert "No endpoint called '/nope'. Known: /intent." in refused(
        "export", "fine-tune", "/nope", "--lake", lake, "-o", tmp_path / "out"
    )
    said = refused("export", "fine-tune", "/intent", "--lake", lake, "-o", tmp_path / "out")
    assert "near-copies of 1 text" in said


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x", "utf-8")
    said = refused("export", "fine-tune", "/intent", "--lake", tmp_path, "-o", tmp_path)
    assert "holds other files" in said


def test_answers_of_the_model_of_today_alone_are_taught(tmp_path):
    calls = [call(n) for n in range(30)]
    small = [call(n) for n in range(30, 40)]
    for each in small:
        each["response"]["model"] = "gpt-4o-mini-2024-07-18"
    lake = lake_of(tmp_path, [*calls, *small])
    ended = llmaudit("export", "fine-tune", "/intent", "--lake", lake, "-o", tmp_path / "out")
    assert "left out: gpt-4o-mini-2024-07-18 (10 calls)" in ended.out
    manifest = json.loads((tmp_path / "out/manifest.json").read_text("utf-8"))
    assert sum(manifest["examples"].values()) == 30


# --- the split ----------------------------------------------------------------------------------------


@st.composite
def logs(draw):
    size = draw(st.integers(2, 40))
    families = draw(st.lists(st.integers(0, 12), min_size=size, max_size=size))
    hours = draw(st.lists(st.none() | st.integers(0, 30), min_size=size, max_size=size))
    if draw(st.booleans()):
        hours = [hour or 0 for hour in hours]
    return families, [None if hour is None else START + timedelta(hours=hour) for hour in hours]


@given(logs(), st.integers(1, 20))
def test_no_family_is_on_two_sides_and_later_ones_are_held_out(log, wanted):
    families, times = log
    keys = [f"{n:04}" for n in range(len(families))]
    placed, cut_at = handoff.split(times, np.array(families), keys, wanted)
    sides = {
        side: [row for row, where in enumerate(placed) if where == side] for side in (*handoff.SIDES, handoff.LATE_COPY)
    }
    assert sum(map(len, sides.values())) == len(families)
    of_side = {side: {families[row] for row in members} for side, members in sides.items()}
    held, trained = of_side["held-out"], of_side["train"] | of_side["validation"]
    assert not held & trained
    assert not of_side["train"] & of_side["validation"]
    assert not held & of_side[handoff.LATE_COPY]
    if cut_at is not None:
        assert all(times[row] >= cut_at for side in ("held-out", handoff.LATE_COPY) for row in sides[side])
        assert all(times[row] < cut_at for side in ("train", "validation") for row in sides[side])
        assert of_side[handoff.LATE_COPY] <= trained
    assert (placed, cut_at) == handoff.split(times, np.array(families), keys, wanted)


def test_a_later_copy_of_what_is_trained_on_is_in_no_file():
    hours = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    families = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 1])
    placed, cut_at = handoff.split([START + timedelta(hours=h) for h in hours], families, [str(h) for h in hours], 2)
    assert placed[7:] == ["held-out", "held-out", handoff.LATE_COPY]
    assert cut_at == START + timedelta(hours=7)


@settings(max_examples=15)
@given(st.lists(st.sampled_from(THINGS), min_size=4, max_size=12), st.integers(0, 3))
def test_near_copies_by_cross_validation_are_near_copies_here(things, times):
    texts = [
        f"please tell me where my {thing} of order {20_000 + n} is" for n, thing in enumerate(things * (times + 1))
    ]
    examples = [example_of(n, text) for n, text in enumerate(texts)]
    ours = handoff.families_of(examples, handoff.inputs_of(examples))
    theirs = PromptFamilies().fit(texts).labels_
    assert [a == b for a in ours for b in ours] == [a == b for a in theirs for b in theirs]


def test_a_conversation_and_what_it_grew_into_are_one_family():
    first = example_of(1, "my lamp is broken")
    grown = example_of(2, "and the box was crushed by a lorry on the road to Leeds, if you please")
    grown = handoff.replace(
        grown, messages=[*first.messages, {"role": "assistant", "content": "Sorry."}, *grown.messages]
    )
    apart = example_of(3, "why is the sky blue")
    examples = [first, grown, apart]
    assert handoff.families_of(examples, handoff.inputs_of(examples)).tolist() == [0, 0, 1]


def example_of(number, text):
    return handoff.Example(
        id=f"c{number}",
        key=f"{number:04}",
        at=START + timedelta(hours=number),
        messages=[{"role": "user", "content": text}],
        answer={"role": "assistant", "content": "refund"},
        tools=[],
        session_id=None,
        input_tokens=10,
        output_tokens=1,
        cost_usd=None,
    )


# --- texts as messages again --------------------------------------------------------------------------


def test_tool_calls_come_out_with_their_results():
    asked = [{"id": "x", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}]
    pieces = [
        Piece(
            "tools", "tools", '[{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]'
        ),
        Piece("system", "system", "Help."),
        Piece("message", "user", "Where is 7?"),
        Piece("message", "assistant", plain_text(json.dumps(asked))),
        Piece("message", "tool", "in Leeds"),
    ]
    assert prompt_of(pieces)[2:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "in Leeds"},
    ]
    assert tools_of(pieces)[0]["function"]["name"] == "find"


def test_anthropic_calls_read_like_openai_ones():
    said = [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "t", "name": "find", "input": {"id": 7}},
    ]
    came = [{"type": "tool_result", "tool_use_id": "t", "content": "in Leeds"}]
    messages = prompt_of(
        [
            Piece("message", "user", "Where is 7?"),
            Piece("message", "assistant", plain_text(json.dumps(said))),
            Piece("message", "user", plain_text(json.dumps(came))),
        ]
    )
    assert messages[1]["content"] == "Let me look."
    assert messages[1]["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"id": 7}'}
    assert messages[2] == {"role": "tool", "tool_call_id": "call_1", "content": "in Leeds"}


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([Piece("message", "user", "look\n[image_url]")], "not_text"),
        ([Piece("message", "user", "a"), Piece("message", "tool", "b")], "tool_result_without_call"),
        ([Piece("message", "user", "a"), Piece("message", "assistant", "[function] find {}")], "answer_begun"),
        (
            [
                Piece("message", "user", "a"),
                Piece("message", "assistant", "[function] f {}"),
                Piece("message", "user", "b"),
            ],
            "tool_call_without_result",
        ),
        ([Piece("message", "user", "a"), Piece("message", "assistant", "The answer is")], "answer_begun"),
        ([Piece("system", "system", "a")], "no_prompt"),
    ],
)
def test_what_cannot_be_said_again_is_not_guessed(pieces, code):
    with pytest.raises(Unfit) as why:
        prompt_of(pieces)
    assert why.value.code == code


def test_answers_with_tool_calls_of_every_api():
    assert answer_of('Sure.\x1f{"name": "a", "arguments": "{}"} {"name": "b", "arguments": "{\\"n\\": 1}"}') == {
        "role": "assistant",
        "content": "Sure.",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": "{}"}},
            {"id": "call_2", "type": "function", "function": {"name": "b", "arguments": '{"n": 1}'}},
        ],
    }
    assert answer_of('\x1ffunction_call find {"id": 7}')["tool_calls"][0]["function"] == {
        "name": "find",
        "arguments": '{"id": 7}',
    }
    assert answer_of('\x1ffind {"id": 7}')["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"id": 7}'}
    for text, code in (("a\x1eb", "several_answers"), (" ", "no_answer"), ("\x1f{broken", "tool_call_unread")):
        with pytest.raises(Unfit) as why:
            answer_of(text)
        assert why.value.code == code


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}},
        {"type": "function", "name": "find", "parameters": {"type": "object"}},
        {"name": "find", "input_schema": {"type": "object"}},
        {"functionDeclarations": [{"name": "find", "parameters": {"type": "object"}}]},
        {"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}},
    ],
)
def test_tools_of_every_api_are_the_same_tools(declared):
    [tool] = tools_of([Piece("tools", "tools", json.dumps([declared]))])
    assert tool == {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}


def test_a_tool_that_only_its_provider_can_run_makes_no_example():
    with pytest.raises(Unfit):
        tools_of([Piece("tools", "tools", '[{"type": "web_search_20250305", "name": "web_search"}]')])


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("call +49 170 1234567 now", {"phone"}),
        ("DE89 3704 0044 0532 0130 00", {"iban"}),
        ("DE00 3704 0044 0532 0130 00", set()),  # fails its check digits
        ("4111-1111-1111-1111", {"card_number"}),
        ("from 10.0.0.7", {"ip_address"}),
        ("123-45-6789", {"us_social_security_number"}),
        ("on 2026-10-01 at 10:30, order 20031 for 12.50", set()),
    ],
)
def test_personal_data_is_seen_by_its_shape(text, kinds):
    assert personal.kinds_in(text) == kinds
