#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The campaigns of scripts/recovery_table.sh.

Usage: recovery_table.py FENCEPOST OPERATIONS ROUNDS POWER_CUTS
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = ROOT / "workloads/crash-mixed"
KILLED_OPERATIONS = 2000
# Engine, how it is set up, and the class that it is held to.
SETTINGS = (
    ("cmap", "", "power-fail", ()),
    ("filestore", "synced log", "power-fail", ()),
    ("filestore", "O_DIRECT", "power-fail", ("filestore.direct=true",)),
    ("filestore", "log not synced", "prefix", ("engine.durability=prefix",)),
    ("filestore", "log in memory", "buffered", ("engine.durability=buffered",)),
    ("filestore", "no log synced, ever", "process-crash", ("engine.durability=process-crash",)),
    ("rocksdb", "sync=true", "power-fail", ()),
    ("rocksdb", "sync=false", "prefix", ("engine.durability=prefix",)),
    (
        "rocksdb",
        "sync=false, wal_bytes_per_sync",
        "prefix",
        ("engine.durability=prefix", "rocksdb.wal_bytes_per_sync=512"),
    ),
    ("rocksdb", "manual WAL flush", "buffered", ("engine.durability=buffered",)),
    (
        "rocksdb",
        "manual WAL flush, wal_bytes_per_sync",
        "buffered",
        ("engine.durability=buffered", "rocksdb.wal_bytes_per_sync=512"),
    ),
    ("lmdb", "default", "power-fail", ()),
    ("lmdb", "WRITEMAP", "power-fail", ("lmdb.writemap=true",)),
    ("lmdb", "NOMETASYNC", "prefix", ("engine.durability=prefix",)),
    ("lmdb", "NOSYNC", "process-crash", ("engine.durability=process-crash",)),
)
FILE_SYSTEMS = ("ext4-ordered", "posix")
READS_S = 30


class Campaigns:
    def __init__(self, fencepost: str, operations: int, rounds: int, power_cuts: int) -> None:
        self.fencepost = fencepost
        self.operations = operations
        self.rounds = rounds
        self.power_cuts = power_cuts  # 0: no such column
        self.findings: list[str] = []

    def on_files(self, engine: str, properties: tuple[str, ...], file_system: str) -> str:
        """Every state that recovery can tell apart, or, where these are too many, some."""
        words = ["--strategy=reads", "--max-seconds", str(READS_S), "--fs", file_system]
        found = len(self.findings)
        cell = self.crash(engine, properties, words)
        if not cell.startswith(("passed", "incomplete")):
            return cell
        del self.findings[found:]
        return self.crash(engine, properties, ["--fs", file_system])

    def crash(self, engine: str, properties: tuple[str, ...], words: list[str]) -> str:
        return self.run(["crash", engine], properties, words)

    def run(self, command: list[str], properties: tuple[str, ...], words: list[str]) -> str:
        engine = command[-1]
        command = [self.fencepost, *command, "-P", str(WORKLOAD), "--json", "--quiet"]
        for entry in properties:
            command += ["-p", entry]
        done = subprocess.run(
            [*command, *words], capture_output=True, text=True, check=False, cwd=ROOT
        )
        if not done.stdout:
            return f"not run: {done.stderr.strip().removeprefix('fencepost: ')}"
        return self.cell(engine, properties, words, json.loads(done.stdout))

    def cell(
        self, engine: str, properties: tuple[str, ...], words: list[str], report: dict[str, Any]
    ) -> str:
        explored = report["explored"]
        count = explored["states"] + explored["nested_states"]
        verdict: str = report["verdict"]
        shown = {"passed": "proved" if explored["every_state"] else "passed"}.get(verdict, verdict)
        for violation in report["violations"]:
            missing = "; ".join(piece["what"] for piece in violation["missing"] if "what" in piece)
            where = " ".join([engine, *properties, *words[-2:]])
            self.findings.append(
                f"- {where} ({verdict}): {violation['message']}"
                + (f". Missing: {missing}" if missing else "")
                + f". `{violation['replay']}`"
            )
        return f"{shown} ({count:,})"

    def row(self, engine: str, setting: str, promise: str, properties: tuple[str, ...]) -> str:
        long_run = (*properties, f"operationcount={KILLED_OPERATIONS}")
        ended = [self.crash(engine, long_run, ["--fault=kill", "--rounds", str(self.rounds)])]
        if self.power_cuts > 0:
            words = ["--rounds", str(self.power_cuts)]
            ended.append(self.run(["vm", "crash", engine], long_run, words))
        counted = (*properties, f"operationcount={self.operations}")
        if engine == "cmap":
            powers = [self.crash(engine, counted, []), ""]
        else:
            powers = [self.on_files(engine, counted, name) for name in FILE_SYSTEMS]
        return f"| `{engine}` | {setting} | {promise} | " + " | ".join([*ended, *powers]) + " |"


def main() -> None:
    campaigns = Campaigns(sys.argv[1], *map(int, sys.argv[2:5]))
    cut = "power cut | " if campaigns.power_cuts > 0 else ""
    columns = f"engine | setting | class | killed | {cut}power loss: Px86, or ext4-ordered | posix"
    print(f"| {columns} |")
    print("|---" * (columns.count("|") + 1) + "|")
    for setting in SETTINGS:
        print(campaigns.row(*setting), flush=True)
    print("\nIn brackets: runs that were killed, and crash states that were judged.\n")
    print("\n".join(campaigns.findings))


if __name__ == "__main__":
    main()
