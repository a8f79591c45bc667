# SPDX-License-Identifier: BSD-3-Clause
"""Made-up crash reports for the tests: passed, incomplete, and violated in several ways.

Nothing here was crashed, and each document says so (engine version, commit).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plots.tests.synthetic import COMMIT

# As a key, a path or a message may be: markup, quotes, an entity, a control character, an order of
# text, half of a pair.
HOSTILE = "<script>alert('\"&amp;')</script>]]>--\x1b\u202e\ud800"


def report(verdict: str = "passed", *found: dict[str, Any]) -> dict[str, Any]:
    """A campaign on an engine. `found` are its violations, which get their ids here."""
    for number, entry in enumerate(found, start=1):
        entry["id"] = f"V{number}"
        entry["replay"] = f"fencepost crash replay results/crash V{number}"
    return {
        "schema": "fencepost.crash/1",
        "run_id": "crash",
        "created_utc": "2026-01-02T03:04:05Z",
        "command": ["fencepost", "crash", "cmap", "crash-mixed"],
        "fencepost_version": "0.1.0",
        "commit": COMMIT,
        "domain": "memory",
        "subject": {
            "engine": "cmap",
            "version": "synthetic layout 7",
            "durability": "power-fail",
            "workload": "crash-mixed",
            "properties": {"recordcount": "2021", "table": "usertable"},
            "operations_after": 12,
        },
        "recording": {
            "path": "results/crash/recording",
            "trace_bytes": 33213,
            "events": 9271,
            "stores": 3672,
            "operations": 1013,
            "unmapped_bytes": 0,
            "flushes_by": "instruction",
        },
        "schedules": {"asked": 1, "recorded": 1, "distinct": 1},
        "settings": {
            "strategy": "one-missing",
            "seed": 4711,
            "fault": "power-loss",
            "tearing": "8",
            "eadr": False,
            "shard": 0,
            "shards": 1,
            "depth": 1,
            "timeout_s": 10.0,
        },
        "explored": {
            "crash_points": 39,
            "explored_points": 39,
            "log10_raw_states": 37.16,
            "log10_explored_raw_states": 37.16,
            "states": 52104,
            "recoveries": 42171,
            "traced_recoveries": 0,
            "nested_points": 0,
            "nested_states": 0,
            "nested_recoveries": 0,
            "outcomes": 61,
            "verdicts": 51732,
            "failed_verdicts": 77 if found else 0,
            "mixed_lines": 0,
            "every_state": False,
            "lines_cut": False,
            "stopped": None,
            "next_point": None,
            "seconds": 20.0,
        },
        "assumptions": ["Px86: made up for a test.", "Sizes of files are durable at once."],
        "verdict": verdict,
        "groups_not_minimised": 0,
        "violations": list(found),
        "mutations": None,
    }


def program_report(*found: dict[str, Any]) -> dict[str, Any]:
    """A campaign on a program, with its own command to recover and judge."""
    document = report("violated" if found else "passed", *found)
    document["command"] = ["fencepost", "explore", "recording"]
    document["subject"] = {
        "program": ["./ledger", "/dev/shm/ledger"],
        "recover": "./ledger check {image}",
        "checker": "",
    }
    return document


def incomplete_report(stopped: str | None = "budget of states") -> dict[str, Any]:
    document = report("incomplete")
    document["explored"] |= {
        "explored_points": 17,
        "log10_explored_raw_states": 12.34,
        "stopped": stopped,
        "next_point": None if stopped is None else 17,
    }
    return document


def medium_report(*bits: dict[str, Any], checksums: bool = True) -> dict[str, Any]:
    """A medium that read back flipped bits."""
    verdict = "passed" if not bits else "violated" if checksums else "informational"
    document = report(verdict, *bits)
    document["domain"] = "medium"
    document["recording"] = {
        "path": "results/crash/recording",
        "files": 3,
        "bytes_read": 81920,
        "flipped": 1009,
        "refused": 811,
        "operations": 1013,
    }
    document["settings"] = {
        "strategy": "read-flip",
        "seed": 4711,
        "fault": "read-flip",
        "checksums": checksums,
        "shard": 0,
        "shards": 1,
        "depth": 1,
        "timeout_s": 10.0,
    }
    document["explored"] |= {
        "crash_points": 1009,
        "explored_points": 1009,
        "log10_raw_states": None,
        "log10_explored_raw_states": None,
        "states": 1009,
        "recoveries": 1009,
        "verdicts": 1009,
    }
    return document


def _guest_settings() -> dict[str, Any]:
    return {
        "seed": 1,
        "shard": 0,
        "shards": 1,
        "depth": 1,
        "accelerator": "tcg",
        "kernel": "6.1.0-57-amd64",
    }


def machine_report(*found: dict[str, Any]) -> dict[str, Any]:
    """Power cuts of a virtual machine."""
    document = report("violated" if found else "passed", *found)
    document["domain"] = "machine"
    document["recording"] = {
        "path": "/results/power-cut",
        "rounds": 8,
        "killed": 7,
        "operations": 1473,
        "by_cut": {"kill": 4, "recovery": 4},
        "boots": 13,
        "boot_s_p50": 5.4,
        "run_s": 1.04,
    }
    document["settings"] = {
        "strategy": "power-cut",
        **_guest_settings(),
        "fault": "power-cut",
        "timeout_s": 60.0,
        "file_system": "xfs",
        "pmem_mib": 256,
        "disk_mib": 320,
    }
    document["explored"]["every_state"] = False
    return document


def disk_report(*found: dict[str, Any]) -> dict[str, Any]:
    """Images of a recorded disk."""
    document = report("violated" if found else "passed", *found)
    document["domain"] = "disk"
    document["recording"] = {
        "path": "/results/images",
        "operations": 400,
        "writes": 1823,
        "bytes_written": 9437184,
        "flushes": 611,
        "boots": 2,
        "boot_s_p50": 5.4,
        "guest_restarts": 1,
        "run_s": 3.5,
    }
    document["settings"] = {
        "strategy": "images",
        **_guest_settings(),
        "fault": "power-loss",
        "timeout_s": 10.0,
        "file_system": "ext4",
        "sector_bytes": 512,
        "mount_options": "commit=1",
        "pmem_mib": 0,
        "disk_mib": 64,
    }
    document["explored"]["every_state"] = False
    return document


def disk_image() -> dict[str, Any]:
    found = violation(timeline=[])
    found["state"] = {
        "image": 4711,
        "entries": 1013,
        "undecided_writes": 9,
        "lost_writes": 2,
        "torn_writes": 1,
    }
    found["crash_point"] |= {"before": "a flush", "where": None, "stack": []}
    return found


def flipped_bit() -> dict[str, Any]:
    found = violation(timeline=[])
    found["state"] = {"file": "000004.log", "byte": 4711, "bit": 6}
    found["crash_point"] |= {"before": "the end", "where": "a read of #.log", "stack": []}
    return found


def missing_name() -> dict[str, Any]:
    """Of files: a name that had to survive."""
    piece = {
        "what": "create MANIFEST-000005 (event 47; operation 3)",
        "place": "create MANIFEST-#",
        "event": 47,
        "part": 0,
        "operation": 3,
        "cover": "the first sync that covers it ends after the crash",
    }
    found = violation(timeline=[event(47, "create MANIFEST-000005"), event(90, "crash")])
    found["missing"] = [piece]
    found["state"] = {"through": 90, "lost": [[47, 0]], "kept": []}
    return found


def site(line: int, kind: str = "flush", necessary: bool = True) -> dict[str, Any]:
    """A place of the program, and what became of the recording without it."""
    prevented = {
        "kind": "lost",
        "subject": "user42",
        "message": f"user42: lost without line {line}",
        "crash_point": {"event": 90, "before": "a fence", "where": "Commit (ledger.c:77)"},
    }
    tried = {
        "crash_points": 38,
        "explored_points": 37,
        "recoveries": 1234,
        "every_state": False,
        "stopped": None,
    }
    return {
        "kind": kind,
        "where": f"Put (ledger.c:{line})",
        "function": "Put",
        "file": "/src/ledger.c",
        "line": line,
        "events": 17,
        "verdict": "necessary" if necessary else "not shown necessary",
        "violation": prevented if necessary else None,
        "explored": None if necessary else tried,
    }


def frame(function: str, line: int) -> dict[str, Any]:
    return {
        "function": function,
        "file": "/src/ledger.c",
        "line": line,
        "object": "/src/ledger",
        "text": f"{function} (/src/ledger.c:{line})",
    }


def event(number: int, what: str, thread: int = 1, line: int | None = None) -> dict[str, Any]:
    return {
        "event": number,
        "what": what,
        "thread": 0 if what == "crash" else thread,
        "where": None if what == "crash" else f"main (/src/ledger.c:{number})",
        "missing_line": line,
        "bytes": 8 if what == "store" else 0,
    }


def missing_line(number: int, store_events: Sequence[int], thread: int = 1) -> dict[str, Any]:
    """A line of which the 8 bytes of each store are missing; the last store is torn."""
    newest = bytearray(64)
    stores = []
    for i, at in enumerate(store_events):
        newest[8 * i : 8 * i + 8] = b"%08d" % at
        stores.append(
            {
                "event": at,
                "thread": thread,
                "offset": 64 * number + 8 * i,
                "bytes": 8,
                "torn": at == store_events[-1],
                "non_temporal": False,
                "where": f"Put (/src/ledger.c:{at})",
                "stack": [frame("Put", at), frame("main", 12)],
            }
        )
    return {
        "file": "/dev/shm/ledger",
        "line": number,
        "offset": 64 * number,
        "found": bytes(64).hex(),
        "newest": newest.hex(),
        "cover": f"no flush of line {number} follows, up to the end",
        "stores": stores,
    }


def violation(
    missing: Sequence[dict[str, Any]] = (),
    timeline: Sequence[dict[str, Any]] | None = None,
    subject: str = "user42",
) -> dict[str, Any]:
    return {
        "id": "V1",
        "kind": "lost",
        "subject": subject,
        "message": f"{subject}: an acknowledged put is lost",
        "allowed": f"value of {subject}",
        "found": "absent",
        "occurrences": 321,
        "recording": "results/crash/recording",
        "crash_point": {
            "index": 5,
            "event": 90,
            "before": "a fence",
            "where": "Commit (/src/ledger.c:77)",
            "stack": [frame("Commit", 77), frame("main", 12)],
            "operations": {
                "acknowledged": 16,
                "under_way": [{"id": 17, "what": f"operation 17: put {subject} = v"}],
            },
        },
        "missing": list(missing),
        "state": [{"file": 1, "line": 0, "bytes": bytes(64).hex()}],
        "timeline": list(
            timeline
            if timeline is not None
            else [
                event(40, "operation 16 is acknowledged"),
                event(45, "operation 17 begins"),
                event(90, "crash"),
                event(90, "fence sfence"),
            ]
        ),
        "minimal": True,
        "second_crash": None,
        "minimised_by": 23,
        "replay": "fencepost crash replay results/crash V1",
    }


def one_line() -> dict[str, Any]:
    """Two stores to one line that is flushed, but not fenced in time."""
    return violation(
        [missing_line(2, (50, 52))],
        [
            event(45, "operation 17 begins"),
            event(47, "store", line=0),
            event(48, "flush clwb", line=0),
            event(49, "fence sfence"),
            event(50, "store", line=0),
            event(52, "store", line=0),
            event(60, "flush clwb", line=0),
            event(90, "crash"),
            event(90, "fence sfence"),
            event(95, "operation 17 is acknowledged"),
        ],
    )


def three_lines() -> dict[str, Any]:
    """Three lines of two threads: one store reaches over two of the lines, one line is synced."""
    return violation(
        [
            missing_line(2, (50,)),
            missing_line(3, (50, 55), thread=1),
            missing_line(9, (53,), thread=2),
        ],
        [
            event(45, "operation 17 begins"),
            event(46, "operation 18 begins", thread=2),
            event(50, "store", line=0),
            event(53, "store", thread=2, line=2),
            event(55, "store", line=1),
            event(60, "flush clwb", line=0),
            event(61, "operation 18 is acknowledged", thread=2),
            event(90, "crash"),
            event(90, "fence sfence"),
            event(93, "sync msync", thread=2, line=2),
            event(95, "operation 17 is acknowledged"),
        ],
    )


def write(folder: Path, document: dict[str, Any]) -> Path:
    """Writes crash.json into `folder`, whose name becomes the run_id."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "crash.json"
    path.write_text(json.dumps(document | {"run_id": folder.name}), encoding="utf-8")
    return path
