#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks result folders against results/schema: validate.py RESULT_DIR...

One line a violation on standard error. Exit codes: 0 valid, 1 a violation, 2 usage or nothing to
check.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from plots.fencepost_plots.validation import main
    except ImportError as error:
        print(
            f"validate.py: {error}; it needs python3-pandas and python3-jsonschema, and Debian's "
            "own /usr/bin/python3",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
