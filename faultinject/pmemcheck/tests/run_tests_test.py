# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the runner, with canned dumps in place of the tool's: it must notice what is wrong."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from typing import Any

from comparison import Reports, difference, read_reports, report_difference
from expectations import Expectation
from run_tests import trace_failures
from trace_events import Event, MappedParts, event_of, merged, read_events, replay

BASE = 0x10000
FILE = "/f"
HERE = pathlib.Path(__file__).resolve().parent


def marker(text: str) -> dict[str, Any]:
    return {"kind": "log", "text": text}


def at(kind: str, offset: int, length: int = 8, **fields: Any) -> dict[str, Any]:
    """An event of the file at `offset`, by thread 1 unless told."""
    place = {"address": BASE + offset, "length_bytes": length, "file": FILE, "file_offset": offset}
    return {"thread": 1, "kind": kind, **place, **fields}


def bracketed(*records: dict[str, Any], name: str = "TEST") -> list[dict[str, Any]]:
    return [marker(f"{name}.BEGIN"), *records, marker(f"{name}.END")]


def events_of(records: list[dict[str, Any]]) -> list[Event]:
    numbered = (
        {"thread": 1, **record, "event": seq} for seq, record in enumerate(records, start=1)
    )
    return read_events(json.dumps(record) for record in numbered)


STORE = at("store", 0x10, bytes="0102030405060708")
FLUSH = at("flush", 0x13, 1, how="clwb")
FENCE: dict[str, Any] = {"kind": "fence", "how": "sfence"}
EXPECTED = ("STORE 0x10 8 =0102030405060708", "FLUSH clwb 0x0", "FENCE sfence")


def failures(
    records: list[dict[str, Any]],
    expected: tuple[str, ...] = EXPECTED,
    is_prefix: bool = False,
    locks: bool = False,
) -> str:
    expectation = Expectation("p", events=expected, is_prefix=is_prefix, shows_foreign_locks=locks)
    return "\n".join(trace_failures(expectation, [events_of(records)], FILE))


class ComparisonTest(unittest.TestCase):
    def test_match_passes(self) -> None:
        self.assertEqual(failures(bracketed(STORE, FLUSH, FENCE)), "")

    def test_missing_event_fails(self) -> None:
        self.assertIn("-FLUSH clwb 0x0", failures(bracketed(STORE, FENCE)))

    def test_extra_event_fails(self) -> None:
        self.assertIn("+FENCE sfence", failures(bracketed(STORE, FENCE, FLUSH, FENCE)))

    def test_reordered_events_fail(self) -> None:
        self.assertIn("FLUSH clwb 0x0", failures(bracketed(FLUSH, STORE, FENCE)))

    def test_wrong_bytes_fail_where_bytes_are_expected(self) -> None:
        other = {**STORE, "bytes": "0102030405060709"}
        self.assertIn("+STORE 0x10 8 =0102030405060709", failures(bracketed(other, FLUSH, FENCE)))
        self.assertEqual(failures(bracketed(other), ("STORE 0x10 8",)), "")

    def test_wrong_flag_fails(self) -> None:
        self.assertIn(" nt ", failures(bracketed({**STORE, "flags": ["nt"]}, FLUSH, FENCE)))

    def test_trace_without_markers_fails(self) -> None:
        self.assertIn("-FENCE sfence", failures([STORE, FLUSH, FENCE]))

    def test_what_is_outside_the_markers_or_the_file_does_not_count(self) -> None:
        foreign = {**STORE, "file": "/other"}
        nowhere = {**STORE, "file": ""}
        records = [STORE, FENCE, *bracketed(STORE, foreign, nowhere, FLUSH, FENCE), FENCE]
        self.assertEqual(failures(records), "")

    def test_prefix_may_end_early_and_hold_nothing_else(self) -> None:
        self.assertEqual(failures([marker("TEST.BEGIN"), STORE], is_prefix=True), "")
        self.assertNotEqual(failures([marker("TEST.BEGIN"), FLUSH], is_prefix=True), "")

    def test_alternatives(self) -> None:
        expected = ["A", " || B", "C || D", "E"]
        for good in ("ABCE", "ADE"):
            self.assertEqual(difference(expected, list(good)), "")
        for bad in ("ACDE", "AE", "ABBCE", ""):
            self.assertNotEqual(difference(expected, list(bad)), "", bad)

    def test_other_threads_are_numbered(self) -> None:
        by: list[dict[str, Any]] = [{**FENCE, "thread": thread} for thread in (7, 1, 5, 7)]
        expected = ("T2 FENCE sfence", "FENCE sfence", "T3 FENCE sfence", "T2 FENCE sfence")
        self.assertEqual(failures(bracketed(*by), expected), "")

    def test_counts_and_children(self) -> None:
        parent, child = bracketed(STORE), bracketed(FENCE, name="CHILD")
        expectation = Expectation("p", child_events=("FENCE sfence",), counts={"STORE": 1})
        traces: list[list[Event]] = [events_of(child), events_of(parent)]
        self.assertEqual(trace_failures(expectation, traces, FILE), [])
        self.assertNotEqual(trace_failures(expectation, traces[1:], FILE), [])
        more = Expectation("p", counts={"STORE": 2})
        self.assertIn("1 events STORE", trace_failures(more, traces[1:], FILE)[0])
        inherits = [events_of(parent), events_of(parent + child)]
        self.assertIn("of its parent", trace_failures(expectation, inherits, FILE)[-1])


