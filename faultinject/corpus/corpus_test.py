#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""fencepost record and explore on the programs of the corpus, end to end.

Usage: corpus_test.py FENCEPOST PROGRAM_FOLDER [unittest argument]...
Correct programs must be silent; each planted bug must be caught, at its line of source, and show
again when it is replayed. Everything happens in one folder of /dev/shm, and nothing else is left.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

FENCEPOST = Path()
PROGRAMS = Path()
SOURCES = Path(__file__).resolve().parent
SHARED = Path("/dev/shm")
TIMEOUT_S = 240


class CorpusTest(unittest.TestCase):
    """One folder a test; nothing of it is left behind."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="corpus-", dir=SHARED))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pool = self.folder / "pool"

    def run_program(self, *words: object) -> tuple[int, str, str]:
        """Exit code, output and errors of a program, which leaves nothing in /dev/shm."""
        before = set(SHARED.glob("fencepost-*"))
        ended = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        mine = [path for path in set(SHARED.glob("fencepost-*")) - before if self.is_ours(path)]
        self.assertEqual(mine, [], words)
        return ended.returncode, ended.stdout, ended.stderr

    def is_ours(self, path: Path) -> bool:
        """Whether scratch was left by us: the images in it have the pool's name."""
        return any(path.rglob(self.pool.name)) if path.exists() else False

    def record(self, program: str, bug: str = "", name: str = "recording") -> Path:
        self.pool.unlink(missing_ok=True)
        code, out, err = self.run_program(PROGRAMS / program, "make", self.pool)
        self.assertEqual(code, 0, out + err)
        bugs = [bug] if bug else []
        recording = self.folder / name
        code, out, err = self.run_program(
            *[FENCEPOST, "record", "-o", recording, "--image", self.pool],
            *["--pmem", f"{self.folder}/*", "--"],
            *[PROGRAMS / program, "run", self.pool, *bugs],
        )
        self.assertEqual(code, 0, out + err)
        return recording

    def explore(self, program: str, source: list[object], *flags: str) -> tuple[int, Any, str]:
        """Exit code, crash.json, and the errors."""
        code, out, err = self.run_program(
            *[FENCEPOST, "explore", *source, "--json", "--quiet"],
            *["--recover", f"'{PROGRAMS / program}' check {{image}}"],
            *["--results", self.folder / "results", *flags],
        )
        return code, json.loads(out) if out.startswith("{") else None, out + err

    def assert_silent(self, program: str, strategy: str) -> None:
        """The correct program has no violation."""
        code, report, text = self.explore(
            program, [self.record(program)], "--strategy", strategy
        )
        self.assertEqual(code, 0, text)
        self.assertEqual(report["violations"], [])
        self.assertEqual(report["verdict"], "passed")
        self.assertEqual(report["explored"]["every_state"], strategy == "all")
        self.assertEqual(report["recording"]["operations"], 4)
        self.assertGreater(report["explored"]["recoveries"], 20)

    def assert_caught(self, program: str, bug: str, strategy: str) -> Any:
        """The bug is found, at its line of source, and shows again."""
        recording = self.record(program, bug, f"recording-{bug}-{strategy}")
        code, report, text = self.explore(program, [recording], "--strategy", strategy)
        self.assertEqual(code, 1, text)
        self.assertEqual(report["verdict"], "violated")
        lines = guilty_lines(program, bug)
        self.assertTrue(lines, f"{program}.c has no line marked LOST: {bug}")
        found = [place for one in report["violations"] for place in places_of(one)]
        self.assertTrue(lines & set(found), f"{sorted(lines)} in none of {found}")
        violation = report["violations"][0]
        folder = violation["replay"].split()[-2]
        code, out, err = self.run_program(FENCEPOST, "crash", "replay", folder, violation["id"])
        self.assertEqual(code, 1, out + err)
        self.assertIn("the violation shows again", out)
        return report


def guilty_lines(program: str, bug: str) -> set[str]:
    """Lines of the source that are marked as the bug's: "queue.c:17"."""
    text = (SOURCES / f"{program}.c").read_text()
    return {
        f"{program}.c:{number}"
        for number, line in enumerate(text.splitlines(), 1)
        if f"LOST: {bug} " in line
    }


def places_of(violation: Any) -> list[str]:
    """Where the stores were made that had to survive: "queue.c:17"."""
    return [
        match.group(1)
        for missing in violation["missing"]
        for store in missing["stores"]
        for match in [re.search(r"([\w.]+:\d+)\)", store["where"])]
        if match
    ]


class Transfers(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("transfers", "all")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("transfers", "log-not-flushed", "all")
        self.assert_caught("transfers", "log-too-late", "one-missing")
        self.assert_caught("transfers", "counter-not-flushed", "prefix")


class Queue(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("queue", "sample:40")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("queue", "no-drain", "one-missing")
        self.assert_caught("queue", "tail-not-flushed", "prefix")


class ListTx(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("list_tx", "prefix")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("list_tx", "count-not-added", "one-missing")
        self.assert_caught("list_tx", "sum-after-commit", "prefix")


class Slots(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("slots", "prefix")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("slots", "value-too-late", "prefix")
        report = self.assert_caught("slots", "leak", "prefix")
        self.assertTrue(any("a leak" in one["message"] for one in report["violations"]))


class StoreLogs(CorpusTest):
    def log_of(self, recording: Path) -> Path:
        code, out, err = self.run_program(
            FENCEPOST, "trace", "to-store-log", recording / "trace", "--stacks"
        )
        self.assertEqual(code, 0, err)
        log = self.folder / "store.log"
        # Operations are not in the log; pmemcheck's users mark them by name.
        log.write_text(out)
        return log

    def test_a_log_is_explored_like_the_trace(self) -> None:
        for bug, exit_code in (("", 0), ("log-not-flushed", 1)):
            recording = self.record("transfers", bug, f"recording-{exit_code}")
            log = self.log_of(recording)
            image = self.folder / "kept"
            shutil.copy(recording / "image-0", image)
            before = image.read_bytes()
            os.environ["FENCEPOST_ACKNOWLEDGED"] = "0"
            os.environ["FENCEPOST_UNDER_WAY"] = "1"
            self.addCleanup(os.environ.pop, "FENCEPOST_ACKNOWLEDGED", None)
            self.addCleanup(os.environ.pop, "FENCEPOST_UNDER_WAY", None)
            code, report, text = self.explore(
                "transfers", ["--log", log, "--image", image], "--strategy", "all", "--max-states", "60"
            )
            self.assertIsNotNone(report, text)
            self.assertEqual(image.read_bytes(), before)
            self.assertIn("store log", " ".join(report["assumptions"]))


class BadInput(CorpusTest):
    def refused(self, *words: object, says: str) -> None:
        code, out, err = self.run_program(FENCEPOST, *words, "--results", self.folder / "results")
        self.assertEqual(code, 2, f"{words}: {out}{err}")
        self.assertEqual(out, "", words)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn(says, err)
        results = self.folder / "results"
        self.assertEqual(list(results.iterdir()) if results.exists() else [], [], words)


def main() -> None:
    global FENCEPOST, PROGRAMS
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    FENCEPOST, PROGRAMS = (Path(word).resolve() for word in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])


if __name__ == "__main__":
    main()
