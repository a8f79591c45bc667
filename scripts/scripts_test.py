# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the scripts' command lines: help, wrong input, and what setup.sh would do.

setup.sh runs with a PATH of its own, in which apt-get, dpkg-query, sudo and id are stand-ins that
write down what they are called with: nothing is installed and no network is touched.
"""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent
COMMANDS = (
    "setup.sh",
    "build.sh",
    "test.sh",
    "quickstart.sh",
    "microbench.sh",
    "parity.sh",
    "agreement.sh",
    "campaign_cost.sh",
    "crash_cost.sh",
    "slurm_local.sh",
    "crash_speed.sh",
    "cmap_speed.sh",
    "prove_cmap.sh",
    "reproduce_book.sh",
)
NEEDED = ("awk", "basename", "bash", "cat", "dirname", "env", "grep", "printf", "sed", "tr")

OS_RELEASE = {
    "debian-12": 'PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n',
    "debian-13": 'PRETTY_NAME="Debian GNU/Linux 13"\nVERSION_ID="13"\nID=debian\n',
    "ubuntu-24.04": 'PRETTY_NAME="Ubuntu 24.04"\nVERSION_ID="24.04"\nID=ubuntu\n',
    "fedora-40": 'PRETTY_NAME="Fedora Linux 40"\nVERSION_ID=40\nID=fedora\n',
}


def run(
    script: str, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = ["/usr/bin/env", "bash", str(SCRIPTS / script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, timeout=60
    )


class CommandLineTest(unittest.TestCase):
    def assert_one_line_and_2(self, done: subprocess.CompletedProcess[str], part: str) -> None:
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(part, done.stderr)

    def test_help_is_usage_and_success(self) -> None:
        for command in COMMANDS:
            done = run(command, "--help")
            self.assertEqual(done.returncode, 0, command)
            self.assertTrue(done.stdout.startswith("Usage: "), command)
            self.assertNotIn("#", done.stdout, command)

    def test_unknown_argument_is_one_line_and_2(self) -> None:
        for command in COMMANDS:
            self.assert_one_line_and_2(run(command, "--nonsense"), "--nonsense")

    def test_flag_without_its_value_is_one_line_and_2(self) -> None:
        for command, flag in (
            ("build.sh", "--target"),
            ("build.sh", "--sanitize"),
            ("test.sh", "--sanitize"),
            ("test.sh", "--filter"),
            ("microbench.sh", "--filter"),
            ("parity.sh", "--rounds"),
            ("crash_cost.sh", "--sizes"),
            ("reproduce_book.sh", "--out"),
        ):
            self.assert_one_line_and_2(run(command, flag), f"{flag} needs a value")

    def test_wrong_value_is_one_line_and_2(self) -> None:
        for command, flag, value in (
            ("build.sh", "--sanitize", "memory"),
            ("test.sh", "--sanitize", "address"),
            ("microbench.sh", "--repetitions", "0"),
            ("microbench.sh", "--seconds", "fast"),
            ("parity.sh", "--rounds", "-1"),
            ("crash_cost.sh", "--seconds", "0"),
            ("crash_cost.sh", "--sizes", "5"),
        ):
            self.assert_one_line_and_2(run(command, flag, value), f"{flag} {value}")

    def test_a_fit_of_what_is_not_there_is_one_line_and_2(self) -> None:
        done = subprocess.run(
            ["/usr/bin/python3", SCRIPTS / "crash_cost_fit.py", "/nonexistent"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assert_one_line_and_2(done, "/nonexistent/crash_cost.csv: No such file")

    def test_a_count_sets_the_variable_of_its_flag(self) -> None:
        words = (
            f'. {SCRIPTS}/lib.sh; take_counts "--rounds --value-bytes" --value-bytes 7 --rounds 2;'
        )
        done = subprocess.run(
            ["/usr/bin/env", "bash", "-c", words + " echo $value_bytes $rounds"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.stdout, "7 2\n", done.stderr)

    def test_parity_without_ycsb_cpp_says_not_measured(self) -> None:
        env = {name: value for name, value in os.environ.items() if name != "YCSB_CPP"}
        done = run("parity.sh", env=env)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "not measured: YCSB_CPP is not set\n")

    def test_parity_with_a_wrong_path_is_2(self) -> None:
        for path in ("/nonexistent/ycsb", "/", "/etc/passwd"):
            done = run("parity.sh", env=os.environ | {"YCSB_CPP": path})
            self.assert_one_line_and_2(done, f"YCSB_CPP={path} is no program")


class CrashCostTest(unittest.TestCase):
    """crash_cost.py with a stand-in for fencepost, which writes down what it is called with."""

    FENCEPOST = """#!/usr/bin/python3
