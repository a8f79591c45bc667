#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How the cost of exploring grows, as power laws, and what large explorations would take.

Usage: crash_cost_fit.py CRASH_COST_FOLDER [CAMPAIGN_COST_FOLDER]

Reads crash_cost.csv of scripts/crash_cost.sh. For each thing that was made larger and each depth,
and each of recoveries, sets of states and seconds of exploring, fits y = a * x^b by least squares
of the logarithms, over the sizes that no time limit has cut. The error is the standard deviation of
y / fit - 1, in per cent; with as few points as sizes it says how good the form is, not how certain
the exponent. Writes crash_cost_fit.csv beside it, and prints tables as in docs/scale.md.

With a folder of scripts/campaign_cost.sh it reads campaign_cost.csv there, fits the time to put
parts together (fixed, by sets of states, by parts; least squares), and says what 10^9 sets of
states would take on 1 to 1,000 nodes of one core, four shards each, and from how many on putting
together takes longer than exploring.
"""

from __future__ import annotations

import csv
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

SIZES = {"operations": "operations", "value_bytes": "bytes of a value", "threads": "threads"}
MEASURES = {"recoveries": "recoveries", "states": "sets of states", "explored_s": "seconds"}
COLUMNS = ("varied", "depth", "measure", "points", "factor", "exponent", "error_percent")
STATES, NODES = 1e9, (1, 10, 100, 1000)
SHARDS_A_NODE = 4
DAY_S = 86400


@dataclasses.dataclass(frozen=True)
class Fit:
    """y = factor * x^exponent."""

    factor: float
    exponent: float
    error: float  # standard deviation of y / fit - 1
    points: int

    def at(self, x: float) -> float:
        return float(self.factor * x**self.exponent)

    def __str__(self) -> str:
        return f"{self.factor:.3g} x^{self.exponent:.2f} ± {self.error:.0%}"


def fit(points: Iterable[tuple[float, float]]) -> Fit | None:
    """None with fewer than three points above 0: two are fitted by any line."""
    above = [(x, y) for x, y in points if x > 0 and y > 0]
    if len(above) < 3:
        return None
    x, y = np.log(np.array(above, dtype=float)).T
    exponent, offset = np.polyfit(x, y, 1)
    error = float(np.std(np.exp(y - (exponent * x + offset)) - 1))
    return Fit(float(np.exp(offset)), float(exponent), error, len(above))


class BadInput(Exception):
    """One line for the user."""


def read(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    if not rows:
        raise BadInput(f"{path}: nothing was measured")
    return rows


def growth(folder: Path) -> None:
    rows = read(folder / "crash_cost.csv")
    print("| made larger | depth | " + " | ".join(MEASURES.values()) + " |")
    print("|---|---|" + "---|" * len(MEASURES))
    found = []
    for varied, name in SIZES.items():
        for depth in ("1", "2"):
            cells = []
            for measure in MEASURES:
                points = [
                    (float(row["size"]), float(row[measure]))
                    for row in rows
                    if (row["varied"], row["depth"], row["rounds_cut"]) == (varied, depth, "0")
                ]
                law = fit(points)
                cells.append(str(law) if law else f"{len(points)} sizes: no fit")
                if law:
                    numbers = (law.points, law.factor, law.exponent, law.error * 100)
                    texts = (f"{number:.6g}" for number in numbers)
                    found.append(dict(zip(COLUMNS, (varied, depth, measure, *texts))))
            print(f"| {name} | {depth} | {' | '.join(cells)} |")
    with (folder / "crash_cost_fit.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)


def duration(seconds: float) -> str:
    for unit, length in (("d", DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def merging(folder: Path) -> None:
    rows = read(folder / "campaign_cost.csv")
    for engine in dict.fromkeys(row["engine"] for row in rows):
        mine = [row for row in rows if row["engine"] == engine]
        states, shards, merge_s = (
            np.array([float(row[name]) for row in mine]) for name in ("states", "shards", "merge_s")
        )
        if len(set(states)) < 2 or len(set(shards)) < 2:
            print(f"\n{engine}: not measured at two sizes and two numbers of shards: no fit")
            continue
        terms = np.array([np.ones(len(mine)), states, shards]).T
        factors = np.linalg.lstsq(terms, merge_s, rcond=None)[0]
        left_s = float(np.abs(merge_s - terms @ factors).max())
        fixed_s, merge_state_s, part_s = (max(float(factor), 0.0) for factor in factors)
        # Of the largest: what is fixed weighs least there.
        most = max(mine, key=lambda row: float(row["states"]))
        state_s = float(most["whole_s"]) / float(most["states"])
        bytes_a_state = float(most["part_bytes"]) / float(most["states"])
        print(f"\n{engine}: {1 / state_s:,.0f} sets of states a second and core;")
        print(
            f"putting together: {fixed_s:.3g} s + {merge_state_s * 1e6:.3g} us a set of states + "
            f"{part_s * 1e3:.3g} ms a part (residuals up to {left_s:.2g} s); "
            f"parts: {bytes_a_state:.3g} bytes a set"
        )
        print("\n| nodes of one core | exploring | putting together | bytes of parts |")
        print("|---:|---:|---:|---:|")
        for nodes in NODES:
            together_s = fixed_s + STATES * merge_state_s + part_s * nodes * SHARDS_A_NODE
            print(
                f"| {nodes:,} | {duration(STATES * state_s / nodes)} | {duration(together_s)} | "
                f"{STATES * bytes_a_state / 1e9:.3g} GB |"
            )
        if merge_state_s > 0:
            print(
                f"\nFrom {state_s / merge_state_s:,.0f} nodes on putting together takes longer "
                "than exploring."
            )


def main(arguments: Sequence[str]) -> int:
    try:
        if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
            raise BadInput("usage: crash_cost_fit.py CRASH_COST_FOLDER [CAMPAIGN_COST_FOLDER]")
        growth(Path(arguments[0]))
        if len(arguments) > 1:
            merging(Path(arguments[1]))
    except BadInput as error:
        print(f"crash_cost_fit.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
