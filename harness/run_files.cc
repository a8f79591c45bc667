// SPDX-License-Identifier: BSD-3-Clause
#include "harness/run_files.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status ErrnoStatus(std::string_view call, const fs::path& path) {
  const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  return Status(full ? StatusCode::kFull : StatusCode::kIoError,
                fmt::format("{}: {}: {}", call, std::strerror(errno), path.string()));
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status WriteAndSync(int fd, std::string_view contents, const fs::path& path) {
  while (!contents.empty()) {
    const ssize_t written = write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus("write", path);
    contents.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0 ? Status::Ok() : ErrnoStatus("fsync", path);
}

Status SyncDirectory(const fs::path& directory) {
  const FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return ErrnoStatus("open", directory);
  // EINVAL: a file system whose directories cannot be synced.
  if (fsync(fd.get()) != 0 && errno != EINVAL) return ErrnoStatus("fsync", directory);
  return Status::Ok();
}

// Names must not be repeatable: nothing that is measured depends on these digits, and two runs
// with one seed must not meet.
std::string RandomSuffix() {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::random_device random;
  std::string suffix;
  for (int i = 0; i < 6; ++i) suffix.push_back(kDigits[random() % kDigits.size()]);
  return suffix;
}

}  // namespace

Status WriteFileAtomically(const fs::path& path, std::string_view contents) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const fs::path temporary =
      directory / fmt::format(".{}.{}.tmp", path.filename().string(), RandomSuffix());
  constexpr mode_t kMode = 0644;
  Status status;
  {
    const FileDescriptor fd(
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
    if (fd.get() < 0) return ErrnoStatus("open", temporary);
    status = WriteAndSync(fd.get(), contents, temporary);
  }
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus("rename", path);
  }
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  // Sync the directory too: the rename is not durable until its parent is.
  return SyncDirectory(directory);
}

std::string UtcTimestamp() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::string Slug(std::string_view text) {
  std::string slug;
  for (const char c : text) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool kept = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (kept) {
      slug.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
    } else if (!slug.empty() && slug.back() != '-') {
      slug.push_back('-');
    }
  }
  if (slug.ends_with('-')) slug.pop_back();
  return slug.empty() ? "run" : slug;
}

std::string RunId(std::time_t start_time_s, std::string_view what, std::string_view suffix) {
  return fmt::format("{:%Y%m%dT%H%M%SZ}-{}-{}", fmt::gmtime(start_time_s), Slug(what), suffix);
}

Result<RunDirectory> CreateRunDirectory(const fs::path& results_root, std::time_t start_time_s,
                                        std::string_view what) {
  std::error_code error;
  fs::create_directories(results_root, error);
  if (error) {
    return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), results_root.string()));
  }
  constexpr int kTries = 100;
  constexpr mode_t kMode = 0755;
  for (int i = 0; i < kTries; ++i) {
    RunDirectory run;
    run.run_id = RunId(start_time_s, what, RandomSuffix());
    run.path = results_root / run.run_id;
    if (mkdir(run.path.c_str(), kMode) == 0) return run;
    if (errno != EEXIST) return ErrnoStatus("mkdir", run.path);
  }
  return Status::IoError(fmt::format("mkdir: no free name: {}", results_root.string()));
}

CsvTable::CsvTable(const std::vector<std::string>& columns) : column_count_(columns.size()) {
  CHECK(column_count_ > 0);
  AppendLine(columns);
}

void CsvTable::AddRow(const std::vector<std::string>& fields) {
  CHECK(fields.size() == column_count_);
  AppendLine(fields);
}

void CsvTable::AppendLine(const std::vector<std::string>& fields) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) text_.push_back(',');
    // A lone empty field would be a blank line, which readers skip.
    const bool quoted = fields[i].find_first_of(",\"\r\n") != std::string::npos ||
                        (fields[i].empty() && fields.size() == 1);
    if (quoted) text_.push_back('"');
    for (const char c : fields[i]) text_.append(c == '"' ? 2 : 1, c);
    if (quoted) text_.push_back('"');
  }
  text_.push_back('\n');
}

}  // namespace fencepost
