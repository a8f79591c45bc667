#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The campaigns of scripts/prove_cmap.sh.

Usage: prove_cmap.py FENCEPOST OPERATIONS SCHEDULES DEPTH SECONDS
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = ROOT / "workloads/crash-mixed"
# Proportions of the workload, each 0 unless it is named.
KINDS = (
    "readproportion",
    "updateproportion",
    "insertproportion",
    "fencepost.deleteproportion",
    "fencepost.missproportion",
    "fencepost.batchproportion",
    "fencepost.compareandputproportion",
    "fencepost.defragmentproportion",
)
# The least table splits four of its buckets every 16 inserts, the first with 65 to 80 pairs.
GROWTH = ("recordcount=62", "cmap.initial_buckets=16")
ROW = "{:<12} {:>5} {:>9} {:>7} {:>10} {:>9} {:>9} {:>9} {:>7}  {}"


def only(**shares: float) -> list[str]:
    """Properties of a workload of these kinds of operations."""
    named = {name.split(".")[-1].removesuffix("proportion"): name for name in KINDS}
    return [f"{name}={shares.get(kind, 0)}" for kind, name in named.items()]


def campaigns(operations: int, schedules: int) -> list[tuple[str, list[str]]]:
    """Name and words of each."""
    count = f"operationcount={operations}"
    two = ["--threads=2", f"--schedules={schedules}"]
    return [
        ("insert", words([count, *only(insert=1)])),
        ("overwrite", words([count, *only(update=1)])),
        ("delete", words([count, *only(delete=1)])),
        ("get", words([count, *only(read=0.4, miss=0.4, update=0.2)])),
        ("batch", words([count, *only(batch=1), "fencepost.batchsize=3"])),
        ("compare", words([count, *only(compareandput=1)])),
        ("defragment", words([count, *only(defragment=0.1, insert=0.4, delete=0.5)])),
        ("growth", words([count, *only(insert=0.9, delete=0.1), *GROWTH])),
        ("mixed", words([count])),
        ("two threads", [*words([count]), *two]),
    ]


def words(properties: list[str]) -> list[str]:
    return [word for text in properties for word in ("-p", text)]


def crash(fencepost: str, name: str, chosen: list[str], depth: int, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as results:
        done = subprocess.run(
            [
                *[fencepost, "crash", "cmap", "-P", str(WORKLOAD), *chosen, "--json", "--quiet"],
                *["--depth", str(depth), "--strategy=reads", "--results", results],
                *["--max-seconds", str(seconds)],
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if not done.stdout:
        raise SystemExit(f"{name}: exit code {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> None:
    fencepost, operations, schedules, depth, seconds = sys.argv[1], *map(int, sys.argv[2:6])
    print(
        ROW.format(
            *["campaign", "ops", "schedules", "points", "log10 raw", "recovered", "nested"],
            *["outcomes", "s", "verdict"],
        )
    )
    failed = False
    for name, chosen in campaigns(operations, schedules):
        begin = time.monotonic()
        report = crash(fencepost, name, chosen, depth, seconds)
        explored = report["explored"]
        proved = report["verdict"] == "passed" and explored["every_state"]
        failed |= not proved
        row = ROW.format(
            name,
            operations,
            report["schedules"]["distinct"],
            explored["crash_points"],
            f"{explored['log10_raw_states']:.1f}",
            explored["recoveries"],
            explored["nested_recoveries"],
            explored["outcomes"],
            f"{time.monotonic() - begin:.0f}",
            "proved" if proved else report["verdict"],
        )
        print(row, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