class NormalisingTest(unittest.TestCase):
    def test_pieces_of_one_instruction_are_one_store(self) -> None:
        pieces = [at("store", 8 * i, bytes="00" * 8, flags=["rep"]) for i in range(4)]
        whole = ("STORE 0x0 32 =" + "00" * 32,)
        self.assertEqual(failures(bracketed(*pieces), whole), "")
        self.assertEqual(failures(bracketed(*reversed(pieces)), whole), "")
        plain: list[dict[str, Any]] = [{**piece, "flags": []} for piece in pieces]
        self.assertNotEqual(failures(bracketed(*plain), whole), "")
        with_gap = [pieces[0], pieces[2]]
        self.assertEqual(len(list(merged(events_of(with_gap)))), 2)

    def test_fence_of_a_locked_store_is_part_of_it(self) -> None:
        lock: dict[str, Any] = {"kind": "fence", "how": "locked"}
        store = at("store", 0, flags=["atomic"])
        self.assertEqual(failures(bracketed(lock, store), ("STORE 0x0 8 atomic",)), "")
        self.assertEqual(failures(bracketed(lock, STORE), EXPECTED[:1]), "")
        shown = ("FENCE locked", *EXPECTED[:1])
        self.assertEqual(failures(bracketed(lock, STORE), shown, locks=True), "")
        failed = at("fence", 0x40, how="locked")
        records = bracketed(failed, store)
        self.assertEqual(failures(records, ("FENCE locked 0x40", "STORE 0x0 8 atomic")), "")

    def test_transactions_are_dropped(self) -> None:
        records = bracketed(
            STORE, at("tx_add", 0), {"kind": "tx_end", "operation": 7}, FLUSH, FENCE
        )
        self.assertEqual(failures(records), "")

    def test_maps_become_what_is_mapped(self) -> None:
        hole = {"kind": "unmap", "address": BASE + 0x1000, "length_bytes": 0x1000}
        again = at("map", 0, 0x1000, address=0x90000)
        records = [at("map", 0, 0x4000), *bracketed(STORE, hole, STORE, again, STORE)]
        store = EXPECTED[0]
        expected = (
            store,
            "MAPPED 0x0+0x1000 0x2000+0x2000",
            store,
            "MAPPED 0x0+0x1000 0x0+0x1000 0x2000+0x2000",
            store,
        )
        self.assertEqual(failures(records, expected), "")

    def test_mapped_parts(self) -> None:
        parts = MappedParts()
        for kind, begin, length in [("map", 0, 0x4000), ("map", 0x4000, 0x1000), ("unmap", 0, 1)]:
            parts.change(event_of(at(kind, begin, length, event=0)))
        self.assertEqual(str(parts), "MAPPED 0x1+0x4fff")
        parts.change(event_of(at("unmap", 0, 0x10000, event=1)))
        self.assertEqual(str(parts), "MAPPED")

    def test_other_lines(self) -> None:
        records = bracketed(
            at("flush", 8, 100, how="request"),
            at("sync", 0, 4096, how="msync"),
            at("sync", 0, 65536, how="fsync"),
            {"kind": "op-begin", "operation": 1 << 60},
            at("set_clean", 0x40),
            at("store", 0x20, flags=["nt"]),
            marker("two words"),
        )
        expected = (
            "FLUSH request 0x8 100",
            "SYNC msync 0x0 4096",
            "SYNC fsync",
            f"OPERATION_BEGIN {1 << 60}",
            "SET_CLEAN 0x40 8",
            "STORE 0x20 8 nt",
            "LOG two words",
        )
        self.assertEqual(failures(records, expected), "")

    def test_bad_dumps_are_refused(self) -> None:
        for dump in (
            ['{"event": 2, "kind": "log"}', '{"event": 1, "kind": "log"}'],
            ["[]"],
            ["{}"],
        ):
            with self.assertRaises(ValueError, msg=str(dump)):
                read_events(dump)

    def test_replay(self) -> None:
        over, beyond = at("store", 0x14, 2, bytes="ffff"), at("store", 30, bytes="11" * 8)
        events = events_of([STORE, over, beyond])
        content = replay(events, lambda event: event.file == FILE, 32)
        self.assertEqual(content.hex(), "00" * 16 + "01020304ffff0708" + "00" * 6 + "1111")


