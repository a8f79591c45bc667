# SPDX-License-Identifier: BSD-3-Clause
"""book.html: the story of the book's first chapter, measured: one file, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from . import book_injection, book_latency, book_paths, style
from .book_tables import Book, Row, confidence_text, has_interval
from .markup import Markup, Node, element, join
from .schema import BadInput

_TITLE = "Persistent memory and storage: the performance story, measured"
_CSS = Path(__file__).with_name("book.css")
_VERDICTS = {"holds": "holds", "does not": "fails", "not testable here": "open"}
_SIGNS = {"holds": "✓", "does not": "✗", "not testable here": "–"}


def _svg(path: Path) -> Markup:
    """The figure as it is, its names made its own: several figures share the page."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    text = text[text.index("<svg") :]
    prefix = re.sub(r"\W", "", path.stem)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    # A style sheet inside would be the page's too; its one rule is in book.css.
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.S)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    return Markup(text)


def _figure(folder: Path, name: str, alt: str) -> Markup:
    picture = element(
        "div", _svg(folder / f"{name}.svg"), class_="picture", role="img", aria_label=alt
    )
    link = element("a", "PNG", href=f"figures/{name}.png")
    svg = element("a", "SVG", href=f"figures/{name}.svg")
    return element("figure", picture, element("figcaption", link, " · ", svg))


def _table(titles: Sequence[str], rows: Iterable[Sequence[Node]], numbers: int) -> Markup:
    """The last `numbers` columns are numbers."""
    texts = len(titles) - numbers
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    body = [
        element(
            "tr",
            *(element("td", cell, class_="n" if i >= texts else "t") for i, cell in enumerate(row)),
        )
        for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body))
    return element("div", table, class_="scroll", tabindex=0)


def _claims(book: Book) -> Markup:
    rows = []
    for row in book["claims"]:
        verdict = row["verdict"]
        sign = element(
            "span", f"{_SIGNS[verdict]} {verdict}", class_=f"verdict {_VERDICTS[verdict]}"
        )
        note = element("div", row["note"], class_="note") if row["note"] else Markup("")
        rows.append([row["section"], row["claim"], sign, join(row["measured"], note)])
    return _table(
        ["section", "what the chapter says, in other words", "verdict", "measured"], rows, 0
    )


def _ns(text: str) -> str:
    return style.duration(float(text)) if text else "–"


def _interval(row: Row, name: str = "") -> str:
    """Its ends and its confidence; empty without any."""
    if not has_interval(row, name):
        return ""
    ends = f"{_ns(row[f'{name}low_ns'])} to {_ns(row[f'{name}high_ns'])}"
    return f"{ends} ({confidence_text([row])})"


def _pyramid(book: Book) -> Markup:
    rows: list[Sequence[Node]] = []
    for row in book["pyramid"]:
        if row["point"] != "curve":
            rows.append(
                [
                    row["label"],
                    row["kind"],
                    row["medium"],
                    row.get("note", ""),
                    _ns(row["latency_ns"]),
                    _interval(row) or "none",
                ]
            )
    for band in book["published"]:
        ends = [band["low_ns"], band["high_ns"]]
        text = _ns(ends[0]) if ends[0] == ends[1] else f"{_ns(ends[0])} to {_ns(ends[1])}"
        rows.append([band["label"], "published", "", band["source"], text, ""])
    return _table(
        ["access", "kind", "medium", "note or source", "latency", "interval (confidence)"], rows, 2
    )


def _amount(row: Row, column: str) -> str:
    return book_paths.amount(float(row[column]))


_PATH_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("system calls", lambda row: _amount(row, "system_calls")),
    ("syncs", lambda row: _amount(row, "sync_calls")),
    ("page faults", lambda row: _amount(row, "page_faults")),
    ("buffers", lambda row: _amount(row, "allocations")),
    (
        "bytes copied by the kernel",
        lambda row: book_paths.amount(
            float(row["read_call_bytes"]) + float(row["write_call_bytes"])
        ),
    ),
    ("bytes copied by the program", lambda row: _amount(row, "copied_bytes")),
    ("device bytes read", lambda row: _amount(row, "device_bytes_read")),
    ("blocks written", lambda row: _amount(row, "blocks_written")),
    ("folio bytes dirtied", lambda row: _amount(row, "device_bytes_written")),
    ("lines flushed", lambda row: _amount(row, "lines_flushed")),
    ("fences", lambda row: _amount(row, "fences")),
)
_PHASES = {"get": "get, warm", "get-cold": "get, cold", "put": "update", "write-back": "owed by it"}


def _paths(book: Book) -> Markup:
    size = book_paths.shown_size(book)
    rows = [
        [row["engine"], row["medium"], _PHASES[row["phase"]], *(f(row) for _, f in _PATH_COLUMNS)]
        for row in book["paths"]
        if int(row["value_bytes"]) == size and row["phase"] in _PHASES
    ]
    titles = ["engine", "medium", "operation", *(name for name, _ in _PATH_COLUMNS)]
    return _table(titles, rows, len(_PATH_COLUMNS))


