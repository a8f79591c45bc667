// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/io_recorder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "engines/system_error.h"
#include "faultinject/iotrace/final_proof.h"
#include "faultinject/iotrace/io_trace.h"
#include "faultinject/iotrace/log_format.h"
#include "faultinject/iotrace/log_record.h"
#include "faultinject/iotrace/recorder/control.h"
#include "faultinject/iotrace/recorder/names.h"

namespace fencepost {

namespace fs = std::filesystem;
using iorecorder::Control;
using iorecorder::InodeEntry;

namespace {

constexpr const char* kFiles[] = {"control", "shadow", "hashes", "trace"};

// Whether cachestat() tells which of a file's pages are dirty: not where nothing is written back,
// e.g. on tmpfs.
bool HasDirtyMarks(const fs::path& root) {
  struct statfs status;
  if (statfs(root.c_str(), &status) != 0) return false;
  switch (status.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
      break;
    default:
      return false;
  }
  constexpr long kCachestat = 451;  // Linux 6.5
  // No descriptor, but a call that is known.
  return syscall(kCachestat, -1, nullptr, nullptr, 0) == -1 && errno != ENOSYS;
}

// A file that is as long as it is to be, and holds nothing.
Status MakeSparse(const fs::path& path, uint64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError("open", path);
  Status status;
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) status = SystemError("ftruncate", path);
  close(fd);
  return status;
}

Result<void*> MapFile(const fs::path& path, uint64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path);
  void* const mapped =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  Status status;
  if (mapped == MAP_FAILED) status = SystemError("mmap", path);
  close(fd);
  RETURN_IF_ERROR(status);
  return mapped;
}

Status AppendToFile(const fs::path& path, std::string_view data) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path);
  Status status;
  while (status.ok() && !data.empty()) {
    const ssize_t done = write(fd, data.data(), data.size());
    if (done < 0 && errno != EINTR) status = SystemError("write", path);
    if (done > 0) data.remove_prefix(static_cast<size_t>(done));
  }
  close(fd);
  return status;
}

bool IsBelow(const fs::path& path, const fs::path& root) {
  const std::string at = path.string() + '/';
  return at.starts_with(root.string() + '/');
}

void Refuse(LogHeader* header, std::string_view why) {
  if (header->is_refused != 0) return;
  header->is_refused = 1;
  const size_t bytes = std::min(why.size(), sizeof header->refusal - 1);
  std::memcpy(header->refusal, why.data(), bytes);
  header->refusal[bytes] = 0;
}

Status PutVolatileNames(const std::vector<std::string>& names, LogHeader* header) {
  size_t at = 0;
  for (const std::string& name : names) {
    if (name.empty() || at + name.size() + 2 > sizeof header->volatile_names) {
      return Status::InvalidArgument("volatile names: an empty one, or more than 1 KiB of them");
    }
    std::memcpy(header->volatile_names + at, name.data(), name.size());
    at += name.size() + 1;
  }
  return Status::Ok();
}

}  // namespace

// The control file and the log's header, mapped.
class IoRecorder::Shared {
 public:
  Shared(Control* control, LogHeader* header) : control_(control), header_(header) {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() {
    munmap(control_, iorecorder::kControlBytes);
    munmap(header_, kLogHeaderBytes);
  }
  Control& control() { return *control_; }
  LogHeader& header() { return *header_; }

  // No process records any more. What a living one is in the middle of is waited for.
  void CloseLog() {
    constexpr int kTries = 200;
    constexpr auto kPause = std::chrono::milliseconds(10);
    __atomic_store_n(&control_->is_closed, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < kTries && __atomic_load_n(&control_->lock, __ATOMIC_SEQ_CST) != 0; ++i) {
      if (kill(static_cast<pid_t>(control_->lock & 0x3fffffff), 0) != 0) break;
      std::this_thread::sleep_for(kPause);
    }
    if (control_->lock != 0 && control_->is_in_effect != 0) {
      Refuse(header_, "a process died between a call and its event");
    }
  }

 private:
  Control* control_;
  LogHeader* header_;
};

Result<fs::path> FindIoRecorderLibrary() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error).parent_path();
  constexpr std::string_view kName = "libfencepost_iorecorder.so";
  // Beside a test, beside the command line's folder, installed.
  for (const char* folder :
       {".", "../faultinject/iotrace", "../../faultinject/iotrace", "../libexec/fencepost"}) {
    const fs::path candidate = self / folder / kName;
    if (fs::exists(candidate, error)) return fs::canonical(candidate, error);
  }
  return Status::Unsupported(fmt::format("{} is not where {} is", kName, self.string()));
}

