# SPDX-License-Identifier: BSD-3-Clause
"""One violation of a crash report as a section of its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import crash_timeline
from .markup import Markup, Node, element, join

_LINE_BYTES = 64
_ROW_BYTES = 8


def count(number: int, one: str, many: str = "") -> str:
    """1 -> "1 store", 2000 -> "2,000 stores"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def table(header: Sequence[str], rows: Sequence[Sequence[Node]], class_: str = "") -> Markup:
    head = element("tr", *(element("th", name, scope="col") for name in header))
    body = []
    for row in rows:
        # On a narrow screen there is no header, and each cell says what it is.
        cells = (element("td", cell, data_name=name) for name, cell in zip(header, row))
        body.append(element("tr", *cells))
    whole = element("table", element("thead", head), element("tbody", *body), class_=class_)
    return element("div", whole, class_="scroll")


def stack(frames: Sequence[dict[str, Any]], summary: Node = "stack") -> Markup:
    """The frames behind a click; nothing if there are none."""
    if not frames:
        return Markup("")
    items = (element("li", element("code", frame["text"])) for frame in frames)
    return element("details", element("summary", summary), element("ol", *items, class_="stack"))


def _values(violation: dict[str, Any]) -> Markup:
    boxes = []
    for name, field in (("Allowed", "allowed"), ("Found", "found")):
        text = violation[field]
        shown = element("pre", text) if text else element("p", "not stated", class_="muted")
        boxes.append(element("div", element("h4", name), shown, class_=f"value {field}"))
    return element("div", *boxes, class_="pair")


def _crash_point(point: dict[str, Any]) -> Markup:
    operations = point["operations"]
    where: list[Node] = [" at ", element("code", point["where"])] if point["where"] else []
    said: list[Node] = [
        "Before ",
        element("strong", point["before"]),
        *where,
        f": event {point['event']}, crash point {point['index']} (counted from 0). ",
        f"{count(operations['acknowledged'], 'operation')} had been acknowledged",
    ]
    under_way = [element("li", element("code", o["what"])) for o in operations["under_way"]]
    said.append("; under way:" if under_way else "; none was under way.")
    return join(
        element("p", *said),
        element("ul", *under_way, class_="operations") if under_way else "",
        stack(point["stack"], "stack of the event that it comes before"),
    )


def _second_crash(second: dict[str, Any] | None) -> Markup:
    if second is None:
        return Markup("")
    where: list[Node] = [" at ", element("code", second["where"])] if second["where"] else []
    moment: list[Node] = ["before ", element("strong", second["before"]), *where]
    if second["ended"]:
        moment = ["after it had answered"]
    return element("p", "And a second crash in the recovery from it, ", *moment, ".")


def _how(store: dict[str, Any]) -> str:
    how = "in part (torn)" if store["torn"] else "whole"
    return f"{how}, non-temporal" if store["non_temporal"] else how


def _stores(stores: Sequence[dict[str, Any]]) -> Markup:
    rows = [
        (
            join(element("code", store["where"]), stack(store["stack"])),
            f"{store['offset']:#x}",
            store["bytes"],
            _how(store),
            store["thread"],
            store["event"],
        )
        for store in stores
    ]
    return table(("stored at", "offset", "bytes", "lost", "thread", "event"), rows, "stores")


def _hex_rows(line: bytes, other: bytes, offset: int) -> Markup:
    rows: list[Node] = []
    for start in range(0, _LINE_BYTES, _ROW_BYTES):
        digits: list[Node] = []
        letters: list[Node] = []
        for i in range(start, start + _ROW_BYTES):
            letter = chr(line[i]) if 0x20 <= line[i] < 0x7F else "·"
            differs = line[i] != other[i]
            byte = f"{line[i]:02x}"
            digits += [" ", element("mark", byte) if differs else byte]
            letters.append(element("mark", letter) if differs else letter)
        rows += [f"{offset + start:08x} ", *digits, "  ", *letters, "\n"]
    return element("pre", *rows, class_="hex")


def _contents(missing: dict[str, Any]) -> Markup:
    found, newest = bytes.fromhex(missing["found"]), bytes.fromhex(missing["newest"])
    differing = sum(a != b for a, b in zip(found, newest))
    boxes = (
        element("div", element("h4", name), _hex_rows(line, other, missing["offset"]))
        for name, line, other in (
            ("Found after the crash", found, newest),
            ("Newest, had every store survived", newest, found),
        )
    )
    words = f"{differing} of the line's {_LINE_BYTES} bytes differ"
    return join(
        element("div", *boxes, class_="pair"),
        element("p", f"{words}; they are underlined.", class_="muted"),
    )


def _missing_piece(missing: dict[str, Any]) -> Markup:
    """Of what was done to files."""
    cover = element("p", element("strong", "Why it was not durable: "), missing["cover"], ".")
    return element("div", element("h4", missing["what"]), cover, class_="missing")


