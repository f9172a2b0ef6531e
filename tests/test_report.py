"""The report in its four outputs: what it says, that it needs nothing else, and that nothing in it runs."""

import io
import json
import re
import subprocess
import sys
from copy import deepcopy
from decimal import Decimal
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from llmaudit import report as reports
from llmaudit.errors import AuditError
from llmaudit.report import blocks, charts, markdown, plain, sections, show

HERE = Path(__file__).parent
SCHEMA_FILE = Path(reports.__file__).with_name("report.schema.json")
SCHEMA = json.loads(SCHEMA_FILE.read_text("utf-8"))
COMPANY = json.loads((HERE / "data" / "report.json").read_text("utf-8"))
"""A month of a company with eight call sites, every section filled."""

DIMENSIONS = [name for name in COMPANY["spend"] if name != "token_class"]
CHARTS = (
    *("spend_by_day", "spend_by_endpoint", "plan_waterfall", "ttl_curve"),
    *("agreement_intervals", "learning_curves", "risk_coverage", "payback_curves"),
)

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'--><svg/onload=alert(1)>]]>",
    "[bold red]x[/] [link=file:///etc/passwd]y[/link]",
    "\x1b[31mred\x1b[0m \x9b31m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "| a | b |\n|---|---|\n| c | d |",
    "`code` ``` fence",
    "javascript:alert(1)",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png) <http://evil.example> [ref]: x",
    "http://evil.example/?q=1 www.evil.example me@evil.example @someone #1",
    '=HYPERLINK("http://evil.example","x")',
    "user\u202etxt.exe \u2066isolate \u200f",
    "lone \ud800 surrogate \udfff",
    "k" * 10_000,
    "{{ 7*7 }} {% raw %} {# x #} ${7*7} #{7*7}",
    "# heading\n\n- list\n\n    code\n\n---\n1. one",
    "line\r\nbreak\u2028sep\x00nul\x08back\x7fdel\ufeffbom",
    "url(http://evil.example/x.css) @import 'http://evil.example'; </style><style>*{display:none}",
    "&lt;script&gt; &amp; &#60;b&#62;",
    "",
    "   ",
    "データ 数据 عربي 👩‍👩‍👧 é",
]


def everywhere(value, text):
    """The same report with `text` in every place that holds a string, names of evidence included."""
    if isinstance(value, dict):
        return {key: everywhere(inner, text) for key, inner in value.items()}
    if isinstance(value, list):
        return [everywhere(inner, text) for inner in value]
    return text if isinstance(value, str) else value


def nasty_report(text):
    report = everywhere(COMPANY, text)
    for finding in report["findings"]:
        finding["evidence"] |= {text: text, "deep": {text: [text]}, "mixed": [{text: text}, None, True]}
    report["warnings"].append({"kind": "check_failed", "text": text, "usd": None})
    return report


@cache
def tame_page():
    return Page(reports.to_html(nasty_report("tame")))


def empty_report():
    """What an audit of a folder without a single call comes to."""
    report = deepcopy(COMPANY)
    report["window"] |= {
        "start": None,
        "end": None,
        "days": None,
        "partial_days": [],
        "sources": [],
        "month_factor": None,
    }
    report["intake"] = {**dict.fromkeys(report["intake"], 0), "files": []}
    report["totals"] = {
        **{key: None if key.endswith("_usd") or "tokens" in key else 0 for key in report["totals"]},
        "unpriced_usd": None,
        "priced_by": dict.fromkeys(report["totals"]["priced_by"]),
    }
    report["spend"] = {name: [] for name in report["spend"]}
    report["duplicates"] = {**dict.fromkeys(report["duplicates"]), "classes": [], "by_ttl": []}
    report |= {"prompt_caching": [], "findings": [], "fine_tune": [], "bills": [], "warnings": [], "display": None}
    report["analyses"] = [{"id": a["id"], "status": "skipped", "reason": "no calls"} for a in report["analyses"]]
    nothing = {"steps": [], "after_usd": 0}
    report["plan"] = {
        **nothing,
        "baseline_usd": 0,
        "headline_saving_usd": 0,
        "with_evaluation": {**nothing, "saving_usd": 0},
    }
    return report