IoRecorder::IoRecorder() = default;
IoRecorder::IoRecorder(IoRecorder&& other) noexcept = default;

IoRecorder::~IoRecorder() {
  if (shared_ == nullptr) return;
  std::error_code ignored;
  for (const char* name : kFiles) fs::remove(folder_ / name, ignored);
}

Result<IoRecorder> IoRecorder::Start(const IoRecorderOptions& options) {
  IoRecorder recorder;
  RETURN_IF_ERROR(recorder.Prepare(options));
  RETURN_IF_ERROR(recorder.FillInodes());
  return recorder;
}

Status IoRecorder::Prepare(const IoRecorderOptions& options) {
  std::error_code error;
  root_ = fs::canonical(options.root, error);
  if (error) {
    return Status::InvalidArgument(fmt::format("{}: {}", options.root.string(), error.message()));
  }
  fs::create_directories(options.folder, error);
  folder_ = fs::canonical(options.folder, error);
  if (error) {
    return Status::IoError(fmt::format("{}: {}", options.folder.string(), error.message()));
  }
  if (IsBelow(folder_, root_) || root_.string().size() >= iorecorder::kPathBytes) {
    return Status::InvalidArgument(
        fmt::format("{}: the trace cannot go below what is recorded", folder_.string()));
  }
  library_ = options.library;
  if (library_.empty()) {
    ASSIGN_OR_RETURN(library_, FindIoRecorderLibrary());
  }
  ASSIGN_OR_RETURN(initial_, FileTree::Read(root_));
  const uint64_t log_bytes =
      std::min(std::max(options.log_bytes_max, 2 * kLogHeaderBytes), iorecorder::kLogBytesMax);
  for (const char* name : kFiles) fs::remove(folder_ / name, error);
  RETURN_IF_ERROR(MakeSparse(folder_ / "control", iorecorder::kControlBytes));
  RETURN_IF_ERROR(MakeSparse(folder_ / "shadow", iorecorder::kShadows * iorecorder::kShadowBytes));
  RETURN_IF_ERROR(
      MakeSparse(folder_ / "hashes", iorecorder::kHashedFiles * sizeof(iorecorder::FileHashes)));
  RETURN_IF_ERROR(MakeSparse(trace_path(), log_bytes));
  ASSIGN_OR_RETURN(void* const control, MapFile(folder_ / "control", iorecorder::kControlBytes));
  ASSIGN_OR_RETURN(void* const header, MapFile(trace_path(), kLogHeaderBytes));
  shared_ =
      std::make_unique<Shared>(static_cast<Control*>(control), static_cast<LogHeader*>(header));
  LogHeader& log = shared_->header();
  log.magic = kLogMagic;
  log.version = kLogVersion;
  log.log_bytes = kLogHeaderBytes;
  RETURN_IF_ERROR(PutVolatileNames(options.volatile_names, &log));
  Control& fields = shared_->control();
  fields.log_capacity = log_bytes;
  fields.next_window_address = iorecorder::kWindowBegin;
  fields.next_inode = initial_.next_inode();
  fields.fault = options.fault;
  std::memcpy(fields.root, root_.c_str(), root_.string().size());
  for (uint32_t& bucket : fields.buckets) bucket = kNoInode;
  for (InodeId& hashed : fields.hashed) hashed = kNoInode;
  for (iorecorder::Shadow& shadow : fields.shadows) shadow.inode = kNoInode;
  fields.magic = iorecorder::kControlMagic;
  return Status::Ok();
}

