#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""fencepost record and explore on the programs of the corpus, end to end.

Usage: corpus_test.py FENCEPOST PROGRAM_FOLDER [unittest argument]...
Correct programs must be silent; each planted bug must be caught, at its line of source, and show
again when it is replayed. Everything happens in one folder of /dev/shm, and nothing else is left.
"""

from __future__ import annotations

import json
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
TIMEOUT_S = 100


class CorpusTest(unittest.TestCase):
    """One folder a test; nothing of it is left behind."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="corpus-", dir=SHARED))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pool = self.folder / f"{self.folder.name}.pool"

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
        # Others may explore at the same time: what is ours has the pool's name in it.
        left = set(SHARED.glob("fencepost-*")) - before
        self.assertEqual([path for path in left if any(path.rglob(self.pool.name))], [], words)
        self.assertEqual(running(self.pool.name), [], words)
        return ended.returncode, ended.stdout, ended.stderr

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
        # A process for each recovery is dear; one program shows that it works. Another needs it: in
        # fencepost's own process Intel's libpmemkv, where there is one, comes before ours.
        checker = ["--checker", f"{PROGRAMS}/lib{program}.so:corpus_check"]
        if program in ("transfers", "linked_map"):
            checker = ["--recover", f"'{PROGRAMS / program}' check {{image}}"]
        code, out, err = self.run_program(
            *[FENCEPOST, "explore", *source, "--json", "--quiet", *checker],
            *["--results", self.folder / "results", *flags],
        )
        return code, json.loads(out) if out.startswith("{") else None, out + err

    def assert_silent(self, program: str, strategy: str) -> None:
        """The correct program has no violation."""
        code, report, text = self.explore(program, [self.record(program)], "--strategy", strategy)
        self.assertEqual(code, 0, text)
        self.assertEqual(report["violations"], [])
        self.assertEqual(report["verdict"], "passed")
        self.assertEqual(report["explored"]["every_state"], strategy == "all")
        self.assertEqual(report["recording"]["operations"], 4)
        self.assertGreater(report["explored"]["recoveries"], 20)

    def assert_caught(self, program: str, bug: str, strategy: str) -> Any:
        """The bug is found, at its line of source, and shows again."""
        recording = self.record(program, bug, f"recording-{bug}-{strategy}")
        # A few kinds will do: one recovery that ends its process costs as much as many that do not.
        # One at a time: then which are found first does not depend on timing.
        flags = ["--strategy", strategy, "--stop-after", "8", "--jobs", "1"]
        code, report, text = self.explore(program, [recording], *flags)
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


def running(word: str) -> list[str]:
    """Command lines of processes that have this word in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command:
            found.append(command)
    return found


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
        self.assert_caught("transfers", "log-too-late", "prefix")
        self.assert_caught("transfers", "counter-not-flushed", "prefix")


class Queue(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("queue", "sample:40")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("queue", "no-drain", "suffix")
        self.assert_caught("queue", "tail-not-flushed", "prefix")


class ListTx(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("list_tx", "prefix")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("list_tx", "count-not-added", "prefix")
        self.assert_caught("list_tx", "sum-after-commit", "prefix")


class Slots(CorpusTest):
    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("slots", "prefix")

    def test_bugs_are_caught(self) -> None:
        self.assert_caught("slots", "value-too-late", "prefix")
        report = self.assert_caught("slots", "leak", "prefix")
        self.assertTrue(any("a leak" in one["message"] for one in report["violations"]))


class LinkedMap(CorpusTest):
    """libpmemkv's cmap in a pool of the program's own: making it, and the program's mistakes."""

    def test_the_correct_one_is_silent(self) -> None:
        self.assert_silent("linked_map", "prefix")

    def test_bugs_are_caught(self) -> None:
        report = self.assert_caught("linked_map", "moved", "prefix")
        self.assertTrue(any("there is none" in one["message"] for one in report["violations"]))

    def test_a_flag_before_the_map_is_caught(self) -> None:
        # No store is lost where this fails: those of the map have not been made.
        recording = self.record("linked_map", "flag-first")
        code, report, text = self.explore("linked_map", [recording], "--strategy", "prefix")
        self.assertEqual(code, 1, text)
        self.assertIn("there is none", report["violations"][0]["message"])


