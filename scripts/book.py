#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The measurements of scripts/reproduce_book.sh, one CSV file a part, and the claims beside them.

Usage: book.py BUILD OUT full|quick FRESH(yes|no)
A part's file appears whole or not at all. OUT/run.csv says what all parts were measured with; where
it differs from what would be measured with now, the parts are made anew.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import book_claims
import book_complexity
import book_published

ROOT = Path(__file__).resolve().parent.parent
# LMDB reads a mapping, so that no layer sees it and no delay can be injected: what it writes is
# counted, operation by operation, and charged with what these devices would take.
COUNTED_ENGINE, COUNTED_MEDIA = "lmdb", ("nand-ssd-modelled", "optane-ssd-modelled")
_NOT_COUNTED = (
    "p50_low_ns",
    "p50_high_ns",
    "confidence",
    "asked_ns",
    "injected_ns",
    "p99_ns",
    "operations_per_s",
    "verify_ns",
    "floor_ns",
)


@dataclasses.dataclass(frozen=True)
class Settings:
    name: str
    suite: Path  # of the latencies
    seconds_per_point: float  # of the pyramid
    path_bytes: tuple[int, ...]  # sizes of values whose path is counted
    path_operations: int
    cold_bytes: tuple[int, ...]
    cold_samples: int
    counted_operations: int


SETTINGS = {
    "full": Settings(
        name="full",
        suite=ROOT / "scripts/suites/book.toml",
        seconds_per_point=0.5,
        path_bytes=(16, 64, 256, 1024, 4096, 16384, 65536),
        path_operations=50,
        cold_bytes=(64, 1024, 16384),
        cold_samples=25,
        counted_operations=2000,
    ),
    "quick": Settings(
        name="quick",
        suite=ROOT / "scripts/suites/book-quick.toml",
        seconds_per_point=0.05,
        path_bytes=(64,),
        path_operations=20,
        cold_bytes=(1024,),
        cold_samples=7,
        counted_operations=200,
    ),
}


class Failed(Exception):
    """One line for the user, and the exit code of what failed."""

    def __init__(self, text: str, code: int = 3) -> None:
        super().__init__(text)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Book:
    build: Path
    out: Path
    settings: Settings

    @property
    def fencepost(self) -> str:
        return str(self.build / "harness/fencepost")

    def run(self, *words: str) -> None:
        code = exit_code(subprocess.run(words, check=False).returncode)
        if code != 0:
            raise Failed(f"{Path(words[0]).name} {words[1]}: exit code {code}", code)


def exit_code(returned: int) -> int:
    """As a shell has it: a program that a signal ended is 128 and the signal's number."""
    return returned if returned >= 0 else 128 - returned


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    found = list(rows)
    beside = path.with_suffix(".part")
    with open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    os.replace(beside, path)


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pyramid(book: Book, path: Path) -> None:
    program = str(book.build / "harness/book/fencepost_book")
    seconds = str(book.settings.seconds_per_point)
    words = ["pyramid", "--out", str(path), "--seconds-per-point", seconds]
    if book.settings.name == "quick":
        words += ["--memory-bytes-max", str(512 << 20)]
    book.run(program, *words)


def paths(book: Book, path: Path) -> None:
    program = str(book.build / "harness/book/fencepost_paths")
    sizes = ",".join(map(str, book.settings.path_bytes))
    operations = str(book.settings.path_operations)
    book.run(program, "--out", str(path), "--value-bytes", sizes, "--operations", operations)


def cold(book: Book, path: Path) -> None:
    program = str(book.build / "harness/book/fencepost_book")
    sizes = ",".join(map(str, book.settings.cold_bytes))
    samples = str(book.settings.cold_samples)
    book.run(program, "cold", "--out", str(path), "--value-bytes", sizes, "--samples", samples)


def step_properties(step: dict[str, Any]) -> dict[str, str]:
    words = step["arguments"]
    given = [word for flag, word in zip(words, words[1:]) if flag == "-p"]
    return dict(word.split("=", 1) for word in given)


