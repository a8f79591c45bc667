/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that ends by exec, after one that fails.
 *
 * Events: STORE 0x0 8, then an exec of a program that is not there, STORE 0x40 8, FLUSH clwb 0x40,
 * FENCE sfence, and the exec of itself with --next: that program stores 8 zero bytes at 0x80, which
 * are not its predecessor's. With --in-child a forked child that has done nothing does all but the
 * first store.
 */
#include <sys/wait.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static int RunNext(const char* path) {
  const int fd = open(path, O_RDWR);
  unsigned char* base = mmap(NULL, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  Check(base != MAP_FAILED, path);
  Store8(base + 0x80, 0);
  return 7;
}

int main(int argc, char** argv) {
  char* words[] = {argv[0], argv[1], "--next", NULL};
  struct Mapping m;
  int status = 0;
  if (Option(argc, argv, "--next") != NULL) return RunNext(argv[1]);
  m = MapFile(argc, argv);
  RequireFlushes();
  TestBegin();
  *(volatile uint64_t*)m.base = 1; /* mistake: before-exec */
  if (Option(argc, argv, "--in-child") != NULL && fork() != 0) {
    Check(wait(&status) > 0, "wait");
    return WEXITSTATUS(status);
  }
  Check(execv("/nope/program", words) == -1, "execv");
  if (Option(argc, argv, "--in-child") == NULL) {
    Store8(m.base + 0x40, 2);
    Clwb(m.base + 0x40);
    Sfence();
  }
  TestEnd();
  execv(argv[0], words);
  perror("execv");
  return kExitWrong;
}