def _written(book: Book, name: str, size: int) -> str:
    put, later = book.path(name, "put", size), book.path(name, "write-back", size)
    if put is None:
        return "–"
    text = book_paths.amount(book_paths.bytes_written(put))
    owed = float(later["blocks_written"]) * book_paths.BLOCK_BYTES if later else 0.0
    return f"{text} + {book_paths.amount(owed)}" if owed > 0 else text


def _read_of_device(book: Book, name: str, size: int) -> str:
    cold, warm = book.path(name, "get-cold", size), book.path(name, "get", size)
    if cold is None:
        return "no device" if warm and book_paths.in_memory(warm) else "not measured"
    read = float(cold["device_bytes_read"])
    return book_paths.amount(read) if read > 0 else "0: read at opening"


def moved(book: Book) -> Markup:
    sizes = sorted({int(row["value_bytes"]) for row in book["paths"]})
    rows = []
    for size in sizes:
        for name in book_paths.ENGINES:
            if not any(book.path(name, phase, size) for phase in _PHASES):
                continue
            cold = book.path(name, "get-cold", size)
            touched = book_paths.touched_bytes(book, name, size)
            copied = float(cold["read_call_bytes"]) if cold else 0.0
            rows.append(
                [
                    name,
                    f"{size:,}",
                    _written(book, name, size),
                    _read_of_device(book, name, size),
                    book_paths.amount(copied) if copied > 0 else "–",
                    "–" if touched is None else book_paths.amount(touched),
                ]
            )
    titles = ["engine", "value, B", "written until durable + later", "get: read from the device"]
    titles += ["get: copied by read calls", "get: touched in mapped memory"]
    return _table(titles, rows, len(titles) - 1)


def _latency(book: Book) -> Markup:
    names = {"get": "get", "put": "update", "miss": "get, not there"}
    # A column of one word only would push the others off the page.
    differs = len({row["durability"] for row in book["latency"]}) > 1
    rows = []
    for row in book["latency"]:
        none = "none: counted" if row["kind"] == "counted" else "none: one run"
        rows.append(
            [
                names[row["operation"]],
                row["engine"],
                row["medium"],
                row["kind"],
                *([row["durability"]] if differs else []),
                book_injection.cell(row),
                f"{int(row['value_bytes']):,}",
                f"{int(row['pairs']):,}",
                row["threads"],
                _ns(row["p50_ns"]),
                _interval(row, "p50_") or none,
                _ns(row["p99_ns"]),
            ]
        )
    titles = [
        "operation",
        "engine",
        "medium",
        "kind",
        *(["durability"] if differs else []),
        "asked for → injected",
        "value, B",
        "pairs",
        "threads",
        "p50",
        "interval of p50 (confidence)",
        "p99",
    ]
    return _table(titles, rows, 6)


def _cold(book: Book) -> Markup:
    rows = [
        [
            row["engine"],
            row["medium"],
            "evicted (POSIX_FADV_DONTNEED)" if row["evicted"] == "yes" else "cannot be evicted",
            f"{int(row['value_bytes']):,}",
            f"{int(row['pairs']):,}",
            row["samples"],
            _ns(row["cold_ns"]),
            book_paths.amount(float(row["device_bytes_read"])),
            _ns(row["reopened_ns"]),
        ]
        for row in book["cold"]
    ]
    titles = [
        "engine",
        "medium",
        "page cache",
        "value, B",
        "pairs",
        "samples",
        "cold, median",
        "read from the device",
        "page cache warm, median",
    ]
    return _table(titles, rows, 6)


def _complexity(book: Book) -> Markup:
    rows = [
        [
            row["engine"],
            row["interface"],
            element("code", row["source"]),
            row["code_lines"],
            row["calls"],
            row["distinct_calls"],
        ]
        for row in book["complexity"]
    ]
    titles = ["store", "interface", "source", "lines of code", "calls", "different calls"]
    return _table(titles, rows, 3)


def _summary(book: Book) -> Markup:
    verdicts = [row["verdict"] for row in book["claims"]]
    parts = [
        element("span", f"{verdicts.count(name)} {text}", class_=f"verdict {_VERDICTS[name]}")
        for name, text in (("holds", "hold"), ("does not", "do not"), ("not testable here",) * 2)
    ]
    return element(
        "p",
        f"Of {len(verdicts)} sentences: ",
        *(join(part, " ") for part in parts),
        class_="summary",
    )


def _section(title: str, *children: Node) -> Markup:
    return element("section", element("h2", title), *children)


def _details(summary: str, table: Markup) -> Markup:
    return element("details", element("summary", summary), table)


