// SPDX-License-Identifier: BSD-3-Clause
// What the recorder cannot follow, and says so.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faultinject/iotrace/testprogram/scenario.h"

namespace fencepost::io_program {
namespace {

std::string MakeOutside() {
  const std::string name = "../outside" + std::to_string(getpid());
  WriteFile(name.c_str(), "from outside");
  return name;
}

void Submit(uint64_t) {
  aio_context_t context = 0;
  MUST(syscall(SYS_io_setup, 4, &context) == 0);
  const int fd = OpenFile("aio", O_RDWR);
  char data[] = "asynchronous";
  iocb block = {};
  block.aio_lio_opcode = IOCB_CMD_PWRITE;
  block.aio_fildes = static_cast<uint32_t>(fd);
  block.aio_buf = reinterpret_cast<uint64_t>(data);
  block.aio_nbytes = sizeof data;
  iocb* blocks[] = {&block};
  MUST(syscall(SYS_io_submit, context, 1, blocks) == -1 && errno == ENOSYS);
}

void Attributes(uint64_t) {
  const int fd = OpenFile("to", O_RDWR);
  int flags = 0;
  MUST(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
  MUST(ioctl(fd, FS_IOC_SETFLAGS, &flags) == -1 && errno == EOPNOTSUPP);
}

void MovedIn(uint64_t) { MUST(rename(MakeOutside().c_str(), "in") == 0); }

void LinkedIn(uint64_t) {
  const std::string name = MakeOutside();
  MUST(link(name.c_str(), "in") == 0);
  MUST(unlink(name.c_str()) == 0);
}

void Pipe(uint64_t) { MUST(mkfifo("pipe", 0644) == 0); }

void Static(uint64_t) {
  InChild([] {
    execl("./static", "static", nullptr);
    _exit(1);
  });
}

void Much(uint64_t) {
  const int fd = OpenFile("much", O_RDWR);
  for (int i = 0; i < 100; ++i) WriteAll(fd, Letters(100'000, i));
}

constexpr Scenario kScenarios[] = {
    {"io_submit", Submit}, {"attributes", Attributes},
    {"moved-in", MovedIn}, {"linked-in", LinkedIn},
    {"pipe", Pipe},        {"static", Static},
    {"much", Much},
};

}  // namespace

std::span<const Scenario> RefusedScenarios() { return kScenarios; }

}  // namespace fencepost::io_program
