# SPDX-License-Identifier: BSD-3-Clause
"""The house: which folder may include which, and that every source is built.

- engines/ includes nothing of ours but engines/; workloads/ and faultinject/ add how errors are
  told (engines/status.h, engines/system_error.h); harness/ may include all of them. Includes of
  ours are root-relative and exist.
- A C library's header is in no header of ours, so that an engine's library stays in its .cc; but
  for a header that is installed, which speaks of that library's types as its users do.
- Every .cc is named in a CMakeLists.txt: one that is not would be a test that never runs.
"""

import re
import sys
from collections.abc import Iterator

from tree import CPP_SUFFIXES, Finding, Tree, run_linter

# What the files of a folder may include of ours: prefixes of root-relative paths.
MAY_INCLUDE = {
    "engines": ("engines/",),
    "workloads": ("workloads/", "engines/status.h", "engines/system_error.h"),
    "faultinject": ("faultinject/", "engines/status.h", "engines/system_error.h"),
    "harness": ("harness/", "workloads/", "engines/", "faultinject/"),
}

# Installed, and included by nothing of ours but tests and what is behind it.
INSTALLED_HEADERS = "engines/cmap/pmemkv_api/include/"

LIBRARY_HEADER = re.compile(r"(libpmem|rocksdb/|lmdb\.h)")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def check(tree: Tree) -> Iterator[Finding]:
    for path in tree.with_suffix(*CPP_SUFFIXES):
        folder = path.split("/")[0]
        if folder not in MAY_INCLUDE:
            yield Finding(path, 1, f"no C++ in {folder}/: only in {', '.join(MAY_INCLUDE)}")
            continue
        for number, line in enumerate(tree.lines(path), start=1):
            if match := INCLUDE.match(line):
                for what in check_include(tree, path, folder, *match.groups()):
                    yield Finding(path, number, what)
        if path.endswith(".cc") and not is_in_cmake(tree, path, path.rpartition("/")[2]):
            yield Finding(path, 1, "is in no CMakeLists.txt of its folder or above: never built")


def check_include(tree: Tree, path: str, folder: str, quote: str, header: str) -> Iterator[str]:
    ours = header.startswith(tuple(f"{name}/" for name in MAY_INCLUDE))
    if ours and not header.startswith(MAY_INCLUDE[folder]):
        yield f"{folder}/ may not include {header} (it may: {', '.join(MAY_INCLUDE[folder])})"
    if quote == '"' and not (ours and (tree.root / header).is_file()):
        # A header that CMake writes lies in the build folder, and is named where it is written.
        if not is_in_cmake(tree, path, header):
            yield f'"{header}" is no root-relative path of ours; a library\'s header is in <>'
    installed = path.startswith(INSTALLED_HEADERS)
    if path.endswith(".h") and not installed and LIBRARY_HEADER.match(header):
        yield f"{header}: a C library's header is included in a .cc only"


def is_in_cmake(tree: Tree, path: str, name: str) -> bool:
    """Whether a CMakeLists.txt of the folder of `path` or above names the file `name`."""
    parts = path.split("/")[:-1]
    word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])")
    for depth in range(len(parts) + 1):
        cmake = "/".join([*parts[:depth], "CMakeLists.txt"])
        if (tree.root / cmake).is_file() and word.search("\n".join(tree.lines(cmake))):
            return True
    return False


if __name__ == "__main__":
    sys.exit(run_linter(__doc__, check))
