# SPDX-License-Identifier: BSD-3-Clause
"""A dumped trace (JSON lines) as the lines that expectations.py holds, and its stores replayed.

event_of() is the only place that knows the dump's fields. What is normalised, and no more:

- events outside of the program's file are dropped, but for fences, markers and operations;
- touching pieces of one string instruction (flag rep) or system call (syscall) become one store;
- a fence that announces the locked store which follows it is part of that store;
- maps and unmaps in a row become one line: what of the file is mapped after them;
- transactions are dropped: they are for the reports;
- threads are numbered by their first event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

LINE_BYTES = 64
SHOWN_FLAGS = ("nt", "atomic", "syscall")  # in this order
ANYWHERE = ("FENCE", "LOG", "OPERATION_BEGIN", "OPERATION_END")  # need not be of the file

KIND_NAMES = {"op-begin": "OPERATION_BEGIN", "op-end": "OPERATION_END"}


@dataclass(frozen=True)
class Event:
    seq: int
    thread: str
    kind: str  # upper case, as in an expectation
    detail: str  # instruction, system call, text or operation
    flags: frozenset[str]
    address: int
    length: int
    offset: int
    file: str
    data: bytes


def event_of(record: dict[str, Any]) -> Event:
    """One line of `fencepost trace dump --json`."""
    kind = str(record["kind"])
    detail = record.get("text", record.get("operation", record.get("how", "")))
    return Event(
        seq=as_number(record["event"]),
        thread=str(record.get("thread", "")),
        kind=KIND_NAMES.get(kind, kind.upper().replace("-", "_")),
        detail=str(detail),
        flags=frozenset(record.get("flags") or ()),
        address=as_number(record.get("address")),
        length=as_number(record.get("length_bytes")),
        offset=as_number(record.get("file_offset")),
        file=str(record.get("file") or ""),
        data=bytes.fromhex(record.get("bytes") or ""),
    )


def as_number(value: Any) -> int:
    return int(value, 0) if isinstance(value, str) else int(value or 0)


def read_events(dump: Iterable[str]) -> list[Event]:
    """Raises ValueError where a line is no event or the sequence numbers do not ascend."""
    events = []
    for number, line in enumerate(dump, start=1):
        if line.strip():
            try:
                events.append(event_of(json.loads(line)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"dump, line {number}: {error}: {line.strip()[:80]}") from error
    for before, after in zip(events, events[1:]):
        if after.seq <= before.seq:
            raise ValueError(f"dump: seq {after.seq} comes after seq {before.seq}")
    return events


# ---- From events to lines ----


class MappedParts:
    """Which parts of the file are mapped where."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, int, int]] = []  # address, length, offset

    def change(self, event: Event) -> None:
        begin, end = event.address, event.address + event.length
        kept = []
        for address, length, offset in self.parts:
            if address < begin:
                kept.append((address, min(length, begin - address), offset))
            if address + length > end:
                cut = max(0, end - address)
                kept.append((address + cut, length - cut, offset + cut))
        if event.kind == "MAP":
            kept.append((begin, event.length, event.offset))
        self.parts = sorted(kept)

    def __str__(self) -> str:
        joined: list[tuple[int, int, int]] = []
        for address, length, offset in self.parts:
            last = joined[-1] if joined else (0, 0, -1)
            if last[0] + last[1] == address and last[2] + last[1] == offset:
                joined[-1] = (last[0], last[1] + length, last[2])
            else:
                joined.append((address, length, offset))
        spans = sorted((offset, length) for _, length, offset in joined)
        return " ".join(["MAPPED", *(f"{offset:#x}+{length:#x}" for offset, length in spans)])


def line_of(event: Event) -> str:
    if event.kind == "STORE":
        flags = [flag for flag in SHOWN_FLAGS if flag in event.flags]
        data = [f"={event.data.hex()}"] if event.data else []
        return " ".join(["STORE", hex(event.offset), str(event.length), *flags, *data])
    if event.kind == "FLUSH":
        if event.detail == "request":
            return f"FLUSH request {event.offset:#x} {event.length}"
        return f"FLUSH {event.detail} {event.offset // LINE_BYTES * LINE_BYTES:#x}"
    if event.kind == "FENCE" and event.file:
        return f"FENCE {event.detail} {event.offset:#x}"
    if event.kind in ANYWHERE or (event.kind == "SYNC" and event.detail == "fsync"):
        return f"{event.kind} {event.detail}"
    words = [event.kind, event.detail, f"{event.offset:#x}", str(event.length)]
    return " ".join(word for word in words if word)


