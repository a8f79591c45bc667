# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the program's commands have in common: a folder a test, of which nothing is
left behind, runs of the program in it, and what a refusal looks like.

A test is started as: NAME_test.py FENCEPOST SOURCE_DIR [unittest argument]...
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM, SOURCE = Path(), Path()
if len(sys.argv) > 2:
    PROGRAM, SOURCE = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
SHARED_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class CommandTest(unittest.TestCase):
    # Whether the folder is in memory: where what a disk's sync takes is not tested.
    in_memory = False

    def setUp(self) -> None:
        self.folder = self.make_folder(SHARED_MEMORY if self.in_memory else None)

    def make_folder(self, parent: str | None) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="fencepost-command-", dir=parent))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def start(self, *words: object) -> subprocess.Popen[str]:
        """A process group of its own, so that a test can signal all of it, as Ctrl-C does."""
        return subprocess.Popen(
            [str(PROGRAM), *map(str, words)],
            cwd=self.folder,
            env=dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run_program(self, *words: object) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = self.start(*words)
        out, err = process.communicate(timeout=110)
        return process.returncode, out, err

    def refuse(self, needle: str, *words: object, warns: bool = False) -> None:
        """Exit code 2, one clear line on standard error, and no results. `warns`: of what nothing
        reads, in lines before it."""
        code, out, err = self.run_program(*words)
        self.assertEqual((code, out), (2, ""), f"{words}: {err}")
        lines = [line for line in err.splitlines() if not (warns and "warning" in line)]
        self.assertEqual(len(lines), 1, err)
        self.assertTrue(lines[0].startswith("fencepost: "), err)
        self.assertIn(needle, lines[0])
        self.assertFalse((self.folder / "results").exists())

    def validate(self, *folders: str) -> None:
        """Every document in these folders is as its schema has it."""
        check = subprocess.run(
            ["/usr/bin/python3", SOURCE / "plots" / "validate.py", *folders],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def workload(self, name: str) -> str:
        return str(SOURCE / "workloads" / name)


def main() -> None:
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
