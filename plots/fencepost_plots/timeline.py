# SPDX-License-Identifier: BSD-3-Clause
"""The interval series of a run, intervals.csv, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import table

COLUMNS = (
    "elapsed_s",
    "kind",
    "operations",
    "ops_per_s",
    "mean_ns",
    "p50_ns",
    "p99_ns",
    "max_ns",
)


def read(path: Path) -> Any:
    """The series in `path` as a data frame. BadInput names the file and the first wrong column."""
    # No operation in the interval: a gap in the line.
    return table.read(path, COLUMNS, text=("kind",), gaps=True)
