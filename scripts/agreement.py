#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The campaigns of scripts/agreement.sh: real file systems beside their models.

Usage: agreement.py FENCEPOST OPERATIONS IMAGES FILE_SYSTEMS OUT
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
WORKLOAD = "workloads/crash-mixed"
MODELS = {"ext4": "ext4-ordered", "xfs": "xfs", "btrfs": "btrfs"}
# Of the file system itself, before an engine comes into it.
OF_THE_FILE_SYSTEM = {"mount", "file-system", "guest"}


class Setting(NamedTuple):
    engine: str
    name: str
    properties: tuple[str, ...] = ()


SETTINGS = (
    Setting("filestore", "synced log"),
    Setting("filestore", "log not synced", ("engine.durability=prefix",)),
    Setting("rocksdb", "sync=true"),
    Setting("rocksdb", "sync=false", ("engine.durability=prefix",)),
    Setting("lmdb", "default"),
    Setting("lmdb", "NOMETASYNC", ("engine.durability=prefix",)),
    Setting("lmdb", "NOSYNC", ("engine.durability=process-crash",)),
    Setting("canary-filelog", "never syncs", ("canary-filelog.bug=never-syncs",)),
)


class Side(NamedTuple):
    verdict: str
    states: int
    kinds: frozenset[str]

    @property
    def failed(self) -> bool:
        return bool(self.kinds - OF_THE_FILE_SYSTEM)

    def cell(self) -> str:
        if self.verdict == "not run":
            return self.verdict
        failing = f": {', '.join(sorted(self.kinds))}" if self.kinds else ""
        return f"{self.verdict} ({self.states:,}){failing}"


def explain(real: Side, model: Side) -> tuple[str, bool]:
    """Why the two sides differ, and whether the model forbids what was seen."""
    if "not run" in (real.verdict, model.verdict):
        return "not compared", False
    seen, said = real.kinds - OF_THE_FILE_SYSTEM, model.kinds
    if real.failed and not model.failed:
        return "**the model forbids what was seen: its defect**", True
    damage = real.kinds & OF_THE_FILE_SYSTEM
    note = f"; {', '.join(sorted(damage))}: of the file system, which no model damages"
    behind = note if damage else ""
    if model.failed and not real.failed:
        return "the model allows more than was drawn or than this kernel does" + behind, False
    if seen and seen != said:
        more = f"only in images: {', '.join(sorted(seen - said)) or 'none'}"
        return (
            f"agree; {more}; only in the model: {', '.join(sorted(said - seen)) or 'none'}"
            + (behind),
            False,
        )
    return "agree" + behind, False


def run(fencepost: str, words: list[str], properties: tuple[str, ...]) -> tuple[Side, list[str]]:
    command = [fencepost, *words, "-P", WORKLOAD, "--json", "--quiet"]
    for entry in properties:
        command += ["-p", entry]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if not done.stdout:
        return Side("not run", 0, frozenset()), [done.stderr.strip().removeprefix("fencepost: ")]
    report: dict[str, Any] = json.loads(done.stdout)
    kinds = frozenset(violation["kind"] for violation in report["violations"])
    explored = report["explored"]
    word = "proved" if report["verdict"] == "passed" and explored["every_state"] else None
    found = [f"{violation['message']}" for violation in report["violations"]]
    return Side(word or report["verdict"], explored["recoveries"], kinds), found


def head(operations: int, images: int) -> str:
    return f"""<!-- SPDX-License-Identifier: BSD-3-Clause -->
# File systems and their models

Written by `scripts/agreement.sh --operations {operations} --images {images}`. On the left what
real file systems made of it: images of a recorded disk, mounted by Linux and recovered from in a
[virtual machine](vm.md#images-of-a-disk). On the right what `fencepost crash --fs` makes of the
same engine, setting and workload by its model. In brackets: distinct images or trees that were
recovered. What was violated is named by its kind; a model's report has one kind for what has one
cause, and so fewer.

Verdicts and kinds are compared, not states: images are of another run than the model's. A real
file system that loses what its model keeps is a defect of the model, and the script fails. The
other way round it is none: the model may allow more than one kernel does, and of the images some
are drawn.

| engine | setting | file system | images of the disk | model | |
|---|---|---|---|---|---|
"""


def main() -> int:
    fencepost, out = str(Path(sys.argv[1]).resolve()), ROOT / sys.argv[5]
    operations, images = int(sys.argv[2]), int(sys.argv[3])
    systems = sys.argv[4].split(",")
    unknown = [name for name in systems if name not in MODELS]
    if unknown:
        print(f"agreement: no file system {unknown[0]!r}: ext4, xfs, btrfs", file=sys.stderr)
        return 2
    rows: list[str] = []
    findings: list[str] = []
    defects = 0
    for setting in SETTINGS:
        properties = (*setting.properties, f"operationcount={operations}")
        for system in systems:
            words = ["vm", "images", setting.engine, "--fs", system, "--images", str(images)]
            real, seen = run(fencepost, words, properties)
            words = ["crash", setting.engine, "--fs", MODELS[system]]
            model, _ = run(fencepost, words, properties)
            why, defect = explain(real, model)
            defects += defect
            cells = (f"`{setting.engine}`", setting.name, system, real.cell(), model.cell(), why)
            rows.append(f"| {' | '.join(cells)} |")
            print(rows[-1], flush=True)
            findings += [f"- {setting.engine}, {setting.name}, {system}: {text}" for text in seen]
    text = head(operations, images) + "\n".join(rows) + "\n"
    if findings:
        text += "\nWhat the images showed, the first of each kind:\n\n" + "\n".join(findings) + "\n"
    out.write_text(text, encoding="utf-8")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
