# SPDX-License-Identifier: BSD-3-Clause
"""What dividing an exploration costs, campaign_cost.csv of scripts/campaign_cost.sh: time against
that of one process, time to put parts together, and bytes of parts, by the number of shards.

Invariants: there is a row, each (engine, operations, shards) has one, and what goes onto a
logarithmic axis is above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import draw_each, footer, lines, page, style, table
from .page import Page
from .schema import BadInput

NAME = "campaign_cost.csv"
COLUMNS = (
    "engine",
    "operations",
    "shards",
    "rounds",
    "whole_s",
    "campaign_s",
    "campaign_min_s",
    "campaign_max_s",
    "overhead",
    "merge_s",
    "part_bytes",
    "states",
    "measured_utc",
    "commit",
    "machine",
)
_TEXT = ("engine", "measured_utc", "commit", "machine")
_POSITIVE = ("shards", "whole_s", "campaign_min_s", "campaign_s", "merge_s", "part_bytes")
_HEIGHT_IN = 2.2


def read(path: Path) -> Any:
    """The costs in `path` as a data frame. BadInput names the file and the first wrong column."""
    frame = table.read(path, COLUMNS, text=_TEXT)
    if len(frame) == 0:
        raise BadInput(f"{path}: no campaign was measured")
    for column in _POSITIVE:
        for row in frame.index[~(frame[column] > 0)]:
            raise BadInput(
                f"{path}: {column}, line {row + 2}: '{frame[column][row]:g}' is not above 0"
            )
    if frame.duplicated(["engine", "operations", "shards"]).any():
        raise BadInput(f"{path}: an engine's number of shards is there twice")
    return frame.sort_values(["engine", "shards"])


def _draw_engine(panels: Any, frame: Any, look: style.Look) -> None:
    times, merges, sizes = panels
    shards = frame["shards"]
    spread = [frame["campaign_s"] - frame["campaign_min_s"]]
    spread.append(frame["campaign_max_s"] - frame["campaign_s"])
    drawn = {"color": look.color, "ls": look.dashes, "marker": look.marker}
    times.errorbar(shards, frame["campaign_s"], yerr=spread, capsize=2.5, **drawn)
    times.plot(shards, frame["whole_s"], color=look.color, ls=style.FLOOR_DASHES, lw=0.9)
    merges.plot(shards, frame["merge_s"], **drawn)
    sizes.plot(shards, frame["part_bytes"], **drawn)


def draw(frame: Any) -> Page:
    """One page of three panels, a line an engine."""
    # Of each engine the largest: the others are there for the fit.
    frame = frame[frame["operations"] == frame.groupby("engine")["operations"].transform("max")]
    engines = list(dict.fromkeys(frame["engine"]))
    handles = []
    for engine in engines:
        look = style.LOOKS[engine]
        operations = ", ".join(
            f"{n:g}" for n in sorted(set(frame[frame["engine"] == engine]["operations"]))
        )
        text = f"{engine}, {operations} operations"
        handles.append(
            Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, label=text)
        )
    whole = Line2D(
        [], [], color="black", ls=style.FLOOR_DASHES, label="one process, one recovery at a time"
    )
    dates = sorted({text[:10] for text in frame["measured_utc"]})
    rounds = ", ".join(f"{n:g}" for n in sorted(set(frame["rounds"])))
    where = [
        f"measured {dates[0]}" if len(dates) == 1 else f"measured {dates[0]} to {dates[-1]}",
        f"commit {', '.join(sorted({text[:12] for text in frame['commit']}))}",
        f"machine: {', '.join(sorted(set(frame['machine'])))}",
        "crash-mixed; one worker; from the start to the report, the recording included",
        f"medians of {rounds}, whiskers: least and most",
    ]
    figure, grid = page.frame(
        "What dividing an exploration into shards costs",
        (1, 3),
        (style.PAGE_IN, _HEIGHT_IN),
        [*handles, whole],
        [footer.SEPARATOR.join(where)],
    )
    panels = grid[0]
    for engine in engines:
        _draw_engine(panels, frame[frame["engine"] == engine], style.LOOKS[engine])
    labels = ("campaign, seconds", "put together, seconds (log)", "bytes of all parts (log)")
    shards = sorted(set(frame["shards"]))
    for axes, label in zip(panels, labels):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(shards))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("shards (log)")
        axes.set_ylabel(label)
        axes.grid(True)
    panels[0].set_ylim(bottom=0)
    for axes in panels[1:]:
        lines.log_axis(axes, style.engineering)
    return Page("campaign-cost", figure)


def _draw_folder(folder: Path) -> list[Path]:
    return page.save(draw(read(draw_each.existing(folder) / NAME)), folder / "figures")


def main(argv: Sequence[str]) -> int:
    what = f"Draws a folder's {NAME}, as PNG and SVG, into its figures/."
    return draw_each.main(argv, "campaign_cost.py", what, "RESULT_DIR", _draw_folder)
