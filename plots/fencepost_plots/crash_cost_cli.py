# SPDX-License-Identifier: BSD-3-Clause
"""The command line of crash_cost.py. Exit codes: 0 drawn, 2 usage or bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from . import crash_cost, crash_cost_table, page, style
from .schema import BadInput


def _draw(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    frame = crash_cost_table.read(folder / crash_cost_table.NAME)
    fits = crash_cost_table.read_fits(folder / crash_cost_table.FIT_NAME)
    return page.save(crash_cost.draw(frame, fits), folder / "figures")


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="crash_cost.py",
        description=f"Draws a folder's {crash_cost_table.NAME}, as PNG and SVG, into its figures/.",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="RESULT_DIR")
    matplotlib.use("agg")
    try:
        with matplotlib.rc_context(style.RC):
            for folder in parser.parse_args(argv).folders:
                for path in _draw(folder):
                    print(path)
    except BadInput as error:
        print(f"crash_cost.py: {error}", file=sys.stderr)
        return 2
    return 0
