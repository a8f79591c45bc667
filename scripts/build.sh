#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Configures and builds into a directory of its own under build/, and prints its name.
#
# Usage: scripts/build.sh [--release | --sanitize KINDS] [--batches] [--werror] [--target NAME]...
#   --release         optimised, into build/release (the default)
#   --sanitize KINDS  address,undefined (with clang++ where it is installed) or thread, into
#                     build/sanitize-KINDS
#   --batches         eight files of a library at a time, as sanitized builds are: for a build that is
#                     made once
#   --werror          warnings are errors; stays set in that directory
#   --target NAME     only this target, e.g. fencepost, tests, benches; may be repeated

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

c_compiler() { if [ "$1" = clang++ ]; then echo clang; else echo gcc; fi; }

main() {
  local dir=build/release options=() targets=() compiler
  while [ $# -gt 0 ]; do
    case $1 in
      --release) dir=build/release ;;
      --sanitize)
        need_value "$1" $#
        case $2 in
          address,undefined | thread) ;;
          *) die "--sanitize $2: KINDS is address,undefined or thread" ;;
        esac
        dir=build/sanitize-${2/,/-}
        compiler=$(sanitizer_compiler "$2")
        # -O1 keeps the build short and the stacks whole; the library's own checks come on too.
        options+=("-DFENCEPOST_SANITIZE=$2" -DCMAKE_BUILD_TYPE=Debug
          "-DCMAKE_CXX_COMPILER=$compiler" "-DCMAKE_C_COMPILER=$(c_compiler "$compiler")"
          "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -D_GLIBCXX_ASSERTIONS"
          -DCMAKE_UNITY_BUILD=ON)
        shift
        ;;
      # Half the time. A developer's build compiles each file for itself, and so finds the #include
      # that is missing.
      --batches) options+=(-DCMAKE_UNITY_BUILD=ON) ;;
      --werror) options+=(-DFENCEPOST_WERROR=ON) ;;
      --target)
        need_value "$1" $#
        targets+=(--target "$2")
        shift
        ;;
      --target=?*) targets+=("$1") ;;
      -h | --help) print_help && exit 0 ;;
      *) unknown_argument "$1" ;;
    esac
    shift
  done

  [ "$(uname -m)" = x86_64 ] || die "$(uname -m) is not x86_64, the only CPU that Fencepost knows"
  { command -v cmake && command -v ninja; } >/dev/null ||
    die "cmake and ninja are needed (scripts/setup.sh run)"

  cd "$FENCEPOST_ROOT"
  # Without these ccache passes over every file that uses a precompiled header.
  export CCACHE_SLOPPINESS=pch_defines,time_macros
  say "configuring $dir"
  cmake -S . -B "$dir" -G Ninja --log-level=WARNING "${options[@]}" ||
    die "$dir: configuring failed (CMake's message is above)"
  NINJA_STATUS='[%f/%t, %e s] ' cmake --build "$dir" -j "$(build_jobs)" "${targets[@]}" || {
    warn "$dir: the build failed (the compiler's message is above)"
    exit 1
  }
  say "built: $dir"
}

main "$@"