class Reads(CorpusTest):
    """Every state that recovery can tell apart."""

    BUGS = {
        "queue": ("no-drain", "tail-not-flushed"),
        "list_tx": ("count-not-added", "sum-after-commit"),
        "slots": ("value-too-late", "leak"),
    }

    def watched(self, program: str, recording: Path, strategy: str, *flags: str) -> Any:
        checker = f"{PROGRAMS}/lib{program}.so:corpus_check"
        code, out, err = self.run_program(
            *[FENCEPOST, "explore", recording, "--json", "--quiet", "--checker", checker],
            *["--results", self.folder / "results", "--strategy", strategy, *flags],
        )
        self.assertIn(code, (0, 1), err)
        return json.loads(out)

    def test_the_violations_are_those_of_every_state(self) -> None:
        for bug in ("", "log-not-flushed", "log-too-late", "counter-not-flushed"):
            recording = self.record("transfers", bug, f"recording-{bug}")
            every = self.watched("transfers", recording, "all")
            reads = self.watched("transfers", recording, "reads")
            with self.subTest(bug=bug):
                for report in (every, reads):
                    self.assertTrue(report["explored"]["every_state"])
                    self.assertEqual(report["verdict"], "violated" if bug else "passed")
                self.assertEqual(reads["explored"]["outcomes"], every["explored"]["outcomes"])
                found = [
                    {one["message"] for one in report["violations"]} for report in (every, reads)
                ]
                self.assertEqual(*found)

    def test_where_there_are_too_many_states_to_try_each(self) -> None:
        for program, bugs in self.BUGS.items():
            report = self.watched(program, self.record(program, "", program), "reads")
            self.assertEqual(report["verdict"], "passed")
            self.assertTrue(report["explored"]["every_state"])
            self.assertGreater(report["explored"]["log10_raw_states"], 9)
            self.assertLess(report["explored"]["recoveries"], 1000)
            for bug in bugs:
                report = self.watched(
                    program, self.record(program, bug, f"bug-{bug}"), "reads", "--stop-after=1"
                )
                self.assertEqual(report["verdict"], "violated", bug)

    def test_a_command_is_not_watched_and_that_is_said(self) -> None:
        recording = self.record("transfers")
        code, report, text = self.explore("transfers", [recording])
        self.assertEqual(code, 0, text)
        self.assertEqual(report["settings"]["strategy"], "prefix")
        said = " ".join(report["assumptions"])
        self.assertIn("in place of reads: the recovery cannot be watched: it starts", said)
        code, report, text = self.explore("transfers", [recording], "--strategy=reads")
        self.assertEqual(code, 2)
        self.assertIn("it starts a process", text)


class StoreLogs(CorpusTest):
    def log_of(self, recording: Path) -> Path:
        code, out, err = self.run_program(
            FENCEPOST, "trace", "to-log", recording / "trace", "--stacks"
        )
        self.assertEqual(code, 0, err)
        log = self.folder / "store.log"
        log.write_text(out)
        return log

    def test_a_log_is_explored_like_the_trace(self) -> None:
        for bug, exit_code in (("", 0), ("log-not-flushed", 1)):
            recording = self.record("transfers", bug, f"recording-{exit_code}")
            kept = self.folder / "kept"
            shutil.copy(recording / "image-0", kept)
            before = kept.read_bytes()
            code, report, text = self.explore(
                "transfers", ["--log", self.log_of(recording), "--image", kept]
            )
            self.assertEqual(code, exit_code, text)
            self.assertEqual(kept.read_bytes(), before)
            self.assertIn("store log", " ".join(report["assumptions"]))
            self.assertEqual(report["recording"]["operations"], 4)
            _, traced, _ = self.explore("transfers", [recording])
            self.assertEqual(report["explored"]["recoveries"], traced["explored"]["recoveries"])
            for one in report["violations"]:
                shutil.rmtree(recording, ignore_errors=True)
                folder = one["replay"].split()[-2]
                code, out, err = self.run_program(FENCEPOST, "crash", "replay", folder, one["id"])
                self.assertEqual(code, 1, out + err)
                self.assertIn("transfers.c:", " ".join(places_of(one)))


