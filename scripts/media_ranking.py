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
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# The memory that cmap's pool is in. The others read through a page cache, which is DRAM.
MODELLED = ("optane", "optane-remote")
FILE_ENGINES = ("lmdb", "filestore", "rocksdb")
VALUE_BYTES = (100, 1000, 4000)
COUNTED_OPERATIONS = 20000


class Bench:
    def __init__(self, fencepost: Path, records: int) -> None:
        self.fencepost = fencepost
        self.records = records

    def _json(self, value_bytes: int, *words: str) -> Any:
        command = [str(self.fencepost), *words, "--json"]
        command += ["-P", str(ROOT / "workloads" / "workloadc"), "-p", "fieldcount=1"]
        command += ["-p", f"recordcount={self.records}", "-p", f"fieldlength={value_bytes}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def read_p50_ns(self, engine: str, medium: str, value_bytes: int) -> float:
        """Of a live run in /dev/shm; with a medium, of one that delays were injected into."""
        with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
            words = ["run", engine, "-load", "--quiet", "--seconds", "0.5"]
            words += ["-p", f"engine.path={scratch}/store", "--results", f"{scratch}/results"]
            if medium:
                words += ["-p", f"medium={medium}"]
            summary = self._json(value_bytes, *words)[-1]
        return float(summary["kinds"]["READ"]["latency_ns"]["p50"])

    def counted_ns(self, value_bytes: int) -> dict[str, float]:
        """By medium: what a get takes longer there than on DRAM, of counted accesses."""
        counts = self._json(
            value_bytes, "media", "cmap", "-p", f"operationcount={COUNTED_OPERATIONS}"
        )
        (get,) = [kind for kind in counts["kinds"] if kind["operation"] == "get"]
        each = {m["medium"]: m["modelled_ns"] / get["operations"] for m in get["media"]}
        return {m: each[f"{m}-modelled"] - each["dram-modelled"] for m in MODELLED}


def main(fencepost: Path, rounds: int, records: int) -> int:
    bench = Bench(fencepost, records)
    subjects = [("cmap", ""), *(("cmap", medium) for medium in MODELLED)]
    subjects += [(engine, "") for engine in FILE_ENGINES]
    print(
        "median read, us. On DRAM: measured. Optane: modelled; live: delays injected into the run;"
    )
    print("counted: DRAM's median and what the counted accesses take longer there.")
    header = ["cmap DRAM"]
    header += [f"{medium} {form}" for medium in MODELLED for form in ("live", "counted")]
    header += [f"{engine} DRAM" for engine in FILE_ENGINES]
    print("value bytes" + "".join(f"{name:>23}" for name in header))
    verdicts = []
    for value_bytes in VALUE_BYTES:
        taken: dict[tuple[str, str], list[float]] = {subject: [] for subject in subjects}
        for _ in range(rounds):
            for engine, medium in subjects:
                taken[engine, medium].append(bench.read_p50_ns(engine, medium, value_bytes))
        p50 = {subject: median(values) for subject, values in taken.items()}
        more = bench.counted_ns(value_bytes)
        on_dram = p50["cmap", ""]
        row = [on_dram]
        for medium in MODELLED:
            forms = (p50["cmap", medium], on_dram + more[medium])
            row += forms
            for engine in FILE_ENGINES:
                other = p50[engine, ""]
                behind = [on_dram < other < form for form in forms]
                if any(behind):
                    by = "both forms" if all(behind) else "one form only: not certain"
                    verdicts.append(
                        f"{value_bytes} bytes: cmap reads faster than {engine} on DRAM, "
                    )
                    verdicts[-1] += f"slower on {medium} ({by})"
        row += [p50[engine, ""] for engine in FILE_ENGINES]
        print(f"{value_bytes:>11}" + "".join(f"{ns / 1e3:>23.2f}" for ns in row))
    print()
    print("\n".join(f"swaps: {verdict}" for verdict in verdicts) or "no ranking swaps")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
