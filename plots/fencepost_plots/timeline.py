# SPDX-License-Identifier: BSD-3-Clause
"""The interval series of a run, intervals.csv, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas

from .schema import BadInput

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
    try:
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except (ValueError, pandas.errors.ParserError) as error:
        raise BadInput(f"{path}: malformed CSV: {' '.join(str(error).split())}") from error
    if tuple(frame.columns) != COLUMNS:
        raise BadInput(f"{path}: header: expected {','.join(COLUMNS)}")
    if not isinstance(frame.index, pandas.RangeIndex):  # pandas takes what is over for an index
        raise BadInput(f"{path}: line 2: more fields than the header")
    for column in COLUMNS:
        if column == "kind":
            continue
        blank = frame[column] == ""  # no operation in the interval: a gap in the line
        numbers = pandas.to_numeric(frame[column].mask(blank), errors="coerce")
        wrong = frame.index[numbers.isna() & ~blank]
        if len(wrong) > 0:
            row = int(wrong[0])
            value = frame[column][row]
            raise BadInput(f"{path}: {column}, line {row + 2}: '{value}' is no number")
        frame[column] = numbers
    return frame
