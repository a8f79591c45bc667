# SPDX-License-Identifier: BSD-3-Clause
"""The command line of validate.py: every violation in a tree of results, one a line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import campaign_cost, crash_cost_table, schema, timeline
from .schema import BadInput


def _files(roots: Sequence[Path], name: str) -> list[Path]:
    return list(dict.fromkeys(path for root in roots for path in sorted(root.rglob(name))))


def _document(path: Path, document: str) -> Iterator[str]:
    try:
        value = schema.parse(path)
    except BadInput as error:
        yield str(error)
        return
    for violation in schema.violations(document, value):
        yield f"{path}: {violation}"
    owner = {"bench": "bench_id", "comparison": "comparison_id"}.get(document, "run_id")
    if isinstance(value, dict) and value.get(owner, path.parent.name) != path.parent.name:
        yield f"{path}: {owner}: '{value[owner]}' is in folder '{path.parent.name}'"


def check(roots: Sequence[Path]) -> tuple[int, list[str]]:
    """How many files there were to check, and what is wrong with them."""
    count = 0
    found: list[str] = []
    for document in (*schema.DOCUMENTS, *schema.DERIVED):
        for path in _files(roots, f"{document}.json"):
            count += 1
            found += _document(path, document)
    for name, read in (
        ("intervals.csv", timeline.read),
        (crash_cost_table.NAME, crash_cost_table.read),
        (campaign_cost.NAME, campaign_cost.read),
    ):
        for path in _files(roots, name):
            count += 1
            try:
                read(path)
            except BadInput as error:
                found.append(str(error))
    for name, partner in (("summary", "manifest"), ("manifest", "summary")):
        for path in _files(roots, f"{name}.json"):
            if not path.with_name(f"{partner}.json").is_file():
                found.append(f"{path.parent}: {name}.json without {partner}.json")
    return count, found


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="validate.py", description="Checks result folders against results/schema."
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="RESULT_DIR")
    folders = parser.parse_args(argv).folders
    for folder in folders:
        if not folder.is_dir():
            print(f"validate.py: {folder}: no such folder", file=sys.stderr)
            return 2
    try:
        count, found = check(folders)
    except BadInput as error:  # a schema of ours is missing or broken
        print(f"validate.py: {error}", file=sys.stderr)
        return 2
    if count == 0:
        names = ", ".join(map(str, folders))
        print(f"validate.py: {names}: no results below", file=sys.stderr)
        return 2
    for line in found:
        print(f"validate.py: {line}", file=sys.stderr)
    if not found:
        print(f"{count} files valid")
    return 1 if found else 0
