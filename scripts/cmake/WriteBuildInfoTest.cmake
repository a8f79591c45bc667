# SPDX-License-Identifier: BSD-3-Clause
# Test of WriteBuildInfo.cmake: cmake -DSCRIPT=... -DSCRATCH=... -P WriteBuildInfoTest.cmake
#
# Goes through the life of a small work tree: no git, clean, changed, and a folder inside.

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}/tree/inside")
find_program(GIT_PROGRAM git REQUIRED)

function(git)
  execute_process(COMMAND "${GIT_PROGRAM}" -C "${SCRATCH}/tree" -c user.name=t -c user.email=t@t
    -c commit.gpgsign=false ${ARGN} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Runs the script for FOLDER; the header must match each of the expressions that follow.
function(expect CLAIM FOLDER)
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env "GIT_CEILING_DIRECTORIES=${SCRATCH}"
    "${CMAKE_COMMAND}" "-DSOURCE_DIR=${FOLDER}" "-DOUTPUT=${SCRATCH}/out.h" "-DCOMPILER=GNU 12"
    "-DBUILD_TYPE=Release" "-DFLAGS=-DX=\"y\"" "-DVERSION=1.2" -P "${SCRIPT}"
    COMMAND_ERROR_IS_FATAL ANY)
  file(READ "${SCRATCH}/out.h" header)
  foreach(pattern IN LISTS ARGN)
    if(NOT header MATCHES "${pattern}")
      message(FATAL_ERROR "${CLAIM}: no ${pattern} in\n${header}")
    endif()
  endforeach()
endfunction()

expect("without a work tree both are unknown" "${SCRATCH}/tree"
  "BUILD_COMMIT \"unknown\"" "BUILD_DIRTY \"unknown\"")

git(init)
file(WRITE "${SCRATCH}/tree/file" "1")
git(add file)
git(commit -m one)
expect("a clean tree is not dirty" "${SCRATCH}/tree"
  "BUILD_COMMIT \"[0-9a-f]+\"" "BUILD_DIRTY \"no\"" "BUILD_COMPILER \"GNU 12\""
  "BUILD_FLAGS \"-DX=..y..\"")

file(TIMESTAMP "${SCRATCH}/out.h" before "%s")
execute_process(COMMAND "${CMAKE_COMMAND}" -E sleep 1.1)
expect("the same again" "${SCRATCH}/tree" "BUILD_DIRTY \"no\"")
file(TIMESTAMP "${SCRATCH}/out.h" after "%s")
if(NOT before STREQUAL after)
  message(FATAL_ERROR "an unchanged header was written anew")
endif()

file(WRITE "${SCRATCH}/tree/file" "2")
expect("a changed file is dirty" "${SCRATCH}/tree" "BUILD_DIRTY \"yes\"")
expect("a folder inside another work tree is unknown" "${SCRATCH}/tree/inside"
  "BUILD_COMMIT \"unknown\"" "BUILD_DIRTY \"unknown\"")
