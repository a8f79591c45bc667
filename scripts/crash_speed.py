#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of scripts/crash_speed.sh.

Usage: crash_speed.py FENCEPOST ROUNDS OPERATIONS
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
STRATEGIES = ("prefix", "one-missing", "sample:10")
TARGET_PER_S = 150
FEW, MANY = 2, 40  # samples a crash point, for the memory


class Bench:
    def __init__(self, fencepost: Path, results: Path) -> None:
        self.fencepost = fencepost
        self.results = results

    def crash(self, *words: str) -> tuple[str, int]:
        """What it printed, and the peak memory in KiB of its largest process."""
        command = [str(self.fencepost), "crash", *words, "--quiet", "--results", str(self.results)]
        with tempfile.TemporaryFile("w+") as out:
            pid = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)],
            )
            _, status, usage = os.wait4(pid, 0)
            out.seek(0)
            text = out.read()
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}")
        return text, usage.ru_maxrss

    def record(self, operations: int) -> str:
        begin = time.monotonic()
        text, _ = self.crash(
            "cmap",
            "-P",
            str(ROOT / "workloads/crash-mixed"),
            "-p",
            f"operationcount={operations}",
            "--record-only",
        )
        print(f"recorded {operations} operations in {time.monotonic() - begin:.1f} s")
        return text.strip()

    def explore(self, folder: str, strategy: str) -> tuple[dict[str, float], int]:
        text, peak_kib = self.crash("--from", folder, "--strategy", strategy, "--json")
        explored: dict[str, float] = json.loads(text)["explored"]
        return explored, peak_kib


def main() -> int:
    fencepost, rounds, operations = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as results:
        bench = Bench(fencepost, Path(results))
        folder = bench.record(operations)
        print(f"{'strategy':14} {'recoveries':>10} {'recoveries/s':>13}  target")
        for strategy in STRATEGIES:
            runs = [bench.explore(folder, strategy)[0] for _ in range(rounds)]
            rate = median(run["recoveries"] / run["seconds"] for run in runs)
            print(f"{strategy:14} {runs[0]['recoveries']:>10} {rate:>13.0f}  {TARGET_PER_S}")
        few, few_kib = bench.explore(folder, f"sample:{FEW}")
        many, many_kib = bench.explore(folder, f"sample:{MANY}")
        print(
            f"peak memory: {few_kib / 1024:.0f} MiB for {few['recoveries']} recoveries, "
            f"{many_kib / 1024:.0f} MiB for {many['recoveries']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
