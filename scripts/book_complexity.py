# SPDX-License-Identifier: BSD-3-Clause
"""How long the same small program is on each store's own interface, counted in its source.

The sources are harness/book/examples/; the test book.ExamplesDoTheSame builds and runs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent.parent / "harness/book/examples"

# What a call of the store's interface looks like.
INTERFACES = {
    "cmap": ("libpmemkv", r"\b(?:store|config)\.(\w+)\("),
    "rocksdb": (
        "RocksDB",
        r"(?:\bDB::|\b(?:store|all)->|\ball->(?:key|value)\(\)\.)(\w+)\(",
    ),
    "lmdb": ("LMDB", r"\b(mdb_(?!strerror)\w+)\("),
    "files": (
        "POSIX files",
        r"(?<![\w\".:])((?:open|close|read|rewind)dir|dirfd|mkdir|openat|close|read|write|fsync|"
        r"renameat)\(",
    ),
}


def code_lines(text: str) -> list[str]:
    """Lines that are neither blank nor a comment alone."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("//")]


def calls(text: str, pattern: str) -> list[str]:
    """The names called in the source, one for each place."""
    return [match.group(1) for line in code_lines(text) for match in re.finditer(pattern, line)]


def rows() -> Iterable[dict[str, Any]]:
    for name, (interface, pattern) in INTERFACES.items():
        text = (EXAMPLES / f"{name}.cc").read_text(encoding="utf-8")
        found = calls(text, pattern)
        yield {
            "engine": name,
            "interface": interface,
            "code_lines": len(code_lines(text)),
            "calls": len(found),
            "distinct_calls": len(set(found)),
            "names": " ".join(sorted(set(found))),
            "source": f"harness/book/examples/{name}.cc",
        }
