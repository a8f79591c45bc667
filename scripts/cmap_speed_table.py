#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of scripts/cmap_speed.sh: nanoseconds an operation, engines side by side.

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


def main(folder: Path, engines: list[str]) -> int:
    head = " ".join(f"{engine + ' ns':>12}" for engine in engines)
    ratio = f" {'/'.join(engines):>14}" if len(engines) > 1 else ""
    print(f"\n{'operation':10} {head}{ratio}   lines flushed, fences of {engines[0]}")
    for operation in OPERATIONS:
        measured = [runs(folder, engine, operation) for engine in engines]
        ns = [
            median(1e9 * r["threads"] / r["throughput_ops_per_s"] for r in found)
            for found in measured
        ]
        row = f"{operation:10} " + " ".join(f"{value:12.0f}" for value in ns)
        if len(ns) > 1:
            row += f" {ns[0] / ns[1]:14.2f}"
        if operation == "insert":
            stats, count = measured[0][0]["engine_stats"], measured[0][0]["operations"]
            row += f"   {stats['flushed_lines'] / count:.1f}, {stats['fences'] / count:.1f}"
        print(row)
    floors = [r["floor_ns_per_op"] for r in runs(folder, engines[0], "get") if r["floor_ns_per_op"]]
    if floors:
        print(f"harness floor of a get: {median(floors):.0f} ns; medians of {len(floors)} runs")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or not Path(sys.argv[1]).is_dir():
        print("cmap_speed_table.py: a folder of results and engines, please", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
