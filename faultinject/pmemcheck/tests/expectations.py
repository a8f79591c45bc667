# SPDX-License-Identifier: BSD-3-Clause
"""What the Valgrind tool must record of each test program, by reasoning from the program's source.

An expected event is a line, as trace_events.py prints one:

    STORE 0x10 8 nt atomic syscall =0102030405060708    flags that apply; bytes where they are known
    FLUSH clwb 0x40            FLUSH request 0x8 100            FENCE sfence | mfence | request
    FENCE locked               a locked instruction that is no store to the mapping
    SYNC msync 0x0 4096        SYNC fsync                       MAPPED 0x0+0x2000 0x3000+0xd000
    WRITE pwrite 0x40 100      WRITE zero 0x0 4096              WRITE truncate 0x2000 0
    OPERATION_BEGIN 1          LOG text                         T2 STORE ...  (T1 is not written)

Offsets are of the mapped file; an address that an instruction flushes is aligned down to its line.
"a || b" is either; an empty side may be absent. Threads are numbered by their first event.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Expectation:
    program: str
    arguments: tuple[str, ...] = ()  # after the file's name
    environment: dict[str, str] = field(default_factory=dict)
    tool_options: tuple[str, ...] = ()
    exit_code: int = 0  # negative: killed by that signal
    events: tuple[str, ...] | None = None  # between TEST.BEGIN and TEST.END; None: not compared
    child_events: tuple[str, ...] | None = None  # of a forked child: CHILD.BEGIN to CHILD.END
    counts: dict[str, int] = field(default_factory=dict)  # events of a kind in the same part
    is_prefix: bool = False  # the trace may end early
    shows_foreign_locks: bool = False  # libc's locked instructions are noise elsewhere
    replays: bool = True  # all stores of the trace, over zeros, give the file
    reports: dict[str, tuple[str, ...]] | None = None  # category: where, see MISTAKES


def number(value: int, width_bytes: int) -> bytes:
    return (value % (1 << 8 * width_bytes)).to_bytes(width_bytes, "little")


def counting(first: int, length: int) -> bytes:
    return bytes(range(first, first + length))


def store(offset: int, data: bytes, *flags: str) -> str:
    return " ".join(["STORE", hex(offset), str(len(data)), *flags, f"={data.hex()}"])


def store8(offset: int, value: int, *flags: str) -> str:
    return store(offset, number(value, 8), *flags)


def flush(instruction: str, offset: int) -> str:
    return f"FLUSH {instruction} {offset:#x}"


FAILED_EXCHANGE = "FENCE locked"  # it stores nothing, and is a fence all the same


SFENCE = "FENCE sfence"
ASCENDING = 0x0807060504030201

STORES = [
    Expectation(
        "store_plain",
        events=(
            store(0x0, b"\x11"),
            store(0x2, number(0x2221, 2)),
            store(0x4, number(0x44434241, 4)),
            store8(0x8, 0x8887868584838281),
            store(0x10, b"\x12"),
            store(0x12, number(0x2322, 2)),
            store(0x14, number(0x54535251, 4)),
            store8(0x18, -2),
            store(0x21, number(0x3231, 2)),
            store(0x25, number(0x64636261, 4)),
            store8(0x29, 0x9897969594939291),
            store(0x38, b"\x7a"),
            store(0x39, b"\x01"),
            store(0x3A, b"\x05"),
        ),
    ),
    Expectation(
        "store_x87",
        events=(
            store(0x0, bytes.fromhex("0000000000000080ff3f")),
            store(0x10, bytes.fromhex("000000000000f03f")),
            store(0x18, bytes.fromhex("0000803f")),
            store8(0x20, 1),
            store(0x28, number(1, 4)),
            store(0x2C, number(1, 2)),
        ),
    ),
    Expectation(
        "store_sse",
        events=(
            *(store(offset, counting(1, 16)) for offset in (0x0, 0x11, 0x30, 0x50)),
            store(0x80, counting(1, 4)),
            store(0x88, counting(1, 8)),
            store(0x90, counting(1, 8)),
            store(0x98, counting(9, 8)),
            store(0xA0, counting(1, 8)),
            store(0xA8, counting(9, 8)),
            store(0xB0, counting(1, 4)),
            store(0xB8, counting(1, 8)),
            store(0xC0, counting(4, 1)),
            store(0xC2, counting(5, 2)),
            store(0xC4, counting(5, 4)),
        ),
    ),
    Expectation(
        "store_avx2",
        events=(
            *(store(offset, counting(1, 32)) for offset in (0x0, 0x21, 0x60, 0x81)),
            store(0xC0, counting(17, 16)),
            store(0xD0, counting(17, 16)),
            store(0xE0, counting(1, 16)),
        ),
    ),
    Expectation(
        "store_masked",
        events=(
            store(0x0, b"\x10" * 4),
            store(0x8, b"\x12" * 4),
            store(0x24, b"\x11" * 4),
            store(0x3C, b"\x17" * 4),
            store(0x48, b"\x12" * 4 + b"\x13" * 4),
            store(0x64, b"\x11" * 4),
            store(0x80, b"\x10" * 4),
            store(0x88, b"\x12" * 4),
            store(0x90, b"\x14" * 4),
            store(0x98, b"\x16" * 4),
            store(0xB0, b"\x14" * 4 + b"\x15" * 4),
        ),
    ),
    Expectation(
        "store_nt",
        events=(
            store(0x0, number(0x44434241, 4), "nt"),
            store8(0x8, 0x8887868584838281, "nt"),
            *(store(offset, counting(1, 16), "nt") for offset in (0x10, 0x20, 0x30)),
            store(0x40, counting(1, 8), "nt"),
            store8(0x48, 0x9897969594939291),
            SFENCE,
        ),
    ),
    Expectation(
        "store_nt_avx",
        events=(
            *(store(offset, counting(1, 32), "nt") for offset in (0x0, 0x20, 0x40)),
            store(0x60, counting(1, 16), "nt"),
            SFENCE,
        ),
    ),
    Expectation(
        "store_nt_masked",
        events=(
            store(0x0, counting(1, 16), "nt"),
            store(0x20, counting(1, 8), "nt")
            + " || "
            + store(0x20, counting(1, 8) + bytes(8), "nt"),
            store(0x40, counting(1, 8), "nt"),
            " || " + store(0x60, bytes(16), "nt"),
            SFENCE,
        ),
    ),
    Expectation(
        "store_split",
        events=(
            store8(0x3C, ASCENDING),
            store(0x7F, counting(1, 2)),
            store(0xBE, counting(1, 4)),
            store(0xF8, counting(1, 16)),
            store(0xFFC, counting(0x11, 8)),
            store(0x1FF8, counting(1, 16)),
        ),
    ),
    Expectation(
        "store_edge",
        events=(
            store(0x0, counting(5, 4)),
            store(0xFFFC, counting(0x11, 4)),
            store(0xFFF0, counting(0x21, 8)),
        ),
    ),
    Expectation(
        "store_stack",
        events=(
            store8(0xFF8, ASCENDING),
            store8(0xFF0, 0x12345678),
            "STORE 0xfe8 8",
            store(0xFE6, number(0x1234, 2)),
            store8(0x0, 0x12345678),
        ),
    ),
    Expectation("store_state"),
    Expectation(
        "rep_string",
        events=(
            store(0x0, b"\x5a" * 100),
            store(0x81, counting(1, 50)),
            store(0x100, counting(1, 80)),
            store(0x180, counting(1, 8) * 8),
            store(0x220, counting(0x11, 4) * 6),
            store(0x260, counting(1, 10)),
            store(0x2A0, b"\x6b" * 40),
            store(0x300, counting(0x21, 8)),
        ),
    ),
    Expectation(
        "locked",
        shows_foreign_locks=True,
        events=(
            store8(0x0, 1, "atomic"),
            store(0x8, number(5, 4), "atomic"),
            store8(0x10, 7, "atomic"),
            store8(0x18, 9, "atomic"),
            store(0x20, b"\x81", "atomic"),
            store(0x22, b"\xff\xff", "atomic"),
            store8(0x28, 8, "atomic"),
            store8(0x30, 0, "atomic"),
            store8(0x38, 0x1234, "atomic"),
            FAILED_EXCHANGE,
            store(0x48, number(0x1234, 4), "atomic"),
            FAILED_EXCHANGE,
            store8(0x50, -1, "atomic"),
            store8(0x58, 1, "atomic"),
            store8(0x60, 0, "atomic"),
            store8(0x68, -1, "atomic"),
        ),
    ),
    Expectation(
        "locked_wide",
        shows_foreign_locks=True,
        events=(
            store8(0x0, ASCENDING, "atomic"),
            FAILED_EXCHANGE,
            store(0x10, counting(1, 8) + counting(0x11, 8), "atomic"),
            FAILED_EXCHANGE,
        ),
    ),
    Expectation(
        "locked_elsewhere",
        shows_foreign_locks=True,
        events=tuple(
            line
            for i in range(3)
            for line in (store8(64 * i, i + 1), flush("clwb", 64 * i), "FENCE locked")
        ),
    ),
]

SYSTEM_CALLS = [
    Expectation(
        "syscall_store",
        events=(
            store(0x0, counting(1, 100), "syscall"),
            store(0x100, counting(11, 50), "syscall"),
            store(0x200, counting(101, 30), "syscall"),
            store(0x240, counting(131, 70), "syscall"),
            store(0x300, b"twenty bytes of text", "syscall"),
            store(0x340, b" + eight", "syscall"),
            "STORE 0x380 16 syscall",
            store(0x3C0, counting(191, 10), "syscall"),
        ),
    ),
    Expectation("syscall_file"),
    Expectation(
        "syscall_copy",
        events=(
            "WRITE pwrite 0x40 100",
            "WRITE pwrite 0x100 16",
            "WRITE pwrite 0x140 16",
            "WRITE pwrite 0x1000 60000",
            "WRITE pwrite 0x200 11",
            "WRITE pwrite 0x240 10",
            "WRITE pwrite 0x24a 6",
            "WRITE truncate 0xfff0 0",
            "WRITE pwrite 0xfff0 16",
            store8(0x8000, 0x5A5A5A5A5A5A5A5A),
            "WRITE zero 0x8000 4096",
            "WRITE truncate 0xc000 0",
            "WRITE truncate 0x10000 0",
            store8(0x0, 1),
        ),
    ),
    Expectation(
        "file_names",
        events=(
            store8(0x0, 1),
            "WRITE pwrite 0x40 8",
            "WRITE pwrite 0x80 8",
            store8(0x100, 3),
        ),
    ),
    Expectation("io_uring"),
    Expectation(
        "sync",
        events=(
            store8(0x0, 1),
            "SYNC msync 0x0 4096",
            store8(0x1000, 2),
            "SYNC msync 0x1000 8192",
            store8(0x8, 3),
            "SYNC fsync",
            store8(0x10, 4),
            "SYNC fsync",  # fdatasync: the same to the model
            store8(0x18, 5),
        ),
    ),
    Expectation(
        "map_unmap",
        events=(
            store8(0x0, 1),
            "MAPPED 0x0+0x2000 0x3000+0xd000",
            store8(0x3000, 2),
            "MAPPED 0x0+0x2000 0x3000+0xb000",
            store8(0x1000, 3),
            "MAPPED 0x0+0x2000 0x2000+0x1000 0x3000+0xb000",
            store8(0x2008, 4),
            "MAPPED 0x0+0x1000 0x0+0x2000 0x2000+0x1000 0x3000+0xb000",
            store8(0x10, 5),
            store8(0x18, 6),
            "MAPPED 0x0+0x1000 0x1000+0x1000 0x2000+0x1000 0x3000+0xb000",
            store8(0x1008, 9),
        ),
    ),
    Expectation(
        "map_remap",
        events=(
            store8(0x0, 1),
            "MAPPED 0x0+0x2000",
            store8(0x8, 2),
            "MAPPED 0x0+0x8000",
            store8(0x7000, 3),
            "MAPPED 0x0+0x10000",
            store8(0x10, 4),
            store8(0xF000, 5),
            store8(0x18, 7),
        ),
    ),
]

FLUSHES = [
    Expectation(
        "flush_kinds",
        events=(
            store8(0x0, 1),
            flush("clwb", 0x0),
            store8(0x40, 2),
            flush("clflushopt", 0x40),
            store8(0x80, 3),
            flush("clflush", 0x80),
            SFENCE,
            flush("clwb", 0xFC0),
            flush("clwb", 0x1000),
            "FENCE mfence",
        ),
    ),
    *(
        Expectation(
            "flush_forms",
            arguments=arguments,
            events=(
                *(flush("clwb", 64 * form) for form in range(32)),
                *(flush("clflushopt", 0x1000 + 64 * form) for form in range(32)),
                *(flush("clflush", 0x2000 + 64 * form) for form in range(32)),
                SFENCE,
            ),
        )
        for arguments in ((), ("--gs",))
    ),
    Expectation(
        "flush_block_edges",
        events=(
            flush("clwb", 0x0),
            flush("clwb", 0x40),
            flush("clwb", 0x80),
            flush("clflushopt", 0xC0),
            flush("clwb", 0x100),
            flush("clwb", 0x140),
            flush("clflushopt", 0x180),
            flush("clwb", 0x1C0),
            *([flush("clwb", 0x200)] * 3),
            store8(0x240, ASCENDING),
            flush("clwb", 0x240),
            store8(0x248, ASCENDING),
            flush("clflushopt", 0x240),
            SFENCE,
            store8(0x250, ASCENDING),
            flush("clwb", 0x280),
            flush("clwb", 0x2C0),
        ),
    ),
    Expectation(
        "fences",
        events=(
            store8(0x0, 1),
            SFENCE,
            store8(0x8, 2),
            "FENCE mfence",
            *(store8(8 * i, i + 1) for i in range(2, 7)),
            SFENCE,
            SFENCE,
        ),
    ),
]

PROCESSES = [
    Expectation(
        "threads_fence_other",
        events=(
            store8(0x0, 1),
            flush("clwb", 0x0),
            "T2 FENCE sfence",
            store8(0x40, 2, "nt"),
            "T2 FENCE mfence",
            store8(0x80, 3),
            SFENCE,
        ),
    ),
    Expectation(
        "threads_flush_other",
        events=(
            store8(0x0, 1),
            "T2 " + flush("clwb", 0x0),
            "T2 FENCE sfence",
            store8(0x40, 2),
            "T2 " + flush("clflush", 0x40),
            store8(0x80, 3),
            flush("clwb", 0x80),
            "T2 " + store8(0x80, 4),
            SFENCE,
        ),
    ),
    Expectation("threads_replay", arguments=("--count=4000",)),
    Expectation("threads_turns"),
    Expectation("frames"),
    Expectation(
        "exec_next",
        exit_code=7,
        events=(store8(0x0, 1), store8(0x40, 2), flush("clwb", 0x40), SFENCE),
        reports={"not-persistent": ("before-exec DIRTY",)},
    ),
    Expectation(
        "fork_child",
        events=(store8(0x0, 1), store8(0x80, 3), flush("clwb", 0x80), SFENCE),
        child_events=(store8(0x40, 2), flush("clwb", 0x40), SFENCE),
    ),
    Expectation(
        "killed",
        exit_code=-9,
        is_prefix=True,
        replays=False,
        events=tuple(
            line
            for i in range(1000)
            for line in (store8(64 * i, i + 1), flush("clwb", 64 * i), SFENCE)
        ),
    ),
    # The whole million takes half a minute here; its growth is measured by pmemcheck_speed.sh.
    Expectation(
        "million_stores", arguments=("1600000", "--count=200000"), counts={"STORE": 200000}
    ),
]

REQUESTS = [
    Expectation(
        "operations",
        events=(
            "OPERATION_BEGIN 1",
            store8(0x0, 1),
            flush("clwb", 0x0),
            SFENCE,
            "OPERATION_END 1",
            "OPERATION_BEGIN 2",
            f"OPERATION_BEGIN {0x123456789ABCDEF0}",
            store8(0x40, 2),
            "OPERATION_END 2",
            f"OPERATION_END {0x123456789ABCDEF0}",
            "LOG PUT.BEGIN",
            "LOG PUT.END",
            "LOG two words; and ; a semicolon",
            "SET_CLEAN 0x40 8",
            "SYNC deep-sync 0x0 64",
        ),
    ),
    Expectation(
        "requests_mapping",
        events=(
            store8(0x0, 1),
            "FLUSH request 0x8 100 || FLUSH request 0x0 128",
            "FENCE request",
            "REMOVE_MAPPING 0x0 65536",
            store8(0x8, 2),
        ),
    ),
    Expectation(
        "requests_wild",
        events=(
            store8(0x0, 1),
            store8(0x40, 2),
            flush("clwb", 0x40),
            SFENCE,
        ),
    ),
    Expectation("requests_tx", events=(store8(0x0, 1), store8(0x40, 2))),
    *(
        Expectation(
            program,
            arguments=("--count=100",),
            environment={"PMEM_IS_PMEM_FORCE": "1"},
            counts={"OPERATION_BEGIN": 100, "OPERATION_END": 100},
            reports={"not-persistent": ()},
        )
        for program in ("obj_list_tx", "obj_hash_reserve")
    ),
]

# The mistakes of mistakes.c: the category of the report, and whether it names the marked line. The
# state follows where the report has one. A category not named on the way has no entry.
MISTAKES: dict[str, tuple[str, str]] = {
    "overwritten": ("overwritten", ""),  # which of the two stores it names is the tool's affair
    "flushed-twice": ("flushed-twice", "flushed-twice"),
    "flushed-clean": ("flushed-clean", "flushed-clean"),
    "outside-transaction": ("outside-transaction", "outside-transaction"),
    "two-transactions": ("two-transactions", ""),
    "idle-fence": ("idle-fence", "idle-fence"),
    "torn": ("torn", "torn"),
    "not-flushed": ("not-persistent", "not-flushed DIRTY"),
    "others-fence": ("not-persistent", "others-fence FLUSHED"),
    "not-fenced": ("not-persistent", "not-fenced FLUSHED"),
    "unfinished-transaction": ("active-transactions", ""),
}


def reports_of(names: list[str]) -> dict[str, tuple[str, ...]]:
    """Category: one entry a report, of all categories there are."""
    reports: dict[str, tuple[str, ...]] = {category: () for category, _ in MISTAKES.values()}
    for name in names:
        category, entry = MISTAKES[name]
        reports[category] += (entry,)
    return reports


REPORTS = [
    Expectation("compat"),
    Expectation("loads", tool_options=("--loads=yes",)),
    Expectation(
        "unmapped",
        reports={"not-persistent": ("unmapped DIRTY", "msync-async DIRTY")},
    ),
    *(
        Expectation(
            "mistakes",
            arguments=arguments,
            tool_options=("--mult-stores=yes", "--flush-check=yes"),
            reports=reports_of(names),
        )
        for arguments, names in [
            ((), list(MISTAKES)),
            *(((f"--only={name}",), [name]) for name in MISTAKES),
        ]
    ),
]

EXPECTATIONS: dict[str, Expectation] = {
    " ".join([e.program, *(a for a in e.arguments if a.startswith(("--only", "--gs")))]): e
    for group in (STORES, SYSTEM_CALLS, FLUSHES, PROCESSES, REQUESTS, REPORTS)
    for e in group
}
