# SPDX-License-Identifier: BSD-3-Clause
"""A crash report as one HTML page: no script, nothing that is loaded from elsewhere.

It claims no more than the report does: a pass names what was tried, and what the verdict does not
cover stands right below it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import crash_mutations, crash_violation
from .crash_violation import count
from .markup import Markup, Node, element, join

_STYLE = Path(__file__).with_name("crash.css")
# Even if something was not escaped, nothing would run or be loaded.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_SIGNS = {"passed": "✓", "violated": "✗", "informational": "i", "incomplete": "…"}

Row = tuple[str, Node]


def headline(report: dict[str, Any]) -> str:
    """The verdict in words."""
    explored, strategy = report["explored"], report["settings"]["strategy"]
    if report["verdict"] == "violated":
        return count(len(report["violations"]), "distinct violation")
    if report["verdict"] == "informational":
        kinds = count(len(report["violations"]), "kind")
        return f"information: {kinds} of damage, of which nothing was promised"
    if report["verdict"] == "incomplete":
        looked = "no violation in what was explored" if explored["verdicts"] else "nothing judged"
        return f"incomplete: {looked}"
    if report["domain"] == "medium":
        return "no flipped bit gave a wrong or lost pair; others may"
    if report["domain"] == "process":
        return "no violation in these runs; at another instant a kill may leave something else"
    if report["domain"] == "disk":
        images = count(explored["recoveries"], "image")
        return f"no violation in {images}; a disk may hold many others"
    if report["domain"] == "machine":
        return "no violation in these rounds; another instant may leave something else"
    if explored["every_state"]:
        if strategy == "reads":
            return (
                "proved of what was recorded: of every state that the model allows, one that "
                "recovery cannot tell from it was recovered and judged"
            )
        every = "every state that the model allows was recovered and judged"
        return f"proved of what was recorded: {every}"
    return f"no violation in the states that `{strategy}` tries; it does not try all"


def limits(report: dict[str, Any]) -> list[str]:
    """What keeps the verdict from covering more."""
    explored, settings = report["explored"], report["settings"]
    points, done = explored["crash_points"], explored["explored_points"]
    said = []
    if explored["stopped"] is not None:
        said.append(f"It ended early: {explored['stopped']}.")
    if explored["next_point"] is not None:
        said.append(f"It would go on at crash point {explored['next_point']}.")
    if done != points and report["domain"] == "medium":
        said.append(f"{done:,} of {count(points, 'bit')} that were drawn were flipped.")
    elif done != points and report["domain"] == "disk":
        said.append(f"{done:,} of {count(points, 'crash point')} were tried.")
    elif done != points:
        said.append(f"{done:,} of {count(points, 'crash point')} were explored to the end.")
    if settings["shards"] != 1:
        said.append(
            f"This is shard {settings['shard']} of {settings['shards']}, from 0: the other shards'"
            " images were not recovered here."
        )
    of_threads = settings["fault"] == "power-loss"
    if report["schedules"]["asked"] > 1 and of_threads:
        schedules = count(report["schedules"]["distinct"], "distinct schedule")
        said.append(f"{schedules} of the threads were explored: this says nothing of others.")
    if report["verdict"] == "informational":
        said.append(_why_nothing_is_promised(report))
    if explored["verdicts"] == 0:
        said.append("Not one outcome was judged.")
    has_model = report["domain"] in ("memory", "files")
    if has_model and not explored["every_state"] and report["verdict"] == "violated":
        said.append("Not every state that the model allows was tried: there may be more.")
    if explored["lines_cut"]:
        said.append("A line had too many states to try each.")
    if report["groups_not_minimised"]:
        left_out = count(report["groups_not_minimised"], "further group")
        said.append(f"{left_out} of findings had no place in this report.")
    if report["recording"].get("unmapped_bytes"):
        unmapped = count(report["recording"]["unmapped_bytes"], "byte")
        said.append(f"{unmapped} were stored where no file is mapped: they were not explored.")
    return said


def _why_nothing_is_promised(report: dict[str, Any]) -> str:
    subject = report["subject"]
    if report["domain"] == "medium":
        return f"{subject['engine']} has no checksums of what it reads: it promises nothing here."
    return f"Durability {subject['durability']} promises nothing after such a crash."


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _power_of_ten(log10: float | None) -> Node:
    if log10 is None:
        return "none"
    power = join("10", element("sup", f"{log10:.1f}"))
    return join(power, f" = {10 ** log10:,.0f}") if log10 < 6 else power


def _command(arguments: Sequence[str]) -> Node:
    return element("code", shlex.join(arguments)) if arguments else "not known"


def _subject(subject: dict[str, Any]) -> list[Row]:
    if "engine" not in subject:
        rows: list[Row] = [("program", _command(subject["program"]))]
        if subject["recover"]:
            rows.append(("recovered by", element("code", subject["recover"])))
        if subject["checker"]:
            rows.append(("checked by", element("code", subject["checker"])))
        return rows
    properties = subject["properties"]
    lines = "\n".join(f"{name}={value}" for name, value in sorted(properties.items()))
    listed = element(
        "details",
        element("summary", f"{len(properties):,} in effect"),
        element("pre", lines, class_="properties"),
    )
    return [
        ("engine", join(element("strong", subject["engine"]), ", ", subject["version"])),
        ("durability promised", subject["durability"]),
        ("workload", subject["workload"]),
        ("properties", listed),
        ("operations after each recovery", f"{subject['operations_after']:,}"),
    ]


def _schedules(schedules: dict[str, Any]) -> str:
    return (
        f"{schedules['recorded']:,} of {schedules['asked']:,} recorded,"
        f" {schedules['distinct']:,} distinct"
    )


def _recording(recording: dict[str, Any], schedules: dict[str, Any]) -> list[Row]:
    if "bytes_read" in recording:
        quiet = recording["flipped"] - recording["refused"]
        return [
            ("operations answered", f"{recording['operations']:,}, then it was closed"),
            (
                "read",
                f"{count(recording['bytes_read'], 'byte')} of {count(recording['files'], 'file')}",
            ),
            (
                "bits flipped",
                f"{recording['flipped']:,}: {recording['refused']:,} were reported by the engine, "
                f"{quiet:,} were not",
            ),
            ("kept in", element("code", recording["path"])),
        ]
    if "rounds" in recording:
        cuts = recording.get("by_cut", {})
        how = ", ".join(f"{name} {times:,}" for name, times in sorted(cuts.items()))
        return [
            *([("power cuts", how)] if how else []),
            ("runs", f"{recording['rounds']:,}, of which {recording['killed']:,} were killed"),
            ("operations answered", f"{recording['operations']:,}"),
            ("failed rounds are kept in", element("code", recording["path"])),
        ]
    if "flushes" in recording:
        writes = f"{recording['writes']:,} of {count(recording['bytes_written'], 'byte')}"
        return [
            ("operations answered", f"{recording['operations']:,}, then it was written back"),
            ("writes of the disk", f"{writes}, {count(recording['flushes'], 'flush', 'flushes')}"),
            ("guests that failed", f"{recording['guest_restarts']:,}"),
            ("kept in, if anything was found", element("code", recording["path"])),
        ]
    if "writes" in recording:
        return _recording_of_files(recording, schedules)
    by = {"instruction": "instruction, as executed", "request": "request, as announced"}
    several = [("schedules", _schedules(schedules))] if schedules["asked"] > 1 else []
    return [
        *several,
        ("operations", f"{recording['operations']:,}"),
        ("stores", f"{recording['stores']:,} in {count(recording['events'], 'event')}"),
        ("flushes seen by", by[recording["flushes_by"]]),
        ("trace", f"{recording['trace_bytes']:,} bytes"),
        ("recording", element("code", recording["path"])),
    ]


def _recording_of_files(recording: dict[str, Any], schedules: dict[str, Any]) -> list[Row]:
    writes = f"{recording['writes']:,} of {count(recording['bytes_written'], 'byte')}"
    if recording["mapped_writes"]:
        writes += f", {recording['mapped_writes']:,} of them seen in mappings"
    several = [("runs", _schedules(schedules))] if schedules["asked"] > 1 else []
    return [
        *several,
        ("operations", f"{recording['operations']:,}"),
        ("writes", f"{writes}, in {count(recording['events'], 'event')}"),
        ("syncs", f"{recording['syncs']:,}, and {recording['failed_syncs']:,} that failed"),
        ("trace", f"{recording['trace_bytes']:,} bytes"),
        ("recording", element("code", recording["path"])),
    ]


def _explored(explored: dict[str, Any], shards: int, domain: str) -> list[Row]:
    seconds, recoveries = explored["seconds"], explored["recoveries"]
    verdicts = f"{explored['verdicts']:,}, of which {explored['failed_verdicts']:,} failed"
    if domain in ("process", "machine", "medium"):
        # No model, so no states to be counted.
        return [
            ("stores recovered", f"{recoveries:,}"),
            ("distinct outcomes", f"{explored['outcomes']:,}"),
            ("verdicts", verdicts),
            ("time", f"{seconds:,.2f} s"),
        ]
    raw: Node = _power_of_ten(explored["log10_raw_states"])
    if explored["log10_explored_raw_states"] != explored["log10_raw_states"]:
        part = _power_of_ten(explored["log10_explored_raw_states"])
        raw = join(raw, "; of the explored points ", part)
    every = _yes(explored["every_state"])
    if explored["every_state"] and shards != 1:
        every = "yes, of this shard"
    rows: list[Row] = [
        ("crash points", f"{explored['explored_points']:,} of {explored['crash_points']:,}"),
        ("raw states", raw),
        ("states tried", f"{explored['states']:,}"),
        ("distinct images recovered", f"{recoveries:,}"),
        ("distinct outcomes", f"{explored['outcomes']:,}"),
        ("verdicts", verdicts),
        ("every state tried", every),
        ("time", f"{seconds:,.2f} s"),
    ]
    if explored["traced_recoveries"]:
        rows += [
            ("kinds of recoveries crashed in turn", f"{explored['traced_recoveries']:,}"),
            (
                "second crashes",
                f"{explored['nested_points']:,}: {explored['nested_states']:,} states tried, "
                f"{explored['nested_recoveries']:,} images recovered for them",
            ),
        ]
    if seconds > 0:
        rows.append(("rate", f"{recoveries / seconds:,.0f} recoveries/s"))
    return rows


def _settings(settings: dict[str, Any]) -> list[Row]:
    whole = {"8": "an aligned 8 bytes", "line": "a store inside one line"}
    model: list[Row] = []
    if "accelerator" in settings:
        by = "KVM" if settings["accelerator"] == "kvm" else "software"
        model = [
            ("machine", f"kernel {settings['kernel']}, executed by {by}"),
            ("its NVDIMM", f"{settings['pmem_mib']:,} MiB, ext4 with dax=always"),
            ("its disk", f"{settings['disk_mib']:,} MiB, {settings['file_system']}"),
        ]
        if "mount_options" in settings:
            model[1] = ("mounted with", settings["mount_options"] or "no options")
            model.append(("never tears", f"a sector of {settings['sector_bytes']:,} bytes"))
    elif "file_system" in settings:
        sector = count(settings["sector_bytes"], "byte")
        model = [
            ("file system", settings["file_system"]),
            ("never tears", f"a sector of {sector}" if settings["tearing"] else "a write"),
        ]
    elif "checksums" in settings:
        model = [("promises checksums", _yes(settings["checksums"]))]
    elif "tearing" in settings:
        model = [
            ("never tears", whole[settings["tearing"]]),
            ("eADR (caches survive)", _yes(settings["eadr"])),
        ]
    return [
        ("fault", settings["fault"]),
        ("strategy", element("strong", settings["strategy"])),
        ("crashes", "two: recoveries are crashed" if settings["depth"] == 2 else "one"),
        ("seed", settings["seed"]),
        ("shard", f"{settings['shard']} of {settings['shards']}, from 0"),
        *model,
        ("a recovery hangs after", f"{settings['timeout_s']:g} s"),
    ]


def _facts(title: str, rows: Sequence[Row]) -> Markup:
    body = (element("tr", element("th", name, scope="row"), element("td", v)) for name, v in rows)
    return element("div", element("h3", title), element("table", *body), class_="facts")


def _origin(report: dict[str, Any]) -> list[Row]:
    return [
        ("made", report["created_utc"].replace("T", " ").replace("Z", " UTC")),
        ("fencepost", f"{report['fencepost_version']}, commit {report['commit'][:12]}"),
        ("command", _command(report["command"])),
    ]


def _subject_name(subject: dict[str, Any]) -> str:
    if "engine" in subject:
        return f"{subject['engine']} under {subject['workload']}"
    return shlex.join(subject["program"][:1]) or "a program"


def _verdict(report: dict[str, Any]) -> Markup:
    verdict, explored = report["verdict"], report["explored"]
    words = headline(report)
    parts: list[Node] = [
        element("p", f"{_subject_name(report['subject'])} · {report['run_id']}", class_="of"),
        element(
            "h1",
            element("span", _SIGNS[verdict], class_="sign", aria_hidden="true"),
            " ",
            words[:1].upper() + words[1:],
        ),
    ]
    tried = (
        f"strategy {report['settings']['strategy']}: {count(explored['states'], 'state')} tried, "
        f"{count(explored['recoveries'], 'distinct image')} recovered"
    )
    if report["domain"] in ("process", "machine", "medium"):
        tried = count(explored["states"], "flipped bit" if report["domain"] == "medium" else "run")
    summary = f"{tried}, {count(explored['verdicts'], 'verdict')}"
    if verdict in ("violated", "informational"):
        summary += f", of which {explored['failed_verdicts']:,} failed"
    parts.append(element("p", summary))
    said = limits(report)
    if said:
        parts.append(element("ul", *(element("li", text) for text in said), class_="limits"))
    if verdict in ("violated", "informational"):
        links = (
            element("a", "What was done", href="#done"),
            " · ",
            element("a", "What was assumed", href="#assumed"),
        )
        parts.append(element("p", *links, class_="links"))
    return element("header", *parts, class_=f"verdict {verdict}")


def _contents(violations: Sequence[dict[str, Any]]) -> Markup:
    """Where to find each violation; a single one needs no list."""
    if len(violations) < 2:
        return Markup("")
    rows = [
        (
            element("a", violation["id"], href=f"#{violation['id']}"),
            violation["kind"],
            violation["message"],
            f"{violation['occurrences']:,}",
        )
        for violation in violations
    ]
    return element(
        "nav", crash_violation.table(("", "kind", "what", "times seen"), rows, "contents")
    )


def page(report: dict[str, Any]) -> str:
    """The whole page, of a report that is valid."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{report['verdict']}: {_subject_name(report['subject'])}, crashed"),
        # A style sheet of ours, in which HTML knows no entities.
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    explored = _explored(report["explored"], report["settings"]["shards"], report["domain"])
    assumptions = (element("li", text) for text in report["assumptions"])
    body = element(
        "body",
        element(
            "main",
            _verdict(report),
            _contents(report["violations"]),
            *map(crash_violation.section, report["violations"]),
            crash_mutations.section(report),
            element("h2", "What was done", id="done"),
            element(
                "div",
                _facts("What was crashed", _subject(report["subject"])),
                _facts("What was explored", explored),
                _facts("How", _settings(report["settings"])),
                _facts("The recording", _recording(report["recording"], report["schedules"])),
                _facts("This report", _origin(report)),
                class_="columns",
            ),
            element("h2", "What was assumed", id="assumed"),
            element("ul", *assumptions),
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"
