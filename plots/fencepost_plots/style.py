# SPDX-License-Identifier: BSD-3-Clause
"""How things look: one table of engines, the fonts, and how numbers are written.

Colours are Okabe and Ito's (Color Universal Design, 2008), which remain distinct to colour-blind
readers; hatches, markers and dashes say the same again in greyscale.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable
from typing import Any

FONT_PT = 8
SMALL_PT = 7  # nothing is smaller
COLUMN_IN = 3.5  # one column of a two-column paper
PAGE_IN = 7.0  # both

FLOOR_ENGINE = "blackhole"
FLOOR_COLOR = "#404040"
FLOOR_DASHES = (0, (1.2, 1.2))


@dataclasses.dataclass(frozen=True)
class Look:
    color: str
    marker: str
    dashes: Any  # matplotlib's linestyle
    hatch: str


# The engines that have a fixed look, in the order in which they are drawn.
LOOKS = {
    "cmap": Look("#0072B2", "o", "-", ""),
    "filestore": Look("#E69F00", "s", (0, (5, 1.5)), "////"),
    "rocksdb": Look("#009E73", "^", (0, (6, 1.5, 1, 1.5)), "xxx"),
    "lmdb": Look("#CC79A7", "D", (0, (2.5, 1)), "..."),
    "pmemkv": Look("#56B4E9", "v", (0, (8, 2)), "\\\\\\\\"),
    FLOOR_ENGINE: Look(FLOOR_COLOR, "", FLOOR_DASHES, ""),
}

# Any other engine gets one of these by its name. Neighbours differ in everything.
_SPARE_COLORS = ("#D55E00", "#999999", "#F0E442")
_SPARE_DASHES = ((0, (4, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (10, 1.5)))
_SPARE_MARKERS = ("P", "X", "*", "<")
_SPARE_HATCHES = ("++", "oo", "--", "||")
_SPARE = tuple(
    Look(_SPARE_COLORS[i % 3], _SPARE_MARKERS[i % 4], _SPARE_DASHES[i % 3], _SPARE_HATCHES[i % 4])
    for i in range(12)
)

RC = {
    "font.family": "DejaVu Sans",
    "font.size": FONT_PT,
    "axes.titlesize": FONT_PT,
    "axes.labelsize": FONT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#d0d0d0",
    "grid.linewidth": 0.4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",  # text stays text: searchable, and set in the reader's font
    "svg.hashsalt": "fencepost",  # the same data gives the same file
    "text.parse_math": False,  # a name may hold a dollar sign
}


def looks(engines: Iterable[str]) -> dict[str, Look]:
    """A look for each engine, in drawing order. Depends on the set of names only."""
    names = set(engines)
    chosen = {name: look for name, look in LOOKS.items() if name in names}
    for name in sorted(names - set(LOOKS)):
        start = zlib.crc32(name.encode()) % len(_SPARE)
        turned = _SPARE[start:] + _SPARE[:start]
        chosen[name] = next((look for look in turned if look not in chosen.values()), turned[0])
    return chosen


def engineering(value: float) -> str:
    """1234567 -> "1.23M": three digits, as on a bar."""
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * 0.9995:
            return f"{value / factor:.3g}{suffix}"
    return f"{value:.3g}"


def duration(value_ns: float) -> str:
    """25000 -> "25 µs"."""
    for factor, suffix in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(value_ns) >= factor * 0.9995:
            return f"{value_ns / factor:.3g} {suffix}"
    return f"{value_ns:.3g} ns"
