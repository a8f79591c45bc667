#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`fencepost campaign` as a user meets it: the same bytes however many shards and workers made
them, whatever was lost meanwhile; on this machine, and on a Slurm where one is installed.

Usage: campaign_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
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

from command_test_case import PROGRAM, SOURCE, CommandTest, main

SUITE = """
title = "A campaign"

[[step]]
name = "{name}"
run = "crash"
engines = ["{engine}"]
workload = "{source}/workloads/{workload}"
{more}
properties = {{ operationcount = {operations}{properties} }}
"""
BENCH = """
title = "Two cells"

[[step]]
name = "speed"
run = "bench"
engines = ["filestore", "lmdb"]
workloads = ["{source}/workloads/workloadc"]
repeats = 2
seconds = 0.1
relaxed_load = true
properties = {{ recordcount = 300, "fencepost.floor" = false }}
"""


class CampaignTest(CommandTest):
    def suite(
        self, engine: str = "filestore", operations: int = 40, more: str = "", name: str = "s"
    ) -> Path:
        """`engine`: NAME, or NAME:BUG of a canary."""
        engine, _, bug = engine.partition(":")
        path = self.folder / f"{name}.toml"
        text = SUITE.format(
            source=SOURCE,
            engine=engine,
            workload="crash-canary" if bug else "crash-mixed",
            operations=operations,
            properties=f', "{engine}.bug" = "{bug}"' if bug else ", recordcount = 10",
            more=more,
            name="step",
        )
        path.write_text(text, encoding="utf-8")
        return path

    def campaign(self, suite: Path, out: str, *words: object, code: int = 0) -> str:
        ended, _, err = self.run_program("campaign", suite, "--out", out, *words)
        self.assertEqual(ended, code, err)
        return err

    def state(self, out: str) -> Any:
        text = (self.folder / out / "campaign.json").read_text(encoding="utf-8")
        return json.loads(text)["steps"][0]

    def run_folder(self, out: str) -> Path:
        (verdict,) = self.folder.glob(f"{out}/step/*/verdict.json")
        return verdict.parent

    def adopt(self, out: str, from_out: str) -> None:
        """A campaign with nothing done, over the recording of another one."""
        shutil.copytree(self.folder / from_out, self.folder / out)
        state = json.loads((self.folder / out / "campaign.json").read_text(encoding="utf-8"))
        for step in state["steps"]:
            step |= {"exit_code": None, "launches": 0, "retries": 0, "shards": 0}
        (self.folder / out / "campaign.json").write_text(json.dumps(state), encoding="utf-8")
        for name in ("parts", "launches"):
            shutil.rmtree(self.folder / out / "step" / name)
        for path in self.folder.glob(f"{out}/step/*/*.json"):
            path.unlink()

    def divide(self, out: str, shards: int) -> None:
        """The same recording, into another number of parts."""
        state = json.loads((self.folder / out / "campaign.json").read_text(encoding="utf-8"))
        state["shards"] = shards
        (self.folder / out / "campaign.json").write_text(json.dumps(state), encoding="utf-8")
        (self.folder / out / "step/shards.json").unlink()
        subprocess.run([PROGRAM, "campaign-worker", "plan", self.folder / out, "step"], check=True)

    def one_process(self, out: str, *words: object, code: int = 0) -> Path:
        """What `fencepost crash` makes of the recording of a campaign."""
        ended, _, err = self.run_program(
            "crash", "--from", self.run_folder(out), "--quiet", "--results", "whole", *words
        )
        self.assertEqual(ended, code, err)
        (verdict,) = self.folder.glob("whole/*/verdict.json")
        return verdict

    def assert_same(self, one: Path, other: Path) -> None:
        compared = subprocess.run(["cmp", one, other], capture_output=True, text=True, check=False)
        self.assertEqual(compared.returncode, 0, compared.stdout + compared.stderr)

    def workers_of(self, out: str) -> list[int]:
        """The worker processes of a campaign that runs, but for those that they have forked."""
        found: dict[int, int] = {}  # and their parents
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                above = (entry / "stat").read_text().rpartition(")")[2].split()[1:2]
            except OSError:
                continue
            folder = str(self.folder / out)
            if words[1:3] == ["campaign-worker", "work"] and words[3:4] == [folder]:
                found[int(entry.name)] = int(above[0])
        return [pid for pid, parent in found.items() if parent not in found]

    def wait_for_parts(self, out: str, count: int, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + 90
        while len(list(self.folder.glob(f"{out}/step/parts/*.part"))) < count:
            self.assertIsNone(process.poll(), "it has ended before")
            self.assertLess(time.monotonic(), deadline, "no part is made")
            time.sleep(0.005)


class Identity(CampaignTest):
    """Numbers of shards and workers give what one process does."""

    def assert_same_at(
        self,
        engine: str,
        operations: int,
        more: str = "",
        code: int = 0,
        numbers: tuple[tuple[int, int], ...] = ((8, 1), (1000, 3)),
    ) -> None:
        suite = self.suite(engine, operations, more)
        self.campaign(suite, "a", "--shards", 1, code=code)
        words = [f"--{key.replace('_', '-')}={value}" for key, value in _pairs(more)]
        whole = self.one_process("a", *words, code=code)
        self.assert_same(self.run_folder("a") / "verdict.json", whole)
        for shards, workers in numbers:
            out = f"n{shards}"
            self.adopt(out, "a")
            self.divide(out, shards)
            self.campaign(suite, out, "--shards", shards, "--workers", workers, code=code)
            self.assert_same(self.run_folder(out) / "verdict.json", whole)
            self.assertGreater(self.state(out)["shards"], 1)
            self.validate(out)

    def test_files_are_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("filestore", 30)

    def test_files_by_reads_are_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("filestore", 6, 'strategy = "reads"')

    def test_memory_is_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("cmap", 12, "depth = 1")

    def test_crashes_in_recoveries_are_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("cmap", 20, numbers=((1000, 2),))

    def test_images_of_memory_are_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("cmap", 20, 'strategy = "sample:4"\ndepth = 1')

    def test_violations_of_files_are_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("canary-filelog:never-syncs", 12, code=1)

    def test_violations_of_memory_are_the_same_at_any_number_of_shards(self) -> None:
        self.assert_same_at("canary-log:flag-first", 12, "depth = 1", code=1)


class Local(CampaignTest):
    def test_a_worker_that_is_killed_costs_its_shard_only(self) -> None:
        suite = self.suite("filestore", 300)
        self.campaign(suite, "a", "--shards", 1)
        self.adopt("killed", "a")
        self.divide("killed", 16)
        process = self.start("campaign", suite, "--out", "killed", "--shards", 16, "--workers", 1)
        self.wait_for_parts("killed", 3, process)
        (worker,) = self.workers_of("killed")
        made = {
            path: path.stat().st_mtime_ns for path in self.folder.glob("killed/step/parts/*.part")
        }
        os.kill(worker, signal.SIGKILL)
        _, err = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("1 shard was lost with its worker, tried again", err)
        self.assertEqual(self.state("killed")["retries"], 1)
        self.assertEqual(self.state("killed")["launches"], 2)
        # What was done before is not done again.
        self.assertEqual({path: path.stat().st_mtime_ns for path in made}, made)
        self.assert_same(
            self.run_folder("killed") / "verdict.json", self.run_folder("a") / "verdict.json"
        )

    def test_ctrl_c_leaves_nothing_running_and_then_the_rest_is_done(self) -> None:
        suite = self.suite("filestore", 300)
        words = ("campaign", suite, "--out", "out", "--shards", 16, "--workers", 2)
        # A terminal tells all, a service manager one.
        for who, parts in ((os.killpg, 2), (os.kill, 5)):
            process = self.start(*words)
            self.wait_for_parts("out", parts, process)
            who(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130, err)
            self.assertIn("to go on: fencepost campaign", err)
            self.assertEqual(self.workers_of("out"), [])
            self.assertIsNone(self.state("out")["exit_code"])
            made = {
                path: path.stat().st_mtime_ns for path in self.folder.glob("out/step/parts/*.part")
            }
        self.campaign(suite, "out", "--shards", 16)
        self.assertEqual({path: path.stat().st_mtime_ns for path in made}, made)
        self.assert_same(self.run_folder("out") / "verdict.json", self.one_process("out"))

    def test_a_campaign_that_is_killed_takes_its_workers_along(self) -> None:
        suite = self.suite("filestore", 300)
        process = self.start("campaign", suite, "--out", "out", "--shards", 16)
        self.wait_for_parts("out", 1, process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        deadline = time.monotonic() + 20
        while self.workers_of("out"):
            self.assertLess(time.monotonic(), deadline, "a worker has outlived its campaign")
            time.sleep(0.05)
        self.campaign(suite, "out", "--shards", 16)
        self.assert_same(self.run_folder("out") / "verdict.json", self.one_process("out"))

    def test_a_second_campaign_in_the_folder_is_refused(self) -> None:
        suite = self.suite("filestore", 300)
        process = self.start("campaign", suite, "--out", "out", "--shards", 16)
        self.wait_for_parts("out", 1, process)
        self.refuse(
            f"another campaign runs in this folder (process {process.pid} on ",
            *("campaign", suite, "--out", "out", "--shards", 16),
        )
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)

    def test_what_is_of_something_else_is_refused_in_one_line(self) -> None:
        suite = self.suite("filestore", 10)
        self.campaign(suite, "out", "--shards", 4)
        go_on = ("campaign", suite, "--out", "out", "--shards")
        self.refuse("was begun with --shards=4, not 5", *go_on, 5)
        other = self.suite("filestore", 10, "seed = 2", name="other")
        self.refuse("other steps", "campaign", other, "--out", "out", "--shards", 4)
        # A part that was made with another seed, of another recording.
        self.campaign(other, "two", "--shards", 4)
        shutil.rmtree(self.folder / "whole", ignore_errors=True)
        self.adopt("mixed", "out")
        parts = self.folder / "mixed/step/parts"
        parts.mkdir()
        shutil.copy(self.folder / "two/step/parts/00001.part", parts)
        mixed = ("campaign", suite, "--out", "mixed", "--shards", 4)
        self.refuse("00001.part: is of other settings: ", *mixed)
        # One that another version has made.
        part = (self.folder / "out/step/parts/00001.part").read_bytes()
        (parts / "00001.part").write_bytes(part.replace(b"fencepost.part/1", b"fencepost.part/9"))
        self.refuse("is of another version: fencepost.part/9", *mixed)
        (parts / "00001.part").write_bytes(part[:-1])
        self.refuse("or damaged", *mixed)
        path = self.folder / "mixed/campaign.json"
        state = json.loads(path.read_text(encoding="utf-8")) | {"commit": "0" * 40}
        path.write_text(json.dumps(state), encoding="utf-8")
        self.refuse("was begun by another version of fencepost: commit 000", *mixed)
        (self.folder / "full").mkdir()
        (self.folder / "full/something").touch()
        self.refuse("holds no campaign", "campaign", suite, "--out", "full")

    def test_a_bench_is_divided_by_its_cells(self) -> None:
        path = self.folder / "bench.toml"
        path.write_text(BENCH.format(source=SOURCE), encoding="utf-8")
        self.campaign(path, "out")
        state = self.state("out")
        self.assertEqual(state["shards"], 2)
        self.assertEqual(len(state["cells"]), 2)
        self.assertEqual(set(state["cells"].values()), set(state["nodes"]))
        report = json.loads((self.folder / "out/speed/bench.json").read_text(encoding="utf-8"))
        self.assertEqual([len(cell["repeats"]) for cell in report["cells"]], [2, 2])
        self.validate("out")
        code, _, err = self.run_program("report", "out")
        self.assertEqual(code, 0, err)

    def test_what_cannot_be_shared_is_one_shard(self) -> None:
        suite = self.suite("lmdb", 20, 'fault = "kill"\nrounds = 2')
        self.campaign(suite, "out")
        self.assertEqual(self.state("out")["shards"], 1)
        self.assertEqual(len(list(self.folder.glob("out/step/whole/*/crash.json"))), 1)
        code, _, err = self.run_program("report", "out")
        self.assertEqual(code, 0, err)

    def test_bad_input(self) -> None:
        suite = self.suite()
        self.refuse("must be of local, slurm", "campaign", suite, "--backend", "cloud")
        self.refuse("there is no such file", "campaign", "none.toml")
        self.refuse("--sbatch is for", "campaign", suite, "--sbatch=-p", "--out", "out")
        step = self.suite("nosuch")
        code, _, err = self.run_program("campaign", step, "--out", "out", "--quiet")
        self.assertEqual(code, 2, err)
        self.assertEqual(len(err.splitlines()), 1, err)

    def test_without_slurm_it_says_so(self) -> None:
        process = subprocess.run(
            [PROGRAM, "campaign", self.suite(), "--backend", "slurm", "--out", "out"],
            cwd=self.folder,
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(process.returncode, 2, process.stderr)
        self.assertEqual(len(process.stderr.splitlines()), 1, process.stderr)
        self.assertIn("there is no sbatch here", process.stderr)
        self.assertFalse((self.folder / "out").exists())


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for line in text.splitlines():
        key, _, value = line.partition(" = ")
        pairs.append((key, value.strip('"')))
    return pairs


def _why_no_slurm() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for program in ("slurmctld", "slurmd", "munged", "sbatch"):
        if shutil.which(program, path=path) is None:
            return f"there is no {program} here (scripts/setup.sh --slurm)"
    return ""


@unittest.skipIf(_why_no_slurm(), _why_no_slurm())
class Slurm(CampaignTest):
    def setUp(self) -> None:
        super().setUp()
        slurm = str(self.make_folder(None) / "slurm")
        self.environment = dict(os.environ, FENCEPOST_SLURM=slurm)
        self.slurm("start", "--nodes", "2")
        self.addCleanup(self.slurm, "stop")
        os.environ["SLURM_CONF"] = f"{slurm}/slurm.conf"
        self.addCleanup(os.environ.pop, "SLURM_CONF")

    def slurm(self, *words: str) -> str:
        done = subprocess.run(
            [SOURCE / "scripts/slurm_local.sh", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def jobs(self) -> str:
        return self.slurm("run", "--", "squeue", "--noheader")

    def test_a_job_array_makes_the_same(self) -> None:
        suite = self.suite("filestore", 60)
        self.campaign(suite, "out", "--backend", "slurm", "--shards", 8, "--workers", 4)
        self.assertEqual(set(self.state("out")["nodes"]), {"node1", "node2"})
        self.assert_same(self.run_folder("out") / "verdict.json", self.one_process("out"))
        self.assertEqual(self.jobs(), "")
        self.validate("out")

    def test_a_node_that_dies_costs_its_shard_only(self) -> None:
        suite = self.suite("filestore", 600)
        words = ("--backend", "slurm", "--shards", 32, "--workers", 2)
        process = self.start("campaign", suite, "--out", "out", *words)
        self.wait_for_parts("out", 4, process)
        self.slurm("kill-node", "node1")
        made = {path: path.stat().st_mtime_ns for path in self.folder.glob("out/step/parts/*.part")}
        _, err = process.communicate(timeout=240)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("1 shard was lost with its worker, tried again", err)
        self.assertEqual(self.state("out")["retries"], 1)
        self.assertEqual({path: path.stat().st_mtime_ns for path in made}, made)
        self.assert_same(self.run_folder("out") / "verdict.json", self.one_process("out"))

    def test_ctrl_c_cancels_the_jobs(self) -> None:
        suite = self.suite("filestore", 600)
        words = ("--backend", "slurm", "--shards", 32, "--workers", 2)
        process = self.start("campaign", suite, "--out", "out", *words)
        self.wait_for_parts("out", 2, process)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=90)
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(self.jobs(), "")
        self.campaign(suite, "out", *words)
        self.assert_same(self.run_folder("out") / "verdict.json", self.one_process("out"))

    def test_what_a_killed_campaign_has_left_is_ended_first(self) -> None:
        suite = self.suite("filestore", 600)
        words = ("--backend", "slurm", "--shards", 32, "--workers", 1)
        process = self.start("campaign", suite, "--out", "out", *words)
        self.wait_for_parts("out", 2, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        self.assertNotEqual(self.jobs(), "")
        self.campaign(suite, "out", *words)
        self.assertEqual(self.jobs(), "")
        self.assert_same(self.run_folder("out") / "verdict.json", self.one_process("out"))

    def test_a_slurm_that_refuses_is_one_line(self) -> None:
        suite = self.suite("filestore", 5)
        words = ("campaign", suite, "--backend", "slurm", "--quiet")
        code, _, err = self.run_program(*words, "--out", "a", "--sbatch=--partition=nosuch")
        self.assertEqual(code, 2, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn("Slurm refuses: sbatch: error: ", err)


if __name__ == "__main__":
    main()
