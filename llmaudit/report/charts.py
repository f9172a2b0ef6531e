"""The charts of the report, as Altair objects: a notebook shows what the page shows.

Each takes the report and returns None where there is nothing to draw. Colours read on light and dark alike,
and lettering takes the colour of the text around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import altair as alt

from llmaudit.report import show
from llmaudit.report.plain import plain
from llmaudit.report.text import clean

Report = Mapping[str, Any]
AnyChart = alt.Chart | alt.LayerChart
Channel = TypeVar("Channel", alt.X, alt.Y)

BLUE, GREEN, AMBER, GREY = "#4a86c5", "#3d9970", "#c77b30", "#8b95a1"
LINES = (BLUE, AMBER, GREEN, "#9467bd", "#c0504d")
WIDTH = 640
IN_CHART, IN_LINES = 10, len(LINES)
_FONT = "Arial, Helvetica, sans-serif"  # the renderer measures it as browsers draw it, so nothing is cut
# Thousands and millions as k and M; cents as cents: the shorthand would print them as "m", which reads as millions.
_DOLLARS = (
    "datum.value >= 10000 ? format(datum.value, '$,.3~s') : datum.value >= 1 || datum.value <= 0 "
    "? format(datum.value, '$,.2~f') : format(datum.value, '$.2~r')"
)


def spend_by_day(report: Report) -> AnyChart | None:
    """A bar a day; days the window covers only in part are paler."""
    partial = set(report["window"]["partial_days"])
    rows = [
        {"day": row["key"], "usd": row["cost_usd"], "part": row["key"] in partial}
        for row in plain(report["spend"]["day"])
        if row["cost_usd"] is not None and re.fullmatch(r"\d{4}-\d\d-\d\d", row["key"] or "")
    ]
    if not rows:
        return None
    chart = _of(rows).mark_bar(color=BLUE)
    return _styled(
        chart.encode(
            x=alt.X(
                "utcyearmonthdate(day):T",
                scale=alt.Scale(type="utc"),
                title=None,
                axis=alt.Axis(format="%-d %b", grid=False),
            ),
            y=_dollars(alt.Y, "usd"),
            opacity=alt.condition("datum.part", alt.value(0.45), alt.value(1)),
        ),
        height=180,
    )


def spend_by_endpoint(report: Report) -> AnyChart | None:
    """The dearest endpoints as bars with their dollars."""
    found = [row for row in plain(report["spend"]["endpoint"]) if row["cost_usd"]]
    found = sorted(found, key=lambda row: -row["cost_usd"])[:IN_CHART]
    if not found:
        return None
    rows = [
        {"place": place, "name": _name(row["key"]), "usd": row["cost_usd"], "said": show.usd(row["cost_usd"])}
        for place, row in enumerate(found)
    ]
    base = _of(rows).encode(y=_places())
    x = alt.X("usd:Q", title=None, axis=None)
    bars = base.mark_bar(color=BLUE).encode(x=x)
    text = base.mark_text(align="left", dx=5, color="currentColor").encode(x=x, text="said:N")
    return _styled(bars + text + _names(base), height=alt.Step(24))


def plan_waterfall(report: Report) -> AnyChart | None:
    """Spend before, what each step of the headline plan takes off, spend after."""
    plan = plain(report["plan"])
    if not plan["steps"]:
        return None
    rows = [_bar("Spend now", 0, plan["baseline_usd"], plan["baseline_usd"], GREY)]
    level = plan["baseline_usd"]
    for step in plan["steps"]:
        colour = GREEN if step["in_order_usd"] >= 0 else AMBER
        rows.append(_bar(_name(show.words(step["lever"])), step["after_usd"], level, -step["in_order_usd"], colour))
        level = step["after_usd"]
    rows.append(_bar("Spend after", 0, plan["after_usd"], plan["after_usd"], GREY))
    rows = [{"place": place, **row} for place, row in enumerate(rows)]
    base = _of(rows).encode(y=_places())
    bars = base.mark_bar().encode(
        x=_dollars(alt.X, "low"), x2="high:Q", color=alt.Color("colour:N", scale=None, legend=None)
    )
    text = base.mark_text(align="left", dx=5, color="currentColor").encode(x="end:Q", text="said:N")
    return _styled(bars + text + _names(base), height=alt.Step(26))


def ttl_curve(report: Report) -> AnyChart | None:
    """What a cache of answers would save, by how long it keeps them."""
    points = [point for point in plain(report["duplicates"]["by_ttl"]) if _drawable(point)]
    if not points:
        return None
    rows = [
        {"seconds": float(point["ttl_seconds"]), "usd": point["saving_usd"], "said": show.lasting(point["ttl_seconds"])}
        for point in points
    ]
    ticks = [row["seconds"] for row in rows]
    spoken = " : ".join(f"datum.value == {row['seconds']} ? '{row['said']}'" for row in rows) + " : ''"
    x = alt.X(
        "seconds:Q",
        scale=alt.Scale(type="log", nice=False),
        title="Answer kept for",
        axis=alt.Axis(values=ticks, labelExpr=spoken, grid=False),
    )
    base = _of(rows).encode(x=x, y=_dollars(alt.Y, "usd"))
    return _styled(
        base.mark_line(color=BLUE) + base.mark_point(color=BLUE, filled=True, size=50, opacity=1), height=180
    )


def agreement_intervals(report: Report) -> AnyChart | None:
    """How often the student agrees with the logged answers, with its interval, beside the commonest answer."""
    found = [row for row in plain(report["fine_tune"]) if row["agreement"] and _judged(row["agreement"])]
    found = sorted(found, key=lambda row: -(row["cost_usd"] or 0))[:IN_CHART]
    if not found:
        return None
    rows = [
        {"place": place, "name": _name(row["endpoint"]), **{k: row["agreement"][k] for k in _AGREEMENT}}
        for place, row in enumerate(found)
    ]
    base = _of(rows).encode(y=_places())
    x = alt.X(
        "low:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"), title="Agreement (tick: commonest answer)"
    )
    interval = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=x, x2="high:Q")
    estimate = base.mark_point(color=BLUE, filled=True, size=70, opacity=1).encode(x="estimate:Q")
    baseline = base.mark_tick(color=AMBER, thickness=3, size=14).encode(x="baseline:Q")
    return _styled(interval + estimate + baseline + _names(base), height=alt.Step(26))


def learning_curves(report: Report) -> AnyChart | None:
    """Agreement by training inputs, a line an endpoint."""
    x = alt.X("n:Q", scale=alt.Scale(type="log", nice=False), axis=alt.Axis(tickCount=5), title="Inputs trained on")
    return _lines(report, "curve", "n", x)


def risk_coverage(report: Report) -> AnyChart | None:
    """Agreement by the share of calls taken, the surest first, a line an endpoint."""
    x = alt.X("coverage:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"), title="Share of calls taken")
    return _lines(report, "risk_curve", "coverage", x)


def payback_curves(report: Report) -> AnyChart | None:
    """Days until tuning has paid back, by calls a day, a line an endpoint; the large point is the volume of the log."""
    found = [
        row for row in plain(report["fine_tune"]) if row.get("economics") and row["verdict"] in {"move", "evaluate"}
    ]
    found = sorted(found, key=lambda row: -(row["cost_usd"] or 0))[:IN_LINES]
    points = [
        {
            "name": _name(row["endpoint"]),
            **point,
            "now": point["calls_per_day"] == row["economics"]["calls_per_day"],
        }
        for row in found
        for point in row["economics"]["payback_curve"]
        if point["payback_days"] and point["calls_per_day"]
    ]
    if not points:
        return None
    x = alt.X(
        "calls_per_day:Q", scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=5, format=",~s"), title="Calls a day"
    )
    y = alt.Y(
        "payback_days:Q",
        scale=alt.Scale(type="log"),
        axis=alt.Axis(tickCount=5, format=",~r"),
        title="Days until paid back",
    )
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(range=LINES),
        legend=alt.Legend(title=None, orient="bottom", columns=2, columnPadding=48),
    )
    drawn = _of(points).encode(x=x, y=y, color=colour)
    size = alt.condition("datum.now", alt.value(110), alt.value(15))
    return _styled(
        drawn.mark_line(strokeWidth=2) + drawn.mark_point(filled=True, opacity=1).encode(size=size), height=220
    )


def _lines(report: Report, curve: str, across: str, x: alt.X) -> AnyChart | None:
    found = [row for row in plain(report["fine_tune"]) if row.get("evidence") and len(row["evidence"][curve]) > 1]
    found = sorted(found, key=lambda row: -(row["cost_usd"] or 0))[:IN_LINES]
    points = [
        {"name": _name(row["endpoint"]), across: point[across], "agreement": point["agreement"]}
        for row in found
        for point in row["evidence"][curve]
        if point["agreement"] is not None
    ]
    if not points:
        return None
    y = alt.Y("agreement:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"), title="Agreement")
    colour = alt.Color(
        "name:N",
        scale=alt.Scale(range=LINES),
        legend=alt.Legend(title=None, orient="bottom", columns=2, columnPadding=48),
    )
    drawn = _of(points).encode(x=x, y=y, color=colour)
    return _styled(drawn.mark_line(strokeWidth=2) + drawn.mark_point(filled=True, size=30, opacity=1), height=220)


def svg(chart: AnyChart, prefix: str, label: str) -> str:
    """The chart as an SVG element for an HTML page: no outside references, its ids made its own by `prefix`."""
    import vl_convert

    root = ET.fromstring(vl_convert.vegalite_to_svg(chart.to_dict()))  # noqa: S314 - our own output
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name, value in list(element.attrib.items()):
            if name.startswith(("aria-", "role")):
                del element.attrib[name]
            elif name == "id":
                element.set(name, f"{prefix}-{value}")
            elif value.startswith("url(#"):
                element.set(name, f"url(#{prefix}-{value[5:]}")
    root.attrib.update({"role": "img", "aria-label": label})
    return ET.tostring(root, encoding="unicode")


_AGREEMENT = ("estimate", "low", "high", "baseline")


def _judged(agreement: Mapping[str, Any]) -> bool:
    return all(agreement[key] is not None for key in ("estimate", "low", "high"))


def _drawable(point: Mapping[str, Any]) -> bool:
    return bool(point["ttl_seconds"]) and point["ttl_seconds"] > 0 and point["saving_usd"] is not None


def _bar(name: str, start: float, end: float, amount: float, colour: str) -> dict[str, Any]:
    low, high = min(start, end), max(start, end)
    return {"name": name, "low": low, "high": high, "end": high, "said": show.usd(amount), "colour": colour}


def _name(value: str | None) -> str:
    return clean(value, 34) if value is not None else "unattributed"


def _of(rows: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.Data(values=rows))  # type: ignore[no-untyped-call]


def _dollars(channel: type[Channel], name: str) -> Channel:
    return channel(f"{name}:Q", title=None, axis=alt.Axis(labelExpr=_DOLLARS, tickCount=5))


def _places() -> alt.Y:
    """Rows in their own order. They are told apart by place, so that two equal names stay two rows."""
    return alt.Y("place:O", title=None, axis=None)


def _names(rows: alt.Chart) -> alt.Chart:
    """The names of the rows, left of the plot. A mark, not an axis: names are data and never an expression."""
    named: alt.Chart = rows.mark_text(align="right", dx=-8, color="currentColor", limit=240).encode(
        x=alt.value(0), text="name:N"
    )
    return named


def _styled(chart: AnyChart, height: int | alt.Step) -> AnyChart:
    styled: AnyChart = (
        chart.properties(width=WIDTH, height=height)
        .configure(background="transparent", padding={"left": 24, "right": 24, "top": 6, "bottom": 6}, font=_FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="currentColor",
            titleColor="currentColor",
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            gridColor=GREY,
            gridOpacity=0.25,
            domainColor=GREY,
            tickColor=GREY,
        )
        .configure_text(fontSize=12, font=_FONT)
    )
    return styled
