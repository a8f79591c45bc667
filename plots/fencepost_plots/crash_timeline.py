# SPDX-License-Identifier: BSD-3-Clause
"""The timeline of a violation as inline SVG: its events in order, a lane for each thread and one
for each missing line, the crash across all of them.

Shapes tell the marks apart, colour only says it again. The axis shows order, not time. Colours and
fonts are in crash.css: an inline SVG takes those of its page, light or dark.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from .markup import Markup, Node, element, join

# All sizes are in CSS pixels; text is 12 px high.
_WIDTH = 932  # of a page's column: a long timeline is wider and scrolls
_STEP_MIN, _STEP_MAX = 18, 80  # the longest timelines, of some fifty events, just fit
_STEP_AFTER_MAX = 22  # so that the crash is in sight at the right end of a narrow screen
_PAD = 10
_CHAR = 6.6  # mean width of a character
_DIGIT = 7.4
_TAG = 18  # height of the row with the crash's name
_LABEL = 18
_SPAN = 20  # a row of operations
_MARKS = 24
_LOST = 12  # height of the word under a lost store
_LOST_WIDTH = 26
_GAP = 8
_SIZE = 5.5  # half of a mark

_OPERATION = re.compile(r"operation (\S+) (begins|is acknowledged)")

# The shapes, in the order of the legend.
_LEGEND = (
    ("store", "store"),
    ("lost", "store that had to survive and did not"),
    ("flush", "flush of the line"),
    ("fence", "fence"),
    ("sync", "CLFLUSH, msync or fsync: durable at once"),
    ("exposed", "stored, and not durable yet"),
    ("other", "something else"),
)


@dataclasses.dataclass(frozen=True)
class _Mark:
    column: int
    kind: str
    title: str


@dataclasses.dataclass(frozen=True)
class _Span:
    """An operation. A column that is None lies outside of the picture."""

    name: str
    begin: int | None
    end: int | None


def _kind(what: str) -> str:
    if what.startswith("sync") or what == "flush clflush":
        return "sync"
    first = what.split(" ", 1)[0]
    return first if first in ("store", "flush", "fence") else "other"


def _title(event: dict[str, Any], more: str = "") -> str:
    size = f" of {event['bytes']} bytes" if event["bytes"] else ""
    where = f"\n{event['where']}" if event["where"] else ""
    return f"{event['what']}{size}{more}\nevent {event['event']}, thread {event['thread']}{where}"


def _thread_marks(timeline: Sequence[dict[str, Any]], thread: int, lost: set[int]) -> list[_Mark]:
    marks = []
    for column, event in enumerate(timeline):
        if event["thread"] != thread or event["what"] == "crash":
            continue
        if _OPERATION.fullmatch(event["what"]):
            continue
        kind = _kind(event["what"])
        is_lost = kind == "store" and event["event"] in lost
        marks.append(
            _Mark(column, "lost" if is_lost else kind, _title(event, ", lost" if is_lost else ""))
        )
    return marks


def _line_marks(
    timeline: Sequence[dict[str, Any]], index: int, missing: dict[str, Any]
) -> list[_Mark]:
    """What happened to a line, and the fences that follow a flush of it by the same thread."""
    stores = {store["event"]: store for store in missing["stores"]}
    flushed_by: set[int] = set()
    marks = []
    for column, event in enumerate(timeline):
        kind = _kind(event["what"])
        lost = stores.get(event["event"]) if kind == "store" else None
        if kind == "fence" and event["thread"] in flushed_by:
            flushed_by.remove(event["thread"])
        elif lost is None and event["missing_line"] != index:
            continue
        if kind == "flush" or (lost and lost["non_temporal"]):
            flushed_by.add(event["thread"])
        how = f", lost{' in part' if lost['torn'] else ''}" if lost else ""
        marks.append(_Mark(column, "lost" if lost else kind, _title(event, how)))
    return marks


def _exposed(marks: Sequence[_Mark], crash: int) -> tuple[int, int | None] | None:
    """The columns from the first lost store to the mark that makes it durable, if there is one.

    That comes after the crash: before it, nothing had made the store durable, or it were not lost.
    """
    begin = next((mark.column for mark in marks if mark.kind == "lost"), None)
    if begin is None:
        return None
    after = (
        m.column for m in marks if m.column > max(begin, crash) and m.kind in ("fence", "sync")
    )
    return begin, next(after, None)


def _spans(timeline: Sequence[dict[str, Any]], thread: int) -> list[list[_Span]]:
    """The thread's operations, in as many rows as keep them apart."""
    open_at: dict[str, int] = {}
    spans = []
    for column, event in enumerate(timeline):
        found = _OPERATION.fullmatch(event["what"])
        if not found or event["thread"] != thread:
            continue
        name, what = found.groups()
        if what == "begins":
            open_at[name] = column
        else:
            spans.append(_Span(name, open_at.pop(name, None), column))
    spans += [_Span(name, begin, None) for name, begin in open_at.items()]
    rows: list[list[_Span]] = []
    ends: list[int] = []
    for span in sorted(spans, key=lambda span: -1 if span.begin is None else span.begin):
        begin = -1 if span.begin is None else span.begin
        end = len(timeline) if span.end is None else span.end
        row = next((row for row, last in enumerate(ends) if last < begin), len(rows))
        if row == len(rows):
            rows.append([])
            ends.append(-1)
        rows[row].append(span)
        ends[row] = end
    return rows


