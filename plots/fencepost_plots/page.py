# SPDX-License-Identifier: BSD-3-Clause
"""The frame of a figure: a title, a legend, a grid of axes, a footer; and its files.

All sizes are in inches, so that text has the size in print that it was given here: a page is as
wide as one or two columns of a paper, and as high as its contents need.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from . import footer, style
from .load import Cell, Condition, Subject
from .schema import BadInput

PNG_DPI = 300
_LAYOUT_DPI = 100
_MARGIN_IN = 0.06
_AXIS_LABELS_IN = 0.6  # beside a panel
_LINE_IN = style.SMALL_PT * 1.3 / 72
_TITLE_IN = style.FONT_PT * 1.6 / 72


@dataclasses.dataclass(frozen=True)
class Page:
    """A finished figure and the name of its files, without a suffix."""

    name: str
    figure: Figure


@dataclasses.dataclass(frozen=True)
class Panel:
    """Cells that may be compared side by side, and the harness floor that goes with them."""

    condition: Condition
    cells: tuple[Cell, ...]
    floor: tuple[Cell, ...]


def panels(cells: Sequence[Cell]) -> list[Panel]:
    """One panel a condition. The floor joins the panels of its bench; alone, it is the panel."""
    floor = [cell for cell in cells if cell.engine == style.FLOOR_ENGINE]
    stored = [cell for cell in cells if cell.engine != style.FLOOR_ENGINE] or floor
    groups: dict[Condition, list[Cell]] = {}
    for cell in stored:
        groups.setdefault(cell.condition, []).append(cell)
    found = []
    for condition, members in sorted(groups.items(), key=lambda item: item[0].rank()):
        same = (condition.bench, condition.verify, condition.machine)
        joined = [
            cell
            for cell in floor
            if (cell.condition.bench, cell.condition.verify, cell.condition.machine) == same
        ]
        found.append(Panel(condition, tuple(members), tuple(joined)))
    return found


def subject_name(figure: str, subject: Subject, suffix: str) -> str:
    """A file name: what might not be portable becomes a dash."""
    phase = ["load"] if subject.phase == "load" else []
    parts = [figure, subject.workload, *phase, subject.kind.lower(), f"t{subject.threads}"]
    text = "-".join(parts) + suffix
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in text)


def pages_of(shown: Sequence[Panel], most: int) -> list[tuple[str, Sequence[Panel]]]:
    """At most `most` panels a page, each page with the suffix of its name."""
    chunks = [shown[i : i + most] for i in range(0, len(shown), most)]
    return [("" if len(chunks) == 1 else f"-{i + 1}", chunk) for i, chunk in enumerate(chunks)]


def _wrap(renderer: Any, text: str, width_in: float, bold: bool = False) -> list[str]:
    """Greedy, by the width that the text really has: between items first, then between words."""
    font = FontProperties(
        family=style.RC["font.family"],
        size=style.FONT_PT if bold else style.SMALL_PT,
        weight="bold" if bold else "normal",
    )

    def fits(line: str) -> bool:
        width_px, _, _ = renderer.get_text_width_height_descent(line, font, False)
        return bool(width_px <= width_in * _LAYOUT_DPI)

    wrapped: list[str] = []
    for item in text.split(footer.SEPARATOR):
        if wrapped and fits(wrapped[-1] + footer.SEPARATOR + item):
            wrapped[-1] += footer.SEPARATOR + item
            continue
        for i, word in enumerate(item.split(" ")):
            if i > 0 and fits(f"{wrapped[-1]} {word}"):
                wrapped[-1] += f" {word}"
            else:
                wrapped.append(word)
    return wrapped


def _place_legend(figure: Figure, renderer: Any, handles: Sequence[Any]) -> Any:
    """A legend with as many columns as fit the width."""
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(
            handles=handles,
            ncol=columns,
            loc="upper left",
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            columnspacing=1.4,
            handlelength=2.6,
            handletextpad=0.5,
        )
        width_px = legend.get_window_extent(renderer).width
        if columns == 1 or width_px <= figure.bbox.width - 2 * _MARGIN_IN * _LAYOUT_DPI:
            return legend
        legend.remove()
    return None


def frame(
    title: str,
    shape: tuple[int, int],
    size_in: tuple[float, float],
    handles: Sequence[Any],
    footer_lines: Sequence[str],
    **subplots: Any,
) -> tuple[Figure, Any]:
    """A figure and its axes (always a 2-D array). `size_in`: its width, and the height of a row."""
    rows, columns = shape
    width_in, row_in = size_in
    figure = Figure(figsize=(width_in, row_in), dpi=_LAYOUT_DPI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    usable_in = width_in - 2 * _MARGIN_IN
    heading = _wrap(renderer, title, usable_in, bold=True)
    feet = [row for line in footer_lines for row in _wrap(renderer, line, usable_in)]
    legend = _place_legend(figure, renderer, handles)
    legend_in = legend.get_window_extent(renderer).height / _LAYOUT_DPI if legend else 0.0

    top_in = _MARGIN_IN + len(heading) * _TITLE_IN + legend_in + 0.06
    bottom_in = _MARGIN_IN + len(feet) * _LINE_IN + 0.04
    height_in = top_in + rows * row_in + bottom_in
    figure.set_size_inches(width_in, height_in)
    left = _MARGIN_IN / width_in
    figure.text(left, 1 - _MARGIN_IN / height_in, "\n".join(heading), va="top", weight="bold")
    figure.text(
        left,
        _MARGIN_IN / height_in,
        "\n".join(feet),
        va="bottom",
        color="#303030",
        linespacing=1.25,
        size=style.SMALL_PT,
    )
    if legend:
        legend_top = 1 - (_MARGIN_IN + len(heading) * _TITLE_IN) / height_in
        legend.set_bbox_to_anchor((left, legend_top))
    figure.set_layout_engine(
        "constrained",
        rect=(0, bottom_in / height_in, 1, rows * row_in / height_in),
        w_pad=0.04,
        h_pad=0.04,
    )
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def title_panels(figure: Figure, axes: Iterable[Any], shown: Sequence[Panel]) -> None:
    """Says over each panel under which condition it was measured."""
    conditions = [panel.condition for panel in shown]
    renderer = figure.canvas.get_renderer()
    for ax, condition in zip(axes, conditions):
        columns = ax.get_subplotspec().get_gridspec().ncols
        width_in = figure.get_size_inches()[0] / columns - _AXIS_LABELS_IN
        title = footer.panel_title(condition, conditions)
        text = "\n".join(_wrap(renderer, title, width_in))
        ax.set_title(text, loc="left", size=style.SMALL_PT)


def save(page: Page, folder: Path) -> list[Path]:
    """Writes the PNG and the SVG. BadInput if the folder cannot be written."""
    paths = [folder / f"{page.name}.png", folder / f"{page.name}.svg"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Laid out once, for both files.
        page.figure.draw_without_rendering()
        page.figure.set_layout_engine("none")
        page.figure.savefig(paths[0], dpi=PNG_DPI)
        # Without a date the same data gives the same file.
        page.figure.savefig(paths[1], metadata={"Date": None})
    except OSError as error:
        raise BadInput(f"{error.filename or folder}: {error.strerror}") from error
    return paths
