#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""`fencepost vm` with a real machine: what a run in it sees and leaves, power cuts, refusals.

Usage: vm_command_test.py FENCEPOST SOURCE_DIR [unittest argument]...
Exits 77 (skipped) where there is no QEMU or no kernel package (scripts/setup.sh --vm).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from command_test_case import CommandTest, main

SKIPPED = 77
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
KERNEL = CACHE / "fencepost" / "vm"
EARLY_SEED = "28"  # cuts the power after 27 % of a run, and after 32 %


def left_of(scratch: Path) -> list[str]:
    """Images in the folder, and QEMU processes that use it."""
    left = [str(path) for path in scratch.iterdir()]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(scratch) in words and "qemu" in words:
            left.append(f"process {entry.name}")
    return left


class VmTest(CommandTest):
    def setUp(self) -> None:
        super().setUp()
        self.scratch = self.make_folder(None)
        self.guest = ["--kernel", str(KERNEL), "--scratch", str(self.scratch), "--quiet"]

    def tearDown(self) -> None:
        self.assertEqual(left_of(self.scratch), [])

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path


class Runs(VmTest):
    def test_a_run_has_persistent_memory_that_nobody_forced_and_brings_its_results_back(
        self,
    ) -> None:
        words = ["run", "cmap", "-load", "-P", self.workload("workloada"), "-p", "recordcount=50"]
        shutil.copy(self.workload("workloada"), self.folder / "workloada")
        words[4] = "workloada"
        code, out, err = self.run_program(
            "vm", "run", *self.guest, "--", *words, "-p", "operationcount=100"
        )
        self.assertEqual(code, 0, err)
        (folder,) = (self.folder / "results").glob("*-run-*")
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.assertEqual(manifest["engine"]["medium"], "dax")
        self.assertEqual(
            manifest["engine"]["pmem"],
            {
                "is_pmem": True,
                "forced": False,
                "map_sync": True,
                "flush_instruction": "clwb",
            },
        )
        self.assertEqual(manifest["engine"]["filesystem"]["type"], "ext4")
        self.validate(str(folder))
        if manifest["machine"]["cpu"]["emulated"]:
            self.assertIn("no times are shown", out)
            self.assertNotIn("Throughput", out)
            code, _, err = self.run_program("report", str(folder))
            self.assertEqual(code, 2)
            self.assertIn("emulated processor", err)

    def test_ctrl_c_leaves_nothing(self) -> None:
        process = self.start("vm", "run", *self.guest, "--", "engines")
        deadline = time.monotonic() + 30
        while len(left_of(self.scratch)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertGreaterEqual(len(left_of(self.scratch)), 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)

    def test_a_guest_that_does_not_answer_is_given_up(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "qemu-system-x86_64").write_text("#!/bin/sh\nexec sleep 100\n")
        (tools / "qemu-system-x86_64").chmod(0o755)
        self.refuse_with_path(
            f"{tools}:{os.environ['PATH']}", "has not answered for 1 s", "--boot-timeout", "1"
        )

    def refuse_with_path(self, path: str, needle: str, *more: str) -> None:
        before = os.environ["PATH"]
        os.environ["PATH"] = path
        try:
            words = ["vm", "run", *self.guest, "--accel", "tcg", *more, "--", "engines"]
            self.refuse(needle, *words)
        finally:
            os.environ["PATH"] = before


class PowerCuts(VmTest):
    def test_an_engine_that_never_syncs_loses_what_it_acknowledged(self) -> None:
        code, out, err = self.run_program(
            "vm", "crash", "canary-filelog", *self.guest, "--rounds", "1", "--cut", "kill",
            "-P", self.workload("crash-canary"), "-p", "canary-filelog.bug=never-syncs",
            "-p", "operationcount=100",
        )  # fmt: skip
        self.assertEqual(code, 1, err)
        self.assertIn("VIOLATED", out)
        (folder,) = (self.folder / "results").iterdir()
        self.validate(str(folder))
        code, out, err = self.run_program("crash", "replay", str(folder), "V1")
        self.assertEqual(code, 1, err)
        self.assertIn("the violation shows again", out)

    def test_power_cuts_of_each_engine_lose_nothing(self) -> None:
        cuts = {"cmap": "all", "filestore": "all", "rocksdb": "panic", "lmdb": "recovery"}
        for engine, kinds in cuts.items():
            code, out, err = self.run_program(
                "vm", "crash", engine, *self.guest, "--rounds", "2", "--cut", kinds,
                "-P", self.workload("crash-mixed"), "-p", "operationcount=2000",
                "--seed", EARLY_SEED, "--results", engine,
            )  # fmt: skip
            self.assertEqual(code, 0, f"{engine}: {out}{err}")
            (folder,) = (self.folder / engine).iterdir()
            self.validate(str(folder))
            report = json.loads((folder / "crash.json").read_text(encoding="utf-8"))
            self.assertEqual(report["verdict"], "passed")
            self.assertEqual(report["explored"]["recoveries"], 2)
            self.assertGreater(report["recording"]["killed"], 0, engine)
            self.assertGreater(report["recording"]["operations"], 0, engine)


class Images(VmTest):
    def images(self, engine: str, *more: str) -> tuple[int, str, str]:
        words = [engine, *self.guest, "--images", "12", "-P", self.workload("crash-canary")]
        return self.run_program("vm", "images", *words, "-p", "operationcount=30", *more)

    def report_of_images(self) -> tuple[Path, dict[str, Any]]:
        (folder,) = (self.folder / "results").iterdir()
        self.validate(str(folder))
        return folder, json.loads((folder / "crash.json").read_text(encoding="utf-8"))

    def test_images_of_an_engine_that_syncs_lose_nothing(self) -> None:
        for engine, file_system in (("filestore", "ext4"), ("lmdb", "xfs")):
            code, out, err = self.images(engine, "--fs", file_system)
            self.assertEqual(code, 0, f"{engine}: {out}{err}")
            self.assertIn("no violation in 12 images", out)
            folder, report = self.report_of_images()
            self.assertGreater(report["recording"]["flushes"], 30)
            self.assertEqual(report["explored"]["recoveries"], 12)
            self.assertFalse((folder / "recording").exists())
            if engine == "lmdb":
                self.rerun_of_images(folder, report)
            shutil.rmtree(folder)

    def rerun_of_images(self, folder: Path, report: dict[str, Any]) -> None:
        code, out, err = self.run_program("rerun", str(folder), "--results", "again")
        self.assertEqual(code, 0, out + err)
        (again,) = (self.folder / "again").iterdir()
        made_again = json.loads((again / "crash.json").read_text(encoding="utf-8"))
        for field in ("subject", "settings"):
            self.assertEqual(made_again[field], report[field])
        self.assertEqual(made_again["explored"]["recoveries"], 12)

    def test_images_of_an_engine_that_never_syncs_are_caught_and_rebuilt(self) -> None:
        code, out, err = self.images("canary-filelog", "-p", "canary-filelog.bug=never-syncs")
        self.assertEqual(code, 1, out + err)
        self.assertIn("VIOLATED", out)
        folder, report = self.report_of_images()
        self.assertIn("lost", {violation["kind"] for violation in report["violations"]})
        code, out, err = self.run_program(
            "crash", "replay", str(folder), "V1", "--keep", str(self.folder / "kept")
        )
        self.assertEqual(code, 0, err)
        kept = self.folder / "kept" / "disk.img"
        self.assertEqual(kept.stat().st_size, report["settings"]["disk_mib"] << 20)
        again = ["crash", "replay", folder, "V1", *self.guest[:-1]]
        code, out, err = self.run_program(*again)
        self.assertEqual(code, 1, out + err)
        self.assertIn("the violation shows again", out)
        code, out, err = self.run_program(*again, "--in-process")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("in a guest", err)
        (folder / "recording" / "disk-log").write_bytes(b"no log")
        code, out, err = self.run_program(*again)
        self.assertEqual((code, out), (2, ""))
        self.assertIn("is no log of writes", err)

    def test_a_guest_that_ends_among_images_is_started_anew(self) -> None:
        words = [
            "filestore",
            *self.guest[:-1],
            "--images",
            "40",
            "-P",
            self.workload("crash-canary"),
        ]
        process = self.start("vm", "images", *words, "-p", "operationcount=30")
        assert process.stderr is not None
        for line in process.stderr:
            if "images: " in line:
                break
        machines = [left.split()[1] for left in left_of(self.scratch) if "process" in left]
        os.kill(int(machines[0]), signal.SIGKILL)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn("guests started anew: 1", out)
        _, report = self.report_of_images()
        self.assertEqual(report["explored"]["recoveries"], 40)
        self.assertEqual(report["recording"]["guest_restarts"], 1)


class Refusals(CommandTest):
    def test_what_makes_no_sense_is_refused_in_one_line(self) -> None:
        self.refuse("needs a command", "vm", "run")
        self.refuse("--fs", "vm", "run", "--fs", "ntfs", "--", "engines")
        self.refuse("multiple of 16 MiB", "vm", "run", "--pmem", 33, "--", "engines")
        self.refuse("--disk=8", "vm", "run", "--disk", 8, "--", "engines")
        self.refuse("init of a guest", "vm-guest")
        crash = ["vm", "crash", "lmdb", "-P", self.workload("crash-mixed")]
        for cut in ("", "kill,", "kill,kill", "thunder"):
            self.refuse("--cut", *crash, "--cut", cut)
        images = ["vm", "images", "lmdb", "-P", self.workload("crash-mixed")]
        for flags in (("--images", 0), ("--fs", "ntfs"), ("--disk", 8), ("--timeout", 0)):
            self.refuse(flags[0], *images, *flags)
        self.refuse("in files", "vm", "images", "cmap", "-P", self.workload("crash-mixed"))
        self.refuse("no engine", "vm", "crash", "nothing", "-P", self.workload("crash-mixed"))

    def test_a_folder_without_a_kernel_is_refused(self) -> None:
        if shutil.which("qemu-system-x86_64") is None:
            self.skipTest("no QEMU")
        self.refuse("setup.sh --vm", "vm", "run", "--kernel", self.folder, "--", "engines")

    def test_a_full_disk_is_refused(self) -> None:
        if shutil.which("qemu-system-x86_64") is None or not KERNEL.exists():
            self.skipTest("no QEMU or no kernel")
        scratch = self.make_folder("/dev/shm")
        guest = ["--kernel", KERNEL, "--scratch", scratch, "--disk", 65536]
        self.refuse("--scratch", "vm", "run", *guest, "--", "engines")
        self.assertEqual(list(scratch.iterdir()), [])


def possible() -> bool:
    if shutil.which("qemu-system-x86_64") is None:
        print("skipped: no qemu-system-x86_64 (scripts/setup.sh --vm installs it)")
        return False
    if not any(KERNEL.glob("linux-image-*.deb")) and not (KERNEL / "version").exists():
        print(f"skipped: no kernel package in {KERNEL} (scripts/setup.sh --vm downloads one)")
        return False
    return True


if __name__ == "__main__":
    if not possible():
        sys.exit(SKIPPED)
    main()
