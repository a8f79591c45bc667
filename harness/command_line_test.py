#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The program as a user meets it: wrong things typed, results left, Ctrl-C.

Usage: command_line_test.py FENCEPOST SOURCE_DIR [unittest argument]...
Each test runs in a folder of its own; data goes there, or to /dev/shm for cmap.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import tempfile
import time
from pathlib import Path

from command_test_case import PROGRAM, SHARED_MEMORY, SOURCE, CommandTest, main

SMALL = [
    "-p",
    "recordcount=200",
    "-p",
    "operationcount=2000",
    "-p",
    "fencepost.floor=false",
]


# A trace of a store, a flush and an operation's end, as trace_format.h has it: made by hand, so
# that a change of the format is seen here. The numbers at the end are checksums.
TRACE_HEADER = b"FPTRACE\n" + struct.pack("<IIII", 1, 1, 0, 0x210B0A7D)
TRACE_PAYLOAD = (
    b"\x01\x01"  # thread 1
    b"\xd8\x80\x01"
    + struct.pack("<Q", 42)  # 8 bytes at 0x40, stack as before
    + b"\x03\x00\x40\x00"  # CLWB of 64 bytes there, no stack
    + b"\x13\x07"  # end of operation 7
)
TRACE_BLOCK = (
    b"FPTB"
    + struct.pack("<IQQII", 3, len(TRACE_PAYLOAD), 0, 0, 0x2EDEC56B)
    + TRACE_PAYLOAD
    + struct.pack("<I", 0xEDAC7675)
)
TRACE_END = b"FPTE" + struct.pack("<IQQII", 0, 0, 3, 0, 0x5F31028F)


