# SPDX-License-Identifier: BSD-3-Clause
"""Latencies that others have published, with their source: what is drawn under what is measured."""

from __future__ import annotations

import dataclasses

_BOOK = "Scargall, Programming Persistent Memory, 2020, chapter 1, the memory-storage hierarchy"
_FAST = "Yang et al., An empirical guide to the behavior and use of scalable persistent memory, "
_FAST += "FAST 2020, figure 2"
_DISKS = "AnandTech, 2017: 4 KiB random read at queue depth 1, mean and 99 %"


@dataclasses.dataclass(frozen=True)
class Band:
    level: str  # the points that lie in it name the same
    label: str
    low_ns: float
    high_ns: float
    kind: str  # "band": of the book; "point": one measurement of somebody else's
    source: str


BANDS = (
    Band("register", "CPU registers", 0.1, 0.1, "band", _BOOK),
    Band("cache", "CPU caches", 1, 10, "band", _BOOK),
    Band("dram", "DRAM", 80, 100, "band", _BOOK),
    Band("pmem", "persistent memory", 100, 1000, "band", _BOOK + ": under 1 µs"),
    Band("ssd", "NAND SSD", 10e3, 100e3, "band", _BOOK),
    Band("disk", "hard disk", 10e6, 10e6, "band", _BOOK),
    Band("tape", "tape", 100e6, 100e6, "band", _BOOK),
    Band("dram", "DRAM, random read", 101.5, 101.5, "point", _FAST),
    Band("pmem", "Optane, sequential read", 169.4, 169.4, "point", _FAST),
    Band("pmem", "Optane, random read", 305.0, 305.0, "point", _FAST),
    Band("pmem", "Optane, store + CLWB + fence", 62.3, 62.3, "point", _FAST),
    Band("ssd", "Optane SSD P4800X", 8.9e3, 10e3, "point", _DISKS),
    Band("ssd", "NAND SSD P3700", 78e3, 96e3, "point", _DISKS),
    Band("ssd", "NAND SSD Micron 9100", 108e3, 117e3, "point", _DISKS),
)
