# SPDX-License-Identifier: BSD-3-Clause
"""CSV of ours: a header that is known, text where it is said, numbers everywhere else."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas

from .schema import BadInput


def read(path: Path, columns: Sequence[str], text: Collection[str] = (), gaps: bool = False) -> Any:
    """The table in `path` as a data frame. BadInput names the file and the first wrong column.

    `text`: the columns that hold text. `gaps`: a number may be left out, which makes it NaN.
    """
    try:
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except (ValueError, pandas.errors.ParserError) as error:
        raise BadInput(f"{path}: malformed CSV: {' '.join(str(error).split())}") from error
    if tuple(frame.columns) != tuple(columns):
        raise BadInput(f"{path}: header: expected {','.join(columns)}")
    # pandas takes what is over for an index; a table without rows has none of its own.
    if len(frame) > 0 and not isinstance(frame.index, pandas.RangeIndex):
        raise BadInput(f"{path}: line 2: more fields than the header")
    for column in columns:
        if column in text:
            continue
        blank = (frame[column] == "") & gaps
        numbers = pandas.to_numeric(frame[column].mask(blank), errors="coerce")
        wrong = frame.index[numbers.isna() & ~blank]
        if len(wrong) > 0:
            row = int(wrong[0])
            value = frame[column][row]
            raise BadInput(f"{path}: {column}, line {row + 2}: '{value}' is no number")
        frame[column] = numbers
    return frame
