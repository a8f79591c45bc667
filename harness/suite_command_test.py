#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`fencepost suite` as a user meets it: run, stopped, gone on with; and what recovery it measures.

Usage: suite_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any

from command_test_case import PROGRAM, SHARED_MEMORY, SOURCE, CommandTest, main

BENCH = """
title = "Two engines"

[[step]]
name = "speed"
run = "bench"
engines = ["filestore", "lmdb"]
workloads = ["{source}/workloads/workloadc"]
repeats = 4
seconds = {seconds}
relaxed_load = true
properties = {{ recordcount = 300, "fencepost.floor" = false }}
"""
CRASH = """
[[step]]
name = "crash"
run = "crash"
engines = ["lmdb"]
workload = "{source}/workloads/crash-mixed"
properties = {{ operationcount = 5, recordcount = 10 }}
"""
TOO_MUCH = "recordcount = 1000000000, fieldcount = 10"


class SuiteCommandTest(CommandTest):
    def suite(self, text: str, seconds: float = 0.2) -> Path:
        path = self.folder / "s.toml"
        path.write_text(text.format(source=SOURCE, seconds=seconds), encoding="utf-8")
        return path

    def state(self, out: str = "out") -> Any:
        return json.loads((self.folder / out / "suite.json").read_text(encoding="utf-8"))

    def wait_for_runs(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(list(self.folder.glob("out/speed/*-r?/summary.json"))) < count:
            self.assertLess(time.monotonic(), deadline, "no run has ended")
            time.sleep(0.02)

    def wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + 60
        while not list(self.folder.glob(pattern)):
            self.assertLess(time.monotonic(), deadline, f"there is no {pattern}")
            time.sleep(0.02)

    def ended_runs(self) -> dict[str, int]:
        """When each run that has ended was written: one that is not run again keeps its time."""
        return {
            path.parent.name: path.stat().st_mtime_ns
            for path in self.folder.glob("out/speed/*-r?/summary.json")
            if not json.loads(path.read_text(encoding="utf-8"))["partial"]
        }

    def test_steps_leave_a_bench_and_a_verdict(self) -> None:
        suite = self.suite(BENCH + CRASH)
        code, out, err = self.run_program("suite", suite, "--out", "out")
        self.assertEqual(code, 0, err)
        self.assertIn("workloadc", out)
        self.assertIn("passed (", out)
        self.assertEqual([s["exit_code"] for s in self.state()["steps"]], [0, 0])
        self.assertEqual(len(self.ended_runs()), 8)
        self.validate("out")
        # The suite's folder stands for the results of its steps.
        self.assertIn("As a page: fencepost report out", out)
        code, _, err = self.run_program("report", "out")
        self.assertEqual(code, 0, err)
        page = (self.folder / "out/report.html").read_text(encoding="utf-8")
        self.assertIn("bench speed", page)
        self.assertIn("filestore", page)
        self.assertIn(next(self.folder.glob("out/crash/*")).name, page)
        # What has ended is not done again.
        campaigns = sorted(self.folder.glob("out/crash/*"))
        runs = self.ended_runs()
        code, _, err = self.run_program("suite", suite, "--out", "out")
        self.assertEqual(code, 0, err)
        self.assertEqual(sorted(self.folder.glob("out/crash/*")), campaigns)
        self.assertEqual(self.ended_runs(), runs)

    def test_ctrl_c_and_then_the_rest(self) -> None:
        suite = self.suite(BENCH)
        process = self.start("suite", suite, "--out", "out")
        self.wait_for_runs(2)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn(f"to go on: fencepost suite {suite} --out out", err)
        self.assertIsNone(self.state()["steps"][0]["exit_code"])
        self.validate("out")
        before = self.ended_runs()
        self.assertGreaterEqual(len(before), 2)
        self.assertLess(len(before), 8)
        # Whether there was noise is the machine's: said is what this test says of it.
        said = ["others were busy"]
        report = json.loads((self.folder / "out/speed/bench.json").read_text(encoding="utf-8"))
        report["noise"]["warnings"] = said
        (self.folder / "out/speed/bench.json").write_text(json.dumps(report), encoding="utf-8")
        code, _, err = self.run_program("suite", suite, "--out", "out")
        self.assertEqual(code, 0, err)
        after = self.ended_runs()
        self.assertEqual(len(after), 8)
        self.assertEqual({name: after[name] for name in before}, before)
        self.validate("out")
        # What is said of noise is of both parts.
        bench = json.loads((self.folder / "out/speed/bench.json").read_text(encoding="utf-8"))
        self.assertEqual(bench["noise"]["during"]["runs"], 8)
        kept = f"before it was stopped: {said[0]}"
        self.assertEqual(bench["noise"]["warnings"].count(kept), 1)
        self.assertIn(kept, (self.folder / "out/speed/table.txt").read_text(encoding="utf-8"))
        # To go on with a bench that has ended adds nothing.
        self.assertEqual(self.run_program("bench", "--resume", "out/speed")[0], 0)
        bench = json.loads((self.folder / "out/speed/bench.json").read_text(encoding="utf-8"))
        earlier = [w for w in bench["noise"]["warnings"] if w.startswith("before it was stopped")]
        self.assertEqual(earlier, [kept])

    def test_a_suite_that_was_killed_goes_on(self) -> None:
        suite = self.suite(BENCH)
        process = self.start("suite", suite, "--out", "out")
        self.wait_for_runs(1)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        code, _, err = self.run_program("suite", suite, "--out", "out")
        self.assertEqual(code, 0, err)
        self.assertEqual(len(self.ended_runs()), 8)
        self.validate("out")

    def test_a_suite_that_alone_is_interrupted_ends_its_step(self) -> None:
        # As `kill` and a service manager do it: no terminal tells the steps.
        suite = self.suite(BENCH, seconds=10)
        process = self.start("suite", suite, "--out", "out")
        self.wait_for("out/speed/*-r?")
        os.kill(process.pid, signal.SIGINT)
        begin = time.monotonic()
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertLess(time.monotonic() - begin, 9, "the run was waited for")

    def test_steps_do_not_outlive_a_suite_that_alone_is_killed(self) -> None:
        process = self.start("suite", self.suite(BENCH, seconds=10), "--out", "out")
        self.wait_for("out/speed/*-r?")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        # The folder is taken over, within the time that the run alone would have taken, when
        # suite.json is written anew.
        document = self.folder / "out/suite.json"
        before, begin = document.stat().st_mtime_ns, time.monotonic()
        process = self.start("suite", self.folder / "s.toml", "--out", "out")
        while document.stat().st_mtime_ns == before and process.poll() is None:
            self.assertLess(time.monotonic() - begin, 9, "the step lives on")
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertNotIn("another suite", err)

    def test_two_suites_in_one_folder_are_refused(self) -> None:
        suite = self.suite(BENCH, seconds=30)
        process = self.start("suite", suite, "--out", "out")
        try:
            deadline = time.monotonic() + 30
            while not (self.folder / "out/suite.json").exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            code, _, err = self.run_program("suite", suite, "--out", "out")
            self.assertEqual(code, 2)
            self.assertIn("another suite runs in this folder", err)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=30)

    def test_a_violation_is_the_suites_exit_code_and_not_its_end(self) -> None:
        planted = """
title = "A planted bug, then a bench"
[[step]]
name = "planted"
run = "crash"
engines = ["canary-filelog"]
workload = "{source}/workloads/crash-canary"
properties = {{ operationcount = 40, "canary-filelog.bug" = "log-rotated-unsynced" }}
"""
        code, out, err = self.run_program(
            "suite", self.suite(planted + BENCH.split('"Two engines"')[1]), "--out", "out"
        )
        self.assertEqual(code, 1, err)
        self.assertIn("violated (", out)
        self.assertEqual([s["exit_code"] for s in self.state()["steps"]], [1, 0])

    def test_a_suite_without_a_result_has_no_report(self) -> None:
        suite = self.suite(BENCH.replace("recordcount = 300", TOO_MUCH))
        self.assertEqual(self.run_program("suite", suite, "--out", "out")[0], 2)
        shutil.rmtree(self.folder / "out/speed")
        code, _, err = self.run_program("report", "out")
        self.assertEqual(code, 2)
        self.assertEqual(err, "fencepost: out: no step of this suite has come to a result\n")

    def test_a_step_that_fails_is_named_and_tried_again(self) -> None:
        suite = self.suite(BENCH.replace("recordcount = 300", TOO_MUCH) + CRASH)
        for _ in range(2):
            code, _, err = self.run_program("suite", suite, "--out", "out")
            self.assertEqual(code, 2)
            self.assertRegex(err, "speed: .*the workload needs about")
        code, _, err = self.run_program("report", "out", "--out", "page.html")
        self.assertEqual(code, 0, err)
        page = (self.folder / "page.html").read_text(encoding="utf-8")
        self.assertIn("s, step speed: failed (exit code 2)", page)

    def test_a_step_that_cannot_be_run_is_refused_before_the_first_has(self) -> None:
        second = BENCH.split('"Two engines"')[1].replace('"speed"', '"z"')
        crash = CRASH.replace('run = "crash"', 'run = "crash"\nstrategy = "reads"')
        for broken, why in (
            (second.replace('"lmdb"', '"lmbd"'), "no engine 'lmbd'"),
            (second.replace("workloadc", "workloadx"), "workloadx"),
            (second.replace("recordcount = 300", "recordcount = -1"), "recordcount"),
            (second.replace("repeats = 4", "repeats = -3"), "--repeats"),
            (second.replace("seconds = {seconds}", "seconds = inf"), "inf"),
            (CRASH.replace("recordcount = 10", "recordcount = 0"), "no records"),
            (CRASH.replace('"lmdb"', '"blackhole"'), "stores nothing"),
            (CRASH + 'fault = "kill"\nschedules = 5\n', "goes without --schedules"),
        ):
            suite = self.suite(BENCH + broken)
            line = suite.read_text(encoding="utf-8").splitlines().index("[[step]]", 5) + 1
            for words in (["--out", "out"], ["--list"]):
                code, out, err = self.run_program("suite", suite, *words)
                self.assertEqual((code, out), (2, ""), err)
                self.assertEqual(len(err.splitlines()), 1, err)
                self.assertTrue(err.startswith(f"fencepost: {suite}:{line}: step '"), err)
                self.assertIn(why, err)
            self.assertFalse((self.folder / "out").exists())
        self.assertEqual(self.run_program("suite", self.suite(BENCH + crash), "--list")[0], 0)

    def test_a_property_that_nothing_reads_is_named(self) -> None:
        misspelt = BENCH.replace(
            "recordcount = 300", 'recordcont = 300, "lmdb.sync_directory" = true'
        )
        code, _, err = self.run_program("suite", self.suite(misspelt), "--list")
        self.assertEqual(code, 0)
        # What one of the engines reads is nobody's mistake; what stands in one of two files is one.
        for name in ("wa", "wb"):
            text = (SOURCE / "workloads/workloada").read_text(encoding="utf-8")
            (self.folder / name).write_text(text + f"{name}x=1\n", encoding="utf-8")
        suite = misspelt.replace("{source}/workloads/workloadc", "wa").replace('wa"', 'wa", "wb"')
        _, _, both = self.run_program("suite", self.suite(suite), "--list")
        self.assertRegex(both, "wa:[0-9]+: nothing reads 'wax'")
        self.assertRegex(both, "wb:[0-9]+: nothing reads 'wbx'")
        self.assertEqual(
            [line for line in err.splitlines() if "nothing reads" in line and "-p: " in line],
            ["fencepost: warning: -p: nothing reads 'recordcont'"],
        )

    def test_bench_goes_on_by_itself_and_refuses_what_is_none(self) -> None:
        code, _, err = self.run_program("bench", "--resume", ".")
        self.assertEqual(code, 2)
        self.assertIn("there is no plan.json", err)
        (self.folder / "plan.json").write_text('{"schema": "fencepost.plan/1"}', encoding="utf-8")
        code, _, err = self.run_program("bench", "--resume", ".")
        self.assertEqual(code, 2)
        self.assertEqual(len(err.splitlines()), 1, err)

    def test_a_bench_does_not_go_on_with_a_changed_workload(self) -> None:
        workload = self.folder / "w"
        workload.write_text("readproportion=1\nupdateproportion=0\n", encoding="utf-8")
        code, _, err = self.run_program(
            "bench", "--engines", "lmdb", "--workloads", "w", "--records", "100",
            "--repeats", "1", "--out", "out", "-p", "operationcount=100",
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        self.assertEqual(self.run_program("bench", "--resume", "out")[0], 0)
        workload.write_text("readproportion=0\nupdateproportion=1\n", encoding="utf-8")
        code, _, err = self.run_program("bench", "--resume", "out")
        self.assertEqual(code, 2)
        self.assertEqual(
            err, "fencepost: --resume=out: a workload file has changed since the bench was begun\n"
        )

    def test_killed_stores_are_opened_again_and_timed(self) -> None:
        shared = self.make_folder(SHARED_MEMORY)
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            for reopen in ("close", "kill"):
                path = shared / f"{engine}-{reopen}"
                code, out, err = self.run_program(
                    "run", engine, "-load", "-P", SOURCE / "workloads/workloadc", "--json",
                    "-p", f"fencepost.reopen={reopen}", "-p", "fencepost.floor=false",
                    "-p", "recordcount=200", "--results", "out", "-p", f"engine.path={path}",
                )  # fmt: skip
                self.assertEqual(code, 0, err)
                summary = json.loads(out)[-1]
                self.assertEqual(summary["phase"], "run")
                self.assertGreater(summary["open_s"], 0)
                # The version table of a run whose load was another process knows no key's history.
                unknown = summary["verification"]["unknown"]
                self.assertEqual(unknown > 0, reopen == "kill", (engine, reopen))

    def test_a_relaxed_load_that_was_killed_says_so(self) -> None:
        for reopen in ("close", "kill"):
            code, out, err = self.run_program(
                "run", "filestore", "-load", "-P", SOURCE / "workloads/workloadc", "--json",
                "-p", f"fencepost.reopen={reopen}", "-p", "fencepost.load=relaxed",
                "-p", "fencepost.floor=false", "-p", "recordcount=200", "--results", "out",
                "-p", f"engine.path={self.folder / reopen}",
            )  # fmt: skip
            self.assertEqual(code, 0, err)
            summary = json.loads(out)[-1]
            self.assertTrue(summary["relaxed_load"], reopen)
            warned = any("less to recover" in warning for warning in summary["warnings"])
            self.assertEqual(warned, reopen == "kill")

    def test_reopen_needs_a_load(self) -> None:
        code, _, err = self.run_program(
            "run", "lmdb", "-P", SOURCE / "workloads/workloadc", "-p", "fencepost.reopen=kill"
        )
        self.assertEqual(code, 2)
        self.assertIn("needs a load and a run in one call", err)


class SuitesInTheTreeTest(unittest.TestCase):
    def test_each_is_read_and_its_workloads_are_there(self) -> None:
        suites = sorted((SOURCE / "scripts/suites").glob("*.toml"))
        self.assertGreaterEqual(len(suites), 6)
        for suite in suites:
            listed = subprocess.run(
                [str(PROGRAM), "suite", str(suite), "--list"],
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual(listed.returncode, 0, listed.stderr)
            for line in suite.read_text(encoding="utf-8").splitlines():
                for word in line.split('"')[1::2]:
                    if word.startswith("../"):
                        self.assertTrue((suite.parent / word).is_file(), f"{suite}: {word}")


if __name__ == "__main__":
    main()
