# SPDX-License-Identifier: BSD-3-Clause
"""Prints a table of the medians in a folder of Google Benchmark's JSON files.

Real time, in nanoseconds a call, and the coefficient of variation over the repetitions.
"""

import argparse
import json
import pathlib
import sys

NS_PER_UNIT = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def rows_of(report: pathlib.Path) -> list[tuple[str, float, float]]:
    """(name, median in ns, variation as a fraction) of each benchmark of one program."""
    text = report.read_text(encoding="utf-8")
    if not text.strip():  # the filter fitted none of this program's benchmarks
        return []
    median_ns: dict[str, float] = {}
    variation: dict[str, float] = {}
    for row in json.loads(text)["benchmarks"]:
        name = row["run_name"]
        if row.get("error_occurred"):
            raise ValueError(f"{name}: {row['error_message']}")
        aggregate = row.get("aggregate_name")
        if aggregate == "cv":
            variation[name] = row["real_time"]
        elif aggregate in ("median", None):  # one repetition has no aggregates
            median_ns[name] = row["real_time"] * NS_PER_UNIT[row["time_unit"]]
    return [(name, value, variation.get(name, 0.0)) for name, value in median_ns.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    rows = []
    for report in sorted(folder.glob("*.json")):
        try:
            rows += rows_of(report)
        except (ValueError, KeyError) as error:
            print(f"{report}: {error}", file=sys.stderr)
            return 1
    if not rows:
        print(f"{folder}: no benchmark was run", file=sys.stderr)
        return 2
    width = max(len(name) for name, _, _ in rows)
    print(f"{'benchmark':<{width}}  {'median_ns':>14}  {'variation':>9}")
    for name, median_ns, variation in rows:
        print(f"{name:<{width}}  {median_ns:>14,.2f}  {variation:>8.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
