#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurement of scripts/campaign_cost.sh.

Usage: campaign_cost.py FENCEPOST FOLDER ROUNDS SIZES
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from crash_cost import ROOT, WORKLOAD, machine

SHARDS = (1, 16, 64, 256, 1024)
# Engine, operations, keys of a suite's step. Two sizes each: what is fixed and what grows with the
# states can be told apart.
SUBJECTS = (
    ("filestore", 250, ""),
    ("filestore", 1000, ""),
    ("cmap", 75, "depth = 1"),
    ("cmap", 300, "depth = 1"),
)
COLUMNS = (
    *("engine", "operations", "shards", "rounds", "whole_s", "campaign_s", "campaign_min_s"),
    *("campaign_max_s", "overhead", "merge_s", "part_bytes", "states", "measured_utc", "commit"),
    "machine",
)
SUITE = """
title = "What dividing costs"

[[step]]
name = "step"
run = "crash"
engines = ["{engine}"]
workload = "{workload}"
{more}
properties = {{ operationcount = {operations} }}
"""


def timed(command: list[str]) -> float:
    begin = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return time.monotonic() - begin


def whole(fencepost: str, engine: str, operations: int, more: str) -> float:
    """One process: from the recording to the report."""
    words = ["-P", str(WORKLOAD), "-p", f"operationcount={operations}", "--jobs", "1", "--quiet"]
    with tempfile.TemporaryDirectory() as results:
        depth = ["--depth", "1"] if "depth" in more else []
        return timed([fencepost, "crash", engine, *words, *depth, "--results", results])


def divided(
    fencepost: str, engine: str, operations: int, more: str, shards: int
) -> tuple[float, float, int, int]:
    """A campaign with one worker: its time, its report's alone, bytes of its parts, states."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "suite.toml"
        text = SUITE.format(engine=engine, workload=WORKLOAD, more=more, operations=operations)
        suite.write_text(text, encoding="utf-8")
        words = ["--workers", "1", "--shards", str(shards), "--quiet", "--out", str(folder / "out")]
        campaign_s = timed([fencepost, "campaign", str(suite), *words])
        merge_s = timed([fencepost, "campaign-worker", "conclude", str(folder / "out"), "step"])
        parts = [path.stat().st_size for path in (folder / "out/step/parts").iterdir()]
        (verdict,) = folder.glob("out/step/*/verdict.json")
        explored = json.loads(verdict.read_text(encoding="utf-8"))["explored"]
        return campaign_s, merge_s, sum(parts), explored["states"] + explored["nested_states"]


def commit() -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def main() -> None:
    fencepost, path = sys.argv[1], Path(sys.argv[2]) / "campaign_cost.csv"
    rounds, sizes = map(int, sys.argv[3:5])
    there: set[tuple[str, str, str]] = set()
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            there = {
                (row["engine"], row["operations"], row["shards"]) for row in csv.DictReader(file)
            }
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if not there:
            writer.writeheader()
        for engine, operations, more in SUBJECTS:
            todo = [n for n in SHARDS[:sizes] if (engine, str(operations), str(n)) not in there]
            for shards in todo:
                # In turn: a drift of the machine meets both alike.
                pairs = [
                    (
                        whole(fencepost, engine, operations, more),
                        divided(fencepost, engine, operations, more, shards),
                    )
                    for _ in range(rounds)
                ]
                whole_s = median(one for one, _ in pairs)
                times = [campaign[0] for _, campaign in pairs]
                row = {
                    "engine": engine,
                    "operations": operations,
                    "shards": shards,
                    "rounds": rounds,
                    "whole_s": f"{whole_s:.3f}",
                    "campaign_s": f"{median(times):.3f}",
                    "campaign_min_s": f"{min(times):.3f}",
                    "campaign_max_s": f"{max(times):.3f}",
                    "overhead": f"{median(times) / whole_s - 1:.4f}",
                    "merge_s": f"{median(campaign[1] for _, campaign in pairs):.3f}",
                    "part_bytes": pairs[0][1][2],
                    "states": pairs[0][1][3],
                    "measured_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "commit": commit(),
                    "machine": machine(),
                }
                writer.writerow(row)
                file.flush()
                shown = ("engine", "operations", "shards", "whole_s", "campaign_s", "overhead")
                print(*(f"{name}={row[name]}" for name in shown), f"merge_s={row['merge_s']}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # the rows of what was over by then are there
