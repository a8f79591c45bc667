// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/io_trace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>

#include "faultinject/iotrace/log_format.h"
#include "faultinject/iotrace/log_record.h"
#include "faultinject/iotrace/recorder/control.h"

namespace fencepost {

void IoTrace::Unmap::operator()(const char* begin) const {
  munmap(const_cast<char*>(begin), bytes);
}

Result<IoTrace> IoTrace::Open(const std::filesystem::path& path) {
  IoTrace trace;
  trace.path_ = path;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Status::IoError(fmt::format("open: {}: {}", path.string(), std::strerror(errno)));
  }
  struct stat status;
  void* mapped = MAP_FAILED;
  const bool is_long_enough =
      fstat(fd, &status) == 0 && status.st_size >= static_cast<off_t>(kLogHeaderBytes);
  if (is_long_enough) {
    trace.bytes_ = static_cast<uint64_t>(status.st_size);
    mapped = mmap(nullptr, trace.bytes_, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  const int error = errno;
  close(fd);
  if (!is_long_enough) return trace.Damaged("cut short");
  if (mapped == MAP_FAILED) {
    return Status::IoError(fmt::format("mmap: {}: {}", path.string(), std::strerror(error)));
  }
  trace.begin_ = {static_cast<const char*>(mapped), Unmap{trace.bytes_}};
  RETURN_IF_ERROR(trace.ReadHeader(path));
  trace.Rewind();
  return trace;
}

Status IoTrace::ReadHeader(const std::filesystem::path& path) {
  LogHeader header;
  std::memcpy(&header, begin_.get(), sizeof header);
  if (header.magic != kLogMagic) return Damaged("not an I/O trace");
  if (header.version != kLogVersion) {
    return Damaged(fmt::format("an I/O trace of version {}, not {}", header.version, kLogVersion));
  }
  if (header.sealed != 1) return Damaged("of a run that was not finished");
  if (header.check != CheckOf(header)) return Damaged("its header is damaged");
  if (header.log_bytes != bytes_) {
    return Damaged(fmt::format("{} bytes long instead of {}", bytes_, header.log_bytes));
  }
  if (header.is_refused != 0) {
    return Status::Unsupported(
        fmt::format("{}: not to be judged: {}", path.string(), header.refusal));
  }
  events_ = header.events;
  final_tree_ = header.final_tree;
  for (const char* name = header.volatile_names; *name != 0; name += std::strlen(name) + 1) {
    volatile_names_.emplace_back(name);
  }
  return Status::Ok();
}

Status IoTrace::Damaged(std::string_view what) const {
  return Status::Corrupt(fmt::format("{}: {}", path_.string(), what));
}

bool IoTrace::IsVolatile(std::string_view name) const {
  for (const std::string& pattern : volatile_names_) {
    if (iorecorder::MatchesPattern(pattern.c_str(), std::string(name).c_str())) return true;
  }
  return false;
}

void IoTrace::Rewind() {
  at_ = kLogHeaderBytes;
  next_number_ = 0;
  threads_.clear();
}

Result<bool> IoTrace::Next(IoEvent* event) {
  for (;;) {
    if (at_ == bytes_) {
      if (next_number_ != events_) {
        return Damaged(fmt::format("{} events instead of {}", next_number_, events_));
      }
      return false;
    }
    uint64_t record_bytes = 0;
    uint32_t thread = 0;
    if (!DecodeRecord({begin_.get() + at_, bytes_ - at_}, event, &thread, &record_bytes)) {
      return Damaged(fmt::format("event {} is damaged", next_number_));
    }
    at_ += record_bytes;
    event->thread =
        threads_.try_emplace(thread, static_cast<uint32_t>(threads_.size())).first->second;
    if (next_number_++ != dropped_) return true;
  }
}

}  // namespace fencepost
