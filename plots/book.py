#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what scripts/reproduce_book.sh measured, and makes its page: book.py RESULT_DIR"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from plots.fencepost_plots.book_cli import main
    except ImportError as error:
        print(
            f"book.py: {error}; it needs python3-matplotlib and Debian's own /usr/bin/python3",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
