#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of scripts/media_ranking.sh.

Usage: media_ranking.py FENCEPOST ROUNDS RECORDS
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
# The memory that cmap's pool is in. The others read through a page cache, which is DRAM.
MEDIA = ("tmpfs", "optane", "optane-remote")
FILE_ENGINES = ("lmdb", "filestore", "rocksdb")
VALUE_BYTES = (100, 1000, 4000)


def read_p50_ns(fencepost: Path, engine: str, medium: str, value_bytes: int, records: int) -> float:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        words = [str(fencepost), "run", engine, "-load", "--json", "--quiet"]
        words += ["-P", str(ROOT / "workloads" / "workloadc"), "--seconds", "0.5"]
        words += ["-p", f"recordcount={records}", "-p", f"fieldlength={value_bytes}"]
        words += ["-p", "fieldcount=1", "-p", f"engine.path={scratch}/store"]
        words += ["--results", f"{scratch}/results"]
        if medium != "tmpfs":
            words += ["-p", f"medium={medium}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")
        summary = json.loads(done.stdout)[-1]
        return float(summary["kinds"]["READ"]["latency_ns"]["p50"])


def main(fencepost: Path, rounds: int, records: int) -> int:
    subjects = [("cmap", medium) for medium in MEDIA]
    subjects += [(engine, "tmpfs") for engine in FILE_ENGINES]
    print("median read, us; cmap on optane and optane-remote is modelled, the rest is measured")
    header = [f"cmap {medium}" for medium in MEDIA] + list(FILE_ENGINES)
    print("value bytes  " + "  ".join(f"{name:>18}" for name in header))
    swaps = []
    for value_bytes in VALUE_BYTES:
        taken: dict[tuple[str, str], list[float]] = {subject: [] for subject in subjects}
        for _ in range(rounds):
            for engine, medium in subjects:
                p50 = read_p50_ns(fencepost, engine, medium, value_bytes, records)
                taken[engine, medium].append(p50)
        p50s = {subject: median(values) for subject, values in taken.items()}
        print(f"{value_bytes:>11}  " + "  ".join(f"{p50s[s] / 1e3:>18.2f}" for s in subjects))
        for medium, engine in ((m, e) for m in MEDIA[1:] for e in FILE_ENGINES):
            other = p50s[engine, "tmpfs"]
            if p50s["cmap", "tmpfs"] < other < p50s["cmap", medium]:
                swaps.append(
                    f"{value_bytes} bytes: cmap before {engine} on DRAM, after it on {medium}"
                )
    print()
    for swap in swaps:
        print(f"swaps: {swap}")
    if not swaps:
        print("no ranking swaps")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
