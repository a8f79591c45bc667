#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `fencepost check` does beside recording events: exit codes, bad input, files that cannot be
written, processes, suppressions.

Usage: behaviour_test.py FENCEPOST PROGRAMS_FOLDER [unittest's arguments]
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from trace_events import first_difference, read_events, replay

FENCEPOST = Path()
PROGRAMS = Path()
TIMEOUT_S = 100
USAGE = 2


class PmemcheckTest(unittest.TestCase):
    def setUp(self) -> None:
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="pmemcheck_test.", dir=shm))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_words(self, *words: object, **how: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [word if isinstance(word, bytes) else str(word) for word in words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            **how,
        )

    def check(
        self, options: tuple[str, ...], program: str, *arguments: object, **how: Any
    ) -> "subprocess.CompletedProcess[str]":
        """The test program on a file in the test's folder."""
        words = [FENCEPOST, "check", f"--pmem={self.folder}/*", *options, "--"]
        file = self.folder / "mapped"
        return self.run_words(*words, PROGRAMS / program, file, *arguments, **how)


class BadInput(PmemcheckTest):
    def test_an_option_that_nobody_knows_is_one_line_and_exit_code_2(self) -> None:
        for option, needle in (
            ("--nope", "unknown option --nope"),
            ("--nope=1", "unknown option --nope=1"),
            ("--list-max=many", "--list-max=many"),
            ("--list-max=-1", "--list-max=-1"),
            ("--cpuid=both", "must be clwb or plain"),
            ("--flush-check=maybe", "--flush-check=maybe"),
            ("--error-limit=perhaps", "--error-limit=perhaps"),
        ):
            done = self.check((f"--tool-option={option}",), "fences")
            self.assertEqual(done.returncode, USAGE, f"{option}: {done.stderr}")
            said = done.stderr.splitlines()[1:]
            self.assertEqual(len(said), 1, f"{option}: {done.stderr}")
            self.assertIn(needle, said[0])

    def test_what_stops_valgrind_before_the_program_runs_is_exit_code_2(self) -> None:
        (self.folder / "bad.supp").write_text("{\n x\n pmemcheck:NoSuchKind\n ...\n}\n")
        for option in ("--suppressions=/nope", "--suppressions=bad.supp", "--log-file=/nope/log"):
            done = self.check((f"--tool-option={option}",), "fences")
            self.assertEqual(done.returncode, USAGE, f"{option}: {done.stderr}")
            self.assertIn(option.split("=")[1], done.stderr)

    def test_what_is_no_option_is_not_taken_for_the_program(self) -> None:
        for word in ("/bin/true", "--", "-", "--tool=none"):
            done = self.check((f"--tool-option={word}",), "fences")
            self.assertEqual(done.returncode, USAGE, f"{word}: {done.stderr}")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f"--tool-option={word}", done.stderr)

    def test_the_programs_exit_code_1_stays_1(self) -> None:
        done = self.run_words(FENCEPOST, "check", "--", "/bin/sh", "-c", "exit 1")
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_wild_addresses_in_requests_are_refused_or_harmless(self) -> None:
        done = self.check(("--error-exitcode=9", "--trace=t"), "requests_wild")
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertIn("no such range, ignored", done.stderr)
        # The one store that the program does not make durable: no request has hidden it.
        self.assertIn("Number of stores not made persistent: 1\n", done.stderr)
        shown = self.run_words(FENCEPOST, "trace", "dump", "t")
        self.assertEqual(shown.returncode, 0, shown.stderr)

    def test_an_open_transaction_counts_for_the_exit_code(self) -> None:
        only = "--only=unfinished-transaction"
        done = self.check(("--error-exitcode=9",), "mistakes", only)
        self.assertIn("Number of active transactions: 1", done.stderr)
        self.assertEqual(done.returncode, 9, done.stderr)
        self.assertEqual(self.check((), "mistakes", only).returncode, 0)


class Unseen(PmemcheckTest):
    def test_rings_whose_writes_are_not_seen_are_an_error(self) -> None:
        done = self.check(("--error-exitcode=9",), "io_uring")
        if done.returncode == 77:
            self.skipTest(done.stderr)
        self.assertEqual(done.stderr.count("io_uring_setup"), 1, done.stderr)
        self.assertIn("ERROR SUMMARY: 1 errors", done.stderr)
        self.assertEqual(done.returncode, 9, done.stderr)


