# SPDX-License-Identifier: BSD-3-Clause
"""The command line of crash_cost.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import crash_cost, crash_cost_table, draw_each, page


def _draw(folder: Path) -> list[Path]:
    frame = crash_cost_table.read(draw_each.existing(folder) / crash_cost_table.NAME)
    fits = crash_cost_table.read_fits(folder / crash_cost_table.FIT_NAME)
    return page.save(crash_cost.draw(frame, fits), folder / "figures")


def main(argv: Sequence[str]) -> int:
    what = f"Draws a folder's {crash_cost_table.NAME}, as PNG and SVG, into its figures/."
    return draw_each.main(argv, "crash_cost.py", what, "RESULT_DIR", _draw)
