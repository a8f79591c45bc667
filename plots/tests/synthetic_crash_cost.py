# SPDX-License-Identifier: BSD-3-Clause
"""Made-up costs of campaigns for the tests: nothing here was measured, and each row says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plots.fencepost_plots.crash_cost_table import COLUMNS, NAME
from plots.tests.synthetic import COMMIT, MACHINE

Row = dict[str, object]


def row(varied: str, size: int, depth: int, rounds: int = 1, cut: int = 0) -> Row:
    recoveries = 37 * size * (7 if depth == 2 else 1)
    spread = 0.25 if rounds > 1 else 0.0
    wall_s = 1.5 + recoveries / 160
    value = (size, size) if varied == "value_bytes" else (16, 400)
    threads = size if varied == "threads" else 1
    return {
        "varied": varied,
        "size": size,
        "depth": depth,
        "operations": size if varied == "operations" else 10 if varied == "value_bytes" else 12,
        "value_min_bytes": value[0],
        "value_max_bytes": value[1],
        "threads": threads,
        "schedules": 2 if threads > 1 else 1,
        "rounds": rounds,
        "limit_s": 45,
        "rounds_cut": cut,
        "recoveries": recoveries,
        "recoveries_min": round(recoveries * (1 - spread)),
        "recoveries_max": round(recoveries * (1 + spread)),
        "states": recoveries * 2,
        "outcomes": 3,
        "explored_s": wall_s - 1.5,
        "wall_s": wall_s,
        "wall_min_s": wall_s * (1 - spread),
        "wall_max_s": wall_s * (1 + spread),
        "measured_utc": "2026-01-02T03:04:05Z",
        "commit": COMMIT,
        "machine": MACHINE,
    }


def rows(rounds: int = 1) -> list[Row]:
    """The shape of what crash_cost.sh leaves; the largest campaign was ended early."""
    sizes = {"operations": (5, 10, 20, 40), "value_bytes": (16, 100, 400, 1000)}
    sizes["threads"] = (1, 2, 3, 4)
    made = [
        row(varied, size, depth, rounds)
        for varied, found in sizes.items()
        for size in found
        for depth in (1, 2)
    ]
    for entry in made:
        if (entry["varied"], entry["size"], entry["depth"]) == ("operations", 40, 2):
            entry["rounds_cut"] = 1
    return made


def write(folder: Path, made: Sequence[Row]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS)]
    lines += [",".join(str(entry[column]) for column in COLUMNS) for entry in made]
    path = folder / NAME
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