class Compat(PmemcheckTest):
    """compat.c's cases: stores that are not durable as the tool reads them, and as the original."""

    CASES = {
        "others-fence": (1, 0),
        "locked": (0, 1),
        "request": (1, 0),
        "clflush": (1, 0),
        "request-bytes": (0, 1),
        "non-temporal": (0, 1),
        "unmap": (1, 0),
    }

    def expect(self, case: str, left: int, *options: str) -> None:
        done = self.check(tuple(f"--tool-option={o}" for o in options), "compat", f"--only={case}")
        if done.returncode == 77:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)
        needle = f"Number of stores not made persistent: {left}\n"
        self.assertIn(needle, done.stderr, f"{case} {options}")

    def test_each_reading_is_the_originals_with_compat(self) -> None:
        for case, (ours, the_originals) in self.CASES.items():
            self.expect(case, ours)
            self.expect(case, the_originals, "--compat=yes")

    def test_requested_flushes_cover_lines_if_they_are_aligned(self) -> None:
        self.expect("request-bytes", 0, "--compat=yes", "--flush-align=yes")
        self.expect("clflush", 2, "--compat=yes", "--expect-fence-after-clflush=yes")

    def test_the_trace_is_the_same_with_compat(self) -> None:
        dumps = []
        for compat in ("no", "yes"):
            options = ("--trace=t", f"--tool-option=--compat={compat}")
            self.check(options, "compat", "--only=locked")
            dumps.append(self.run_words(FENCEPOST, "trace", "dump", "t").stdout)
        self.assertIn("locked", dumps[0])
        self.assertEqual(*dumps)


class Processes(PmemcheckTest):
    def test_a_child_that_only_execs_reports_nothing(self) -> None:
        done = self.check(("--error-exitcode=9",), "exec_next", "--in-child")
        self.assertEqual(done.stderr.count("ERROR SUMMARY"), 1, done.stderr)

    def test_what_is_run_next_under_the_tool_leaves_the_files_of_what_was_before(self) -> None:
        follow = "--tool-option=--trace-children=yes"
        done = self.check((follow, "--trace=t.%p", "--json"), "exec_next")
        self.assertEqual(done.returncode, 7, done.stderr)
        (before,) = self.folder.glob("t.*.exec1")
        for path, here, not_here in (
            (before, "mapped:0x40 8", "mapped:0x80 8"),
            (before.with_suffix(""), "mapped:0x80 8", "mapped:0x40 8"),
        ):
            shown = self.run_words(FENCEPOST, "trace", "dump", path)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn(here, shown.stdout)
            self.assertNotIn(not_here, shown.stdout)
        report = json.loads(done.stdout)
        self.assertEqual(report["findings"]["NotPersisted"]["listed"][0]["bytes"], 8)
        self.assertEqual(len(report["others"]), 1)
        self.assertEqual(report["others"][0]["pid"], report["pid"])

    def test_a_name_that_the_next_program_would_overwrite_is_refused(self) -> None:
        done = self.check(("--tool-option=--trace-children=yes", "--trace=t"), "exec_next")
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertIn("the name must hold %p", done.stderr)

    def test_a_childs_report_is_beside_its_parents(self) -> None:
        done = self.check(("--json",), "fork_child")
        report = json.loads(done.stdout)
        # Each reports its own: the parent the store before the fork, the child none.
        self.assertEqual(report["findings"]["NotPersisted"]["count"], 1, done.stdout)
        (child,) = report["others"]
        self.assertEqual(child["findings"]["NotPersisted"]["count"], 0, done.stdout)
        self.assertEqual([site["stores"] for site in child["sites"] if site["stores"]], [1])
        self.assertEqual(sum(site["stores"] for site in report["sites"]), 2)

    def test_without_p_in_its_name_a_report_is_the_parents(self) -> None:
        self.check((f"--tool-option=--report-file={self.folder}/r",), "fork_child")
        report = json.loads((self.folder / "r").read_text())
        self.assertEqual(sum(site["stores"] for site in report["sites"]), 2)


class Stacks(PmemcheckTest):
    def test_stacks_are_right_after_longjmp_and_in_signal_handlers(self) -> None:
        expected = {
            0x0: ["Inner", "Outer", "main"],
            0x8: ["AfterJump", "main"],
            0x40: ["OnSignal", "RaiseFrom", "main"],
            0x48: ["OnOtherStack"],  # Valgrind does not walk from one stack to the other
        }
        known = {name for names in expected.values() for name in names}
        done = self.check(("--trace=t",), "frames")
        self.assertEqual(done.returncode, 0, done.stderr)
        dump = self.run_words(FENCEPOST, "trace", "dump", "--json", "t").stdout.splitlines()
        records = [json.loads(line) for line in dump]
        functions = {r["address"]: r["function"] for r in records if r["kind"] == "frame"}
        stacks = {r["stack"]: r["addresses"] for r in records if r["kind"] == "stack"}
        stores = [record for record in records if record["kind"] == "store"]
        self.assertEqual(len(stores), 4 * 300)
        for store in stores:
            names = [functions[address] for address in stacks[store["stack"]]]
            ours = [name for name in names if name in known]
            self.assertEqual(ours, expected[store["file_offset"]], f"{store}: {names}")


