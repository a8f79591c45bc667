# SPDX-License-Identifier: BSD-3-Clause
"""What the linters share: the files of the tree, and how a finding is reported.

A linter is a program with --root (default: this repository). It prints "path:line: what is wrong"
for each finding and exits 1 if there was one, 77 (skipped, to ctest) where it cannot run.
"""

import argparse
import pathlib
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

EXIT_SKIPPED = 77
CPP_SUFFIXES = (".cc", ".h", ".c")

# Only looked at where the tree is no git checkout (an unpacked archive, a test's directory).
NOT_OURS = ("build", ".git", "__pycache__", ".mypy_cache")


class Finding(NamedTuple):
    path: str  # relative to the root
    line: int  # from 1
    what: str


class Tree:
    """The files under `root` that git tracks or would track; all, where there is no git."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.paths = sorted(path for path in self._list() if (root / path).is_file())

    def _list(self) -> Iterable[str]:
        # safe.directory: a checkout may belong to another user than the one who tests it.
        git = ["git", "-c", "safe.directory=*", "-C", str(self.root)]
        files = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        if (self.root / ".git").exists():
            listed = subprocess.run(files, capture_output=True, text=True, check=True)
            return [path for path in listed.stdout.split("\0") if path]
        return [
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if not path.relative_to(self.root).parts[0].startswith(NOT_OURS)
        ]

    def with_suffix(self, *suffixes: str) -> list[str]:
        return [path for path in self.paths if path.endswith(suffixes)]

    def lines(self, path: str) -> list[str]:
        """The lines of a text file; none of a binary one."""
        try:
            return (self.root / path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            return []


def run_linter(description: str, check: Callable[[Tree], Iterator[Finding]]) -> int:
    """The main() of a linter; returns the exit code."""
    parser = argparse.ArgumentParser(description=description)
    default_root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--root", type=pathlib.Path, default=default_root)
    root = parser.parse_args().root
    if not root.is_dir():
        parser.error(f"--root {root}: no such directory")
    tree = Tree(root)
    findings = list(check(tree))
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.what}")
    print(f"{len(tree.paths)} files, {len(findings)} findings")
    return 1 if findings else 0
