# SPDX-License-Identifier: BSD-3-Clause
"""Installs libpmemkv.so into an empty prefix, builds the examples against it as anybody would, and
compares what they print.

usage: installed_library_test.py CMAKE BUILD_FOLDER CXX CC
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

EXAMPLES = pathlib.Path(__file__).resolve().parent
CMAKE, BUILD_FOLDER, CXX, CC = (sys.argv + [""] * 4)[1:5]

LISTING_1_1 = """\
all of them, in no order:
  earth = 1.00 AU
  mercury = 0.39 AU
  venus = 0.72 AU
venus is at 0.72 AU
and then: NOT_FOUND (2)
2 are left
"""

C_INTERFACE = """\
all of them, in no order:
  europa = 1655
  io = 1610
2 pairs
io: 4 bytes, 1610
pluto: not found
"""


def output(*command: str | pathlib.Path, **environment: str) -> str:
    """What the command prints. LD_LIBRARY_PATH is not for it: the program must know by itself."""
    clean = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [str(word) for word in command],
        env={**clean, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def in_order(text: str) -> list[str]:
    """The lines, those of the walk sorted: a hash map has no order."""
    lines = text.splitlines()
    pairs = sorted(line for line in lines if line.startswith("  "))
    return [pairs.pop(0) if line.startswith("  ") else line for line in lines]


class InstalledLibraryTest(unittest.TestCase):
    scratch: pathlib.Path
    folder: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        # On tmpfs where there is one: pools are mapped, and flushed for nothing there.
        parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        scratch = tempfile.TemporaryDirectory(dir=parent)
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        prefix = cls.scratch / "prefix"
        output(CMAKE, "--install", BUILD_FOLDER, "--component", "pmemkv_api", "--prefix", prefix)
        cls.folder = prefix / "lib" / "fencepost"

    def flags(self, *options: str) -> list[str]:
        path = str(self.folder / "pkgconfig")
        return output("pkg-config", *options, "libpmemkv", PKG_CONFIG_PATH=path).split()

    def build(self, compiler: str, source: pathlib.Path, *options: str) -> pathlib.Path:
        program = self.scratch / (source.stem + "".join(options))
        flags = self.flags("--cflags", "--libs")
        output(*compiler.split(), *options, "-Wall", "-Werror", source, *flags, "-o", program)
        return program

    def test_everything_is_where_it_is_looked_for(self) -> None:
        for name in (
            "libpmemkv.so",
            "libpmemkv.so.1",
            "include/libpmemkv.h",
            "include/libpmemkv.hpp",
            "include/libpmemobj++/slice.hpp",
            "include/libpmemobj++/string_view.hpp",
        ):
            self.assertTrue((self.folder / name).is_file(), name)
        self.assertEqual([path.name for path in self.folder.parent.iterdir()], ["fencepost"])

    def test_only_the_c_interface_is_exported(self) -> None:
        lines = output("nm", "--dynamic", "--defined-only", self.folder / "libpmemkv.so")
        names = {line.split()[2].split("@")[0] for line in lines.splitlines()}
        self.assertEqual(
            {name for name in names if not name.startswith("pmemkv_")}, {"LIBPMEMKV_1.0"}
        )
        header = (self.folder / "include" / "libpmemkv.h").read_text()
        functions = "\n".join(
            line for line in header.splitlines() if not line.startswith(("typedef", "/", " *"))
        )
        missing = set(re.findall(r"\b(pmemkv_\w+)\(", functions)) - names
        self.assertEqual(missing, set())

    def test_its_name_is_that_of_the_original(self) -> None:
        dynamic = output("readelf", "--dynamic", self.folder / "libpmemkv.so")
        self.assertIn("soname: [libpmemkv.so.1]", dynamic)

    def test_listing_1_1_in_each_standard_of_cpp(self) -> None:
        for standard in ("-std=c++11", "-std=c++17", "-std=c++20"):
            with self.subTest(standard):
                program = self.build(CXX, EXAMPLES / "listing_1_1.cc", standard)
                pool = self.scratch / ("pool" + standard)
                self.assertEqual(in_order(output(program, pool)), LISTING_1_1.splitlines())

    def test_string_view_in_each_standard_of_cpp(self) -> None:
        for standard in ("-std=c++11", "-std=c++17"):
            with self.subTest(standard):
                output(self.build(CXX, EXAMPLES / "string_view_check.cc", standard))

    def test_force_create_refuses_what_is_there(self) -> None:
        program = self.build(CXX, EXAMPLES / "listing_1_1.cc")
        pool = self.scratch / "twice"
        output(program, pool)
        with self.assertRaisesRegex(AssertionError, r"open: INVALID_ARGUMENT \(4\): .*exists"):
            output(program, pool)

    def test_the_c_interface(self) -> None:
        program = self.build(CC, EXAMPLES / "c_interface.c", "-std=c11")
        for run in ("makes the pool", "opens the pool"):
            with self.subTest(run):
                printed = output(program, self.scratch / "c_pool")
                self.assertEqual(in_order(printed), C_INTERFACE.splitlines())

    def test_a_program_may_name_libpmem_before_it(self) -> None:
        program = self.scratch / "pmem_first"
        output(
            *CXX.split(),
            EXAMPLES / "listing_1_1.cc",
            "-Wl,--no-as-needed",
            "-lpmem",
            "-lpmemobj",
            *self.flags("--cflags", "--libs"),
            "-o",
            program,
        )
        pool = self.scratch / "pmem_first_pool"
        self.assertEqual(in_order(output(program, pool)), LISTING_1_1.splitlines())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
