# SPDX-License-Identifier: BSD-3-Clause
"""The pyramid: measured latencies over the published bands, and a load by the size of its set."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator

from . import page, style
from .book_tables import Book, Row, confidence_text, has_interval
from .page import Page

_BAND = "#cfe3f1"
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#595959"

# From the top of the pyramid: a row's text, its band's level, the points that belong to it.
_ROWS = (
    ("registers", "register", ("register",)),
    ("caches", "cache", ("l1", "l2", "l3")),
    ("DRAM", "dram", ("dram",)),
    ("persistent memory", "pmem", ("pmem-load", "pmem-persist")),
    ("page cache, 4 KiB", "", ("page-cache-read",)),
    ("SSD, or this disk: 4 KiB", "ssd", ("block-read", "sync")),
    ("hard disk", "disk", ()),
    ("tape", "tape", ()),
)
_SHORT = {
    "l1": "L1",
    "l2": "L2",
    "l3": "L3",
    "pmem-load": "load*",
    "pmem-persist": "store+CLWB+SFENCE*",
    "page-cache-read": "read",
    "block-read": "O_DIRECT read",
    "sync": "write+fdatasync",
    "register": "",
    "dram": "",
}


def _points(axes: Any, y: float, rows: list[Row]) -> None:
    for number, row in enumerate(sorted(rows, key=lambda one: float(one["latency_ns"]))):
        ns = float(row["latency_ns"])
        modelled = row["kind"] == "modelled"
        color = _ORANGE if modelled else _BLUE
        if has_interval(row):
            ends = [float(row["low_ns"]), float(row["high_ns"])]
            axes.plot(ends, [y, y], color=color, lw=2.5, solid_capstyle="butt", zorder=3)
        axes.plot(
            [ns], [y], marker="s" if modelled else "o", color=color, ms=5, ls="none", zorder=4
        )
        text = f"{_SHORT[row['point']]} {style.duration(ns)}".strip()
        # Turn about, so that neighbours do not write over each other.
        above = number % 2 == 0
        axes.annotate(
            text,
            (ns, y),
            (0, 6 if above else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            size=style.SMALL_PT,
            zorder=6,
        )


def _pyramid(axes: Any, book: Book) -> None:
    for index, (_, level, names) in enumerate(_ROWS):
        y = len(_ROWS) - 1 - index
        for band in book["published"]:
            if band["level"] != level:
                continue
            low, high = float(band["low_ns"]), float(band["high_ns"])
            if band["kind"] == "band":
                # A band of one value is drawn wide enough to be seen.
                left, right = (low, high) if high > low else (low / 1.25, high * 1.25)
                axes.barh(y, right - left, left=left, height=0.78, color=_BAND, zorder=1)
            else:
                middle = (low * high) ** 0.5
                axes.plot([middle], [y], marker="|", ms=9, mew=1.3, color=_GREY, zorder=2)
        _points(axes, y, [row for row in book["pyramid"] if row["point"] in names])
    axes.set_yticks(range(len(_ROWS)), [row[0] for row in reversed(_ROWS)])
    axes.set_ylim(-0.6, len(_ROWS) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_xscale("log")
    axes.set_xlim(0.05, 4e8)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.duration(value)))
    axes.set_xlabel("latency of one access (log)")
    axes.grid(True, axis="x")


def _curve(axes: Any, book: Book) -> None:
    rows = [row for row in book["pyramid"] if row["point"] == "curve"]
    sizes = [float(row["set_bytes"]) for row in rows]
    axes.plot(
        sizes, [float(row["latency_ns"]) for row in rows], color=_BLUE, marker="o", ms=3, zorder=3
    )
    for name in ("l1", "l2", "l3", "dram"):
        for row in book["pyramid"]:
            if row["point"] == name:
                axes.axvline(float(row["set_bytes"]), color=_GREY, lw=0.7, ls=(0, (2, 2)))
                axes.annotate(
                    name.upper(),
                    (float(row["set_bytes"]), 0),
                    (-2, 3),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    ha="right",
                    va="bottom",
                    size=style.SMALL_PT,
                    color=_GREY,
                )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=16, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: style.duration(value)))
    axes.set_xlabel(
        "size of the set that is chased (log); dashed: where the levels above are taken"
    )
    axes.set_ylabel("one load (log)")
    axes.grid(True)


def size_text(value: float) -> str:
    for factor, suffix in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= factor:
            return f"{value / factor:g} {suffix}"
    return f"{value:g} B"


def draw(book: Book) -> Page:
    level = confidence_text(row for row in book["pyramid"] if row["point"] != "curve")
    bar = f"measured here (bar: {level} interval)" if level else "measured here"
    handles = [
        Line2D([], [], color=_BLUE, marker="o", lw=2.5, label=bar),
        Patch(color=_BAND, label="published: the book's estimates"),
        Line2D(
            [], [], color=_GREY, marker="|", ms=6, mew=1.3, ls="none", label="published: others"
        ),
    ]
    if any(row["kind"] == "modelled" for row in book["pyramid"]):
        handles.append(Line2D([], [], color=_ORANGE, marker="s", ls="none", label="modelled"))
    notes = []
    if any(r["point"].startswith("pmem") and r["medium"] == "tmpfs" for r in book["pyramid"]):
        notes.append("* on tmpfs: DRAM in the place of persistent memory, not persistent memory")
    notes.append("a virtual disk's reads and syncs may end in the host's cache")
    notes.append("others: FAST 2020 (Optane, DRAM), AnandTech 2017 (SSDs)")
    figure, grid = page.frame(
        "The memory and storage hierarchy: measured points over published latencies",
        (2, 1),
        (style.PAGE_IN, 2.7),
        handles,
        [book.footer, " · ".join(notes)],
        height_ratios=(2.2, 1),
    )
    _pyramid(grid[0][0], book)
    _curve(grid[1][0], book)
    return Page("pyramid", figure)
