"""Allocation: every rule worked by hand, and the law that the parts come to the whole."""

import json
from decimal import Decimal

import pytest
from conftest import requests_table
from hypothesis import given, settings
from hypothesis import strategies as st
from small_logs import call, logs
from test_export_focus import call as logged_call

import llmaudit
import llmaudit.report
from llmaudit import allocation, engine
from llmaudit.errors import AuditError
from llmaudit.pricing import contract
from llmaudit.schema import PRICED

ZERO = Decimal(0)


def paid(number, usd, **fields):
    """A call of 100 tokens that cost so much, all of it output."""
    money = dict.fromkeys(("cache_read_usd", "cache_write_usd", "cache_write_long_usd", "input_usd", "other_usd"), "0")
    return call(
        number, **{"input_tokens": 90, "output_tokens": 10, "cost_usd": usd, "output_usd": usd, **money, **fields}
    )


def divided(rows, by="team", hours=0, terms=contract.NO_CONTRACT, **stated):
    started = engine.start()
    try:
        started.put("requests", requests_table(rows, PRICED))
        return allocation.divide(started, by, allocation.read(stated), hours=hours, terms=terms)
    finally:
        started.close()


def borne(found):
    return {share.key: share.allocated_usd for share in found.shares}


TWO_TEAMS = [
    paid(1, "6", team="search"),
    paid(2, "2", team="support"),
    paid(3, "0", team="support", input_tokens=290),
    paid(4, "1", team=None),
    paid(5, "3", team="search", endpoint="/evals"),
]
"""Direct: search $6 + $3 of evaluation, support $2, nobody's $1. Without evaluation, tokens: search 100, support 400."""

EVALS = {"name": "evals", "where": {"endpoint": "/evals"}}


def test_without_rules_each_bears_its_own_and_nobodys_is_shown():
    assert borne(divided(TWO_TEAMS)) == {"search": 9, "support": 2, None: 1}


@pytest.mark.parametrize(
    ("rule", "search", "support"),
    [
        ("even", "7.5", "3.5"),  # 3 / 2 = 1.5 each
        ("proportional", "8.25", "2.75"),  # 3 * 6/8 = 2.25, 3 * 2/8 = 0.75
        ("tokens", "6.6", "4.4"),  # 3 * 100/500 = 0.6, 3 * 400/500 = 2.4
        ({"search": 10, "support": 90}, "6.3", "4.7"),
    ],
    ids=str,
)
def test_what_is_everybodys_is_divided_by_its_rule(rule, search, support):
    found = divided(TWO_TEAMS, shared=[{**EVALS, "rule": rule}])
    assert borne(found) == {"search": Decimal(search), "support": Decimal(support), None: 1}
    assert found.total_usd == 12
    [pool] = found.pools
    assert (pool.name, pool.requests, pool.usd) == ("evals", 1, 3)


def test_a_cost_that_no_call_bears_is_added_by_the_hour():
    hourly = {"name": "throughput", "usd_per_hour": "0.5", "rule": "even"}
    found = divided(TWO_TEAMS, hours=48, shared=[hourly])
    assert borne(found) == {"search": 21, "support": 14, None: 1}  # 24 dollars, 12 each
    assert (found.total_usd, found.added_usd) == (36, 24)


def test_what_nobody_bears_can_be_spread_and_its_row_stays():
    found = divided(TWO_TEAMS, unattributed="proportional")
    # nobody's dollar by direct cost: 9/11 = 0.818181818182 to search, 2/11 = 0.181818181818 to support
    assert borne(found) == {"search": Decimal("9.818181818182"), "support": Decimal("2.181818181818"), None: 0}
    assert sum(borne(found).values()) == 12
    [nobody] = [share for share in found.shares if share.key is None]
    assert (nobody.direct_usd, nobody.shared_usd) == (1, -1)


