// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fencepost {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status SystemError(std::string_view call, const std::string& path) {
  return Status::IoError(fmt::format("{}: {}: {}", call, std::strerror(errno), path));
}

}  // namespace

void TraceFile::Unmap::operator()(void* base) const { munmap(base, bytes); }

TraceFile::TraceFile(std::string path, std::unique_ptr<void, Unmap> mapping)
    : path_(std::move(path)), mapping_(std::move(mapping)) {}

Result<TraceFile> TraceFile::Open(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return SystemError("open", path);
  struct stat info;
  if (fstat(file.get(), &info) != 0) return SystemError("fstat", path);
  const Status no_trace = Status::Corrupt(fmt::format("trace: not a Fencepost trace: {}", path));
  if (!S_ISREG(info.st_mode) || info.st_size == 0) return no_trace;
  const size_t bytes = static_cast<size_t>(info.st_size);
  void* base = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (base == MAP_FAILED) return SystemError("mmap", path);

  TraceFile trace(path, std::unique_ptr<void, Unmap>(base, Unmap{bytes}));
  switch (fpt_reader_init(&trace.reader_, base, bytes)) {
    case FPT_END_NO_TRACE:
      return no_trace;
    case FPT_END_VERSION:
      return Status::Corrupt(fmt::format("trace: version {}, only {} is known: {}",
                                         trace.reader_.version, FPT_VERSION, path));
    case FPT_END_TRUNCATED:
      return Status::Corrupt(fmt::format("trace: cut inside its header: {}", path));
    case FPT_END_DAMAGED:
      return trace.End();
    case FPT_END_NONE:
    case FPT_END_COMPLETE:
      break;
  }
  return trace;
}

void TraceFile::Define(const fpt_event& event) {
  if (event.kind == FPT_STACK) {
    std::vector<uint64_t>& addresses = stacks_[event.stack];
    addresses.resize(event.frame_count);
    fpt_stack_frames(&event, addresses.data());
  } else if (event.kind == FPT_FRAME) {
    frames_[event.address] = {.address = event.address,
                              .function = View(event.text),
                              .source_file = View(event.source_file),
                              .line = event.line,
                              .object = View(event.object)};
  } else if (event.kind == FPT_FILE) {
    paths_[event.file] = View(event.text);
  }
}

const fpt_event* TraceFile::Next() {
  if (fpt_next(&reader_, &event_) == 0) return nullptr;
  Define(event_);
  return &event_;
}

void TraceFile::Rewind() {
  const size_t bytes = static_cast<size_t>(reader_.size);
  CHECK(fpt_reader_init(&reader_, mapping_.get(), bytes) == FPT_END_NONE);
}

Status TraceFile::End() const {
  if (reader_.end != FPT_END_DAMAGED) return Status::Ok();
  return Status::Corrupt(fmt::format("trace: damaged at byte {}, after {} events: {}",
                                     reader_.end_offset, reader_.events, path_));
}

std::string TraceFile::TruncationRemark() const {
  return fmt::format("truncated at byte {}, after {} events: {}", reader_.end_offset,
                     reader_.events, path_);
}

std::span<const uint64_t> TraceFile::Stack(uint32_t id) const {
  const auto found = stacks_.find(id);
  return found == stacks_.end() ? std::span<const uint64_t>() : found->second;
}

TraceFrame TraceFile::Frame(uint64_t address) const {
  const auto found = frames_.find(address);
  if (found != frames_.end()) return found->second;
  TraceFrame unknown;
  unknown.address = address;
  return unknown;
}

std::string_view TraceFile::Path(uint32_t file) const {
  const auto found = paths_.find(file);
  return found == paths_.end() ? std::string_view() : found->second;
}

TraceFrame TraceFile::InnermostLine(uint32_t stack) const {
  const std::span<const uint64_t> addresses = Stack(stack);
  for (const uint64_t address : addresses) {
    const TraceFrame frame = Frame(address);
    if (!frame.source_file.empty() && frame.line > 0) return frame;
  }
  return addresses.empty() ? TraceFrame() : Frame(addresses.front());
}

bool HasThread(fpt_kind kind) {
  switch (kind) {
    case FPT_FILE:
    case FPT_SET_CLEAN:
    case FPT_TX_ADD:
    case FPT_TX_REMOVE:
    case FPT_STACK:
    case FPT_FRAME:
    case FPT_NOTE:
      return false;
    default:
      return true;
  }
}

bool HasStack(fpt_kind kind) {
  return kind == FPT_STORE || kind == FPT_FLUSH || kind == FPT_FENCE || kind == FPT_SYNC;
}

std::string DescribeFrame(const TraceFrame& frame) {
  std::string out =
      frame.function.empty() ? fmt::format("0x{:x}", frame.address) : std::string(frame.function);
  if (!frame.source_file.empty()) {
    out += fmt::format(" ({}:{})", frame.source_file, frame.line);
  } else if (!frame.object.empty()) {
    out += fmt::format(" (in {})", frame.object);
  }
  return out;
}

}  // namespace fencepost
