# SPDX-License-Identifier: BSD-3-Clause
"""Get and put by engine: median latency by size of value, one thread, each medium a panel. One page
of what was measured, and one of what was modelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from . import book_injection, lines, page, style
from .book_paths import ENGINES
from .book_pyramid import size_text
from .book_tables import Book, Row, confidence_text, has_interval
from .page import Page

PERSISTENT = "cmap"
_RING: dict[str, Any] = {"marker": "o", "mfc": "none", "mec": "#404040", "ms": 10, "ls": "none"}
_OPERATIONS = (("get", "get of a pair that is there"), ("put", "update, until durable"))


def measured(row: Row) -> bool:
    return row["kind"] == "measured"


def on_own_medium(row: Row) -> bool:
    """Files on the disk, and the persistent map on what stands for its medium."""
    return measured(row) and (row["engine"] == PERSISTENT or row["medium"] != "tmpfs")


def on_tmpfs(row: Row) -> bool:
    return measured(row) and row["medium"] == "tmpfs"


def modelled_on(device: str) -> Callable[[Row], bool]:
    """Files on a device that is modelled, and the persistent map on modelled Optane modules."""

    def wanted(row: Row) -> bool:
        own = "optane" if row["engine"] == PERSISTENT else device
        return not measured(row) and row["medium"] == f"{own}-modelled"

    return wanted


def _whiskers(axes: Any, members: Sequence[Row], color: str) -> None:
    rows = [row for row in members if has_interval(row, "p50_")]
    if not rows:
        return
    middle = [float(row["p50_ns"]) for row in rows]
    low = [m - float(row["p50_low_ns"]) for m, row in zip(middle, rows)]
    high = [float(row["p50_high_ns"]) - m for m, row in zip(middle, rows)]
    axes.errorbar(
        [int(row["value_bytes"]) for row in rows],
        middle,
        yerr=[low, high],
        fmt="none",
        ecolor=color,
        elinewidth=0.8,
        capsize=2,
    )


def _panel(axes: Any, book: Book, operation: str, wanted: Callable[[Row], bool]) -> None:
    rows = [
        row
        for row in book["latency"]
        if (row["operation"], row["threads"]) == (operation, "1") and wanted(row)
    ]
    for name, look in style.looks(ENGINES).items():
        members = sorted(
            (row for row in rows if row["engine"] == name),
            key=lambda row: int(row["value_bytes"]),
        )
        if not members:
            continue
        sizes = [int(row["value_bytes"]) for row in members]
        middle = [float(row["p50_ns"]) for row in members]
        axes.plot(sizes, middle, color=look.color, ls=look.dashes, marker=look.marker, zorder=3)
        _whiskers(axes, members, look.color)
        ringed = [row for row in members if book_injection.coarse(row)]
        axes.plot(
            [int(row["value_bytes"]) for row in ringed],
            [float(row["p50_ns"]) for row in ringed],
            **_RING,
        )
    sizes = sorted({int(row["value_bytes"]) for row in rows})
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))
    axes.set_xlim(sizes[0] / 1.5, sizes[-1] * 1.5)
    axes.grid(True)


def evicted(book: Book) -> list[Row]:
    """The first gets that are drawn: of files, which can be evicted from the page cache."""
    return [row for row in book["cold"] if row["evicted"] == "yes"]


def _cold(axes: Any, book: Book) -> None:
    looks = style.looks(ENGINES)
    for row in evicted(book):
        look = looks[row["engine"]]
        for name, marker, size in (("cold_ns", look.marker, 5), ("reopened_ns", "_", 7)):
            axes.plot(
                [int(row["value_bytes"])],
                [float(row[name])],
                ls="none",
                marker=marker,
                color=look.color,
                mfc="white",
                ms=size,
                zorder=4,
            )


def pairs_text(rows: Iterable[Row]) -> str:
    """How many pairs the latencies are of: "100,000 pairs of 64 B, 20,000 of 1 KiB"."""
    sizes = {int(row["value_bytes"]): int(row["pairs"]) for row in rows}
    if len(sizes) > 1 and len(set(sizes.values())) == 1:
        return f"{next(iter(sizes.values())):,} pairs of each size"
    words = [f"{pairs:,} of {size_text(size)}" for size, pairs in sorted(sizes.items())]
    return ", ".join(words).replace(" of", " pairs of", 1)


def _shown(row: Row) -> bool:
    return row["threads"] == "1" and row["operation"] in dict(_OPERATIONS)


def whiskers_text(rows: Iterable[Row]) -> str:
    """What a whisker is, of rows with an interval, or why there is none."""
    bars = [row for row in rows if has_interval(row, "p50_")]
    if not bars:
        return "no whiskers: one run each"
    repeats = " or ".join(sorted({row["repeats"] for row in bars}))
    return f"whiskers: {confidence_text(bars)} interval of the median of {repeats} repeats"


def _page(
    name: str,
    title: str,
    book: Book,
    columns: Sequence[tuple[str, Callable[[Row], bool]]],
    notes: str,
    more: Sequence[Any] = (),
) -> tuple[Page, Any]:
    """The page, and its panels: a row for gets and one for updates, a column for each given."""
    handles: list[Any] = [
        Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, label=engine)
        for engine, look in style.looks(ENGINES).items()
    ]
    figure, grid = page.frame(
        title,
        (len(_OPERATIONS), len(columns)),
        (style.PAGE_IN, 2.2),
        [*handles, *more],
        [book.footer, notes],
        sharey="row",
    )
    for panels, (operation, text) in zip(grid, _OPERATIONS):
        for axes, (where, wanted) in zip(panels, columns):
            _panel(axes, book, operation, wanted)
            axes.set_title(f"{text} · {where}", loc="left", size=style.SMALL_PT)
            axes.set_xlabel("size of the value (log)")
        lines.log_axis(panels[0], style.duration)
        panels[0].set_ylabel("median latency (log)")
    return Page(name, figure), grid


def draw_measured(book: Book) -> Page:
    grey: dict[str, Any] = {"color": "#404040", "ls": "none"}
    rows = [row for row in book["latency"] if measured(row) and _shown(row)]
    cold = Line2D([], [], marker="o", mfc="white", ms=5, label="first get, files evicted", **grey)
    warm = Line2D([], [], marker="_", ms=7, label="first get, not evicted", **grey)
    drawn, grid = _page(
        "performance",
        "Get and put, 1 thread, with the syncs or flushes that power loss takes: median latency",
        book,
        (("each on its own medium", on_own_medium), ("all on tmpfs", on_tmpfs)),
        f"measured, none modelled · {pairs_text(rows)}; first gets: {pairs_text(evicted(book))} · "
        "left: files on the disk through the page cache, cmap on tmpfs (DRAM in its place) · "
        "right: all on tmpfs, where a file's sync is free and nothing survives: the software's "
        f"share · {whiskers_text(rows)}",
        [cold, warm],
    )
    _cold(grid[0][0], book)
    lines.log_axis(grid[0][0], style.duration)
    return drawn


def draw_modelled(book: Book) -> Page:
    rows = [row for row in book["latency"] if not measured(row) and _shown(row)]
    ring = [Line2D([], [], label=book_injection.RINGED, **_RING)]
    drawn, _ = _page(
        "performance-modelled",
        "The same, modelled: cmap on Optane memory, files on a solid-state disk: median latency",
        book,
        (
            ("files on a NAND SSD (P3700)", modelled_on("nand-ssd")),
            ("files on an Optane SSD (P4800X)", modelled_on("optane-ssd")),
        ),
        f"modelled, none measured · {pairs_text(rows)} · the software ran on tmpfs, and waited for "
        "what the model of the medium asked (docs/media.md) · lmdb counted: its median on tmpfs "
        "and the device's time for its writes, no interval · gets of files are answered by a page "
        "cache in DRAM; cmap's are charged line by line, as if no core read ahead, which makes "
        "large ones too slow · "
        + " · ".join([*book_injection.notes(rows, PERSISTENT), whiskers_text(rows)]),
        ring if any(map(book_injection.coarse, rows)) else (),
    )
    return drawn


def draw(book: Book) -> list[Page]:
    pages = [draw_measured(book)]
    if not all(measured(row) for row in book["latency"]):
        pages.append(draw_modelled(book))
    return pages
