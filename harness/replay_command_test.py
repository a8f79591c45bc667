#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Recorded traces and the smaller workloads as a user meets them, on every engine.

Usage: replay_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from command_test_case import PROGRAM, SOURCE, CommandTest, main

ENGINES = ("cmap", "filestore", "rocksdb", "lmdb", "blackhole")
NO_FLOOR = ["-p", "fencepost.floor=false"]
TRACE = """\
# made up: b and c come and go, a and d were there before
op,key,size
get,a,100
put,b,20
get,b
put,a,300
delete,b
get,b
put,c%2C%00,7
get,a
put,b,0
get,d
delete,nothing
tryget,nothing
get,c%2C%00
get,b
"""
# What that is, by kind of operation.
KINDS = {"READ": 6, "MISS": 2, "INSERT": 3, "UPDATE": 1, "DELETE": 2}


class ReplayTest(CommandTest):
    in_memory = True

    def setUp(self) -> None:
        super().setUp()
        (self.folder / "t.csv").write_text(TRACE)

    def summaries(self, *words: str) -> list[dict[str, Any]]:
        code, out, err = self.run_program(*words, "--json")
        self.assertEqual(code, 0, err)
        found: list[dict[str, Any]] = json.loads(out)
        return found

    def place(self, engine: str) -> list[str]:
        return ["-p", f"engine.path={self.folder / engine}"]

    def manifest(self, run_id: str, folder: str = "results") -> dict[str, Any]:
        path = self.folder / folder / run_id / "manifest.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    # -- replay

    def test_every_engine_finds_what_the_trace_says(self) -> None:
        hashes = set()
        for engine in ENGINES:
            for threads in ("1", "2"):
                load, run = self.summaries(
                    "run", engine, "-load", "--trace", "t.csv", "-threads", threads, *NO_FLOOR,
                    *self.place(f"{engine}-{threads}"),
                )  # fmt: skip
                self.assertEqual((load["operations"], run["operations"]), (2, 14))
                self.assertEqual({k: v["ok"] for k, v in run["kinds"].items()}, KINDS, engine)
                if engine != "blackhole":
                    self.assertEqual(run["verification"]["reads_checked"], 6, engine)
                    self.assertEqual(run["engine_stats"]["count"], 4, engine)
                # a, b and c%2C%00 last had 300, 0 and 7 bytes; d, of no size, the default 1,000.
                self.assertEqual(run["value_bytes_mean"], (300 + 0 + 7 + 1000) / 4)
                self.assertEqual(run["update"], "blind")
                self.assertEqual(run["workload"], "t")
                hashes.add((threads, run["trace_hash"]))
        self.assertEqual(len(hashes), 2, "the same operations on every engine")
        self.validate("results")

    def test_the_manifest_names_the_file_and_its_hash(self) -> None:
        words = ("run", "blackhole", "-load", "--trace", "t.csv", *NO_FLOOR)
        first = self.manifest(self.summaries(*words)[1]["run_id"])
        self.assertEqual(first["properties"]["fencepost.trace_file"], "t.csv")
        found = first["trace_file"]
        self.assertEqual((found["path"], found["bytes"]), ("t.csv", len(TRACE)))
        self.assertEqual((found["operations"], found["keys"]), (14, 5))
        part = self.manifest(self.summaries(*words, "-p", "operationcount=3")[1]["run_id"])
        self.assertEqual(part["trace_file"]["operations"], 3)
        self.assertEqual(part["trace_file"]["xxh3"], found["xxh3"])
        (self.folder / "t.csv").write_text(TRACE.replace("300", "301"))
        changed = self.manifest(self.summaries(*words)[1]["run_id"])
        self.assertNotEqual(changed["trace_file"]["xxh3"], found["xxh3"])

    def test_load_and_run_may_be_two_processes(self) -> None:
        words = ("lmdb", "--trace", "t.csv", *self.place("lmdb"), *NO_FLOOR)
        self.refuse("was it loaded?", "run", *words)
        self.assertEqual(self.summaries("load", *words)[0]["operations"], 2)
        for _ in range(2):  # the second finds what the first left
            run = self.summaries("run", *words)[0]
            self.assertEqual({k: v["ok"] for k, v in run["kinds"].items()}, KINDS)

    def test_a_store_without_the_loaded_keys_fails_and_says_why(self) -> None:
        self.summaries("load", "lmdb", *self.place("lmdb"), "-p", "recordcount=5")
        words = ("--trace", "t.csv", *self.place("lmdb"), *NO_FLOOR)
        code, _, err = self.run_program("run", "lmdb", *words)
        self.assertEqual(code, 2, err)
        self.assertIn("found nothing where a value should be", err)

    def test_nothing_is_loaded_where_that_is_asked_for(self) -> None:
        none = ("-p", "fencepost.trace_load=none")
        words = ("rocksdb", "--trace", "t.csv", *self.place("rocksdb"), *NO_FLOOR, *none)
        self.refuse("nothing to load", "load", *words)
        (run,) = self.summaries("run", *words, "-load")
        expected = {"READ": 4, "MISS": 4, "INSERT": 4, "DELETE": 2}
        self.assertEqual({k: v["ok"] for k, v in run["kinds"].items()}, expected)

    def test_warmup_and_operationcount_are_prefixes(self) -> None:
        words = ("run", "blackhole", "-load", "--trace", "t.csv", *NO_FLOOR)
        run = self.summaries(*words, "-p", "fencepost.warmup=2", "-p", "operationcount=3")[1]
        kinds = {kind: record["count"] for kind, record in run["kinds"].items()}
        self.assertEqual(kinds, {"READ": 1, "UPDATE": 1, "DELETE": 1})
        more = self.summaries(*words, "-p", "operationcount=1000")[1]
        self.assertEqual(more["operations"], 14)
        self.assertIn("operationcount=1000: the trace file has 14", more["warnings"])

    def test_wrong_traces_are_one_line_and_2(self) -> None:
        bad = self.folder / "bad.csv"
        run = ("run", "lmdb", "-load", *self.place("lmdb"), "--trace")
        for text, needle in (
            ("get,a\nput,b,x\n", "bad.csv:2: size 'x'"),
            ("get,a\r\n\r\nset,b,1\r\n", "bad.csv:3: op 'set'"),
            ("# nothing\n", "bad.csv: has no operation"),
            ("", "bad.csv: has no operation"),
            ("put,b,99999999999\n", "bad.csv:1: size '99999999999': at most"),
            (f"get,{'k' * 600}\n", "a key of 600 bytes, and lmdb takes 511"),
        ):
            bad.write_text(text)
            self.refuse(needle, *run, "bad.csv")
        bad.write_bytes(bytes(range(256)) * 4096)
        self.refuse("bad.csv:1: op ", *run, "bad.csv")
        self.refuse("Is a directory", *run, str(self.folder))
        self.refuse("No such file", *run, "nosuch.csv")
        self.refuse("--trace: is empty", *run, "")
        self.refuse("--trace", *run)
        self.refuse(
            "workloada:5: recordcount", *run, "t.csv", "-P", f"{SOURCE}/workloads/workloada"
        )
        self.refuse("trace_memory_bytes", *run, "t.csv", "-p", "fencepost.trace_memory_bytes=1K")
        self.refuse("is for a trace file", "run", "lmdb", "-p", "fencepost.trace_load=none")

    def test_a_pipe_can_be_replayed(self) -> None:
        command = f"'{PROGRAM}' run blackhole -load --json --trace <(cat t.csv)"
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)[1]["operations"], 14)

    def test_bench_takes_a_trace_as_a_workload(self) -> None:
        (self.folder / "traced").write_text("fencepost.trace_file=t.csv\n")
        code, out, err = self.run_program(
            "bench", "--engines", "cmap,lmdb", "--workloads",
            f"traced,{SOURCE}/workloads/book,{SOURCE}/workloads/timeseries", "--threads", "1,2",
            "--repeats", "1", "--out", "bench-out", *NO_FLOOR,
        )  # fmt: skip
        self.assertEqual(code, 0, err)
        self.assertNotIn("FAILED", out)
        self.validate("bench-out")
        found = self.manifest("lmdb-traced-t2-default-r0", "bench-out")
        self.assertEqual(found["trace_file"]["path"], "t.csv")

    def test_what_the_converter_writes_is_replayed(self) -> None:
        twitter = "0,n:a,b,5,100,1,get,0\n1,n:c,3,20,1,set,9\n"
        twitter += "1,n:a,b,5,5,1,append,9\n2,n:c,3,0,1,delete,0\n"
        msr = "1,web,0,Read,4096,8192,9\n2,web,0,Write,4000,200,9\n3,web,0,Read,0,512,9\n"
        for kind, text, kinds in (
            ("twitter", twitter, {"READ": 2, "INSERT": 1, "UPDATE": 1, "DELETE": 1}),
            ("msr", msr, {"READ": 3, "UPDATE": 1, "INSERT": 1}),
        ):
            convert = [f"{SOURCE}/scripts/convert_trace.py", kind, "-o", f"{kind}.csv"]
            subprocess.run(
                convert, cwd=self.folder, input=text, text=True, check=True, capture_output=True
            )
            run = self.summaries(
                "run", "filestore", "-load", "--trace", f"{kind}.csv", *NO_FLOOR, *self.place(kind)
            )[1]
            self.assertEqual({k: v["ok"] for k, v in run["kinds"].items()}, kinds)
            self.assertEqual(run["verification"]["unknown"], 0)

    # -- workload files

    def test_small_workloads_run_on_every_engine(self) -> None:
        for name, loads, kinds in (
            ("timeseries", 1000, {"READ", "INSERT"}),
            ("book", 3, {"READ", "UPDATE"}),
        ):
            for engine in ENGINES:
                load, run = self.summaries(
                    "run", engine, "-load", "-P", f"{SOURCE}/workloads/{name}", *NO_FLOOR,
                    *self.place(f"{engine}-{name}"), "-p", "operationcount=500",
                )  # fmt: skip
                self.assertEqual((load["operations"], run["operations"]), (loads, 500))
                self.assertEqual(set(run["kinds"]), kinds)
                for record in run["kinds"].values():
                    self.assertEqual(record["ok"], record["count"], f"{engine} {name}")

    def test_the_books_trace_runs_on_every_engine(self) -> None:
        for engine in ENGINES:
            trace = f"{SOURCE}/workloads/book.trace"
            (run,) = self.summaries(
                "run", engine, "-load", "--trace", trace, *self.place(engine), *NO_FLOOR
            )
            expected = {"INSERT": 3, "READ": 4, "DELETE": 1, "MISS": 1}
            self.assertEqual({k: v["ok"] for k, v in run["kinds"].items()}, expected)


if __name__ == "__main__":
    main()
