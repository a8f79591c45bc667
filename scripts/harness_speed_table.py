#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of scripts/harness_speed.sh: each target beside what was measured.

Usage: harness_speed_table.py FOLDER
FOLDER holds c1.json, c2.json, a.json, load.json (one summary array a run, one after the other), the
runs' manifests below results/, and the JSON of Google Benchmark.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any


def summaries(path: Path) -> list[dict[str, Any]]:
    text, decoder, at = path.read_text(encoding="utf-8"), json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    while at < len(text):
        run, at = decoder.raw_decode(text, at)
        found.append(run[-1])
        at += 1  # the line break behind it
    return found


def ns_per_op(runs: list[dict[str, Any]]) -> float:
    """Of one thread: run time, in which keys are found, not the writing of trace and key table."""
    return float(median(1e9 * run["threads"] / run["throughput_ops_per_s"] for run in runs))


def micro_ns(path: Path, name: str) -> float | None:
    rows = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    times = [
        row["real_time"] / max(1.0, row.get("items", 1.0))
        for row in rows
        if row.get("run_type") == "iteration" and row["name"].startswith(name)
    ]
    per_item = [
        1e9 / row["items_per_second"]
        for row in rows
        if row.get("run_type") == "iteration"
        and row["name"].startswith(name)
        and "items_per_second" in row
    ]
    chosen = per_item or times
    return median(chosen) if chosen else None


def main(folder: Path) -> int:
    runs = {name: summaries(folder / f"{name}.json") for name in ("c1", "c2", "a", "load")}
    manifests = [json.loads(path.read_text()) for path in folder.glob("results/*/manifest.json")]
    clock_ns = median(manifest["clock"]["read_ns"] for manifest in manifests)
    c1 = ns_per_op(runs["c1"])
    generate = median(run["generate_ns_per_op"] for run in runs["c1"])
    prepare = median(run["prepare_ns_per_op"] for run in runs["c1"])
    scale = median(
        two["throughput_ops_per_s"] / one["throughput_ops_per_s"]
        for one, two in zip(runs["c1"], runs["c2"], strict=True)
    )
    rows = [
        ("c, 1 thread, verify=off: operation", c1, "at most 45 ns"),
        ("  of that: finding keys ahead", prepare, ""),
        ("  of that: one clock reading", clock_ns, ""),
        ("  besides the clock", c1 - clock_ns, "at most 20 ns"),
        ("  with the generation of trace and keys", c1 + generate, "at most 120 ns"),
        ("a, 1,000-byte values, verify=full", ns_per_op(runs["a"]), "at most 150 ns, AVX2 100"),
        ("load, 1,000-byte values", ns_per_op(runs["load"]), "at most 250 ns"),
        ("c, 2 threads against 1: times", scale, "at least 1.8"),
    ]
    for label, file, name, target in (
        ("histogram: record", "histogram_bench", "BM_HistogramRecord", "at most 5 ns"),
        ("zipfian rank, in blocks", "distributions_bench", "Draw/zipfian_rank", "at most 10 ns"),
        (
            "scrambled draw, in blocks",
            "distributions_bench",
            "Draw/scrambled_zipfian",
            "at most 25 ns",
        ),
    ):
        value = micro_ns(folder / f"{file}.json", name)
        if value is not None:
            rows.append((label, value, target))
    print(f"{'what':40} {'measured':>9}  target")
    for label, value, target in rows:
        print(f"{label:40} {value:9.1f}  {target}".rstrip())
    print(f"medians of {len(runs['c1'])} runs")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print("harness_speed_table.py: one folder of results, please", file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