def _modelled(book: Book, figures: Path) -> list[Node]:
    worst = book_injection.coarse_text(
        row for row in book["latency"] if row["operation"] in ("get", "put")
    )
    coarse = (
        f"Where that is over {100 * (book_injection.COARSE - 1):.0f} % more than was asked, the "
        f"injection itself is that coarse: {worst}."
        if worst
        else "Where something was asked for, that is little more."
    )
    return [
        element("h3", "On media that are not here"),
        element(
            "p",
            "The same programs with the delays of published media injected. Gets of the file "
            "engines are answered from DRAM, by a page cache or a buffer that holds everything; "
            "cmap reads where the data is, in a memory that is slower than DRAM.",
        ),
        element(
            "p",
            "Charging an operation takes time itself, and what it takes beyond the wait is in the "
            "latency. The table below has what the model asked for and what was injected, each a "
            f"mean of an operation, the median of the repeats. {coarse}",
        ),
        _figure(figures, "performance-modelled", "latency by engine and size of value, modelled"),
    ]


def document(book: Book, figures: Path) -> str:
    modelled = not all(book_latency.measured(row) for row in book["latency"])
    tmpfs = any(row["medium"] == "tmpfs" for row in book["pyramid"] if row["point"] == "pmem-load")
    size = book_paths.shown_size(book)
    stand_in = (
        "No persistent memory is in this machine: what is said of it was run on tmpfs, that is, "
        "DRAM. Its counts (lines, fences, calls) are those of persistent memory, its times not. "
        if tmpfs
        else ""
    )
    kinds = element(
        "ul",
        element(
            "li",
            element("b", "Measured"),
            ": every latency and every count, on the machine "
            "below, unless its row says otherwise.",
        ),
        element(
            "li",
            element("b", "Published"),
            ": the bands and the grey marks of the pyramid; the "
            "table beside it names their sources.",
        ),
        element(
            "li",
            element("b", "Modelled"),
            ": what says so, from published measurements (docs/media.md). Counted is modelled, "
            "too: what the software took on tmpfs, and the model's time for what it was "
            "counted to write."
            if modelled
            else ": nothing on this page.",
        ),
    )
    body = [
        element("h1", _TITLE),
        element(
            "p",
            "Chapter 1 of ",
            element("cite", "Programming Persistent Memory"),
            " (Scargall, 2020), reproduced by ",
            element("code", "scripts/reproduce_book.sh"),
            ". ",
            stand_in,
            class_="lead",
        ),
        _summary(book),
        kinds,
        element("p", book.footer, class_="note"),
        _section("The chapter's claims", _claims(book)),
        _section(
            "The pyramid",
            element(
                "p",
                "Latency of one access. The points are medians; a load is one step of a chase "
                "of pointers in random order through a set of the size that fits the level.",
            ),
            _figure(figures, "pyramid", "latency by level of the hierarchy"),
            _details("Numbers and sources", _pyramid(book)),
        ),
        _section(
            "What is different",
            element(
                "p",
                f"The same get and the same update of {size} bytes on each engine, counted. "
                "A file engine brings a block through the kernel into a buffer; persistent memory "
                "is loaded from and stored to.",
            ),
            _figure(figures, "data-paths", "data paths with counts"),
            _details("All counts, means of an operation", _paths(book)),
            element("h3", "By size of value"),
            element(
                "p",
                "Bytes that move. Written: until the put is durable, + what is owed and written "
                "later. Read from the device: for a get whose files were evicted before, read "
                "ahead included; what opening the store had read is not. What a get then copies "
                "or touches in memory stands beside it.",
            ),
            _figure(figures, "bytes-moved", "bytes moved by size of value"),
            _details("Numbers", moved(book)),
        ),
        _section(
            "The performance difference",
            element(
                "p",
                "All engines do what every acknowledged write surviving a power loss takes: syncs, "
                "or flushes and fences. On tmpfs a file's sync is free, cmap flushes to DRAM, and "
                "nothing survives: compare engines on one medium, and read tmpfs as the "
                f"software's share. {book_latency.pairs_text(book['latency'])}. "
                f"In the figure, {book_latency.whiskers_text(book['latency'])}.",
            ),
            _figure(figures, "performance", "latency by engine and size of value"),
            *(_modelled(book, figures) if modelled else ()),
            _details("All latencies: hits, misses, threads", _latency(book)),
            element("h3", "A cold page cache"),
            element(
                "p",
                "The first get after the store was opened, its files evicted before or not. Much "
                "of it is the store's own warming up, which both have; a mapped file is read "
                f"ahead. Stores of {book_latency.pairs_text(book['cold'])}.",
            ),
            _cold(book),
        ),
        _section(
            "Program complexity",
            element(
                "p",
                "One program (open, three puts, get all) on each store's own interface; lines "
                "that are neither blank nor a comment, and calls of the interface. A test builds "
                "and runs all four.",
            ),
            _complexity(book),
        ),
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", _TITLE),
        element("style", Markup(_CSS.read_text(encoding="utf-8"))),
    )
    page = element("html", head, element("body", element("main", *body)), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"
