# SPDX-License-Identifier: BSD-3-Clause
"""Throughput by engine and workload: grouped bars, each with the interval of its bench."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from . import footer, lines, page, style
from .load import Cell, Dataset
from .page import Page, Panel

_CHAR_IN = 0.062  # of the text on a bar
_GAP_IN = 0.22  # above and below that text, with a line for the harness limit
_AXES_IN = 1.35  # height of a panel between its axes
_GROUP_WIDTH = 0.84  # of the distance between two groups
_MAX_BAR_WIDTH = 0.3
_PANELS_A_PAGE = 4
_NARROW_BARS = 12  # this many fit half a page with room for their numbers
_LOG_SPREAD = 8.0  # largest over smallest bar from which the axis is logarithmic

_Group = tuple[str, str]  # workload, phase


def _groups(cells: Sequence[Cell]) -> list[_Group]:
    """In the order of the bench, loads first."""
    found = list(dict.fromkeys((cell.workload, cell.phase) for cell in cells))
    return sorted(found, key=lambda group: group[1] != "load")


def _handles(cells: Sequence[Cell], looks: Mapping[str, style.Look], floor: bool) -> list[Any]:
    drawn = {cell.engine for cell in cells}
    handles: list[Any] = [
        Patch(facecolor=look.color, hatch=look.hatch, edgecolor="black", lw=0.5, label=name)
        for name, look in looks.items()
        if name in drawn
    ]
    if floor:
        handles.append(
            Line2D(
                [],
                [],
                color=style.FLOOR_COLOR,
                ls=style.FLOOR_DASHES,
                label=f"harness limit ({style.FLOOR_ENGINE})",
            )
        )
    return handles


def _text(cell: Cell) -> str:
    """What stands on the bar of a cell."""
    marks = [style.engineering(cell.throughput.median)] if cell.throughput else []
    if cell.partial:
        marks.append("partial")
    if cell.failed_check:
        marks.append("FAILED CHECK")
    return " ".join(marks)


def _limits(cells: Sequence[Cell]) -> tuple[str, float, float]:
    """Scale and range of the axis that all panels share, with room for the text on the bars."""
    intervals = [cell.throughput for cell in cells if cell.throughput]
    heights = [interval.median for interval in intervals if interval.median > 0]
    if not heights:
        return "linear", 0.0, 1.0
    # Each bar's top, and the share of the axis that is left below the text that stands on it.
    tops = [
        (cell.throughput.high or cell.throughput.median, _share_below_text(cell))
        for cell in cells
        if cell.throughput and cell.throughput.median > 0
    ]
    if max(heights) / min(heights) < _LOG_SPREAD:
        return "linear", 0.0, max(top / below for top, below in tops)
    bottom = min(interval.low or interval.median for interval in intervals if interval.median > 0)
    # From a decade well below, so that the shortest bar is a bar still.
    low = 10.0 ** math.floor(math.log10(bottom / 2))
    return "log", low, low * max((top / low) ** (1 / below) for top, below in tops)


def _share_below_text(cell: Cell) -> float:
    text_in = _GAP_IN + _CHAR_IN * len(_text(cell))
    return 1 - min(text_in / _AXES_IN, 0.6)


def _draw_bar(axes: Any, x: float, width: float, cell: Cell, look: style.Look) -> None:
    text = {"rotation": 90, "ha": "center", "va": "bottom", "size": style.SMALL_PT}
    interval = cell.throughput
    if cell.skipped or cell.failed or interval is None:
        word = "skipped" if cell.skipped else "failed"
        transform = axes.get_xaxis_transform()
        axes.text(x, 0.02, word, style="italic", color="#606060", transform=transform, **text)
        return
    axes.bar(
        x,
        interval.median,
        width,
        color=look.color,
        hatch=look.hatch,
        edgecolor="black",
        linewidth=0.5,
        alpha=0.45 if cell.partial else 1.0,
        label=cell.engine,
    )
    top = interval.median
    if interval.low is not None and interval.high is not None:
        axes.errorbar(
            x,
            interval.median,
            yerr=[[interval.median - interval.low], [interval.high - interval.median]],
            fmt="none",
            ecolor="black",
            elinewidth=0.9,
            capsize=min(2.5, width * 10),
            capthick=0.9,
        )
        top = interval.high
    elif len(cell.runs) > 1:
        values = [run.throughput_ops_per_s for run in cell.runs]
        axes.plot([x] * len(values), values, "o", mfc="white", mec="black", mew=0.6, ms=2.5)
        top = max(values)
    axes.annotate(_text(cell), (x, top), (0, 4), textcoords="offset points", **text)


def _draw_floor(axes: Any, panel: Panel, groups: Sequence[_Group], limit: float) -> None:
    """The harness's own throughput over each group; an arrow where it is off the scale."""
    for cell in panel.floor:
        if cell.throughput is None or (cell.workload, cell.phase) not in groups:
            continue
        x = groups.index((cell.workload, cell.phase))
        value = cell.throughput.median
        half = _GROUP_WIDTH / 2
        if value <= limit:
            color, dashes = style.FLOOR_COLOR, style.FLOOR_DASHES
            axes.plot([x - half, x + half], [value, value], color=color, ls=dashes, lw=1.2)
        else:
            transform = axes.get_xaxis_transform()
            said = f"limit {style.engineering(value)} ↑"
            where = {"ha": "center", "va": "top", "size": style.SMALL_PT}
            where["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            axes.text(x, 1.0, said, color=style.FLOOR_COLOR, transform=transform, **where)


def _engines(panel: Panel, looks: Mapping[str, style.Look]) -> list[str]:
    return [name for name in looks if any(cell.engine == name for cell in panel.cells)]


def _draw_panel(
    axes: Any,
    panel: Panel,
    groups: Sequence[_Group],
    looks: Mapping[str, style.Look],
    width: float,
) -> None:
    engines = _engines(panel, looks)
    for cell in panel.cells:
        offset = engines.index(cell.engine) - (len(engines) - 1) / 2
        x = groups.index((cell.workload, cell.phase)) + offset * width
        _draw_bar(axes, x, width * 0.9, cell, looks[cell.engine])
    for x, group in enumerate(groups):
        if not any((cell.workload, cell.phase) == group for cell in panel.cells):
            where = {"ha": "center", "va": "bottom", "size": style.SMALL_PT, "style": "italic"}
            transform = axes.get_xaxis_transform()
            axes.text(x, 0.02, "not run", color="#606060", transform=transform, **where)
    names = [f"{workload} (load)" if phase == "load" else workload for workload, phase in groups]
    axes.set_xticks(range(len(groups)), names)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y")


def _interval_note(cells: Sequence[Cell]) -> str:
    intervals = [cell.throughput for cell in cells if cell.throughput]
    whiskers = [interval for interval in intervals if interval.low is not None]
    if not whiskers:
        many = any(len(cell.runs) > 1 for cell in cells)
        return f"no intervals: {'circles are single runs' if many else 'one run a bar'}"
    methods = ", ".join(dict.fromkeys(interval.method for interval in whiskers))
    counts = sorted({interval.n for interval in whiskers})
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    level = "" if "%" in methods else "95 %, "
    return f"bars: median of n = {span} runs; whiskers: {level}{methods}"


def _page(name: str, threads: int, shown: Sequence[Panel], dataset: Dataset) -> Page:
    cells = [cell for panel in shown for cell in panel.cells]
    floor = [cell for panel in shown for cell in panel.floor if cell not in cells]
    groups = _groups(cells)
    looks = style.looks(cell.engine for cell in dataset.cells)
    scale, low, high = _limits(cells)
    if scale == "log":
        limits = [cell.throughput for cell in floor if cell.throughput]
        high = max([high, *(limit.median * 1.5 for limit in limits)])
    bars = max(len(groups) * len({cell.engine for cell in panel.cells}) for panel in shown)
    columns = 2 if bars <= _NARROW_BARS and len(shown) > 1 else 1
    width_in = style.COLUMN_IN if bars <= _NARROW_BARS and len(shown) == 1 else style.PAGE_IN
    rows = -(-len(shown) // columns)
    figure, grid = page.frame(
        f"Throughput, {threads} thread{'' if threads == 1 else 's'}",
        (rows, columns),
        (width_in, 2.0 if columns == 2 or width_in < style.PAGE_IN else 1.9),
        _handles(cells, looks, bool(floor)),
        footer.lines([*cells, *floor], [_interval_note(cells)]),
        sharey=True,
    )
    flat = list(grid.flat)
    # All bars are equally wide, in whichever panel.
    most = max(len(_engines(panel, looks)) for panel in shown)
    bar_width = min(_GROUP_WIDTH / most, _MAX_BAR_WIDTH)
    for axes, panel in zip(flat, shown):
        if scale == "log":
            lines.log_axis(axes, style.engineering)
        else:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: style.engineering(y)))
        axes.set_ylim(low, high)
        _draw_panel(axes, panel, groups, looks, bar_width)
        _draw_floor(axes, panel, groups, high)
    page.title_panels(figure, flat, shown)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"operations/s{' (log)' if scale == 'log' else ''}")
    for axes in flat[len(shown) :]:
        axes.remove()
    return Page(name, figure)


def draw(dataset: Dataset) -> Iterator[Page]:
    """One page for each number of threads, with a panel for each condition."""
    for threads in sorted({cell.threads for cell in dataset.cells}):
        cells = [cell for cell in dataset.cells if cell.threads == threads]
        for suffix, shown in page.pages_of(page.panels(cells), _PANELS_A_PAGE):
            if any(cell.runs for panel in shown for cell in panel.cells):
                yield _page(f"throughput-t{threads}{suffix}", threads, shown, dataset)
