#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what dividing explorations costs: campaign_cost.py RESULT_DIR..."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from plots.fencepost_plots.campaign_cost import main
    except ImportError as error:
        print(
            f"campaign_cost.py: {error}; it needs python3-matplotlib, python3-pandas and "
            "python3-jsonschema, and Debian's own /usr/bin/python3",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(sys.argv[1:]))
