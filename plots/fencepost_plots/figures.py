# SPDX-License-Identifier: BSD-3-Clause
"""The one list of figures. A new figure is one module with a draw function and one row here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from . import intervals, latency, throughput
from .load import Dataset
from .page import Page


@dataclasses.dataclass(frozen=True)
class FigureRow:
    name: str
    description: str  # one line
    draw: Callable[[Dataset], Iterator[Page]]


FIGURES = (
    FigureRow("throughput", "throughput by engine and workload, with intervals", throughput.draw),
    FigureRow("latency", "latency percentile curves, by kind of operation", latency.draw),
    FigureRow("intervals", "throughput and p99 latency over time", intervals.draw),
)