Status IoRecorder::FillInodes() {
  Control& control = shared_->control();
  struct stat root;
  if (stat(root_.c_str(), &root) != 0) return SystemError("stat", root_);
  control.root_device = root.st_dev;
  control.has_dirty_marks = HasDirtyMarks(root_) ? 1 : 0;
  if (initial_.next_inode() >= iorecorder::kInodesMax) {
    return Status::Unsupported(fmt::format("{}: too many files", root_.string()));
  }
  for (const auto& [id, path] : initial_.Paths()) {
    struct stat status;
    if (lstat((root_ / path).c_str(), &status) != 0) return SystemError("lstat", root_ / path);
    if (status.st_dev != root.st_dev) {
      return Status::Unsupported(
          fmt::format("{}: on another device than {}", path, root_.string()));
    }
    InodeEntry& entry = control.inodes[id];
    entry.type = initial_.inode(id).type;
    entry.parent = kNoInode;
    entry.shadow = iorecorder::kNoShadow;
    entry.hashes = iorecorder::kNoHashes;
    iorecorder::AddToBucket(&control, id, status.st_ino);
  }
  const char* const patterns = shared_->header().volatile_names;
  for (const auto& [directory, path] : initial_.Paths()) {
    for (const auto& [name, id] : initial_.inode(directory).entries) {
      if (!iorecorder::KeepName(&control, id, directory, name.c_str())) {
        return Status::Unsupported(fmt::format("{}: too many links", root_.string()));
      }
      InodeEntry& entry = control.inodes[id];
      entry.is_volatile |=
          entry.type == InodeType::kFile && iorecorder::IsVolatileName(patterns, name.c_str());
    }
  }
  return Status::Ok();
}

std::vector<std::string> IoRecorder::Environment() const {
  std::string preload = fmt::format("LD_PRELOAD={}", library_.string());
  // What the program would have been given anyway comes after.
  if (const char* const others = std::getenv("LD_PRELOAD"); others != nullptr && *others != 0) {
    preload += fmt::format(":{}", others);
  }
  return {preload, fmt::format("{}={}", iorecorder::kFolderVariable, folder_.string())};
}

std::string IoRecorder::WhatWasMissed() const {
  for (const iorecorder::Execution& execution : shared_->control().executions) {
    if (execution.process != 0) {
      return fmt::format(
          "{} ran without the recorder's library (linked statically, or without its environment)",
          execution.path);
    }
  }
  if (shared_->control().programs == 0) {
    return "the program did not load the recorder's library (linked statically, or did not start)";
  }
  return "";
}

Status IoRecorder::Prove() {
  LogHeader& header = shared_->header();
  Seal();
  ASSIGN_OR_RETURN(IoTrace trace, IoTrace::Open(trace_path()));
  header.sealed = 0;
  ASSIGN_OR_RETURN(const FinalProof proof, ProveEnd(initial_, root_, shared_->control(), &trace));
  RETURN_IF_ERROR(AppendToFile(trace_path(), proof.records));
  header.log_bytes += proof.records.size();
  header.events += proof.events;
  header.final_tree = proof.tree;
  return Status::Ok();
}

void IoRecorder::Seal() {
  LogHeader& header = shared_->header();
  header.sealed = 1;
  header.check = CheckOf(header);
}

Status IoRecorder::Finish() {
  shared_->CloseLog();
  LogHeader& header = shared_->header();
  if (const std::string missed = WhatWasMissed(); !missed.empty()) Refuse(&header, missed);
  if (truncate(trace_path().c_str(), static_cast<off_t>(header.log_bytes)) != 0) {
    return SystemError("truncate", trace_path());
  }
  Status result;
  if (header.is_refused != 0) {
    result = Status::Unsupported(fmt::format("not to be judged: {}", header.refusal));
  } else {
    result = Prove();
    if (!result.ok()) Refuse(&header, result.message());
  }
  Seal();
  const Control& control = shared_->control();
  fault_was_played_ =
      control.fault.kind != IoFault::Kind::kNone && control.fault_calls >= control.fault.at;
  shared_.reset();
  std::error_code ignored;
  for (const std::string_view name : kFiles) {
    if (name != "trace") fs::remove(folder_ / name, ignored);
  }
  return result;
}

}  // namespace fencepost
