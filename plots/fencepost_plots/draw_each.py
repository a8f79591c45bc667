# SPDX-License-Identifier: BSD-3-Clause
"""The command line of a script that draws each path that it is given. Exit codes: 0 drawn, 2 usage
or bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

from . import style
from .schema import BadInput


def main(
    argv: Sequence[str],
    prog: str,
    description: str,
    metavar: str,
    draw: Callable[[Path], Sequence[Path]],
) -> int:
    """`draw` draws what a path is of, and returns what it has written."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("paths", nargs="+", type=Path, metavar=metavar)
    matplotlib.use("agg")
    try:
        with matplotlib.rc_context(style.RC):
            for path in parser.parse_args(argv).paths:
                for written in draw(path):
                    print(written)
    except BadInput as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 2
    return 0


def existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder")
    return folder
