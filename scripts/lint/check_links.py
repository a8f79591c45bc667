# SPDX-License-Identifier: BSD-3-Clause
"""Every link of a Markdown page leads somewhere: to a file of the tree, and to a heading in it.

Addresses on the network are not asked. Code, between backquotes or indented by four, has no links.
"""

import posixpath
import re
import sys
from collections.abc import Iterator

from tree import Finding, Tree, run_linter

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`[^`]*`")
HEADING = re.compile(r"^#+ +(.*?) *$")
NETWORK = re.compile(r"^[a-z]+:")


def anchor_of(heading: str) -> str:
    """As the usual renderers make it: lower case, punctuation gone, '-' for blanks."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def prose(lines: list[str]) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def anchors(tree: Tree, path: str) -> set[str]:
    found = (HEADING.match(line) for _, line in prose(tree.lines(path)))
    return {anchor_of(match.group(1)) for match in found if match}


def check(tree: Tree) -> Iterator[Finding]:
    known = set(tree.paths)
    folders = {posixpath.dirname(path) for path in known}
    folders |= {parent for folder in folders for parent in parents(folder)}
    for path in tree.with_suffix(".md"):
        for number, line in prose(tree.lines(path)):
            for target in LINK.findall(CODE.sub("", line)):
                if NETWORK.match(target):
                    continue
                name, _, anchor = target.partition("#")
                there = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
                there = path if not name else there
                if there not in known and there not in folders:
                    yield Finding(path, number, f"leads nowhere: {target}")
                elif anchor and there.endswith(".md") and anchor not in anchors(tree, there):
                    yield Finding(path, number, f"there is no such heading: {target}")


def parents(folder: str) -> Iterator[str]:
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


if __name__ == "__main__":
    sys.exit(run_linter(__doc__, check))
