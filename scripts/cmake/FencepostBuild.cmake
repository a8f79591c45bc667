# SPDX-License-Identifier: BSD-3-Clause
# How every target of ours is compiled. One interface target, fencepost::build, carries it all.

option(FENCEPOST_WERROR "treat warnings as errors (CI does)" OFF)
set(FENCEPOST_SANITIZE "" CACHE STRING "sanitizers for -fsanitize=, e.g. address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "build type" FORCE)
endif()

# -O3 buys nothing here that -O2 does not, and builds slower.
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
endif()

find_package(Threads REQUIRED)

add_library(fencepost_build INTERFACE)
add_library(fencepost::build ALIAS fencepost_build)
target_include_directories(fencepost_build INTERFACE "${CMAKE_SOURCE_DIR}")
target_link_libraries(fencepost_build INTERFACE Threads::Threads)
# x86-64-v2 and no more: Valgrind cannot run AVX-512. Wider code is chosen at run time by CPUID,
# function by function. Line tables (-g1) are all that a stack trace shows.
target_compile_options(fencepost_build INTERFACE -march=x86-64-v2 -g1 -fno-omit-frame-pointer
  -Wall -Wextra -Wpedantic -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wconversion>
  # g++ counts changes of sign apart from -Wconversion, clang does not: g++'s meaning for both.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-sign-conversion>)
# To g++ a file that another includes is a header, and what is local there would be none.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(fencepost_build INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
endif()
if(FENCEPOST_WERROR)
  target_compile_options(fencepost_build INTERFACE -Werror)
endif()
if(FENCEPOST_SANITIZE)
  target_compile_options(fencepost_build INTERFACE "-fsanitize=${FENCEPOST_SANITIZE}"
    -fno-sanitize-recover=all)
  target_link_options(fencepost_build INTERFACE "-fsanitize=${FENCEPOST_SANITIZE}")
endif()