REPORT = """
==7== Number of stores not made persistent: 2
==7== Stores not made persistent properly:
==7== [0]    at 0x1: Helper (other.c:9)
==7==    by 0x2: main (p.c:2)
==7== \tAddress: 0x3\tsize: 8\tstate: DIRTY
==7== [1]    at 0x1: main (p.c:3)
==7== \tAddress: 0x4\tsize: 8\tstate: FLUSHED
==7== Total memory not made persistent: 16
==7== Number of unnecessary flushes: 1
==7== ERROR SUMMARY: 3 errors
"""
SOURCE = "\n Store(); /* mistake: one */\n Store(); /* mistake: two */\n"


class ReportsTest(unittest.TestCase):
    def test_report_is_read(self) -> None:
        expected = {"not-persistent": ("2 DIRTY", "3 FLUSHED"), "flushed-clean": ("",)}
        self.assertEqual(read_reports(REPORT, "p.c"), expected)

    def test_reports_are_compared(self) -> None:
        found = read_reports(REPORT, "p.c")
        good: Reports = {
            "not-persistent": ("one DIRTY", "two FLUSHED"),
            "flushed-clean": ("",),
            "torn": (),
        }
        self.assertEqual(report_difference(good, found, SOURCE), "")
        wrong_state: Reports = {**good, "not-persistent": ("one FLUSHED", "two FLUSHED")}
        self.assertIn("DIRTY", report_difference(wrong_state, found, SOURCE))
        self.assertIn("torn", report_difference(good | {"torn": ("",)}, found, SOURCE))


class EndToEndTest(unittest.TestCase):
    """run_tests.py itself, with a program and a tool that are shell scripts."""

    def run_with(self, last_offset: int, *options: str) -> subprocess.CompletedProcess[str]:
        stores = [(0x0, "05060708"), (0xFFFC, "11121314"), (last_offset, "2122232425262728")]
        records = [at("store", o, len(b) // 2, bytes=b, file="@FILE@") for o, b in stores]
        numbered = [{"thread": 1, **r, "event": i} for i, r in enumerate(bracketed(*records))]
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "store_edge")
            program.write_text(
                f"#!{sys.executable}\nimport sys\ncontent = bytearray(65536)\n"
                "content[:4] = range(5, 9)\ncontent[0xfff0:0xfff8] = range(0x21, 0x29)\n"
                "content[0xfffc:] = range(0x11, 0x15)\nopen(sys.argv[1], 'wb').write(content)\n",
                encoding="utf-8",
            )
            program.chmod(0o755)
            dump = pathlib.Path(folder, "dump")
            dump.write_text("\n".join(map(json.dumps, numbered)), encoding="utf-8")
            tool = f'sh -c \'sed "s:@FILE@:$2:" {dump} >{{trace}}; exec "$@"\' sh'
            command = ["--tool-command", tool, "--dump-command", "cat"]
            return subprocess.run(
                [sys.executable, HERE / "run_tests.py", program, *(options or command)],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            )

    def test_as_expected(self) -> None:
        done = self.run_with(0xFFF0)
        self.assertEqual((done.returncode, done.stdout), (0, "store_edge: as expected\n"))

    def test_wrong_store_fails_in_both_ways(self) -> None:
        done = self.run_with(0xFFE0)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("+STORE 0xffe0 8 =2122232425262728", done.stdout)
        self.assertIn("replay of all stores is not the file", done.stdout)

    def test_native(self) -> None:
        self.assertEqual(self.run_with(0, "--native").returncode, 0)

    def test_usage(self) -> None:
        done = self.run_with(0, "--tool-command", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--dump-command", done.stderr)


if __name__ == "__main__":
    unittest.main()
