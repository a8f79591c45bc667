# SPDX-License-Identifier: BSD-3-Clause
"""What the figures with one line an engine share: handles, labels, marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from . import style
from .load import Cell


def label(cell: Cell) -> str:
    marks = [mark for mark, is_so in (("partial", cell.partial),) if is_so]
    if cell.failed_check:
        marks.append("FAILED CHECK")
    return f"{cell.engine} ({', '.join(marks)})" if marks else cell.engine


def handles(cells: Sequence[Cell], looks: Mapping[str, style.Look]) -> list[Any]:
    """One entry an engine; an engine of which any cell is marked is marked."""
    found: list[Any] = []
    for name, look in looks.items():
        labels = [label(cell) for cell in cells if cell.engine == name]
        if labels:
            text = max(labels, key=len)
            found.append(
                Line2D(
                    [], [], color=look.color, ls=look.dashes, marker=look.marker or None, label=text
                )
            )
    return found


def floor_handle(text: str) -> Any:
    return Line2D([], [], color=style.FLOOR_COLOR, ls=style.FLOOR_DASHES, label=text)


def in_order(cells: Iterable[Cell], looks: Mapping[str, style.Look]) -> list[Cell]:
    order = list(looks)
    return sorted(cells, key=lambda cell: order.index(cell.engine))


def latency_axis(axes: Any) -> None:
    """A logarithmic y axis of nanoseconds, labelled in the unit that reads best."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.duration(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True)
