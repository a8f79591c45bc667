#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs one test program under the Valgrind tool and compares its trace with what must be in it.

{trace} in a command is the trace's path; a forked child's trace is any other file whose name
begins with it. The dump command prints JSON lines on standard output. Examples:

    run_tests.py build/programs/store_nt
        --tool-command "valgrind --tool=pmemcheck --trace-file={trace}"
        --dump-command "fencepost trace dump --json {trace}"
    run_tests.py build/programs/store_nt --native

--native runs the program alone, and compares the file with the expected stores: a test of the
programs and of the expectations. Exit codes: 0 as expected, 1 not, 2 usage, 77 skipped.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
from collections import Counter

from comparison import difference, read_reports, report_difference
from expectations import EXPECTATIONS, Expectation
from trace_events import Event, first_difference, lines, read_events, replay, window

EXIT_SKIPPED = 77
SOURCES = pathlib.Path(__file__).resolve().parent / "programs"
TIMEOUT_S = 300


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", type=pathlib.Path, help="the program's executable")
    parser.add_argument("--expectation", help="name in expectations.py (default: the program's)")
    parser.add_argument("--native", action="store_true", help="without the tool")
    parser.add_argument("--tool-command", type=shlex.split, help="goes before the program")
    parser.add_argument("--dump-command", type=shlex.split, help="prints a trace as JSON lines")
    arguments = parser.parse_args()
    if not arguments.program.is_file():
        parser.error(f"{arguments.program}: no such program")
    name = arguments.expectation or arguments.program.name
    if name not in EXPECTATIONS:
        parser.error(f"{name}: not in expectations.py ({', '.join(EXPECTATIONS)})")
    if not arguments.native and not (arguments.tool_command and arguments.dump_command):
        parser.error("--tool-command and --dump-command, or --native")

    # Memory where there is some: the programs' syncs would wait for a disk.
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="pmemcheck_test.", dir=shm) as folder:
        run = Run(EXPECTATIONS[name], arguments.program.resolve(), pathlib.Path(folder))
        if arguments.native:
            failures = run.native()
        else:
            failures = run.under_tool(arguments.tool_command, arguments.dump_command)
    if failures is None:
        print(f"skipped: {name}")
        return EXIT_SKIPPED
    for failure in failures:
        print(f"{name}: {failure}", end="" if failure.endswith("\n") else "\n")
    print(f"{name}: {'FAILED' if failures else 'as expected'}")
    return 1 if failures else 0


