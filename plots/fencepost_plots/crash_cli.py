# SPDX-License-Identifier: BSD-3-Clause
"""The command line of crash_page.py. Exit codes: 0 written, 2 usage or bad input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import crash_document, schema
from .schema import BadInput


def write(folder: Path) -> Path:
    """Writes crash.html beside crash.json: whole, or not at all."""
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    report = schema.read(folder / "crash.json", "crash")
    page = folder / "crash.html"
    part = folder / "crash.html.part"
    try:
        part.write_text(crash_document.page(report), encoding="utf-8")
        os.replace(part, page)
    except OSError as error:
        raise BadInput(f"{page}: {error.strerror}") from error
    return page


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="crash_page.py",
        description="Makes crash.html, a page for people, of a folder's crash.json.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="RESULT_DIR")
    try:
        for folder in parser.parse_args(argv).folders:
            print(write(folder))
    except BadInput as error:
        print(f"crash_page.py: {error}", file=sys.stderr)
        return 2
    return 0
