# SPDX-License-Identifier: BSD-3-Clause
"""Sentences of the book's first chapter that can be tested, held against what a run has measured.

A verdict is computed from the tables of that run. "not testable here" is what this machine cannot
say, whatever the number: a latency of persistent memory on DRAM, of an SSD on a virtual disk.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

NEEDED = ("pyramid", "paths", "latency", "complexity")
Tables = dict[str, list[dict[str, str]]]
FILE_ENGINES = ("filestore", "rocksdb", "lmdb")
PERSISTENT = "cmap"
BLOCK_BYTES = 4096
COARSE = 1.2  # injected beyond asked: what a reader must know

HOLDS, FAILS, UNKNOWN = "holds", "does not", "not testable here"


@dataclasses.dataclass(frozen=True)
class Claim:
    section: str
    claim: str
    measured: str
    verdict: str
    note: str


class Data:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def point(self, name: str) -> dict[str, str] | None:
        return next((row for row in self._tables["pyramid"] if row["point"] == name), None)

    def ns(self, name: str) -> float | None:
        row = self.point(name)
        return float(row["latency_ns"]) if row else None

    def busy(self, *names: str) -> str:
        """A note where others had much of the CPU while these were measured."""
        rows = [self.point(name) for name in names]
        busy = any(row is not None and "busy" in row["note"] for row in rows)
        return "the machine was busy" if busy else ""

    def not_its_own(self, name: str) -> str:
        """Why a point may tell of another machine than this one: what its note says of the host."""
        row = self.point(name)
        parts = row["note"].split("; ") if row else []
        return next((part for part in parts if part.startswith("virtual ")), "")

    def path_bytes(self) -> int:
        """The size of the value that the paths are told by: 64 bytes, or the nearest measured."""
        sizes = {int(row["value_bytes"]) for row in self._tables["paths"]}
        return min(sizes, key=lambda size: abs(size - 64))

    def path(self, engine: str, phase: str, column: str) -> float | None:
        for row in self._tables["paths"]:
            same = (row["engine"], row["phase"]) == (engine, phase)
            if same and int(row["value_bytes"]) == self.path_bytes():
                return float(row[column])
        return None

    def p50(self, engine: str, operation: str) -> dict[str, str] | None:
        """One thread, the smallest value, the engine's own medium."""
        rows = [
            row
            for row in self._tables["latency"]
            if (row["engine"], row["operation"], row["threads"], row["kind"])
            == (engine, operation, "1", "measured")
            and (row["medium"] != "tmpfs" or engine == PERSISTENT)
        ]
        return min(rows, key=lambda row: int(row["value_bytes"])) if rows else None

    def modelled(self, engine: str, operation: str, medium: str) -> dict[str, str] | None:
        """One thread, the smallest value."""
        rows = [
            row
            for row in self._tables["latency"]
            if (row["engine"], row["operation"], row["threads"], row["medium"])
            == (engine, operation, "1", f"{medium}-modelled")
        ]
        return min(rows, key=lambda row: int(row["value_bytes"])) if rows else None

    def code_lines(self) -> dict[str, int]:
        return {row["engine"]: int(row["code_lines"]) for row in self._tables["complexity"]}


def _duration(value_ns: float) -> str:
    for factor, unit in ((1e6, "ms"), (1e3, "µs")):
        if value_ns >= factor:
            return f"{value_ns / factor:.3g} {unit}"
    return f"{value_ns:.3g} ns"


def _times(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.2g} times"


def _if(condition: bool) -> str:
    return HOLDS if condition else FAILS


Judged = tuple[str, str, str]  # measured, verdict, note
_NOTHING: Judged = ("", UNKNOWN, "not measured on this machine")


def _order(data: Data) -> Judged:
    names = ("register", "l1", "l2", "l3", "dram", "block-read", "sync")
    found = [(name, data.ns(name)) for name in names]
    known = [(name, ns) for name, ns in found if ns is not None]
    if len(known) < 3:
        return _NOTHING
    text = " < ".join(f"{name} {_duration(ns)}" for name, ns in sorted(known, key=lambda p: p[1]))
    values = [ns for _, ns in known]
    return text, _if(values == sorted(values)), data.busy(*names)


