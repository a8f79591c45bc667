# SPDX-License-Identifier: BSD-3-Clause
# Writes build_info_values.h: of which commit this build is, and how it was compiled.
#
#   cmake -DSOURCE_DIR=... -DOUTPUT=... -DCOMPILER=... -DBUILD_TYPE=... -DFLAGS=... -DVERSION=...
#     -P WriteBuildInfo.cmake
#
# Run at every build, since the commit changes without CMake being asked; the file is touched only
# where its contents change. Without git, or where SOURCE_DIR is not the top of a work tree (an
# unpacked archive inside another repository), commit and dirty flag are "unknown".

set(commit "unknown")
set(dirty "unknown")
find_program(GIT_PROGRAM git)
if(GIT_PROGRAM)
  execute_process(COMMAND "${GIT_PROGRAM}" -C "${SOURCE_DIR}" rev-parse --show-prefix
    RESULT_VARIABLE failed OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed AND prefix STREQUAL "")
    execute_process(COMMAND "${GIT_PROGRAM}" -C "${SOURCE_DIR}" rev-parse --verify HEAD
      RESULT_VARIABLE failed OUTPUT_VARIABLE head OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(commit "${head}")
    endif()
    # Without locks: a build must not get in the way of a commit that runs beside it.
    execute_process(
      COMMAND "${GIT_PROGRAM}" --no-optional-locks -C "${SOURCE_DIR}" status --porcelain
        --untracked-files=no
      RESULT_VARIABLE failed OUTPUT_VARIABLE changes ERROR_QUIET)
    if(NOT failed AND changes STREQUAL "")
      set(dirty "no")
    elseif(NOT failed)
      set(dirty "yes")
    endif()
  endif()
endif()

string(STRIP "${FLAGS}" FLAGS)
set(contents "")
foreach(pair "COMMIT;${commit}" "DIRTY;${dirty}" "COMPILER;${COMPILER}" "BUILD_TYPE;${BUILD_TYPE}"
    "FLAGS;${FLAGS}" "VERSION;${VERSION}")
  list(POP_FRONT pair name)
  string(REPLACE "\\" "\\\\" value "${pair}")
  string(REPLACE "\"" "\\\"" value "${value}")
  string(APPEND contents "#define FENCEPOST_BUILD_${name} \"${value}\"\n")
endforeach()

set(old "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" old)
endif()
if(NOT contents STREQUAL old)
  file(WRITE "${OUTPUT}" "${contents}")
endif()
