# SPDX-License-Identifier: BSD-3-Clause
"""Media models against what was published: marks are published, lines are modelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import footer, lines, page, style
from .page import Page

# Table, what it is, whether its values span powers of ten.
_PANELS = (
    ("04_ni", "one Optane module, 256 B", False),
    ("04_dram", "DRAM, 256 B", False),
    ("09", "one Optane module, halves of blocks", False),
    ("05_ni", "one Optane module, at random", False),
    ("05_optane", "6 Optane modules, at random", False),
    ("05_dram", "DRAM, at random", False),
    ("12_latency", "6 Optane modules, fenced, 1 thread", True),
    ("12_bandwidth", "6 Optane modules, fenced, 6 threads", False),
    ("13", "one Optane module, a fence each x bytes", False),
    ("18", "libpmemkv overwrites, by a guess of them", False),
)
_LOOKS = {
    "read": style.Look("#0072B2", "o", "-", ""),
    "ntstore": style.Look("#D55E00", "s", (0, (5, 1.5)), ""),
    "clwb": style.Look("#009E73", "^", (0, (6, 1.5, 1, 1.5)), ""),
    "clwb each line": style.Look("#009E73", "^", (0, (6, 1.5, 1, 1.5)), ""),
    "clwb at the end": style.Look("#CC79A7", "v", (0, (2.5, 1)), ""),
    "amplification": style.Look("#404040", "D", "-", ""),
    "dram": style.Look("#56B4E9", "o", "-", ""),
    "optane": style.Look("#E69F00", "s", (0, (5, 1.5)), ""),
    "optane-remote": style.Look("#999999", "^", (0, (2.5, 1)), ""),
}
_COLUMNS = 2
_ROW_IN = 1.55


def _bytes(value: float) -> str:
    for size, suffix in ((1 << 20, "M"), (1 << 10, "K")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def _x_axis(axes: Any, series: Sequence[dict[str, Any]]) -> None:
    values = sorted({point["x"] for one in series for point in one["points"]})
    if series[0]["x_unit"] == "threads":
        axes.set_xlabel("threads")
        return
    axes.set_xscale("log", base=2)
    powers = [x for x in values if float(x).is_integer() and int(x) & (int(x) - 1) == 0]
    every = max(1, (len(powers) + 5) // 6)
    axes.xaxis.set_major_locator(FixedLocator(powers[::every]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _bytes(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("bytes (log)")


def _panel(axes: Any, series: Sequence[dict[str, Any]], what: str, is_log: bool) -> None:
    for one in series:
        look = _LOOKS[one["series"]]
        x = [point["x"] for point in one["points"]]
        published = [point["published"] for point in one["points"]]
        modelled = [point["modelled"] for point in one["points"]]
        axes.plot(x, published, ls="none", marker=look.marker, color=look.color, mfc="white")
        axes.plot(x, modelled, color=look.color, ls=look.dashes)
    judged = [one for one in series if one["held_out"]] or series
    errors = [abs(p["modelled"] / p["published"] - 1) for one in judged for p in one["points"]]
    middle = sorted(errors)[len(errors) // 2]
    held = all(one["held_out"] for one in series)
    some = any(one["held_out"] for one in series)
    role = "held out" if held else "DRAM fitted, rest held out" if some else "fitted"
    axes.set_title(
        f"{series[0]['table']}: {what}\n{role}, median error {middle:.0%}",
        loc="left",
        size=style.SMALL_PT,
    )
    if is_log:
        lines.log_axis(axes, style.engineering)
    else:
        axes.set_ylim(bottom=0)
    axes.set_ylabel(series[0]["unit"] + (" (log)" if is_log else ""))
    _x_axis(axes, series)
    axes.grid(True)


def draw(document: dict[str, Any]) -> Page:
    """One page: a panel for each table that there is."""
    shown = [
        (table, what, is_log, found)
        for table, what, is_log in _PANELS
        if (found := [one for one in document["series"] if one["table"] == table])
    ]
    drawn = {one["series"] for _, _, _, found in shown for one in found}
    handles = [
        Line2D(
            [], [], color=look.color, ls=look.dashes, marker=look.marker, mfc="white", label=name
        )
        for name, look in _LOOKS.items()
        if name in drawn
    ]
    points = [
        (point["modelled"], point["published"])
        for one in document["series"]
        if one["held_out"]
        for point in one["points"]
    ]
    goal = document["goal_error"]
    within = sum(abs(modelled / published - 1) <= goal for modelled, published in points)
    rows = -(-len(shown) // _COLUMNS)
    figure, grid = page.frame(
        "Media models against what was published: marks published, lines modelled",
        (rows, _COLUMNS),
        (style.PAGE_IN, _ROW_IN),
        handles,
        [
            f"published: {document['source']}{footer.SEPARATOR}"
            "modelled by simulating each experiment",
            f"held out: {within} of {len(points)} points within {goal:.0%}",
        ],
    )
    cells = [axes for row in grid for axes in row]
    for axes, (_, what, is_log, found) in zip(cells, shown):
        _panel(axes, found, what, is_log)
    for axes in cells[len(shown) :]:
        axes.set_visible(False)
    return Page("media-fit", figure)
