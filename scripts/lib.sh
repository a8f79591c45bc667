# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the scripts share: strict mode, messages, exit codes, step timing. Source it first:
#
#     . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# Exit codes are the program's own: 0 pass, 1 a violation or a regression was found, 2 usage or
# environment, 130 interrupted. A script's --help is the comment that starts with "# Usage:".

set -euo pipefail

FENCEPOST_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export FENCEPOST_ROOT
# Debian's Python: another one on PATH would not see Debian's matplotlib and pandas.
export PYTHON=/usr/bin/python3

say() { printf '%s\n' "$*"; }

# One line on standard error.
warn() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

# Wrong usage or a wrong environment: one line on standard error, exit 2.
die() {
  warn "$@"
  exit 2
}

# The script's own usage comment: from "# Usage:" to the first line that is no comment.
print_help() {
  awk '/^# Usage:/ {on = 1} on && !/^#/ {exit} on {sub(/^# ?/, ""); print}' "$0"
}

unknown_argument() { die "unknown argument '$1' (see --help)"; }

# need_value FLAG COUNT: dies unless FLAG has something behind it. COUNT is the caller's $#.
need_value() { [ "$2" -ge 2 ] || die "$1 needs a value (see --help)"; }

# take_count FLAG VALUE COUNT: sets the caller's variable of the flag's name, with _ for -, to a count
# from 1. COUNT is the caller's $#.
take_count() {
  need_value "$1" "$3"
  [[ $2 =~ ^[1-9][0-9]*$ ]] || die "$1 $2: must be a count from 1"
  local name=${1#--}
  printf -v "${name//-/_}" '%s' "$2"
}

# take_counts "FLAG..." ARGUMENT...: reads a script's whole command line where each of its flags takes
# a count; sets the caller's variables of the flags' names.
take_counts() {
  local flags=" $1 "
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) print_help && exit 0 ;;
    esac
    [[ $1 == --* && $flags == *" $1 "* ]] || unknown_argument "$1"
    take_count "$1" "${2:-}" $#
    shift 2
  done
}

# "20260131T235959Z", for names of results.
utc_stamp() { date -u +%Y%m%dT%H%M%SZ; }

# Names the step that starts, and first says how long the one before took.
step() {
  step_done
  step_name=$1
  step_start_s=$SECONDS
  printf '\n== %s ==\n' "$step_name"
}

step_done() {
  [ -z "${step_name:-}" ] || printf -- '-- %s: %d s\n' "$step_name" $((SECONDS - step_start_s))
  step_name=
}

# How many compilers may run at once: one a core, and 2 GiB of memory each.
build_jobs() {
  local memory_kib limit_bytes jobs
  memory_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  # A container's own limit, where it has one, is below what the machine has.
  limit_bytes=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ $limit_bytes =~ ^[0-9]+$ ]] && ((limit_bytes / 1024 < memory_kib)); then
    memory_kib=$((limit_bytes / 1024))
  fi
  jobs=$((memory_kib / (2 * 1024 * 1024)))
  ((jobs <= $(nproc))) || jobs=$(nproc)
  ((jobs >= 1)) || jobs=1
  echo "$jobs"
}

# sanitizer_compiler KINDS: the C++ compiler for a build with -fsanitize=KINDS. clang++ where its
# sanitizers are installed: it compiles them in two thirds of g++'s time, and so the second compiler
# that we support is tested too. g++ for the threads: clang 14's runtime knows fewer kernels.
sanitizer_compiler() {
  if [ "$1" != thread ] && clang++ "-fsanitize=$1" -x c++ -o /dev/null - 2>/dev/null \
    <<<'int main() {}'; then
    echo clang++
  else
    echo g++
  fi
}
