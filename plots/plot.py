#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws the figures of result folders: plot.py RESULT_DIR... [-o OUT]."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from plots.fencepost_plots.cli import main
    except ImportError as error:
        print(
            f"plot.py: {error}; it needs python3-matplotlib, python3-pandas and "
            "python3-jsonschema, and Debian's own /usr/bin/python3",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