def _caches(data: Data) -> Judged:
    """A cache that others may share decides nothing; the others can only refute."""
    found = [(name, data.ns(name)) for name in ("l1", "l2", "l3")]
    known = [(name, ns) for name, ns in found if ns is not None]
    if not known:
        return _NOTHING
    text = ", ".join(f"{name.upper()} {_duration(ns)}" for name, ns in known)
    shared = {name: data.not_its_own(name) for name, _ in known if data.not_its_own(name)}
    outside = [name for name, ns in known if not 0.95 <= ns <= 10]
    refuted = [name for name in outside if name not in shared]
    verdict = FAILS if refuted else UNKNOWN if shared else HOLDS
    notes = [
        f"outside: {', '.join(outside).upper()}" if outside else "",
        *(f"{name.upper()}: {why}" for name, why in shared.items()),
        data.busy("l1", "l2", "l3"),
    ]
    return text, verdict, "; ".join(filter(None, notes))


def _within(name: str, low_ns: float, high_ns: float) -> Callable[[Data], Judged]:
    def judge(data: Data) -> Judged:
        ns = data.ns(name)
        if ns is None:
            return _NOTHING
        return _duration(ns), _if(low_ns <= ns <= high_ns), data.busy(name)

    return judge


def _pmem(data: Data) -> Judged:
    point = data.point("pmem-load")
    if point is None:
        return _NOTHING
    text = f"a load {_duration(float(point['latency_ns']))} on {point['medium']}"
    if point["medium"] != "dax":
        return text, UNKNOWN, "DRAM stands in for persistent memory"
    return text, _if(float(point["latency_ns"]) < 1000), ""


def _ssd(data: Data) -> Judged:
    point = data.point("block-read")
    if point is None:
        return _NOTHING
    text = f"a 4 KiB read {_duration(float(point['latency_ns']))}"
    why = data.not_its_own("block-read") or "what kind of disk this is, the system does not say"
    return text, UNKNOWN, "; ".join(filter(None, (why, data.busy("block-read"))))


def _blocks_read(data: Data) -> Judged:
    read = {name: data.path(name, "get-cold", "device_bytes_read") for name in FILE_ENGINES}
    lines = data.path(PERSISTENT, "get-step", "lines_read")
    known = {name: value for name, value in read.items() if value}
    if not known or lines is None:
        return _NOTHING
    text = ", ".join(f"{name} {value:,.0f}" for name, value in known.items())
    text += f" bytes from the device; cmap {lines:.3g} lines of 64 bytes"
    none = [name for name, value in read.items() if value == 0]
    note = f"a get of {data.path_bytes()} bytes, files evicted before"
    note += f"; {', '.join(none)} had read it all when opening" if none else ""
    return text, _if(min(known.values()) >= BLOCK_BYTES > lines * 64), note


def _blocks_written(data: Data) -> Judged:
    """By blocks counted from the system calls. The kernel's own counter, write_bytes, counts whole
    folios: up to 1 MiB for a write of 64 bytes.
    """
    calls = {name: data.path(name, "put", "write_call_bytes") for name in FILE_ENGINES}
    blocks = {name: data.path(name, "put", "blocks_written") for name in FILE_ENGINES}
    lines = data.path(PERSISTENT, "put", "lines_flushed")
    known = {name: BLOCK_BYTES * value for name, value in blocks.items() if value is not None}
    if not known or lines is None:
        return _NOTHING
    text = ", ".join(
        f"{name} {value:,.0f} (its write calls: {calls[name]:,.0f})"
        for name, value in known.items()
    )
    text += f" bytes; cmap {lines:.3g} lines, {lines * 64:.0f} bytes"
    note = (
        f"an update of {data.path_bytes()} bytes, until it is durable; of files, the 4 KiB blocks"
    )
    note += " that its write calls touch, without the journal: the kernel's own counter has whole"
    note += " folios, up to 1 MiB for 64 bytes"
    return text, _if(min(known.values()) >= BLOCK_BYTES > lines * 64), note