def confidence(interval: dict[str, Any]) -> float | str:
    """Of an interval of the bench, as a share; empty where there is none, as of a single run."""
    if interval["low"] is None or interval["high"] is None:
        return ""
    found = re.match(r"([\d.]+) % interval", interval["method"])
    if found is None:
        raise Failed(f"bench.json: no confidence in {interval['method']!r}")
    return round(float(found.group(1)) / 100, 4)


def injected(summaries: list[dict[str, Any]]) -> dict[str, float | str]:
    """The delay that the model asked for and the one that there was, an operation: a repeat's mean,
    as the run prints it, and the median of the repeats. Empty where nothing was injected.
    """
    names = ("asked_ns", "injected_ns")
    found: dict[str, float | str] = dict.fromkeys(names, "")
    if all(summary["injection"] for summary in summaries):
        for name in names:
            # Of memory, the operations that were charged; of files, all that ran.
            found[name] = statistics.median(
                one["injection"][name]
                / max(1, one["injection"].get("operations", one["operations"]))
                for one in summaries
            )
    return found


def latency_rows(folder: Path, properties: dict[str, str]) -> Iterable[dict[str, Any]]:
    report = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    noise = "; ".join(report["noise"]["warnings"])
    for cell in report["cells"]:
        if cell["skipped"] or cell["failed"]:
            reason = cell["skipped"] or cell["failed"]
            print(f"not measured: {cell['engine']}, {cell['workload']}: {reason}")
            continue
        summaries = [
            json.loads((folder / repeat / "summary.json").read_text(encoding="utf-8"))
            for repeat in cell["repeats"]
        ]
        first = summaries[0]
        p50, p99 = cell["latency_p50_ns"], cell["latency_p99_ns"]
        floor = cell["floor_ns_per_op"] or {"median": ""}
        yield {
            "engine": cell["engine"],
            "operation": cell["workload"].removeprefix("book-"),
            "value_bytes": properties["fieldlength"],
            "pairs": first["record_count"],
            "threads": cell["threads"],
            "medium": cell["medium"],
            "kind": "modelled" if "medium" in properties else "measured",
            "durability": cell["durability"],
            "p50_ns": p50["median"],
            "p50_low_ns": "" if p50["low"] is None else p50["low"],
            "p50_high_ns": "" if p50["high"] is None else p50["high"],
            "confidence": confidence(p50),
            **injected(summaries),
            "p99_ns": p99["median"],
            "repeats": p50["n"],
            "operations_per_s": cell["throughput_ops_per_s"]["median"],
            "verify_ns": first["verification"]["verify_ns_mean"] or "",
            "floor_ns": floor["median"],
            "noise": noise,
        }


