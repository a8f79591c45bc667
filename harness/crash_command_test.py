#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""fencepost crash from end to end, in memory: what must pass passes, what is broken is caught, and
nothing is called passed that was not looked at.

Usage: crash_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
"""

from __future__ import annotations

import json
import shutil
import sys
import unittest
from subprocess import CompletedProcess
from typing import Any

from crash_test_case import HARNESS, PASS, SOURCE, USAGE, VIOLATION, CrashTest


def causes(report: dict[str, Any]) -> set[tuple[str, ...]]:
    """Where the stores were made that had to survive, of each violation."""
    return {
        tuple(sorted({store["where"] for line in one["missing"] for store in line["stores"]}))
        for one in report["violations"]
    }


class Engines(CrashTest):
    def test_cmap_passes_fifty_operations(self) -> None:
        folder = self.record("cmap", "recordcount=40", "operationcount=50")
        for strategy in ("prefix", "sample:4"):
            report = self.explore(folder, "--strategy", strategy, code=PASS)
            self.assertEqual(report["verdict"], "passed")
            explored = report["explored"]
            self.assertEqual(explored["explored_points"], explored["crash_points"])
            self.assertGreater(explored["crash_points"], 100)
            self.assertGreater(explored["recoveries"], explored["crash_points"])
            self.assertGreaterEqual(explored["verdicts"], explored["recoveries"])
            # Each write changes what may be found.
            self.assertGreater(explored["outcomes"], 20)

    def test_cmap_passes_in_every_state_that_recovery_can_tell_apart(self) -> None:
        folder = self.record("cmap", "recordcount=3", "operationcount=3")
        done = self.run_program("crash", "--from", folder, "--quiet")
        self.assertEqual(done.returncode, PASS, done.stderr)
        self.assertIn("PROVED of what was recorded", done.stdout)
        report = json.loads(next(self.folder.glob("results/*-again-*/crash.json")).read_text())
        self.assertEqual(report["verdict"], "passed")
        self.assertEqual(report["settings"]["strategy"], "reads")
        self.assertEqual(report["settings"]["depth"], 2)
        explored = report["explored"]
        self.assertTrue(explored["every_state"])
        self.assertGreater(explored["nested_states"], explored["states"])
        self.assertEqual(explored["explored_points"], explored["crash_points"])
        self.assertGreater(explored["log10_raw_states"], 20)
        self.assertGreaterEqual(explored["verdicts"], explored["states"])

    def test_cmap_passes_while_it_grows(self) -> None:
        folder = self.record(
            "cmap",
            "recordcount=20",
            "operationcount=50",
            "readproportion=0",
            "updateproportion=0",
            "fencepost.missproportion=0",
            "fencepost.deleteproportion=0.1",
            "insertproportion=0.9",
            "cmap.initial_buckets=256",
        )
        self.assertEqual(self.explore(folder, code=PASS)["verdict"], "passed")

    def test_eadr_and_whole_lines_pass_too(self) -> None:
        folder = self.record("cmap", "recordcount=10", "operationcount=10")
        self.explore(folder, "--eadr", code=PASS)
        self.explore(folder, "--tear=line", code=PASS)


class Canaries(CrashTest):
    def assert_caught(self, structure: str, bug: str, kind: str, where: str) -> None:
        folder = self.record(structure, f"{structure}.bug={bug}", workload="crash-canary")
        report = self.explore(folder, "--strategy", "prefix", "--stop-after=1", code=VIOLATION)
        first = report["violations"][0]
        self.assertEqual(first["kind"], kind)
        # With every store survived, the last ones tell.
        places = [store["where"] for line in first["missing"] for store in line["stores"]]
        places += [event["where"] or "" for event in first["timeline"]]
        self.assertTrue(any(where in place for place in places), places)

    def test_an_entry_that_is_published_first(self) -> None:
        self.assert_caught("canary-log", "flag-first", "open-failed", "canary_log.cc")

    def test_an_entry_whose_last_line_is_not_flushed(self) -> None:
        self.assert_caught("canary-log", "short-flush", "torn", "canary_log.cc")

    def test_a_count_outside_the_undo_log(self) -> None:
        self.assert_caught("canary-tx", "count-not-logged", "count", "canary_tx.cc")

    def test_a_flush_that_another_thread_fences(self) -> None:
        folder = self.record(
            "canary-delegate", "canary-delegate.bug=other-threads-fence", workload="crash-canary"
        )
        report = self.explore(folder, "--stop-after=1", code=VIOLATION)
        self.assertTrue(report["violations"])

    def test_controls_are_silent(self) -> None:
        for bug in ("none", "control-checksum", "control-never-read"):
            folder = self.record(
                "canary-log", f"canary-log.bug={bug}", "operationcount=25", workload="crash-canary"
            )
            for strategy in ("prefix", "one-missing"):
                self.explore(folder, "--strategy", strategy, code=PASS)


class Campaigns(CrashTest):
    BUG = ("canary-log", "canary-log.bug=flag-first", "operationcount=20")

    def test_the_same_recording_and_seed_give_the_same_report(self) -> None:
        folder = self.record(*self.BUG, workload="crash-canary")
        words = ("--strategy", "sample:5", "--seed", "7")
        one = self.explore(folder, *words, "--jobs=1", code=VIOLATION)
        two = self.explore(folder, *words, "--jobs=3", code=VIOLATION)
        self.assertEqual(self.facts(one), self.facts(two))

    def test_shards_merge_into_the_whole(self) -> None:
        folder = self.record(*self.BUG, workload="crash-canary")
        whole = self.explore(folder, code=VIOLATION)
        parts = []
        for i in range(3):
            done = self.crash("--from", folder, f"--shard={i}/3", "--json")
            parts.append(json.loads(done.stdout))
        merged = self.run_program("crash", "merge", *map(self.folder_of, parts), "--json")
        self.assertEqual(merged.returncode, VIOLATION, merged.stderr)
        report = json.loads(merged.stdout)
        for name in ("crash_points", "explored_points", "states"):
            self.assertEqual(report["explored"][name], whole["explored"][name], name)
        # Each shard uses on what it is the first to see.
        for name in ("recoveries", "verdicts", "outcomes"):
            self.assertGreaterEqual(report["explored"][name], whole["explored"][name], name)
        # What a client saw of a cause first may be another in a shard; the causes are the same.
        self.assertEqual(causes(report), causes(whole))
        missing = self.run_program("crash", "merge", *map(self.folder_of, parts[:2]), "--json")
        self.assertIn("2 of 3 shards", json.loads(missing.stdout)["explored"]["stopped"])

    def test_a_stopped_campaign_goes_on(self) -> None:
        folder = self.record("cmap", "recordcount=10", "operationcount=20")
        whole = self.explore(folder, code=PASS)
        part = self.explore(folder, "--max-states=40", code=PASS)
        self.assertEqual(part["verdict"], "incomplete")
        self.assertIn("40 recoveries", part["explored"]["stopped"])
        done = self.crash("--resume", self.folder_of(part), "--json")
        self.assertEqual(done.returncode, PASS, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["verdict"], "passed")
        explored = report["explored"]
        self.assertEqual(explored["explored_points"], whole["explored"]["crash_points"])

    def test_a_violation_replays_and_its_image_is_kept(self) -> None:
        folder = self.record(*self.BUG, workload="crash-canary")
        report = self.explore(folder, code=VIOLATION)
        again = self.run_program("crash", "replay", self.folder_of(report), "V1")
        self.assertEqual(again.returncode, VIOLATION, again.stderr)
        self.assertIn("the violation shows again", again.stdout)
        kept = self.run_program("crash", "replay", self.folder_of(report), "V1", "--keep", "images")
        self.assertEqual(kept.returncode, PASS, kept.stderr)
        self.assertTrue((self.folder / "images/pool").is_file())
        absent = self.run_program("crash", "replay", self.folder_of(report), "V99")
        self.assertEqual(absent.returncode, USAGE)


class Mutations(CrashTest):
    def sites(self, folder: str, *words: str) -> tuple[list[Any], list[Any]]:
        """Sites that are not shown necessary, and those that are."""
        report = self.explore(folder, "--mutate", *words, code=PASS)
        self.assertIsNone(report["mutations"]["skipped"])
        sites = report["mutations"]["sites"]
        not_shown = [site for site in sites if site["verdict"] != "necessary"]
        necessary = [site for site in sites if site["verdict"] == "necessary"]
        self.assertEqual(sites, not_shown + necessary, "not the former first")
        for site in not_shown:
            explored = site["explored"]
            self.assertEqual(explored["explored_points"], explored["crash_points"])
            self.assertIsNone(explored["stopped"])
        return not_shown, necessary

    def record_log(self, bug: str) -> str:
        words = (f"canary-log.bug={bug}", "operationcount=12")
        return self.record("canary-log", *words, workload="crash-canary")

    def test_exactly_the_redundant_flush_is_not_shown_necessary(self) -> None:
        not_shown, necessary = self.sites(self.record_log("none"), "--strategy=one-missing")
        self.assertEqual(not_shown, [])
        self.assertEqual({site["kind"] for site in necessary}, {"flush", "fence"})

        folder = self.record_log("flush-of-clean-line")
        not_shown, others = self.sites(folder, "--strategy=one-missing")
        self.assertEqual([site["kind"] for site in not_shown], ["flush"])
        source = (SOURCE / "engines/canaries/canary_log.cc").read_text().splitlines()
        self.assertIn("kFlushOfCleanLine) Flush", source[not_shown[0]["line"] - 1])
        self.assertEqual(len(others), len(necessary))

    def test_cmap_needs_the_flush_of_its_records(self) -> None:
        folder = self.record("cmap", "recordcount=5", "operationcount=10")
        not_shown, necessary = self.sites(folder)
        flushes = [site["where"] for site in necessary if site["kind"] == "flush"]
        self.assertTrue(any("Map::Put (cmap_map.cc:" in where for where in flushes))
        for site in not_shown + necessary:
            self.assertNotIn("Pool::", site["where"], "a wrapper is no site")

    def test_what_fails_as_it_is_is_not_mutated(self) -> None:
        folder = self.record_log("flag-first")
        report = self.explore(folder, "--mutate", code=VIOLATION)
        self.assertEqual(report["mutations"]["sites"], [])
        done = self.crash("--from", folder, "--mutate")
        self.assertEqual(done.returncode, VIOLATION)
        lines = done.stdout.splitlines()
        self.assertIn("not mutated: the recording fails as it is", lines)

    def test_a_recording_that_was_not_explored_to_its_end_is_not_mutated(self) -> None:
        report = self.explore(
            self.record_log("none"), "--mutate", "--max-states=3", "--max-seconds=9", code=PASS
        )
        self.assertIn("budget of 3 recoveries", report["mutations"]["skipped"])


class Threads(CrashTest):
    def crash_shared(self, *words: str, bug: str = "none") -> CompletedProcess[str]:
        workload = str(SOURCE / "workloads/crash-threads")
        planted = ("-p", f"canary-shared.bug={bug}")
        return self.crash("canary-shared", "-P", workload, *planted, *words)

    def test_what_another_thread_has_not_made_durable(self) -> None:
        words = ("-p", "operationcount=300", "--stop-after=1", "--json")
        done = self.crash_shared(*words, bug="read-of-unpersisted")
        self.assertEqual(done.returncode, VIOLATION, done.stdout[-3000:] + done.stderr)
        report = json.loads(done.stdout)
        # No more than it takes are recorded.
        self.assertLess(report["schedules"]["recorded"], report["schedules"]["asked"])
        self.assertEqual(report["explored"]["stopped"], "enough violations were found")
        # It is the missing store that another thread has seen, and no value of its own. Which
        # answer rests on it depends on the interleaving: mostly a read's, now and then a delete's.
        self.assertTrue(report["violations"][0]["missing"])
        self.assertRegex(
            report["violations"][0]["message"], r"\(read\) saw|\(delete\) was acknowledged"
        )
        folder = self.folder_of(report)
        again = self.run_program("crash", "replay", folder, "V1")
        self.assertEqual(again.returncode, VIOLATION, again.stdout + again.stderr)
        self.assertIn("the violation shows again", again.stdout)
        self.assert_refused("--resume", folder, says="several schedules")

    def test_with_one_thread_it_is_correct(self) -> None:
        words = ("-threads", "1", "--json", "--max-seconds=1")
        done = self.crash_shared(*words, bug="read-of-unpersisted")
        self.assertEqual(done.returncode, PASS, done.stdout[-3000:] + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["schedules"], {"asked": 1, "recorded": 1, "distinct": 1})
        # The time that it was recorded in does not count.
        self.assertGreater(report["explored"]["recoveries"], 100)

    def test_all_recordings_are_explored_again_and_one_that_is_there_twice_once(self) -> None:
        words = ("-p", "operationcount=30", "--schedules=2")
        done = self.crash_shared(*words, "--record-only")
        self.assertEqual(done.returncode, PASS, done.stderr)
        folder = done.stdout.strip()
        one = self.explore(folder, code=PASS)
        self.assertEqual(one["verdict"], "passed")
        self.assertEqual(one["schedules"]["recorded"], 2)
        shutil.copytree(self.folder / folder / "recording", self.folder / folder / "recording-3")
        two = self.explore(folder, code=PASS)
        self.assertEqual(two["schedules"]["asked"], 3)
        self.assertEqual(two["schedules"]["distinct"], one["schedules"]["distinct"])
        for name in ("crash_points", "recoveries", "verdicts"):
            self.assertEqual(two["explored"][name], one["explored"][name], name)

    def test_budgets_are_for_all_schedules_together(self) -> None:
        words = ("-p", "operationcount=30", "--schedules=3", "--json")
        done = self.crash_shared(*words, "--max-states=150")
        self.assertEqual(done.returncode, PASS, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["verdict"], "incomplete")
        self.assertEqual(report["explored"]["recoveries"], 150)
        self.assertEqual(report["explored"]["stopped"], "the budget of 150 recoveries was used up")

    def test_cmap_passes_with_two_threads(self) -> None:
        workload = str(SOURCE / "workloads/crash-mixed")
        words = ("-p", "recordcount=4", "-p", "operationcount=6", "-threads", "2", "--schedules=2")
        done = self.crash("cmap", "-P", workload, *words, "--json")
        self.assertEqual(done.returncode, PASS, done.stdout[-3000:] + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["verdict"], "passed")
        self.assertEqual(report["schedules"]["recorded"], 2)


class BadInput(CrashTest):
    def words(self, *more: str) -> list[str]:
        return ["-P", str(SOURCE / "workloads/crash-mixed"), *more]

    def test_usage(self) -> None:
        self.assert_refused("nothing", *self.words(), says="nothing")
        self.assert_refused("blackhole", *self.words(), says="stores nothing that a crash")
        self.assert_refused("cmap", *self.words("--strategy", "best"), says="no strategy 'best'")
        self.assert_refused("cmap", *self.words("--strategy", "sample:0"), says="count from 1")
        self.assert_refused("cmap", *self.words("--shard=3/3"), says="--shard=3/3")
        self.assert_refused("cmap", *self.words("--timeout=0"), says="--timeout=0")
        self.assert_refused("cmap", *self.words("-threads", "65"), says="at most 64 threads")
        self.assert_refused("cmap", *self.words("--schedules=2"), says="one order only")
        self.assert_refused("cmap", *self.words("--schedules=0"), says="--schedules")
        self.assert_refused("--from", "some", "--schedules=2", says="--schedules")
        self.assert_refused("--from", "some", "-threads", "2", says="--threads")
        self.assert_refused("--resume", "some", "--schedules=2", says="--schedules")
        self.assert_refused("cmap", *self.words("-p", "minfieldlength=8"), says="16 bytes")
        self.assert_refused("cmap", *self.words("-p", "operationcount=0"), says="operation")
        self.assert_refused("--from", "absent", says="absent")
        self.assert_refused("--resume", "absent", says="absent")
        self.assert_refused("--resume", "some", "--strategy=all", says="--strategy")
        self.assert_refused("cmap", "--resume", "some", says="engine")
        self.assert_refused("cmap", *self.words("--mutate", "--shard=0/2"), says="--shard")
        self.assert_refused("cmap", *self.words("--mutate", "--record-only"), says="--record-only")
        self.assert_refused("--resume", "some", "--mutate", says="--mutate")
        done = self.run_program("crash", "--mutate", "merge", "some", "other")
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--mutate", done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_what_goes_together(self) -> None:
        one = self.words("--mutate", "-threads", "2")
        self.assert_refused("canary-shared", *one, says="--mutate takes one schedule")
        self.assert_refused("cmap", *self.words("--depth=2"), says="need --strategy=reads")
        self.assert_refused("cmap", *self.words("--depth=3"), says="--depth")

    def test_a_recorded_trace_is_crashed(self) -> None:
        trace = self.folder / "t.csv"
        lines = ["get,a,100", "put,b,20", "put,a,30", "delete,b", "get,b", "put,c%2C%00,70"]
        trace.write_text("\n".join([*lines, "get,c%2C%00", "tryget,d", "put,b,16"]))
        report = self.report_of(self.crash("cmap", "--trace", "t.csv", "--json"), PASS)
        self.assertEqual((report["verdict"], report["recording"]["operations"]), ("passed", 9))
        # The recording knows the file wherever it is explored from.
        self.assertEqual(report["subject"]["properties"]["fencepost.trace_file"], str(trace))
        for engine in ("filestore", "lmdb"):
            done = self.crash(engine, "--trace", "t.csv", "--strategy=standard", "--json")
            self.assertEqual(json.loads(done.stdout)["verdict"], "passed", engine)
        bug = ("-p", "canary-log.bug=missing-fence")
        done = self.crash("canary-log", "--trace", "t.csv", *bug)
        self.assertEqual(done.returncode, VIOLATION, done.stdout + done.stderr)
        self.assert_refused("--from", "x", "--trace", "t.csv", says="--from goes without --trace")
        again = ("--from", self.folder_of(report))
        trace.write_text("get,a,100\n")
        self.assert_refused(*again, says="it is another file")
        trace.write_text("put,a,15\n")
        self.assert_refused("cmap", "--trace", "t.csv", says="have 15 (fencepost.trace_file)")

    def test_no_verdict_without_a_look(self) -> None:
        folder = self.record("cmap", "recordcount=5", "operationcount=5")
        done = self.crash("--from", folder, "--strategy", "NoReorderNoCheck")
        self.assertEqual(done.returncode, HARNESS, done.stdout)
        self.assertIn("nothing was judged", done.stderr)
        self.assertNotIn("no violation in the states", done.stdout)

    def test_recordings_that_cannot_be_trusted(self) -> None:
        folder = self.folder / self.record("cmap", "recordcount=5", "operationcount=5")
        trace = folder / "recording/trace"
        whole = trace.read_bytes()

        trace.write_bytes(whole[: len(whole) // 2])
        self.assert_refused("--from", str(folder), says="trace")
        trace.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
        self.assert_refused("--from", str(folder), says="trace")
        trace.write_bytes(whole[:8] + b"\x63" + whole[9:])
        self.assert_refused("--from", str(folder), says="trace")
        trace.write_bytes(whole)

        image = folder / "recording/image-0"
        before = image.read_bytes()
        image.write_bytes(before[:-4096] + b"x" * 4096)
        self.assert_refused("--from", str(folder), says="the trace does not give")
        image.write_bytes(before)
        history = folder / "recording/history.jsonl"
        lines = history.read_bytes()
        history.write_bytes(lines[:-5])
        self.assert_refused("--from", str(folder), says="history.jsonl")
        history.write_bytes(lines)
        self.explore(str(folder), code=PASS)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
