// SPDX-License-Identifier: BSD-3-Clause
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faultinject/iotrace/testprogram/scenario.h"

namespace fencepost::io_program {

int OpenFile(const char* name, int flags) {
  const int fd = open(name, flags | O_CREAT, 0644);
  MUST(fd >= 0);
  return fd;
}

void WriteAll(int fd, const std::string& data) {
  MUST(write(fd, data.data(), data.size()) == static_cast<ssize_t>(data.size()));
}

void WriteFile(const char* name, const std::string& data) {
  const int fd = OpenFile(name, O_WRONLY | O_TRUNC);
  WriteAll(fd, data);
  MUST(close(fd) == 0);
}

std::string Letters(size_t bytes, int seed) {
  std::string text(bytes, 'a');
  for (size_t i = 0; i < bytes; ++i) {
    text[i] = static_cast<char>('a' + (i + static_cast<size_t>(seed)) % 26);
  }
  return text;
}

void InChild(void (*run)()) {
  const pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    run();
    _exit(0);
  }
  int status = 0;
  MUST(waitpid(child, &status, 0) == child);
  MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace fencepost::io_program

int main(int argc, char** argv) {
  using namespace fencepost::io_program;  // NOLINT: a program of its own
  if (argc < 2) return 2;
  const uint64_t number = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  for (const auto& scenarios : {WriteScenarios(), NameScenarios(), ProcessScenarios(),
                                MappedScenarios(), RefusedScenarios(), RandomScenarios()}) {
    for (const Scenario& scenario : scenarios) {
      if (std::strcmp(scenario.name, argv[1]) != 0) continue;
      scenario.run(number);
      return 0;
    }
  }
  std::fprintf(stderr, "no scenario %s\n", argv[1]);
  return 2;
}
