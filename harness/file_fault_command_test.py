#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""fencepost crash --fault=... from end to end: processes that are killed, calls that fail, mapped
holes without room, and bits that read back flipped.

Usage: file_fault_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
"""

from __future__ import annotations

import os
import sys
import unittest
from pathlib import Path
from typing import Any

from crash_test_case import PASS, USAGE, VIOLATION
from file_crash_command_test import FAULTS, FILE_ENGINES, FileCrashTest


class FlippedReads(FileCrashTest):
    def flip(self, words: list[str], *more: str, code: int = PASS) -> dict[str, Any]:
        report = self.campaign(words, "--fault=read-flip", *more, code=code)
        self.assertEqual((report["domain"], report["settings"]["fault"]), ("medium", "read-flip"))
        return report

    def test_a_checksum_that_is_not_looked_at_is_caught(self) -> None:
        bug = "canary-filepages.bug=unchecked-page"
        words = self.words("canary-filepages", workload="crash-canary")
        sound = self.flip(words, "--rounds=200")
        self.assertEqual(sound["verdict"], "passed")
        self.assertEqual(sound["recording"]["flipped"], 200)
        self.assertGreater(sound["recording"]["refused"], 20)
        report = self.flip([*words, "-p", bug], "--rounds=200", code=VIOLATION)
        self.assertLess(report["recording"]["refused"], sound["recording"]["refused"])
        self.assertEqual(report["violations"][0]["state"]["file"], "pages")
        self.assert_replays(report)
        folder = self.folder_of(report)
        kept = self.run_program("crash", "replay", folder, "V1", "--keep", "tree")
        self.assertEqual(kept.returncode, PASS, kept.stderr)
        whole = (Path(folder) / "recording/store/pages").read_bytes()
        damaged = (self.folder / "tree/pages").read_bytes()
        bits = [bin(a ^ b).count("1") for a, b in zip(whole, damaged)]
        self.assertEqual((len(whole), sum(bits)), (len(damaged), 1))

    def test_engines_are_held_to_the_checksums_that_they_have(self) -> None:
        words = self.words("filestore")
        self.assertEqual(self.flip(words, "--rounds=200")["verdict"], "passed")
        report = self.flip(self.words("lmdb"), "--rounds=200")
        self.assertEqual(report["verdict"], "informational")
        self.assertFalse(report["settings"]["checksums"])
        done = self.run_program("crash", *self.words("lmdb"), "--fault=read-flip", "--quiet")
        self.assertEqual(done.returncode, PASS, done.stderr)
        self.assertIn("lmdb has no checksums of what it reads", done.stdout)
        # A damaged record is the end of its log, or of its manifest, to RocksDB.
        report = self.flip(self.words("rocksdb"), "--rounds=400", code=VIOLATION)
        files = {
            violation["state"]["file"].strip("0123456789") for violation in report["violations"]
        }
        self.assertIn(".log", files)
        self.assertLessEqual(files, {".log", "MANIFEST-"})

    def test_the_same_seed_flips_the_same_bits(self) -> None:
        words = self.words("lmdb")
        one, two = (self.flip(words, "--rounds=60", "--seed=3") for _ in range(2))
        for report in (one, two):
            self.assertEqual(report["settings"]["seed"], 3)
        states = [
            [violation["state"] for violation in report["violations"]] for report in (one, two)
        ]
        self.assertEqual(states[0], states[1])


class Holes(FileCrashTest):
    def words_of(self, bug: str) -> list[str]:
        # A second page is begun.
        size = ("recordcount=15", "operationcount=20", f"canary-filepages.bug={bug}")
        words = self.words("canary-filepages", *size, workload="crash-inserts")
        return [*words, "--fault=sigbus", "--strategy=prefix"]

    def test_a_store_that_finds_no_room_loses_nothing_where_the_order_is_right(self) -> None:
        report = self.campaign(self.words_of("control-sparse"), "--fs=posix")
        self.assertEqual(report["settings"]["fault"], "sigbus")
        self.assertEqual(report["verdict"], "passed")
        # The run ended in the middle of an operation.
        self.assertLess(report["recording"]["operations"], 20)
        report = self.campaign(self.words_of("meta-into-hole"), code=VIOLATION)
        self.assert_replays(report)

    def test_where_nothing_is_stored_into_holes_it_says_so(self) -> None:
        # lmdb gives its file blocks before it maps it writable.
        for words in (*map(self.words, FILE_ENGINES), self.words("lmdb", "lmdb.writemap=true")):
            before = self.results()
            done = self.run_program("crash", *words, "--fault=sigbus", "--quiet")
            self.assert_one_line(before, done, "nothing that could fail so", USAGE)


class Faults(FileCrashTest):
    def test_every_engine_survives_that_it_is_killed(self) -> None:
        for engine in FILE_ENGINES + ("cmap",):
            words = self.words(engine, "operationcount=3000")
            report = self.campaign(words, "--fault=kill", "--rounds=8", "--seed=2", "--after=5")
            self.assertEqual((report["domain"], report["verdict"]), ("process", "passed"))
            recording = report["recording"]
            self.assertEqual(recording["rounds"], 8)
            self.assertIn(recording["killed"], range(1, 9))
            self.assertEqual(recording["path"], self.folder_of(report))
            self.assertEqual(report["settings"]["fault"], "kill")
            self.assertEqual(report["settings"]["seed"], 2)
            self.assertEqual(report["explored"]["recoveries"], 8)
            self.assertEqual(report["explored"]["verdicts"], 8)
            self.assertEqual(report["subject"]["operations_after"], 5)
            self.assertEqual(os.listdir(self.folder_of(report)), ["crash.json"])

    def test_a_kill_is_told_as_runs_and_not_as_states(self) -> None:
        words = self.words("lmdb", "operationcount=3000")
        done = self.run_program("crash", *words, "--fault=kill", "--rounds=8", "--quiet")
        self.assertEqual(done.returncode, PASS, done.stderr)
        self.assertRegex(done.stdout, r"[1-8] of 8 runs killed; seed 1: 8 recoveries")
        self.assertIn("no violation in these runs", done.stdout)
        self.assertNotIn("raw states", done.stdout)

    def test_each_call_of_a_run_fails_in_turn(self) -> None:
        for fault in FAULTS:
            report = self.campaign(self.words("filestore"), f"--fault={fault}", "--rounds=3")
            self.assertEqual(report["verdict"], "passed")
            self.assertEqual(report["settings"]["fault"], fault)
            self.assertEqual(report["schedules"]["recorded"], 3)
            self.assertEqual(report["recording"]["failed_syncs"], 3 if fault == "sync-eio" else 0)
            kept = sorted(path.name for path in Path(self.folder_of(report)).iterdir())
            self.assertEqual(kept, ["crash.json", "recording", "recording-2", "recording-3"])

    def test_a_budget_leaves_fewer_runs_than_were_asked_for(self) -> None:
        words = [*self.words("lmdb"), "--fault=sync-eio", "--rounds=7", "--max-states=1"]
        report = self.campaign(words)
        self.assertEqual(report["verdict"], "incomplete")
        self.assertEqual(report["schedules"], {"asked": 7, "recorded": 1, "distinct": 1})

    def test_a_run_has_as_many_rounds_as_it_has_such_calls(self) -> None:
        words = self.words("lmdb", "operationcount=1", "readproportion=1", "updateproportion=0")
        words += ["-p", "insertproportion=0", "-p", "fencepost.deleteproportion=0"]
        words += ["-p", "fencepost.missproportion=0"]
        before = self.results()
        done = self.run_program("crash", *words, "--fault=write-eio", "--quiet")
        self.assert_one_line(before, done, "nothing that could fail so", USAGE)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
