// SPDX-License-Identifier: BSD-3-Clause
// ReplayFile: operations that somebody recorded, read from a text file to be replayed.
//
// One operation a line, in the order in which they are to be executed:
//
//   op,key,size
//
//   op    get: a read; tryget: a read that may find nothing; put; delete
//   key   1 to 65,535 bytes, taken as they are; in it %2C is a comma, %25 a percent sign, %XX any
//         byte. Bytes below 0x20 and 0x7f must be written so.
//   size  bytes of the value, below 2^30. A put needs it; a get may have it, see below
//
// Lines that are empty or begin with # are skipped, and so is a first line "op,key,size". Lines end
// in LF or CRLF.
//
// What is stored before the first operation: the keys whose first operation is a get, unless
// nothing is to be loaded. Such a value is as long as the key's first line that has a size says, or
// as Options has it.
//
// Whether a key is there is then known at each of its operations. A get or tryget of an absent key
// is a kMiss, a put of an absent key a kInsert, of one that is there a kUpdate.
//
// Keys have numbers: the loaded ones come first, each group in order of first appearance.
//
// Invariants:
//   1. number < key_count() for every operation; number < loaded_count() for keys to load.
//   2. The kinds above are right for whoever executes each key's operations in order.
// Memory: 8 bytes an operation, 16 bytes and its own bytes a key, 4 bytes a loaded key; while
//   reading about 60 bytes more a key. At most Options::max_bytes, or it is not read.
// Threads: none while reading; immutable afterwards.
// Not covered: timestamps, expiry, scans.
#ifndef FENCEPOST_WORKLOADS_REPLAY_FILE_H_
#define FENCEPOST_WORKLOADS_REPLAY_FILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "workloads/workload.h"

namespace fencepost {

class ReplayFile {
 public:
  static constexpr uint64_t kMaxKeyBytes = 65535;
  static constexpr uint64_t kMaxValueBytes = (uint64_t{1} << 30) - 1;

  struct Options {
    TraceLoad load = TraceLoad::kGets;
    uint64_t max_operations = 0;       // only the first so many are read; 0: all
    uint64_t default_value_bytes = 0;  // of a loaded key of which no line has a size
    uint64_t max_bytes = UINT64_MAX;   // of memory
  };

  // kRead, kMiss, kUpdate, kInsert or kDelete.
  struct Operation {
    OpKind kind;
    uint64_t number;       // of the key
    uint64_t value_bytes;  // of a kUpdate or kInsert; else 0
  };

  // kInvalidArgument, naming file and line, for what cannot be read or is no trace.
  static Result<std::shared_ptr<const ReplayFile>> Read(const std::filesystem::path& path,
                                                        const Options& options);

  uint64_t operation_count() const { return operation_count_; }
  uint64_t count(OpKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  Operation operation(uint64_t index) const {
    return Unpack(operations_[index / kChunk][index % kChunk]);
  }

  uint64_t key_count() const { return keys_.size(); }
  uint64_t loaded_count() const { return load_bytes_.size(); }
  std::string_view key(uint64_t number) const {
    return {keys_[number].bytes, keys_[number].length};
  }
  uint32_t key_hash(uint64_t number) const { return keys_[number].key_hash; }  // KeyHash(key())
  // Inlined always: GCC 12 takes a function that only prefetches for one that does nothing.
  [[gnu::always_inline]] void Prefetch(uint64_t number) const {
    if (number < keys_.size()) __builtin_prefetch(&keys_[number]);
  }
  // Of the value to load. REQUIRES number < loaded_count().
  uint64_t load_bytes(uint64_t number) const { return load_bytes_[number]; }

  // Of all values that are loaded or put; 0 where there are none.
  uint64_t min_value_bytes() const { return min_value_bytes_; }
  uint64_t max_value_bytes() const { return max_value_bytes_; }
  // Keys that ever have a value, and means over them: of a key, of its largest value, and of its
  // last one.
  uint64_t stored_keys() const { return stored_keys_; }
  double key_bytes_mean() const { return key_bytes_mean_; }
  double largest_value_bytes_mean() const { return largest_value_bytes_mean_; }
  double last_value_bytes_mean() const { return last_value_bytes_mean_; }
  uint64_t max_key_bytes() const { return max_key_bytes_; }

  const std::filesystem::path& path() const { return path_; }
  // Of the whole file, whatever part of it was wanted.
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t file_xxh3() const { return file_xxh3_; }
  std::string file_xxh3_text() const;  // in 16 hexadecimal digits

 private:
  friend class ReplayFileReader;

  static constexpr uint64_t kChunk = uint64_t{1} << 17;
  static constexpr unsigned kNumberBits = 31, kBytesBits = 30;

  struct Key {
    const char* bytes;
    uint32_t key_hash;
    uint32_t length;
  };

  static uint64_t Pack(const Operation& op) {
    return static_cast<uint64_t>(op.kind) << (kNumberBits + kBytesBits) |
           op.value_bytes << kNumberBits | op.number;
  }
  static Operation Unpack(uint64_t word) {
    return {static_cast<OpKind>(word >> (kNumberBits + kBytesBits)),
            word & ((uint64_t{1} << kNumberBits) - 1),
            (word >> kNumberBits) & ((uint64_t{1} << kBytesBits) - 1)};
  }

  std::filesystem::path path_;
  uint64_t file_bytes_ = 0;
  uint64_t file_xxh3_ = 0;
  uint64_t operation_count_ = 0;
  std::array<uint64_t, kOpKindCount> counts_{};
  std::vector<std::unique_ptr<uint64_t[]>> operations_;  // chunks of kChunk
  std::vector<std::unique_ptr<char[]>> key_bytes_;       // what keys_ points into
  std::vector<Key> keys_;
  std::vector<uint32_t> load_bytes_;
  uint64_t min_value_bytes_ = 0;
  uint64_t max_value_bytes_ = 0;
  uint64_t max_key_bytes_ = 0;
  uint64_t stored_keys_ = 0;
  double key_bytes_mean_ = 0;
  double largest_value_bytes_mean_ = 0;
  double last_value_bytes_mean_ = 0;
};

// A key as a line of a trace has it: also a way to print a key of any bytes.
std::string EscapeKey(std::string_view key);

// The key of a number, whether the workload makes its keys or a trace file has them.
std::string KeyOf(const WorkloadSpec& spec, uint64_t number);

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_REPLAY_FILE_H_
