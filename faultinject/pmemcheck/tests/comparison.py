# SPDX-License-Identifier: BSD-3-Clause
"""Compares lines with expected lines ("a || b": either; an empty side: may be absent), and reads
the tool's report."""

from __future__ import annotations

import difflib
import re

Reports = dict[str, tuple[str, ...]]

# Category: how the report's heading begins, after "Number of ". The last two are Fencepost's own.
HEADINGS = {
    "not-persistent": "stores not made persistent",
    "overwritten": "overwritten stores",
    "flushed-twice": "redundantly flushed stores",
    "flushed-clean": "unnecessary flushes",
    "outside-transaction": "stores made without adding to transaction",
    "active-transactions": "active transactions",
    "two-transactions": "overlapping regions registered in different transactions",
    "idle-fence": "fences with nothing to order",
    "torn": "stores that span two lines",
}


def matching(expected: str, line: str) -> bool:
    """Whether `line` is one of the alternatives; bytes count only where they are expected."""
    without_bytes = re.sub(r" =[0-9a-f]+$", "", line)
    return any(one in (line, without_bytes) for one in expected.split(" || ") if one)


def resolved(expected: list[str], found: list[str], is_prefix: bool) -> list[str]:
    """The expected lines, each alternative decided as `found` has it, for a readable diff."""
    result: list[str] = []
    j = 0
    for i, line in enumerate(expected):
        if j >= len(found) and is_prefix:
            break
        if j < len(found) and matching(line, found[j]):
            result.append(found[j])
            j += 1
        elif "" in line.split(" || "):
            continue
        elif j + 1 < len(found) and matching(line, found[j + 1]):  # found[j] is one too many
            result.append(found[j + 1])
            j += 2
        else:
            result.append(line)
            after = expected[i + 1] if i + 1 < len(expected) else ""
            is_missing = j < len(found) and matching(after, found[j])
            j += not is_missing
    return result


def difference(
    expected: list[str], found: list[str], what: str = "events", is_prefix: bool = False
) -> str:
    """A unified diff from what is expected to what was found; empty where both are the same."""
    wanted = resolved(expected, found, is_prefix)
    if wanted == found:
        return ""
    diff = difflib.unified_diff(wanted, found, f"expected {what}", f"found {what}", lineterm="")
    return "\n".join(diff) + "\n"


# ---- Reports ----


def read_reports(text: str, source: str) -> Reports:
    """Category: one "LINE STATE" a report, read from Valgrind's log; LINE is of the first frame
    that is in `source`.

    A category that is counted but not listed has as many empty entries.
    """
    counts: dict[str, int] = {}
    entries: dict[str, list[str]] = {}
    category = ""
    for line in re.sub(r"(?m)^==\d+== ?|^--\d+-- ?", "", text).splitlines():
        if heading := re.match(r"Number of (.+): (\d+)", line.strip()):
            names = [c for c, begin in HEADINGS.items() if heading[1].startswith(begin)]
            category = names[0] if names else ""
            if category:
                counts[category] = int(heading[2])
                entries[category] = []
        elif category:
            read_entry_line(line, source, entries[category])
    return {
        category: tuple((entries[category] + [""] * count)[: max(count, len(entries[category]))])
        for category, count in counts.items()
    }


def read_entry_line(line: str, source: str, entries: list[str]) -> None:
    if re.match(r"\s*\[\d+\]", line):
        entries.append("")
    if not entries:
        return
    frame = re.search(rf"\({re.escape(source)}:(\d+)\)", line)
    if frame and not entries[-1]:
        entries[-1] = frame[1]
    if state := re.search(r"state: (\w+)", line):
        entries[-1] = f"{entries[-1]} {state[1]}".strip()


def marked_lines(source_text: str) -> dict[str, str]:
    """The line numbers of the comments "mistake: NAME"."""
    return {
        found[1]: str(number)
        for number, line in enumerate(source_text.splitlines(), start=1)
        if (found := re.search(r"/\* mistake: ([\w-]+) \*/", line))
    }


def report_lines(reports: Reports, marks: dict[str, str]) -> list[str]:
    """Lines to compare: "CATEGORY COUNT", and "CATEGORY LINE STATE" of each entry with a line."""
    result = []
    for category, entries in sorted(reports.items()):
        result.append(f"{category} {len(entries)}")
        for entry in sorted(entries):
            mark, _, state = entry.partition(" ")
            if entry:
                result.append(f"{category} {marks.get(mark, mark)} {state}".strip())
    return sorted(result)


def report_difference(expected: Reports, found: Reports, source_text: str) -> str:
    """Compares the categories that are expected: by count only where an entry names no line, and
    without the states where it names none."""
    marks = marked_lines(source_text)
    found = {category: found.get(category, ()) for category in expected}
    for category, entries in expected.items():
        if not all(entries):
            found[category] = ("",) * len(found[category])
        elif not any(" " in entry for entry in entries):
            found[category] = tuple(entry.partition(" ")[0] for entry in found[category])
    return difference(report_lines(expected, marks), report_lines(found, {}), "reports")
