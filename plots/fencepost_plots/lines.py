# SPDX-License-Identifier: BSD-3-Clause
"""What the figures with one line an engine share: handles, labels, marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator

from . import style
from .load import Cell

_FEW_DECADES = 300.0


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


def log_axis(axes: Any, name: Callable[[float], str]) -> None:
    """A logarithmic y axis with a label a decade; at 2 and 5 too where there are few decades."""

    def minor(value: float, _: int) -> str:
        low, high = axes.get_ylim()
        return name(value) if high / low < _FEW_DECADES else ""

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: name(value)))
    axes.yaxis.set_minor_formatter(FuncFormatter(minor))
    axes.tick_params(axis="y", which="minor", labelsize=style.SMALL_PT)


def runs_note(cells: Sequence[Cell], many: str) -> str:
    """What a line is, for the footer: `many` where there are several runs to choose from."""
    return many if any(len(cell.runs) > 1 for cell in cells) else "one run a line"
