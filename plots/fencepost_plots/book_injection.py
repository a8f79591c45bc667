# SPDX-License-Identifier: BSD-3-Clause
"""What the models asked for and what was injected, an operation: charging an operation takes time
itself, and where it takes longer than what is asked, the rest is in the latency.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import style
from .book_tables import Row

COARSE = 1.2  # injected beyond asked: what a reader must know
RINGED = f"injected over {100 * (COARSE - 1):.0f} % more than asked"
_WORDS = {"get": "get", "put": "update", "miss": "miss"}


def injected(row: Row) -> bool:
    return bool(row["asked_ns"] and row["injected_ns"])


def ratio(row: Row) -> float | None:
    """Injected by asked for; None where nothing was asked for."""
    asked = float(row["asked_ns"]) if injected(row) else 0.0
    return float(row["injected_ns"]) / asked if asked > 0 else None


def coarse(row: Row) -> bool:
    found = ratio(row)
    return found is not None and found > COARSE


def beyond(factor: float) -> str:
    """1.39 -> "39 % more"; 4 -> "4 times"."""
    if factor < 2:
        return f"{100 * (factor - 1):.0f} % more"
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.2g} times"


def delays(row: Row) -> str:
    """ "384 ns → 534 ns"; of what nothing was injected into, a dash."""
    if not injected(row):
        return "–"
    asked, had = (style.duration(float(row[name])) for name in ("asked_ns", "injected_ns"))
    return f"{asked} → {had}"


def cell(row: Row) -> str:
    """The delays, and how far apart they are where that is far."""
    factor = ratio(row)
    if factor is None or factor <= COARSE:
        return delays(row)
    return f"{delays(row)}, {beyond(factor)}"


def coarse_text(rows: Iterable[Row]) -> str:
    """The coarse ones: "cmap update 39 % to 4 times"; empty if there are none."""
    found: dict[str, list[float]] = {}
    for row in rows:
        factor = ratio(row)
        if factor is not None and factor > COARSE:
            name = f"{row['engine']} {_WORDS[row['operation']]}"
            found.setdefault(name, []).append(factor)
    texts = []
    for name, factors in found.items():
        ends = list(dict.fromkeys((beyond(min(factors)), beyond(max(factors)))))
        texts.append(f"{name} {' to '.join(ends)}")
    return ", ".join(texts)


def _series(rows: Sequence[Row]) -> str:
    """All delays of an engine and an operation, by size of value."""
    ordered = sorted(rows, key=lambda row: (row["medium"], int(row["value_bytes"])))
    word = f"{rows[0]['engine']} {_WORDS[rows[0]['operation']]}"
    return f"{word} {', '.join(delays(row) for row in ordered)}"


def _files(rows: Sequence[Row]) -> Iterable[str]:
    """Of the others, the worst: they are many, and the page has each."""
    names = ", ".join(dict.fromkeys(row["engine"] for row in rows))
    factors = [factor for factor in map(ratio, rows) if factor is not None]
    free = [float(row["injected_ns"]) for row in rows if ratio(row) is None]
    if factors:
        yield f"{names}: at most {beyond(max(1.0, *factors))} than was asked for"
    if free:
        yield f"{names}: at most {style.duration(max(free))} where nothing was asked for"


def notes(rows: Iterable[Row], persistent: str) -> list[str]:
    """What the figure says of `rows`: all delays of the persistent engine and of whatever is
    coarse, and the worst of the others.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if injected(row):
            groups.setdefault((row["engine"], row["operation"]), []).append(row)
    shown, others = [], []
    for (engine, _), members in groups.items():
        if engine == persistent or any(map(coarse, members)):
            shown.append(_series(members))
        else:
            others += members
    found = [f"asked for → injected, mean of an operation, by size: {'; '.join(shown)}"]
    found = [*(found if shown else []), *_files(others)]
    if any(coarse(row) for members in groups.values() for row in members):
        found.append(f"ringed: {RINGED}, so coarse is the injection itself")
    return found
