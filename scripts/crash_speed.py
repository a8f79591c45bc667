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
# Of `reads`: operations of the campaign; its targets.
EVERY_OPERATIONS = 20
EVERY_S, EVERY_RECOVERIES_PER_S, EVERY_STATES_PER_S, RECOVERIES_AN_OUTCOME = 60, 200, 1000, 4


class Bench:
    def __init__(self, fencepost: Path, results: Path) -> None:
        self.fencepost = fencepost
        self.results = results

    def crash(self, *words: str, may_fail: bool = False) -> tuple[str, int]:
        """What it printed, and the peak memory in KiB of its largest process. `may_fail`: a
        violation is no error here."""
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
        allowed = (0, 1) if may_fail else (0,)
        if os.waitstatus_to_exitcode(status) not in allowed:
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


def every_state(bench: Bench, rounds: int) -> None:
    """The campaign that leaves out nothing that recovery can tell apart, by depth."""
    for depth in (1, 2):
        seconds, runs = [], []
        for _ in range(rounds):
            begin = time.monotonic()
            text, _ = bench.crash(
                *["cmap", "-P", str(ROOT / "workloads/crash-mixed"), "--strategy=reads", "--json"],
                *["-p", f"operationcount={EVERY_OPERATIONS}", "--depth", str(depth)],
            )
            seconds.append(time.monotonic() - begin)
            runs.append(json.loads(text)["explored"])
        of_recoveries = [run["recoveries"] + run["nested_recoveries"] for run in runs]
        # Sets of states that recovery tells apart; each stands for many raw ones. `verdicts` is
        # less: of second crashes it leaves out what shares an outcome that was judged clean before.
        of_states = [run["states"] + run["nested_states"] for run in runs]
        rates = [
            median(count / run["seconds"] for count, run in zip(counts, runs))
            for counts in (of_recoveries, of_states)
        ]
        an_outcome = median(count / run["outcomes"] for count, run in zip(of_recoveries, runs))
        print(f"reads, {EVERY_OPERATIONS} operations, depth {depth}:")
        for name, value, target in (
            ("s from start to report", median(seconds), f"at most {EVERY_S}"),
            ("recoveries/s", rates[0], f"{EVERY_RECOVERIES_PER_S}"),
            ("states + nested_states judged/s", rates[1], f"{EVERY_STATES_PER_S}"),
            ("recoveries an outcome", an_outcome, f"at most {RECOVERIES_AN_OUTCOME}"),
        ):
            print(f"  {name:32} {value:>8.1f}  {target}")


# Of a 200-operation campaign: judged states a second; of all six together: seconds.
FILE_TARGETS = {"filestore": 300, "lmdb": 100, "rocksdb": 40}
FILE_SYSTEMS = ("ext4-ordered", "posix")
FILE_OPERATIONS, FILES_S = 200, 180


def files(bench: Bench, rounds: int) -> None:
    """Engines that keep their data in files, each on two file systems."""
    print(f"{FILE_OPERATIONS} operations on files:")
    whole = [0.0] * rounds
    for engine, target in FILE_TARGETS.items():
        for file_system in FILE_SYSTEMS:
            runs = []
            for i in range(rounds):
                begin = time.monotonic()
                text, _ = bench.crash(
                    *[engine, "-P", str(ROOT / "workloads/crash-mixed"), "--fs", file_system],
                    *["-p", f"operationcount={FILE_OPERATIONS}", "--json"],
                    may_fail=True,
                )
                whole[i] += time.monotonic() - begin
                runs.append(json.loads(text)["explored"])
            states = median(run["states"] / run["seconds"] for run in runs)
            recoveries = median(run["recoveries"] / run["seconds"] for run in runs)
            shared = median(run["states"] / run["recoveries"] for run in runs)
            print(
                f"  {engine + ' on ' + file_system:26} {states:>7.0f} states judged/s  {target}"
                f"   {recoveries:>6.0f} recoveries/s, {shared:.1f} states a tree  2"
            )
    print(f"  all six, start to report: {median(whole):.0f} s  at most {FILES_S}")


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
        every_state(bench, rounds)
        files(bench, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
