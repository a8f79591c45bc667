# SPDX-License-Identifier: BSD-3-Clause
"""Made-up result trees for the tests: every number is drawn from a seeded generator.

Nothing here was measured, and each document says so (machine, engine version, commit).
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMMIT = "5e7be71c0000000000000000000000000000face"
MACHINE = "SYNTHETIC CPU (made up for tests)"
_CURVE = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 99.9999, 100)
_BASE_NS = {"blackhole": 40, "cmap": 900, "filestore": 5200, "rocksdb": 3800, "lmdb": 1500}
_SYNC_NS = {"page-cache": 90_000, "block": 140_000}
_KINDS = {"c": ("READ",), "e": ("SCAN", "INSERT"), "d": ("READ", "INSERT")}


@dataclasses.dataclass(frozen=True)
class Case:
    """One cell to make up."""

    engine: str
    workload: str = "workloada"
    medium: str = "tmpfs"
    durability: str = "power-fail"
    threads: int = 1
    repeats: int = 3
    verify: str = "stamp"
    phase: str = "run"
    relaxed_load: bool = False
    partial: bool = False
    lost: int = 0
    open_loop: bool = False
    operations: int = 1_000_000
    skipped: str | None = None
    failed: str | None = None


def _write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def manifest(case: Case, run_id: str, seed: int) -> dict[str, Any]:
    stores = case.engine != "blackhole"
    kept = {"power-fail": "all", "prefix": "prefix", "buffered": "prefix"}
    return {
        "schema": "fencepost.manifest/1",
        "run_id": run_id,
        "created_utc": "2026-01-02T03:04:05Z",
        "command": ["fencepost", "run", case.engine],
        "fencepost_version": "0.1.0",
        "commit": COMMIT,
        "dirty": False,
        "compiler": "synthetic",
        "build_type": "Release",
        "seed": seed,
        "phases": ["load", "run"],
        "placement": "default",
        "workload_files": [{"path": case.workload, "text": "recordcount=100000\n"}],
        "properties": {"recordcount": "100000"},
        "trace_file": None,
        "engine": {
            "name": case.engine,
            "version": "synthetic",
            "durability": case.durability,
            "power_loss": kept.get(case.durability, "none"),
            "process_death": "none" if case.durability == "none" else "all",
            "path": "/nowhere" if stores else "",
            "medium": case.medium,
            "filesystem": (
                {"type": case.medium, "mount_point": "/nowhere", "device": "none", "dax": False}
                if stores
                else None
            ),
            "pmem_mode": "forced-on-tmpfs" if case.engine == "cmap" else "none",
            "pmem": (
                {
                    "is_pmem": True,
                    "forced": True,
                    "map_sync": False,
                    "flush_instruction": "clwb",
                }
                if case.engine == "cmap"
                else None
            ),
            "cache_bytes": 67108864,
            "tuning": {},
        },
        "machine": {
            "cpu_model": MACHINE,
            "cpus": 2,
            "kernel": "0.0.0-synthetic",
            "os": "synthetic",
            "memory_bytes": 8 << 30,
            "governor": None,
            "hypervisor": None,
            "clwb": True,
            "clflushopt": True,
            "avx2": True,
        },
        "clock": {"source": "tsc", "ticks_per_s": 2.1e9, "read_ns": 9.5},
    }


def _latency(rng: random.Random, scale_ns: float) -> tuple[dict[str, float], list[list[float]]]:
    """A made-up distribution: a narrow body, a heavy tail."""
    tail = rng.uniform(0.45, 0.75)
    knee = rng.uniform(20, 60)

    def at(percentile: float) -> float:
        beyond = max(1 - percentile / 100, 1e-6)
        body = scale_ns * (0.7 + 0.5 * percentile / 100)
        return round(body * (1.0 + math.pow(1 / beyond / knee, tail)), 1)

    curve = [[float(p), at(p)] for p in _CURVE]
    names = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p99_9": 99.9, "p99_99": 99.99}
    latency = {name: at(p) for name, p in names.items()}
    latency["p99_999"] = at(99.999)
    latency |= {"mean": scale_ns, "min": at(0), "max": at(100), "stddev": scale_ns / 2}
    return latency, curve


def _scale_ns(case: Case, kind: str) -> float:
    base = _BASE_NS.get(case.engine, 2000)
    if kind not in ("READ", "SCAN") and case.engine != "blackhole":
        synced = case.durability == "power-fail"
        base = base * 2 + (_SYNC_NS.get(case.medium, 0) if synced else 0)
    return base * (40 if kind == "SCAN" and case.engine != "blackhole" else 1)


def injection(case: Case) -> dict[str, Any] | None:
    """What a modelled medium was charged with; None for one that is there."""
    model = case.medium.removesuffix("-modelled")
    if model == case.medium:
        return None
    delays = {"asked_ns": 4e6, "injected_ns": 4.1e6, "charging_ns": 1e5}
    of_all = {"model": model, "on_medium": "tmpfs", "blocks_written": 90}
    interrupted = {"interrupted": 1, "interrupted_ns": 2e4}
    if model.endswith("-ssd"):
        blocks = {"cache_bytes": 64 << 20, "blocks_read": 50, "blocks_missed": 5}
        calls = {"calls": 200, "syncs": 40, "background_ns": 1e6}
        return {**of_all, **delays, **interrupted, **blocks, **calls}
    lines = {"operations": case.operations, "lines_read": 900, "lines_missed": 300}
    return {**of_all, **delays, **interrupted, **lines}


def summary(case: Case, run_id: str, repeat: int, rng: random.Random) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    names = ("INSERT",) if case.phase == "load" else _KINDS.get(case.workload[-1])
    names = names or ("READ", "UPDATE")
    operations = case.operations // 2 if case.partial else case.operations
    total_ns = 0.0
    for kind in names:
        scale_ns = _scale_ns(case, kind) * rng.uniform(0.92, 1.08)
        latency, curve = _latency(rng, scale_ns)
        response = {name: value * 1.6 for name, value in latency.items()}
        count = operations // len(names)
        total_ns += scale_ns * count
        kinds[kind] = {
            "count": count,
            "ok": count,
            "not_found": 0,
            "failed": 0,
            "retried": 0,
            "latency_ns": latency,
            "response_ns": response if case.open_loop else None,
            "curve_ns": curve,
        }
    run_s = total_ns / 1e9 / case.threads
    zero = {"count": 0, "storage_bytes": 0, "cache_bytes": 0, "flushed_lines": 0, "fences": 0}
    io = ("read", "write", "rchar", "wchar")
    return {
        "schema": "fencepost.summary/1",
        "run_id": run_id,
        "engine": case.engine,
        "workload": case.workload,
        "phase": case.phase,
        "threads": case.threads,
        "repeat": repeat,
        "durability": case.durability,
        "medium": case.medium,
        "injection": injection(case),
        "relaxed_load": case.relaxed_load,
        "update": "rmw",
        "verify": case.verify,
        "partial": case.partial,
        "record_count": 100_000,
        "value_bytes_mean": 1000.0,
        "operations": operations,
        "run_s": run_s,
        "wall_s": run_s * 1.1,
        "generate_ns_per_op": 50.0,
        "prepare_ns_per_op": 10.0,
        "throughput_ops_per_s": operations / run_s,
        "target_ops_per_s": 1000.0 if case.open_loop else 0.0,
        "trace_hash": f"{rng.getrandbits(64):016x}",
        "floor_ns_per_op": 40.0,
        "open_s": 0.01,
        "injected_spin_ns": 0,
        "settle_s": 0.1,
        "sync_s": 0.01,
        "kinds": kinds,
        "verification": {
            "level": case.verify,
            "reads_checked": operations,
            "unknown": 0,
            "lost": case.lost,
            "stale": 0,
            "torn": 0,
            "foreign": 0,
            "phantom": 0,
            "length": 0,
            "undetectable": "",
            "verify_ns_mean": 60.0,
            "examples": [],
            "judged": True,
        },
        "process": {
            "cpu_user_s": run_s,
            "cpu_system_s": 0.1,
            "rss_peak_bytes": 1 << 28,
            **{f"{name}_bytes": 0 for name in io},
            "read_calls": 0,
            "write_calls": 0,
            "voluntary_switches": 0,
            "involuntary_switches": 0,
            "major_faults": 0,
            "minor_faults": 0,
        },
        "engine_stats": {**zero, "syncs": 0, "debt_bytes": 0, "costs": []},
        "user_bytes_written": 0,
        "user_bytes_read": 0,
        "logical_bytes": 100_000 * 1023,
        "device_write_bytes": None,
        "write_amplification": None,
        "write_amplification_counts": None,
        "space_amplification": 1.2,
        "warnings": [],
    }


def intervals_csv(measured: dict[str, Any], rng: random.Random, rows: int = 30) -> str:
    lines = ["elapsed_s,kind,operations,ops_per_s,mean_ns,p50_ns,p99_ns,max_ns"]
    step_s = 0.1
    for row in range(1, rows + 1):
        for kind, values in measured["kinds"].items():
            stall = 6.0 if rng.random() < 0.07 else 1.0
            share = values["count"] / measured["operations"]
            rate = measured["throughput_ops_per_s"] * share * rng.uniform(0.9, 1.1) / stall
            latency = values["latency_ns"]
            p99 = latency["p99"] * rng.uniform(0.85, 1.3) * stall
            lines.append(
                f"{row * step_s:.1f},{kind},{int(rate * step_s)},{rate:.1f},{latency['mean']:.1f},"
                f"{latency['p50']},{p99:.1f},{p99 * 3:.1f}"
            )
    return "\n".join(lines) + "\n"


def write_run(folder: Path, case: Case, repeat: int, rng: random.Random) -> dict[str, Any]:
    made = summary(case, folder.name, repeat, rng)
    _write(folder / "summary.json", made)
    _write(folder / "manifest.json", manifest(case, folder.name, 1))
    (folder / "intervals.csv").write_text(intervals_csv(made, rng), encoding="utf-8")
    return made


def _interval(values: Sequence[float]) -> dict[str, Any]:
    ranked = sorted(values)
    n = len(ranked)
    few = n < 3
    return {
        "median": ranked[n // 2] if n % 2 else math.fsum(ranked[n // 2 - 1 : n // 2 + 1]) / 2,
        "low": None if few else ranked[0] * 0.97,
        "high": None if few else ranked[-1] * 1.04,
        "method": "synthetic",
        "n": n,
    }


def settings(cases: Sequence[Case]) -> dict[str, Any]:
    workloads = dict.fromkeys(case.workload for case in cases)
    return {
        "engines": list(dict.fromkeys(case.engine for case in cases)),
        "workload_files": [{"path": name, "text": "recordcount=100000\n"} for name in workloads],
        "threads": ["1"],
        "placements": ["default"],
        "properties": [],
        "repeats": 3,
        "seconds": "",
        "records": "",
        "relaxed_load": False,
        "unequal_durability": False,
    }


def noise() -> dict[str, Any]:
    return {
        "before": {
            "rounds": 100,
            "cpus": 2,
            "spin_ns": 1e6,
            "spin_spread": 0.01,
            "memory_ns": 2e6,
            "memory_spread": 0.02,
            "load_average": 0.1,
            "steal": 0.0,
            "frequency_min_mhz": None,
            "frequency_max_mhz": None,
        },
        "during": {
            "runs": 3,
            "drift_change": 0.0,
            "drift_p_value": 1.0,
            "steal": 0.0,
            "other_cpus": 0.1,
        },
        "warnings": [],
    }


def write_bench(folder: Path, cases: Sequence[Case], seed: int = 1) -> dict[str, Any]:
    """A bench folder with all its runs; returns the document bench.json."""
    rng = random.Random(seed)
    cells: list[dict[str, Any]] = []
    order: list[str] = []
    for number, case in enumerate(cases):
        made = []
        if not (case.skipped or case.failed):
            for repeat in range(case.repeats):
                run_id = f"{number:03}-{case.engine}-{case.workload}-r{repeat}"
                made.append(write_run(folder / run_id, case, repeat, rng))
                order.append(run_id)
        busiest = [next(iter(run["kinds"].values())) for run in made]
        p50, p99 = ([kind["latency_ns"][p] for kind in busiest] for p in ("p50", "p99"))
        rates = [run["throughput_ops_per_s"] for run in made]
        cells.append(
            {
                "engine": case.engine,
                "workload": case.workload,
                "threads": case.threads,
                "medium": case.medium,
                "durability": case.durability,
                "placement": "default",
                "repeats": [run["run_id"] for run in made],
                "throughput_ops_per_s": _interval(rates) if made else None,
                "latency_kind": "READ" if made else None,
                "latency_p50_ns": _interval(p50) if made else None,
                "latency_p99_ns": _interval(p99) if made else None,
                "floor_ns_per_op": _interval([40.0]) if made else None,
                "noise": None,
                "skipped": case.skipped,
                "failed": case.failed,
                "warnings": [],
            }
        )
    bench = {
        "schema": "fencepost.bench/1",
        "bench_id": folder.name,
        "created_utc": "2026-01-02T03:04:05Z",
        "command": ["fencepost", "bench"],
        "seed": seed,
        "order": order,
        "cells": cells,
        "partial": False,
        "unequal_durability": False,
        "relaxed_load": False,
        "settings": settings(cases),
        "noise": noise(),
    }
    _write(folder / "bench.json", bench)
    return bench


def quickstart_cases() -> list[Case]:
    """The shape of what quickstart leaves: four engines on tmpfs, the file engines on a disk."""
    cases = []
    for letter in "abcdf":
        workload = f"workload{letter}"
        cases.append(Case("blackhole", workload, medium="none", durability="none"))
        for engine in ("cmap", "filestore", "rocksdb", "lmdb"):
            cases.append(Case(engine, workload))
        for engine in ("filestore", "rocksdb", "lmdb"):
            cases.append(Case(engine, workload, medium="page-cache"))
    return cases
