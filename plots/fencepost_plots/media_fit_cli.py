# SPDX-License-Identifier: BSD-3-Clause
"""The command line of media_fit.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import draw_each, media_fit, page, schema


def _draw(file: Path) -> list[Path]:
    document = schema.read(file, "media_fit")
    return page.save(media_fit.draw(document), file.parent / "figures")


def main(argv: Sequence[str]) -> int:
    what = (
        "Draws what `fencepost media --fit --json` printed, as PNG and SVG, into figures/ "
        "beside it."
    )
    return draw_each.main(argv, "media_fit.py", what, "FILE", _draw)
