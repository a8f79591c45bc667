// SPDX-License-Identifier: BSD-3-Clause
// The program that the recorder's tests record: `io_program SCENARIO [NUMBER]` makes calls in its
// working directory and ends with 0 if they did what they should.
//
// A program of its own, and never sanitized: the library is loaded into it before all others.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_TESTPROGRAM_SCENARIO_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_TESTPROGRAM_SCENARIO_H_

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

namespace fencepost::io_program {

struct Scenario {
  const char* name;
  void (*run)(uint64_t number);
};

std::span<const Scenario> WriteScenarios();    // writes.cc
std::span<const Scenario> NameScenarios();     // names.cc
std::span<const Scenario> ProcessScenarios();  // processes.cc
std::span<const Scenario> MappedScenarios();   // mapped.cc
std::span<const Scenario> RefusedScenarios();  // refused.cc
std::span<const Scenario> RandomScenarios();   // random.cc

// Ends the program where a call did not do what it should.
#define MUST(condition)                                                                         \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      std::fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
      std::_Exit(1);                                                                            \
    }                                                                                           \
  } while (false)

int OpenFile(const char* name, int flags);  // and makes it
void WriteAll(int fd, const std::string& data);
void WriteFile(const char* name, const std::string& data);
// `bytes` of letters that begin with the `seed`th.
std::string Letters(size_t bytes, int seed = 0);
// A child that runs `run` and must end with 0.
void InChild(void (*run)());

}  // namespace fencepost::io_program

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_TESTPROGRAM_SCENARIO_H_
