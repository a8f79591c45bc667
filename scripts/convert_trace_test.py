#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tests of convert_trace.py: samples made up in the two formats, right and wrong."""

from __future__ import annotations

import gzip
import pathlib
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent / "convert_trace.py"

MSR = b"""\
128166372003061629,web,0,Read,4096,8192,1331
128166372003061630,web,0,Write,0,4096,20
128166372003061631,web,1,Write,6000,100,20\r
128166372003061632,web,0,Read,4095,2,30
128166372003061633,web,0,Read,4096,0,30
"""
TWITTER = b"""\
0,nz:u:aaa,8,100,1,get,0
0,nz:u:aaa,8,0,1,gets,0
1,nz:u:bbb,8,20,2,set,3600
1,nz:u:bbb,8,30,2,add,3600
1,a,b%,4,40,2,replace,10
2,nz:u:bbb,8,50,2,cas,10
2,nz:u:ccc,8,60,2,append,10
2,nz:u:ccc,8,70,2,prepend,10
3,count,9,2,3,incr,0
3,count,5,2,3,decr,0
4,nz:u:bbb,8,0,3,delete,0
"""


def convert(data: bytes, *words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [SCRIPT, *words], input=data, capture_output=True, check=False, timeout=60
    )


class ConvertTraceTest(unittest.TestCase):
    def lines(self, data: bytes, *words: str) -> list[str]:
        """What is neither comment nor header."""
        done = convert(data, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.said = done.stderr.decode()
        found = [line for line in done.stdout.decode().split("\n") if not line.startswith("#")]
        self.assertEqual((found[0], found[-1]), ("op,key,size", ""))
        return found[1:-1]

    def refused(self, needle: str, data: bytes, *words: str) -> None:
        done = convert(data, *words)
        self.assertEqual(done.returncode, 2, done.stderr)
        said = done.stderr.decode()
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertTrue(said.startswith("convert_trace.py: "), said)
        self.assertIn(needle, said)

    def test_msr_requests_become_the_blocks_they_touch(self) -> None:
        self.assertEqual(
            self.lines(MSR, "msr"),
            ["get,web.0.1,4096", "get,web.0.2,4096", "put,web.0.0,4096", "put,web.1.1,4096"]
            + ["get,web.0.0,4096", "get,web.0.1,4096"],
        )
        self.assertIn("5 requests, 6 operations", self.said)
        self.assertIn("1 requests of no bytes dropped", self.said)
        self.assertIn("1 writes that cover a part", self.said)

    def test_msr_blocks_have_the_size_that_is_asked_for(self) -> None:
        self.assertEqual(
            self.lines(MSR.split(b"\n")[0], "msr", "--block-bytes", "1024")[0], "get,web.0.4,1024"
        )
        self.assertEqual(len(self.lines(MSR.split(b"\n")[0], "msr", "--block-bytes", "1024")), 8)

    def test_msr_requests_stay_whole_where_that_is_asked_for(self) -> None:
        self.assertEqual(
            self.lines(MSR, "msr", "--block-bytes=0"),
            ["get,web.0.4096,8192", "put,web.0.0,4096", "put,web.1.6000,100", "get,web.0.4095,2"],
        )

    def test_twitter_operations_are_mapped_as_documented(self) -> None:
        self.assertEqual(
            self.lines(TWITTER, "twitter"),
            [
                "get,nz:u:aaa,100",
                "get,nz:u:aaa",
                "put,nz:u:bbb,20",
                "put,nz:u:bbb,30",
                "put,a%2Cb%25,40",
                "put,nz:u:bbb,50",
                "get,nz:u:ccc",
                "put,nz:u:ccc,60",
                "get,nz:u:ccc",
                "put,nz:u:ccc,70",
                "get,count",
                "put,count,2",
                "get,count",
                "put,count,2",
                "delete,nz:u:bbb",
            ],
        )
        self.assertIn("11 requests, 15 operations", self.said)
        self.assertIn("1 keys that are not as long as their key size", self.said)

    def test_twitter_gets_may_find_nothing_where_that_is_asked_for(self) -> None:
        lines = self.lines(TWITTER, "twitter", "--tryget")
        self.assertEqual(lines[:2], ["tryget,nz:u:aaa,100", "tryget,nz:u:aaa"])
        self.assertFalse([line for line in lines if line.startswith("get")])

    def test_files_and_gzip_are_read_and_written(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "t.csv.gz"), pathlib.Path(folder, "out")
            source.write_bytes(gzip.compress(MSR))
            done = convert(b"", "msr", str(source), "-o", str(target))
            self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
            self.assertEqual(target.read_bytes(), convert(MSR, "msr", "-").stdout)
            source.write_bytes(gzip.compress(MSR)[:40])
            target.unlink()
            self.refused("end", b"", "msr", str(source), "-o", str(target))
            self.assertEqual(list(pathlib.Path(folder).iterdir()), [source])

    def test_keys_of_any_bytes_are_escaped(self) -> None:
        done = convert(b"0,\x01k\xff,3,5,1,set,0\n", "twitter")
        self.assertTrue(done.stdout.endswith(b"\nput,%01k\xff,5\n"), done.stdout)

    def test_a_header_line_is_skipped(self) -> None:
        header = b"Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime\n"
        self.assertEqual(self.lines(header + MSR, "msr"), self.lines(MSR, "msr"))
        self.refused("standard input:6: Type", MSR + header, "msr")

    def test_wrong_input_is_one_line_and_2(self) -> None:
        self.refused("standard input:2: 1 fields", MSR.split(b"\n")[0] + b"\nnonsense\n", "msr")
        self.refused("Type 'Trim' is neither", b"1,web,0,Trim,0,4096,1\n", "msr")
        self.refused("Offset '-1' is not", b"1,web,0,Read,-1,4096,1\n", "msr")
        self.refused("Size 1073741824: at most", b"1,web,0,Read,0,1073741824,1\n", "msr")
        self.refused("standard input:1: too few fields", b"0,k,1,5,1,get\n", "twitter")
        self.refused("operation 'touch' is none", b"0,k,1,5,1,touch,0\n", "twitter")
        self.refused("an empty key", b"0,,0,5,1,get,0\n", "twitter")
        self.refused("value size '1_0' is not", b"0,k,1,1_0,1,get,0\n", "twitter")
        self.refused("has no request", b"", "twitter")
        self.refused("1: ", bytes(range(256)) * 10, "twitter")
        self.refused("is this a trace?", b"x" * (3 << 20), "twitter")
        self.refused("No such file", b"", "twitter", "/nosuch/file")
        self.refused("s a directory", b"", "msr", "/tmp")
        self.refused("Not a gzip", b"", "msr", self.not_gzip())
        for words in ((), ("nosuch",), ("msr", "--block-bytes=-1")):
            self.assertEqual(convert(b"", *words).returncode, 2)

    def not_gzip(self) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name, "t.gz")
        path.write_bytes(b"plain text")
        return str(path)

    def test_a_reader_that_leaves_early_is_no_error(self) -> None:
        command = f"yes 1,web,0,Read,0,4096,1 | head -100000 | {SCRIPT} msr | head -5"
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