def _shape(kind: str, x: float, y: float) -> Markup:
    s = _SIZE
    if kind in ("store", "lost"):
        return element("rect", x=x - s, y=y - s, width=2 * s, height=2 * s)
    if kind == "flush":
        return element("path", d=f"M{x - s - 1:g} {y - s:g}h{2 * s + 2:g}L{x:g} {y + s:g}z")
    if kind == "fence":
        across = f"M{x - 4:g} {y - s - 2:g}h8m-4 0v{2 * s + 4:g}m-4 0h8"
        return element("path", d=across)
    if kind == "sync":
        r = s + 1.5
        return element("path", d=f"M{x:g} {y - r:g}l{r:g} {r:g}l-{r:g} {r:g}l-{r:g} -{r:g}z")
    if kind == "exposed":
        return element("path", d=f"M{x - 12:g} {y:g}h24")
    return element("circle", cx=x, cy=y, r=s)


def _legend(kinds: set[str]) -> Markup:
    """The shapes that were used, and what they mean."""
    items = []
    for kind, words in _LEGEND:
        if kind in kinds:
            icon = element("g", _shape(kind, 14, 9), class_=f"mark {kind}")
            size: dict[str, Any] = {"width": 28, "height": 18, "viewBox": "0 0 28 18"}
            items.append(element("li", element("svg", icon, aria_hidden="true", **size), words))
    return element("ul", *items, class_="legend")


