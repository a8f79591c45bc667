#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Converts a published trace to the text that `fencepost run ENGINE --trace FILE` replays.

Usage: convert_trace.py msr|twitter [INPUT] [-o OUTPUT] [options]
INPUT is a file, one that ends in .gz, or - (the default: standard input). Streams: memory does not
grow with the trace. What is mapped to what is in docs/traces.md, and at the top of the output.

Sources: README.txt of "MSR Cambridge Traces", SNIA IOTTA repository (Narayanan,
Donnelly, Rowstron, FAST 2008); README.md of github.com/twitter/cache-trace (Yang, Yue, Rashmi,
OSDI 2020).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import gzip
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import IO, cast

MAX_VALUE_BYTES = 2**30 - 1  # of a line of Fencepost's
MAX_KEY_BYTES = 65535
MAX_LINE_BYTES = 1 << 20
TO_ESCAPE = re.compile(rb"[\x00-\x1f\x7f,%]")

MSR_HEADER = """\
# From the MSR Cambridge format: a block is a key (host.disk.block), a value has {bytes} bytes.
# Read: a get of each block it touches. Write: a put of each, whole where it covers a part.
# Dropped: timestamps, response times, requests of no bytes.
"""
MSR_WHOLE_HEADER = """\
# From the MSR Cambridge format: where a request begins is its key (host.disk.offset).
# Read: one get. Write: one put of the request's bytes. Requests that overlap are different keys.
# Dropped: timestamps, response times, requests of no bytes.
"""
TWITTER_HEADER = """\
# From the Twitter cache format. get, gets: {get}. set, add, replace, cas: put.
# append, prepend, incr, decr: {get}, then put of the line's value size. delete: delete.
# Dropped: timestamps, clients, key sizes (keys are as they stand), times to live (nothing expires),
# conditions (add, replace and cas always write), sizes of 0 of a {get} (not known).
"""

Lines = Iterator[bytes]
Counts = collections.Counter[str]


class BadLine(Exception):
    """What is wrong with the line that is being converted."""


def number(field: bytes, name: str, most: int) -> int:
    # int() would take blanks, signs and underscores too.
    if not field.isdigit() or len(field) > 20:
        raise BadLine(f"{name} {quoted(field)} is not a whole number")
    if int(field) > most:
        raise BadLine(f"{name} {int(field)}: at most {most}")
    return int(field)


def quoted(field: bytes) -> str:
    return repr(field[:32])[1:] + ("..." if len(field) > 32 else "")


def escaped(key: bytes) -> bytes:
    if not key:
        raise BadLine("an empty key")
    if len(key) > MAX_KEY_BYTES:
        raise BadLine(f"a key of {len(key)} bytes: at most {MAX_KEY_BYTES}")
    return TO_ESCAPE.sub(lambda found: b"%%%02X" % found[0][0], key)


