# SPDX-License-Identifier: BSD-3-Clause
"""The command line of media_fit.py. Exit codes: 0 drawn, 2 usage or bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

from . import media_fit, page, schema, style
from .schema import BadInput


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="media_fit.py",
        description="Draws what `fencepost media --fit --json` printed, as PNG and SVG, into "
        "figures/ beside it.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    matplotlib.use("agg")
    try:
        with matplotlib.rc_context(style.RC):
            for file in parser.parse_args(argv).files:
                document = schema.read(file, "media_fit")
                for path in page.save(media_fit.draw(document), file.parent / "figures"):
                    print(path)
    except BadInput as error:
        print(f"media_fit.py: {error}", file=sys.stderr)
        return 2
    return 0
