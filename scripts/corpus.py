# SPDX-License-Identifier: BSD-3-Clause
"""Runs the crash tester on every canary and prints the score.

A bug is recorded with each workload and explored with one strategy after the other until it is
caught; its time is that of all of them, the recordings included. A control is explored with every
strategy and must stay silent. A bug that costs only performance is given to pmemcheck instead. A
recording with a workload of two threads is one of twenty schedules, all of them explored.

Stores in files are short runs, of which a power loss leaves what POSIX promises and no more
(--fs=posix). Their correct structures must stay silent also where writes or syncs fail, and, if
they check what they read, where a bit of it is flipped.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORKLOADS = ("crash-canary", "crash-inserts")
# Of structures whose bugs take two threads to show.
THREAD_WORKLOADS = {"canary-shared": ("crash-threads",)}
STRATEGIES = ("prefix", "suffix", "one-missing", "one-only", "sample:8")
# Of stores in files.
FILE_WORDS = ("-p", "operationcount=20", "--fs=posix")
FILE_STRATEGY = "standard"
POWER_LOSS = "power-loss"
CORRECT_FAULTS = (POWER_LOSS, "write-eio", "sync-eio")
# What a bug takes to show: a class that promises less, a call that fails.
GROWTH = ("-P", str(ROOT / "workloads/crash-inserts"), "-p", "recordcount=15")
FILE_PROPERTIES: dict[str, tuple[str, ...]] = {
    "hole-in-log": ("-p", "engine.durability=prefix"),
    "meta-into-hole": (*GROWTH, "-p", "fencepost.deleteproportion=0"),
    "control-sparse": (*GROWTH, "-p", "fencepost.deleteproportion=0"),
}
READ_FLIP = "read-flip"
FILE_FAULTS = {
    "none": CORRECT_FAULTS,
    "fsync-error-ignored": ("sync-eio",),
    "meta-into-hole": ("sigbus",),
    "control-sparse": (POWER_LOSS, "sigbus"),
    "unchecked-page": (READ_FLIP,),
}
# Structures that check all they read must stay silent where that was damaged, too.
CHECKED_STRUCTURES = ("canary-filepages",)
PASS, VIOLATION = 0, 1


@dataclasses.dataclass
class Score:
    structure: str
    bug: str
    bug_class: str
    medium: str
    caught: bool = False
    by: str = "-"
    kind: str = "-"
    seconds: float = 0
    operations: int | None = None  # acknowledged at the crash that showed it
    failure: str = ""  # why there is no verdict

    @property
    def is_control(self) -> bool:
        return self.bug_class == "-"

    @property
    def right(self) -> bool:
        return not self.failure and self.caught != self.is_control


class Runner:
    def __init__(self, fencepost: Path, results: Path, seconds: float) -> None:
        self.fencepost = fencepost
        self.results = results
        self.seconds = seconds

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.fencepost), *words],
            capture_output=True,
            text=True,
            timeout=10 * self.seconds + 60,
            check=False,
        )

    def words(self, workload: str, structure: str, bug: str) -> list[str]:
        return ["-P", str(ROOT / "workloads" / workload), "-p", f"{structure}.bug={bug}"]

    def findings(self, structure: str, bug: str) -> dict[str, int]:
        """How often pmemcheck found what, by kind."""
        options = ["--tool-option=--mult-stores=yes", "--json"]
        done = self.run("check", structure, *self.words(WORKLOADS[0], structure, bug), *options)
        if done.returncode not in (PASS, VIOLATION):
            raise RuntimeError(last_line(done.stderr))
        report = json.loads(done.stdout[done.stdout.index("{") :])
        return {kind: found["count"] for kind, found in report["findings"].items()}

    def check(self, score: Score) -> None:
        """Caught if something is found more often than in the correct structure."""
        score.by = "check"
        try:
            correct = self.findings(score.structure, "none")
            planted = self.findings(score.structure, score.bug)
        except RuntimeError as error:
            score.failure = str(error)
            return
        more = [kind for kind, count in planted.items() if count > correct[kind]]
        score.caught = bool(more)
        score.kind = more[0] if more else "-"

    def explore(self, source: list[str], states: list[str], by: str, score: Score) -> str:
        """Explores what `source` says, an engine or a recording; the folder of the report."""
        limits = ["--max-seconds", str(self.seconds), "--stop-after=1"]
        results = ["--results", str(self.results), "--quiet", "--json"]
        explored = self.run("crash", *source, *states, *limits, *results)
        if explored.returncode not in (PASS, VIOLATION):
            raise RuntimeError(last_line(explored.stderr))
        report = json.loads(explored.stdout)
        if explored.returncode == VIOLATION:
            first = report["violations"][0]
            score.caught = True
            score.by = by
            score.kind = first["kind"]
            score.operations = first["crash_point"]["operations"]["acknowledged"]
        return str(self.results / report["run_id"])

    def crash(self, score: Score) -> None:
        folders: dict[str, str] = {}
        score.by = f"{len(STRATEGIES)} strategies"
        try:
            workloads = THREAD_WORKLOADS.get(score.structure, WORKLOADS)
            for strategy, workload in itertools.product(STRATEGIES, workloads):
                source = [score.structure, *self.words(workload, score.structure, score.bug)]
                if workload in folders:
                    source = ["--from", folders[workload]]
                folder = self.explore(source, ["--strategy", strategy], strategy, score)
                folders.setdefault(workload, folder)
                if score.caught:
                    return
        except RuntimeError as error:
            score.failure = str(error)

    def crash_files(self, score: Score) -> None:
        faults = FILE_FAULTS.get(score.bug, (POWER_LOSS,))
        if score.is_control and score.structure in CHECKED_STRUCTURES:
            faults = (*faults, READ_FLIP)
        score.by = faults[0] if len(faults) == 1 else f"{len(faults)} faults"
        words = self.words(WORKLOADS[0], score.structure, score.bug)
        source = [score.structure, *words, *FILE_PROPERTIES.get(score.bug, ())]
        try:
            for fault in faults:
                if fault == READ_FLIP:
                    self.explore([*source, "--fault", fault], [], fault, score)
                else:
                    states = [*FILE_WORDS, "--strategy", FILE_STRATEGY]
                    self.explore([*source, "--fault", fault], states, fault, score)
                if score.caught:
                    return
        except RuntimeError as error:
            score.failure = str(error)

    def judge(self, score: Score) -> None:
        if score.medium == "files":
            self.crash_files(score)
        elif score.bug_class == "P":
            self.check(score)
        else:
            self.crash(score)


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def plantings(fencepost: Path) -> list[dict[str, Any]]:
    listed = subprocess.run(
        [str(fencepost), "engines", "--canaries", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    media = {planting["structure"]: planting["medium"] for planting in found}
    correct = [
        {"structure": name, "bug": "none", "class": "-", "medium": medium}
        for name, medium in media.items()
    ]
    return correct + found


def row(score: Score) -> str:
    if score.failure:
        verdict = "FAILED: " + score.failure
    elif score.is_control:
        verdict = "WRONG ALARM" if score.caught else "silent"
    else:
        verdict = "caught" if score.caught else "MISSED"
    operations = "-" if score.operations is None else str(score.operations)
    name = f"{score.structure}/{score.bug}"
    return (
        f"{name:42} {score.bug_class}  {score.seconds:6.1f} s  {operations:>4}  "
        f"{score.by:14} {score.kind:16} {verdict}"
    )


def summary(scores: list[Score]) -> str:
    bugs = [score for score in scores if not score.is_control]
    controls = [score for score in scores if score.is_control]
    caught = [score for score in bugs if score.caught]
    alarms = sum(score.caught for score in controls)
    failed = sum(bool(score.failure) for score in scores)
    median = statistics.median(score.seconds for score in caught) if caught else 0.0
    return (
        f"caught {len(caught)} of {len(bugs)} bugs, median {median:.1f} s; "
        f"wrong alarms {alarms} on {len(controls)} controls; {failed} without a verdict"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fencepost", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scores: list[Score] = []
    with tempfile.TemporaryDirectory() as results:
        runner = Runner(options.fencepost, Path(results), options.seconds)
        for planting in plantings(options.fencepost):
            score = Score(*(planting[name] for name in ("structure", "bug", "class", "medium")))
            if not re.search(options.only, f"{score.structure}/{score.bug}"):
                continue
            begin = time.monotonic()
            runner.judge(score)
            score.seconds = time.monotonic() - begin
            scores.append(score)
            print(row(score), flush=True)
    if not scores:
        print(f"corpus.py: no canary fits --only {options.only}", file=sys.stderr)
        return 2
    print(summary(scores))
    if options.json:
        text = json.dumps([dataclasses.asdict(score) for score in scores], indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0 if all(score.right for score in scores) else 1


if __name__ == "__main__":
    sys.exit(main())
