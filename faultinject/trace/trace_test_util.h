// SPDX-License-Identifier: BSD-3-Clause
// For tests of the trace: a writer into memory or a file, and random events of every kind.
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_TEST_UTIL_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/trace/trace_reader.h"
#include "faultinject/trace/trace_writer.h"

namespace fencepost {

inline constexpr uint32_t kTestPid = 4711;

// A writer whose trace is in memory. Finish() ends the process if the writer has left its buffer.
class MemoryTrace {
 public:
  MemoryTrace() : buffer_(FPT_MIN_BUFFER_BYTES + kGuardBytes, kGuard) {
    fpt_writer_init(&writer_, Sink, this, buffer_.data(), FPT_MIN_BUFFER_BYTES, kTestPid);
  }
  MemoryTrace(const MemoryTrace&) = delete;
  MemoryTrace& operator=(const MemoryTrace&) = delete;

  fpt_writer* writer() { return &writer_; }
  const std::vector<uint8_t>& bytes() const { return bytes_; }
  const std::vector<uint8_t>& Finish() {
    fpt_writer_finish(&writer_);
    CHECK(fpt_writer_error(&writer_) == 0);
    CHECK(fpt_writer_bytes(&writer_) == bytes_.size());
    for (size_t i = 0; i < kGuardBytes; ++i) CHECK(buffer_[FPT_MIN_BUFFER_BYTES + i] == kGuard);
    return bytes_;
  }
  static int Sink(void* arg, const void* bytes, size_t count) {
    auto& out = static_cast<MemoryTrace*>(arg)->bytes_;
    const auto* from = static_cast<const uint8_t*>(bytes);
    out.insert(out.end(), from, from + count);
    return 0;
  }

 private:
  static constexpr size_t kGuardBytes = 64;
  static constexpr uint8_t kGuard = 0xa5;

  std::vector<uint8_t> buffer_;
  std::vector<uint8_t> bytes_;
  fpt_writer writer_;
};

// An event with what its views point at.
struct OwnedEvent {
  fpt_event fields = {};
  std::string bytes, text, source_file, object;
  std::vector<uint64_t> frames;

