# SPDX-License-Identifier: BSD-3-Clause
"""How the cost of crashing in every state grows: recoveries and time, by what is made larger.

A campaign that its time limit ended cost more than is shown; its mark is hollow, with an arrow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import crash_cost_table, footer, lines, page, style
from .page import Page

_NAMES = {"operations": "operations", "value_bytes": "size of a value (B)", "threads": "threads"}
_LOOKS = {
    1: style.Look("#0072B2", "o", "-", ""),
    2: style.Look("#D55E00", "s", (0, (5, 1.5)), ""),
}
_DEPTH_TEXT = {1: "depth 1: one crash", 2: "depth 2: recoveries crashed in turn"}
# Column of a median, of its range; what stands at the axis.
_COUNT = ("recoveries", "recoveries_min", "recoveries_max")
_TIME = ("wall_s", "wall_min_s", "wall_max_s")
_AXES = ((_COUNT, "recoveries (log)"), (_TIME, "seconds (log)"))
_ROW_IN = 1.6
_ARROW_PT = 11
_HEADROOM = 0.2  # of the height of a panel: an arrow fits in


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values)))


def _setting(frame: Any, varied: str) -> str:
    """What was the same in all campaigns of a row of panels."""
    parts = []
    if varied != "operations":
        parts.append(f"{_numbers(frame['operations'])} operations")
    if varied != "value_bytes":
        ends = zip(frame["value_min_bytes"], frame["value_max_bytes"])
        sizes = sorted(
            {f"{low:g}" if low == high else f"{low:g} to {high:g}" for low, high in ends}
        )
        parts.append(f"values of {', '.join(sizes)} B")
    if varied != "threads":
        parts.append(f"threads: {_numbers(frame['threads'])}")
    else:
        schedules = frame["schedules"][frame["threads"] > 1]
        if len(schedules) > 0:
            parts.append(f"schedules: {_numbers(schedules)}")
    return footer.SEPARATOR.join(parts)


def _draw_series(axes: Any, frame: Any, columns: tuple[str, str, str], look: style.Look) -> None:
    middle, low, high = (frame[column] for column in columns)
    axes.plot(frame["size"], middle, color=look.color, ls=look.dashes, zorder=3)
    cut = frame["rounds_cut"] > 0
    for rows, face in ((~cut, look.color), (cut, "white")):
        axes.plot(
            frame["size"][rows],
            middle[rows],
            ls="none",
            marker=look.marker,
            color=look.color,
            mfc=face,
            zorder=5,
        )
    for x, y in zip(frame["size"][cut], middle[cut]):
        # From the mark upwards.
        arrow = {"arrowstyle": "<-", "color": look.color, "lw": 0.9, "shrinkA": 0, "shrinkB": 3}
        above = (0, _ARROW_PT)
        axes.annotate("", (x, y), above, textcoords="offset points", arrowprops=arrow, zorder=4)
    if (frame["rounds"] > 1).any():
        axes.errorbar(
            frame["size"],
            middle,
            yerr=[middle - low, high - middle],
            fmt="none",
            ecolor=look.color,
            elinewidth=0.9,
            capsize=2.5,
            zorder=4,
        )


def _size_axis(axes: Any, frame: Any) -> None:
    sizes = sorted(set(frame["size"]))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.15)


def _cost_axis(axes: Any, least: float, most: float) -> None:
    """From the least to the most of all panels of a column, with room above."""
    lines.log_axis(axes, style.engineering)
    low = least / 1.3
    axes.set_ylim(low, low * (most / low) ** (1 / (1 - _HEADROOM)))


def _draw_fit(axes: Any, fit: Any, sizes: Any, look: style.Look) -> None:
    """Of recoveries, the power law through them (scripts/crash_cost_fit.py)."""
    for factor, exponent in zip(fit["factor"], fit["exponent"]):
        ends = [sizes.min(), sizes.max()]
        values = [factor * size**exponent for size in ends]
        axes.plot(ends, values, color=look.color, ls=style.FLOOR_DASHES, lw=0.9, zorder=2)


def _fit_handle() -> Any:
    label = "power law through the recoveries"
    return Line2D([], [], color="black", ls=style.FLOOR_DASHES, lw=0.9, label=label)


def _handles(frame: Any) -> list[Any]:
    found: list[Any] = [
        Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, label=text)
        for look, text in ((_LOOKS[depth], _DEPTH_TEXT[depth]) for depth in _LOOKS)
    ]
    if (frame["rounds_cut"] > 0).any():
        cut = Line2D([], [], color="black", ls="none", marker="o", mfc="white")
        cut.set_label("↑ ended by the time limit: it takes more")
        found.append(cut)
    return found


def _footer(frame: Any) -> list[str]:
    dates = sorted({text[:10] for text in frame["measured_utc"]})
    rounds = _numbers(frame["rounds"])
    many = (frame["rounds"] > 1).any()
    note = (
        f"medians of {rounds} campaigns; whiskers: least and most" if many else "one campaign each"
    )
    where = [
        f"measured {dates[0]}" if len(dates) == 1 else f"measured {dates[0]} to {dates[-1]}",
        f"commit {', '.join(sorted({text[:12] for text in frame['commit']}))}",
        f"machine: {', '.join(sorted(set(frame['machine'])))}",
        "cmap under crash-mixed, strategy reads",
        "recoveries: all that were executed",
        "seconds: from the start to the report, the recording included, a recovery a CPU at a time",
    ]
    if ((frame["varied"] == "threads") & (frame["threads"] == 1)).any():
        note += f"{footer.SEPARATOR}one thread has one schedule only"
    if (frame["rounds_cut"] > 0).any():
        note += f"{footer.SEPARATOR}time limit of exploring: {_numbers(frame['limit_s'])} s"
    return [footer.SEPARATOR.join(where), note]


def draw(frame: Any, fits: Any = None) -> Page:
    """One page: a row of panels for each thing that was made larger. `fits`: of
    crash_cost_fit.csv, if there is one."""
    rows = [varied for varied in crash_cost_table.VARIED if (frame["varied"] == varied).any()]
    figure, grid = page.frame(
        "What crashing in every state that recovery can tell apart costs",
        (len(rows), len(_AXES)),
        (style.PAGE_IN, _ROW_IN),
        [
            *_handles(frame),
            *([] if fits is None else [_fit_handle()]),
        ],
        _footer(frame),
        sharey="col",
    )
    for row, varied in zip(grid, rows):
        members = frame[frame["varied"] == varied].sort_values("size")
        for axes, (columns, label) in zip(row, _AXES):
            for depth, look in _LOOKS.items():
                _draw_series(axes, members[members["depth"] == depth], columns, look)
                if fits is None or columns != _COUNT:
                    continue
                law = fits[(fits["varied"] == varied) & (fits["depth"] == depth)]
                _draw_fit(axes, law[law["measure"] == "recoveries"], members["size"], look)
            _cost_axis(axes, frame[columns[1]].min(), frame[columns[2]].max())
            _size_axis(axes, members)
            axes.set_xlabel(f"{_NAMES[varied]} (log)")
            axes.set_ylabel(label)
            axes.set_title(_setting(members, varied), loc="left", size=style.SMALL_PT)
            axes.grid(True)
    return Page("crash-cost", figure)
