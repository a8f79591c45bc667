# SPDX-License-Identifier: BSD-3-Clause
"""Get and put by engine: median latency by size of value, one thread, each medium a panel."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import lines, page, style
from .book_paths import ENGINES
from .book_pyramid import size_text
from .book_tables import Book, Row
from .page import Page

PERSISTENT = "cmap"
_OPERATIONS = (("get", "get of a pair that is there"), ("put", "update, until durable"))


def rows_of(book: Book, operation: str, threads: str, kind: str = "measured") -> list[Row]:
    return [
        row
        for row in book["latency"]
        if (row["operation"], row["threads"], row["kind"]) == (operation, threads, kind)
    ]


def on_own_medium(row: Row) -> bool:
    """Files on the disk, and the persistent map on what stands for its medium."""
    return row["engine"] == PERSISTENT or row["medium"] != "tmpfs"


def _panel(axes: Any, rows: list[Row], own: bool) -> None:
    looks = style.looks(ENGINES)
    for name, look in looks.items():
        members = sorted(
            (
                r
                for r in rows
                if r["engine"] == name
                and (r["medium"] == "tmpfs" or own)
                and (not own or on_own_medium(r))
            ),
            key=lambda row: int(row["value_bytes"]),
        )
        if not members:
            continue
        sizes = [int(row["value_bytes"]) for row in members]
        middle = [float(row["p50_ns"]) for row in members]
        axes.plot(sizes, middle, color=look.color, ls=look.dashes, marker=look.marker, zorder=3)
        if all(row["p50_low_ns"] and row["p50_high_ns"] for row in members):
            low = [m - float(row["p50_low_ns"]) for m, row in zip(middle, members)]
            high = [float(row["p50_high_ns"]) - m for m, row in zip(middle, members)]
            axes.errorbar(
                sizes,
                middle,
                yerr=[low, high],
                fmt="none",
                ecolor=look.color,
                elinewidth=0.8,
                capsize=2,
            )
    sizes = sorted({int(row["value_bytes"]) for row in rows})
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))
    axes.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    axes.grid(True)


def _cold(axes: Any, book: Book) -> None:
    looks = style.looks(ENGINES)
    for row in book["cold"]:
        look = looks[row["engine"]]
        if row["evicted"] == "yes":
            axes.plot(
                [int(row["value_bytes"])],
                [float(row["cold_ns"])],
                ls="none",
                marker=look.marker,
                color=look.color,
                mfc="white",
                ms=5,
                zorder=4,
            )


def draw(book: Book) -> Page:
    looks = style.looks(ENGINES)
    handles: list[Any] = [
        Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, label=name)
        for name, look in looks.items()
    ]
    handles.append(
        Line2D(
            [],
            [],
            color="#404040",
            marker="o",
            mfc="white",
            ms=5,
            ls="none",
            label="first get after opening, page cache cold",
        )
    )
    figure, grid = page.frame(
        "Get and put, 1 thread, every write durable at power loss: median latency",
        (2, 2),
        (style.PAGE_IN, 2.2),
        handles,
        [
            book.footer,
            "measured, none modelled · left: files on the disk through the page cache, cmap on "
            "tmpfs (DRAM in its place) · right: all on tmpfs, where a file's sync is "
            "free: the software's share · values verified · whiskers: interval of the repeats",
        ],
        sharey="row",
    )
    for pair, (operation, text) in zip(grid, _OPERATIONS):
        rows = rows_of(book, operation, "1")
        for axes, own in zip(pair, (True, False)):
            _panel(axes, rows, own)
            where = "each on its own medium" if own else "all on tmpfs"
            axes.set_title(f"{text} · {where}", loc="left", size=style.SMALL_PT)
            axes.set_xlabel("size of the value (log)")
        if operation == "get":
            _cold(pair[0], book)
        lines.log_axis(pair[0], style.duration)
        pair[0].set_ylabel("median latency (log)")
    return Page("performance", figure)
