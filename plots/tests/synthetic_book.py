# SPDX-License-Identifier: BSD-3-Clause
"""The tables of scripts/reproduce_book.sh, made up: as many rows as the figures need."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

ENGINES = ("filestore", "rocksdb", "lmdb", "cmap")
SIZES = (64, 4096)


def _medium(engine: str) -> str:
    return "tmpfs" if engine == "cmap" else "page-cache"


def _pyramid() -> list[dict[str, Any]]:
    points = {
        "register": 0.3,
        "l1": 1.5,
        "l2": 5,
        "l3": 20,
        "dram": 90,
        "pmem-load": 95,
        "pmem-persist": 110,
        "page-cache-read": 500,
        "block-read": 80e3,
        "sync": 900e3,
    }
    rows = [(name, name, ns, 1 << 20) for name, ns in points.items()]
    rows += [("curve", "one load", 2.0 * i, 1 << (12 + i)) for i in range(1, 5)]
    return [
        {
            "point": name,
            "label": label,
            "kind": "measured",
            "medium": "tmpfs" if name.startswith("pmem") else "memory",
            "latency_ns": ns,
            "low_ns": ns * 0.9,
            "high_ns": ns * 1.1,
            "confidence": 0.988,
            "set_bytes": size,
            "note": "",
        }
        for name, label, ns, size in rows
    ]


def _path(engine: str, phase: str, size: int) -> dict[str, Any]:
    files, put = engine != "cmap", phase == "put"
    row: dict[str, Any] = {"engine": engine, "medium": _medium(engine), "value_bytes": size}
    row |= {"phase": phase, "calls": "pread64 1"}
    names = "system_calls read_calls read_call_bytes write_calls write_call_bytes sync_calls "
    names += "page_faults allocations allocated_bytes copies copied_bytes device_bytes_read "
    names += "blocks_written device_bytes_written lines_flushed fences lines_read"
    row |= dict.fromkeys(names.split(), 0)
    if files and phase == "get-cold":
        row |= {"system_calls": 1, "read_calls": 1, "read_call_bytes": 4096}
        row |= {"device_bytes_read": 4096}
    if files and put:
        row |= {"system_calls": 2, "write_calls": 1, "write_call_bytes": size, "sync_calls": 1}
        row |= {"device_bytes_written": 8192, "blocks_written": 1}
    if engine == "lmdb" and phase == "get-cold":
        row |= {"system_calls": 0, "read_calls": 0, "read_call_bytes": 0, "page_faults": 1}
        row |= {"device_bytes_read": 45056}
    if engine == "rocksdb" and phase == "get-cold" and size < 4096:
        row |= {"device_bytes_read": 0}
    if not files and put:
        row |= {"lines_flushed": size // 64 + 1, "fences": 2, "copied_bytes": size}
    if phase == "get-step" and engine in ("lmdb", "cmap"):
        row |= {"lines_read": size // 64 + 3}
    return row


def _paths() -> list[dict[str, Any]]:
    phases = ("get", "get-cold", "put", "write-back", "get-step")
    return [
        _path(engine, phase, size)
        for engine in ENGINES
        for size in SIZES
        for phase in phases
        if (engine, phase) != ("cmap", "get-cold")
    ]


# Asked and injected, an operation. cmap's put is coarse.
_DELAYS = {("cmap", "get"): (500, 550), ("cmap", "put"): (400, 560), ("cmap", "miss"): (50, 55)}
_NO_INTERVAL = dict.fromkeys(("p50_low_ns", "p50_high_ns", "confidence", "p99_ns"), "")


def _modelled_row(row: dict[str, Any], medium: str) -> dict[str, Any]:
    made = {**row, "medium": f"{medium}-modelled"}
    if row["engine"] == "lmdb":
        return {**made, **_NO_INTERVAL, "kind": "counted"}
    asked = (20000, 20200) if row["operation"] == "put" else (0, 3)
    asked_ns, injected_ns = _DELAYS.get((row["engine"], row["operation"]), asked)
    return {**made, "kind": "modelled", "asked_ns": asked_ns, "injected_ns": injected_ns}


def _modelled() -> list[dict[str, Any]]:
    media = {engine: ("nand-ssd", "optane-ssd") for engine in ENGINES} | {"cmap": ("optane",)}
    return [
        _modelled_row(row, medium)
        for row in _measured()
        if row["medium"] == "tmpfs"
        for medium in media[row["engine"]]
    ]


def _measured() -> list[dict[str, Any]]:
    return [
        {
            "engine": engine,
            "operation": operation,
            "value_bytes": size,
            "pairs": 1000,
            "threads": 1,
            "medium": medium,
            "kind": "measured",
            "durability": "power-fail",
            "p50_ns": 1000 if engine == "cmap" else 5000,
            "p50_low_ns": 900,
            "p50_high_ns": 6000,
            "confidence": 0.75,
            "asked_ns": "",
            "injected_ns": "",
            "p99_ns": 9000,
            "repeats": 3,
            "noise": "",
        }
        for engine in ENGINES
        for operation in ("get", "put", "miss")
        for size in SIZES
        for medium in dict.fromkeys((_medium(engine), "tmpfs"))
    ]


def tables() -> dict[str, list[dict[str, Any]]]:
    run = dict.fromkeys(("commit", "cpu", "cpus", "virtual", "kernel"), "some")
    return {
        "run": [{**run, "settings": "full", "started_utc": "2026-01-31T00:00:00Z"}],
        "published": [
            {
                "level": "dram",
                "label": "DRAM",
                "low_ns": 80,
                "high_ns": 100,
                "kind": "band",
                "source": "a <book> & more",
            }
        ],
        "pyramid": _pyramid(),
        "paths": _paths(),
        "cold": [
            {
                "engine": engine,
                "medium": _medium(engine),
                "value_bytes": size,
                "pairs": 70,
                "evicted": "no" if engine == "cmap" else "yes",
                "cold_ns": 90e3,
                "reopened_ns": 9e3,
                "samples": 9,
                "device_bytes_read": 0 if engine == "cmap" else 4096,
            }
            for engine in ENGINES
            for size in SIZES
        ],
        "latency": [*_measured(), *_modelled()],
        "complexity": [
            {
                "engine": engine,
                "interface": engine,
                "code_lines": 20 if engine == "cmap" else 30,
                "calls": 8,
                "distinct_calls": 5,
                "source": f"{engine}.cc",
            }
            for engine in ENGINES
        ],
        "claims": [
            {
                "section": "one",
                "claim": "two <b>",
                "measured": "3",
                "verdict": verdict,
                "note": "",
            }
            for verdict in ("holds", "does not", "not testable here")
        ],
    }


def write(folder: Path, changed: dict[str, list[dict[str, Any]]] | None = None) -> None:
    for name, rows in {**tables(), **(changed or {})}.items():
        with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else ["none"])
            writer.writeheader()
            writer.writerows(rows)
