#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of scripts/cmap_speed.sh: what an operation costs, engines side by side.

Usage: cmap_speed_table.py FOLDER ENGINE...
FOLDER holds ENGINE-OPERATION.json: one array of two summaries (load, run) a run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

OPERATIONS = ("insert", "overwrite", "get", "miss", "delete")
# What cmap is meant to reach: its time over pmemkv's, fences and lines flushed an operation.
TARGETS = {
    "insert": (1 / 6, 3, 5),
    "overwrite": (1 / 5, 3, 5),
    "get": (1 / 3, 0, 0),
    "miss": (1 / 5, 0, 0),
    "delete": (1 / 8, 2, 2),
}


def runs(folder: Path, engine: str, operation: str) -> list[dict[str, Any]]:
    """All summaries of an operation; inserts are the loads of all the others."""
    names = OPERATIONS[1:] if operation == "insert" else (operation,)
    found: list[dict[str, Any]] = []
    for name in names:
        text, decoder, at = (folder / f"{engine}-{name}.json").read_text(), json.JSONDecoder(), 0
        while at < len(text):
            phases, at = decoder.raw_decode(text, at)
            found.append(phases[0] if operation == "insert" else phases[1])
            at += 1  # the line break behind it
    return found


def nanoseconds(run: dict[str, Any]) -> float:
    """A thread's time for an operation, without the harness's part."""
    found: float = 1e9 * run["threads"] / run["throughput_ops_per_s"]
    return found - (run["floor_ns_per_op"] or 0)


def per_operation(run: dict[str, Any], counter: str) -> float:
    found: float = run["engine_stats"][counter] / run["operations"]
    return found


def row(operation: str, measured: list[list[dict[str, Any]]]) -> str:
    ns = [median(map(nanoseconds, found)) for found in measured]
    time_target, fence_target, line_target = TARGETS[operation]
    text = f"{operation:10}" + "".join(f"{value:12.0f}" for value in ns)
    if len(ns) > 1:
        text += f"{ns[0] / ns[1]:8.3f} (at most {time_target:.3f})"
    for counter, target in (("fences", fence_target), ("flushed_lines", line_target)):
        counts = [median(per_operation(run, counter) for run in found) for found in measured]
        text += "  " + " / ".join(f"{count:.2f}" for count in counts) + f" (at most {target})"
    return text


def main(folder: Path, engines: list[str]) -> int:
    ratio = f"    {'/'.join(engines)}" if len(engines) > 1 else ""
    head = "".join(f"{engine + ' ns':>12}" for engine in engines)
    print(f"\n{'operation':10}{head}{ratio}; fences and lines flushed of {' / '.join(engines)}")
    for operation in OPERATIONS:
        print(row(operation, [runs(folder, engine, operation) for engine in engines]))
    found = runs(folder, engines[0], "get")
    floors = [run["floor_ns_per_op"] for run in found if run["floor_ns_per_op"]]
    floor = f"{median(floors):.0f} ns" if floors else "not known"
    print(f"medians of {len(found)} runs; floor of the harness, taken off: {floor}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or not Path(sys.argv[1]).is_dir():
        print("cmap_speed_table.py: a folder of results and engines, please", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