def _buffers(data: Data) -> Judged:
    """A get of a file engine goes through pages in DRAM, copied out of by a call or mapped."""
    copied = {name: data.path(name, "get-cold", "read_call_bytes") for name in FILE_ENGINES}
    faults = {name: data.path(name, "get-cold", "page_faults") for name in FILE_ENGINES}
    own = [
        data.path(PERSISTENT, phase, column)
        for phase, column in (("get", "copied_bytes"), ("get", "system_calls"))
    ]
    if None in (*copied.values(), *faults.values(), *own):
        return _NOTHING
    ways = {
        name: f"{name} {copied[name]:,.0f} bytes copied by the kernel"
        if copied[name]
        else f"{name} {faults[name]:.2g} faults on mapped pages"
        for name in FILE_ENGINES
    }
    through = all(copied[name] or faults[name] for name in FILE_ENGINES)
    return (
        ", ".join(ways.values()) + f"; cmap {own[0]:.0f} bytes copied, {own[1]:.0f} calls",
        _if(through and not any(own)),
        "copies that were not put in line",
    )


def _no_calls(data: Data) -> Judged:
    pmem = [data.path(PERSISTENT, phase, "system_calls") for phase in ("get", "put")]
    files = [data.path(name, "put", "system_calls") for name in FILE_ENGINES]
    known = [value for value in files if value is not None]
    if None in pmem or not known:
        return _NOTHING
    most = max(value for value in pmem if value is not None)
    text = f"cmap {most:.2g} a get or put; file engines {min(known):.2g} to {max(known):.2g} a put"
    return text, _if(most < 0.1 and min(known) >= 1), ""


def _flushes(data: Data) -> Judged:
    fences = data.path(PERSISTENT, "put", "fences")
    lines = data.path(PERSISTENT, "put", "lines_flushed")
    if fences is None or lines is None:
        return _NOTHING
    text = f"{lines:.3g} lines flushed, {fences:.3g} fences a put"
    return text, UNKNOWN, "that each is needed crashes show: scripts/prove_cmap.sh --mutate"


def _beside(own: float, others: dict[str, float]) -> str:
    return f"cmap {_duration(own)}; " + ", ".join(
        f"{name} {_duration(ns)} ({_times(ns / own)})" for name, ns in others.items()
    )


def _modelled(data: Data, operation: str) -> str:
    """What the models say, cmap on Optane and files on a NAND SSD; they decide nothing."""
    own = data.modelled(PERSISTENT, operation, "optane")
    found = {name: data.modelled(name, operation, "nand-ssd") for name in FILE_ENGINES}
    known = {name: row for name, row in found.items() if row is not None}
    if own is None or not known:
        return ""
    nearest = min(known.values(), key=lambda row: float(row["p50_ns"]))
    others = {name: float(row["p50_ns"]) for name, row in known.items()}
    text = f"; modelled, Optane and a NAND SSD behind a page cache, {_would(own, nearest)}: "
    text += _beside(float(own["p50_ns"]), others)
    waits = ", ".join(_waited(row) for row in (own, *known.values()))
    return f"{text}; asked for and injected, mean of an operation: {waits}"


def _would(own: dict[str, str], nearest: dict[str, str]) -> str:
    """Whether cmap is faster than the nearest of the files, and by what that is said."""
    mine, other = _interval(own), _interval(nearest)
    if mine is None or other is None:
        bare = [row["engine"] for row, it in ((own, mine), (nearest, other)) if it is None]
        word = (
            "it would hold" if float(nearest["p50_ns"]) > float(own["p50_ns"]) else "it would not"
        )
        return f"{word} by the medians alone (no interval of {', '.join(bare)})"
    levels = sorted({f"{100 * float(row['confidence']):.3g} %" for row in (own, nearest)})
    word = "it would hold" if other[0] > mine[1] else "it would not"
    if other[0] <= mine[1] and mine[0] <= other[1]:
        word = f"no difference from {nearest['engine']} is resolved"
    return f"{word} by intervals of {' and '.join(levels)} confidence"


