# SPDX-License-Identifier: BSD-3-Clause
"""Which flushes, fences and msyncs are needed, as a section of a crash report's page."""

from __future__ import annotations

from typing import Any

from . import crash_violation
from .crash_violation import count
from .markup import Markup, Node, element


def _tried(explored: dict[str, Any]) -> str:
    points, done = explored["crash_points"], explored["explored_points"]
    said = f"{done:,} of {count(points, 'crash point')}, "
    said += count(explored["recoveries"], "recovery", "recoveries")
    said += ", every state" if explored["every_state"] else ", not every state"
    if explored["stopped"] is not None:
        said += f"; it ended early: {explored['stopped']}"
    return said


def _prevented(violation: dict[str, Any]) -> str:
    point = violation["crash_point"]
    where = "" if point["where"] is None else f" at {point['where']}"
    return f"{violation['message']}; crash before {point['before']}{where} (event {point['event']})"


def _row(site: dict[str, Any]) -> tuple[Node, ...]:
    violation = site["violation"]
    return (
        element("strong", site["verdict"]) if violation is None else site["verdict"],
        site["kind"],
        element("code", site["where"]),
        f"{site['events']:,}",
        _tried(site["explored"]) if violation is None else _prevented(violation),
    )


def section(report: dict[str, Any]) -> Markup:
    """A table of sites; nothing if nobody asked."""
    mutations = report["mutations"]
    if mutations is None:
        return Markup("")
    title = element("h2", "Is each flush needed?", id="mutations")
    if mutations["skipped"] is not None:
        return element("section", title, element("p", f"Not mutated: {mutations['skipped']}."))
    sites = mutations["sites"]
    not_shown = [site for site in sites if site["violation"] is None]
    said = (
        f"Each flush, fence and msync was left out in turn, alone: {len(not_shown):,} of "
        f"{count(len(sites), 'site')} not shown necessary."
    )
    if not all(site["explored"]["every_state"] for site in not_shown):
        strategy = report["settings"]["strategy"]
        said += f" `{strategy}` does not try every state: it may have missed what they prevent."
    header = ("verdict", "kind", "where", "events", "without it")
    table = crash_violation.table(header, [_row(site) for site in sites], "mutations")
    return element("section", title, element("p", said), table)
