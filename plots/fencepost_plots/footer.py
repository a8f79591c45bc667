# SPDX-License-Identifier: BSD-3-Clause
"""What every figure must say of itself: where, when and how its numbers were measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .load import Cell, Condition, Run, data_size
from .style import FLOOR_ENGINE

_PMEM = {
    "forced-on-tmpfs": "persistent memory emulated by tmpfs",
    "msync": "mapped file made durable by msync",
    "hardware": "on persistent memory",
}
_MAX_NAMES = 4
_SAID_WHERE_DIFFERENT = (
    "verify",
    "update",
    "load",
    "target",
    "data",
    "settings",
    "commit",
    "machine",
    "bench",
)
SEPARATOR = " · "


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _list(values: Iterable[str]) -> str:
    found = _distinct(values)
    more = f" and {len(found) - _MAX_NAMES} more" if len(found) > _MAX_NAMES else ""
    return ", ".join(found[:_MAX_NAMES]) + more


def _dates(runs: Sequence[Run]) -> str:
    dates: list[str] = sorted({run.manifest["created_utc"][:10] for run in runs})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"


def _name(cell: Cell) -> str:
    return f"{cell.engine} {cell.workload}"


def caveats(cells: Sequence[Cell]) -> list[str]:
    """What a reader must know before comparing."""
    stored = [cell for cell in cells if cell.engine != FLOOR_ENGINE]
    found = []
    durabilities = _distinct(cell.condition.durability for cell in stored)
    if len(durabilities) > 1:
        found.append(f"DURABILITY DIFFERS between panels ({', '.join(durabilities)})")
    media = _distinct(cell.condition.medium for cell in stored)
    if len(media) > 1:
        found.append(f"MEDIUM DIFFERS between panels ({', '.join(media)})")
    if "tmpfs" in media:
        found.append("tmpfs is DRAM: a file engine's sync is free there")
    partial = [_name(cell) for cell in cells if cell.partial]
    if partial:
        found.append(f"PARTIAL, ended early: {_list(partial)}")
    bad = [_name(cell) for cell in cells if cell.failed_check]
    if bad:
        found.append(f"VERIFICATION FAILED: {_list(bad)}")
    relaxed = any(r.summary["relaxed_load"] for c in stored for r in c.runs)
    if relaxed:
        found.append("loads relaxed, ended by one Sync")
    return found


def lines(cells: Sequence[Cell], notes: Iterable[str] = ()) -> list[str]:
    """The footer, one paragraph a line. `cells`: all that the figure shows, at least one run."""
    runs = [run for cell in cells for run in cell.runs]
    stored = [cell for cell in cells if cell.engine != FLOOR_ENGINE] or list(cells)
    conditions = [cell.condition for cell in stored]
    modes = [(c.engine, r.manifest["engine"]["pmem_mode"]) for c in stored for r in c.runs]
    targets = any(condition.target for condition in conditions)
    shown = [
        f"measured {_dates(runs)}",
        f"commit {_list(c.commit for c in conditions)}",
        f"machine: {_list(c.machine for c in conditions)}",
        f"medium: {_list(c.medium for c in conditions)}",
        f"durability: {_list(c.durability for c in conditions)}",
        f"verify: {_list(c.verify for c in conditions)}",
        f"update: {_list(c.update for c in conditions)}",
        f"target: {_list(c.target or 'none' for c in conditions)}" if targets else "",
        _list(data_size(r.summary) for c in stored for r in c.runs),
        _list(f"{engine}: {_PMEM[mode]}" for engine, mode in modes if mode in _PMEM),
    ]
    said = [*caveats(cells), *notes]
    return [SEPARATOR.join(_distinct(shown))] + ([SEPARATOR.join(_distinct(said))] if said else [])


def panel_title(condition: Condition, all_conditions: Iterable[Condition]) -> str:
    """Medium and durability, and whatever else differs between the panels of the figure."""
    others = list(all_conditions)
    parts = [f"medium: {condition.medium}", f"durability: {condition.durability}"]
    for name in _SAID_WHERE_DIFFERENT:
        value = getattr(condition, name)
        if value and any(getattr(other, name) != value for other in others):
            parts.append(f"{name}: {value}")
    return SEPARATOR.join(parts)
