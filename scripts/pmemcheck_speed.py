#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of scripts/pmemcheck_speed.sh.

Usage: pmemcheck_speed.py BUILD_FOLDER ROUNDS PUTS
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SIZES = {
    "stores": (250_000, 500_000, 1_000_000),
    "mappings": (250_000, 500_000, 1_000_000),
    "region": (256, 512, 1024),
}
SPARSE_GIB = 32


class Bench:
    def __init__(self, build: Path, folder: Path) -> None:
        self.programs = build / "faultinject/pmemcheck/tests/programs"
        self.fencepost = build / "harness/fencepost"
        self.file = folder / "pool"
        self.trace = folder / "trace"
        self.environment = {
            **os.environ,
            "VALGRIND_LIB": str((build / "faultinject/pmemcheck/valgrind").resolve()),
            "PMEM_IS_PMEM_FORCE": "1",
        }

    def seconds(self, options: list[str], program: str, *arguments: str) -> float:
        self.file.unlink(missing_ok=True)
        begin = time.monotonic()
        done = subprocess.run(
            ["valgrind", "-q", *options, self.programs / program, self.file, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise SystemExit(f"{program} {' '.join(arguments)}: {done.stderr or done.stdout}")
        return time.monotonic() - begin

    def microseconds_a_put(self, options: list[str], puts: int) -> float:
        with_puts = self.seconds(options, "obj_hash_reserve", f"--count={puts}")
        without = self.seconds(options, "obj_hash_reserve", "--count=0")
        return (with_puts - without) / puts * 1e6


def puts_table(bench: Bench, rounds: int, puts: int) -> None:
    checked = ["--tool=pmemcheck"]
    traced = [*checked, f"--trace-file={bench.trace}"]
    kinds = {"no tool": ["--tool=none"], "pmemcheck": checked, "with a trace": traced}
    us: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, options in kinds.items():
            us[kind].append(bench.microseconds_a_put(options, puts))
    targets = {"no tool": "", "pmemcheck": "at most 2.5 times", "with a trace": "at most 3 times"}
    print(f"{'a put under Valgrind':24} {'us':>8} {'times':>6}  target")
    for kind in kinds:
        ratio = median(a / b for a, b in zip(us[kind], us["no tool"], strict=True))
        print(f"{kind:24} {median(us[kind]):8.2f} {ratio:6.2f}  {targets[kind]}".rstrip())
    # The runs with a trace end with one of no puts, so one with puts is made for its size.
    bench.seconds(traced, "obj_hash_reserve", f"--count={puts}")
    shown = subprocess.run(
        [bench.fencepost, "trace", "stat", "--json", bench.trace], capture_output=True, text=True
    )
    stat = json.loads(shown.stdout)
    stores = sum(thread["stores"] for thread in stat["by_thread"])
    stored = sum(thread["bytes"] for thread in stat["by_thread"])
    print(
        f"trace: {stat['trace_bytes'] / stores:.1f} bytes a store with all other events, "
        f"{stat['disk_bytes_per_store']:.1f} without; {stored / stores:.1f} of them are what it "
        "stores (target: 8 and those)"
    )


def scaling_table(bench: Bench, rounds: int) -> None:
    print(f"\n{'work':10} " + " ".join(f"{'size':>9} {'s':>6}" for _ in range(3)) + "  us a unit")
    for work, sizes in SIZES.items():
        options = ["--tool=pmemcheck", f"--pmem={bench.file.parent}/*", "--list-max=1"]
        start = bench.seconds(options, "scaling", work, "1")
        times = [
            median(bench.seconds(options, "scaling", work, str(n)) for _ in range(rounds)) - start
            for n in sizes
        ]
        row = " ".join(f"{n:9} {s:6.2f}" for n, s in zip(sizes, times, strict=True))
        per_unit = ", ".join(f"{s / n * 1e6:.2f}" for n, s in zip(sizes, times, strict=True))
        print(f"{work:10} {row}  {per_unit}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    options = ["--tool=pmemcheck", f"--pmem={bench.file.parent}/*", "--list-max=1"]
    took = bench.seconds(options, "scaling", "sparse", str(SPARSE_GIB))
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    grew = "no more memory than the runs above" if after == before else f"{after >> 10} MiB at most"
    print(f"sparse pool of {SPARSE_GIB} GiB with {SPARSE_GIB} stores: {took:.2f} s, {grew}")


def main(build: Path, rounds: int, puts: int) -> int:
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fencepost-", dir=shm) as folder:
        bench = Bench(build, Path(folder))
        puts_table(bench, rounds, puts)
        scaling_table(bench, rounds)
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
