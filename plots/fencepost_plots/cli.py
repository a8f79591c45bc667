# SPDX-License-Identifier: BSD-3-Clause
"""The command line of plot.py. Exit codes: 0 drawn, 2 usage or bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from . import page, style
from .figures import FIGURES
from .load import load
from .schema import BadInput


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    table = "\n".join(f"  {row.name:<12}{row.description}" for row in FIGURES)
    parser = argparse.ArgumentParser(
        prog="plot.py",
        description="Draws figures from Fencepost results, as PNG and SVG.",
        epilog=f"figures:\n{table}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="RESULT_DIR",
        help="folder with bench.json or summary.json in it or below it",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        help="where to draw all folders together; without it each is drawn into its own figures/",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[row.name for row in FIGURES],
        help="draw only this figure; may be repeated",
    )
    return parser.parse_args(argv)


def _draw(folders: Sequence[Path], out: Path, only: Sequence[str] | None) -> None:
    dataset = load(folders)
    for note in dataset.notes:
        print(f"plot.py: note: {note}")
    count = 0
    for row in FIGURES:
        if only and row.name not in only:
            continue
        for drawn in row.draw(dataset):
            page.save(drawn, out)
            count += 1
    if count == 0:
        raise BadInput(f"{', '.join(map(str, folders))}: nothing to draw")
    print(f"{count} figure{'' if count == 1 else 's'}, PNG and SVG, in {out}")


def main(argv: Sequence[str]) -> int:
    arguments = _arguments(argv)
    matplotlib.use("agg")
    try:
        with matplotlib.rc_context(style.RC):
            if arguments.out is not None:
                _draw(arguments.folders, arguments.out, arguments.only)
            else:
                for folder in arguments.folders:
                    _draw([folder], folder / "figures", arguments.only)
    except BadInput as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
