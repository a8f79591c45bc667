# SPDX-License-Identifier: BSD-3-Clause
"""The CSV files of scripts/reproduce_book.sh, checked for the columns that are drawn.

Columns are described in results/README.md.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from .schema import BadInput

Row = dict[str, str]

COLUMNS = {
    "run": ("commit", "settings", "cpu", "cpus", "virtual", "kernel", "started_utc"),
    "published": ("level", "label", "low_ns", "high_ns", "kind", "source"),
    "pyramid": (
        "point",
        "label",
        "kind",
        "medium",
        "latency_ns",
        "low_ns",
        "high_ns",
        "confidence",
        "set_bytes",
    ),
    "paths": (
        "engine",
        "medium",
        "value_bytes",
        "phase",
        "system_calls",
        "read_calls",
        "read_call_bytes",
        "write_calls",
        "write_call_bytes",
        "blocks_written",
        "sync_calls",
        "page_faults",
        "allocations",
        "allocated_bytes",
        "copies",
        "copied_bytes",
        "device_bytes_read",
        "device_bytes_written",
        "lines_flushed",
        "fences",
        "lines_read",
        "calls",
    ),
    "cold": (
        "engine",
        "medium",
        "value_bytes",
        "pairs",
        "evicted",
        "cold_ns",
        "reopened_ns",
        "samples",
        "device_bytes_read",
    ),
    "latency": (
        "engine",
        "operation",
        "value_bytes",
        "pairs",
        "threads",
        "medium",
        "kind",
        "durability",
        "p50_ns",
        "p50_low_ns",
        "p50_high_ns",
        "confidence",
        "asked_ns",
        "injected_ns",
        "p99_ns",
        "repeats",
    ),
    "complexity": ("engine", "interface", "code_lines", "calls", "distinct_calls", "source"),
    "claims": ("section", "claim", "measured", "verdict", "note"),
}


@dataclasses.dataclass(frozen=True)
class Book:
    folder: Path
    tables: dict[str, list[Row]]

    def __getitem__(self, name: str) -> list[Row]:
        return self.tables[name]

    @property
    def run(self) -> Row:
        return self.tables["run"][0]

    @property
    def footer(self) -> str:
        run = self.run
        parts = [
            f"run {run['started_utc'][:10]}",
            f"commit {run['commit']}",
            f"{run['cpu']}, {run['cpus']} CPUs, {run['virtual']}, Linux {run['kernel']}",
        ]
        if run["settings"] != "full":
            parts.append(f"settings: {run['settings']} (short runs)")
        return " · ".join(parts)

    def path(self, engine: str, phase: str, size: int) -> Row | None:
        for row in self.tables["paths"]:
            if (row["engine"], row["phase"], int(row["value_bytes"])) == (engine, phase, size):
                return row
        return None


def has_interval(row: Row, name: str = "") -> bool:
    """Whether a row has both ends of its interval. What is counted, or ran once, has none."""
    return bool(row[f"{name}low_ns"] and row[f"{name}high_ns"])


def confidence_text(rows: Iterable[Row]) -> str:
    """Of the intervals of `rows`: "75 %", or "75 % and 93.8 %"; empty without any."""
    levels = sorted({float(row["confidence"]) for row in rows if row["confidence"]})
    return " and ".join(f"{100 * level:.3g} %" for level in levels)


def _read(path: Path, columns: tuple[str, ...]) -> list[Row]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise BadInput(f"{path}: no column {missing[0]}")
            rows = list(reader)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text") from error
    if not rows:
        raise BadInput(f"{path}: no row")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise BadInput(f"{path}: line {number}: not as many fields as columns")
        for name in columns:
            _check_number(path, number, name, row[name])
    return rows


def _check_number(path: Path, number: int, name: str, text: str) -> None:
    """Times, bytes and shares are numbers, or empty where they are not known."""
    if not name.endswith(("_ns", "_bytes", "confidence")) or text == "":
        return
    try:
        good = float(text) >= 0
    except ValueError:
        good = False
    if not good:
        raise BadInput(f"{path}: {name}, line {number}: {text!r} is no number from 0")


def read(folder: Path) -> Book:
    """All tables of a run. BadInput names the file and what is wrong with it."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    return Book(folder, {name: _read(folder / f"{name}.csv", COLUMNS[name]) for name in COLUMNS})