def _shortened(text: str, width: float) -> str:
    """`text` cut in its middle to fit `width`: both ends of a path say something."""
    most = int(width / _CHAR)
    if len(text) <= most:
        return text
    head = max(most // 2 - 1, 1)
    return f"{text[:head]}…{text[len(text) - (most - head - 1):]}"


class _Drawing:
    """Lanes are added from the top; what lies across them is drawn when their height is known."""

    def __init__(self, timeline: Sequence[dict[str, Any]]) -> None:
        self.timeline = timeline
        crashes = (i for i, event in enumerate(timeline) if event["what"] == "crash")
        self.crash = next(crashes, None)
        after = len(timeline) - (self.crash + 1 if self.crash is not None else len(timeline))
        before = max(len(timeline) - after, 1)
        room = _WIDTH - 2 * _PAD - after * _STEP_AFTER_MAX
        self.step = min(max(room / before, _STEP_MIN), _STEP_MAX)
        self.step_after = min(self.step, _STEP_AFTER_MAX)
        self.before = before
        self.width = max(2 * _PAD + before * self.step + after * self.step_after, 380)
        digits = max((len(str(event["event"])) for event in timeline), default=1)
        narrowest = self.step_after if after else self.step
        self.turned = digits * _DIGIT + 6 > narrowest
        self.axis = _TAG + (digits * _DIGIT + 14 if self.turned else 16)
        self.y = self.axis + _GAP
        self.body: list[Node] = []
        self.kinds: set[str] = set()

    def x(self, column: int) -> float:
        after = max(column - self.before + 0.5, 0)
        before = column + 0.5 if column < self.before else self.before
        return _PAD + before * self.step + after * self.step_after

    def label(self, text: str) -> None:
        shown = _shortened(text, self.width - 2 * _PAD)
        words: list[Node] = [element("title", text), shown]
        self.body.append(element("text", *words, x=_PAD, y=self.y + 12, class_="lane"))
        self.y += _LABEL

    def base(self) -> None:
        right = self.width - _PAD
        y = self.y + _MARKS / 2
        self.body.append(element("path", d=f"M{_PAD} {y:g}H{right:g}", class_="base"))

    def marks(self, marks: Sequence[_Mark]) -> None:
        y = self.y + _MARKS / 2
        for mark in marks:
            parts: list[Node] = [element("title", mark.title)]
            parts.append(_shape(mark.kind, self.x(mark.column), y))
            self.body.append(element("g", *parts, class_=f"mark {mark.kind}"))
            self.kinds.add(mark.kind)
        self.y += _MARKS

    def span(self, span: _Span, name: str) -> None:
        left = 0.0 if span.begin is None else self.x(span.begin)
        right = self.width if span.end is None else self.x(span.end)
        top, bottom = self.y + 1, self.y + _SPAN - 3
        # An end that lies outside of the picture stays open.
        outline = f"M{right:g} {top:g}H{left:g}"
        outline += f"M{left:g} {bottom:g}H{right:g}" if span.begin is None else f"V{bottom:g}"
        outline += f"H{right:g}" if span.begin is not None else ""
        outline += f"V{top:g}" if span.end is not None else ""
        begin = "before this picture" if span.begin is None else "here"
        end = "after this picture" if span.end is None else "here"
        # Keeps off the edge, where the operation begins outside of the picture.
        shift = max(left + 5, _PAD)
        parts: list[Node] = [
            element("title", f"{name}\nbegins {begin}, is acknowledged {end}"),
            element("rect", x=left, y=top, width=right - left, height=bottom - top),
            element("path", d=outline),
        ]
        words = next(
            (
                text
                for text in (name, f"operation {span.name}", span.name)
                if len(text) * _CHAR <= right - shift - 4
            ),
            "",
        )
        parts.append(element("text", words, x=shift, y=top + 12.5))
        self.body.append(element("g", *parts, class_="span"))

    def exposed(self, marks: Sequence[_Mark]) -> None:
        found = _exposed(marks, -1 if self.crash is None else self.crash)
        if found is None:
            return
        begin, end = found
        right = self.width - _PAD if end is None else self.x(end)
        y = self.y + _MARKS / 2
        line = element("path", d=f"M{self.x(begin):g} {y:g}H{right:g}")
        self.body.append(element("g", line, class_="mark exposed"))
        self.kinds.add("exposed")

    def lost_words(self, marks: Sequence[_Mark]) -> None:
        free_from = 0.0
        for mark in marks:
            x = self.x(mark.column)
            if mark.kind == "lost" and x - _LOST_WIDTH / 2 >= free_from:
                self.body.append(element("text", "lost", x=x, y=self.y + 7, class_="lost-word"))
                free_from = x + _LOST_WIDTH / 2
        self.y += _LOST

    def _axis(self) -> list[Node]:
        parts: list[Node] = [
            element("path", d=f"M{_PAD} {self.axis:g}H{self.width - _PAD:g}", class_="axis")
        ]
        for column, event in enumerate(self.timeline):
            if event["what"] == "crash":
                continue
            x = self.x(column)
            bottom = self.y - _GAP
            parts.append(element("path", d=f"M{x:g} {self.axis - 3:g}V{bottom:g}", class_="grid"))
            place: dict[str, Any] = {"x": x, "y": self.axis - 6, "class_": "number"}
            if self.turned:
                x, y = x + 4, self.axis - 6
                place = {"transform": f"translate({x:g} {y:g}) rotate(-90)", "class_": "turned"}
            parts.append(element("text", event["event"], **place))
        return parts

    def _after(self, column: int) -> list[Node]:
        """What the recording goes on with, and the crash knows nothing of."""
        x = self.x(column)
        area = element(
            "rect", x=x, y=0, width=self.width - x, height=self.y - _GAP / 2, class_="after"
        )
        words = "only in the recording"
        parts: list[Node] = [area]
        if self.width - x > len(words) * _CHAR + 40:
            parts.append(element("text", words, x=x + 30, y=13, class_="after-word"))
        return parts

    def _crash(self, column: int) -> Markup:
        x = self.x(column)
        event = self.timeline[column]["event"]
        # At an edge the tag would be cut.
        middle = min(max(x, 24), self.width - 24)
        return element(
            "g",
            element("title", f"the crash, before event {event}"),
            element("path", d=f"M{x:g} {_TAG}V{self.y - _GAP / 2:g}"),
            element("rect", x=middle - 23, y=1, width=46, height=_TAG, rx=3),
            element("text", "crash", x=middle, y=14),
            class_="crash",
        )

    def finish(self, label: str) -> Markup:
        under = [] if self.crash is None else self._after(self.crash)
        over = [] if self.crash is None else [self._crash(self.crash)]
        width, height = round(self.width), round(self.y)
        return element(
            "svg",
            *under,
            *self._axis(),
            *self.body,
            *over,
            xmlns="http://www.w3.org/2000/svg",
            class_="timeline",
            width=width,
            height=height,
            viewBox=f"0 0 {width} {height}",
            role="img",
            aria_label=label,
        )


def draw(violation: dict[str, Any]) -> Markup:
    """The picture in its natural size, which may have to scroll, and its legend."""
    timeline = violation["timeline"]
    lost = {store["event"] for line in violation["missing"] for store in line["stores"]}
    names = {
        str(operation["id"]): operation["what"]
        for operation in violation["crash_point"]["operations"]["under_way"]
    }
    drawing = _Drawing(timeline)
    for thread in sorted({e["thread"] for e in timeline if e["what"] != "crash"}):
        drawing.label(f"thread {thread}")
        for row in _spans(timeline, thread):
            for span in row:
                drawing.span(span, names.get(span.name, f"operation {span.name}"))
            drawing.y += _SPAN
        marks = _thread_marks(timeline, thread, lost)
        if marks:
            drawing.base()
            drawing.marks(marks)
        drawing.y += _GAP
    for index, missing in enumerate(violation["missing"]):
        drawing.label(f"missing line {missing['offset']:#x} of {missing['file']}")
        marks = _line_marks(timeline, index, missing)
        drawing.base()
        drawing.exposed(marks)
        drawing.marks(marks)
        drawing.lost_words(marks)
        drawing.y += _GAP
    picture = drawing.finish(f"Timeline of {violation['id']}: {len(timeline)} events")
    # Without a place to stop at, a keyboard could not scroll it.
    return join(
        element("div", picture, class_="scroll picture", tabindex=0), _legend(drawing.kinds)
    )
