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
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import book_claims
import book_complexity
import book_published

ENGINES = ("filestore", "rocksdb", "lmdb", "cmap")
# What `fencepost bench -p medium=...` charges whom for (docs/media.md): a memory for what cmap
# touches, a device for what goes through an engine's file layer.
MODELLED = {
    "optane": ("cmap",),
    "nand-ssd": ("filestore", "rocksdb"),
    "optane-ssd": ("filestore", "rocksdb"),
}
# LMDB reads a mapping, so that no layer sees it: what it writes is counted, operation by operation.
COUNTED_ENGINE = "lmdb"
_KINDS = {"get": "READ", "put": "UPDATE", "miss": "READ"}


@dataclasses.dataclass(frozen=True)
class Settings:
    name: str
    seconds_per_point: float  # of the pyramid
    path_bytes: tuple[int, ...]  # sizes of values whose path is counted
    path_operations: int
    latency_bytes: tuple[int, ...]
    cold_samples: int
    records: int
    seconds: float  # of a run
    threads: str
    repeats: int
    counted_operations: int


SETTINGS = {
    "full": Settings(
        name="full",
        seconds_per_point=0.5,
        path_bytes=(16, 64, 256, 1024, 4096, 16384, 65536),
        path_operations=50,
        latency_bytes=(64, 1024, 16384),
        cold_samples=25,
        records=2000,
        seconds=0.3,
        threads="1,2",
        repeats=3,
        counted_operations=2000,
    ),
    "quick": Settings(
        name="quick",
        seconds_per_point=0.05,
        path_bytes=(64,),
        path_operations=20,
        latency_bytes=(1024,),
        cold_samples=7,
        records=500,
        seconds=0.1,
        threads="1",
        repeats=1,
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
        done = subprocess.run(words, check=False)
        if done.returncode != 0:
            raise Failed(f"{Path(words[0]).name} {words[1]}: exit code {done.returncode}", 2)


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
    sizes = ",".join(map(str, book.settings.latency_bytes))
    samples = str(book.settings.cold_samples)
    book.run(program, "cold", "--out", str(path), "--value-bytes", sizes, "--samples", samples)


def workloads(book: Book, folder: Path) -> list[str]:
    """One property file for each kind of operation and size of value. A miss reads no value."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(kind, size) for kind in ("get", "put") for size in book.settings.latency_bytes]
    wanted.append(("miss", book.settings.latency_bytes[0]))
    files = []
    for kind, size in wanted:
        lines = [
            f"recordcount={book.settings.records}",
            "operationcount=1000000",
            f"readproportion={0 if kind == 'put' else 1}",
            f"updateproportion={1 if kind == 'put' else 0}",
            f"fencepost.missproportion={1 if kind == 'miss' else 0}",
            "requestdistribution=uniform",
            "fieldcount=1",
            f"fieldlength={size}",
            "fencepost.update=blind",
            "fencepost.verify=full",
        ]
        if kind == "miss":
            lines[2] = "readproportion=0"
        file = folder / f"{kind}-{size}"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        files.append(str(file))
    return files


def bench(book: Book, folder: Path, medium: str) -> Path:
    """One bench of all cells, in random order. `medium`: "" as measured, else modelled."""
    out = folder / (medium or "measured")
    shutil.rmtree(out, ignore_errors=True)
    settings = book.settings
    engines = MODELLED[medium] if medium else ENGINES
    words = ["bench", "--engines", ",".join(engines), "--threads", settings.threads]
    words += ["--workloads", ",".join(workloads(book, folder / "workloads"))]
    words += ["--seconds", str(settings.seconds), "--repeats", str(settings.repeats)]
    # A disk's own time would come on top of a modelled device's.
    words += ["--placements", "tmpfs" if medium else "default,tmpfs", "--out", str(out)]
    words.append("--relaxed-load")
    if medium:
        words += ["-p", f"medium={medium}"]
    book.run(book.fencepost, *words)
    return out


def latency_rows(folder: Path, medium: str) -> Iterable[dict[str, Any]]:
    report = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    for cell in report["cells"]:
        kind, _, size = cell["workload"].rpartition("-")
        if cell["skipped"] or cell["failed"]:
            reason = cell["skipped"] or cell["failed"]
            print(f"not measured: {cell['engine']}, {cell['workload']}: {reason}")
            continue
        first = json.loads(
            (folder / cell["repeats"][0] / "summary.json").read_text(encoding="utf-8")
        )
        p50, p99 = cell["latency_p50_ns"], cell["latency_p99_ns"]
        floor = cell["floor_ns_per_op"] or {"median": ""}
        yield {
            "engine": cell["engine"],
            "operation": kind,
            "value_bytes": size,
            "threads": cell["threads"],
            "medium": medium or cell["medium"],
            "kind": "modelled" if medium else "measured",
            "durability": cell["durability"],
            "p50_ns": p50["median"],
            "p50_low_ns": "" if p50["low"] is None else p50["low"],
            "p50_high_ns": "" if p50["high"] is None else p50["high"],
            "p99_ns": p99["median"],
            "repeats": p50["n"],
            "operations_per_s": cell["throughput_ops_per_s"]["median"],
            "verify_ns": first["verification"]["verify_ns_mean"] or "",
            "floor_ns": floor["median"],
        }


def counted_rows(book: Book, folder: Path, rows: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """The engine whose waits cannot be injected: its median on tmpfs, where a file's sync is free,
    and what each device would take for the writes and syncs that one operation was counted to make.
    """
    for file in workloads(book, folder / "workloads"):
        kind, _, size = Path(file).name.rpartition("-")
        wanted = (COUNTED_ENGINE, kind, size, 1, "tmpfs")
        software = next(
            row
            for row in rows
            if tuple(row[n] for n in ("engine", "operation", "value_bytes", "threads", "medium"))
            == wanted
        )
        operations = ["-p", f"operationcount={book.settings.counted_operations}"]
        words = [book.fencepost, "media", COUNTED_ENGINE, "-P", file, *operations, "--json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(done.stderr.strip(), 2)
        asked = next(one for one in json.loads(done.stdout)["kinds"] if one["operations"])
        for device in asked["media"]:
            if device["medium"].removesuffix("-modelled") not in MODELLED:
                continue
            charged = device["modelled_ns"] / asked["operations"]
            nothing = dict.fromkeys(software, "")
            yield {
                **nothing,
                **{n: software[n] for n in ("engine", "operation", "value_bytes", "threads")},
                "medium": device["medium"],
                "kind": "counted",
                "durability": software["durability"],
                "p50_ns": software["p50_ns"] + charged,
                "repeats": software["repeats"],
            }


def latency(book: Book, path: Path) -> None:
    folder = book.out / "bench"
    rows = list(latency_rows(bench(book, folder, ""), ""))
    for medium in MODELLED:
        rows += latency_rows(bench(book, folder, medium), f"{medium}-modelled")
    rows += list(counted_rows(book, folder, rows))
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
    virtual = "hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    dirty = " with uncommitted changes" if git("status", "--porcelain", "-uno") else ""
    return {
        "commit": git("rev-parse", "HEAD")[:12] + dirty,
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
    if path.is_file() and not fresh:
        before = read_csv(path)[0]
        if {name: before.get(name) for name in now} == now:
            return
        print("measured before with another commit or other settings: everything is made anew")
    book.out.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        (book.out / f"{name}.csv").unlink(missing_ok=True)
    shutil.rmtree(book.out / "bench", ignore_errors=True)
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