class Run:
    """One program in a folder of its own. Both ways to run return what is wrong; None: skipped."""

    def __init__(self, expectation: Expectation, program: pathlib.Path, folder: pathlib.Path):
        self.expectation = expectation
        self.command = [str(program), str(folder / "mapped"), *expectation.arguments]
        self.file = folder / "mapped"
        self.trace = folder / "trace"
        self.folder = folder

    def native(self) -> list[str] | None:
        done = self._run(self.command)
        if done.returncode == EXIT_SKIPPED:
            return None
        failures = self._exit_failures(done)
        if self.expectation.events is not None:
            failures += self._native_content_failures()
        return failures

    def under_tool(self, tool: list[str], dump: list[str]) -> list[str] | None:
        tool = [word.replace("{trace}", str(self.trace)) for word in tool]
        done = self._run([*tool, *self.expectation.tool_options, *self.command])
        if done.returncode == EXIT_SKIPPED:
            return None
        failures = self._exit_failures(done)
        try:
            traces = [self._dump(dump, path) for path in sorted(self.folder.glob("trace*"))]
        except ValueError as error:
            return [*failures, str(error)]
        if not traces:
            return [*failures, f"no trace at {self.trace}; the tool said:\n{done.stderr}"]
        failures += trace_failures(self.expectation, traces, str(self.file))
        if self.expectation.replays:
            everything = [event for trace in traces for event in trace]
            failures += self._replay_failures(everything)
        if self.expectation.reports is not None:
            failures.append(self._report_difference(done.stderr + done.stdout))
        return [failure for failure in failures if failure]

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.expectation.environment}
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )

    def _exit_failures(self, done: subprocess.CompletedProcess[str]) -> list[str]:
        expected = self.expectation.exit_code
        if done.returncode == expected:
            return []
        said = done.stdout + done.stderr
        return [f"exit code {done.returncode}, expected {expected}; it said:\n{said}"]

    def _dump(self, dump: list[str], trace: pathlib.Path) -> list[Event]:
        words = [word.replace("{trace}", str(trace)) for word in dump]
        if words == dump:
            words.append(str(trace))
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode != 0:
            raise ValueError(f"{shlex.join(words)}: exit code {done.returncode}: {done.stderr}")
        return read_events(done.stdout.splitlines())

    def _replay_failures(self, events: list[Event]) -> list[str]:
        expected = self.file.read_bytes()
        content = replay(events, lambda event: event.file == str(self.file), len(expected))
        wrong = first_difference(content, expected)
        return [f"replay of all stores is not the file: {wrong}"] if wrong else []

    def _report_difference(self, log: str) -> str:
        source = SOURCES / f"{self.expectation.program}.c"
        found = read_reports(log, source.name)
        text = source.read_text(encoding="utf-8")
        return report_difference(self.expectation.reports or {}, found, text)

    def _native_content_failures(self) -> list[str]:
        """The expected stores over zeros; bytes that no expectation knows are taken as they are."""
        content = self.file.read_bytes()
        expected = bytearray(len(content))
        all_lines = (*(self.expectation.events or ()), *(self.expectation.child_events or ()))
        for line in all_lines:
            words = line.split(" || ")[0].split()
            if "STORE" in words:
                words = words[words.index("STORE") :]
                begin, end = int(words[1], 16), int(words[1], 16) + int(words[2])
                is_known = words[-1].startswith("=")
                data = bytes.fromhex(words[-1][1:]) if is_known else content[begin:end]
                expected[begin:end] = data
            elif words[:1] == ["WRITE"]:
                begin, length = int(words[2], 16), int(words[3])
                if words[1] == "truncate":
                    length = len(expected) - begin
                is_known = words[1] != "pwrite"
                end = begin + length
                expected[begin:end] = bytes(length) if is_known else content[begin:end]
        wrong = first_difference(content, bytes(expected))
        return [f"the file is not what the expected stores make: {wrong}"] if wrong else []


def trace_failures(expectation: Expectation, traces: list[list[Event]], file: str) -> list[str]:
    """Compares the events between the markers, of the program and of its forked child."""

    def is_of_file(event: Event) -> bool:
        return event.file == file

    def found(trace: list[Event], name: str) -> list[str]:
        return lines(trace, is_of_file, name, expectation.shows_foreign_locks)

    children = [trace for trace in traces if window(trace, "CHILD")]
    parents = [trace for trace in traces if trace not in children]
    failures = []
    if len(parents) != 1 or len(children) != (expectation.child_events is not None):
        return [f"{len(parents)} traces of a parent and {len(children)} of a child"]
    if expectation.events is not None:
        failures.append(
            difference(
                list(expectation.events),
                found(parents[0], "TEST"),
                is_prefix=expectation.is_prefix,
            )
        )
    if expectation.child_events is not None:
        events = list(expectation.child_events)
        failures.append(difference(events, found(children[0], "CHILD"), "events of the child"))
        if window(children[0], "TEST"):
            failures.append("the child's trace holds events of its parent")
    kinds = Counter(
        event.kind
        for event in window(parents[0], "TEST")
        if is_of_file(event) or event.kind.startswith("OPERATION")
    )
    failures += [
        f"{kinds[kind]} events {kind}, expected {count}"
        for kind, count in expectation.counts.items()
        if kinds[kind] != count
    ]
    return [failure for failure in failures if failure]


if __name__ == "__main__":
    sys.exit(main())