def from_msr(line: bytes, block_bytes: int, counts: Counts) -> Lines:
    fields = line.split(b",")
    if len(fields) != 7:
        raise BadLine(
            f"{len(fields)} fields, not Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime"
        )
    kind = fields[3].lower()
    if kind not in (b"read", b"write"):
        raise BadLine(f"Type {quoted(fields[3])} is neither Read nor Write")
    disk = escaped(fields[1] + b"." + fields[2])
    offset = number(fields[4], "Offset", 2**63 - 1)
    size = number(fields[5], "Size", MAX_VALUE_BYTES)
    if size == 0:
        counts["requests of no bytes dropped"] += 1
        return
    word = b"get" if kind == b"read" else b"put"
    if block_bytes == 0:
        yield b"%b,%b.%d,%d\n" % (word, disk, offset, size)
        return
    for block in range(offset // block_bytes, (offset + size - 1) // block_bytes + 1):
        yield b"%b,%b.%d,%d\n" % (word, disk, block, block_bytes)
    if kind == b"write" and (offset % block_bytes or size % block_bytes):
        counts["writes that cover a part of a block, and write the whole"] += 1


PUTS = (b"set", b"add", b"replace", b"cas")
GETS = (b"get", b"gets")
READ_AND_PUT = (b"append", b"prepend", b"incr", b"decr")


def from_twitter(line: bytes, get: bytes, counts: Counts) -> Lines:
    # A key may have commas of its own: the fields around it have none.
    front, comma, rest = line.partition(b",")
    fields = rest.rsplit(b",", 5)
    if not comma or len(fields) != 6:
        raise BadLine(
            "too few fields: not "
            "timestamp,anonymized key,key size,value size,client id,operation,TTL"
        )
    key = escaped(fields[0])
    key_bytes = number(fields[1], "key size", 2**32)
    value_bytes = number(fields[2], "value size", MAX_VALUE_BYTES)
    operation = fields[4].lower()
    if key_bytes != len(fields[0]):
        counts["keys that are not as long as their key size"] += 1
    if operation == b"delete":
        yield b"delete,%b\n" % key
        return
    if operation not in GETS + PUTS + READ_AND_PUT:
        raise BadLine(f"operation {quoted(fields[4])} is none of this format")
    if operation not in PUTS:
        is_known = value_bytes > 0 and operation in GETS
        yield b"%b,%b,%d\n" % (get, key, value_bytes) if is_known else b"%b,%b\n" % (get, key)
    if operation not in GETS:
        yield b"put,%b,%d\n" % (key, value_bytes)


def convert(
    source: IO[bytes], name: str, convert_line: Callable[[bytes], Lines], output: IO[bytes]
) -> tuple[int, int]:
    """Requests read and operations written. BadLine names the file and the line."""
    requests = operations = at = 0
    while line := source.readline(MAX_LINE_BYTES + 1):
        at += 1
        try:
            if len(line) > MAX_LINE_BYTES:
                raise BadLine(f"a line of more than {MAX_LINE_BYTES} bytes: is this a trace?")
            line = line.rstrip(b"\r\n")
            if not line or (at == 1 and line.lower().startswith(b"timestamp,")):
                continue
            requests += 1
            for operation in convert_line(line):
                output.write(operation)
                operations += 1
        except BadLine as error:
            raise BadLine(f"{name}:{at}: {error}") from None
    return requests, operations


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="convert_trace.py",
        description="Converts a published trace to the text that `fencepost run --trace` replays.",
    )
    formats = parser.add_subparsers(dest="format", required=True, metavar="msr|twitter")
    msr = formats.add_parser("msr", help="MSR Cambridge block traces")
    msr.add_argument(
        "--block-bytes",
        type=int,
        default=4096,
        metavar="N",
        help="size of a block, and of a value (default 4096); 0: a request is one operation",
    )
    twitter = formats.add_parser("twitter", help="Twitter cache traces")
    twitter.add_argument(
        "--tryget",
        action="store_true",
        help="gets may find nothing: what the trace has not put is not loaded for them",
    )
    for one in (msr, twitter):
        one.add_argument("input", nargs="?", default="-", metavar="INPUT", help="file, .gz, or -")
        one.add_argument("-o", "--output", default="-", help="file (default: standard output)")
    found = parser.parse_args(arguments)
    if found.format == "msr" and not 0 <= found.block_bytes <= MAX_VALUE_BYTES:
        parser.error(f"--block-bytes={found.block_bytes}: must be from 0 to {MAX_VALUE_BYTES}")
    return found


def opened(name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    if name == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(name, "rb"))
    return open(name, "rb")


@contextlib.contextmanager
def created(name: str) -> Iterator[IO[bytes]]:
    """The file as a whole or not at all: half a trace would look like one."""
    if name == "-":
        yield sys.stdout.buffer
        return
    if os.path.exists(name) and not os.path.isfile(name):
        with open(name, "wb") as out:
            yield out
        return
    part = f"{name}.part"
    try:
        with open(part, "wb") as out:
            yield out
        os.replace(part, name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def run(flags: argparse.Namespace) -> None:
    counts: Counts = collections.Counter()
    convert_line: Callable[[bytes], Lines]
    if flags.format == "msr":
        header = MSR_HEADER if flags.block_bytes else MSR_WHOLE_HEADER
        header = header.format(bytes=flags.block_bytes)

        def convert_line(line: bytes) -> Lines:
            return from_msr(line, flags.block_bytes, counts)

    else:
        get = "tryget" if flags.tryget else "get"
        header = TWITTER_HEADER.format(get=get)

        def convert_line(line: bytes) -> Lines:
            return from_twitter(line, get.encode(), counts)

    name = "standard input" if flags.input == "-" else flags.input
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(opened(flags.input))
        output = stack.enter_context(created(flags.output))
        output.write(header.encode() + b"op,key,size\n")
        requests, operations = convert(source, name, convert_line, output)
        output.flush()
        if requests == 0:
            raise BadLine(f"{name}: has no request")
    print(f"{requests} requests, {operations} operations", file=sys.stderr)
    for what, count in counts.items():
        print(f"{count} {what}", file=sys.stderr)


def main() -> int:
    flags = parse(sys.argv[1:])
    try:
        run(flags)
    except BrokenPipeError:
        # Whoever reads has had enough; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except (BadLine, OSError, EOFError) as error:
        print(f"convert_trace.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
