# SPDX-License-Identifier: BSD-3-Clause
"""Every source carries its licence in one of its first lines.

BSD-3-Clause, but for the Valgrind tool, which is under Valgrind's own GPL-2.0-or-later; the header
that programs include and the tests link nothing of Valgrind and are BSD-3-Clause again. Exempt are
formats without comments (JSON, CSV, pictures), prose, test data and results.
"""

import re
import sys
from collections.abc import Iterator

from tree import Finding, Tree, run_linter

EXEMPT_SUFFIXES = (".json", ".jsonl", ".csv", ".md", ".png", ".svg", ".hlog", "LICENSE")
EXEMPT_FOLDERS = re.compile(r"(^results/|/testdata/)")
SPDX = re.compile(r"SPDX-License-Identifier: (\S+)")
GPL_FOLDER = "faultinject/pmemcheck/"
NOT_GPL_FOLDERS = ("faultinject/pmemcheck/include/", "faultinject/pmemcheck/tests/")
FIRST_LINES = 3  # a script's interpreter comes before it


def licence_of(path: str) -> str:
    is_gpl = path.startswith(GPL_FOLDER) and not path.startswith(NOT_GPL_FOLDERS)
    return "GPL-2.0-or-later" if is_gpl else "BSD-3-Clause"


def check(tree: Tree) -> Iterator[Finding]:
    for path in tree.paths:
        if path.endswith(EXEMPT_SUFFIXES) or EXEMPT_FOLDERS.search(path):
            continue
        found = SPDX.search("\n".join(tree.lines(path)[:FIRST_LINES]))
        if found is None:
            yield Finding(path, 1, f"has no 'SPDX-License-Identifier: {licence_of(path)}' on top")
        elif found.group(1) != licence_of(path):
            yield Finding(path, 1, f"is under {found.group(1)}, must be {licence_of(path)}")


if __name__ == "__main__":
    sys.exit(run_linter(__doc__, check))
