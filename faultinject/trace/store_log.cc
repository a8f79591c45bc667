// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/store_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace fencepost {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

std::string LogFrame(const TraceFrame& frame) {
  std::string out = DescribeFrame(frame);
  const auto separates = [](char c) { return c == '|' || c == ';'; };
  std::replace_if(out.begin(), out.end(), separates, '_');
  return out;
}

}  // namespace

StoreLog::StoreLog(const TraceFile& trace, bool stacks, Output output)
    : trace_(trace), stacks_(stacks), output_(std::move(output)) {}

void StoreLog::Flush() {
  output_(buffer_);
  buffer_.clear();
}

void StoreLog::Stop() {
  buffer_ += "|STOP\n";
  Flush();
}

void StoreLog::AppendStore(const fpt_event& event) {
  std::string frames;
  if (stacks_) {
    for (const uint64_t address : trace_.Stack(event.stack)) {
      frames += ";" + LogFrame(trace_.Frame(address));
    }
  }
  for (uint64_t done = 0; done < event.length;) {
    const uint64_t size = std::min<uint64_t>(8, std::bit_floor(event.length - done));
    uint64_t value = 0;
    std::memcpy(&value, event.bytes + done, size);
    fmt::format_to(std::back_inserter(buffer_), "|STORE;0x{:x};0x{:x};0x{:x}{}",
                   event.address + done, value, size, frames);
    done += size;
    if (buffer_.size() > kBufferBytes) Flush();
  }
}

void StoreLog::AppendRange(std::string_view record, const fpt_event& event) {
  fmt::format_to(std::back_inserter(buffer_), "|{};0x{:x};0x{:x}", record, event.address,
                 event.length);
}

void StoreLog::AppendMap(const fpt_event& event) {
  const TraceMapping mapping = {event.address, event.length, event.file, event.file_offset};
  const bool known = mappings_.Find(event.address) == mapping;
  mappings_.Apply(event);
  // Memory that is no file has no record.
  if (known || trace_.Path(event.file).empty()) return;
  fmt::format_to(std::back_inserter(buffer_), "|REGISTER_FILE;{};0x{:x};0x{:x};0x{:x}",
                 trace_.Path(event.file), event.address, event.length, event.file_offset);
}

void StoreLog::Append(const fpt_event& event) {
  switch (event.kind) {
    case FPT_STORE:
      AppendStore(event);
      break;
    case FPT_FLUSH:
      AppendRange("FLUSH", event);
      if (event.how == FPT_FLUSH_CLFLUSH) buffer_ += "|FENCE";
      break;
    case FPT_FENCE:
      buffer_ += "|FENCE";
      break;
    case FPT_SYNC:
      if (event.how == FPT_SYNC_DEEP) {
        AppendRange("DEEP_SYNC", event);
      } else {
        AppendRange("FLUSH", event);
        buffer_ += "|FENCE";
      }
      break;
    case FPT_MAP:
      AppendMap(event);
      break;
    case FPT_UNMAP:
      mappings_.Apply(event);
      break;
    case FPT_LOG:
      buffer_ += '|';
      buffer_ += View(event.text);
      break;
    default:
      break;
  }
  if (buffer_.size() > kBufferBytes) Flush();
}

}  // namespace fencepost
