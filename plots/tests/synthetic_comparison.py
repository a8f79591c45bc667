# SPDX-License-Identifier: BSD-3-Clause
"""A made-up comparison.json for the tests: nothing in it was measured."""

from __future__ import annotations

import math
import random
from typing import Any

from . import synthetic


def _interval(median: float, n: int) -> dict[str, Any]:
    low, high = 0.98 * median, 1.02 * median
    return {"median": median, "low": low, "high": high, "method": "synthetic", "n": n}


def _measure(base: float, ratio: float, n: int) -> dict[str, Any]:
    return {
        "base": _interval(base, n),
        "test": _interval(base * ratio, n),
        "ratio": _interval(ratio, n),
        "cliffs_delta": math.copysign(0.5, ratio - 1),
    }


def _side(label: str, properties: list[str]) -> dict[str, Any]:
    return {
        "label": label,
        "fencepost_version": "0.1.0",
        "commit": synthetic.COMMIT,
        "dirty": False,
        "compiler": "synthetic",
        "build_type": "Release",
        "cpu_model": synthetic.MACHINE,
        "kernel": "0.0.0-synthetic",
        "properties": properties,
    }


def _cell(engine: str, ratio: float, pairs: int) -> dict[str, Any]:
    rng = random.Random(engine)
    runs = {
        "engine": engine,
        "workload": "workloada",
        "threads": 1,
        "medium": "tmpfs",
        "durability": "power-fail",
    }
    made = [
        {
            "base": f"{engine}-p{number}-base",
            "test": f"{engine}-p{number}-test",
            "first": rng.choice(("base", "test")),
            "log_ratio": math.log(ratio) + rng.gauss(0, 0.02),
        }
        for number in range(pairs)
    ]
    return {
        "base": runs | {"runs": [pair["base"] for pair in made]},
        "test": runs | {"runs": [pair["test"] for pair in made]},
        "placement": "tmpfs",
        "throughput_ops_per_s": _measure(1e6, ratio, pairs),
        "latency_kind": "READ",
        "latency_p50_ns": _measure(800.0, 1 / ratio, pairs),
        "latency_p99_ns": _measure(2400.0, 1 / ratio, pairs),
        "paired": {
            "pairs": made,
            "interval_width": 0.03,
            "p_value": 0.0001 if ratio < 0.97 else 0.4,
            "p_adjusted": 0.0002 if ratio < 0.97 else 0.8,
            "verdict": "slower" if ratio < 0.97 else "no difference shown",
        },
        "skipped": None,
        "failed": None,
        "warnings": [],
    }


def paired() -> dict[str, Any]:
    """One cell slower, one not."""
    bench = synthetic.settings([synthetic.Case("cmap"), synthetic.Case("lmdb")])
    return {
        "schema": "fencepost.comparison/1",
        "comparison_id": "paired",
        "created_utc": "2026-01-02T03:04:05Z",
        "command": ["fencepost", "bench", "--against", "/nowhere/fencepost"],
        "paired": True,
        "partial": False,
        "unequal_durability": False,
        "base": _side("/nowhere/fencepost", []),
        "test": _side("this build", ["fencepost.spin_ns=50"]),
        "paired_settings": {
            "min_pairs": 15,
            "max_pairs": 30,
            "turn_ms": 5.0,
            "threshold": 0.04,
            "alpha": 0.01,
            "seed": 1,
        },
        "settings": bench
        | {
            "against": "/nowhere/fencepost",
            "this_properties": ["fencepost.spin_ns=50"],
            "against_properties": [],
        },
        "noise": synthetic.noise(),
        "regressions": 1,
        "cells": [_cell("cmap", 0.95, 15), _cell("lmdb", 1.0, 18)],
        "warnings": [],
    }


def unpaired() -> dict[str, Any]:
    """The same of two stored benches: no pairs, no verdict."""
    document = paired()
    for cell in document["cells"]:
        cell["paired"] = None
    nulls = dict.fromkeys(("paired_settings", "settings", "noise", "regressions"))
    return document | nulls | {"paired": False, "comparison_id": "compare"}
