# SPDX-License-Identifier: BSD-3-Clause
"""What campaigns of crashes cost, crash_cost.csv of scripts/crash_cost.sh, checked.

Invariants:
  1. There is a row, and each (varied, size, depth) has one.
  2. What goes onto a logarithmic axis is above 0, and a median is within its range.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import table
from .schema import BadInput

NAME = "crash_cost.csv"
COLUMNS = (
    "varied",
    "size",
    "depth",
    "operations",
    "value_min_bytes",
    "value_max_bytes",
    "threads",
    "schedules",
    "rounds",
    "limit_s",
    "rounds_cut",
    "recoveries",
    "recoveries_min",
    "recoveries_max",
    "states",
    "outcomes",
    "explored_s",
    "wall_s",
    "wall_min_s",
    "wall_max_s",
    "measured_utc",
    "commit",
    "machine",
)
FIT_NAME = "crash_cost_fit.csv"
FIT_COLUMNS = ("varied", "depth", "measure", "points", "factor", "exponent", "error_percent")
_TEXT = ("varied", "measured_utc", "commit", "machine")
VARIED = ("operations", "value_bytes", "threads")
DEPTHS = (1, 2)
_POSITIVE = ("size", "rounds", "recoveries_min", "recoveries", "wall_min_s", "wall_s")
_RANGES = (
    ("recoveries_min", "recoveries", "recoveries_max"),
    ("wall_min_s", "wall_s", "wall_max_s"),
)


def read(path: Path) -> Any:
    """The costs in `path` as a data frame. BadInput names the file and the first wrong column."""
    frame = table.read(path, COLUMNS, text=_TEXT)
    if len(frame) == 0:
        raise BadInput(f"{path}: no campaign was measured")
    _require(path, frame, "varied", frame["varied"].isin(VARIED), f"is not in {', '.join(VARIED)}")
    _require(path, frame, "depth", frame["depth"].isin(DEPTHS), "is neither 1 nor 2")
    for column in _POSITIVE:
        _require(path, frame, column, frame[column] > 0, "is not above 0")
    for low, middle, high in _RANGES:
        inside = (frame[low] <= frame[middle]) & (frame[middle] <= frame[high])
        _require(path, frame, middle, inside, f"is not from {low} to {high}")
    again = frame.duplicated(["varied", "size", "depth"])
    _require(path, frame, "size", ~again, "is there twice")
    return frame


def read_fits(path: Path) -> Any:
    """The power laws in `path` as a data frame; None if there is no such file."""
    if not path.exists():
        return None
    return table.read(path, FIT_COLUMNS, text=("varied", "measure"))


def _require(path: Path, frame: Any, column: str, right: Any, wrong: str) -> None:
    """BadInput for the first row that is not `right`."""
    rows = frame.index[~right]
    if len(rows) > 0:
        row = int(rows[0])
        raise BadInput(f"{path}: {column}, line {row + 2}: '{frame[column][row]}' {wrong}")
