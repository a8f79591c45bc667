# SPDX-License-Identifier: BSD-3-Clause
"""What a get and a put take on their way: the data paths of the book's figures 1-1 and 1-2 with the
counted numbers on the arrows, and the bytes that move by size of value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from . import page, style
from .book_pyramid import size_text
from .book_tables import Book, Row
from .page import Page

ENGINES = ("filestore", "rocksdb", "lmdb", "cmap")
LINE_BYTES = 64
BLOCK_BYTES = 4096
_USER, _KERNEL, _DEVICE = "#fdf0d5", "#e4e4e4", "#cfe3f1"
_BOX_WIDTH, _BOX_HEIGHT = 0.9, 0.11
_ARROW_X = 0.1


def shown_size(book: Book) -> int:
    """The size whose paths are drawn: 64 bytes, or the nearest that was measured."""
    sizes = {int(row["value_bytes"]) for row in book["paths"]}
    return min(sizes, key=lambda size: abs(size - 64))


def number(row: Row, column: str) -> float:
    return float(row[column])


def in_memory(row: Row) -> bool:
    """Whether the medium is memory that the program loads from, and no device."""
    return row["medium"] in ("tmpfs", "dax")


def amount(value: float) -> str:
    """A mean count: whole where it is nearly so."""
    if abs(value - round(value)) < 0.05:
        return f"{round(value):,}"
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _counted(value: float, word: str) -> str:
    text = amount(value)
    return f"{text} {word}" + ("" if text == "1" else "s")


def _copies(row: Row) -> str:
    return (
        f"{_counted(number(row, 'allocations'), 'buffer')} allocated\n"
        f"{amount(number(row, 'copied_bytes'))} B copied"
    )


def get_labels(cold: Row, steps: Row) -> list[str]:
    """From the program down, of a get that finds nothing in a cache."""
    if number(cold, "read_calls") > 0:
        calls = (
            f"{_counted(number(cold, 'read_calls'), 'read call')}\n"
            f"{amount(number(cold, 'read_call_bytes'))} B copied"
        )
    else:
        faults = _counted(number(cold, "page_faults"), "page fault")
        calls = f"mapped: {faults}\n{_counted(number(steps, 'lines_read'), 'line')} touched"
    device = number(cold, "device_bytes_read")
    medium = f"{amount(device)} B read" if device > 0 else "0 B: read when\nit was opened"
    return [_copies(cold), calls, medium]


def put_labels(row: Row) -> list[str]:
    calls = (
        f"{_counted(number(row, 'write_calls'), 'write call')}, "
        f"{_counted(number(row, 'sync_calls'), 'sync')}\n"
        f"{amount(number(row, 'write_call_bytes'))} B copied"
    )
    blocks = number(row, "blocks_written")
    written = f"{_counted(blocks, 'block')} written,\n{amount(blocks * BLOCK_BYTES)} B"
    return [_copies(row), calls, written]


def _box(axes: Any, y: float, text: str, color: str) -> None:
    left = (1 - _BOX_WIDTH) / 2
    axes.add_patch(
        FancyBboxPatch(
            (left, y),
            _BOX_WIDTH,
            _BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.02",
            fc=color,
            ec="#595959",
            lw=0.6,
        )
    )
    axes.text(0.5, y + _BOX_HEIGHT / 2, text, ha="center", va="center", size=style.SMALL_PT)


def _arrow(axes: Any, top: float, bottom: float, down: bool, text: str) -> None:
    ends = [(_ARROW_X, top), (_ARROW_X, bottom)]
    start, end = ends if down else ends[::-1]
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=8,
            lw=1.1,
            color="#303030",
            shrinkA=0,
            shrinkB=0,
        )
    )
    axes.text(
        _ARROW_X + 0.07,
        (top + bottom) / 2,
        text,
        ha="left",
        va="center",
        size=style.SMALL_PT,
        linespacing=1.2,
    )


def _path(
    axes: Any,
    title: str,
    boxes: Sequence[tuple[str, str]],
    labels: list[str],
    down: bool,
    foot: str,
) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_title(title, loc="center", size=style.FONT_PT, weight="bold")
    top, bottom = 0.88, 0.13
    gap = (top - bottom) / (len(boxes) - 1)
    places = [top - gap * index for index in range(len(boxes))]
    for (text, color), y in zip(boxes, places):
        _box(axes, y, text, color)
    for index, label in enumerate(labels):
        _arrow(axes, places[index], places[index + 1] + _BOX_HEIGHT, down, label)
    axes.text(
        0.5,
        0.06,
        foot,
        ha="center",
        va="top",
        size=style.SMALL_PT,
        color="#303030",
        linespacing=1.2,
    )


def _storage_boxes(engine: str) -> list[tuple[str, str]]:
    middle = "engine: mapped file" if engine == "lmdb" else "engine: DRAM buffers"
    return [
        ("program", _USER),
        (middle, _USER),
        ("kernel: page cache", _KERNEL),
        ("block device", _DEVICE),
    ]


def _engine_get(axes: Any, book: Book, engine: str, size: int) -> None:
    warm, steps = book.path(engine, "get", size), book.path(engine, "get-step", size)
    cold = book.path(engine, "get-cold", size) or warm
    if warm is None or steps is None or cold is None:
        axes.set_axis_off()
        return
    foot = (
        f"found in DRAM:\n{_counted(number(warm, 'system_calls'), 'call')}, "
        f"{amount(number(warm, 'copied_bytes'))} B copied"
    )
    if in_memory(warm):
        _pmem_path(
            axes,
            engine,
            warm["medium"],
            f"{_counted(number(steps, 'lines_read'), 'line')} "
            f"loaded, {amount(number(steps, 'lines_read') * LINE_BYTES)} B\n"
            f"{_counted(number(warm, 'system_calls'), 'system call')}\n{_copies(warm)}",
            False,
        )
        return
    _path(axes, engine, _storage_boxes(engine), get_labels(cold, steps), False, foot)


def _pmem_path(axes: Any, engine: str, medium: str, label: str, down: bool) -> None:
    name = "persistent memory" + ("*" if medium == "tmpfs" else "")
    boxes = [("program", _USER), (name, _DEVICE)]
    _path(axes, engine, boxes, [label], down, "no kernel on the way")


def _engine_put(axes: Any, book: Book, engine: str, size: int) -> None:
    row = book.path(engine, "put", size)
    later = book.path(engine, "write-back", size)
    if row is None:
        axes.set_axis_off()
        return
    if in_memory(row):
        lines = number(row, "lines_flushed")
        _pmem_path(
            axes,
            engine,
            row["medium"],
            f"{_counted(lines, 'line')} flushed, "
            f"{amount(lines * LINE_BYTES)} B\n{_counted(number(row, 'fences'), 'fence')}\n"
            f"{_counted(number(row, 'system_calls'), 'system call')}\n{_copies(row)}",
            True,
        )
        return
    owed = number(later, "blocks_written") * BLOCK_BYTES if later else 0.0
    foot = f"owed, written later: {amount(owed)} B"
    _path(axes, engine, _storage_boxes(engine), put_labels(row), True, foot)


def _paths(book: Book) -> Page:
    size = shown_size(book)
    figure, grid = page.frame(
        f"What is on the way: a get and an update of {size} bytes, means of an operation",
        (2, len(ENGINES)),
        (style.PAGE_IN, 2.8),
        [],
        [
            book.footer,
            "* on tmpfs: DRAM in its place · counted, not timed: system calls by ptrace; copies "
            "and buffers by replacing memcpy and malloc (what is compiled in line is not "
            "seen); bytes read by /proc/self/io; blocks written are those that write calls touch, "
            "without the file system's journal; lines by single steps and at libpmem · get: the "
            "first after opening, page cache cold",
        ],
    )
    for axes, engine in zip(grid[0], ENGINES):
        _engine_get(axes, book, engine, size)
    for axes, engine in zip(grid[1], ENGINES):
        _engine_put(axes, book, engine, size)
        axes.set_title("")  # said above
    for axes in grid.flat:
        # A long text beside an arrow must not make its column the wider one.
        for label in axes.texts:
            label.set_in_layout(False)
    for row, text in zip(grid, ("get", "update, until durable")):
        row[0].text(
            -0.06,
            0.5,
            text,
            rotation=90,
            ha="right",
            va="center",
            weight="bold",
            size=style.FONT_PT,
            transform=row[0].transAxes,
        )
    return Page("data-paths", figure)


def bytes_written(row: Row) -> float:
    """What one put moves to its medium until it is durable."""
    lines = number(row, "lines_flushed") * LINE_BYTES
    return lines if in_memory(row) else number(row, "blocks_written") * BLOCK_BYTES


def touched_bytes(book: Book, engine: str, size: int) -> float | None:
    """Lines of the mapped file that one get touches in memory: no byte of a device. None where no
    file is mapped."""
    steps = book.path(engine, "get-step", size)
    lines = number(steps, "lines_read") if steps else 0.0
    return lines * LINE_BYTES if lines > 0 else None


def bytes_read(book: Book, engine: str, size: int) -> float | None:
    """What one get takes from its medium: of files, evicted before, what the device was read for;
    of persistent memory the lines touched. None where it was not measured."""
    warm = book.path(engine, "get", size)
    if warm is not None and in_memory(warm):
        return touched_bytes(book, engine, size)
    cold = book.path(engine, "get-cold", size)
    return number(cold, "device_bytes_read") if cold else None


def _not_drawn(book: Book, sizes: Sequence[int]) -> list[str]:
    """Where a point of the right panel is missing, or says less than it seems to."""
    found: dict[str, list[str]] = {}
    for name in ENGINES:
        for size in sizes:
            read = bytes_read(book, name, size)
            cold = book.path(name, "get-cold", size)
            if read is None:
                word = "not measured"
            elif read == 0:
                word = "nothing, all read at opening"
            elif cold is not None and read < BLOCK_BYTES:
                word = "under a block, as some gets read nothing"
            else:
                continue
            found.setdefault(f"{word}: {name}", []).append(size_text(size))
    return [f"{what} {', '.join(values)}" for what, values in found.items()]


def _moved(book: Book) -> Page:
    looks = style.looks(ENGINES)
    sizes = sorted({int(row["value_bytes"]) for row in book["paths"]})
    handles: list[Any] = [
        Line2D([], [], color=look.color, ls=look.dashes, marker=look.marker, label=name)
        for name, look in looks.items()
    ]
    handles.append(
        Line2D([], [], color="#595959", lw=0.8, ls=(0, (1, 2)), label="the value itself")
    )
    figure, grid = page.frame(
        "Bytes that move for one value, by its size",
        (1, 2),
        (style.PAGE_IN, 2.6),
        handles,
        [
            book.footer,
            "written: 4 KiB blocks that write calls touch until the put is durable (cmap: lines "
            "flushed × 64) · read: by the device, for the first get after opening, files evicted, "
            "read ahead included; not what opening had read (cmap: lines touched × 64) · "
            + "".join(f"{text} · " for text in _not_drawn(book, sizes))
            + "what is touched in memory, and what is written later, is in the page's table",
        ],
        sharey=True,
    )
    for name, look in looks.items():
        found: list[list[float]] = [[], []]
        for size in sizes:
            put = book.path(name, "put", size)
            found[0].append(bytes_written(put) if put else float("nan"))
            # Nothing has no place on a log axis; the note says so.
            found[1].append(bytes_read(book, name, size) or float("nan"))
        for axes, values in zip(grid[0], found):
            axes.plot(sizes, values, color=look.color, ls=look.dashes, marker=look.marker, zorder=3)
    for axes, title in zip(grid[0], ("an update, until durable", "a get, from the medium")):
        axes.plot(sizes, sizes, color="#595959", lw=0.8, ls=(0, (1, 2)), zorder=2)
        axes.axhline(BLOCK_BYTES, color="#a0a0a0", lw=0.6, zorder=1)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(base=4, numticks=12))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))
        axes.set_title(title, loc="left", size=style.SMALL_PT)
        axes.set_xlabel("size of the value (log)")
        axes.tick_params(axis="x", rotation=30)
        axes.grid(True)
    grid[0][0].set_ylabel("bytes moved (log)")
    grid[0][0].annotate(
        "4 KiB block",
        (1, BLOCK_BYTES),
        (-2, 2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        size=style.SMALL_PT,
        color="#595959",
    )
    return Page("bytes-moved", figure)


def draw(book: Book) -> list[Page]:
    return [_paths(book), _moved(book)]