def resolved(schema):
    return SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def nullable(schema):
    kinds = schema.get("type", [])
    return (
        (isinstance(kinds, list) and "null" in kinds)
        or None in schema.get("enum", [])
        or any(part == {"type": "null"} for part in schema.get("anyOf", []))
    )


def nulled(value, schema):
    """The same report with null wherever the schema lets it be null."""
    schema = resolved(schema)
    if nullable(schema):
        return None
    if isinstance(value, dict):
        properties = {}
        for part in (schema, *map(resolved, schema.get("allOf", []))):
            properties |= part.get("properties", {})
        return {key: nulled(inner, properties.get(key, {})) for key, inner in value.items()}
    if isinstance(value, list):
        return [nulled(inner, schema.get("items", {})) for inner in value]
    return value


def on_terminal(report, width=100, **settings):
    out = io.StringIO()
    console = Console(file=out, width=width, **{"force_terminal": False, **settings})
    reports.to_terminal(report, console, ["report.html", "report.json"])
    return out.getvalue()


class Page(HTMLParser):
    """The tags, attributes and visible text of a page, as a browser would see them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.lines, self._mute = [], [], [], 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._mute += tag in {"style", "svg"}

    def handle_endtag(self, tag):
        self._mute -= tag in {"style", "svg"}

    def handle_data(self, data):
        if not self._mute and data.strip():
            self.lines.append(" ".join(data.split()))

    @property
    def text(self):
        return "\n".join(self.lines) + "\n"


def close(a, b):
    return abs(Decimal(str(a)) - Decimal(str(b))) <= Decimal("0.000001")


# The fixture, the schema


def test_the_sample_report_meets_the_schema():
    jsonschema.validate(COMPANY, SCHEMA)


def test_the_schema_in_the_docs_is_the_one_that_ships():
    assert (HERE.parent / "docs" / "report.schema.json").read_text("utf-8") == SCHEMA_FILE.read_text("utf-8")


@pytest.mark.parametrize("key", COMPANY)
def test_no_top_level_key_can_be_left_out(key):
    with pytest.raises(jsonschema.ValidationError, match="required property"):
        jsonschema.validate({k: v for k, v in COMPANY.items() if k != key}, SCHEMA)


def test_a_further_section_is_allowed():
    jsonschema.validate({**COMPANY, "energy": {"kwh": 3}}, SCHEMA)


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        ("grade", "D"),
        ("stage", "later"),
        ("status", "wontfix"),
        ("requests", 1.5),
        ("saving_usd", 3),
        ("assumes", None),
    ],
)
def test_a_finding_of_the_wrong_shape_is_refused(where, wrong):
    report = deepcopy(COMPANY)
    report["findings"][0][where] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)


def test_a_step_of_grade_c_is_refused_in_the_headline_plan():
    report = deepcopy(COMPANY)
    report["plan"]["steps"][0]["grade"] = "C"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)


@pytest.mark.parametrize("dimension", [*DIMENSIONS, "token_class"])
def test_every_view_of_the_sample_spend_adds_up_to_the_total(dimension):
    rows = COMPANY["spend"][dimension]
    assert close(sum(Decimal(str(row["cost_usd"])) for row in rows), COMPANY["totals"]["cost_usd"])


def test_the_steps_of_the_sample_plan_add_up():
    plan = COMPANY["plan"]
    for steps, saving in (
        (plan["steps"], plan["headline_saving_usd"]),
        *[(plan["with_evaluation"]["steps"], plan["with_evaluation"]["saving_usd"])],
    ):
        for key in ("in_order_usd", "shapley_usd"):
            assert close(sum(Decimal(str(step[key])) for step in steps), saving)
        assert close(Decimal(str(plan["baseline_usd"])) - Decimal(str(saving)), steps[-1]["after_usd"])


# JSON


def test_json_rounds_money_to_a_millionth_and_leaves_shares_alone():
    got = json.loads(
        reports.to_json({"cost_usd": Decimal("0.12345678"), "share": 0.12345678, "saving_usd": {"low": 1 / 3}})
    )
    assert got == {"cost_usd": 0.123457, "share": 0.12345678, "saving_usd": {"low": 0.333333}}


def test_json_money_keeps_nine_figures_before_the_point():
    assert '"cost_usd": 123456789.123457' in reports.to_json({"cost_usd": Decimal("123456789.123456789")})


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), Decimal("NaN")])
def test_json_says_null_where_there_is_no_number(nothing):
    assert json.loads(reports.to_json({"cost_usd": nothing, "share": nothing})) == {"cost_usd": None, "share": None}


def test_json_has_no_minus_zero():
    assert '"cost_usd": 0.0' in reports.to_json({"cost_usd": Decimal("-0.0000001")})


def test_json_of_the_same_report_is_the_same_bytes():
    assert reports.to_json(COMPANY) == reports.to_json(deepcopy(COMPANY))
    assert json.loads(reports.to_json(COMPANY)) == COMPANY


def test_json_names_a_value_it_cannot_hold():
    with pytest.raises(TypeError, match="object"):
        reports.to_json({"x": object()})


@pytest.mark.parametrize("text", NASTY)
def test_nothing_in_json_can_end_a_script_or_steer_a_screen(text):
    got = reports.to_json(nasty_report(text))
    assert got.isascii()
    assert not set(got) & set("<>&")
    assert all(char.isprintable() or char == "\n" for char in got)
    said = json.loads(got)["spend"]["endpoint"][0]["key"]
    assert said == text.encode("utf-8", "replace").decode()


# HTML


def test_the_page_refers_to_nothing_outside_itself():
    html = reports.to_html(COMPANY)
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []
    assert [a for a in Page(html).attributes if a[1] in {"src", "srcset", "data", "action", "xlink:href"}] == []
    assert all(value.startswith("#") for _, name, value in Page(html).attributes if name == "href")


def test_the_page_runs_no_script():
    page = Page(reports.to_html(COMPANY))
    assert not {"script", "iframe", "object", "embed", "link", "base", "form", "img"} & set(page.tags)
    assert [a for a in page.attributes if a[1].startswith("on")] == []


def test_every_id_of_the_page_is_its_own_and_every_inner_link_has_its_target():
    html = reports.to_html(COMPANY)
    attributes = Page(html).attributes
    ids = [value for _, name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for _, name, value in attributes if name == "href"} | set(re.findall(r"url\(#([^)]+)\)", html))
    assert wanted <= set(ids)


def test_headings_of_the_page_step_down_one_at_a_time():
    levels = [int(tag[1]) for tag in Page(reports.to_html(COMPANY)).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_table_has_a_caption_and_every_chart_a_label():
    page = Page(reports.to_html(COMPANY))
    assert page.tags.count("table") == page.tags.count("caption") > 10
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert len(labels) == page.tags.count("svg") == len(CHARTS)
    assert all(labels)


def test_the_text_of_the_page(golden):
    golden("report/page.txt", Page(reports.to_html(COMPANY)).text)


def test_the_page_says_the_headline_in_dollars_per_cent_and_a_month():
    text = Page(reports.to_html(COMPANY)).text
    for said in (
        "$17,209.79",
        "$3,812.83",
        "22.2% of spend",
        "$3,743.64 a month",
        "needs its acceptance test",
        "95.6%",
    ):
        assert said in text


def test_the_page_from_decimals_is_the_page_from_the_json():
    exact = json.loads(json.dumps(COMPANY), parse_float=Decimal)
    assert reports.to_html(exact) == reports.to_html(json.loads(reports.to_json(exact)))


@pytest.mark.parametrize("text", NASTY)
def test_a_page_shows_what_a_log_holds_and_runs_none_of_it(text):
    html = reports.to_html(nasty_report(text))
    page, tame = Page(html), tame_page()
    assert set(page.tags) == set(tame.tags)
    assert page.tags.count("th") == tame.tags.count("th")
    assert {a[:2] for a in page.attributes} == {a[:2] for a in tame.attributes}
    assert all(value.startswith("#") for _, name, value in page.attributes if name == "href")
    assert all(re.fullmatch(r"width:[\d.]+%", v) for _, name, v in page.attributes if name == "style" for v in [v])
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in html)
    html.encode("utf-8")


def test_a_template_in_a_name_is_not_evaluated():
    text = Page(reports.to_html(nasty_report("{{ 7*7 }}"))).text
    assert "{{ 7*7 }}" in text


def test_a_long_name_is_cut_in_the_middle_on_a_page_and_whole_in_json():
    name = "start" + "k" * 10_000 + "end"
    report = everywhere(COMPANY, name)
    assert len(reports.to_html(report)) < 3 * len(reports.to_html(COMPANY))
    assert name not in reports.to_html(report)
    assert name in reports.to_json(report)
    assert "kend" in Page(reports.to_html(report)).text


def test_a_list_longer_than_a_page_says_how_much_it_leaves_to_the_json():
    report = deepcopy(COMPANY)
    row = report["spend"]["user_id"][0]
    report["spend"]["user_id"] = [{**row, "key": f"user-{n}"} for n in range(5_000)]
    assert "4,800 further rows are in report.json." in Page(reports.to_html(report)).text
    assert "4,980 further rows are in report.json." in reports.to_markdown(report)


def test_every_finding_is_on_the_page_however_many_there_are():
    report = deepcopy(COMPANY)
    report["findings"] = [{**report["findings"][0], "endpoint": f"/call-site-{n}", "title": None} for n in range(120)]
    text = Page(reports.to_html(report)).text
    assert all(f"/call-site-{n}" in text for n in range(120))


# Markdown


def test_the_markdown(golden):
    golden("report/report.md", reports.to_markdown(COMPANY))


def tokens(text):
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        found += [token, *(token.children or [])]
    return found


def shape(text):
    return [
        token.type
        for token in tokens(text)
        if not token.children and token.type.partition("_")[0] in {"tr", "th", "td", "table", "heading", "hr", "fence"}
    ]


@pytest.mark.parametrize("text", NASTY)
def test_markdown_shows_what_a_log_holds_and_links_none_of_it(text):
    got = reports.to_markdown(nasty_report(text))
    found = tokens(got)
    kinds = {token.type for token in found}
    assert not kinds & {"link_open", "image", "html_block", "code_block", "fence", "s_open", "em_open", "hr"}
    assert {token.content for token in found if token.type == "html_inline"} <= {"<br>"}
    assert shape(got) == shape(reports.to_markdown(nasty_report("tame")))
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in got)
    outside = re.sub(r"(`+).*?\1", "", got)
    assert "http://" not in outside
    assert "www.evil" not in outside
    assert not re.search(r"@\w", outside)


@pytest.mark.parametrize(
    "text", ["a|b", "`x`", "``", "a\\|b", "*b*", "[a](b)", "<i>", "# x", "1. x", "- x", "a_b_c", "~~x~~"]
)
def test_escaped_markdown_reads_as_the_text_it_was(text):
    for escaped in (markdown.escape(text), markdown.escape(blocks_name(text))):
        row = f"| a |\n|---|\n| {escaped} |"
        inline = [token for token in tokens(row) if token.type == "inline"][-1]
        assert "".join(child.content for child in inline.children) == text


def blocks_name(text):
    from llmaudit.report.text import logged

    return logged(text)


# Terminal


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_summary(golden, width):
    golden(f"report/terminal_{width}.txt", on_terminal(COMPANY, width))


def busy_report():
    report = deepcopy(COMPANY)
    report["warnings"] += [{"kind": "check_failed", "text": f"check {n}", "usd": None} for n in range(9)]
    return report


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("make", [lambda: COMPANY, empty_report, busy_report, lambda: nulled(COMPANY, SCHEMA)])
def test_the_terminal_summary_fits_one_screen(make, width):
    lines = on_terminal(make(), width).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= width


def test_the_last_line_counts_the_quarantined_records():
    assert on_terminal(COMPANY).splitlines()[-1].split() == ["Quarantined", "4", "records"]
    assert on_terminal(empty_report()).splitlines()[-1].split() == ["Quarantined", "0", "records"]


def test_the_terminal_summary_names_the_files_written():
    assert "report.html" in on_terminal(COMPANY)
    assert "report.json" in on_terminal(COMPANY)


def test_a_failed_self_check_is_the_first_thing_said():
    report = deepcopy(COMPANY)
    report["warnings"].append({"kind": "check_failed", "text": "savings exceed spend", "usd": 3.0})
    assert on_terminal(report).splitlines()[0] == "CHECK FAILED  savings exceed spend"
    assert Page(reports.to_html(report)).text.index("savings exceed spend") < Page(reports.to_html(report)).text.index(
        "$17,209.79"
    )
    assert reports.to_markdown(report).index("savings exceed spend") < reports.to_markdown(report).index("17,209.79")


@pytest.mark.parametrize("text", NASTY)
def test_a_terminal_shows_what_a_log_holds_and_obeys_none_of_it(text):
    plain_lines = on_terminal(nasty_report(text), 80)
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in plain_lines)
    assert len(plain_lines.splitlines()) <= 24
    coloured = on_terminal(nasty_report(text), 80, force_terminal=True, color_system="standard")
    bare = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert bare == plain_lines


def test_rich_markup_in_a_name_is_shown():
    report = deepcopy(COMPANY)
    report["spend"]["endpoint"][0]["key"] = "[bold red]x[/]"
    assert "[bold red]x[/]" in on_terminal(report)


def test_a_terminal_without_unicode_gets_ascii():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    report = deepcopy(COMPANY)
    report["findings"][0]["saving_usd"] = {"low": -3, "expected": -2, "high": -1}
    report["spend"]["endpoint"][0]["key"] = "データ"
    reports.to_terminal(report, Console(file=out, width=80))
    out.flush()
    assert raw.getvalue().decode("ascii").splitlines()[-1].split() == ["Quarantined", "4", "records"]


# Nothing, and nothing known


@pytest.mark.parametrize("make", [empty_report, lambda: nulled(COMPANY, SCHEMA)], ids=["empty", "nulls"])
def test_a_report_with_little_in_it_comes_out_everywhere(make, tmp_path):
    report = make()
    jsonschema.validate(report, SCHEMA)
    for ending in ("html", "json", "md"):
        reports.render(report, tmp_path / f"r.{ending}")
    assert json.loads((tmp_path / "r.json").read_text()) == report
    assert "None" not in Page((tmp_path / "r.html").read_text("utf-8")).text.replace("None of these steps", "").split()
    assert "nan" not in on_terminal(report).split()


def test_the_report_with_nulls_has_lost_something_in_every_section():
    lost = nulled(COMPANY, SCHEMA)
    assert lost["totals"]["cost_usd"] is None
    assert lost["spend"]["endpoint"][0]["cost_per_call_usd"] is None
    assert lost["fine_tune"][0]["verdict"] is None
    assert lost["findings"][0]["saving_usd"] == {"low": None, "expected": None, "high": None}


def test_an_unknown_total_is_not_shown_as_zero():
    report = nulled(COMPANY, SCHEMA)
    assert re.search(r"^Spend\n+unknown$", Page(reports.to_html(report)).text, re.MULTILINE)
    assert "Spend         unknown" in on_terminal(report)


@pytest.mark.parametrize(
    ("key", "analysis", "section"),
    [("prompt_caching", "prompt_caching", "caching"), ("fine_tune", "fine_tune", "fine_tune")],
)
def test_an_empty_section_says_when_it_was_never_examined(key, analysis, section):
    report = {**deepcopy(COMPANY), key: []}
    found = next(s for s in sections.sections() if s.name == section)
    assert "Not examined" not in found.blocks(report)[0].text
    report["analyses"] = [{"id": analysis, "status": "not_built", "reason": "no texts kept"}]
    assert found.blocks(report)[0].text == (
        f"Not examined, so nothing is known here: {analysis} was not built (no texts kept)."
    )
    report["analyses"] = [{"id": analysis, "status": "skipped", "reason": "no texts kept"}]
    [said] = found.blocks(report)
    assert (said.text, said.tone) == ("Not examined, so nothing is known here: no texts kept.", "muted")


def test_steps_that_find_nothing_are_named_below_the_plan_and_take_no_row():
    report = deepcopy(COMPANY)
    idle = report["plan"]["steps"][-1]
    idle |= dict.fromkeys(("standalone_usd", "in_order_usd", "shapley_usd"), 0.0)
    shown = section_named("plan").blocks(report)
    table = next(block for block in shown if isinstance(block, blocks.Table))
    words = show.words(idle["lever"])
    assert words not in [row[0] for row in table.rows]
    assert blocks.Para(f"Replayed, and found nothing to save: {words.lower()}.", "muted") in shown
    for step in report["plan"]["steps"]:
        step.update(dict.fromkeys(("standalone_usd", "in_order_usd", "shapley_usd"), 0.0))
    first = section_named("plan").blocks(report)[0]
    assert first.text.startswith("Replayed, and nothing to save was found by ")
    assert all(show.words(step["lever"]).lower() in first.text for step in report["plan"]["steps"])


def section_named(name):
    return next(section for section in sections.sections() if section.name == name)


# Files


def test_the_ending_picks_the_format(tmp_path):
    for ending, start in ((".html", "<!doctype html>"), (".json", "{"), (".md", "# LLM"), (".HTML", "<!doctype html>")):
        path = tmp_path / f"report{ending}"
        reports.render(COMPANY, path)
        assert path.read_text("utf-8").lstrip().startswith(start)


def test_an_unknown_ending_names_the_three_that_work(tmp_path):
    with pytest.raises(AuditError, match=r"report\.pdf: .*\.html, \.json or \.md, not \.pdf"):
        reports.render(COMPANY, tmp_path / "report.pdf")


def test_a_place_that_cannot_be_written_is_named_with_the_reason(tmp_path):
    with pytest.raises(AuditError, match=r"no/report\.json: cannot write .*No such file or directory"):
        reports.render(COMPANY, tmp_path / "no" / "report.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(AuditError, match=r"folder\.json: cannot write .*directory"):
        reports.render(COMPANY, tmp_path / "folder.json")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.json"]


def test_a_path_can_be_checked_before_the_work(tmp_path):
    reports.check(tmp_path / "report.html")
    for wrong in (tmp_path / "no" / "report.json", tmp_path / "report.xlsx"):
        with pytest.raises(AuditError):
            reports.check(wrong)


def test_a_write_that_fails_leaves_the_old_report_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    reports.render(COMPANY, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(AuditError, match="No space left on device"):
        reports.render(empty_report(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_importing_the_report_room_is_cheap():
    heavy = "import sys, llmaudit.report; print([m for m in ('altair', 'jinja2', 'rich', 'vl_convert') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_terminal_summary_draws_no_charts():
    code = (
        "import sys, json, io; from rich.console import Console; import llmaudit.report as r;"
        f"r.to_terminal(json.load(open({str(HERE / 'data' / 'report.json')!r})), Console(file=io.StringIO()));"
        "print('altair' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Sections and charts


def test_every_file_among_the_sections_is_a_section():
    files = {path.stem for path in Path(sections.__file__).parent.glob("*.py")} - {"__init__"}
    assert {section.name for section in sections.sections()} == files
    assert [s.order for s in sections.sections()] == sorted(s.order for s in sections.sections())


def test_dropping_a_file_adds_a_section(tmp_path, monkeypatch):
    (tmp_path / "energy.py").write_text(
        "from llmaudit.report.blocks import Para, line\n"
        "TITLE = 'Energy'\nORDER = 77\n"
        "def blocks(report):\n    return (Para(report['energy']['said']),)\n"
        "def terminal(report):\n    return (line('Energy', report['energy']['said']),)\n"
    )
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    sections.sections.cache_clear()
    try:
        report = {**COMPANY, "energy": {"said": "3 <b>kWh</b>"}}
        assert "3 &lt;b&gt;kWh&lt;/b&gt;" in reports.to_html(report)
        assert "3 \\<b\\>kWh\\</b\\>" in reports.to_markdown(report)
        assert "Energy        3 <b>kWh</b>" in on_terminal(report)
    finally:
        sections.sections.cache_clear()
        sys.modules.pop("llmaudit.report.sections.energy", None)


def test_every_chart_a_section_names_exists():
    named = {b.name for s in sections.sections() for b in s.blocks(COMPANY) if isinstance(b, blocks.Chart)}
    assert named == set(CHARTS)


def values(chart):
    described = chart.to_dict()
    data = described.get("data") or described["layer"][0]["data"]
    return data["values"]


def test_the_bars_of_the_waterfall_meet_end_to_end():
    bars = values(charts.plan_waterfall(COMPANY))
    assert bars[0]["high"] == COMPANY["plan"]["baseline_usd"]
    assert bars[-1]["high"] == COMPANY["plan"]["after_usd"]
    steps = bars[1:-1]
    assert [b["high"] for b in steps] == [bars[0]["high"], *(b["low"] for b in steps[:-1])]
    assert steps[-1]["low"] == bars[-1]["high"]


def test_the_day_chart_marks_the_days_it_knows_only_in_part():
    assert [row["day"] for row in values(charts.spend_by_day(COMPANY)) if row["part"]] == ["2026-10-31"]


def test_the_endpoint_chart_draws_the_ten_dearest():
    report = deepcopy(COMPANY)
    row = report["spend"]["endpoint"][0]
    report["spend"]["endpoint"] = [{**row, "key": f"/{n}", "cost_usd": n} for n in range(30)]
    assert [v["name"] for v in values(charts.spend_by_endpoint(report))] == [f"/{n}" for n in range(29, 19, -1)]


def test_two_endpoints_whose_names_look_alike_keep_a_bar_each():
    report = deepcopy(COMPANY)
    row = report["spend"]["endpoint"][0]
    report["spend"]["endpoint"] = [{**row, "key": "a" * 40 + x + "a" * 40} for x in "bc"]
    svg = charts.svg(charts.spend_by_endpoint(report), "x", "label")
    assert svg.count("aaaa…aaaa") == 2


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_nothing_is_no_chart(name):
    assert getattr(charts, name)(empty_report()) is None


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_one_drawing_without_outside_references(name):
    svg = charts.svg(getattr(charts, name)(COMPANY), "p", 'a "label" <b>')
    assert "http" not in svg
    assert "href" not in svg
    assert 'aria-label="a &quot;label&quot; &lt;b&gt;"' in svg
    assert all(found.startswith("p-") for found in re.findall(r' id="([^"]*)"', svg))


# Numbers


def test_a_dollar_amount_never_shows_less_than_two_figures_of_a_small_sum():
    assert show.usd(0.000012) == "$0.000012"
    assert show.usd(1e-6) == "$0.0000010"
    assert show.usd(123_456.78) == "$123,457"
    assert show.usd(-2.11) == "\u2212$2.11"


def test_the_window_shows_its_last_day_and_not_the_one_after():
    assert show.span("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z") == "1 Oct 2026"
    assert show.span("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "Europe/Berlin") == "1 Oct to 31 Oct 2026"
    assert show.span("2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z") == "31 Dec 2025 to 1 Jan 2026"
    assert show.span(None, None) == "no window"


def test_a_ledger_that_does_not_add_up_says_so():
    report = deepcopy(COMPANY)
    report["intake"]["rows_kept"] -= 1
    assert "does not add up" in on_terminal(report)
    assert "does not add up" not in on_terminal(COMPANY)


def test_a_saving_that_costs_money_says_so():
    found = next(s for s in sections.sections() if s.name == "findings").blocks(COMPANY)[-1]
    assert (found.amount, found.note) == ("\u2212$2.11", "would cost more")


def test_plain_sorts_a_set_and_keeps_the_order_of_a_dict():
    assert plain.plain({"b": {3, 1, 2}, "a": (Decimal("1.5"),)}) == {"b": [1, 2, 3], "a": [1.5]}


def unpriced_report():
    """Five calls of a model that nobody sells."""
    report = deepcopy(COMPANY)
    report["totals"] |= {
        "requests": 5,
        "unpriced_requests": 5,
        "unpriced_usd": {"low": 0.01, "high": 0.2},
        "cost_usd": 0,
        "list_usd": 0,
        "priced_by": dict.fromkeys(report["totals"]["priced_by"], 0),
    }
    plan = report["plan"] | {"baseline_usd": 0, "headline_saving_usd": 0, "after_usd": 0}
    report["plan"] = plan | {"with_evaluation": plan["with_evaluation"] | {"saving_usd": 0, "after_usd": 0}}
    return report


def test_what_calls_without_a_price_cost_is_unknown_and_not_nothing():
    report = unpriced_report()
    said = on_terminal(report)
    assert "Spend         unknown for 5 calls" in said
    assert "Save now      unknown" in said
    assert "After tests   unknown further" in said
    assert "5 calls were made, and no price is known for any that is billed" in reports.to_markdown(report)
    assert "cost $0" not in reports.to_html(report)


def test_a_bridge_says_which_periods_it_leads_from_and_to():
    report = deepcopy(COMPANY)
    step = {"currency": "USD", "before": 3.0, "after": 2.0, "parts": [{"part": "volume", "amount": -1.0}], "models": []}
    report["bridge"] = [
        {"basis": "report", "from": "last report", "to": "this report", **step},
        {"basis": "month", "from": "2026-09", "to": "2026-10", **step},
    ]
    written = reports.to_markdown(report)
    assert "### 2026-09 to 2026-10" in written
    assert "### From the last report to this one" in written
