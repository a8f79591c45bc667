# SPDX-License-Identifier: BSD-3-Clause
"""From a folder tree of results to cells: what was measured, under which condition.

Invariants:
  1. A cell of a bench agrees with each of its runs on engine, workload, threads, medium and
     durability; its runs agree with each other on the rest of the condition.
  2. Two cells of equal Condition may share one set of axes. Nothing else may.
Not covered: the interval series, which intervals.py reads when it draws them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import schema
from .schema import BadInput

MEDIA = (
    "dax",
    "tmpfs",
    "page-cache",
    "block",
    "none",
    "dram-modelled",
    "optane-modelled",
    "optane-remote-modelled",
    "nand-ssd-modelled",
    "optane-ssd-modelled",
)
DURABILITIES = ("power-fail", "prefix", "buffered", "process-crash", "none")
_SHARED = ("engine", "workload", "threads", "medium", "durability")


@dataclasses.dataclass(frozen=True)
class Condition:
    """What must be equal for two results to be compared side by side."""

    medium: str
    durability: str
    verify: str
    update: str
    load: str  # "relaxed" for a load that ran below its durability
    target: str  # "" in a closed loop
    data: str  # records and their size, of loose runs; a bench has one setting a workload
    machine: str
    commit: str
    bench: str  # runs of one bench are interleaved, those of two are not; "" for loose runs
    settings: str = ""  # of loose runs, where one engine was run with several

    def rank(self) -> tuple[Any, ...]:
        """Fast media and strong promises first."""
        media, durabilities = MEDIA.index(self.medium), DURABILITIES.index(self.durability)
        return (media, durabilities, *dataclasses.astuple(self))


@dataclasses.dataclass(frozen=True)
class Interval:
    """The median of the repeats and its interval, as the harness computed them."""

    median: float
    low: float | None
    high: float | None
    method: str
    n: int


@dataclasses.dataclass(frozen=True, eq=False)  # a cell or a run equals itself only
class Run:
    folder: Path
    summary: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def throughput_ops_per_s(self) -> float:
        return float(self.summary["throughput_ops_per_s"])

    @property
    def failed_check(self) -> bool:
        verification = self.summary["verification"]
        names = ("lost", "stale", "torn", "foreign", "phantom", "length")
        return any(verification[name] > 0 for name in names)

    def condition(self, bench: str) -> Condition:
        summary, manifest = self.summary, self.manifest
        target = summary["target_ops_per_s"]
        relaxed = summary["phase"] == "load" and summary["relaxed_load"]
        return Condition(
            medium=summary["medium"],
            durability=summary["durability"],
            verify=summary["verify"],
            update=summary["update"],
            load="relaxed" if relaxed else "",
            target=f"{target:,.6g} operations/s" if target > 0 else "",
            data="" if bench else data_size(summary),
            machine=machine_name(manifest),
            commit=commit_name(manifest),
            bench=bench,
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One engine under one workload: one bar, one line."""

    engine: str
    workload: str
    phase: str
    threads: int
    condition: Condition
    runs: tuple[Run, ...]
    throughput: Interval | None
    skipped: str | None = None
    failed: str | None = None

    @property
    def partial(self) -> bool:
        return any(run.summary["partial"] for run in self.runs)

    @property
    def failed_check(self) -> bool:
        return any(run.failed_check for run in self.runs)

    @property
    def median_run(self) -> Run | None:
        """The run in the middle by throughput (of an even number, the slower of the two)."""
        ranked = sorted(self.runs, key=lambda run: run.throughput_ops_per_s)
        return ranked[(len(ranked) - 1) // 2] if ranked else None


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a figure of one kind of operation is about."""

    workload: str
    phase: str
    threads: int
    kind: str

    @property
    def title(self) -> str:
        phase = " (load)" if self.phase == "load" else ""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.kind}, {self.workload}{phase}, {threads}"


@dataclasses.dataclass(frozen=True)
class Dataset:
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]  # what was found and is not drawn

    def by_kind(self) -> list[tuple[Subject, list[Cell]]]:
        """The cells that measured each kind of operation of each workload."""
        groups: dict[Subject, list[Cell]] = {}
        for cell in self.cells:
            run = cell.median_run
            for kind, measured in run.summary["kinds"].items() if run else ():
                if measured["count"] > 0:
                    subject = Subject(cell.workload, cell.phase, cell.threads, kind)
                    groups.setdefault(subject, []).append(cell)
        return list(groups.items())


def machine_name(manifest: dict[str, Any]) -> str:
    machine = manifest["machine"]
    cpus = machine["cpus"]
    hypervisor = machine.get("hypervisor")
    parts = [
        " ".join(machine["cpu_model"].split()),
        f"{cpus} CPU{'' if cpus == 1 else 's'}",
        str(machine["kernel"]),
    ]
    if hypervisor and hypervisor != "none":
        parts.append("virtual machine" if hypervisor is True else f"under {hypervisor}")
    return ", ".join(parts)


def data_size(summary: dict[str, Any]) -> str:
    return f"{summary['record_count']:,} records of {summary['value_bytes_mean']:g} B"


def commit_name(manifest: dict[str, Any]) -> str:
    dirty = " with uncommitted changes" if manifest["dirty"] else ""
    return f"{manifest['commit'][:12]}{dirty}"


def _read_run(folder: Path) -> Run:
    summary = schema.read(folder / "summary.json", "summary")
    manifest = schema.read(folder / "manifest.json", "manifest")
    for name, theirs in (("engine", manifest["engine"]["name"]), ("run_id", manifest["run_id"])):
        if summary[name] != theirs:
            raise BadInput(
                f"{folder / 'summary.json'}: {name}: '{summary[name]}' here, "
                f"'{theirs}' in manifest.json"
            )
    cpu = manifest["machine"].get("cpu", {})
    if isinstance(cpu, dict) and cpu.get("emulated", False):
        raise BadInput(
            f"{folder / 'manifest.json'}: was run on an emulated processor, whose times are no "
            "measurement"
        )
    return Run(folder, summary, manifest)


def _interval(value: dict[str, Any] | None) -> Interval | None:
    return None if value is None else Interval(**value)


def _cell_runs(path: Path, index: int, entry: dict[str, Any], bench: str) -> tuple[Run, ...]:
    """The runs of one cell of a bench, checked against it."""
    runs: list[Run] = []
    for number, run_id in enumerate(entry["repeats"]):
        folder = path.parent / run_id
        if not (folder / "summary.json").is_file():
            raise BadInput(f"{path}: cells[{index}].repeats[{number}]: no run {run_id} beside it")
        run = _read_run(folder)
        for name in _SHARED:
            if entry[name] != run.summary[name]:
                raise BadInput(
                    f"{path}: cells[{index}].{name}: {entry[name]!r} here, "
                    f"{run.summary[name]!r} in {run_id}/summary.json"
                )
        first = runs[0] if runs else run
        if run.condition(bench) != first.condition(bench) or run.summary["phase"] != (
            first.summary["phase"]
        ):
            raise BadInput(f"{path}: cells[{index}].repeats[{number}]: not run like repeats[0]")
        runs.append(run)
    return tuple(runs)


def _read_bench(path: Path) -> tuple[list[Cell], set[Path]]:
    """The cells of a bench, and the run folders that they took."""
    bench = schema.read(path, "bench")
    name = bench["bench_id"]
    entries = [(entry, _cell_runs(path, i, entry, name)) for i, entry in enumerate(bench["cells"])]
    finished = [run for _, runs in entries for run in runs]
    if not finished:
        raise BadInput(f"{path}: cells: no finished run")
    cells = []
    for entry, runs in entries:
        # A cell without a run was to run like the others of its bench.
        like = runs[0] if runs else finished[0]
        condition = dataclasses.replace(
            like.condition(name), medium=entry["medium"], durability=entry["durability"]
        )
        cells.append(
            Cell(
                engine=entry["engine"],
                workload=entry["workload"],
                phase=like.summary["phase"],
                threads=entry["threads"],
                condition=condition,
                runs=runs,
                throughput=_interval(entry["throughput_ops_per_s"]),
                skipped=entry["skipped"],
                failed=entry["failed"],
            )
        )
    return cells, {run.folder for run in finished}


def _settings(run: Run) -> str:
    engine = run.manifest["engine"]
    tuning = [f"{name}={value}" for name, value in sorted(engine["tuning"].items())]
    return ", ".join([f"cache_bytes={engine['cache_bytes']}", *tuning])


def _loose_cells(runs: Iterable[Run]) -> list[Cell]:
    """Runs outside of any bench: repeats of one cell are put together, without an interval."""
    slots: dict[tuple[Any, ...], dict[str, list[Run]]] = {}
    for run in runs:
        names = (run.summary[name] for name in ("engine", "workload", "phase", "threads"))
        slot = slots.setdefault((*names, run.condition("")), {})
        slot.setdefault(_settings(run), []).append(run)
    cells = []
    for (engine, workload, phase, threads, condition), slot in slots.items():
        for settings, members in slot.items():
            apart = dataclasses.replace(condition, settings=settings if len(slot) > 1 else "")
            cell = Cell(engine, workload, phase, threads, apart, tuple(members), None)
            middle = cell.median_run
            assert middle is not None
            median = Interval(middle.throughput_ops_per_s, None, None, "none", len(members))
            cells.append(dataclasses.replace(cell, throughput=median))
    return cells


def _find(roots: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The bench.json and summary.json files below the roots, each once, in order of path."""
    benches: dict[Path, None] = {}
    summaries: dict[Path, None] = {}
    for root in roots:
        if not root.is_dir():
            raise BadInput(f"{root}: no such folder")
        benches.update(dict.fromkeys(sorted(p.resolve() for p in root.rglob("bench.json"))))
        summaries.update(dict.fromkeys(sorted(p.resolve() for p in root.rglob("summary.json"))))
    return list(benches), list(summaries)


def load(roots: Sequence[Path]) -> Dataset:
    """Everything below the roots. BadInput if there is nothing, or something is wrong with it."""
    benches, summaries = _find(roots)
    if not benches and not summaries:
        raise BadInput(f"{', '.join(map(str, roots))}: no bench.json or summary.json below")
    cells: list[Cell] = []
    notes: list[str] = []
    owned: set[Path] = set()
    for path in benches:
        bench_cells, folders = _read_bench(path)
        cells += bench_cells
        inside = {p.parent for p in summaries if path.parent in p.parents}
        owned |= inside | folders
        # A repeat's load has a folder beside it.
        loads = {folder.with_name(f"{folder.name}-load") for folder in folders}
        extra = len(inside - folders - loads)
        if extra:
            notes.append(f"{path}: {extra} run{'s' if extra > 1 else ''} in no cell, not drawn")
    cells += _loose_cells(_read_run(p.parent) for p in summaries if p.parent not in owned)
    for cell in cells:
        reason = cell.skipped or cell.failed
        if reason:
            what = "skipped" if cell.skipped else "failed"
            notes.append(f"{cell.engine}, {cell.workload}: {what}: {reason}")
    return Dataset(tuple(cells), tuple(dict.fromkeys(notes)))
