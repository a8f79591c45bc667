# SPDX-License-Identifier: BSD-3-Clause
# fencepost_library(NAME [COLD] SRCS ... [DEPS ...] [PRIVATE_DEPS ...] [TESTS ...] [SLOW_TESTS ...] [BENCHES ...])
#
# One call a folder. Makes fencepost::NAME from SRCS; a GoogleTest program for each file of TESTS
# (label `fast`) and SLOW_TESTS (label `slow`), and a Google Benchmark program for each file of
# BENCHES (run by scripts/microbench.sh). Sources are always listed, never globbed. COLD: reads options
# or writes reports, once a command; optimised little, which takes a third off its compilation.

include(GoogleTest)
enable_testing()
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(PkgConfig REQUIRED)

define_property(GLOBAL PROPERTY FENCEPOST_BENCHES BRIEF_DOCS "benchmark programs"
  FULL_DOCS "names of all Google Benchmark programs, for scripts/microbench.sh")

define_property(GLOBAL PROPERTY FENCEPOST_CORE_TESTS BRIEF_DOCS "what CI runs under AddressSanitizer"
  FULL_DOCS "names of the test programs with label core, empty without AddressSanitizer")
# Programs that sweep over kills, damage or planted bugs: a minute or more each under
# AddressSanitizer, over code that the others run too. Only asked for by name are they sanitized. Nor
# is what waits for the rest of a time that instrumented code has used up, or counts the reads of a
# recovery, to which the sanitizer adds its own.
set(FENCEPOST_SWEEPS canary_test canary_file_test filestore_crash_test redo_log_test
  engine_conformance_paths_test cmap_kill_test posix_reference_test file_explorer_test
  delay_injector_test file_delays_test flipped_reads_test px86_reference_test experiments_test
  deciding_pieces_test file_minimize_test)
# Folders whose code hands maps, strings and trees around: a third of what an instrumented build
# takes. Only asked for by name are they sanitized.
set(FENCEPOST_TESTED_ELSEWHERE "^(harness|faultinject/explore/files|faultinject/model/posix)")

# How long one test case may run before ctest kills it, in seconds.
set(FENCEPOST_FAST_TIMEOUT_S 120)
set(FENCEPOST_SLOW_TIMEOUT_S 600)

# GoogleTest's headers take longer to compile than most tests: compiled once, for all of them.
file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/test_headers.cc" CONTENT "")
add_library(fencepost_test_headers OBJECT "${CMAKE_BINARY_DIR}/test_headers.cc")
target_link_libraries(fencepost_test_headers PRIVATE fencepost::build GTest::gtest GTest::gmock)
# A test's own code is optimised little: a quarter of the time that it takes to compile is saved, and
# what it tests is as it is shipped. With the same flags as the header that they share.
target_compile_options(fencepost_test_headers PRIVATE -O1)
target_precompile_headers(fencepost_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h>
  <filesystem> <fstream> <functional> <map> <random> <set> <string> <thread> <unordered_map> <vector>)

function(fencepost_test SOURCE LABEL TIMEOUT_S)
  get_filename_component(name "${SOURCE}" NAME_WE)
  add_executable(${name} "${SOURCE}")
  target_link_libraries(${name} PRIVATE ${ARGN} fencepost::build GTest::gtest GTest::gmock
    GTest::gtest_main)
  target_compile_options(${name} PRIVATE -O1)
  target_precompile_headers(${name} REUSE_FROM fencepost_test_headers)
  # A process under AddressSanitizer takes longer to start than most tests to run: a program at once,
  # and with the label that CI runs what handles raw memory.
  if(FENCEPOST_SANITIZE MATCHES "address")
    file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
    if(LABEL STREQUAL "fast" AND NOT folder MATCHES "${FENCEPOST_TESTED_ELSEWHERE}" AND NOT name IN_LIST FENCEPOST_SWEEPS)
      list(APPEND LABEL core)
      set_property(GLOBAL APPEND PROPERTY FENCEPOST_CORE_TESTS ${name})
    endif()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${LABEL}" TIMEOUT ${FENCEPOST_SLOW_TIMEOUT_S})
    return()
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${LABEL}" TIMEOUT ${TIMEOUT_S})
endfunction()

function(fencepost_bench SOURCE)
  get_filename_component(name "${SOURCE}" NAME_WE)
  add_executable(${name} "${SOURCE}")
  target_link_libraries(${name} PRIVATE ${ARGN} fencepost::build benchmark::benchmark
    benchmark::benchmark_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
  set_property(GLOBAL APPEND PROPERTY FENCEPOST_BENCHES ${name})
endfunction()

function(fencepost_library NAME)
  cmake_parse_arguments(ARG "COLD" "" "SRCS;DEPS;PRIVATE_DEPS;TESTS;SLOW_TESTS;BENCHES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "fencepost_library(${NAME}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  add_library(fencepost_${NAME} STATIC ${ARG_SRCS})
  add_library(fencepost::${NAME} ALIAS fencepost_${NAME})
  if(ARG_COLD)
    target_compile_options(fencepost_${NAME} PRIVATE -O1)
  endif()
  target_link_libraries(fencepost_${NAME} PUBLIC fencepost::build ${ARG_DEPS}
    PRIVATE ${ARG_PRIVATE_DEPS})
  foreach(source IN LISTS ARG_TESTS)
    fencepost_test(${source} fast ${FENCEPOST_FAST_TIMEOUT_S} fencepost::${NAME} ${ARG_PRIVATE_DEPS})
  endforeach()
  foreach(source IN LISTS ARG_SLOW_TESTS)
    fencepost_test(${source} slow ${FENCEPOST_SLOW_TIMEOUT_S} fencepost::${NAME} ${ARG_PRIVATE_DEPS})
  endforeach()
  foreach(source IN LISTS ARG_BENCHES)
    fencepost_bench(${source} fencepost::${NAME} ${ARG_PRIVATE_DEPS})
  endforeach()
endfunction()
