/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls that store into the mapping.
 *
 * A second file holds the bytes 1 .. 200. Events, all by system call: STORE 0x0 100 (read), 0x100
 * 50 (pread of bytes 11 .. 60), 0x200 30 and 0x240 70 (readv), 0x300 20 (recv), 0x340 8 (recvmsg),
 * 0x380 16 (getrandom: any bytes), 0x3c0 10 (a read that is cut short by the end of the file: bytes
 * 191 .. 200 of 64 asked). Nothing for a read that fails, at 0x400.
 */
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static int SourceFile(void) {
  unsigned char bytes[200];
  FILE* file = tmpfile();
  Check(file != NULL, "tmpfile");
  for (int i = 0; i < 200; i++) bytes[i] = (unsigned char)(i + 1);
  Check(write(fileno(file), bytes, sizeof bytes) == sizeof bytes, "write");
  Check(lseek(fileno(file), 0, SEEK_SET) == 0, "lseek");
  return fileno(file);
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const int source = SourceFile();
  int pair[2];
  struct iovec two[2] = {{m.base + 0x200, 30}, {m.base + 0x240, 70}};
  struct iovec one = {m.base + 0x340, 8};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
  Check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
  Check(write(pair[0], "twenty bytes of text + eight", 28) == 28, "write");
  TestBegin();
  Check(read(source, m.base, 100) == 100, "read");
  Check(pread(source, m.base + 0x100, 50, 10) == 50, "pread");
  Check(readv(source, two, 2) == 100, "readv");
  Check(recv(pair[1], m.base + 0x300, 20, 0) == 20, "recv");
  Check(recvmsg(pair[1], &message, 0) == 8, "recvmsg");
  Check(getrandom(m.base + 0x380, 16, 0) == 16, "getrandom");
  Check(pread(source, m.base + 0x3c0, 64, 190) == 10, "pread at the end");
  Check(read(-1, m.base + 0x400, 8) < 0, "read of no file must fail");
  TestEnd();
  return 0;
}
