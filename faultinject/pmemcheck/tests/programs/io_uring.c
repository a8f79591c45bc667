/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the rings of io_uring, and writes nothing. No event list. */
#include <linux/io_uring.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  struct io_uring_params parameters;
  (void)MapFile(argc, argv);
  memset(&parameters, 0, sizeof parameters);
  if (syscall(SYS_io_uring_setup, 4, &parameters) < 0) {
    perror("skipped: io_uring_setup");
    return kExitSkipped;
  }
  return 0;
}
