# SPDX-License-Identifier: BSD-3-Clause
"""Adds up ctest's JUnit files; the last line printed is "N passed, N failed", alone.

A test that was skipped on purpose counts as neither and is listed with its reason. One that could
not be run at all (its program is missing) counts as failed. Exit code 1 if anything failed or if
nothing passed.
"""

import argparse
import sys
import xml.etree.ElementTree as ET

# How ctest words a skip that the test itself asked for, and a disabled test.
INTENDED_SKIPS = ("SKIP_", "Disabled")


def judge(case: ET.Element) -> tuple[str, str]:
    """("passed"|"failed"|"skipped", why) for one <testcase>."""
    status = case.get("status", "")
    if status == "run":
        return "passed", ""
    skipped = case.find("skipped")
    why = skipped.get("message", "") if skipped is not None else ""
    if status in ("notrun", "disabled") and (
        status == "disabled" or why.startswith(INTENDED_SKIPS)
    ):
        return "skipped", reason_of_skip(case) or why
    return "failed", why


def reason_of_skip(case: ET.Element) -> str:
    """The line that GTEST_SKIP or a linter printed, where there is one."""
    lines = (case.findtext("system-out") or "").splitlines()
    for index, line in enumerate(lines):
        if line.startswith("skipped: "):
            return line.removeprefix("skipped: ")
        if line.rstrip().endswith(": Skipped") and index + 1 < len(lines):
            return lines[index + 1].strip()
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", nargs="*", help="a JUnit file that ctest wrote")
    parser.add_argument(
        "--broken", action="append", default=[], help="a step that failed outside of a test"
    )
    arguments = parser.parse_args()

    passed = 0
    skipped: dict[str, list[str]] = {}
    failed = [f"step: {step}" for step in arguments.broken]
    for report in arguments.report:
        cases = list(ET.parse(report).getroot().iter("testcase"))
        if not cases:
            failed.append(f"no test in {report}")
        for case in cases:
            verdict, why = judge(case)
            name = case.get("name", "?")
            if verdict == "passed":
                passed += 1
            elif verdict == "skipped":
                skipped.setdefault(why, []).append(name)
            else:
                failed.append(f"{name} ({report}{': ' + why if why else ''})")
    if passed == 0 and not failed:
        failed.append("no test passed")

    for why, names in skipped.items():
        print(f"skipped: {len(names)} ({why}), e.g. {names[0]}")
    for name in failed:
        print(f"FAILED: {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
