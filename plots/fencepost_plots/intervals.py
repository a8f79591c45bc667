# SPDX-License-Identifier: BSD-3-Clause
"""Interval series: throughput and p99 latency over the time of a run.

Shows one run a cell, the one of median throughput: several would hide each other's stalls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas
from matplotlib.ticker import FuncFormatter

from . import footer, lines, page, style, timeline
from .load import Cell, Dataset, Subject
from .page import Page, Panel

_PANELS_A_PAGE = 2
_LOG_SPREAD = 20.0
_MARKERS = 12  # about this many a line


def _series(cell: Cell, kind: str) -> Any:
    run = cell.median_run
    assert run is not None
    frame = timeline.read(run.folder / "intervals.csv")
    return frame[frame["kind"] == kind]


def _draw_line(axes: Any, x: Any, y: Any, cell: Cell, look: style.Look) -> None:
    axes.plot(
        x,
        y,
        color=look.color,
        ls=look.dashes,
        marker=look.marker or None,
        markevery=max(1, len(x) // _MARKERS),
        label=lines.label(cell),
    )


def _draw_panel(
    column: Any, panel: Panel, series: Mapping[Cell, Any], looks: Mapping[str, style.Look]
) -> None:
    for cell in lines.in_order(panel.cells, looks):
        frame = series[cell]
        look = looks[cell.engine]
        _draw_line(column[0], frame["elapsed_s"], frame["ops_per_s"], cell, look)
        # A zero has no place on a logarithmic axis.
        p99_ns = frame["p99_ns"].where(frame["p99_ns"] > 0)
        _draw_line(column[1], frame["elapsed_s"], p99_ns, cell, look)


def _throughput_axis(axes: Any, series: Sequence[Any]) -> str:
    """Scales the axis that all panels share; returns its label."""
    rates = pandas.concat([frame["ops_per_s"] for frame in series])
    positive = rates[rates > 0]
    if len(positive) > 0 and positive.max() / positive.min() > _LOG_SPREAD:
        lines.log_axis(axes, style.engineering)
        return "operations/s (log)"
    axes.set_ylim(bottom=0, top=float(positive.max()) * 1.08 if len(positive) else 1.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.engineering(value)))
    return "operations/s"


def _page(
    name: str, subject: Subject, shown: Sequence[Panel], series: Mapping[Cell, Any], looks: Any
) -> Page:
    cells = [cell for panel in shown for cell in panel.cells]
    columns = len(shown)
    figure, grid = page.frame(
        f"{subject.title}, over time",
        (2, columns),
        (style.PAGE_IN if columns > 1 else style.COLUMN_IN, 1.5),
        lines.handles(cells, looks),
        footer.lines(cells, [lines.runs_note(cells, "shown: the run of median throughput")]),
        sharex="col",
        sharey="row",
    )
    for i, panel in enumerate(shown):
        _draw_panel(grid[:, i], panel, series, looks)
        grid[0, i].grid(True)
        grid[1, i].set_xlabel("time (s)")
        grid[1, i].set_xlim(left=0)
        grid[1, i].grid(True)
        lines.log_axis(grid[1, i], style.duration)
    page.title_panels(figure, grid[0], shown)
    grid[0, 0].set_ylabel(_throughput_axis(grid[0, 0], [series[cell] for cell in cells]))
    grid[1, 0].set_ylabel("p99 latency (log)")
    figure.align_ylabels(grid[:, 0])
    return Page(name, figure)


def draw(dataset: Dataset) -> Iterator[Page]:
    """One page for each kind of operation of each workload. Runs without a series are left out."""
    looks = style.looks(cell.engine for cell in dataset.cells)
    for subject, cells in dataset.by_kind():
        series = {
            cell: _series(cell, subject.kind)
            for cell in cells
            if cell.median_run and (cell.median_run.folder / "intervals.csv").is_file()
        }
        stored = [c for c in series if c.engine != style.FLOOR_ENGINE and len(series[c]) > 0]
        for suffix, shown in page.pages_of(page.panels(stored), _PANELS_A_PAGE):
            name = page.subject_name("intervals", subject, suffix)
            yield _page(name, subject, shown, series, looks)
