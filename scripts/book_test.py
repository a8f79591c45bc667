# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what reproduce_book.sh computes: claims from tables, lines and calls from sources."""

import contextlib
import copy
import dataclasses
import io
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS.parent)]

import book  # noqa: E402
import book_claims  # noqa: E402
import book_complexity  # noqa: E402
from plots.tests import synthetic_book  # noqa: E402


UNTESTABLE = "not testable here"
SHARED = "virtual machine: the cache may be shared with others"


def tables() -> dict[str, list[dict[str, str]]]:
    return {
        name: [{key: str(value) for key, value in row.items()} for row in rows]
        for name, rows in synthetic_book.tables().items()
    }


def verdict(changed: dict[str, list[dict[str, str]]], part: str) -> book_claims.Claim:
    found = [claim for claim in book_claims.judge(changed) if part in claim.claim]
    assert len(found) == 1, part
    return found[0]


def with_point(name: str, **fields: Any) -> dict[str, list[dict[str, str]]]:
    changed = copy.deepcopy(tables())
    for row in changed["pyramid"]:
        if row["point"] == name:
            row.update({key: str(value) for key, value in fields.items()})
    return changed


def with_path(engine: str, phase: str, **fields: Any) -> dict[str, list[dict[str, str]]]:
    changed = copy.deepcopy(tables())
    for row in changed["paths"]:
        if (row["engine"], row["phase"]) == (engine, phase):
            row.update({key: str(value) for key, value in fields.items()})
    return changed


