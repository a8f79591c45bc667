// SPDX-License-Identifier: BSD-3-Clause
// A program that is linked statically: the recorder's library is not in it.
#include <fcntl.h>
#include <unistd.h>

int main() {
  const int fd = open("by-static", O_CREAT | O_WRONLY, 0644);
  return fd >= 0 && write(fd, "unseen", 6) == 6 ? 0 : 1;
}
