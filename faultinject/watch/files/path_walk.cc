// SPDX-License-Identifier: BSD-3-Clause
// A path, name by name, as the kernel would walk it.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstring>

#include "faultinject/watch/call_filter.h"
#include "faultinject/watch/files/file_watch_state.h"

namespace fencepost {
namespace {

constexpr size_t kMostBytes = FileWatchBuffer::kMostPathBytes;
constexpr int kMostLinks = 40;  // as in the kernel

// Text in a place of its own, always ended by a zero.
struct PathText {
  char bytes[2 * kMostBytes];
  size_t size = 0;

  bool Append(const char* text, size_t count) {
    if (size + count >= sizeof(bytes)) return false;
    std::memmove(bytes + size, text, count);
    size += count;
    bytes[size] = '\0';
    return true;
  }
  void CutTo(size_t length) {
    size = length;
    bytes[size] = '\0';
  }
};

class Walk {
 public:
  // False: it is not known where the path begins.
  bool Begin(int directory, const char* path) {
    at_.CutTo(0);
    rest_.CutTo(0);
    if (!rest_.Append(path, strnlen(path, sizeof(rest_.bytes)))) return false;
    if (path[0] == '/') return SkipRoot();
    char link[64] = "/proc/self/cwd";
    if (directory != AT_FDCWD) {
      if (directory < 0) return true;  // the call fails
      std::memcpy(link, "/proc/self/fd/", 15);
      AppendNumber(link + 14, directory);
    }
    return ReadLink(link, &at_) && at_.bytes[0] == '/';
  }

  // False: not to be followed.
  bool Go() {
    size_t next = 0;
    while (next < rest_.size) {
      if (rest_.bytes[next] == '/') {
        ++next;
        continue;
      }
      size_t end = next;
      while (end < rest_.size && rest_.bytes[end] != '/') ++end;
      const std::string_view name(rest_.bytes + next, end - next);
      next = end;
      if (name == ".") continue;
      if (name == "..") {
        Up();
        continue;
      }
      if (!Step(name, &next)) return false;
      if (ended_) return true;
    }
    if (!StatIt(at_.size == 0 ? "/" : at_.bytes, /*follow=*/true, &info_)) return true;
    result_.found = true;
    result_.is_directory = S_ISDIR(info_.st_mode);
    result_.file = IdentityOf(info_);
    return true;
  }

  const WalkedPath& result() const { return result_; }

 private:
  static void AppendNumber(char* at, int number) {
    char digits[16];
    int count = 0;
    for (int left = number; left > 0 || count == 0; left /= 10) {
      digits[count++] = static_cast<char>('0' + left % 10);
    }
    while (count > 0) *at++ = digits[--count];
    *at = '\0';
  }

  static bool StatIt(const char* path, bool follow, struct stat* info) {
    return KernelCall(SYS_newfstatat, static_cast<uint64_t>(AT_FDCWD),
                      reinterpret_cast<uint64_t>(path), reinterpret_cast<uint64_t>(info),
                      follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0;
  }

  static std::optional<uint32_t> IdentityOf(const struct stat& info) {
    return file_watch->Find({info.st_dev, info.st_ino});
  }

  // Appends.
  static bool ReadLink(const char* path, PathText* text) {
    const size_t room = sizeof(text->bytes) - text->size - 1;
    const int64_t got = KernelCall(SYS_readlink, reinterpret_cast<uint64_t>(path),
                                   reinterpret_cast<uint64_t>(text->bytes + text->size), room);
    if (got <= 0 || static_cast<size_t>(got) >= room) return false;
    text->CutTo(text->size + static_cast<size_t>(got));
    return true;
  }

  // A path that begins with the root's, which has no links in it.
  bool SkipRoot() {
    const char* const root = file_watch->root();
    const size_t length = strnlen(root, kMostBytes);
    if (rest_.size < length || std::memcmp(rest_.bytes, root, length) != 0) return true;
    if (rest_.bytes[length] != '/' && rest_.bytes[length] != '\0') return true;
    at_.Append(root, length);
    std::memmove(rest_.bytes, rest_.bytes + length, rest_.size - length);
    rest_.CutTo(rest_.size - length);
    return true;
  }

  void Up() {
    while (at_.size > 0 && at_.bytes[at_.size - 1] != '/') --at_.size;
    at_.CutTo(at_.size > 0 ? at_.size - 1 : 0);
  }

  // Looks `name` up in the directory reached, and goes there.
  bool Step(std::string_view name, size_t* next) {
    if (StatIt(at_.size == 0 ? "/" : at_.bytes, /*follow=*/true, &info_)) {
      if (const auto directory = IdentityOf(info_)) file_watch->OnName(*directory, name);
    }
    const size_t before = at_.size;
    if (!at_.Append("/", 1) || !at_.Append(name.data(), name.size())) return false;
    if (!StatIt(at_.bytes, /*follow=*/false, &info_)) {
      ended_ = true;  // there is no such name, or it is no directory
      return true;
    }
    if (!S_ISLNK(info_.st_mode)) return true;
    if (++links_ > kMostLinks) {
      ended_ = true;
      return true;
    }
    target_.CutTo(0);
    if (!ReadLink(at_.bytes, &target_)) return false;
    at_.CutTo(target_.bytes[0] == '/' ? 0 : before);
    if (!target_.Append("/", 1) || !target_.Append(rest_.bytes + *next, rest_.size - *next)) {
      return false;
    }
    rest_.CutTo(0);
    *next = 0;
    return rest_.Append(target_.bytes, target_.size);
  }

  PathText at_;      // without links; "" is /
  PathText rest_;    // to be walked
  PathText target_;  // of a link
  struct stat info_;
  int links_ = 0;
  bool ended_ = false;
  WalkedPath result_;
};

}  // namespace

WalkedPath WalkPath(int directory, const char* path) {
  if (path == nullptr || path[0] == '\0') return {};
  Walk walk;
  if (!walk.Begin(directory, path) || !walk.Go()) {
    file_watch->OnUnwatchable("uses a path that cannot be followed");
  }
  return walk.result();
}

}  // namespace fencepost
