# SPDX-License-Identifier: BSD-3-Clause
"""Every example program prints the same pairs, and again when its store is there already.

usage: examples_test.py PROGRAM...
"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAMS = sys.argv[1:]
PAIRS = ["earth = 1.00", "mercury = 0.39", "venus = 0.72"]


class ExamplesTest(unittest.TestCase):
    def test_all_print_the_same_pairs_and_keep_them(self) -> None:
        self.assertEqual(len(PROGRAMS), 4)
        # Persistent memory's is mapped and flushed: on tmpfs where there is one.
        parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        for program in PROGRAMS:
            name = Path(program).name
            with self.subTest(name), tempfile.TemporaryDirectory(dir=parent) as folder:
                for _ in range(2):
                    done = subprocess.run(
                        [program, f"{folder}/store"],
                        capture_output=True,
                        text=True,
                        timeout=60,
                        env={**os.environ, "PMEM_IS_PMEM_FORCE": "1"},
                    )
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertEqual(sorted(done.stdout.splitlines()), PAIRS)

    def test_a_place_that_cannot_be_is_an_error_that_says_why(self) -> None:
        for program in PROGRAMS:
            with self.subTest(Path(program).name):
                done = subprocess.run(
                    [program, "/proc/nowhere/store"], capture_output=True, text=True, timeout=60
                )
                self.assertEqual(done.returncode, 1)
                self.assertNotEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