import json, pathlib, sys
words = sys.argv[1:]
calls = pathlib.Path(__file__).with_name("calls")
with calls.open("a") as file:
    file.write(json.dumps(words) + "\\n")
number = len(calls.read_text().splitlines())
deep = words[words.index("--depth") + 1] == "2"
explored = {
    "recoveries": 100 * number, "nested_recoveries": 1000 if deep else 0, "states": 7,
    "nested_states": 50 if deep else 0, "outcomes": 3, "seconds": 0.5,
    "stopped": "a budget" if deep else None,
}
print(json.dumps({
    "verdict": VERDICT, "explored": explored,
    "created_utc": "2026-01-02T03:04:05Z", "commit": "face" * 10,
}))
sys.exit(1 if VERDICT == "violated" else 0)
"""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)

    def measure(
        self, rounds: int, sizes: int, verdict: str = "passed"
    ) -> subprocess.CompletedProcess[str]:
        program = self.root / "fencepost"
        program.write_text(self.FENCEPOST.replace("VERDICT", repr(verdict)))
        program.chmod(0o755)
        command = [str(program), str(self.root), str(rounds), str(sizes), "9"]
        return subprocess.run(
            ["/usr/bin/python3", str(SCRIPTS / "crash_cost.py"), *command],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def rows(self) -> list[dict[str, str]]:
        with (self.root / "crash_cost.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.root / "calls").read_text().splitlines()]

    def test_a_row_is_the_median_of_its_rounds_and_nested_recoveries_count(self) -> None:
        done = self.measure(rounds=3, sizes=1)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        first, second = self.rows()[:2]
        names = ("depth", "recoveries", "recoveries_min", "recoveries_max", "states", "rounds_cut")
        self.assertEqual([first[name] for name in names], ["1", "200", "100", "300", "7", "0"])
        self.assertEqual([second[name] for name in names], ["2", "1500", "1400", "1600", "57", "3"])

    def test_each_size_is_measured_at_both_depths_in_the_way_it_is_written_down(self) -> None:
        self.measure(rounds=1, sizes=4)
        rows, calls = self.rows(), self.calls()
        self.assertEqual((len(rows), len(calls)), (24, 24))
        for row, words in zip(rows, calls):
            self.assertIn(f"operationcount={row['operations']}", words)
            self.assertEqual(words[words.index("--depth") + 1], row["depth"])
            self.assertEqual(words[words.index("--max-seconds") + 1], "9")
            fixed = row["value_min_bytes"] == row["value_max_bytes"]
            self.assertEqual(f"fieldlength={row['value_max_bytes']}" in words, fixed, words)
            several = row["threads"] != "1"  # fencepost refuses schedules of one thread
            self.assertEqual(f"--threads={row['threads']}" in words, several, words)
            self.assertEqual("--schedules=2" in words, several, words)
        sizes = [row["size"] for row in rows if row["varied"] == "value_bytes"]
        self.assertEqual(sizes, ["16", "16", "100", "100", "400", "400", "1000", "1000"])

    def test_a_violation_has_no_cost(self) -> None:
        done = self.measure(rounds=1, sizes=1, verdict="violated")
        self.assertEqual(done.returncode, 1)
        self.assertIn("exit code 1", done.stderr)
        self.assertEqual((len(self.calls()), self.rows()), (1, []))


class SetupTest(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        self.bin = self.root / "bin"
        self.bin.mkdir()
        for tool in NEEDED:
            found = shutil.which(tool)
            assert found is not None, tool
            (self.bin / tool).symlink_to(found)
        self.stub("apt-get", f'echo "apt-get $*" >>{self.root}/calls')
        self.stub("id", "echo 0")
        self.installed()

    def stub(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (self.bin / name).chmod(0o755)

    def installed(self, *packages: str) -> None:
        """What dpkg-query says is installed; "half" was removed but for its configuration."""
        rows = "".join(f"ii {package}\\n" for package in packages) + "rc half\\n"
        self.stub("dpkg-query", f"printf '{rows}'")

    def setup_sh(
        self, *arguments: str, system: str = "debian-12", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        os_release = self.root / "os-release"
        os_release.write_text(OS_RELEASE[system])
        env = {"PATH": str(self.bin), "FENCEPOST_OS_RELEASE": str(os_release), **variables}
        return run("setup.sh", *arguments, env=env)

    def packages(self, *arguments: str, system: str = "debian-12") -> list[str]:
        printed = self.setup_sh(*arguments, "--print", system=system).stdout
        return printed.partition("--no-install-recommends ")[2].split()

    def calls(self) -> str:
        calls = self.root / "calls"
        return calls.read_text() if calls.exists() else ""

    def test_missing_packages_are_installed_after_an_update(self) -> None:
        self.installed(*[p for p in self.packages("run") if p not in ("liblmdb-dev", "cmake")])
        self.assertEqual(self.setup_sh("run").returncode, 0)
        update, install = self.calls().splitlines()
        self.assertTrue(update.endswith(" update"), update)
        self.assertTrue(install.endswith("--no-install-recommends cmake liblmdb-dev"), install)

    def test_nothing_is_called_where_all_is_installed(self) -> None:
        self.installed(*self.packages("dev"))
        done = self.setup_sh("dev")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.calls(), "")

    def test_print_touches_nothing(self) -> None:
        self.assertIn("librocksdb-dev", self.packages("run"))
        self.assertEqual(self.calls(), "")

    def test_dev_is_run_and_more(self) -> None:
        self.assertLess(set(self.packages("run")), set(self.packages("dev")))

    def test_vm_downloads_the_newest_kernel_once_and_installs_none(self) -> None:
        self.assertLess(set(self.packages("run")), set(self.packages("run", "--vm")))
        self.assertEqual([p for p in self.packages("--vm") if p.startswith("linux")], [])
        self.installed(*self.packages("--vm"))
        (self.bin / "mkdir").symlink_to("/bin/mkdir")
        self.stub(
            "apt-cache", "printf 'name\\n  Depends: linux-image-6.1-x\\n  Suggests: other\\n'"
        )
        self.stub("apt-get", f'echo "apt-get $*" >>{self.root}/calls; : >"$2_1_amd64.deb"')
        for _ in range(2):
            done = self.setup_sh("--vm", XDG_CACHE_HOME=str(self.root / "cache"))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.calls(), "apt-get download linux-image-6.1-x\n")
        (package,) = (self.root / "cache/fencepost/vm").iterdir()
        self.assertEqual(package.name, "linux-image-6.1-x_1_amd64.deb")

    def test_slurm_is_asked_for_by_name(self) -> None:
        self.assertNotIn("slurm-wlm", self.packages("dev"))
        added = set(self.packages("run", "--slurm")) - set(self.packages("run"))
        self.assertEqual(added, {"slurm-wlm", "munge"})

    def test_neither_root_nor_sudo_prints_the_command_and_exits_2(self) -> None:
        self.installed(*[p for p in self.packages("run") if p != "cmake"])
        self.stub("id", "echo 1000")
        done = self.setup_sh("run")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.calls(), "")
        self.assertIn(
            "apt-get update && DEBIAN_FRONTEND=noninteractive "
            "apt-get install -y --no-install-recommends cmake\n",
            done.stderr,
        )

    def test_sudo_that_refuses_is_like_no_sudo(self) -> None:
        self.stub("id", "echo 1000")
        self.stub("sudo", "exit 1")
        done = self.setup_sh("run")
        self.assertEqual(done.returncode, 2)
        self.assertIn("as root, run:", done.stderr)
        self.assertEqual(self.calls(), "")

    def test_sudo_is_used_without_a_question(self) -> None:
        self.stub("id", "echo 1000")
        self.stub("sudo", f'echo "sudo $1" >>{self.root}/calls; shift; "$@"')
        self.stub("true", "exit 0")
        self.assertEqual(self.setup_sh("run").returncode, 0)
        self.assertIn("sudo -n", self.calls())
        self.assertIn(" install -y", self.calls())

    def test_failing_apt_is_2(self) -> None:
        self.stub("apt-get", "exit 100")
        done = self.setup_sh("run")
        self.assertEqual(done.returncode, 2)
        self.assertIn("apt-get update failed", done.stderr)

    def test_untested_systems_say_so(self) -> None:
        for system in ("debian-13", "ubuntu-24.04"):
            done = self.setup_sh("run", "--print", system=system)
            self.assertEqual(done.returncode, 0)
            self.assertIn("untested", done.stderr)

    def test_package_without_a_name_there_is_left_out(self) -> None:
        self.assertIn("clang-format-14", self.packages("dev"))
        self.assertNotIn("clang-format-14", self.packages("dev", system="debian-13"))

    def test_other_system_is_one_line_and_2(self) -> None:
        done = self.setup_sh("run", system="fedora-40")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("Fedora Linux 40", done.stderr)


class CompletionTest(unittest.TestCase):
    """The completion function, called as bash calls it, on a program with CLI11's kind of help."""

    PROGRAM = """
        case "$*" in
          --help) printf '%s\\n' 'fencepost' 'Usage: fencepost [OPTIONS] SUBCOMMAND' '' 'Options:' \
            '  -h,--help                   Print this help' '' 'Subcommands:' \
            '  engines                     the engines' '  load                        load' \
            '  run                         run' ;;
          'engines --names') printf '%s\\n' cmap filestore rocksdb lmdb ;;
          'run --help') printf '%s\\n' 'Options:' '  -h,--help                   Print this help' \
            '  -P,--properties FILE ...    a file' '  --threads UINT              threads' ;;
        esac
    """

    def complete(self, *words: str) -> list[str]:
        with tempfile.TemporaryDirectory() as directory:
            program = pathlib.Path(directory) / "fencepost"
            program.write_text(f"#!/usr/bin/env bash\n{self.PROGRAM}\n")
            program.chmod(0o755)
            before = words[-2] if len(words) > 1 else str(program)
            body = f"""
                source {SCRIPTS}/completion/fencepost.bash
                COMP_WORDS=({program} {' '.join(f"'{word}'" for word in words)})
                COMP_CWORD={len(words)}
                _fencepost {program} '{words[-1]}' '{before}'
                printf '%s\\n' "${{COMPREPLY[@]}}"
            """
            command = ["/usr/bin/env", "bash", "-c", body]
            done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_commands(self) -> None:
        self.assertEqual(self.complete(""), ["engines", "load", "run", "-h", "--help"])
        self.assertEqual(self.complete("lo"), ["load"])

    def test_engines_after_run(self) -> None:
        self.assertEqual(self.complete("run", ""), ["cmap", "filestore", "rocksdb", "lmdb"])
        self.assertEqual(self.complete("run", "r"), ["rocksdb"])

    def test_flags_of_the_command(self) -> None:
        self.assertEqual(self.complete("run", "--t"), ["--threads"])
        self.assertEqual(self.complete("run", "cmap", "--p"), ["--properties"])

    def test_files_after_the_property_flag(self) -> None:
        self.assertEqual(self.complete("run", "-P", "fence"), ["fencepost"])

    def test_list_of_engines(self) -> None:
        self.assertEqual(self.complete("bench", "--engines", "cmap,r"), ["cmap,rocksdb"])


if __name__ == "__main__":
    unittest.main()