class BadInput(CorpusTest):
    def refused(self, *words: object, says: str, results: str = "results") -> None:
        flags = ["--quiet", "--results", results]
        code, out, err = self.run_program(FENCEPOST, "explore", *words, *flags)
        with self.subTest(words=words):
            self.assertEqual(code, 2, out + err)
            self.assertEqual(out, "")
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertIn(says, err)
            left = self.folder / results
            self.assertEqual(list(left.iterdir()) if left.is_dir() else [], [])

    def test_a_request_that_makes_no_sense(self) -> None:
        recording = self.record("transfers")
        recover = ["--recover", "true {image}"]
        self.refused(recording, says="--recover")
        self.refused(recording, *recover, "--checker=a.so:f", says="--recover")
        self.refused(recording, "--recover", "true", says="{image}")
        self.refused(recording, "--recover", "/none/checker {image}", says="could not be run")
        self.refused(recording, "--recover", "/etc/passwd {image}", says="could not be run")
        self.refused(recording, "--checker", "/none/lib.so:check", says="/none/lib.so")
        self.refused(recording, "--checker", "check", says="LIBRARY:FUNCTION")
        self.refused(recording, "--checker", "libm.so.6:no_such_function", says="no_such_function")
        self.refused(*recover, says="needs a recording")
        self.refused(recording, *recover, "--log", "x", says="needs a recording")
        self.refused(recording, *recover, "--image", self.pool, says="go together")
        self.refused("/none", *recover, says="no recording")
        for strategy in ("best", "sample", "sample:0", "all:3", ""):
            self.refused(recording, *recover, "--strategy", strategy, says="strateg")
        for shard in ("1/1", "x", "0/0", "-1/2", "1", "1/2/3"):
            self.refused(recording, *recover, f"--shard={shard}", says="--shard")
        for flag in ("--timeout=0", "--timeout=nan", "--max-seconds=-1"):
            self.refused(recording, *recover, flag, says=flag.split("=", maxsplit=1)[0])
        (self.folder / "file").write_text("")
        self.refused(recording, *recover, results="file/results", says="file/results")

    def test_a_recording_that_is_damaged(self) -> None:
        recording = self.record("transfers")
        recover = ["--recover", "true {image}"]
        trace, image = recording / "trace", recording / "image-0"
        whole, initial = trace.read_bytes(), image.read_bytes()
        damaged = bytearray(whole)
        damaged[len(damaged) // 2] ^= 1
        version = whole[:8] + struct.pack("<I", 2) + whole[12:]
        for text, says in (
            (whole[: len(whole) // 2], "recording"),
            (whole[:10], "trace"),
            (bytes(damaged), "damaged"),
            (version, "trace"),
            (b"", "trace"),
        ):
            trace.write_bytes(text)
            self.refused(recording, *recover, says=says)
        trace.unlink()
        self.refused(recording, *recover, says="trace")
        trace.write_bytes(whole)
        for text in (b"x" + initial[1:1000], initial + b"x", initial[:4096]):
            image.write_bytes(text)
            self.refused(recording, *recover, says="does not give what the run left")
        image.unlink()
        self.refused(recording, *recover, says="image-0")
        (recording / "recording.json").write_text("{")
        self.refused(recording, *recover, says="recording.json")

    def test_a_log_that_is_damaged(self) -> None:
        recover = ["--recover", "true {image}"]
        log, image = self.folder / "log", self.folder / "image"
        image.write_bytes(bytes(4096))
        request = ["--log", log, "--image", image, *recover]
        self.refused(*request, says="log")
        for text, says in (
            ("", "START"),
            ("START|STORE;0x1;0x1;0x1|STOP\n", "registers no file"),
            ("START|REGISTER_FILE;/p;0x1000;0x1000;0x0|STORE;0x1000;0x1", "log:1: "),
            ("START|REGISTER_FILE;/p;0x1000;0x1000;0x0|a.END|STOP\n", "without a BEGIN"),
            ("START|REGISTER_FILE;/p;0x1000;0x2000;0x0|STOP\n", "is not the file"),
            (
                "START|REGISTER_FILE;/p;0x1000;0x9;0x0|REGISTER_FILE;/q;0x8000;0x9;0x0|STOP\n",
                "must be one",
            ),
            (
                "START|REGISTER_FILE;/image;0x1000;0x9;0x0|REGISTER_FILE;/q;0x8000;0x9;0x0|STOP\n",
                "no --image",
            ),
        ):
            log.write_text(text)
            self.refused(*request, says=says)
        log.write_text("START|REGISTER_FILE;/p;0x1000;0x1000;0x0|STOP\n")
        self.refused("--log", log, *recover, says="go together")
        self.refused("--log", log, "--image", "/none", *recover, says="/none")


def main() -> None:
    global FENCEPOST, PROGRAMS
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    FENCEPOST, PROGRAMS = (Path(word).resolve() for word in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])


if __name__ == "__main__":
    main()
