# SPDX-License-Identifier: BSD-3-Clause
"""Plants violations in a tree of its own and sees each linter find them, and find nothing else."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

LINT = pathlib.Path(__file__).resolve().parent
SPDX = "SPDX-License-Identifier: BSD-3-Clause\n"
LATER = "TO" + "DO"


class LintTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def plant(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def lint(self, *linter: str) -> tuple[int, str]:
        command = [sys.executable, str(LINT / linter[0]), *linter[1:], "--root", str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def assert_clean(self, *linter: str) -> None:
        status, output = self.lint(*linter)
        self.assertEqual(status, 0, output)

    def assert_finds(self, expected: str, *linter: str) -> None:
        status, output = self.lint(*linter)
        self.assertEqual(status, 1, output)
        self.assertIn(expected, output)


class LinksTest(LintTest):
    def setUp(self) -> None:
        super().setUp()
        self.plant("docs/a.md", "# Every state: `reads`\n")

    def test_links_that_lead_somewhere_pass(self) -> None:
        self.plant(
            "README.md",
            "[a](docs/a.md), [b](docs/a.md#every-state-reads), [c](docs), [d](https://x.org/y)\n"
            "    [code](nowhere.md)\n`[code](nowhere.md)`\n",
        )
        self.assert_clean("check_links.py")

    def test_a_file_that_is_not_there_is_found(self) -> None:
        self.plant("docs/b.md", "\n![p](b.png)\n")
        self.assert_finds("docs/b.md:2: leads nowhere: b.png", "check_links.py")

    def test_a_heading_that_is_not_there_is_found(self) -> None:
        self.plant("README.md", "[a](docs/a.md#every-state)\n")
        self.assert_finds("there is no such heading", "check_links.py")


class LayersTest(LintTest):
    def setUp(self) -> None:
        super().setUp()
        self.plant("engines/status.h", "#include <string>\n")
        self.plant("engines/engine.h", '#include "engines/status.h"\n')
        self.plant("harness/driver.h", '#include "engines/engine.h"\n')
        self.plant("workloads/keys.h", '#include "engines/status.h"\n')

    def test_allowed_includes_pass(self) -> None:
        self.plant("harness/driver.cc", '#include "workloads/keys.h"\n#include <lmdb.h>\n')
        self.plant("harness/CMakeLists.txt", "fencepost_library(harness SRCS driver.cc)\n")
        self.assert_clean("check_layers.py")

    def test_upward_include_is_found(self) -> None:
        self.plant("engines/engine.h", '\n#include "harness/driver.h"\n')
        self.assert_finds("engines/engine.h:2: engines/ may not include", "check_layers.py")

    def test_workloads_see_no_more_of_engines_than_status(self) -> None:
        self.plant("workloads/keys.h", '#include "engines/engine.h"\n')
        self.assert_finds("workloads/ may not include engines/engine.h", "check_layers.py")

    def test_faultinject_does_not_see_workloads(self) -> None:
        self.plant("faultinject/model.h", '#include "workloads/keys.h"\n')
        self.assert_finds("faultinject/ may not include", "check_layers.py")

    def test_angle_brackets_are_no_way_around(self) -> None:
        self.plant("engines/engine.h", "#include <harness/driver.h>\n")
        self.assert_finds("engines/ may not include", "check_layers.py")

    def test_library_header_in_a_header_is_found(self) -> None:
        for header in ("lmdb.h", "libpmemobj.h", "libpmemobj/tx.h", "rocksdb/db.h", "libpmemkv.h"):
            self.plant("engines/engine.h", f"#include <{header}>\n")
            self.assert_finds(f"{header}: a C library's header", "check_layers.py")

    def test_library_header_in_an_installed_header_passes(self) -> None:
        header = "engines/cmap/pmemkv_api/include/libpmemkv.h"
        self.plant(header, "#include <libpmemobj/pool_base.h>\n")
        self.assert_clean("check_layers.py")

    def test_include_that_is_not_root_relative_is_found(self) -> None:
        self.plant("engines/engine.h", '#include "status.h"\n')
        self.assert_finds('"status.h" is no root-relative path', "check_layers.py")

    def test_header_that_cmake_writes_passes(self) -> None:
        self.plant("harness/info.h", '#include "info_values.h"\n')
        self.assert_finds('"info_values.h" is no root-relative path', "check_layers.py")
        self.plant("harness/CMakeLists.txt", 'set(out "${dir}/info_values.h")\n')
        self.assert_clean("check_layers.py")

    def test_source_in_no_cmake_file_is_found(self) -> None:
        self.plant("engines/a_test.cc", "")
        self.plant("engines/CMakeLists.txt", "fencepost_library(engines TESTS not_a_test.cc)\n")
        self.assert_finds("engines/a_test.cc:1: is in no CMakeLists.txt", "check_layers.py")

    def test_cpp_outside_of_the_house_is_found(self) -> None:
        self.plant("plots/draw.h", "")
        self.assert_finds("no C++ in plots/", "check_layers.py")


class SpdxTest(LintTest):
    def test_sources_with_their_licence_pass(self) -> None:
        self.plant("engines/a.cc", "// " + SPDX)
        self.plant("run", "#!/bin/sh\n# " + SPDX)
        self.plant("faultinject/pmemcheck/tests/a.c", "// " + SPDX)
        self.plant("faultinject/pmemcheck/include/valgrind/a.h", "// " + SPDX)
        self.plant(
            "faultinject/pmemcheck/a.c", f"// {SPDX}".replace("BSD-3-Clause", "GPL-2.0-or-later")
        )
        self.plant("results/schema.json", "{}")
        self.plant("README.md", "# Fencepost\n")
        self.assert_clean("check_spdx.py")

    def test_missing_licence_is_found_in_every_kind_of_file(self) -> None:
        for path in ("a.cc", "a.h", "a.py", "a.sh", "CMakeLists.txt", "workloads/workloada", ".x"):
            self.plant(path, "\n")
            self.assert_finds(f"{path}:1: has no", "check_spdx.py")
            (self.root / path).unlink()

    def test_licence_far_down_is_not_seen(self) -> None:
        self.plant("a.cc", "\n" * 10 + "// " + SPDX)
        self.assert_finds("a.cc:1: has no", "check_spdx.py")

    def test_the_other_licence_is_found_on_both_sides(self) -> None:
        self.plant("faultinject/pmemcheck/a.c", "// " + SPDX)
        self.assert_finds("must be GPL-2.0-or-later", "check_spdx.py")
        self.plant("a.c", "// SPDX-License-Identifier: GPL-2.0-or-later\n")
        self.assert_finds("a.c:1: is under GPL-2.0-or-later", "check_spdx.py")


class StyleTest(LintTest):
    def test_prose_and_indented_examples_pass(self) -> None:
        self.plant(
            "a.h", "// The size (in bytes) of a page; it is fixed;\n//     Put(key, value);\n"
        )
        self.plant("a.py", "# import what is there and print(it)\n")
        self.assert_clean("check_style.py")

    def test_each_bad_line_is_found(self) -> None:
        for line, expected in (
            (f"// {LATER}: later", LATER),
            ("int a;\t", "a tab"),
            ("int a; ", "blanks at the end"),
            ("// value = Get(key);", "commented-out"),
            ("  //Put(key, value);", "commented-out"),
        ):
            self.plant("a.cc", f"int ok;\n{line}\n")
            self.assert_finds("a.cc:2: ", "check_style.py")
            self.assert_finds(expected, "check_style.py")

    def test_commented_out_python_is_found(self) -> None:
        self.plant("a.py", "# import os\n")
        self.assert_finds("a.py:1: commented-out", "check_style.py")

    def test_long_file_is_found(self) -> None:
        self.plant("a.cc", "int ok;\n" * 600)
        self.assert_clean("check_style.py")
        self.plant("a.cc", "int ok;\n" * 601)
        self.assert_finds("601 lines", "check_style.py")

    def test_a_readme_of_more_than_a_screen_is_found_and_other_pages_are_not(self) -> None:
        self.plant("engines/README.md", "Text.\n" * 81)
        self.plant("README.md", "Text.\n" * 80)
        self.assert_clean("check_style.py")
        self.plant("README.md", "Text.\n" * 81)
        self.assert_finds("README.md:80: over 80 lines", "check_style.py")


class ToolTest(LintTest):
    """One badly formed file for each outside tool, and a good one."""

    def assert_tool(self, tool: str, program: str, path: str, bad: str, good: str) -> None:
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")
        self.plant(path, bad)
        status, output = self.lint("check_tool.py", tool)
        self.assertEqual(status, 1, output)
        self.plant(path, good)
        self.assert_clean("check_tool.py", tool)

    def test_clang_format(self) -> None:
        self.assert_tool("clang-format", "clang-format-14", "a.cc", "int  a ;\n", "int a;\n")

    def test_shellcheck_sees_scripts_without_a_suffix(self) -> None:
        bang = "#!/usr/bin/env bash\n"
        self.assert_tool("shellcheck", "shellcheck", "run", bang + "rm $1\n", bang + 'rm "$1"\n')

    def test_black(self) -> None:
        self.assert_tool("black", "black", "a.py", "a  = 1\n", "a = 1\n")

    def test_flake8(self) -> None:
        self.assert_tool("flake8", "flake8", "a.py", "import os\n", "import os\n\nos.getpid()\n")

    def test_mypy(self) -> None:
        self.assert_tool("mypy", "mypy", "a.py", 'a: int = "1"\n', "a: int = 1\n")

    def test_unknown_tool_is_a_usage_error(self) -> None:
        self.assertEqual(self.lint("check_tool.py", "indent")[0], 2)


if __name__ == "__main__":
    unittest.main()