class CommandLineTest(CommandTest):
    def setUp(self) -> None:
        super().setUp()
        self.shared = self.make_folder(SHARED_MEMORY)

    def place(self, engine: str) -> list[str]:
        path = self.shared / "pool" if engine == "cmap" else self.folder / f"{engine}-data"
        return ["-p", f"engine.path={path}"]

    def words_of(self, workload: str) -> list[str]:
        return ["-P", self.workload(workload)]

    # -- wrong things typed

    def test_unknown_names_are_refused(self) -> None:
        load = ["load", "cmap", *self.place("cmap")]
        self.refuse("no engine 'nosuch'", "run", "nosuch", *SMALL)
        self.refuse("nosuch", "nosuch")
        self.refuse("requestdistribution", *load, *SMALL, "-p", "requestdistribution=pareto")
        self.refuse("fencepost.sede", *load, *SMALL, "-p", "fencepost.sede=1")
        self.refuse("engine.paht", "run", "cmap", *SMALL, "-p", "engine.paht=x")
        self.refuse("cmap.pool_byte", *load, *SMALL, "-p", "cmap.pool_byte=1G")
        self.refuse("lmdb.nosuch", *load, *SMALL, "-p", "lmdb.nosuch=1")
        self.refuse("medium", *load, *SMALL, "-p", "medium=cxl")
        device = [*SMALL, "-p", "medium=nand-ssd"]
        self.refuse("is in memory", *load, *device)
        self.refuse("fencepost media lmdb", "load", "lmdb", *device)
        self.refuse("stores nothing", "load", "blackhole", *device)
        self.refuse("on tmpfs", "load", "filestore", *device, "--placement", "disk")
        self.refuse("medium.size", "load", "filestore", *device, "-p", "medium.size=1M")
        self.refuse("cache_bytes", "load", "rocksdb", *device, "-p", "medium.cache_bytes=few")
        self.refuse("medium=nand-ssd", *load, *SMALL, "-p", "medium.cache_bytes=1M")
        self.refuse("lmdb", "run", "lmdb", *SMALL, "-p", "medium=optane")
        self.refuse("--nosuch", "run", "cmap", "--nosuch")
        self.assertEqual(list(self.shared.iterdir()), [])

    def test_foreign_properties_only_warn(self) -> None:
        code, _, err = self.run_program(
            "load", "blackhole", *SMALL, "-p", "jdbc.fetchsize=10", "-p", "table=x"
        )
        self.assertEqual(code, 0, err)
        self.assertIn("jdbc.fetchsize", err)
        self.assertNotIn("'table'", err)

    def test_malformed_files_name_file_and_line(self) -> None:
        bad = self.folder / "bad"
        bad.write_text("recordcount=10\n\nreadproportion=lots\n")
        self.refuse("bad:3", "load", "blackhole", "-P", str(bad))
        bad.write_text("recordcount=99999999999999999999\n")
        self.refuse("bad:1", "load", "blackhole", "-P", str(bad))
        self.refuse("absent", "load", "blackhole", "-P", str(self.folder / "absent"))

    def test_values_that_make_no_sense_are_refused(self) -> None:
        run = ["run", "blackhole", *SMALL]
        self.refuse("threadcount", *run, "-threads", "0")
        self.refuse("proportion", *run, "-p", "readproportion=-1")
        self.refuse("proportion", *run, "-p", "readproportion=0", "-p", "updateproportion=0")
        self.refuse("needs a value", "run", "blackhole", "-P")
        self.refuse("-p", *run, "-p", "nothing")
        self.refuse("recordcount", *run, "-p", "recordcount=-5")
        self.refuse("workload", *run, "-p", "workload=site.ycsb.workloads.RestWorkload")
        self.refuse("engine.durability", "run", "cmap", *SMALL, "-p", "engine.durability=prefix")
        self.refuse("engine.durability", "run", "cmap", *SMALL, "-p", "engine.durability=strong")

    def test_paths_that_cannot_be_used_are_refused(self) -> None:
        garbage = self.folder / "garbage"
        garbage.write_bytes(b"no pool, no store" * 1000)
        before = garbage.read_bytes()
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            self.refuse("", "load", engine, *SMALL, "-p", f"engine.path={garbage}")
            self.refuse("", "load", engine, *SMALL, "-p", "engine.path=/proc/nosuch/store")
        self.assertEqual(garbage.read_bytes(), before)

    def test_second_process_on_the_same_path_is_refused(self) -> None:
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            words = [engine, "-load", *SMALL, *self.place(engine), "-p", "readproportion=1"]
            first = self.start("run", *words, "-p", "operationcount=0", "--seconds", "60")
            deadline = time.time() + 60
            while not list(self.folder.glob("results/*-run-*")) and time.time() < deadline:
                time.sleep(0.05)
            code, out, err = self.run_program("run", *words, "--results", str(self.folder / "two"))
            self.assertEqual((code, out), (2, ""), f"{engine}: {err}")
            self.assertFalse((self.folder / "two").exists())
            first.send_signal(signal.SIGINT)
            self.assertEqual(first.wait(timeout=60), 130, engine)
            first.communicate()
            shutil.rmtree(self.folder / "results")

    def test_a_load_where_no_place_is_named_replaces_the_one_before(self) -> None:
        words = ["--placement", "disk", *SMALL, "-p", "fencepost.floor=false", "--json"]
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            for records in (300, 200):
                code, out, err = self.run_program(
                    "load", engine, *words, "-p", f"recordcount={records}"
                )
                self.assertEqual(code, 0, err)
                self.assertEqual(json.loads(out)[0]["engine_stats"]["count"], records, engine)
                self.assertEqual("is replaced" in err, records == 200, err)
            # A part of a load adds to what is there, and so does one at a place that is named.
            part = ["-p", "recordcount=300", "-p", "insertstart=200"]
            store = self.folder / "cache" / "fencepost" / engine
            named = ["-p", f"engine.path={store / 'pool' if engine == 'cmap' else store}"]
            for more, count in ((part, 300), ([*named, "-p", "recordcount=100"], 300)):
                code, out, err = self.run_program("load", engine, *words, *more)
                self.assertEqual(code, 0, err)
                # RocksDB's count is an estimate, which counts what was overwritten.
                self.assertGreaterEqual(json.loads(out)[0]["engine_stats"]["count"], count)
                self.assertNotIn("is replaced", err)

    def test_scan_on_an_unordered_engine_is_skipped_with_the_reason(self) -> None:
        scan = ["-load", *self.words_of("workloade"), *self.place("cmap")]
        self.refuse("SKIPPED", "run", "cmap", *scan)

    def test_full_pool_ends_the_run_and_keeps_what_was_acknowledged(self) -> None:
        words = [*self.place("cmap"), "-p", "cmap.pool_bytes=16M", "-p", "recordcount=100000"]
        code, _, err = self.run_program("load", "cmap", *words, *self.words_of("workloada"))
        self.assertEqual(code, 2, err)
        self.assertIn("cmap", err)
        code, out, err = self.run_program(
            "run", "cmap", *self.place("cmap"), *SMALL, "-p", "readproportion=1",
            "-p", "updateproportion=0",
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        self.assertIn("[READ], Return=OK, 2000", out)

    # -- right things

    def test_load_then_run_keeps_data_between_processes(self) -> None:
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            words = [engine, *SMALL, *self.place(engine)]
            code, out, err = self.run_program("load", *words)
            self.assertEqual(code, 0, err)
            self.assertIn("[INSERT], Return=OK, 200", out)
            code, out, err = self.run_program("run", *words)
            self.assertEqual(code, 0, err)
            self.assertNotIn("NOT_FOUND", out)
            self.assertIn("[OVERALL], Throughput(ops/sec), ", out)

    def test_run_without_load_fails_and_says_why(self) -> None:
        code, _, err = self.run_program("run", "lmdb", *SMALL, *self.place("lmdb"))
        self.assertEqual(code, 2)
        self.assertIn("loaded?", err)

    def test_results_follow_their_schema(self) -> None:
        for engine in ("blackhole", "cmap", "filestore", "rocksdb", "lmdb"):
            code, out, err = self.run_program(
                "run", engine, "-load", *self.words_of("crash-mixed"), *self.place(engine),
                "--json", "-threads", "2", "-target", "20000", "-p", "operationcount=3000",
            )  # fmt: skip
            self.assertEqual(code, 0, err)
            summaries = json.loads(out)
            self.assertEqual([s["phase"] for s in summaries], ["load", "run"])
            self.assertEqual(summaries[1]["operations"], 3000)
        self.validate("results")

    def test_same_seed_is_the_same_trace(self) -> None:
        def trace(*more: str) -> str:
            _, out, _ = self.run_program("run", "blackhole", *SMALL, "--json", *more)
            return str(json.loads(out)[0]["trace_hash"])

        self.assertEqual(trace(), trace())
        self.assertNotEqual(trace(), trace("-p", "fencepost.seed=2"))

    def test_ctrl_c_keeps_what_was_measured(self) -> None:
        process = self.start("run", "blackhole", *SMALL, "--seconds", "100", "--json")
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        summary = json.loads(out)[0]
        self.assertTrue(summary["partial"])
        self.assertGreater(summary["operations"], 0)

    def test_ctrl_c_counts_nothing(self) -> None:
        process = self.start(
            "media", "cmap", "-P", SOURCE / "workloads/workloada", "-p", "recordcount=1000",
            "-p", "operationcount=100000000", "--json",
        )  # fmt: skip
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (130, ""), err)
        self.assertEqual(err, "fencepost: interrupted: a part of a run is not counted\n")

    def test_status_lines_have_ycsb_form(self) -> None:
        _, _, err = self.run_program(
            "run", "blackhole", *SMALL, "--seconds", "2", "-s", "-p", "status.interval=1"
        )
        pattern = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3} \d+ sec: \d+ operations; [\d.]+ current"
        self.assertRegex(err, pattern)
        self.assertRegex(err, r"\[READ: Count=\d+, Max=")

    def test_bench_writes_matrix_and_leaves_no_data(self) -> None:
        code, out, err = self.run_program(
            "bench", "--engines", "blackhole,filestore,lmdb", "--workloads",
            f"{SOURCE}/workloads/workloadc,{SOURCE}/workloads/workloade", "--records", "500",
            "--seconds", "1", "--repeats", "2", "--out", "bench-out", "--relaxed-load",
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        self.assertIn("filestore", out)
        report = json.loads((self.folder / "bench-out" / "bench.json").read_text())
        self.assertEqual(len(report["cells"]), 6)
        self.assertEqual(len(report["order"]), 12)
        self.validate("bench-out")
        left = [p for p in (self.folder / "cache").rglob("*") if p.is_file()]
        self.assertEqual(left, [])

    def test_bench_refuses_unequal_durability(self) -> None:
        words = ["bench", "--workloads", f"{SOURCE}/workloads/workloadc", "--engines"]
        self.refuse("durability", *words, "cmap:power-fail,lmdb:prefix")
        self.refuse("no engine", *words, "cmap,nosuch")
        self.refuse("placements", *words, "lmdb", "--placements", "moon")
        self.refuse("twice", *words, "lmdb,lmdb")
        self.refuse("engine.durability", *words, "cmap:buffered")

    def test_bench_never_touches_a_path_of_the_users(self) -> None:
        precious = self.folder / "precious"
        precious.mkdir()
        (precious / "notes.txt").write_text("keep me")
        words = ["-p", f"engine.path={precious}", "-p", "recordcount=10"]
        workload = f"{SOURCE}/workloads/workloadc"
        self.refuse("engine.path", "bench", "--engines", "lmdb", "--workloads", workload, *words)
        self.refuse("engine.path", "run", "lmdb", "--load", "--scratch", "x", *SMALL, *words)
        self.assertEqual((precious / "notes.txt").read_text(), "keep me")

    def test_update_of_a_key_that_was_never_loaded_finds_nothing(self) -> None:
        code, _, err = self.run_program(
            "run", "lmdb", "-load", *SMALL, *self.place("lmdb"), "-p", "readproportion=1",
            "-p", "updateproportion=0",
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        code, out, err = self.run_program(
            "run", "lmdb", *SMALL, *self.place("lmdb"), "-p", "readproportion=0", "-p",
            "updateproportion=1", "-p", "insertstart=1000", "-p", "recordcount=1200", "-p",
            "insertcount=200",
        )  # fmt: skip
        self.assertEqual(code, 2, err)
        self.assertIn("[UPDATE], Return=NOT_FOUND, 2000", out)

    def test_flushes_of_a_load_are_not_charged_to_the_run(self) -> None:
        code, out, err = self.run_program(
            "run", "cmap", "-load", *SMALL, *self.place("cmap"), "--json", "-p",
            "readproportion=1", "-p", "updateproportion=0",
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        load, run = json.loads(out)
        self.assertGreater(load["engine_stats"]["flushed_lines"], 200)
        self.assertEqual(run["engine_stats"]["flushed_lines"], 0)

    def test_written_bytes_are_the_lesser_of_two_counts(self) -> None:
        place = Path(tempfile.mkdtemp(dir="/var/tmp"))
        self.addCleanup(shutil.rmtree, place)
        device = os.stat(place).st_dev
        if not Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").exists():
            self.skipTest("/var/tmp is on no block device of its own")
        for engine in ("filestore", "lmdb"):
            code, out, err = self.run_program(
                "run", engine, "-load", *SMALL, "--json", "-p", f"engine.path={place / engine}",
            )  # fmt: skip
            self.assertEqual(code, 0, err)
            run = json.loads(out)[1]
            counts = {"process": run["process"]["write_bytes"], "device": run["device_write_bytes"]}
            lesser = min(counts, key=lambda name: (counts[name], name != "process"))
            self.assertEqual(run["write_amplification_counts"], lesser)
            self.assertAlmostEqual(
                run["write_amplification"], counts[lesser] / run["user_bytes_written"]
            )
            # What was acknowledged has been written.
            self.assertGreaterEqual(counts["device"], run["user_bytes_written"])
        code, out, err = self.run_program(
            "run", "lmdb", "-load", *SMALL, "--json", "-p", f"engine.path={self.shared / 'lmdb'}"
        )
        self.assertEqual(code, 0, err)
        self.assertIsNone(json.loads(out)[1]["device_write_bytes"])
        self.assertIsNone(json.loads(out)[1]["write_amplification_counts"])

    def test_times_that_no_clock_holds_are_refused(self) -> None:
        self.refuse("target", "run", "blackhole", *SMALL, "-target", "1e-12")
        self.refuse("maxexecutiontime", "run", "blackhole", *SMALL, "--seconds", "1e30")
        self.refuse("warmup", "run", "blackhole", *SMALL, "-p", "fencepost.warmup=2s")

    def test_trace_of_nothing_is_refused(self) -> None:
        text = self.folder / "text"
        text.write_text("no trace, but longer than a header of one\n")
        for verb in ("dump", "stat", "to-log"):
            self.refuse("nosuch.fpt", "trace", verb, "nosuch.fpt")
            self.refuse("not a Fencepost trace", "trace", verb, str(text))
            self.refuse("not a Fencepost trace", "trace", verb, str(self.folder))
            self.refuse("required", "trace", verb)
        self.refuse("subcommand", "trace")
        self.refuse("subcommand", "trace", "nosuch", str(text))

    def test_trace_is_dumped_counted_and_logged(self) -> None:
        trace = self.folder / "trace"
        trace.write_bytes(TRACE_HEADER + TRACE_BLOCK + TRACE_END)
        code, out, err = self.run_program("trace", "dump", "trace")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(
            out.splitlines(), ["0 t1 store 0x40 8 0x2a", "1 t1 flush clwb 0x40 64", "2 t1 op-end 7"]
        )
        code, out, err = self.run_program("trace", "dump", "--json", "trace")
        self.assertEqual((code, err), (0, ""))
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([e["kind"] for e in events], ["store", "flush", "op-end"])
        code, out, err = self.run_program("trace", "stat", "trace", "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(json.loads(out)["by_kind"], {"store": 1, "flush clwb": 1, "op-end": 1})
        code, out, err = self.run_program("trace", "stat", "trace", "--top", "0")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("process 1: 3 events", out)
        self.assertNotIn("unknown", out)
        code, out, err = self.run_program("trace", "to-log", "trace", "--stacks")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out, "START|STORE;0x40;0x2a;0x8|FLUSH;0x40;0x40|STOP\n")

    def test_truncated_trace_counts_up_to_the_cut(self) -> None:
        whole = TRACE_HEADER + TRACE_BLOCK + TRACE_END
        for size in (len(whole) - 1, len(whole) - len(TRACE_END)):
            (self.folder / "trace").write_bytes(whole[:size])
            for verb in ("dump", "stat", "to-log"):
                code, out, err = self.run_program("trace", verb, "trace")
                self.assertEqual(code, 0, err)
                self.assertEqual(len(err.splitlines()), 1, err)
                self.assertIn("truncated at byte", err)
                self.assertIn("store" if verb != "to-log" else "|STOP", out)

    def test_damaged_trace_says_where(self) -> None:
        damaged = TRACE_HEADER + TRACE_BLOCK + TRACE_END[:-1] + b"x"
        (self.folder / "trace").write_bytes(damaged)
        self.refuse("damaged at byte", "trace", "stat", "trace")
        for verb in ("dump", "to-log"):
            code, out, err = self.run_program("trace", verb, "trace")
            self.assertEqual(code, 2)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertIn("damaged at byte", err)
            self.assertNotIn("STOP", out)
            self.assertIn("0x40", out)

    def need_pmemcheck(self) -> Path:
        """The folder of its test programs; skips where the build has no pmemcheck."""
        if self.run_program("check", "--print-env")[0] != 0:
            self.skipTest("this build has no pmemcheck")
        return PROGRAM.parent.parent / "faultinject/pmemcheck/tests/programs"

    def test_check_refuses_what_cannot_be_checked(self) -> None:
        self.need_pmemcheck()
        (self.folder / "script").write_text("#!/bin/sh\n")
        (self.folder / "script").chmod(0o755)
        elf32 = b"\x7fELF\x01" + bytes(100)
        (self.folder / "elf32").write_bytes(elf32)
        (self.folder / "elf32").chmod(0o755)
        workload = str(SOURCE / "workloads/crash-mixed")
        self.refuse("needs an engine", "check")
        self.refuse("no engine 'nope'", "check", "nope")
        self.refuse("keeps nothing in persistent memory", "check", "lmdb", "-P", workload)
        self.refuse("needs a workload", "check", "cmap")
        self.refuse("no such program", "check", "--", "/nope")
        self.refuse("not an ELF program", "check", "--", "./script")
        self.refuse("not a 64-bit x86 program", "check", "--", "./elf32")
        self.refuse("not writable", "check", "--trace=/nope/t", "--", "/bin/true")
        self.refuse("--valgrind=/nope", "check", "--valgrind=/nope", "--", "/bin/true")

    def test_check_passes_the_programs_exit_code_on(self) -> None:
        self.need_pmemcheck()
        code, _, err = self.run_program("check", "--", "/bin/sh", "-c", "exit 7")
        self.assertEqual(code, 7, err)
        self.assertIn("PMEM_IS_PMEM_FORCE=1", err)
        self.assertIn("ERROR SUMMARY: 0 errors", err)

    def test_check_finds_a_planted_mistake_and_traces_it(self) -> None:
        mistakes = str(self.need_pmemcheck() / "mistakes")
        only = ("--", mistakes, str(self.shared / "pool"), "--only=not-flushed")
        check = ("check", f"--pmem={self.shared}/*", "--error-exitcode=9", "--trace=t")
        code, _, err = self.run_program(*check, *only)
        self.assertEqual(code, 9, err)
        self.assertIn("Number of stores not made persistent: 1", err)
        self.assertIn("state: DIRTY", err)
        code, out, err = self.run_program("trace", "stat", "t")
        self.assertEqual(code, 0, err)
        self.assertIn("mistakes.c", out)
        supp = self.folder / "s.supp"
        supp.write_text("{\n x\n pmemcheck:NotPersisted\n ...\n fun:main\n}\n")
        code, _, err = self.run_program(*check, f"--tool-option=--suppressions={supp}", *only)
        self.assertEqual(code, 0, err)
        self.assertIn("ERROR SUMMARY: 0 errors", err)

    def test_check_reports_as_json_and_beside_the_source(self) -> None:
        mistakes = str(self.need_pmemcheck() / "mistakes")
        only = ("--", mistakes, str(self.shared / "pool"), "--only=not-flushed")
        check = ("check", f"--pmem={self.shared}/*", "--error-exitcode=9")
        code, out, err = self.run_program(*check, "--json", *only)
        self.assertEqual(code, 9, err)
        finding = json.loads(out)["findings"]["NotPersisted"]
        self.assertEqual(finding["count"], 1)
        self.assertIn("mistakes.c", json.dumps(finding["listed"][0]["stack"]))
        code, out, err = self.run_program(*check, "--annotate", *only)
        self.assertEqual(code, 9, err)
        self.assertIn("mistakes.c", out)
        self.assertRegex(out, r"\n +1 +8 +. +. +[0-9]+ ")
        workload = str(SOURCE / "workloads/crash-mixed")
        code, out, err = self.run_program("check", "cmap", "-P", workload, "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["findings"]["NotPersisted"]["count"], 0)

    def test_media_are_modelled_and_say_so(self) -> None:
        code, out, err = self.run_program("media")
        self.assertEqual(code, 0, err)
        self.assertIn("modelled, not measured", out)
        workload = ["-P", str(SOURCE / "workloads/workloada"), "-p", "recordcount=2000"]
        count = ["media", "cmap", *workload, "-p", "operationcount=2000", "--json"]
        code, out, err = self.run_program(*count)
        self.assertEqual(code, 0, err)
        kinds = {kind["operation"]: kind for kind in json.loads(out)["kinds"]}
        self.assertEqual(kinds["get"]["operations"], 2000)
        self.assertEqual(kinds["get"]["fences"], 0)
        self.assertGreaterEqual(kinds["put"]["fences"], kinds["put"]["operations"])
        dram, optane = (kinds["get"]["media"][i]["modelled_ns"] for i in (0, 1))
        self.assertGreater(optane, dram)
        # Counted, so the same again.
        self.assertEqual(self.run_program(*count)[1], out)
        code, out, err = self.run_program(
            "run", "cmap", "-load", *workload, *self.place("cmap"), "--seconds", "0.2",
            "-p", "medium=optane", "--json",
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        self.assertIn("medium optane-modelled", err)
        run = json.loads(out)[1]
        self.assertEqual(run["medium"], "optane-modelled")
        self.assertEqual(run["injection"]["model"], "optane")
        self.assertGreaterEqual(run["injection"]["operations"], run["operations"])
        for needle, words in (
            ("--fit or an engine", ["--json"]),
            ("excludes --fit", ["cmap", "--fit"]),
            ("needs a workload", ["cmap"]),
            ("stores nothing", ["blackhole", *workload]),
            ("requires engine", ["--fit", "--cache", "3M"]),
            ("requires engine", workload),
            ("requires --fit", ["--points"]),
            ("by its system calls", ["lmdb", *workload, "--cache", "3M"]),
            ("by its system calls", ["lmdb", *workload, "--loads"]),
            ("nothing to load", ["cmap", *workload, "-p", "recordcount=0"]),
        ):
            code, out, err = self.run_program("media", *words)
            self.assertEqual((code, out), (2, ""), words)
            self.assertIn(needle, err)
            self.assertEqual(len(err.splitlines()), 1, err)

    def test_what_cmap_tells_of_its_reads_is_what_its_instructions_load(self) -> None:
        words = ["media", "cmap", "-P", str(SOURCE / "workloads/workloada"), "--loads", "--json"]
        code, out, err = self.run_program(
            *words, "-p", "recordcount=2000", "-p", "operationcount=1000"
        )
        self.assertEqual(code, 0, err)
        kinds = {kind["operation"]: kind for kind in json.loads(out)["kinds"]}
        get = kinds["get"]
        read = get["loads"]["lines_missed"] + get["loads"]["lines_fetched"]
        self.assertLess(abs(get["lines_read"] / read - 1), 0.01, get)
        # A line that the key and the value share is told twice.
        self.assertLessEqual(get["loads"]["lines_touched"], get["lines_touched"])
        self.assertGreaterEqual(
            get["loads"]["lines_touched"], get["lines_touched"] - get["operations"]
        )
        # To the models a key and its value are one run of loads, and two that are told.
        told_ns, loaded_ns = (of["media"][1]["modelled_ns"] for of in (get, get["loads"]))
        self.assertLess(loaded_ns, told_ns)
        self.assertGreater(loaded_ns, told_ns * 0.8)
        # Of a put, what its log and its heap read for themselves is not told.
        put = kinds["put"]
        self.assertGreater(put["loads"]["lines_touched"], put["lines_touched"])

    def test_a_modelled_device_is_waited_for_and_says_so(self) -> None:
        workload = ["-P", str(SOURCE / "workloads/workloada"), "-p", "recordcount=2000"]
        for engine in ("filestore", "rocksdb"):
            code, out, err = self.run_program(
                "run", engine, "-load", *workload, "-p", "operationcount=1000", "--json",
                "-p", f"engine.path={self.shared / engine}", "-p", "fencepost.load=relaxed",
                "-p", "medium=nand-ssd", "-p", "fencepost.floor=false",
            )  # fmt: skip
            self.assertEqual(code, 0, err)
            self.assertIn("medium nand-ssd-modelled", err)
            self.assertIn("modelled: nand-ssd on tmpfs", err)
            run = json.loads(out)[1]
            self.assertEqual(run["medium"], "nand-ssd-modelled")
            injection = run["injection"]
            self.assertEqual(injection["model"], "nand-ssd")
            # Each update is synced, and a sync writes a block of 20 us at least.
            updates = run["kinds"]["UPDATE"]["count"]
            self.assertGreaterEqual(injection["syncs"], updates)
            self.assertGreaterEqual(injection["asked_ns"], updates * 20_000)
            self.assertGreaterEqual(injection["injected_ns"], injection["asked_ns"] * 0.99)
            self.assertGreaterEqual(run["kinds"]["UPDATE"]["latency_ns"]["p50"], 20_000)
            self.assertLess(run["kinds"]["READ"]["latency_ns"]["p50"], 20_000)

    def test_every_command_has_help(self) -> None:
        for command in (
            "",
            "engines",
            "load",
            "run",
            "bench",
            "check",
            "doctor",
            "media",
            "report",
            "trace",
            "trace dump",
            "properties",
        ):
            code, out, _ = self.run_program(*command.split(), "--help")
            self.assertEqual(code, 0)
            self.assertIn("--help", out)


if __name__ == "__main__":
    main()
