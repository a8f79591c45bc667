# SPDX-License-Identifier: BSD-3-Clause
"""The command line of book.py. Exit codes: 0 drawn, 2 usage or bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from . import book_latency, book_page, book_paths, book_pyramid, book_tables, page, style
from .schema import BadInput


def _draw(folder: Path) -> list[Path]:
    book = book_tables.read(folder)
    pages = [
        book_pyramid.draw(book),
        *book_paths.draw(book),
        *book_latency.draw(book),
    ]
    files = [path for one in pages for path in page.save(one, folder / "figures")]
    target = folder / "book.html"
    try:
        target.write_text(book_page.document(book, folder / "figures"), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{target}: {error.strerror}") from error
    return [*files, target]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="book.py",
        description="Draws the CSV files of scripts/reproduce_book.sh into figures/ and book.html.",
    )
    parser.add_argument("folder", type=Path, metavar="RESULT_DIR")
    matplotlib.use("agg")
    try:
        with matplotlib.rc_context(style.RC):
            for path in _draw(parser.parse_args(argv).folder):
                print(path)
    except BadInput as error:
        print(f"book.py: {error}", file=sys.stderr)
        return 2
    return 0