class Interleavings(PmemcheckTest):
    def order(self, seed: int) -> list[str]:
        """Which thread of threads_turns made each store; fails where the trace does not replay."""
        done = self.check(("--trace=t", f"--sched-seed={seed}"), "threads_turns")
        if done.returncode == 77:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, f"--sched-seed={seed}: {done.stderr}")
        dump = self.run_words(FENCEPOST, "trace", "dump", "--json", "t").stdout.splitlines()
        events = read_events(dump)
        content = (self.folder / "mapped").read_bytes()
        replayed = replay(events, lambda event: event.file.endswith("/mapped"), len(content))
        self.assertEqual(first_difference(replayed, content), "", f"--sched-seed={seed}")
        threads = [event.thread for event in events if event.kind == "STORE"]
        self.assertEqual(len(threads), 1200)
        return threads

    def test_a_seed_interleaves_threads_that_otherwise_run_one_after_the_other(self) -> None:
        def hand_overs(threads: list[str]) -> int:
            return sum(a != b for a, b in zip(threads, threads[1:]))

        alone = hand_overs(self.order(0))
        orders = {seed: self.order(seed) for seed in range(1, 6)}
        for seed, order in orders.items():
            # Of 3,600 events one in four ends a turn; half of them between two stores.
            self.assertGreater(hand_overs(order), 100 + alone, f"--sched-seed={seed}")
        self.assertGreater(len({tuple(order) for order in orders.values()}), 3)
        # Not promised for each run: the system may keep a thread from its turn for long.
        again = [seed for seed, order in orders.items() if self.order(seed) == order]
        self.assertGreaterEqual(len(again), 1, "seeds that gave the same order twice")


class Reports(PmemcheckTest):
    def test_a_path_that_is_no_text_is_valid_json(self) -> None:
        odd = os.fsencode(self.folder) + b"/\xff\xc3\xa9\xc3"
        os.mkdir(odd)
        shutil.copy(PROGRAMS / "mistakes", os.fsdecode(odd))
        file = self.folder / "mapped"
        check = [FENCEPOST, "check", f"--pmem={self.folder}/*", "--json", "--"]
        done = self.run_words(*check, odd + b"/mistakes", file, "--only=not-flushed")
        self.assertEqual(done.returncode, 0, done.stderr)
        finding = json.loads(done.stdout)["findings"]["NotPersisted"]["listed"][0]
        self.assertIn("/\ufffd\u00e9\ufffd/mistakes", finding["stack"][0]["object"])

    def test_generated_suppressions_silence_what_they_were_made_of(self) -> None:
        checks = ("--tool-option=--mult-stores=yes", "--tool-option=--flush-check=yes")
        done = self.check((*checks, "--tool-option=--gen-suppressions=all"), "mistakes")
        blocks = re.findall(r"^\{\n(?:   \S+\n)+\}\n", done.stderr, re.MULTILINE)
        self.assertGreater(len(blocks), 5, done.stderr)
        (self.folder / "s.supp").write_text("".join(blocks))
        again = self.check((*checks, "--tool-option=--suppressions=s.supp"), "mistakes")
        for line in again.stderr.splitlines():
            if "Number of active transactions" in line:  # no finding: nothing to suppress
                continue
            self.assertNotRegex(line, r"Number of .*: [1-9]", again.stderr)
        self.assertIn("ERROR SUMMARY: 1 errors", again.stderr)


class FullDisk(PmemcheckTest):
    def test_a_trace_that_cannot_be_written_is_one_line_and_exit_code_2(self) -> None:
        done = self.check(("--trace=/dev/full",), "million_stores", "80000", "--count=10000")
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertEqual(done.stderr.count("writing the trace failed"), 1, done.stderr)
        self.assertIn("ERROR SUMMARY", done.stderr)

    def test_a_trace_that_is_cut_in_mid_run_is_one_line_and_exit_code_2(self) -> None:
        most = 1_700_000  # the mapped file fits, its trace does not

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        size = ("1600000", "--count=200000")
        done = self.check(("--trace=t",), "million_stores", *size, preexec_fn=limit)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertEqual(done.stderr.count("writing the trace failed"), 1, done.stderr)
        self.assertIn("ERROR SUMMARY", done.stderr)
        self.assertLessEqual((self.folder / "t").stat().st_size, most)
        self.assertGreater((self.folder / "t").stat().st_size, most // 2)


if __name__ == "__main__":
    FENCEPOST, PROGRAMS = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