def window(events: list[Event], name: str) -> list[Event]:
    """What lies between the markers NAME.BEGIN and NAME.END; to the end, where there is no END."""
    begin = next((i for i, e in enumerate(events) if is_marker(e, f"{name}.BEGIN")), None)
    if begin is None:
        return []
    end = next((i for i, e in enumerate(events) if is_marker(e, f"{name}.END")), len(events))
    return events[begin + 1 : end]


def is_marker(event: Event, text: str) -> bool:
    return event.kind == "LOG" and event.detail == text


def is_foreign_lock(event: Event) -> bool:
    return event.kind == "FENCE" and event.detail == "locked" and not event.file


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """One store for the touching pieces of one; no fence of its own for a locked store."""
    held: Event | None = None
    for event in events:
        if held is not None:
            joined = joined_store(held, event)
            if joined is None and not announces(held, event):
                yield held
            event = joined or event
        held = event
    if held is not None:
        yield held


def joined_store(first: Event, second: Event) -> Event | None:
    is_same = first.kind == second.kind == "STORE" and first.thread == second.thread
    if not (is_same and first.flags & second.flags & {"rep", "syscall"}):
        return None
    length = first.length + second.length
    if first.offset + first.length == second.offset:
        return replace(first, length=length, data=first.data + second.data)
    if second.offset + second.length == first.offset:
        return replace(second, length=length, data=second.data + first.data)
    return None


def announces(fence: Event, event: Event) -> bool:
    is_locked_fence = fence.kind == "FENCE" and fence.detail == "locked"
    is_locked_store = event.kind == "STORE" and "atomic" in event.flags
    is_there = not fence.file or fence.offset == event.offset
    return is_locked_fence and is_locked_store and is_there and fence.thread == event.thread


def lines(
    events: list[Event], is_of_file: Callable[[Event], bool], name: str, foreign_locks: bool
) -> list[str]:
    """The lines of the part NAME, of the events for which is_of_file() holds."""
    kept = [e for e in events if is_of_file(e) or e.kind in (*ANYWHERE, "UNMAP")]
    part = {e.seq for e in window(kept, name)}
    mapped = MappedParts()
    threads = {e.thread: "" for e in kept if is_marker(e, f"{name}.BEGIN")}  # T1 is not written
    threads[""] = ""  # an event of no thread
    found: list[str] = []
    before = str(mapped)
    for event in merged(kept):
        if event.kind in ("MAP", "UNMAP"):
            mapped.change(event)
            continue
        is_noise = is_foreign_lock(event) and not foreign_locks
        if event.kind.startswith(("TX", "TRANSACTION")) or is_noise:
            continue
        if event.seq in part:
            if before != str(mapped):
                found.append(str(mapped))
            prefix = threads.setdefault(event.thread, f"T{len(threads)} ")
            found.append(prefix + line_of(event))
        before = str(mapped)
    return found


# ---- Replay ----


def replay(events: Iterable[Event], is_of_file: Callable[[Event], bool], size_bytes: int) -> bytes:
    """The file that all stores make of zeros, in the trace's order."""
    content = bytearray(size_bytes)
    for event in events:
        if event.kind == "STORE" and is_of_file(event):
            data = event.data[: max(0, size_bytes - event.offset)]
            content[event.offset : event.offset + len(data)] = data
        elif event.kind == "WRITE" and is_of_file(event):
            begin, end = event.offset, min(event.offset + event.length, size_bytes)
            if event.detail == "pwrite":
                content[begin:end] = event.data[: end - begin]
            elif event.detail == "zero":
                content[begin:end] = bytes(end - begin)
            elif event.detail == "truncate":  # to `offset` bytes
                content[begin:] = bytes(max(0, size_bytes - begin))
    return bytes(content)


def first_difference(is_now: bytes, expected: bytes) -> str:
    """Empty where both are the same."""
    if is_now == expected:
        return ""
    if len(is_now) != len(expected):
        return f"{len(is_now)} bytes, expected {len(expected)}"
    at = next(i for i, (a, b) in enumerate(zip(is_now, expected)) if a != b)
    count = sum(a != b for a, b in zip(is_now, expected))
    return (
        f"{count} bytes differ, first at {at:#x}: {is_now[at:at + 8].hex()}, "
        f"expected {expected[at:at + 8].hex()}"
    )
