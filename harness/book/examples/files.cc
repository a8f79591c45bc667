// SPDX-License-Identifier: BSD-3-Clause
// The example of the book's first chapter on plain files, one a pair: open, three puts, get all.
// As durable as the others: a new value is synced before its name replaces the old one's.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

static bool Failed(const char *call, bool failed) {
  if (failed) std::perror(call);
  return failed;
}

static bool Put(int folder, const char *key, const char *value) {
  const std::string fresh = std::string(key) + ".new";
  const int file = openat(folder, fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (Failed("open", file < 0)) return false;
  const auto bytes = static_cast<ssize_t>(std::strlen(value));
  const bool written = !Failed("write", write(file, value, std::strlen(value)) != bytes) &&
                       !Failed("fsync", fsync(file) != 0);
  close(file);
  return written && !Failed("rename", renameat(folder, fresh.c_str(), folder, key) != 0) &&
         !Failed("fsync", fsync(folder) != 0);
}

static bool Print(int folder, const char *key) {
  const int file = openat(folder, key, O_RDONLY);
  if (Failed("open", file < 0)) return false;
  char value[4096];
  const ssize_t bytes = read(file, value, sizeof(value));
  close(file);
  if (Failed("read", bytes < 0)) return false;
  std::printf("%s = %.*s\n", key, static_cast<int>(bytes), value);
  return true;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  mkdir(argv[1], 0700);
  DIR *all = opendir(argv[1]);
  if (Failed("opendir", all == nullptr)) return 1;
  const int folder = dirfd(all);
  bool ok = Put(folder, "mercury", "0.39") && Put(folder, "venus", "0.72") &&
            Put(folder, "earth", "1.00");
  rewinddir(all);
  for (dirent *entry = readdir(all); ok && entry != nullptr; entry = readdir(all)) {
    const std::string key = entry->d_name;
    if (key[0] != '.' && !key.ends_with(".new")) ok = Print(folder, key.c_str());
  }
  closedir(all);
  return ok ? 0 : 1;
}