  bool operator==(const OwnedEvent& other) const {
    const fpt_event &a = fields, &b = other.fields;
    return a.number == b.number && a.kind == b.kind && a.how == b.how && a.flags == b.flags &&
           a.thread == b.thread && a.stack == b.stack && a.file == b.file && a.line == b.line &&
           a.id == b.id && a.address == b.address && a.length == b.length &&
           a.file_offset == b.file_offset && bytes == other.bytes && text == other.text &&
           source_file == other.source_file && object == other.object && frames == other.frames;
  }
};

inline OwnedEvent Own(const fpt_event& event) {
  OwnedEvent own = {event, {}, {}, {}, {}, {}};
  if (event.bytes != nullptr) {
    own.bytes.assign(reinterpret_cast<const char*>(event.bytes), event.length);
  }
  own.text.assign(event.text.data == nullptr ? "" : event.text.data, event.text.size);
  own.source_file.assign(event.source_file.data == nullptr ? "" : event.source_file.data,
                         event.source_file.size);
  own.object.assign(event.object.data == nullptr ? "" : event.object.data, event.object.size);
  own.frames.resize(event.frame_count);
  fpt_stack_frames(&event, own.frames.data());
  return own;
}

// Numbers of all sizes, also the extreme ones.
inline uint64_t AnyNumber(std::mt19937_64& rng) { return rng() >> (rng() % 64); }
inline uint32_t AnyNumber32(std::mt19937_64& rng) {
  return static_cast<uint32_t>(rng()) >> (rng() % 32);
}
inline std::string AnyText(std::mt19937_64& rng, size_t most_bytes) {
  std::string out(rng() % (most_bytes + 1), '\0');
  for (char& c : out) c = static_cast<char>(1 + rng() % 255);
  return out;
}

// A random event of this kind. REQUIRES: FPT_STORE <= kind < FPT_KIND_COUNT.
inline OwnedEvent AnyEvent(fpt_kind kind, std::mt19937_64& rng, size_t most_bytes = 300) {
  OwnedEvent e;
  fpt_event& f = e.fields;
  f.kind = kind;
  const auto hows = [](fpt_kind k) -> uint32_t {
    return k == FPT_FLUSH || k == FPT_FENCE       ? 4
           : k == FPT_SYNC || k == FPT_FILE_WRITE ? 3
           : k == FPT_MAP                         ? 2
                                                  : 1;
  };
  f.how = static_cast<uint32_t>(rng() % hows(kind));
  const bool no_thread = kind == FPT_FILE || kind == FPT_SET_CLEAN || kind == FPT_TX_ADD ||
                         kind == FPT_TX_REMOVE || kind == FPT_STACK || kind == FPT_FRAME ||
                         kind == FPT_NOTE;
  if (!no_thread) f.thread = rng() % 4 == 0 ? AnyNumber32(rng) : 1;
  switch (kind) {
    case FPT_STORE:
      f.flags = static_cast<uint32_t>(rng() % (FPT_STORE_FLAGS + 1));
      f.length = rng() % 2 == 0 ? uint64_t{1} << rng() % 6 : 1 + rng() % most_bytes;
      e.bytes.resize(f.length);
      for (char& c : e.bytes) c = static_cast<char>(rng());
      f.address = AnyNumber(rng);
      f.stack = rng() % 2 == 0 ? 7 : AnyNumber32(rng);
      break;
    case FPT_FLUSH:
    case FPT_SYNC:
      f.address = AnyNumber(rng), f.length = AnyNumber(rng), f.stack = AnyNumber32(rng);
      break;
    case FPT_FENCE:
      f.stack = AnyNumber32(rng);
      break;
    case FPT_FILE:
      f.file = AnyNumber32(rng), e.text = AnyText(rng, most_bytes);
      break;
    case FPT_MAP:
      f.file = AnyNumber32(rng), f.file_offset = AnyNumber(rng);
      f.address = AnyNumber(rng), f.length = AnyNumber(rng);
      break;
    case FPT_UNMAP:
    case FPT_REMOVE_MAPPING:
    case FPT_SET_CLEAN:
      f.address = AnyNumber(rng), f.length = AnyNumber(rng);
      break;
    case FPT_FILE_WRITE:
      f.file = AnyNumber32(rng), f.file_offset = AnyNumber(rng), f.length = AnyNumber(rng);
      if (f.how != FPT_WRITE_PWRITE) break;
      e.bytes = AnyText(rng, most_bytes) + "x";
      f.length = e.bytes.size();
      break;
    case FPT_TX_ADD:
    case FPT_TX_REMOVE:
      f.id = AnyNumber(rng), f.address = AnyNumber(rng), f.length = AnyNumber(rng);
      break;
    case FPT_LOG:
    case FPT_NOTE:
      e.text = AnyText(rng, most_bytes);
      break;
    case FPT_STACK:
      f.stack = AnyNumber32(rng);
      e.frames.resize(rng() % 20 == 0 ? FPT_MAX_STACK_FRAMES : rng() % 20);
      f.frame_count = static_cast<uint32_t>(e.frames.size());
      for (uint64_t& address : e.frames) address = AnyNumber(rng);
      break;
    case FPT_FRAME:
      f.address = AnyNumber(rng), f.line = AnyNumber32(rng);
      e.text = AnyText(rng, most_bytes), e.source_file = AnyText(rng, most_bytes);
      e.object = AnyText(rng, most_bytes);
      break;
    case FPT_THREAD_EXIT:
      break;
    default:
      f.id = AnyNumber(rng);
  }
  return e;
}

inline void Emit(const OwnedEvent& e, fpt_writer* w) {
  const fpt_event& f = e.fields;
  switch (f.kind) {
    case FPT_STORE:
      return fpt_store(w, f.thread, f.address, e.bytes.data(), f.length, f.flags, f.stack);
    case FPT_FLUSH:
      return fpt_flush(w, f.thread, f.address, f.length, fpt_flush_kind(f.how), f.stack);
    case FPT_FENCE:
      return fpt_fence(w, f.thread, fpt_fence_kind(f.how), f.stack);
    case FPT_SYNC:
      return fpt_sync(w, f.thread, f.address, f.length, fpt_sync_kind(f.how), f.stack);
    case FPT_FILE:
      return fpt_file(w, f.file, e.text.c_str());
    case FPT_MAP:
      return fpt_map(w, f.thread, f.file, f.address, f.length, f.file_offset,
                     fpt_map_origin(f.how));
    case FPT_UNMAP:
      return fpt_unmap(w, f.thread, f.address, f.length);
    case FPT_REMOVE_MAPPING:
      return fpt_remove_mapping(w, f.thread, f.address, f.length);
    case FPT_FILE_WRITE:
      return fpt_file_write(w, f.thread, f.file, f.file_offset, f.length, e.bytes.data(),
                            fpt_write_kind(f.how));
    case FPT_SET_CLEAN:
      return fpt_set_clean(w, f.address, f.length);
    case FPT_TX_BEGIN:
      return fpt_tx_begin(w, f.thread, f.id);
    case FPT_TX_ADD:
      return fpt_tx_add(w, f.id, f.address, f.length);
    case FPT_TX_REMOVE:
      return fpt_tx_remove(w, f.id, f.address, f.length);
    case FPT_TX_END:
      return fpt_tx_end(w, f.thread, f.id);
    case FPT_TX_THREAD_ADD:
      return fpt_tx_thread_add(w, f.thread, f.id);
    case FPT_TX_THREAD_REMOVE:
      return fpt_tx_thread_remove(w, f.thread, f.id);
    case FPT_OP_BEGIN:
      return fpt_op_begin(w, f.thread, f.id);
    case FPT_OP_END:
      return fpt_op_end(w, f.thread, f.id);
    case FPT_LOG:
      return fpt_log(w, f.thread, e.text.data(), e.text.size());
    case FPT_THREAD_EXIT:
      return fpt_thread_exit(w, f.thread);
    case FPT_STACK:
      return fpt_stack(w, f.stack, e.frames.data(), f.frame_count);
    case FPT_FRAME:
      return fpt_frame(w, f.address, e.text.c_str(), e.source_file.c_str(), f.line,
                       e.object.c_str());
    case FPT_NOTE:
      return fpt_note(w, e.text.c_str());
    case FPT_THREAD:
    case FPT_KIND_COUNT:
      break;
  }
  CHECK(false);
}

inline fpt_kind AnyKind(std::mt19937_64& rng) {
  return static_cast<fpt_kind>(FPT_STORE + rng() % (FPT_KIND_COUNT - FPT_STORE));
}

// All events of a range of memory, and how it ends.
struct ReadBack {
  std::vector<OwnedEvent> events;
  fpt_end end;
  uint64_t end_offset;
};
inline ReadBack ReadAll(const void* base, size_t size) {
  fpt_reader reader;
  fpt_event event;
  ReadBack out;
  static_cast<void>(fpt_reader_init(&reader, base, size));
  while (fpt_next(&reader, &event) != 0) out.events.push_back(Own(event));
  out.end = reader.end;
  out.end_offset = reader.end_offset;
  return out;
}
inline ReadBack ReadAll(const std::vector<uint8_t>& bytes) {
  return ReadAll(bytes.data(), bytes.size());
}

// A file of these bytes that is removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<uint8_t>& bytes) {
    std::string pattern = (std::filesystem::temp_directory_path() / "fpt-XXXXXX").string();
    const int fd = mkstemp(pattern.data());
    CHECK(fd >= 0);
    std::FILE* file = fdopen(fd, "wb");
    CHECK(std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size());
    CHECK(std::fclose(file) == 0);
    path_ = pattern;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_TRACE_TEST_UTIL_H_
