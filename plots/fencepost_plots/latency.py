# SPDX-License-Identifier: BSD-3-Clause
"""Latency percentile curves: one page for each kind of operation of each workload.

Both axes are logarithmic; the percentile axis in 1 / (1 - p), so that each further nine takes the
same room. A percentile is drawn only where at least one operation lies beyond it; the maximum of n
operations stands at 1 - 1/n.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import footer, lines, page, style
from .load import Cell, Dataset, Run, Subject
from .page import Page, Panel

_PANELS_A_PAGE = 4
_TICKS = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)
_MARKED = {
    "p50": 50.0,
    "p90": 90.0,
    "p99": 99.0,
    "p99_9": 99.9,
    "p99_99": 99.99,
    "p99_999": 99.999,
}


def _place(percentile: float) -> float:
    """Where a percentile below 100 stands on the axis."""
    return 100.0 / (100.0 - percentile)


def _curve(measured: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """The curve of one kind, as places and nanoseconds."""
    count = measured["count"]
    places: list[float] = []
    values: list[float] = []
    for percentile, value_ns in measured["curve_ns"]:
        place = float(count) if percentile >= 100 else _place(percentile)
        if value_ns > 0 and place <= count and (not places or place > places[-1]):
            places.append(place)
            values.append(value_ns)
    return places, values


def _marks(count: int, latency_ns: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """The named percentiles that `count` operations resolve."""
    found = [
        (_place(percentile), latency_ns[name])
        for name, percentile in _MARKED.items()
        if _place(percentile) <= count * (1 + 1e-9) and latency_ns[name] > 0
    ]
    return [place for place, _ in found], [value for _, value in found]


def _draw_run(axes: Any, run: Run, kind: str, look: style.Look, main: bool, text: str) -> None:
    measured = run.summary["kinds"].get(kind)
    if measured is None or measured["count"] == 0:
        return
    places, values = _curve(measured)
    if not main:
        axes.plot(places, values, color=look.color, lw=0.6, alpha=0.45, zorder=2)
        return
    axes.plot(places, values, color=look.color, ls=look.dashes, label=text, zorder=3)
    style_of = {"ls": "none", "marker": look.marker or None, "color": look.color, "zorder": 4}
    axes.plot(*_marks(measured["count"], measured["latency_ns"]), **style_of)
    if measured["response_ns"] is not None:
        axes.plot(
            *_marks(measured["count"], measured["response_ns"]),
            color=look.color,
            ls=":",
            lw=0.9,
            marker=look.marker or None,
            mfc="white",
            zorder=4,
        )


def _draw_cell(axes: Any, cell: Cell, kind: str, look: style.Look) -> None:
    for run in cell.runs:
        _draw_run(axes, run, kind, look, run is cell.median_run, lines.label(cell))


def _floor_ns(panel: Panel) -> float | None:
    """The mean of the harness floor, where a run names it."""
    values = (run.summary["floor_ns_per_op"] for cell in panel.cells for run in cell.runs)
    return next((value for value in values if value), None)


def _draw_panel(axes: Any, panel: Panel, kind: str, looks: Mapping[str, style.Look]) -> None:
    for cell in lines.in_order(panel.cells, looks):
        _draw_cell(axes, cell, kind, looks[cell.engine])
    for cell in panel.floor:
        if cell not in panel.cells:
            _draw_cell(axes, cell, kind, looks[cell.engine])
    floor_ns = _floor_ns(panel)
    if not panel.floor and floor_ns:
        axes.axhline(floor_ns, color=style.FLOOR_COLOR, ls=style.FLOOR_DASHES, lw=1.2)
    lines.log_axis(axes, style.duration)
    axes.grid(True)


def _percentile_axis(axes: Any, most: int) -> None:
    axes.set_xscale("log")
    ticks = [tick for tick in _TICKS if _place(tick) <= max(most, 10)]
    axes.xaxis.set_major_locator(FixedLocator([_place(tick) for tick in ticks]))
    names = {_place(tick): f"{tick:g}" for tick in ticks}
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: names.get(place, "")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(1, max(most, 10) * 1.3)


def _handles(shown: Sequence[Panel], kind: str, looks: Mapping[str, style.Look]) -> list[Any]:
    cells = [cell for panel in shown for cell in panel.cells]
    handles = lines.handles(cells, looks)
    if any(panel.floor and panel.floor[0] not in panel.cells for panel in shown):
        handles.append(lines.floor_handle(f"harness floor ({style.FLOOR_ENGINE})"))
    if any(not panel.floor and _floor_ns(panel) for panel in shown):
        handles.append(lines.floor_handle("harness floor (mean)"))
    runs = [cell.median_run for cell in cells]
    if any(run and run.summary["kinds"][kind]["response_ns"] is not None for run in runs):
        # Dotted and hollow, in the colour of its engine.
        response = Line2D([], [], color="black", ls=":", lw=0.9, marker="o", mfc="white")
        response.set_label("response time, from the intended start")
        handles.append(response)
    return handles


def _page(subject: Subject, suffix: str, shown: Sequence[Panel], dataset: Dataset) -> Page:
    kind = subject.kind
    cells = [cell for panel in shown for cell in panel.cells]
    floor = [cell for panel in shown for cell in panel.floor if cell not in cells]
    looks = style.looks(cell.engine for cell in dataset.cells)
    note = lines.runs_note(cells, "thick: the run of median throughput; thin: other runs")
    columns = min(len(shown), 2)
    figure, grid = page.frame(
        f"Latency of {subject.title}",
        (-(-len(shown) // columns), columns),
        (style.PAGE_IN if columns == 2 else style.COLUMN_IN, 2.2),
        _handles(shown, kind, looks),
        footer.lines([*cells, *dict.fromkeys(floor)], ["lines: service time", note]),
        sharex=True,
        sharey=True,
    )
    runs = [run for cell in [*cells, *floor] for run in cell.runs]
    most = max(run.summary["kinds"].get(kind, {"count": 0})["count"] for run in runs)
    flat = list(grid.flat)
    for axes, panel in zip(flat, shown):
        _draw_panel(axes, panel, kind, looks)
        axes.set_xlabel("percentile (%)")
        axes.tick_params(labelbottom=True)
    page.title_panels(figure, flat, shown)
    _percentile_axis(flat[0], most)
    for axes in grid[:, 0]:
        axes.set_ylabel("latency (log)")
    for axes in flat[len(shown) :]:
        axes.remove()
    return Page(page.subject_name("latency", subject, suffix), figure)


def draw(dataset: Dataset) -> Iterator[Page]:
    for subject, cells in dataset.by_kind():
        for suffix, shown in page.pages_of(page.panels(cells), _PANELS_A_PAGE):
            yield _page(subject, suffix, shown, dataset)
