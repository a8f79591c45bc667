# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of `fencepost crash` have in common: runs of the program, of which nothing may be
left and whose reports all fit the schema, and the usual steps.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import jsonschema

PASS, VIOLATION, USAGE, HARNESS = 0, 1, 2, 3
# What two explorations of one recording may differ in.
OF_THE_RUN = ("run_id", "created_utc", "command")
PROGRAM, SOURCE = Path(), Path()
if len(sys.argv) > 2:
    PROGRAM, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()


@functools.lru_cache(maxsize=None)
def schema() -> Any:
    text = (SOURCE / "results/schema/crash.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def left_by(leader: int) -> list[str]:
    """Processes of the session that this process led, and scratch folders that it made."""
    left = [name for name in os.listdir("/dev/shm") if name.startswith(f"fencepost-{leader}-")]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[3]) == leader:
            left.append(f"process {entry.name}")
    return left


class CrashTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fencepost-crash-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_program(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            [str(PROGRAM), *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        out, err = process.communicate(timeout=400)
        self.assertEqual(left_by(process.pid), [], "left behind")
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def crash(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Mostly what is tried does not matter: then it is little."""
        explores = words[0] not in ("merge", "replay") and "--resume" not in words
        if explores and not any(word.startswith("--strategy") for word in words):
            words += ("--strategy=prefix",)
        return self.run_program("crash", *words, "--quiet")

    def record(self, engine: str, *properties: str, workload: str = "crash-mixed") -> str:
        """The folder of a recording."""
        words = ["-P", str(SOURCE / "workloads" / workload)]
        for text in properties:
            words += ["-p", text]
        done = self.crash(engine, *words, "--record-only")
        self.assertEqual(done.returncode, PASS, done.stderr)
        return done.stdout.strip()

    def report_of(self, done: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
        """What --json printed; as the schema has it, whatever is in it."""
        self.assertEqual(done.returncode, code, done.stdout[-3000:] + done.stderr)
        report: dict[str, Any] = json.loads(done.stdout)
        wrong = [
            f"{list(e.absolute_path)}: {e.message[:200]}" for e in schema().iter_errors(report)
        ]
        self.assertEqual(wrong, [])
        return report

    def explore(self, folder: str, *words: str, code: int) -> dict[str, Any]:
        return self.report_of(self.crash("--from", folder, *words, "--json"), code)

    def folder_of(self, report: dict[str, Any]) -> str:
        return str(self.folder / "results" / report["run_id"])

    def facts(self, report: dict[str, Any]) -> dict[str, Any]:
        """What is the same whenever a recording is explored."""
        kept = {key: value for key, value in report.items() if key not in OF_THE_RUN}
        kept["explored"] = {**report["explored"], "seconds": 0}
        kept["violations"] = [
            {key: value for key, value in violation.items() if key != "replay"}
            for violation in report["violations"]
        ]
        return kept

    def results(self) -> list[str]:
        """What is left of the runs so far."""
        return sorted(str(path) for path in self.folder.glob("results/*"))

    def assert_refused(self, *words: str, says: str, code: int = USAGE) -> None:
        self.assert_one_line(self.results(), self.crash(*words), says, code)

    def assert_one_line(
        self, before: list[str], done: subprocess.CompletedProcess[str], says: str, code: int
    ) -> None:
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertIn(says, done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertEqual(self.results(), before, "a folder is left of what failed")