def _missing(missing: dict[str, Any]) -> Markup:
    if "what" in missing:
        return _missing_piece(missing)
    title = element(
        "h4",
        f"Line {missing['offset']:#x} of ",
        element("code", missing["file"]),
        element("span", f" (line {missing['line']})", class_="muted"),
    )
    cover = element("p", element("strong", "Why it was not durable: "), missing["cover"], ".")
    parts = (title, cover, _stores(missing["stores"]), _contents(missing))
    return element("div", *parts, class_="missing")


def _timeline(violation: dict[str, Any]) -> Markup:
    timeline = violation["timeline"]
    caption: list[Node] = ["Events in their order, by number; the distances mean nothing."]
    if len(violation["missing"]) > 1:
        caption.append(" A flush of several missing lines is drawn at the first of them.")
    rows = [
        (
            event["event"],
            "" if event["what"] == "crash" else event["thread"],
            element("strong", "crash") if event["what"] == "crash" else event["what"],
            event["bytes"] or "",
            "" if event["missing_line"] is None else event["missing_line"] + 1,
            element("code", event["where"]) if event["where"] else "",
        )
        for event in timeline
    ]
    header = ("event", "thread", "what", "bytes", "missing line", "where")
    if not isinstance(violation["state"], list):
        # Of files: there are no lines, flushes and fences to be drawn.
        return table(header, rows)
    return join(
        crash_timeline.draw(violation),
        element("p", *caption, class_="muted"),
        element(
            "details",
            element("summary", f"the same {count(len(timeline), 'event')} as a table"),
            table(header, rows),
        ),
    )


def _short_section(
    violation: dict[str, Any], about: Sequence[Node], title: str, *what: Node
) -> Markup:
    """Of what has no trace to be told of: where it was seen, and how it is seen again."""
    return element(
        "section",
        element("h2", element("span", violation["id"], class_="id"), " ", violation["kind"]),
        element("p", violation["message"], class_="message"),
        element("p", *about, class_="muted"),
        _values(violation),
        element("h3", title),
        element("p", *what),
        element("h3", "See it again"),
        element("pre", violation["replay"], class_="copy"),
        id=violation["id"],
        class_="violation",
    )


def _section_of_bit(violation: dict[str, Any], about: Sequence[Node]) -> Markup:
    """No crash: a bit that reads back flipped."""
    state = violation["state"]
    return _short_section(
        violation,
        about,
        "The flipped bit",
        f"Bit {state['bit']} (counted from 0) of byte {state['byte']:,} of ",
        element("code", state["file"]),
        "; all else reads back as it was written.",
    )


def _section_of_image(violation: dict[str, Any], about: Sequence[Node]) -> Markup:
    """What a disk may have held."""
    state, point = violation["state"], violation["crash_point"]
    acknowledged = count(point["operations"]["acknowledged"], "operation")
    return _short_section(
        violation,
        about,
        "The image",
        f"Number {state['image']:,} of the seed: the power is cut before {point['before']}, "
        f"after {count(state['entries'], 'request')} of the disk, with {acknowledged} "
        f"acknowledged. Of {count(state['undecided_writes'], 'write')} that no flush covered "
        f"{state['lost_writes']:,} had not survived, and {state['torn_writes']:,} in part.",
    )


def section(violation: dict[str, Any]) -> Markup:
    number, missing = violation["id"], violation["missing"]
    about: list[Node] = []
    if violation["subject"]:
        about = ["About ", element("code", violation["subject"]), ". "]
    recoveries = count(violation["minimised_by"], "recovery", "recoveries")
    by_itself = "bit" in violation["state"] or "image" in violation["state"]
    minimised = "" if by_itself else f"; minimised by {recoveries}"
    about.append(f"Seen {count(violation['occurrences'], 'time')}{minimised}. In ")
    about += [element("code", violation["recording"]), "."]
    survived = "Every store had survived: no line is missing, and it fails even so."
    if not isinstance(violation["state"], list):
        survived = "Everything that was written had survived, and it fails even so."
    if violation["second_crash"] is not None:
        survived = "What is missing is missing of the recovery's stores, which are not listed."
    else_, fewer = "Everything else had survived", "fewer lines"
    if missing and "what" in missing[0]:
        else_, fewer = f"{else_}, but for what rests on these", "fewer"
    had_to = f"{else_}: these alone make it fail."
    if not violation["minimal"]:
        had_to = f"{else_}; the search for {fewer} was cut short."
    if "bit" in violation["state"]:
        return _section_of_bit(violation, about)
    if "image" in violation["state"]:
        return _section_of_image(violation, about)
    return element(
        "section",
        element("h2", element("span", number, class_="id"), " ", violation["kind"]),
        element("p", violation["message"], class_="message"),
        element("p", *about, class_="muted"),
        _values(violation),
        element("h3", "The crash"),
        _crash_point(violation["crash_point"]),
        _second_crash(violation["second_crash"]),
        _timeline(violation),
        element("h3", "Had to survive, and did not"),
        element("p", had_to if missing else survived),
        *map(_missing, missing),
        element("h3", "See it again"),
        element("pre", violation["replay"], class_="copy"),
        id=number,
        class_="violation",
    )