def test_rules_measure_direct_cost_so_their_order_changes_nothing():
    pools = [{**EVALS, "rule": "tokens"}, {"name": "throughput", "usd_per_hour": "1", "rule": "proportional"}]
    one = divided(TWO_TEAMS, hours=24, shared=pools, unattributed="proportional")
    other = divided(TWO_TEAMS, hours=24, shared=pools[::-1], unattributed="proportional")
    assert borne(one) == borne(other)


def test_failed_calls_can_be_everybodys():
    rows = [*TWO_TEAMS, paid(6, "4", team="search", status="error")]
    assert borne(divided(rows))["search"] == 13
    assert borne(divided(rows, failed_calls="even")) == {"search": 11, "support": 4, None: 1}


def test_the_readers_of_a_cached_opening_pay_as_much_a_token_as_its_writer():
    opening = {"system_hash": 7, "input_usd": "0", "output_usd": "0"}
    write = paid(1, "1.25", team="search", cache_write_tokens=90, cache_write_usd="1.25", **opening) | {
        "output_usd": "0"
    }
    reads = [
        paid(n, "0.1", team="support", cache_read_tokens=90, cache_read_usd="0.1", **opening) | {"output_usd": "0"}
        for n in (2, 3)
    ]
    assert borne(divided([write, *reads])) == {"search": Decimal("1.25"), "support": Decimal("0.2")}
    # 1.45 dollars for 270 tokens of the opening; a third is search's, two thirds support's
    third = Decimal("1.45") / 3
    found = borne(divided([write, *reads], cache="readers"))
    assert abs(found["search"] - third) <= Decimal("1e-12")
    assert sum(found.values()) == Decimal("1.45")


def test_a_call_with_several_values_of_a_label_counts_once():
    rows = [
        paid(1, "2", tags=json.dumps({"customer": ["b", "a", "b"]})),
        paid(2, "3", tags=json.dumps({"customer": "a"})),
        paid(3, "4", tags=json.dumps({"deep": {"customer": 7}})),
        paid(4, "5", tags="not json"),
    ]
    assert borne(divided(rows, by="tags.customer")) == {"a + b": 2, "a": 3, None: 9}
    assert borne(divided(rows, by="tags.deep.customer")) == {"7": 4, None: 10}


def test_a_fixed_share_may_name_somebody_who_makes_no_calls():
    found = divided(TWO_TEAMS, shared=[{**EVALS, "rule": {"finance": 100}}])
    assert borne(found) == {"search": 6, "finance": 3, "support": 2, None: 1}


def test_shared_cost_that_nobody_can_bear_stays_unattributed():
    assert borne(divided([paid(1, "2", team=None)], shared=[{**EVALS, "where": {"endpoint": "/faq"}}])) == {None: 2}


def test_margins_are_put_on_what_a_team_bears():
    scope = contract.Scope()
    terms = contract.Contract(margins=(contract.Margin(scope, "search", Decimal(10)),))
    found = divided(TWO_TEAMS, terms=terms, shared=[{**EVALS, "rule": "even"}])
    shown = {share.key: share.showback_usd for share in found.shares}
    assert shown == {"search": Decimal("8.25"), "support": Decimal("3.5"), None: 1}  # 7.5 and a tenth


