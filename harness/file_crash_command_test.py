#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""fencepost crash from end to end, of engines that keep their data in files, and of a program that
is not ours (SQLite). Other faults than a power loss are in file_fault_command_test.py.

Usage: file_crash_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
"""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

from crash_test_case import PASS, PROGRAM, SOURCE, USAGE, VIOLATION, CrashTest

SQLITE = Path("/usr/bin/sqlite3")
FILE_ENGINES = ("filestore", "lmdb", "rocksdb")
FAULTS = ("write-eio", "write-enospc", "short-write", "sync-eio")


def places(report: dict[str, Any]) -> list[list[str]]:
    """What had to survive, of each violation, without its numbers."""
    return [
        [piece["place"].partition(" (")[0] for piece in one["missing"]]
        for one in report["violations"]
    ]


class FileCrashTest(CrashTest):
    def words(self, engine: str, *properties: str, workload: str = "crash-mixed") -> list[str]:
        """A small run; a later property wins."""
        words = [engine, "-P", str(SOURCE / "workloads" / workload)]
        if workload == "crash-mixed":
            words += ["-p", "recordcount=10", "-p", "operationcount=6"]
        for text in properties:
            words += ["-p", text]
        return words

    def campaign(self, words: list[str], *more: str, code: int = PASS) -> dict[str, Any]:
        return self.report_of(self.run_program("crash", *words, *more, "--quiet", "--json"), code)

    def record_files(self, engine: str, *properties: str, creation: bool = False) -> str:
        words = self.words(engine, *properties) + (["--creation"] if creation else [])
        done = self.run_program("crash", *words, "--record-only", "--quiet")
        self.assertEqual(done.returncode, PASS, done.stderr)
        return done.stdout.strip()

    def standard(self, folder: str, *words: str, code: int = PASS) -> dict[str, Any]:
        return self.explore(folder, "--strategy=standard", *words, code=code)

    def assert_looked(self, report: dict[str, Any], verdict: str = "passed") -> None:
        """To the end, and in more than the newest state of each crash point."""
        self.assertEqual(report["verdict"], verdict)
        explored = report["explored"]
        self.assertEqual(explored["explored_points"], explored["crash_points"])
        self.assertGreater(explored["crash_points"], 5)
        self.assertGreater(explored["states"], 2 * explored["crash_points"])
        self.assertGreater(explored["recoveries"], 5)
        # What is written changes what is found.
        self.assertGreater(explored["outcomes"], 1)

    def assert_replays(self, report: dict[str, Any], name: str = "V1") -> None:
        again = self.run_program("crash", "replay", self.folder_of(report), name)
        self.assertEqual(again.returncode, VIOLATION, again.stdout + again.stderr)
        self.assertIn("the violation shows again", again.stdout)


class Engines(FileCrashTest):
    def test_filestore_and_lmdb_pass_in_their_strongest_class(self) -> None:
        for engine in ("filestore", "lmdb"):
            folder = self.record_files(engine)
            for name in ("ext4-ordered", "posix"):
                report = self.standard(folder, "--fs", name)
                self.assert_looked(report)
                self.assertEqual(report["subject"]["durability"], "power-fail")
                self.assertEqual(report["settings"]["file_system"], name)

    def test_rocksdb_passes_where_names_keep_their_order(self) -> None:
        folder = self.record_files("rocksdb")
        self.assert_looked(self.standard(folder))
        report = self.standard(folder, "--fs=posix", code=VIOLATION)
        self.assert_looked(report, "violated")
        # The known one, and no other: CURRENT names a MANIFEST whose name is not durable yet.
        self.assertEqual(places(report), [["create MANIFEST-#"]])
        self.assertEqual(report["violations"][0]["kind"], "open-failed")
        self.assert_replays(report)

    def test_weaker_classes_keep_what_they_promise(self) -> None:
        for engine, durability in (
            ("rocksdb", "prefix"),
            ("rocksdb", "buffered"),
            ("lmdb", "prefix"),
            ("filestore", "prefix"),
            ("filestore", "buffered"),
        ):
            words = self.words(engine, f"engine.durability={durability}")
            report = self.campaign(words)
            self.assert_looked(report)
            self.assertEqual(report["subject"]["durability"], durability)

    def test_damage_that_nothing_was_promised_of_is_information(self) -> None:
        report = self.campaign(self.words("lmdb", "engine.durability=process-crash"))
        self.assert_looked(report, "informational")
        self.assertTrue(report["violations"])
        folder = self.folder_of(report)
        done = self.crash("--from", folder, "--strategy=standard")
        self.assertEqual(done.returncode, PASS, done.stderr)
        self.assertIn("promises nothing after such a crash", done.stdout)
        self.assertNotIn("no violation", done.stdout)

    def test_a_store_that_was_being_made(self) -> None:
        for engine in FILE_ENGINES:
            folder = self.record_files(engine, creation=True)
            report = self.standard(folder)
            self.assert_looked(report)
            self.assertIn("The run made the store and loaded it.", report["assumptions"])
            self.assertEqual(report["recording"]["operations"], 10)
            found = {
                "filestore": [],
                # A file whose second meta page is short of a sector is none of LMDB's.
                "lmdb": [["write # bytes at # of store/data.mdb"]],
                "rocksdb": [["create store/MANIFEST-#"]],
            }[engine]
            report = self.standard(folder, "--fs=posix", code=VIOLATION if found else PASS)
            self.assertEqual(places(report), found)
            for violation in report["violations"]:
                self.assertEqual(violation["kind"], "open-failed")
                self.assert_replays(report, violation["id"])

    def test_several_threads_are_crashed_too(self) -> None:
        report = self.campaign(self.words("filestore"), "-threads", "2", "--schedules=2")
        self.assert_looked(report)
        self.assertEqual(report["schedules"]["recorded"], 2)


class Canaries(FileCrashTest):
    def test_a_bug_is_caught_and_its_cause_is_named(self) -> None:
        bug = "canary-filelog.bug=rename-unsynced"
        words = self.words("canary-filelog", bug, "operationcount=20", workload="crash-canary")
        report = self.campaign(words, "--fs=posix", code=VIOLATION)
        self.assertIn(["rename CURRENT.new to CURRENT"], places(report))

    def test_an_ignored_error_of_a_sync_takes_one_to_show(self) -> None:
        bug = "canary-filelog.bug=fsync-error-ignored"
        words = self.words("canary-filelog", bug, "operationcount=12", workload="crash-canary")
        self.campaign(words, "--fs=posix")
        report = self.campaign(
            words, "--fs=posix", "--fault=sync-eio", "--stop-after=1", code=VIOLATION
        )
        self.assertEqual(report["settings"]["fault"], "sync-eio")
        self.assertGreater(report["recording"]["failed_syncs"], 0)
        self.assert_replays(report)


class Reports(FileCrashTest):
    def test_every_field_is_what_it_says(self) -> None:
        began = datetime.datetime.now(datetime.timezone.utc)
        more = ("--fs=xfs", "--sector=4096", "--tear=none", "--seed=7", "--timeout=9", "--after=3")
        report = self.campaign(self.words("filestore", "operationcount=5"), *more)
        folder = Path(self.folder_of(report))
        self.assertEqual(json.loads((folder / "crash.json").read_text()), report)
        made = datetime.datetime.fromisoformat(report["created_utc"])
        self.assertLess(abs((made - began).total_seconds()), 100)
        self.assertEqual(report["command"][:3], [str(PROGRAM), "crash", "filestore"])
        self.assertEqual((report["domain"], report["mutations"]), ("files", None))
        self.assertEqual(report["schedules"], {"asked": 1, "recorded": 1, "distinct": 1})

        subject = report["subject"]
        self.assertEqual((subject["engine"], subject["workload"]), ("filestore", "crash-mixed"))
        self.assertEqual(subject["durability"], "power-fail")
        self.assertEqual(subject["operations_after"], 3)
        self.assertEqual(subject["properties"]["operationcount"], "5")

        recording = report["recording"]
        self.assertEqual(Path(recording["path"]), folder / "recording")
        trace_bytes = (folder / "recording/trace").stat().st_size
        self.assertEqual(recording["trace_bytes"], trace_bytes)
        self.assertEqual(recording["operations"], 5)
        self.assertGreater(recording["syncs"], 0)
        self.assertGreater(recording["writes"], 0)
        self.assertGreater(recording["events"], recording["writes"] + recording["syncs"])
        self.assertGreater(trace_bytes, recording["bytes_written"])
        self.assertEqual((recording["mapped_writes"], recording["failed_syncs"]), (0, 0))

        settings = {
            "strategy": "standard",
            "seed": 7,
            "fault": "power-loss",
            "file_system": "xfs",
            "sector_bytes": 4096,
            "tearing": False,
            "shard": 0,
            "shards": 1,
            "depth": 1,
            "timeout_s": 9,
        }
        self.assertEqual(report["settings"], settings)
        self.assertTrue(any(text.startswith("File system xfs") for text in report["assumptions"]))
        self.assertIn("No write is torn.", report["assumptions"])

        explored = report["explored"]
        self.assertEqual(explored["log10_raw_states"], explored["log10_explored_raw_states"])
        self.assertLessEqual(explored["recoveries"], explored["states"])
        self.assertLessEqual(explored["outcomes"], explored["recoveries"])
        self.assertLessEqual(explored["recoveries"], explored["verdicts"])
        self.assertEqual(explored["failed_verdicts"], 0)
        for name in ("traced_recoveries", "nested_points", "nested_states", "nested_recoveries"):
            self.assertEqual(explored[name], 0)
        self.assertFalse(explored["every_state"])
        self.assertFalse(explored["lines_cut"])
        self.assertIsNone(explored["stopped"])
        self.assertIsNone(explored["next_point"])

    def test_all_states_are_all_of_them(self) -> None:
        words = self.words("filestore", "operationcount=2", "fieldlength=40")
        explored = self.campaign(words, "--strategy=all", "--tear=none")["explored"]
        self.assertTrue(explored["every_state"])
        self.assertEqual(explored["states"], round(10 ** explored["log10_raw_states"]))

    def test_the_reports_of_memory_and_of_processes_fit_the_schema_too(self) -> None:
        report = self.campaign(self.words("cmap"), "--strategy=prefix")
        self.assertEqual(report["domain"], "memory")
        report = self.campaign(
            self.words("cmap", "operationcount=3000"), "--fault=kill", "--rounds=8"
        )
        self.assertEqual(report["domain"], "process")


class Campaigns(FileCrashTest):
    BUG = "canary-filelog.bug=size-before-data"

    def record_bug(self) -> str:
        words = self.words("canary-filelog", self.BUG, "operationcount=12", workload="crash-canary")
        done = self.run_program("crash", *words, "--record-only", "--quiet")
        self.assertEqual(done.returncode, PASS, done.stderr)
        return done.stdout.strip()

    def test_the_same_recording_and_seed_give_the_same_report(self) -> None:
        folder = self.record_bug()
        words = ("--strategy=sample:5", "--seed=7", "--fs=posix")
        one = self.explore(folder, *words, "--jobs=1", code=VIOLATION)
        two = self.explore(folder, *words, "--jobs=3", code=VIOLATION)
        self.assertEqual(self.facts(one), self.facts(two))
        other = self.explore(folder, *words[:1], "--seed=8", words[2], code=VIOLATION)
        self.assertNotEqual(self.facts(one)["explored"], self.facts(other)["explored"])

    def test_shards_merge_into_the_whole(self) -> None:
        folder = self.record_bug()
        whole = self.standard(folder, "--fs=posix", code=VIOLATION)
        parts = []
        for i in range(3):
            done = self.crash(
                "--from", folder, "--strategy=standard", "--fs=posix", f"--shard={i}/3", "--json"
            )
            parts.append(self.report_of(done, done.returncode))
            self.assertIn(done.returncode, (PASS, VIOLATION))
            self.assertLess(parts[-1]["explored"]["recoveries"], whole["explored"]["recoveries"])
        folders = [self.folder_of(part) for part in parts]
        merged = self.run_program("crash", "merge", *folders, "--json")
        report = self.report_of(merged, VIOLATION)
        for name in ("crash_points", "explored_points", "states"):
            self.assertEqual(report["explored"][name], whole["explored"][name], name)
        # Each shard uses on what it is the first to see.
        for name in ("recoveries", "verdicts", "outcomes"):
            self.assertGreaterEqual(report["explored"][name], whole["explored"][name], name)
        self.assertCountEqual(places(report), places(whole))
        self.assertEqual(report["settings"], whole["settings"])
        self.assert_replays(report)
        missing = self.run_program("crash", "merge", *folders[:2], "--json")
        report = self.report_of(missing, missing.returncode)
        self.assertIn("2 of 3 shards", report["explored"]["stopped"])

    def test_a_stopped_campaign_goes_on_with_its_own_settings(self) -> None:
        folder = self.record_files("filestore")
        words = ("--fs=posix", "--sector=1024", "--tear=none", "--after=2")
        whole = self.standard(folder, *words)
        part = self.standard(folder, *words, "--max-states=5")
        self.assertEqual(part["verdict"], "incomplete")
        self.assertEqual(part["explored"]["recoveries"], 5)
        self.assertIn("5 recoveries", part["explored"]["stopped"])
        done = self.crash("--resume", self.folder_of(part), "--json")
        report = self.report_of(done, PASS)
        self.assertEqual(report["verdict"], "passed")
        self.assertEqual(report["settings"], whole["settings"])
        self.assertEqual(report["subject"], whole["subject"])
        self.assertEqual(report["explored"]["explored_points"], whole["explored"]["crash_points"])
        self.assert_refused("--resume", self.folder_of(part), says="came to its end")

    def test_a_violation_replays_and_its_tree_is_kept(self) -> None:
        report = self.standard(self.record_bug(), "--fs=posix", code=VIOLATION)
        folder = self.folder_of(report)
        self.assert_replays(report)
        here = self.run_program("crash", "replay", folder, "V1", "--in-process")
        self.assertEqual(here.returncode, VIOLATION, here.stdout + here.stderr)
        kept = self.run_program("crash", "replay", folder, "V1", "--keep", "tree")
        self.assertEqual(kept.returncode, PASS, kept.stderr)
        self.assertEqual(kept.stdout.strip(), "tree")
        self.assertIn("CURRENT", os.listdir(self.folder / "tree"))
        absent = self.run_program("crash", "replay", folder, "V99")
        self.assertEqual(absent.returncode, USAGE)

    def test_nothing_is_passed_that_was_not_looked_at(self) -> None:
        report = self.standard(self.record_files("filestore"), "--max-states=1")
        self.assertEqual(report["verdict"], "incomplete")


class BadInput(FileCrashTest):
    def test_usage(self) -> None:
        lmdb, cmap = self.words("lmdb"), self.words("cmap")
        self.assert_refused(*lmdb, "--fs=zfs", says="no file system 'zfs'")
        for sector in ("7", "4", "0x", "1000", "2097152"):
            self.assert_refused(*lmdb, f"--sector={sector}", says="--sector")
        self.assert_refused(*lmdb, "--strategy=suffix", says="no strategy 'suffix'")
        for flag in ("--eadr", "--mutate", "--depth=2", "--tear=line"):
            self.assert_refused(*lmdb, flag, says=flag.partition("=")[0])
        self.assert_refused(*lmdb, "--schedules=2", says="--schedules=2")
        self.assert_refused(*lmdb, "--fault=fire", says="--fault")
        self.assert_refused(*lmdb, "--rounds=5", says="--rounds")
        self.assert_refused("--from", "some", "-p", "operationcount=2", says="-p")
        self.assert_refused("--from", "some", "--fault=kill", says="--fault")
        for flag in ("--fs=posix", "--fs=ext4-ordered", "--sector=512", "--tear=none"):
            self.assert_refused(*cmap, flag, says=flag.partition("=")[0])
        self.assert_refused(*cmap, "--creation", says="creation")
        for fault in (*FAULTS, "sigbus", "read-flip"):
            self.assert_refused(*cmap, f"--fault={fault}", says=f"--fault={fault}")

    def test_what_a_fault_does_not_heed_is_refused(self) -> None:
        lmdb = self.words("lmdb")
        for flag in (
            "--fs=posix",
            "--sector=512",
            "--tear=none",
            "--eadr",
            "--mutate",
            "--depth=2",
            "--shard=0/2",
            "--max-states=3",
            "--max-seconds=3",
            "--stop-after=3",
            "--strategy=all",
            "--jobs=2",
            "--creation",
            "--record-only",
        ):
            before = self.results()
            done = self.run_program("crash", *lmdb, "--fault=kill", flag, "--quiet")
            self.assert_one_line(before, done, flag.partition("=")[0], USAGE)
        for flag in ("--fs=posix", "--strategy=all", "--shard=0/2", "--after=3", "--creation"):
            before = self.results()
            done = self.run_program("crash", *lmdb, "--fault=read-flip", flag, "--quiet")
            self.assert_one_line(before, done, flag.partition("=")[0], USAGE)
        for flag in ("--creation", "--record-only", "--schedules=2", "--mutate", "--eadr"):
            before = self.results()
            done = self.run_program("crash", *lmdb, "--fault=sync-eio", flag, "--quiet")
            self.assert_one_line(before, done, flag.split("=")[0], USAGE)

    def test_a_full_tmpfs(self) -> None:
        can_mount = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=4k", "none", "/dev/shm"]
        if subprocess.run(can_mount, capture_output=True, check=False).returncode != 0:
            self.skipTest("no private mounts here")
        # The images' folder is on it; the recording is there already, on the disk.
        folder = self.record_files("filestore")
        for kib in (4, 64, 900):  # a store takes 1.1 MiB
            before = self.results()
            shell = f'mount -t tmpfs -o size={kib}k none /dev/shm && exec "$@"'
            words = ["crash", "--from", folder, "--strategy=prefix", "--quiet"]
            done = subprocess.run(
                ["unshare", "-m", "sh", "-c", shell, "sh", str(PROGRAM), *words],
                capture_output=True,
                text=True,
                cwd=self.folder,
                check=False,
            )
            self.assert_one_line(before, done, "No space left on device", USAGE)

    def test_what_cannot_be_recorded(self) -> None:
        def refused(*words: str, says: str) -> None:
            before = self.results()
            done = self.run_program("record", "-o", "rec", *words)
            self.assert_one_line(before, done, says, USAGE)
            self.assertFalse((self.folder / "rec/recording.json").exists())

        refused("--io", "absent", "--", "/bin/true", says="--io=absent: is no directory")
        refused("--io", ".", "--", "no-such-program", says="no-such-program")
        refused("--io", ".", says="needs -- and a program")
        refused("--io", ".", "--image=x", "--", "/bin/true", says="--io goes without")
        refused("--volatile=x", "--", "/bin/true", says="--volatile goes with --io")

    def test_recordings_that_cannot_be_trusted(self) -> None:
        folder = self.folder / self.record_files("filestore")
        trace = folder / "recording/trace"
        whole = trace.read_bytes()
        for share in (0, 1, len(whole) // 2, len(whole) - 1):
            trace.write_bytes(whole[:share])
            self.assert_refused("--from", str(folder), says="trace")
        for where in (0, 9, len(whole) // 3, len(whole) // 2, len(whole) - 9):
            trace.write_bytes(whole[:where] + bytes([whole[where] ^ 1]) + whole[where + 1 :])
            self.assert_refused("--from", str(folder), says="trace")
        trace.write_bytes(whole + whole[-8:])
        self.assert_refused("--from", str(folder), says="trace")
        trace.write_bytes(whole)

        loaded = sorted(path for path in (folder / "recording/initial").iterdir())[0]
        before = loaded.read_bytes()
        loaded.write_bytes(before[:-1] + b"x")
        self.assert_refused("--from", str(folder), says=loaded.name)
        loaded.write_bytes(before)
        stranger = folder / "recording/initial/stranger"
        stranger.write_bytes(b"x")
        self.assert_refused("--from", str(folder), says="the names at the end")
        stranger.unlink()
        history = folder / "recording/history.jsonl"
        lines = history.read_bytes()
        history.write_bytes(lines[:-5])
        self.assert_refused("--from", str(folder), says="history.jsonl")
        history.write_bytes(lines)
        self.standard(str(folder))


@unittest.skipUnless(SQLITE.exists(), "sqlite3 is not installed")
class Sqlite(FileCrashTest):
    """A program that is not ours, judged by its own check."""

    STATEMENTS = (
        "insert into t values(1, hex(randomblob(2000)));"
        "update t set v = hex(randomblob(3000)) where k = 0;"
        "insert into t values(2, hex(randomblob(3000)));"
        "delete from t where k = 1;"
    )
    CHECK = """#!/bin/sh
