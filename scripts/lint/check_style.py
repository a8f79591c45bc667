# SPDX-License-Identifier: BSD-3-Clause
"""What no compiler and no formatter sees: long files, a README that outgrew one screen, things left
for later, code in comments.

The test for commented-out code is light on purpose: a comment line that ends like a C++ statement,
or starts like a Python one. An example in a comment is indented by four and is not touched.
"""

import re
import sys
from collections.abc import Iterator

from tree import CPP_SUFFIXES, Finding, Tree, run_linter

SOURCE_SUFFIXES = (*CPP_SUFFIXES, ".py", ".sh", ".bash", ".cmake", "CMakeLists.txt")
LINES_MAX = 600  # aim for 500
README_LINES_MAX = 80  # one screen; what is longer goes to docs/

# In two halves, so that this file does not find itself.
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
CPP_COMMENTED_OUT = re.compile(r"^\s*// ?(?! )(?=.*[=(])[\w:<>*&.,()\[\]\-+!=\"' ]+;$")
PYTHON_COMMENTED_OUT = re.compile(
    r"^\s*# ?(?! )(import \w+$|from [\w.]+ import |print\(|def \w+\()"
)


def check(tree: Tree) -> Iterator[Finding]:
    if "README.md" in tree.paths and len(tree.lines("README.md")) > README_LINES_MAX:
        yield Finding("README.md", README_LINES_MAX, f"over {README_LINES_MAX} lines: see docs/")
    for path in tree.with_suffix(*SOURCE_SUFFIXES):
        lines = tree.lines(path)
        if len(lines) > LINES_MAX:
            yield Finding(path, LINES_MAX, f"{len(lines)} lines, at most {LINES_MAX}: split it")
        for number, line in enumerate(lines, start=1):
            for what in check_line(path, line):
                yield Finding(path, number, what)


def check_line(path: str, line: str) -> Iterator[str]:
    if found := LATER.search(line):
        yield f"{found.group()}: do it, or open an issue"
    if "\t" in line:
        yield "a tab; indent with blanks"
    if line != line.rstrip():
        yield "blanks at the end of the line"
    commented_out = CPP_COMMENTED_OUT if path.endswith(CPP_SUFFIXES) else PYTHON_COMMENTED_OUT
    if path.endswith((*CPP_SUFFIXES, ".py")) and commented_out.match(line):
        yield "commented-out code; git remembers it"


if __name__ == "__main__":
    sys.exit(run_linter(__doc__, check))
