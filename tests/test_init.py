"""`llmaudit init`: files that work as they are, and still do with every line of them switched on."""

import re

from test_cli import llmaudit, refused

from llmaudit import allocation, config, pricing, starting


def test_the_files_work_as_they_are(tmp_path):
    ended = llmaudit("init", tmp_path)
    assert ended.code == 0, ended
    stated = config.load(tmp_path / "llmaudit.toml")
    assert stated.prices == tmp_path / "prices.toml"
    assert pricing.load(stated.prices).place("openai", "gpt-4o", None, None)


def test_every_line_can_be_switched_on(tmp_path):
    for name, content in starting.FILES.items():
        _, blank, body = content.partition("\n\n")  # the first lines say what the file is
        (tmp_path / name).write_text(blank + re.sub(r"^# ?", "", body, flags=re.MULTILINE), "utf-8")
    stated = config.load(tmp_path / "llmaudit.toml")
    assert stated.billing_modes == {"claude_code": "subscription"}
    [shared] = allocation.read(stated.allocation).shared
    assert (shared.name, shared.rule) == ("evaluation runs", "tokens")
    book = pricing.load(stated.prices)
    assert book.place("acme", "acme-large", None, None).priced_by == "user"
    assert book.place("azure.ai.openai", "prod-chat", None, None).model == "gpt-4o"


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "prices.toml").write_text("mine", "utf-8")
    assert "prices.toml is there already" in refused("init", tmp_path)
    assert (tmp_path / "prices.toml").read_text("utf-8") == "mine"
    assert not (tmp_path / "llmaudit.toml").exists()
    assert "no such folder" in refused("init", tmp_path / "no")
