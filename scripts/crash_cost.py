#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The campaigns of scripts/crash_cost.sh, and the table of what they cost.

Usage: crash_cost.py FENCEPOST FOLDER ROUNDS SIZES SECONDS
Writes FOLDER/crash_cost.csv, a row as soon as its campaigns are over; those that are there already
are not measured again.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, median_low
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = ROOT / "workloads/crash-mixed"
WORKLOAD_VALUE_BYTES = (16, 400)  # that workload's least and most
OPERATIONS = (5, 10, 20, 40)
VALUE_BYTES, OPERATIONS_OF_VALUES = (16, 100, 400, 1000), 10
THREADS, OPERATIONS_OF_THREADS, SCHEDULES = (1, 2, 3, 4), 12, 2
DEPTHS = (1, 2)
ROW = "{:<11} {:>5} {:>5} {:>10} {:>8} {:>8} {:>8}"


@dataclasses.dataclass(frozen=True)
class Campaign:
    varied: str  # operations, value_bytes or threads
    size: int  # of that
    operations: int
    value_bytes: tuple[int, int] = WORKLOAD_VALUE_BYTES
    threads: int = 1
    schedules: int = 1

    def words(self) -> list[str]:
        found = ["cmap", "-P", str(WORKLOAD), "-p", f"operationcount={self.operations}"]
        if self.varied == "value_bytes":
            found += ["-p", "fieldlengthdistribution=constant", "-p", f"fieldlength={self.size}"]
        if self.threads > 1:
            found += [f"--threads={self.threads}", f"--schedules={self.schedules}"]
        return found


@dataclasses.dataclass(frozen=True)
class Run:
    wall_s: float  # from the start to the report, the recording included
    report: dict[str, Any]

    @property
    def explored(self) -> dict[str, Any]:
        found: dict[str, Any] = self.report["explored"]
        return found

    @property
    def recoveries(self) -> int:
        """All that were executed."""
        return int(self.explored["recoveries"] + self.explored["nested_recoveries"])

    @property
    def states(self) -> int:
        """Sets of states that were judged, those that share an outcome included."""
        return int(self.explored["states"] + self.explored["nested_states"])


def campaigns(sizes: int) -> list[Campaign]:
    """The smallest `sizes` of each kind. One thread has one schedule only."""
    return [
        *[Campaign("operations", count, count) for count in OPERATIONS[:sizes]],
        *[
            Campaign("value_bytes", size, OPERATIONS_OF_VALUES, (size, size))
            for size in VALUE_BYTES[:sizes]
        ],
        *[
            Campaign(
                "threads",
                count,
                OPERATIONS_OF_THREADS,
                threads=count,
                schedules=SCHEDULES if count > 1 else 1,
            )
            for count in THREADS[:sizes]
        ],
    ]


def crash(fencepost: str, campaign: Campaign, depth: int, limit_s: int) -> Run:
    with tempfile.TemporaryDirectory() as results:
        command = [
            *[fencepost, "crash", *campaign.words(), "--strategy=reads", "--depth", str(depth)],
            *["--max-seconds", str(limit_s), "--json", "--quiet", "--results", results],
        ]
        begin = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        wall_s = time.monotonic() - begin
    report = json.loads(done.stdout) if done.stdout else {}
    # What is violated is not explored to its end: its cost says nothing.
    if done.returncode != 0 or report.get("verdict") not in ("passed", "incomplete"):
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return Run(wall_s, report)


def machine() -> str:
    """CPU, how many of it may be used, kernel, and whether it is virtual."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in info if ":" in line)
    named = {name.strip(): " ".join(value.split()) for name, value in fields.items()}
    count = len(os.sched_getaffinity(0))
    parts = [named.get("model name", "unknown CPU"), f"{count} CPU{'' if count == 1 else 's'}"]
    parts.append(os.uname().release)
    if "hypervisor" in named.get("flags", "").split():
        parts.append("virtual machine")
    return ", ".join(parts)


def row(
    campaign: Campaign, depth: int, limit_s: int, runs: list[Run], where: dict[str, str]
) -> dict[str, object]:
    """Medians of the rounds, and how far these lie apart."""
    recoveries = [run.recoveries for run in runs]
    wall_s = [run.wall_s for run in runs]
    return {
        "varied": campaign.varied,
        "size": campaign.size,
        "depth": depth,
        "operations": campaign.operations,
        "value_min_bytes": campaign.value_bytes[0],
        "value_max_bytes": campaign.value_bytes[1],
        "threads": campaign.threads,
        "schedules": campaign.schedules,
        "rounds": len(runs),
        "limit_s": limit_s,
        "rounds_cut": sum(run.explored["stopped"] is not None for run in runs),
        # Of an even number the lower of the two in the middle: a count.
        "recoveries": median_low(recoveries),
        "recoveries_min": min(recoveries),
        "recoveries_max": max(recoveries),
        "states": median_low([run.states for run in runs]),
        "outcomes": median_low([run.explored["outcomes"] for run in runs]),
        "explored_s": f"{median(run.explored['seconds'] for run in runs):.3f}",
        "wall_s": f"{median(wall_s):.3f}",
        "wall_min_s": f"{min(wall_s):.3f}",
        "wall_max_s": f"{max(wall_s):.3f}",
        "measured_utc": runs[0].report["created_utc"],
        "commit": runs[0].report["commit"],
        **where,
    }


def main() -> None:
    fencepost, folder = sys.argv[1], Path(sys.argv[2])
    rounds, sizes, limit_s = map(int, sys.argv[3:6])
    begin, where = time.monotonic(), {"machine": machine()}
    print(ROW.format("varied", "size", "depth", "recoveries", "states", "s", "cut"))
    path, there = folder / "crash_cost.csv", set()
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            there = {(row["varied"], row["size"], row["depth"]) for row in csv.DictReader(file)}
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = None
        for campaign in campaigns(sizes):
            for depth in DEPTHS:
                if (campaign.varied, str(campaign.size), str(depth)) in there:
                    continue
                runs = [crash(fencepost, campaign, depth, limit_s) for _ in range(rounds)]
                found = row(campaign, depth, limit_s, runs, where)
                if writer is None:
                    writer = csv.DictWriter(file, list(found), lineterminator="\n")
                    if not there:
                        writer.writeheader()
                writer.writerow(found)
                file.flush()
                shown = ("varied", "size", "depth", "recoveries", "states", "wall_s", "rounds_cut")
                print(ROW.format(*[found[name] for name in shown]), flush=True)
    took = datetime.timedelta(seconds=round(time.monotonic() - begin))
    print(f"medians of {rounds} rounds; {took} in all")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # the rows of what was over by then are there