def counted_rows(book: Book, software: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The median of `software` on tmpfs, where a file's sync is free, and what each device would
    take for the writes and syncs that an operation was counted to make.
    """
    file = ROOT / "workloads" / f"book-{software['operation']}"
    words = [book.fencepost, "media", software["engine"], "-P", str(file), "--json"]
    words += ["-p", f"operationcount={book.settings.counted_operations}"]
    words += ["-p", f"fieldlength={software['value_bytes']}"]
    words += ["-p", f"recordcount={software['pairs']}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(done.stderr.strip(), exit_code(done.returncode))
    asked = next(one for one in json.loads(done.stdout)["kinds"] if one["operations"])
    for device in asked["media"]:
        if device["medium"] in COUNTED_MEDIA:
            yield {
                **software,
                **dict.fromkeys(_NOT_COUNTED, ""),
                "medium": device["medium"],
                "kind": "counted",
                "p50_ns": software["p50_ns"] + device["modelled_ns"] / asked["operations"],
            }


def latency(book: Book, path: Path) -> None:
    folder = book.out / "suite"
    book.run(book.fencepost, "suite", str(book.settings.suite), "--out", str(folder))
    suite = json.loads((folder / "suite.json").read_text(encoding="utf-8"))
    rows = [
        row
        for step in suite["steps"]
        for row in latency_rows(folder / step["name"], step_properties(step))
    ]
    for row in list(rows):
        if (row["engine"], row["medium"], row["threads"]) == (COUNTED_ENGINE, "tmpfs", 1):
            rows += counted_rows(book, row)
    write_csv(path, rows)


def complexity(_: Book, path: Path) -> None:
    write_csv(path, book_complexity.rows())


def published(_: Book, path: Path) -> None:
    write_csv(path, (dataclasses.asdict(band) for band in book_published.BANDS))


def claims(book: Book, path: Path) -> None:
    tables = {name: read_csv(book.out / f"{name}.csv") for name in book_claims.NEEDED}
    write_csv(path, (dataclasses.asdict(claim) for claim in book_claims.judge(tables)))


PARTS: dict[str, Callable[[Book, Path], None]] = {
    "published": published,
    "pyramid": pyramid,
    "paths": paths,
    "cold": cold,
    "latency": latency,
    "complexity": complexity,
    "claims": claims,
}
# What is computed from other parts, and so never kept.
DERIVED = ("published", "complexity", "claims")


def provenance(book: Book) -> dict[str, str]:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else "unknown"

    cpu = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    programs = hashlib.sha256()
    for name in ("fencepost", "book/fencepost_book", "book/fencepost_paths"):
        programs.update((book.build / "harness" / name).read_bytes())
    programs.update(book.settings.suite.read_bytes())
    virtual = "hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    dirty = " with uncommitted changes" if git("status", "--porcelain", "-uno") else ""
    return {
        "commit": git("rev-parse", "HEAD")[:12] + dirty,
        "programs": programs.hexdigest()[:12],
        "settings": book.settings.name,
        "cpu": " ".join((cpu or ["unknown CPU"])[0].split()),
        "cpus": str(len(os.sched_getaffinity(0))),
        "virtual": "virtual machine" if virtual else "no hypervisor seen",
        "kernel": os.uname().release,
    }


def begin(book: Book, fresh: bool) -> None:
    """Puts away what was measured with something else."""
    now = provenance(book)
    path = book.out / "run.csv"
    if path.is_file():
        before = next(iter(read_csv(path)), None)
        if before is None or "commit" not in before:
            raise Failed(f"{path}: says nothing of what was measured", 2)
        if not fresh and {name: before.get(name) for name in now} == now:
            return
        if not fresh:
            print("measured before with another build or other settings: everything is made anew")
    elif book.out.exists() and any(book.out.iterdir()):
        raise Failed(f"{book.out}: has files in it, and none is of this script: not touched", 2)
    book.out.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        (book.out / f"{name}.csv").unlink(missing_ok=True)
    shutil.rmtree(book.out / "suite", ignore_errors=True)
    started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    write_csv(path, [{**now, "started_utc": started}])


def main(argv: list[str]) -> int:
    if len(argv) != 4 or argv[2] not in SETTINGS or argv[3] not in ("yes", "no"):
        print(f"usage: {(__doc__ or '').split('Usage: ')[1].splitlines()[0]}", file=sys.stderr)
        return 2
    book = Book(Path(argv[0]).resolve(), Path(argv[1]), SETTINGS[argv[2]])
    try:
        begin(book, argv[3] == "yes")
        for number, (name, make) in enumerate(PARTS.items(), start=1):
            path = book.out / f"{name}.csv"
            if path.is_file() and name not in DERIVED:
                print(f"[{number}/{len(PARTS)}] {name}: kept")
                continue
            print(f"[{number}/{len(PARTS)}] {name}", flush=True)
            start_s = time.monotonic()
            make(book, path)
            print(f"-- {name}: {time.monotonic() - start_s:.0f} s", flush=True)
    except Failed as error:
        print(f"book.py: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("book.py: interrupted; the parts that are there are kept", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"book.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