class ClaimsTest(unittest.TestCase):
    def assert_turns(
        self, part: str, changed: dict[str, list[dict[str, str]]], to: str, was: str = "holds"
    ) -> None:
        self.assertEqual(verdict(tables(), part).verdict, was, part)
        self.assertEqual(verdict(changed, part).verdict, to, part)

    def test_a_verdict_is_what_the_numbers_say(self) -> None:
        no = "does not"
        self.assert_turns("DRAM answers", with_point("dram", latency_ns=300), no)
        self.assert_turns(
            "CPU caches", with_point("l3", latency_ns=9), "holds", was=no
        )  # 20 ns in the synthetic tables
        self.assert_turns("CPU caches", with_point("l3", note=SHARED), UNTESTABLE, was=no)
        self.assert_turns("slower than the one above", with_point("l2", latency_ns=0.2), no)
        self.assert_turns("is read in blocks", with_path("cmap", "get-step", lines_read=100), no)
        small = with_path("rocksdb", "get-cold", device_bytes_read=512)
        self.assert_turns("is read in blocks", small, no)
        small = with_path("lmdb", "put", blocks_written=0.125)
        self.assert_turns("makes storage write", small, no)
        self.assert_turns("needs a buffer", with_path("cmap", "get", copied_bytes=64), no)
        self.assert_turns("needs a buffer", with_path("lmdb", "get-cold", page_faults=0), no)
        self.assert_turns("without calling", with_path("cmap", "put", system_calls=1), no)

    def test_that_a_flush_is_executed_does_not_show_that_it_is_needed(self) -> None:
        self.assertEqual(verdict(tables(), "must be flushed").verdict, "not testable here")

    def test_a_cache_that_may_be_shared_decides_nothing_and_hides_no_other(self) -> None:
        changed = with_point("l3", note=SHARED + "; the machine was busy: ...", latency_ns=9)
        claim = verdict(changed, "CPU caches")
        self.assertEqual(claim.verdict, UNTESTABLE)
        self.assertEqual(claim.note, f"L3: {SHARED}; the machine was busy")
        for row in changed["pyramid"]:
            if row["point"] == "l2":
                row["latency_ns"] = "30"
        self.assertEqual(verdict(changed, "CPU caches").verdict, "does not")
        disk = with_point("block-read", note="virtual disk: the host's cache may have answered")
        self.assertEqual(verdict(disk, "NAND SSDs").verdict, UNTESTABLE)

    def test_blocks_are_counted_from_calls_and_not_by_the_kernel(self) -> None:
        for kernel in (512, 1 << 20):
            claim = verdict(
                with_path("filestore", "put", device_bytes_written=kernel), "makes storage write"
            )
            self.assertEqual(claim.verdict, "holds")
            self.assertIn("filestore 4,096 (its write calls: 64)", claim.measured)
        self.assertIn("whole folios", claim.note)

    def test_a_claim_says_what_was_asked_for_and_injected(self) -> None:
        note = verdict(tables(), "A put is faster").note
        self.assertIn(
            "cmap 400 ns and 560 ns (40 % more: the injection itself is that coarse), "
            "filestore 20 µs and 20.2 µs",
            note,
        )
        self.assertIn("lmdb nothing (counted)", note)
        note = verdict(tables(), "A get is faster").note
        self.assertIn("cmap 500 ns and 550 ns, filestore 0 ns and 3 ns", note)
        self.assertNotIn("coarse", note)

    def test_a_claim_says_the_confidence_of_its_intervals_or_that_it_has_none(self) -> None:
        changed = tables()
        for row in changed["latency"]:
            if row["medium"] == "nand-ssd-modelled" and row["engine"] != "lmdb":
                row.update(p50_ns="9000", p50_low_ns="8000", p50_high_ns="9900")
            if row["medium"] == "nand-ssd-modelled" and row["engine"] == "lmdb":
                row["p50_ns"] = "10000"
        note = verdict(changed, "A put is faster").note
        self.assertIn("it would hold by intervals of 75 % confidence", note)
        for row in changed["latency"]:
            if row["medium"] == "nand-ssd-modelled" and row["engine"] == "lmdb":
                row["p50_ns"] = "5000"  # the nearest now, and counted
        note = verdict(changed, "A put is faster").note
        self.assertIn("it would hold by the medians alone (no interval of lmdb)", note)

    def test_a_noisy_run_is_said(self) -> None:
        changed = tables()
        self.assertNotIn("noise", verdict(changed, "A put is faster").note)
        for row in changed["latency"]:
            row["noise"] = "noise during the runs: other processes kept 1.4 CPUs busy"
        self.assertIn("warned of noise", verdict(changed, "A put is faster").note)

    def test_dram_in_the_place_of_persistent_memory_decides_nothing(self) -> None:
        claim = verdict(tables(), "Persistent memory answers")
        self.assertEqual(claim.verdict, "not testable here")
        dax = with_point("pmem-load", medium="dax")
        self.assertEqual(verdict(dax, "Persistent memory answers").verdict, "holds")
        for part in ("A get is faster", "A put is faster"):
            self.assertEqual(verdict(tables(), part).verdict, "not testable here")

    def test_on_persistent_memory_the_slower_engine_is_not_the_faster(self) -> None:
        changed = tables()
        for row in changed["latency"]:
            if row["engine"] == "cmap":
                row["medium"] = "dax"
        self.assertEqual(verdict(changed, "A put is faster").verdict, "holds")
        for row in changed["latency"]:
            if row["engine"] == "cmap":
                row["p50_ns"] = "99999"
        self.assertEqual(verdict(changed, "A put is faster").verdict, "does not")

    def test_what_was_not_measured_is_no_verdict(self) -> None:
        changed = tables()
        changed["pyramid"] = [row for row in changed["pyramid"] if row["point"] != "dram"]
        claim = verdict(changed, "DRAM answers")
        self.assertEqual((claim.measured, claim.verdict), ("nothing", "not testable here"))

    def test_a_busy_machine_is_said(self) -> None:
        claim = verdict(with_point("dram", note="the machine was busy: ..."), "DRAM answers")
        self.assertEqual(claim.note, "the machine was busy")

    def test_what_the_models_say_is_told_and_decides_nothing(self) -> None:
        changed = tables()
        for slower, word in ((5000, "it would hold"), (10, "it would not")):
            for row in changed["latency"]:
                if row["medium"] == "nand-ssd-modelled":
                    row.update(p50_ns=str(slower), p50_low_ns="", p50_high_ns="")
                elif row["medium"] == "optane-modelled":
                    row.update(p50_ns="100", p50_low_ns="90", p50_high_ns="110")
            claim = verdict(changed, "A put is faster")
            self.assertIn(word, claim.note)
            self.assertEqual(claim.verdict, "not testable here")
        for row in changed["latency"]:
            if row["medium"] == "nand-ssd-modelled":
                row.update(p50_ns="105", p50_low_ns="95", p50_high_ns="120")
        self.assertIn("no difference from", verdict(changed, "A put is faster").note)


