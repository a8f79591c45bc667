#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""bench --against, compare, rerun and resample as a user meets them.

Usage: stats_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
Each test runs in a folder of its own; data goes there, or to /dev/shm.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_test_case import PROGRAM, CommandTest, main

SMALL = ["-p", "fencepost.floor=false", "--records", "200", "--placements", "tmpfs"]
RUN = ["-p", "recordcount=200", "-p", "operationcount=1000", "-p", "fencepost.floor=false"]


class StatsCommandTest(CommandTest):
    in_memory = True

    def outputs(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Standard output and standard error of a run that ends with that code."""
        got, out, err = self.run_program(*words)
        self.assertEqual(got, code, f"{words}: {out}{err}")
        return out, err

    def paired(
        self, *words: str, engines: str = "lmdb", against: str = "", seconds: str = "0.05"
    ) -> list[str]:
        return [
            "bench", "--engines", engines, "--workloads", self.workload("workloadc"), *SMALL,
            "--seconds", seconds, "--against", against or str(PROGRAM), *words,
        ]  # fmt: skip

    def document(self, path: str) -> dict[str, Any]:
        found = json.loads((self.folder / path).read_text())
        assert isinstance(found, dict)
        return found

    def script(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def stores(self) -> list[Path]:
        """Of the runs of a bench into `out`, wherever they are."""
        roots = (self.folder / "cache", Path(f"/dev/shm/fencepost-{os.getuid()}"))
        return [path for root in roots for path in root.rglob("out-lmdb-*")]

    def stores_but_of_the_killed(self) -> list[Path]:
        """Without those of the other program, which was killed and has left its own."""
        for killed in self.stores():
            if killed.name.endswith("-base"):
                shutil.rmtree(killed)
        return self.stores()

    def run_lmdb(self, results: str, *words: str) -> str:
        """A run of lmdb with its load; the run's folder."""
        path = f"engine.path={self.folder / results}-data"
        self.outputs("run", "lmdb", "-load", *RUN, "--results", results, "-p", path, *words)
        (found,) = [p for p in (self.folder / results).iterdir() if "-run-" in p.name]
        return str(found)

    # -- bench --against

    def test_a_build_against_itself_shows_no_regression(self) -> None:
        words = ["--min-pairs", "3", "--max-pairs", "3", "--out", "out"]
        out, _ = self.outputs(*self.paired(*words, engines="lmdb,blackhole"))
        self.assertIn("no regression shown", out)
        self.assertNotIn("UNPAIRED", out)
        comparison = self.document("out/comparison.json")
        self.assertTrue(comparison["paired"])
        self.assertEqual(comparison["regressions"], 0)
        self.assertEqual([c["base"]["engine"] for c in comparison["cells"]], ["lmdb", "blackhole"])
        firsts = set()
        for cell in comparison["cells"]:
            self.assertEqual(len(cell["paired"]["pairs"]), 3)
            for pair in cell["paired"]["pairs"]:
                firsts.add(pair["first"])
                for side in ("base", "test"):
                    self.assertTrue((self.folder / "out" / pair[side] / "summary.json").is_file())
        self.assertEqual(firsts, {"base", "test"})
        self.validate(".")
        self.refuse("comparison.json already", *self.paired(*words))
        self.assertEqual(self.stores(), [])

    def test_an_injected_slowdown_is_a_regression_and_is_stated(self) -> None:
        words = ["--min-pairs", "9", "--max-pairs", "9", "--out", "out", "--this-property"]
        out, _ = self.outputs(*self.paired(*words, "fencepost.spin_ns=50000"), code=1)
        self.assertIn("REGRESSION: 1 of 1 cells slower", out)
        self.assertIn("injected: every call of the engine spins 50000 ns longer", out)
        comparison = self.document("out/comparison.json")
        (cell,) = comparison["cells"]
        self.assertEqual(cell["paired"]["verdict"], "slower")
        self.assertAlmostEqual(cell["paired"]["p_value"], 2**-8)
        self.assertLess(cell["throughput_ops_per_s"]["ratio"]["high"], 0.5)
        self.assertEqual(comparison["test"]["properties"], ["fencepost.spin_ns=50000"])
        for side, spin_ns in (("base", 0), ("test", 50000)):
            summary = self.document(f"out/{cell['paired']['pairs'][0][side]}/summary.json")
            self.assertEqual(summary["injected_spin_ns"], spin_ns)
        # Nine pairs cannot reach a level of 1 in 1,000.
        words = ["--min-pairs", "9", "--max-pairs", "9", "--out", "strict", "--alpha", "0.001"]
        self.outputs(*self.paired(*words, "--this-property", "fencepost.spin_ns=50000"))

    def test_what_cannot_be_compared_with_is_refused(self) -> None:
        (self.folder / "text").write_text("no program\n")
        lacks = f"""if [ "$2" = lmdb ]; then echo "fencepost: no engine 'lmdb'" >&2; exit 2; fi
exec {PROGRAM} "$@" """
        schema = f"""{PROGRAM} "$@" || exit $?
while [ $# -gt 0 ]; do [ "$1" = --results ] && r=$2; [ "$1" = --run-id ] && i=$2; shift; done
sed -i 's#fencepost.manifest/1#fencepost.manifest/9#' "$r/$i/manifest.json" """
        for needle, program in (
            ("no such file", "nothere"),
            ("is not executable", "text"),
            ("is no file", "."),
            ("no summary.json", "/bin/true"),
            ("exited with 7", self.script("seven", "exit 7")),
            ("no engine 'lmdb'", self.script("lacks", lacks)),
            ("another schema", self.script("schema", schema)),
        ):
            self.refuse(needle, *self.paired(against=program))
        self.assertFalse((self.folder / "results").exists())

    def test_flags_that_make_no_sense_are_refused(self) -> None:
        self.refuse("min-pairs", *self.paired("--min-pairs", "1"))
        self.refuse("max-pairs", *self.paired("--min-pairs", "9", "--max-pairs", "8"))
        self.refuse("--threshold", *self.paired("--threshold", "0"))
        self.refuse("--alpha", *self.paired("--alpha", "1"))
        self.refuse("--turn=-1", *self.paired("--turn", "-1"))
        self.refuse("--turn=nan", *self.paired("--turn", "nan"))
        self.refuse("--turns=5", "run", "lmdb", *RUN, "--turns", "5")
        self.refuse("--repeats", *self.paired("--repeats", "3"))
        self.refuse("must be name=value", *self.paired("--this-property", "x"))
        self.refuse("fencepost.nope", *self.paired("--this-property", "fencepost.nope=1"))
        self.refuse("lmdb.nope", *self.paired("--against-property", "lmdb.nope=1"))
        self.refuse("engine.path", *self.paired("--against-property", "engine.path=/x"))
        plain = ["bench", "--engines", "lmdb", "--workloads", self.workload("workloadc")]
        self.refuse("--min-pairs goes with --against", *plain, "--min-pairs", "5")
        self.refuse("--turn goes with --against", *plain, "--turn", "5")
        self.refuse("spin_ns", *plain, "-p", "fencepost.spin_ns=1e3")
        self.assertFalse((self.folder / "results").exists())

    def test_sides_of_different_durability_are_refused(self) -> None:
        words = self.paired("--against-property", "engine.durability=prefix")
        _, err = self.outputs(*words, code=2)
        self.assertIn("different durability", err)
        self.assertEqual(list((self.folder / "results").iterdir()), [])

    def test_runs_of_a_pair_take_turns_unless_told_otherwise(self) -> None:
        knows_no_turns = f"""for w; do [ "$w" = --turns ] && {{
echo "fencepost: The following argument was not expected: --turns" >&2; exit 2; }}; done
exec {PROGRAM} "$@" """
        for out, program, turn, used in (
            ("turns", "", "2", 2),
            ("whole", "", "0", 0),
            ("older", self.script("knows-none", knows_no_turns), "2", 0),
        ):
            words = ["--min-pairs", "2", "--max-pairs", "2", "--turn", turn, "--out", out]
            self.outputs(*self.paired(*words, "--threads", "2", against=program))
            comparison = self.document(f"{out}/comparison.json")
            self.assertEqual(comparison["paired_settings"]["turn_ms"], used, out)
            warned = [w for w in comparison["warnings"] if "knows none" in w]
            self.assertEqual(len(warned), 1 if out == "older" else 0)
            # In turns a run stands still about half of the time that it takes.
            for side in ("base", "test"):
                run = comparison["cells"][0]["paired"]["pairs"][0][side]
                summary = self.document(f"{out}/{run}/summary.json")
                self.assertGreaterEqual(summary["run_s"], 0.05)
                self.assertEqual(summary["wall_s"] > 1.5 * summary["run_s"], used > 0, out)
        self.validate(".")

    def test_a_side_that_fails_in_its_turn_ends_the_pair(self) -> None:
        dies = f"""case "$*" in *-p1-*) (sleep 0.5; kill -9 $$) & ;; esac
exec {PROGRAM} "$@" """
        words = ["--min-pairs", "3", "--out", "out"]
        script = self.script("dies", dies)
        self.outputs(*self.paired(*words, against=script, seconds="1"), code=2)
        self.assertEqual(self.stores_but_of_the_killed(), [])
        (cell,) = self.document("out/comparison.json")["cells"]
        self.assertIn("exited with 137", cell["failed"])
        self.assertEqual(len(cell["paired"]["pairs"]), 1)

    def test_the_other_side_of_one_that_fails_ends_early(self) -> None:
        dies = f"""case "$*" in *-base*) (sleep 2; kill -9 $$) & ;; esac
exec {PROGRAM} "$@" """
        begin = time.monotonic()
        words = self.paired("--out", "out", against=self.script("dies", dies), seconds="100")
        _, err = self.outputs(*words, code=2)
        self.assertIn("exited with 137", err)
        self.assertLess(time.monotonic() - begin, 60)
        self.assertEqual(self.stores_but_of_the_killed(), [])

    def test_ctrl_c_keeps_the_pairs_that_were_made(self) -> None:
        process = self.start(*self.paired("--out", "out"))
        deadline = time.time() + 60
        while len(list(self.folder.glob("out/*-p2-*"))) < 1 and time.time() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        comparison = self.document("out/comparison.json")
        self.assertTrue(comparison["partial"])
        self.assertGreaterEqual(len(comparison["cells"][0]["paired"]["pairs"]), 1)

    def test_no_run_that_stands_still_outlives_its_bench(self) -> None:
        process = self.start(*self.paired("--out", "out", seconds="60"))

        def wait_until(done: Callable[[], bool]) -> None:
            deadline = time.time() + 30
            while not done():
                self.assertLess(time.time(), deadline)
                time.sleep(0.02)

        def children() -> list[int]:
            path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            return [int(pid) for pid in path.read_text().split()]

        def stopped(pid: int) -> bool:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")

        # The second has been loaded once the first goes on again.
        wait_until(lambda: len(children()) == 2)
        first, second = children()
        wait_until(lambda: stopped(second))
        wait_until(lambda: not stopped(first))
        process.kill()
        process.communicate(timeout=30)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (first, second)))
        self.assertEqual(self.stores(), [])

    # -- noise

    def test_bench_states_the_noise(self) -> None:
        out, _ = self.outputs(
            "bench", "--engines", "blackhole", "--workloads", self.workload("workloadc"), *SMALL,
            "--seconds", "0.05", "--repeats", "3", "--out", "out",
        )  # fmt: skip
        self.assertIn("noise before: arithmetic", out)
        self.assertIn("noise during: drift", out)
        bench = self.document("out/bench.json")
        self.assertGreaterEqual(bench["noise"]["before"]["rounds"], 3)
        self.assertEqual(bench["noise"]["during"]["runs"], 3)
        self.assertGreaterEqual(bench["cells"][0]["noise"]["spread"], 0)
        self.validate(".")

    # -- compare

    def test_compare_says_unpaired_and_names_different_traces(self) -> None:
        first, same = self.run_lmdb("a"), self.run_lmdb("b")
        other = self.run_lmdb("c", "-p", "fencepost.seed=2")
        out, _ = self.outputs("compare", first, same)
        self.assertIn("UNPAIRED", out)
        self.assertNotIn("trace", out)
        out, _ = self.outputs("compare", first, other)
        self.assertIn("traces differ", out)
        self.assertIn("seed: base 1, test 2", out)
        out, _ = self.outputs("compare", first, other, "--json")
        comparison = json.loads(out)
        self.assertFalse(comparison["paired"])
        (self.folder / "compare").mkdir()
        (self.folder / "compare" / "comparison.json").write_text(out)
        self.validate(".")
        # By id, below --results.
        self.outputs("compare", Path(first).name, same, "--results", "a")

    def test_compare_refuses_unequal_durability_unless_asked(self) -> None:
        strong = self.run_lmdb("a")
        weak = self.run_lmdb("b", "-p", "engine.durability=prefix")
        self.refuse("different durability", "compare", strong, weak)
        out, err = self.outputs("compare", strong, weak, "--unequal-durability")
        self.assertIn("power-fail / prefix", out)
        self.assertIn("durability differs", out)
        self.assertIn("warning: durability differs", err)

    def test_compare_matches_the_cells_of_two_benches(self) -> None:
        for out, engines in (("a", "lmdb,blackhole"), ("b", "blackhole,filestore,lmdb")):
            self.outputs(
                "bench", "--engines", engines, "--workloads", self.workload("workloadc"), *SMALL,
                "--seconds", "0.05", "--repeats", "2", "--out", out,
            )  # fmt: skip
        out, _ = self.outputs("compare", "a", "b", "--json")
        comparison = json.loads(out)
        engines_of = [(c["base"]["engine"], c["test"]["engine"]) for c in comparison["cells"]]
        self.assertEqual(engines_of, [("lmdb", "lmdb"), ("blackhole", "blackhole")])
        self.assertIn("only in b: filestore workloadc 1 thr on tmpfs", comparison["warnings"])
        self.assertAlmostEqual(
            comparison["cells"][0]["throughput_ops_per_s"]["ratio"]["median"],
            comparison["cells"][0]["throughput_ops_per_s"]["test"]["median"]
            / comparison["cells"][0]["throughput_ops_per_s"]["base"]["median"],
        )

    def test_compare_refuses_what_is_no_result(self) -> None:
        run = self.run_lmdb("a")
        self.refuse("no such folder", "compare", run, "nothere")
        self.refuse("the same folder", "compare", run, run + "/../" + Path(run).name)
        self.refuse("neither bench.json nor summary.json", "compare", run, "a")
        self.refuse("required", "compare", run)
        (self.folder / "bad").mkdir()
        (self.folder / "bad" / "summary.json").write_text("[]")
        self.refuse("no JSON object", "compare", run, "bad")
        (self.folder / "bad" / "summary.json").write_text('{"schema": "fencepost.summary/1"}')
        self.refuse("no whole summary", "compare", run, "bad")

    # -- rerun

    def test_rerun_needs_nothing_but_the_manifest(self) -> None:
        own = self.folder / "own"
        own.write_text("readproportion=0.5\nupdateproportion=0.5\nlabel=a\\ b # no comment\n")
        words = [*RUN, "--placement", "tmpfs", "-P", str(own), "-threads", "2"]
        self.outputs("run", "lmdb", "-load", *words, "-p", "fencepost.seed=9")
        (run,) = (self.folder / "results").glob("*-run-*")
        own.unlink()
        _, err = self.outputs("rerun", run.name)
        self.assertIn("environment: the same", err)
        self.assertIn("operations: the same", err)
        self.assertIn("unpaired", err)
        (again,) = (self.folder / "results").glob("*-rerun-lmdb-??????")
        before, now = (json.loads((p / "manifest.json").read_text()) for p in (run, again))
        self.assertEqual(now["properties"], before["properties"])
        self.assertEqual(now["seed"], 9)
        self.assertEqual(
            [f["text"] for f in now["workload_files"]],
            [f["text"] for f in before["workload_files"]],
        )
        summary = json.loads((again / "summary.json").read_text())
        self.assertEqual(summary["workload"], "own")
        # A rerun can be run again, and may differ where it is asked to.
        _, err = self.outputs("rerun", again.name, "-p", "fencepost.seed=10")
        self.assertIn("differs: -p fencepost.seed=10", err)
        self.assertNotIn("operations: the same", err)

    def test_rerun_says_what_differs(self) -> None:
        run = Path(self.run_lmdb("a"))
        shutil.rmtree(self.folder / "a-data")
        manifest = json.loads((run / "manifest.json").read_text())
        manifest["commit"] = "0" * 40
        manifest["machine"]["kernel"] = "Linux 2.4"
        (run / "manifest.json").write_text(json.dumps(manifest))
        _, err = self.outputs("rerun", str(run), "--results", "again")
        self.assertIn("differs: kernel: before Linux 2.4, now Linux", err)
        self.assertIn("differs: commit: before 000", err)

    def test_rerun_does_not_load_over_data(self) -> None:
        run = self.run_lmdb("a")
        before = (self.folder / "a-data" / "data.mdb").read_bytes()
        self.refuse("is there already", "rerun", run)
        self.assertEqual((self.folder / "a-data" / "data.mdb").read_bytes(), before)
        self.outputs("rerun", run, "-p", f"engine.path={self.folder / 'other'}")

    def test_rerun_of_benches_and_campaigns(self) -> None:
        own = self.folder / "own"
        shutil.copy(self.workload("crash-mixed"), own)
        words = ["--engines", "lmdb", "--workloads", str(own), *SMALL, "--seconds", "0.05"]
        self.outputs("bench", *words, "--repeats", "2", "--seed", "5", "--out", "b")
        pairs = ["--min-pairs", "2", "--max-pairs", "2", "--against", str(PROGRAM)]
        self.outputs("bench", *words, *pairs, "--seed", "6", "--out", "p")
        self.outputs(
            "crash", "lmdb", "-P", str(own), "-p", "operationcount=3", "--strategy=prefix",
            "--results", "c",
        )  # fmt: skip
        own.unlink()
        self.outputs("rerun", "b")
        (bench,) = (self.folder / "results").glob("*/bench.json")
        again, before = json.loads(bench.read_text()), self.document("b/bench.json")
        self.assertEqual(again["seed"], 5)
        self.assertEqual(again["order"], before["order"])
        self.outputs("rerun", "p")
        (paired,) = (self.folder / "results").glob("*/comparison.json")
        again, before = json.loads(paired.read_text()), self.document("p/comparison.json")
        self.assertEqual(again["paired_settings"], before["paired_settings"])
        self.assertEqual(again["settings"]["against"], str(PROGRAM))
        (campaign,) = (self.folder / "c").iterdir()
        _, err = self.outputs("rerun", str(campaign), "--results", "c2")
        (again_folder,) = (self.folder / "c2").iterdir()
        again = json.loads((again_folder / "crash.json").read_text())
        before = json.loads((campaign / "crash.json").read_text())
        self.assertEqual(again["subject"], before["subject"])
        self.assertIn("machine was not written down", err)
        self.validate(".")

    def test_rerun_refuses_what_it_cannot_make_again(self) -> None:
        self.refuse("no such folder", "rerun", "nothere")
        self.refuse("has no manifest.json", "rerun", str(self.folder))
        (self.folder / "manifest.json").write_text('{"schema": "fencepost.manifest/1"}')
        self.refuse("does not carry what a rerun needs", "rerun", str(self.folder))
        (self.folder / "manifest.json").write_text('{"schema": "fencepost.manifest/7"}')
        self.refuse("fencepost.manifest/7", "rerun", str(self.folder))
        (self.folder / "bench.json").write_text(
            '{"schema": "fencepost.bench/1", "settings": {"engines": 3, "workload_files": [],'
            ' "threads": [], "placements": [], "properties": [], "repeats": 1, "seconds": "",'
            ' "records": ""}}'
        )
        self.refuse("of another kind", "rerun", str(self.folder))

    def test_rerun_of_a_trace_that_has_changed_is_refused(self) -> None:
        trace = self.folder / "trace"
        trace.write_text("put,a,100\nget,a\n")
        self.outputs("run", "lmdb", "--trace", str(trace), "--results", "t")
        (run,) = (self.folder / "t").iterdir()
        self.outputs("rerun", str(run), "--results", "again")
        (again,) = (self.folder / "again").iterdir()
        other = self.folder / "other"
        other.write_text("put,b,100\n")
        for folder in (run, again):
            self.outputs(
                "rerun", str(folder), "--results", "o", "-p", f"fencepost.trace_file={other}"
            )
        trace.write_text("put,a,100\nget,b\n")
        for complaint in ("it is another file", "No such file"):
            code, _, err = self.run_program("rerun", str(run), "--results", "none")
            self.assertEqual(code, 2, err)
            self.assertIn(complaint, err.splitlines()[-1])
            trace.unlink(missing_ok=True)
        self.assertEqual(list((self.folder / "none").iterdir()), [])

    # -- resample

    def test_resample_counts_alarms_and_finds(self) -> None:
        words = ["--min-pairs", "6", "--max-pairs", "6"]
        self.outputs(*self.paired(*words, "--out", "equal"))
        slow = ["--this-property", "fencepost.spin_ns=50000", "--alpha", "0.05"]
        self.outputs(*self.paired(*words, *slow, "--out", "slow"), code=1)
        draw = ["resample", "--equal", "equal", "--slow", "slow", "--suites", "20", *words]
        draw += ["--alpha", "0.05"]
        out, _ = self.outputs(*draw, "--json")
        result = json.loads(out)
        self.assertEqual(result["equal"]["suites"], 20)
        self.assertEqual(result["cells"][0]["slow"], {"suites": 20, "found": 20, "mean_pairs": 6.0})
        self.assertEqual(result["cells"][0]["slow_in_order"]["suites"], 1)
        out, _ = self.outputs(*draw)
        self.assertIn("20 of 20", out)
        self.refuse("at least 15 are needed", "resample", "--equal", "equal")
        self.refuse("no such folder", "resample", "--equal", "nothere")

    def test_every_command_has_help(self) -> None:
        for command in ("compare", "rerun", "resample"):
            out, _ = self.outputs(command, "--help")
            self.assertIn("--results", out)


if __name__ == "__main__":
    main()
