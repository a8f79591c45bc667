# SPDX-License-Identifier: BSD-3-Clause
"""Runs one outside tool (clang-format, shellcheck, black, flake8, mypy) over the tree.

Exits 77, which is "skipped" to ctest, where the tool is not installed: scripts/setup.sh dev
installs them all where the system has them.
"""

import argparse
import itertools
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from tree import CPP_SUFFIXES, EXIT_SKIPPED, Tree


def cpp_files(tree: Tree) -> list[str]:
    return tree.with_suffix(*CPP_SUFFIXES)


def python_files(tree: Tree) -> list[str]:
    return tree.with_suffix(".py")


def shell_files(tree: Tree) -> list[str]:
    """By suffix or by interpreter (.ci/run)."""
    return [
        path
        for path in tree.paths
        if path.endswith((".sh", ".bash"))
        or ("." not in path.rpartition("/")[2] and is_shell(tree.lines(path)[:1]))
    ]


def is_shell(first_line: list[str]) -> bool:
    return bool(first_line) and first_line[0].startswith("#!") and first_line[0].endswith("sh")


class Tool(NamedTuple):
    command: tuple[str, ...]
    files: Callable[[Tree], list[str]]
    # One run a folder: mypy refuses two modules of one name.
    by_folder: bool = False


# Another version of clang-format formats differently: 14 or none.
TOOLS = {
    "clang-format": Tool(("clang-format-14", "--dry-run", "--Werror"), cpp_files),
    "shellcheck": Tool(("shellcheck",), shell_files),
    "black": Tool(("black", "--check", "--quiet", "--diff"), python_files),
    "flake8": Tool(("flake8",), python_files),
    "mypy": Tool(("mypy", "--no-error-summary"), python_files, by_folder=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    default_root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--root", type=pathlib.Path, default=default_root)
    parser.add_argument("tool", choices=TOOLS)
    arguments = parser.parse_args()
    tool = TOOLS[arguments.tool]
    if shutil.which(tool.command[0]) is None:
        print(f"skipped: {tool.command[0]} is not installed (scripts/setup.sh dev)")
        return EXIT_SKIPPED

    files = tool.files(Tree(arguments.root))
    groups = [files]
    if tool.by_folder:
        groups = [
            list(group) for _, group in itertools.groupby(files, lambda f: f.rpartition("/")[0])
        ]
    status = 0
    for group in groups:
        if group:
            status |= subprocess.run([*tool.command, *group], cwd=arguments.root).returncode
    print(f"{arguments.tool}: {len(files)} files")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
