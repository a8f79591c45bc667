#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes a page for people of each campaign of crashes: crash_page.py RESULT_DIR..."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from plots.fencepost_plots.crash_cli import main
    except ImportError as error:
        print(
            f"crash_page.py: {error}; it needs python3-jsonschema, and Debian's own "
            "/usr/bin/python3",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