def _interval(row: dict[str, str]) -> tuple[float, float] | None:
    """None where nothing was repeated, or the value is counted."""
    if not row["p50_low_ns"] or not row["p50_high_ns"]:
        return None
    return float(row["p50_low_ns"]), float(row["p50_high_ns"])


def _waited(row: dict[str, str]) -> str:
    if not row["asked_ns"] or not row["injected_ns"]:
        return f"{row['engine']} nothing ({row['kind']})"
    asked, had = float(row["asked_ns"]), float(row["injected_ns"])
    text = f"{row['engine']} {_duration(asked)} and {_duration(had)}"
    if asked == 0 or had <= COARSE * asked:
        return text
    beyond = f"{100 * (had / asked - 1):.0f} % more" if had < 2 * asked else _times(had / asked)
    return f"{text} ({beyond}: the injection itself is that coarse)"


def _faster(operation: str) -> Callable[[Data], Judged]:
    def judge(data: Data) -> Judged:
        pmem = data.p50(PERSISTENT, operation)
        files = [data.p50(name, operation) for name in FILE_ENGINES]
        known = {row["engine"]: float(row["p50_ns"]) for row in files if row is not None}
        if pmem is None or not known:
            return _NOTHING
        own = float(pmem["p50_ns"])
        text = _beside(own, known)
        of = f"{int(pmem['pairs']):,} pairs of {pmem['value_bytes']} bytes"
        if any(row is not None and row["noise"] for row in (pmem, *files)):
            of += "; the bench warned of noise"
        if pmem["medium"] != "dax":
            of += "; cmap ran on DRAM: the software's share of the difference only"
            return text, UNKNOWN, of + _modelled(data, operation)
        return text, _if(min(known.values()) > own), of

    return judge


def _complexity(data: Data) -> Judged:
    lines = data.code_lines()
    others = {name: count for name, count in lines.items() if name != PERSISTENT}
    text = ", ".join(f"{name} {count}" for name, count in lines.items())
    return text, _if(lines[PERSISTENT] <= min(others.values())), "lines of code, same program"


_DIFFERENT, _SPEED, _SIZE = "What's different", "The performance difference", "Program complexity"
_CLAIMS: tuple[tuple[str, str, Callable[[Data], Judged]], ...] = (
    (_DIFFERENT, "Storage is read in blocks, persistent memory in what is asked for", _blocks_read),
    (
        _DIFFERENT,
        "A small change makes storage write a whole block, persistent memory the lines changed",
        _blocks_written,
    ),
    (_DIFFERENT, "Storage needs a buffer in DRAM; persistent memory is used in place", _buffers),
    (_DIFFERENT, "Persistent memory is reached without calling the kernel", _no_calls),
    (_DIFFERENT, "Stores must be flushed out of the caches to be persistent", _flushes),
    (_SPEED, "Each level of the hierarchy is slower than the one above", _order),
    (_SPEED, "CPU caches answer in about 1 to 10 ns", _caches),
    (_SPEED, "DRAM answers in about 80 to 100 ns", _within("dram", 80, 100)),
    (_SPEED, "Persistent memory answers in under 1 µs", _pmem),
    (_SPEED, "NAND SSDs answer in about 10 to 100 µs", _ssd),
    (_SPEED, "A get is faster on persistent memory than on storage", _faster("get")),
    (_SPEED, "A put is faster on persistent memory than on storage", _faster("put")),
    (_SIZE, "With a library the program is no longer than on storage", _complexity),
)


def judge(tables: Tables) -> Iterable[Claim]:
    data: Any = Data(tables)
    for section, text, judged in _CLAIMS:
        measured, verdict, note = judged(data)
        yield Claim(section, text, measured or "nothing", verdict, note)