@given(rows=logs(), data=st.data())
@settings(max_examples=15)
def test_whatever_the_rules_the_parts_come_to_the_whole(rows, data):
    rule = st.sampled_from(["even", "proportional", "tokens", {"core": 33, "x": 67}])
    costs = st.decimals(min_value=0, max_value=9, places=12)
    priced = [
        {**row, "cost_usd": data.draw(costs), "team": data.draw(st.sampled_from([None, "core", "web"]))} for row in rows
    ]
    stated = {
        "cache": data.draw(st.sampled_from(["writer", "readers"])),
        "failed_calls": data.draw(rule),
        "unattributed": data.draw(rule),
        "shared": [
            {"name": "hourly", "usd_per_hour": "0.333333333333", "rule": data.draw(rule)},
            {"name": "faq", "where": {"endpoint": "/faq"}, "rule": data.draw(rule)},
        ],
    }
    found = divided(priced, hours=7, **stated)
    assert found.total_usd == sum((row["cost_usd"] for row in priced), ZERO) + Decimal("0.333333333333") * 7
    assert sum((share.allocated_usd for share in found.shares), ZERO) == found.total_usd
    pools = sum((pool.usd for pool in found.pools), ZERO)
    assert sum((share.direct_usd for share in found.shares), ZERO) + pools == found.total_usd
    [table] = allocation.as_report([found])
    assert sum(row["allocated_usd"] for row in table["rows"]) == found.total_usd.quantize(Decimal("0.000001"))


@given(
    usd=st.decimals(min_value=-1000, max_value=1000, places=12),
    weights=st.dictionaries(st.text(max_size=3), st.decimals(min_value=0, max_value=1000, places=6), max_size=9),
)
def test_a_split_comes_to_the_amount(usd, weights):
    assert sum(allocation.split(usd, weights).values(), ZERO) == usd


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"by": ["teem"]}, "No way to allocate cost called 'teem'"),
        ({"by": "team"}, "should be a list of names"),
        ({"rule": "even"}, "No setting in [allocation] called 'rule'"),
        ({"cache": "all"}, "is not writer or readers"),
        ({"failed_calls": "half"}, "is not one of even, proportional, tokens, direct"),
        ({"shared": [{"name": "a", "rule": "even"}]}, "say either which calls"),
        ({"shared": [{"name": "a", "usd_per_hour": "x"}]}, "expected a number such as 12.5"),
        ({"shared": [{**EVALS, "rule": {"a": 60, "b": 30}}]}, "the shares come to 90 percent"),
        ({"shared": [EVALS, EVALS]}, "the name is taken"),
        ({"shared": [{"where": {"team": "a"}}]}, "has no name"),
    ],
)
def test_a_wrong_table_says_what_to_mend(stated, said):
    with pytest.raises(AuditError) as error:
        allocation.read(stated)
    assert said in str(error.value)


# --- in a report ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("allocation")
    log = folder / "log.jsonl"
    calls = [logged_call(1), logged_call(2, team="web"), logged_call(3, team=None), logged_call(4, endpoint="/evals")]
    log.write_text("".join(json.dumps(line) + "\n" for line in calls), "utf-8")
    shared = {"name": "evals", "where": {"endpoint": "/evals"}, "rule": "even"}
    with llmaudit.audit(log, allocation={"by": ["team"], "shared": [shared]}) as found:
        yield found


def test_the_report_has_a_table_for_each_way_and_it_ties_to_the_total(audit):
    [table] = audit.data["allocation"]
    assert table["total_usd"] == audit.data["totals"]["cost_usd"]
    # a call: 600 * 2.50 + 400 * 1.25 + 100 * 10.00 dollars a million = 0.003; the shared one is halved
    assert {row["key"]: row["allocated_usd"] for row in table["rows"]} == {
        "core": Decimal("0.0045"),
        "web": Decimal("0.0045"),
        None: Decimal("0.003"),
    }
    assert {a["id"]: a["status"] for a in audit.data["analyses"]}["allocation"] == "ran"


def test_the_page_shows_what_nobody_bears(audit):
    page = llmaudit.report.to_markdown(audit.data)
    assert "## Allocation" in page
    assert "unattributed" in page.split("## Allocation")[1].split("\n## ")[0]


def test_another_way_can_be_asked_of_the_audit(audit):
    rows = audit.allocate("endpoint", {})
    assert dict(zip(rows["key"], rows["allocated_usd"], strict=True)) == {
        "/faq": Decimal("0.009"),
        "/evals": Decimal("0.003"),
    }
    assert rows["share"].sum() == pytest.approx(1)
