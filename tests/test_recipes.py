"""The recipes name only settings that the training tools publish, with values of the kind they take.

`data/published/fields.json` is what tools/published_fields.py read off the wheels it names.
"""

import json
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest
import yaml

from llmaudit.export import folder, recipes
from llmaudit.export.handoff import Example

PUBLISHED = {
    each["package"]: each
    for each in json.loads((Path(__file__).parent / "data/published/fields.json").read_text("utf-8"))
}


def example(tokens=100):
    return Example(
        id="r1",
        key="k1",
        at=datetime(2026, 10, 1),  # noqa: DTZ001
        messages=[{"role": "user", "content": "hi"}],
        answer={"role": "assistant", "content": "hello"},
        tools=[],
        session_id=None,
        input_tokens=tokens,
        output_tokens=0,
        cost_usd=None,
    )


def settings(package, *classes):
    chosen = PUBLISHED[package]["classes"]
    return {name: kinds for each in classes or chosen for name, kinds in chosen[each].items()}


def held_against(recipe, published):
    """The names that are not published, and those whose value is of another kind."""
    unknown = sorted(set(recipe) - set(published))
    schema = {"properties": {name: {"type": kinds} for name, kinds in published.items() if kinds}}
    wrong = [error.json_path for error in jsonschema.Draft7Validator(schema).iter_errors(recipe)]
    return unknown + wrong


TRL = {**settings("transformers"), **settings("trl")}
AXOLOTL = settings("axolotl")


def test_trl_knows_every_setting_of_its_recipe():
    recipe = recipes.trl("a/b", [example()])
    assert held_against(recipe, TRL) == []
    assert yaml.safe_load(folder.as_yaml(recipe)) == recipe


def test_axolotl_knows_every_setting_of_its_recipe():
    recipe = recipes.axolotl("a/b", [example()])
    assert held_against(recipe, AXOLOTL) == []
    assert yaml.safe_load(folder.as_yaml(recipe)) == recipe
    for dataset in (*recipe["datasets"], *recipe["test_datasets"]):
        assert held_against(dataset, settings("axolotl", "SFTDataset")) == []


def test_openai_knows_every_field_of_the_job():
    job = recipes.openai_job("a/b", "/support/intent", [example()])
    assert held_against(job, settings("openai", "JobCreateParams")) == []
    method = job["method"]
    assert held_against(method, settings("openai", "Method")) == []
    assert held_against(method["supervised"], settings("openai", "SupervisedMethodParam")) == []
    assert (
        held_against(method["supervised"]["hyperparameters"], settings("openai", "SupervisedHyperparametersParam"))
        == []
    )
    assert len(job["suffix"]) <= 64


@pytest.mark.parametrize(
    ("setting", "value"), [("learning_rate_of_mine", 1), ("learning_rate", "high"), ("packing", [])]
)
def test_a_setting_that_nobody_publishes_or_of_another_kind_is_seen(setting, value):
    assert held_against({**recipes.trl("a/b", [example()]), setting: value}, TRL)


@pytest.mark.parametrize(
    ("tokens", "room"),
    [(10, 512), (409, 512), (410, 1_024), (3_000, 4_096), (900_000, 32_768)],  # 410 x 1.25 = 512.5
)
def test_the_longest_example_has_room_in_another_tokenizer(tokens, room):
    assert recipes.trl("a/b", [example(5), example(tokens)])["max_length"] == room
    assert recipes.axolotl("a/b", [example(tokens)])["sequence_len"] == room
