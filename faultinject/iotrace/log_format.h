// SPDX-License-Identifier: BSD-3-Clause
// The file that an I/O trace is: a header of kLogHeaderBytes, then records, one an event.
//
// The recorder's library writes it from inside the traced processes, through a shared mapping of a
// file that is sparse until IoRecorder::Finish() cuts it to its length and seals the header. What
// is not sealed, or not as long as its header says, was cut short.
//
// A record: RecordHeader, the name, the second name, the data, zeros up to a multiple of 8.
// Numbers are little-endian.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_LOG_FORMAT_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_LOG_FORMAT_H_

#include <cstdint>

namespace fencepost {

inline constexpr uint64_t kLogMagic = 0x3130544f49434e46;  // "FNCIOT01"
inline constexpr uint32_t kLogVersion = 1;
inline constexpr uint64_t kLogHeaderBytes = 4096;

struct LogHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t sealed;     // 1: Finish() has written all of it
  uint64_t log_bytes;  // of header and records
  uint64_t events;
  uint64_t final_tree;  // FileTree::Hash() of what was there at the end, volatile files emptied
  uint64_t check;       // XXH3 of this struct with `check` 0
  uint32_t is_refused;  // the first reason is in `refusal`
  char refusal[1020];   // ends with 0
  char volatile_names[1024];  // patterns, each ends with 0; an empty one is the last
};
static_assert(sizeof(LogHeader) <= kLogHeaderBytes);

enum RecordFlag : uint8_t { kFailed = 1, kAppended = 2, kMapped = 4, kDirect = 8 };

struct RecordHeader {
  uint32_t bytes;  // of the record, a multiple of 8
  uint32_t check;  // XXH3's low half of what follows in the record
  uint8_t kind;
  uint8_t type;
  uint8_t scope;
  uint8_t flags;
  uint32_t thread;  // as the kernel numbers it
  uint32_t inode;
  uint32_t directory;
  uint32_t to_directory;
  uint32_t replaced;
  uint16_t name_bytes;
  uint16_t to_name_bytes;
  uint32_t data_bytes;
  uint64_t offset;
  uint64_t length;
  uint64_t begin;
  uint64_t id;
};
static_assert(sizeof(RecordHeader) == 72);
inline constexpr uint32_t kRecordCheckedFrom = 8;

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_LOG_FORMAT_H_