said=$(%s "$1/t.db" 'pragma integrity_check; select count(*) > 0 from t') || exit 1
[ "$said" = "ok
1" ]
"""

    def make(self, mode: str, synchronous: str) -> str:
        """A recording of four transactions on a table that is there."""
        name = f"{mode}-{synchronous}"
        base = self.folder / name
        (base / "db").mkdir(parents=True)
        check = base / "check.sh"
        check.write_text(self.CHECK % SQLITE)
        check.chmod(0o755)
        database, journal = base / "db/t.db", f"pragma journal_mode={mode};"
        words = ["record", "-o", f"{name}/loaded", "--io", f"{name}/db", "--", str(SQLITE)]
        first = journal + "create table t(k integer primary key, v text);"
        first += "insert into t values(0, 'zero');"
        done = self.run_program(*words[:4], words[4], *words[5:], str(database), first)
        self.assertEqual(done.returncode, PASS, done.stderr)
        words[2] = f"{name}/rec"
        words[5:5] = ["--volatile", "*-shm"]
        run = f"{journal} pragma synchronous={synchronous}; {self.STATEMENTS}"
        done = self.run_program(*words, str(database), run)
        self.assertEqual(done.returncode, PASS, done.stderr)
        return name

    def judge(self, name: str, file_system: str, code: int) -> dict[str, Any]:
        check = f"{self.folder}/{name}/check.sh {{image}}"
        words = ("explore", f"{name}/rec", "--recover", check, "--fs", file_system)
        done = self.run_program(*words, "--quiet", "--json")
        report = self.report_of(done, code)
        explored = report["explored"]
        self.assertEqual(explored["explored_points"], explored["crash_points"])
        self.assertGreater(explored["recoveries"], 50)
        self.assertEqual(report["subject"]["program"][0], str(SQLITE))
        self.assertEqual(report["subject"]["recover"], check)
        return report

    def test_synchronous_full_passes(self) -> None:
        for mode in ("delete", "wal"):
            name = self.make(mode, "full")
            for file_system in ("posix", "ext4-ordered"):
                report = self.judge(name, file_system, PASS)
                self.assertEqual(report["verdict"], "passed")
                self.assertGreater(report["recording"]["syncs"], 5)

    def test_synchronous_off_is_caught(self) -> None:
        for mode in ("delete", "wal"):
            name = self.make(mode, "off")
            report = self.judge(name, "ext4-ordered", VIOLATION)
            self.assertEqual(report["recording"]["syncs"], 0)
            self.assert_replays(report)

    def test_synchronous_normal_is_as_sqlite_says(self) -> None:
        # "WAL mode is always consistent with synchronous=NORMAL"; in mode delete there is "a very
        # small (though non-zero) chance that a power failure at just the wrong time could corrupt
        # the database on an older filesystem" (sqlite.org/pragma.html#pragma_synchronous).
        self.judge(self.make("wal", "normal"), "posix", PASS)
        name = self.make("delete", "normal")
        self.judge(name, "ext4-ordered", PASS)
        report = self.judge(name, "posix", VIOLATION)
        self.assertTrue(all("t.db-journal" in place for [place] in places(report)))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
