#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures the pools of pairs for scripts/regression_power.sh, and has suites drawn from them.

Usage: regression_power.py FENCEPOST OUT MINUTES PAIRS MILLISECONDS WHOLE
Every interval, test and verdict is fencepost's; here are batches, folders and time.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# One row of `fencepost bench` each, on tmpfs: a disk's syncs would be most of what is measured, and
# they vary by more than 5 %. Updates are blind: an operation is one call, and is slowed once.
CELLS = [
    ("filestore", "workloada"),
    ("filestore", "workloadc"),
    ("rocksdb", "workloada"),
    ("rocksdb", "workloadc"),
    ("lmdb", "workloada"),
    ("cmap", "workloada"),
]
SLOWDOWN = 0.05
MIN_NS_PER_OP = 1000
BATCH_PAIRS = 10
SUITES = 100
SETTINGS = ["-p", "fencepost.update=blind", "-p", "fencepost.floor=false", "--records", "10000"]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One engine and workload, and the spin that is 5 % of its operation."""

    engine: str
    workload: str
    ns_per_op: float

    @property
    def name(self) -> str:
        return f"{self.engine}-{self.workload}"

    @property
    def spin_ns(self) -> int:
        return round(SLOWDOWN * self.ns_per_op)


def done(folder: Path) -> bool:
    """Whether a bench has left its document, which it does last."""
    return any((folder / name).is_file() for name in ("bench.json", "comparison.json"))


class Study:
    """The pools, in folders of OUT."""

    def __init__(self, words: list[str]) -> None:
        self.out = Path(words[1])
        # Of one build throughout, whatever is built meanwhile or before it is gone on with.
        self.fencepost = self.out / "fencepost"
        if not self.fencepost.exists():
            self.out.mkdir(parents=True, exist_ok=True)
            shutil.copy2(words[0], self.fencepost)
        minutes, self.pairs, milliseconds, self.whole = map(int, words[2:])
        self.deadline = time.monotonic() + 60 * minutes
        self.seconds = f"{milliseconds / 1000:g}"
        self.cells: list[Cell] = []

    def bench(self, folder: Path, engines: str, workloads: list[str], *words: str) -> int:
        """Runs a bench into `folder`; done() if it came to its end."""
        shutil.rmtree(folder, ignore_errors=True)
        files = ",".join(f"workloads/{name}" for name in workloads)
        command = [
            str(self.fencepost), "bench", "--engines", engines, "--workloads", files, *SETTINGS,
            "--seconds", self.seconds, "--placements", "tmpfs", "--out", str(folder), *words,
        ]  # fmt: skip
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 1):
            lines = [line for line in ended.stderr.splitlines() if line.startswith("fencepost:")]
            sys.exit(f"regression_power.py: {folder.name}: {(lines or ['failed'])[-1]}")
        # Of a run, only what the comparison has of it is used again.
        for run in folder.iterdir():
            if run.is_dir():
                shutil.rmtree(run)
        return ended.returncode

    def paired(self, folder: Path, cells: list[Cell], pairs: int, slow: bool, *words: str) -> int:
        more = ["--against", str(self.fencepost), *words]
        if pairs:
            more += ["--min-pairs", str(pairs), "--max-pairs", str(pairs)]
        # The batches of a pool must not repeat one another's order within pairs.
        more += ["--seed", str(1 + len(list(self.out.iterdir())))]
        if slow:
            more += ["--this-property", f"fencepost.spin_ns={cells[0].spin_ns}"]
        engines = ",".join(dict.fromkeys(cell.engine for cell in cells))
        workloads = list(dict.fromkeys(cell.workload for cell in cells))
        return self.bench(folder, engines, workloads, *more)

    def measure_operations(self) -> None:
        """What an operation of each cell takes, once for all batches."""
        for engine, workload in CELLS:
            folder = self.out / f"operation-{engine}-{workload}"
            if not done(folder):
                print(f"measuring an operation: {engine} {workload}", flush=True)
                self.bench(folder, engine, [workload], "--repeats", "5")
            (cell,) = json.loads((folder / "bench.json").read_text())["cells"]
            # The fastest of the five: what others take from a run is not to be spun for.
            ns_per_op = 1e9 / cell["throughput_ops_per_s"]["high"]
            if ns_per_op < MIN_NS_PER_OP:
                print(f"left out: {engine} {workload}: {ns_per_op:.0f} ns, under 1 us")
                continue
            self.cells.append(Cell(engine, workload, ns_per_op))

    def measure_pools(self) -> bool:
        """Batches of all cells in turn, until the pools are full or time is up."""
        for batch in range((self.pairs + BATCH_PAIRS - 1) // BATCH_PAIRS):
            for cell in self.cells:
                for kind in ("equal", "slow"):
                    folder = self.out / f"{kind}-{cell.name}-{batch:03}"
                    if done(folder):
                        continue
                    if time.monotonic() > self.deadline:
                        return False
                    print(f"batch {batch}: {kind} {cell.name}", flush=True)
                    self.paired(folder, [cell], BATCH_PAIRS, kind == "slow", "--alpha", "0.001")
        return True

    def run_whole(self) -> list[str]:
        """Benches end to end; a line each."""
        lines: list[str] = []
        for number in range(self.whole):
            for slow in (False, True):
                folder = self.out / f"whole-{'slow' if slow else 'equal'}-{number:03}"
                # All cells that one command can name; or one cell, since spins differ.
                cell = self.cells[number % len(self.cells)]
                cells = [cell] if slow else [c for c in self.cells if c.workload == "workloada"]
                if not done(folder):
                    if time.monotonic() > self.deadline:
                        return lines
                    print(f"a bench end to end: {folder.name}", flush=True)
                    self.paired(folder, cells, 0, slow)
                found = json.loads((folder / "comparison.json").read_text())
                verdicts = ", ".join(
                    f"{c['base']['engine']} {c['base']['workload']}: {c['paired']['verdict']}"
                    for c in found["cells"]
                )
                lines.append(f"  {'one cell slowed' if slow else 'nothing changed'}: {verdicts}")
        return lines

    def draw(self) -> tuple[str, dict[str, Any]]:
        words = [str(self.fencepost), "resample", "--suites", str(SUITES)]
        for kind in ("equal", "slow"):
            folders = filter(done, sorted(self.out.glob(f"{kind}-*-[0-9][0-9][0-9]")))
            words += [word for folder in folders for word in (f"--{kind}", str(folder))]
        texts = []
        for form in ("", "--json"):
            command = [*words, form] if form else words
            drawn = subprocess.run(command, capture_output=True, text=True, check=False)
            if drawn.returncode != 0:
                sys.exit(drawn.stderr.strip() + " (run it again to measure more pairs)")
            texts.append(drawn.stdout)
        return texts[0], json.loads(texts[1])

    def header(self) -> str:
        """On what this was measured: build, machine, noise."""
        benches = sorted(self.out.glob("*-[0-9][0-9][0-9]/comparison.json"))
        found = [json.loads(path.read_text()) for path in benches]
        side = found[-1]["test"]
        turn_ms = found[-1]["paired_settings"].get("turn_ms", 0)
        others = [f["noise"]["during"]["other_cpus"] or 0.0 for f in found]
        spins = "; ".join(
            f"{cell.name}: {cell.ns_per_op:.0f} ns, spin {cell.spin_ns} ns" for cell in self.cells
        )
        dates = sorted(f["created_utc"] for f in found)
        return (
            f"fencepost {side['fencepost_version']}, commit {side['commit'][:12]}"
            f"{' with changes' if side['dirty'] else ''}, {side['compiler']} {side['build_type']}; "
            f"{side['cpu_model']}, {side['kernel']}\n"
            f"runs of {self.seconds} s in turns of {turn_ms:g} ms, "
            f"10,000 records on tmpfs, 1 thread, blind updates; "
            f"{dates[0]} to {dates[-1]}\n"
            f"other processes kept {sum(others) / len(others):.2f} CPUs busy meanwhile, "
            f"{max(others):.2f} at worst (batch of {BATCH_PAIRS} pairs)\n"
            f"an operation, and the 5 % that was injected: {spins}\n"
        )

    def run(self) -> int:
        self.measure_operations()
        if not self.cells:
            sys.exit("regression_power.py: no cell takes 1 us or more")
        whole = self.run_whole()
        complete = self.measure_pools()
        table, counts = self.draw()
        text = self.header() + "\n" + table
        if whole:
            text += "\nbenches end to end, 15 to 30 pairs a cell:\n" + "\n".join(whole) + "\n"
        alarms = counts["equal"]["found"]
        least = min(cell["slow"]["found"] for cell in counts["cells"] if cell["slow"])
        passed = alarms <= 5 and least >= 90
        text += (
            f"\nasked: at most 5 of {SUITES} alarm, at least 90 of {SUITES} find it. "
            f"Alarms: {alarms}; found, in the worst cell: {least}. "
            f"{'PASSED' if passed else 'NOT REACHED'}\n"
        )
        if not complete:
            text += f"time was up before the pools had {self.pairs} pairs: run it again to go on\n"
        (self.out / "regression_power.txt").write_text(text)
        (self.out / "regression_power.json").write_text(json.dumps(counts, indent=2) + "\n")
        print(f"\n{text}\nkept: {self.out}/regression_power.txt")
        return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(Study(sys.argv[1:]).run())