def estimate(low: float | None, high: float | None) -> dict[str, Any]:
    method = "single run" if low is None else "75.0 % interval of the median"
    return {"median": 1000.0, "low": low, "high": high, "method": method, "n": 3}


class RowsTest(unittest.TestCase):
    """Rows of latency.csv from what a bench wrote."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def row(self, injections: list[dict[str, Any] | None], p50: dict[str, Any]) -> dict[str, Any]:
        cell: dict[str, Any] = {
            "engine": "cmap",
            "workload": "book-put",
            "threads": 1,
            "medium": "tmpfs",
        }
        cell |= {"skipped": None, "failed": None, "durability": "power-fail", "latency_p50_ns": p50}
        cell |= {"latency_p99_ns": p50, "throughput_ops_per_s": p50, "floor_ns_per_op": None}
        names = [f"r{number}" for number in range(len(injections))]
        report = {"noise": {"warnings": []}, "cells": [{**cell, "repeats": names}]}
        (self.folder / "bench.json").write_text(json.dumps(report), encoding="utf-8")
        for name, injection in zip(names, injections):
            (self.folder / name).mkdir()
            summary: dict[str, Any] = {"record_count": 5, "operations": 20}
            summary |= {"injection": injection, "verification": {"verify_ns_mean": 3}}
            text = json.dumps(summary)
            (self.folder / name / "summary.json").write_text(text, encoding="utf-8")
        (row,) = book.latency_rows(self.folder, {"fieldlength": "64"})
        return row

    def test_of_memory_an_operation_that_was_charged(self) -> None:
        injections: list[dict[str, Any] | None] = [
            {"asked_ns": 10.0 * asked, "injected_ns": 20.0 * asked, "operations": 10}
            for asked in (300, 100, 200)
        ]
        row = self.row(injections, estimate(900, 1100))
        self.assertEqual((row["asked_ns"], row["injected_ns"]), (200, 400))
        self.assertEqual(row["confidence"], 0.75)

    def test_of_files_every_operation_of_the_run(self) -> None:
        row = self.row([{"asked_ns": 400, "injected_ns": 500, "calls": 7}], estimate(None, None))
        self.assertEqual((row["asked_ns"], row["injected_ns"]), (20, 25))
        found = [row[name] for name in ("p50_low_ns", "p50_high_ns", "confidence")]
        self.assertEqual(found, ["", "", ""])

    def test_where_nothing_was_injected_nothing_is_said(self) -> None:
        row = self.row([None, None, None], estimate(900, 1100))
        self.assertEqual((row["asked_ns"], row["injected_ns"]), ("", ""))

    def test_what_is_counted_has_no_interval(self) -> None:
        kinds = [{"operations": 10, "media": [{"medium": "nand-ssd-modelled", "modelled_ns": 50}]}]
        program = self.folder / "harness/fencepost"
        program.parent.mkdir()
        text = json.dumps({"kinds": kinds})
        program.write_text(f"#!/bin/sh\necho '{text}'\n", encoding="utf-8")
        program.chmod(0o755)
        made = book.Book(self.folder, self.folder, book.SETTINGS["quick"])
        (row,) = book.counted_rows(made, self.row([None], estimate(900, 1100)))
        self.assertEqual((row["kind"], row["p50_ns"]), ("counted", 1005))
        for name in ("p50_low_ns", "p50_high_ns", "confidence", "asked_ns", "injected_ns"):
            self.assertEqual(row[name], "", name)


class LatencyTest(unittest.TestCase):
    """The quick suite, shortened still, as the program runs it."""

    def test_every_engine_is_measured_and_modelled(self) -> None:
        build = os.environ.get("FENCEPOST_BUILD")
        if not build:
            self.skipTest("FENCEPOST_BUILD, the folder of a build, is not set")
        with tempfile.TemporaryDirectory() as folder:
            suite = Path(folder) / "book.toml"
            text = book.SETTINGS["quick"].suite.read_text(encoding="utf-8")
            text = text.replace("../../workloads", str(SCRIPTS.parent / "workloads"))
            text = text.replace("recordcount = 500", "recordcount = 20")
            suite.write_text(text.replace("seconds = 0.1", "seconds = 0.01"), encoding="utf-8")
            short = dataclasses.replace(book.SETTINGS["quick"], suite=suite)
            made = book.Book(Path(build), Path(folder) / "out", short)
            made.out.mkdir()
            book.latency(made, made.out / "latency.csv")
            rows = book.read_csv(made.out / "latency.csv")
        found = {(row["engine"], row["medium"], row["kind"]) for row in rows}
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            self.assertIn((engine, "tmpfs", "measured"), found)
        self.assertIn(("cmap", "optane-modelled", "modelled"), found)
        for device in book.COUNTED_MEDIA:
            for engine in ("filestore", "rocksdb"):
                self.assertIn((engine, device, "modelled"), found)
            self.assertIn(("lmdb", device, "counted"), found)
        put = {row["medium"]: float(row["p50_ns"]) for row in rows if is_put(row, "lmdb")}
        self.assertGreater(put["nand-ssd-modelled"] - put["tmpfs"], 10_000)  # a sync, at least


def is_put(row: dict[str, str], engine: str) -> bool:
    return (row["engine"], row["operation"]) == (engine, "put")


class ComplexityTest(unittest.TestCase):
    def test_comments_and_blank_lines_are_no_code(self) -> None:
        text = "// one\n\nint a;\n  // two\n  f();  // three\n"
        self.assertEqual(book_complexity.code_lines(text), ["int a;", "f();  // three"])

    def test_calls_are_those_of_the_interface(self) -> None:
        _, pattern = book_complexity.INTERFACES["lmdb"]
        text = "mdb_put(a, b); Put(c);\n// mdb_get(d)\nputs(mdb_strerror(e)); mdb_env_close(f);\n"
        self.assertEqual(book_complexity.calls(text, pattern), ["mdb_put", "mdb_env_close"])

    def test_every_example_is_there_and_calls_its_store(self) -> None:
        rows = list(book_complexity.rows())
        self.assertEqual({row["engine"] for row in rows}, set(book_complexity.INTERFACES))
        for row in rows:
            self.assertGreater(row["code_lines"], 20, row)
            self.assertGreaterEqual(row["calls"], 8, row)


class FolderTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        build = Path(scratch.name) / "build"
        for name in ("fencepost", "book/fencepost_book", "book/fencepost_paths"):
            path = build / "harness" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a program", encoding="utf-8")
        self.book = book.Book(build, Path(scratch.name) / "out", book.SETTINGS["quick"])

    def begin(self, fresh: bool = False) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            book.begin(self.book, fresh)

    def test_what_was_measured_with_the_same_programs_is_kept(self) -> None:
        self.begin()
        (self.book.out / "cold.csv").touch()
        self.begin()
        self.assertTrue((self.book.out / "cold.csv").exists())
        program = self.book.build / "harness/fencepost"
        program.write_text("another program", encoding="utf-8")
        self.begin()
        self.assertFalse((self.book.out / "cold.csv").exists())

    def test_a_folder_with_other_files_is_not_touched(self) -> None:
        self.book.out.mkdir()
        (self.book.out / "cold.csv").touch()
        for fresh in (False, True):
            with self.assertRaisesRegex(book.Failed, "not touched"):
                self.begin(fresh)
        self.assertTrue((self.book.out / "cold.csv").exists())

    def test_a_run_that_says_nothing_is_an_error(self) -> None:
        self.book.out.mkdir()
        for text in ("", "commit,settings\n"):
            (self.book.out / "run.csv").write_text(text, encoding="utf-8")
            with self.assertRaisesRegex(book.Failed, "says nothing"):
                self.begin()


class ExitCodeTest(unittest.TestCase):
    def test_the_code_of_what_failed_is_passed_on(self) -> None:
        made = book.Book(Path("build"), Path("out"), book.SETTINGS["quick"])
        for words, code in (("exit 1", 1), ("exit 2", 2), ("exit 130", 130), ("kill -9 $$", 137)):
            with self.assertRaises(book.Failed) as failed:
                made.run("/bin/sh", "-c", words)
            self.assertEqual(failed.exception.code, code, words)


class CommandLineTest(unittest.TestCase):
    def test_wrong_words_are_2(self) -> None:
        wrong: list[list[str]] = [[], ["b", "o", "slow", "yes"], ["b", "o", "full", "maybe"]]
        for words in wrong:
            with contextlib.redirect_stderr(io.StringIO()):
                self.assertEqual(book.main(words), 2, words)


if __name__ == "__main__":
    unittest.main()
