# SPDX-License-Identifier: BSD-3-Clause
"""Tests of test_summary.py on reports in the form that ctest 3.25 writes."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parent / "test_summary.py"

PASSED = '<testcase name="A.Good" status="run"/>'
FAILED = '<testcase name="A.Bad" status="fail"><failure message=""/></testcase>'
SKIPPED = """<testcase name="A.NotHere" status="notrun">
  <skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>
  <system-out>a_test.cc:3: Skipped
there is no DAX mount

[  SKIPPED ] A.NotHere (0 ms)</system-out></testcase>"""
LINTER_SKIPPED = """<testcase name="lint.x" status="notrun">
  <skipped message="SKIP_RETURN_CODE=77"/>
  <system-out>skipped: x is not installed</system-out></testcase>"""
NEVER_BUILT = """<testcase name="A.Lost" status="notrun">
  <skipped message="Unable to find executable"/></testcase>"""


class TestSummaryTest(unittest.TestCase):
    def summarize(self, *cases: str, broken: tuple[str, ...] = ()) -> tuple[int, list[str]]:
        with tempfile.TemporaryDirectory() as directory:
            report = pathlib.Path(directory) / "junit.xml"
            report.write_text(f"<testsuite>{''.join(cases)}</testsuite>")
            flags = [f"--broken={step}" for step in broken]
            command = [sys.executable, str(PROGRAM), str(report), *flags]
            done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.splitlines()

    def test_passed_and_failed_are_counted(self) -> None:
        status, lines = self.summarize(PASSED, PASSED, FAILED)
        self.assertEqual((status, lines[-1]), (1, "2 passed, 1 failed"))
        self.assertTrue(any(line.startswith("FAILED: A.Bad") for line in lines))

    def test_all_passed_is_success(self) -> None:
        self.assertEqual(self.summarize(PASSED), (0, ["1 passed, 0 failed"]))

    def test_skip_is_neither_and_shows_its_reason(self) -> None:
        status, lines = self.summarize(PASSED, SKIPPED, LINTER_SKIPPED)
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed"))
        self.assertIn("skipped: 1 (there is no DAX mount), e.g. A.NotHere", lines)
        self.assertIn("skipped: 1 (x is not installed), e.g. lint.x", lines)

    def test_program_that_was_not_built_is_a_failure(self) -> None:
        status, lines = self.summarize(PASSED, NEVER_BUILT)
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_step_outside_of_a_test_is_a_failure(self) -> None:
        status, lines = self.summarize(PASSED, broken=("build --release",))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_no_test_is_a_failure(self) -> None:
        status, lines = self.summarize()
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))

    def test_only_skips_are_a_failure(self) -> None:
        status, lines = self.summarize(SKIPPED)
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))


if __name__ == "__main__":
    unittest.main()
