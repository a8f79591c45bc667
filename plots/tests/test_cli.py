# SPDX-License-Identifier: BSD-3-Clause
"""Claims about the two commands: exit codes, and one clear line for bad input."""

import contextlib
import io
import json
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plots.fencepost_plots import cli, validation
from plots.tests import synthetic, synthetic_crash, synthetic_crash_cost
from plots.tests.synthetic import Case

_PLOTS = Path(__file__).resolve().parents[1]


def _run(main: Callable[[list[str]], int], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            assert isinstance(stop.code, int)
            code = stop.code
    return code, out.getvalue(), err.getvalue()


class CommandCase(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = Path(temporary.name)
        self.bench = self.root / "bench"

    def write(self, *cases: Case) -> dict[str, Any]:
        return synthetic.write_bench(self.bench, cases or [Case("cmap", "workloadc", repeats=1)])

    def change(self, path: Path, **fields: Any) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(document | fields), encoding="utf-8")

    def rejected(self, *words: str, arguments: tuple[str, ...] = ()) -> None:
        code, _, err = _run(cli.main, *(arguments or (str(self.bench),)))
        self.assertEqual(code, 2, err)
        self.assertEqual(err.count("\n"), 1, err)
        for word in words:
            self.assertIn(word, err)
        self.assertFalse(list(self.root.rglob("*.png")), "nothing is drawn of bad input")


class PlotTest(CommandCase):
    def test_draws_into_figures_of_the_folder(self) -> None:
        self.write()
        code, out, err = _run(cli.main, str(self.bench))
        self.assertEqual((code, err), (0, ""))
        self.assertIn(str(self.bench / "figures"), out)
        drawn = sorted(path.name for path in (self.bench / "figures").iterdir())
        names = ("intervals-workloadc-read-t1", "latency-workloadc-read-t1", "throughput-t1")
        self.assertEqual(drawn, [f"{name}.{kind}" for name in names for kind in ("png", "svg")])

    def test_out_gathers_several_folders(self) -> None:
        self.write()
        synthetic.write_run(self.root / "loose", Case("lmdb", "workloadc"), 0, random.Random(1))
        out = self.root / "out"
        folders = (str(self.bench), str(self.root / "loose"))
        code, _, err = _run(cli.main, *folders, "-o", str(out), "--only", "throughput")
        self.assertEqual((code, err), (0, ""))
        text = (out / "throughput-t1.svg").read_text(encoding="utf-8")
        # Not interleaved with each other: two panels.
        self.assertIn("bench: bench", text)

    def test_missing_and_empty_folders(self) -> None:
        self.rejected("nowhere: no such folder", arguments=(str(self.root / "nowhere"),))
        self.bench.mkdir()
        self.rejected("no bench.json or summary.json below")

    def test_malformed_json(self) -> None:
        document = self.write()
        run = self.bench / document["order"][0]
        for path in (run / "summary.json", run / "manifest.json", self.bench / "bench.json"):
            text = path.read_text(encoding="utf-8")
            path.write_text(text[: len(text) // 2], encoding="utf-8")
            self.rejected(str(path.resolve()), "malformed JSON")
            path.write_text(text, encoding="utf-8")

    def test_schema_mismatch_names_file_and_field(self) -> None:
        document = self.write()
        path = self.bench / document["order"][0] / "summary.json"
        self.change(path, threads="four")
        self.rejected(str(path.resolve()), "threads: 'four' is not of type 'integer'")

    def test_bench_must_agree_with_its_runs(self) -> None:
        document = self.write()
        run = self.bench / document["order"][0]
        self.change(run / "summary.json", durability="none")
        self.rejected("bench.json: cells[0].durability: 'power-fail' here, 'none' in")
        shutil.rmtree(run)
        self.rejected("bench.json: cells[0].repeats[0]: no run")

    def test_repeats_must_be_alike(self) -> None:
        document = self.write(Case("cmap", "workloadc", repeats=2))
        self.change(self.bench / document["order"][1] / "summary.json", verify="off")
        self.rejected("cells[0].repeats[1]: not run like repeats[0]")

    def test_missing_manifest(self) -> None:
        document = self.write()
        (self.bench / document["order"][0] / "manifest.json").unlink()
        self.rejected("manifest.json: No such file")

    def test_bench_of_skipped_cells_only(self) -> None:
        self.write(Case("cmap", "workloade", skipped="engine is unordered"))
        self.rejected("bench.json: cells: no finished run")

    def test_bad_series_is_rejected(self) -> None:
        document = self.write()
        path = self.bench / document["order"][0] / "intervals.csv"
        path.write_text("time,speed\n1,2\n", encoding="utf-8")
        code, _, err = _run(cli.main, str(self.bench), "--only", "intervals")
        self.assertEqual(code, 2)
        self.assertIn(f"{path.resolve()}: header: expected elapsed_s", err)
        path.unlink()
        self.assertEqual(_run(cli.main, str(self.bench))[0], 0)  # a run without a series

    def test_output_that_is_a_file(self) -> None:
        self.write()
        out = self.root / "out"
        out.write_text("", encoding="utf-8")
        code, _, err = _run(cli.main, str(self.bench), "-o", str(out))
        self.assertEqual(code, 2)
        self.assertIn(f"{out}: File exists", err)

    def test_usage(self) -> None:
        self.assertEqual(_run(cli.main)[0], 2)
        self.assertEqual(_run(cli.main, "--only", "nonsense", str(self.root))[0], 2)
        self.assertEqual(_run(cli.main, "--help")[0], 0)

    def test_skipped_cells_and_stray_runs_are_named(self) -> None:
        skipped = Case("lmdb", "workloadc", skipped="no space")
        self.write(Case("cmap", "workloadc", repeats=1), skipped)
        synthetic.write_run(self.bench / "stray", Case("cmap"), 0, random.Random(1))
        repeat = min(
            path for path in self.bench.iterdir() if path.is_dir() and path.name != "stray"
        )
        load = repeat.with_name(f"{repeat.name}-load")  # a repeat's own, which is no stray
        synthetic.write_run(load, Case("cmap", phase="load"), 0, random.Random(1))
        code, out, _ = _run(cli.main, str(self.bench), "--only", "throughput")
        self.assertEqual(code, 0)
        self.assertIn("lmdb, workloadc: skipped: no space", out)
        self.assertIn("1 run in no cell, not drawn", out)

    def test_program_runs_from_anywhere(self) -> None:
        program = [sys.executable, str(_PLOTS / "plot.py")]
        done = subprocess.run(
            [*program, str(self.root)], cwd="/", capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\Aplot\.py: .*: no bench\.json or summary\.json below\n\Z")


class ValidateTest(CommandCase):
    def test_valid_tree(self) -> None:
        self.write()
        code, out, err = _run(validation.main, str(self.root))
        self.assertEqual((code, out, err), (0, "4 files valid\n", ""))

    def test_each_violation_is_a_line(self) -> None:
        document = self.write(Case("cmap", "workloadc", repeats=2))
        first, second = (self.bench / run_id for run_id in document["order"])
        self.change(first / "summary.json", threads=0, surprise=1)
        self.change(first / "manifest.json", run_id="other")
        (second / "manifest.json").unlink()
        (second / "intervals.csv").write_text("x\n", encoding="utf-8")
        self.change(self.bench / "bench.json", seed=-1)
        code, _, err = _run(validation.main, str(self.root))
        self.assertEqual(code, 1)
        self.assertEqual(err.count("\n"), 6, err)
        for words in (
            "summary.json: threads: 0 is less than the minimum of 1",
            "'surprise' was unexpected",
            "manifest.json: run_id: 'other' is in folder",
            "summary.json without manifest.json",
            "intervals.csv: header",
            "bench.json: seed: -1 is less than the minimum of 0",
        ):
            self.assertIn(words, err)

    def test_crash_reports_are_checked_like_the_rest(self) -> None:
        path = synthetic_crash.write(self.root / "crash", synthetic_crash.report())
        self.assertEqual(_run(validation.main, str(self.root)), (0, "1 files valid\n", ""))
        self.change(path, run_id="other", verdict="violated")
        code, _, err = _run(validation.main, str(self.root))
        self.assertEqual((code, err.count("\n")), (1, 2), err)
        self.assertIn("crash.json: violations: ", err)
        self.assertIn("crash.json: run_id: 'other' is in folder 'crash'", err)

    def test_costs_of_campaigns_are_checked_like_the_rest(self) -> None:
        made = synthetic_crash_cost.rows()
        synthetic_crash_cost.write(self.root / "cost", made)
        self.assertEqual(_run(validation.main, str(self.root)), (0, "1 files valid\n", ""))
        made[3]["depth"] = 3
        synthetic_crash_cost.write(self.root / "cost", made)
        code, _, err = _run(validation.main, str(self.root))
        self.assertEqual((code, err.count("\n")), (1, 1), err)
        self.assertIn("crash_cost.csv: depth, line 5: '3' is neither 1 nor 2", err)

    def test_nothing_to_check_is_usage(self) -> None:
        self.assertEqual(_run(validation.main, str(self.root))[0], 2)
        self.assertEqual(_run(validation.main, str(self.root / "nowhere"))[0], 2)
        self.assertEqual(_run(validation.main)[0], 2)

    def test_program_runs_from_anywhere(self) -> None:
        self.write()
        program = [sys.executable, str(_PLOTS / "validate.py")]
        done = subprocess.run(
            [*program, str(self.root)], cwd="/", capture_output=True, text=True, check=False
        )
        self.assertEqual((done.returncode, done.stdout), (0, "4 files valid\n"))


if __name__ == "__main__":
    unittest.main()
