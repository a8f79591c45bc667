// SPDX-License-Identifier: BSD-3-Clause
// The bytes of the redo log, and a reader that stops at the first one that is not valid.
#ifndef FENCEPOST_ENGINES_FILESTORE_LOG_FORMAT_H_
#define FENCEPOST_ENGINES_FILESTORE_LOG_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engines/filestore/aligned_buffer.h"
#include "engines/filestore/page.h"
#include "engines/filestore/storage.h"
#include "engines/status.h"

namespace fencepost::filestore {

inline constexpr uint64_t kLogBodyOffset = 2 * kPageBytes;
inline constexpr uint64_t kLogMagic = 0x31305352'4c4c5346;  // "FSLLSR01" in the file

struct LogHeader {
  uint64_t magic;
  uint64_t store_id;
  uint64_t epoch;
  Lsn start_lsn;  // of the first record; everything before it is in the data file, durably
  uint32_t version;
  uint32_t checksum;  // CRC-32C of the fields before
};
static_assert(sizeof(LogHeader) == 40);

uint32_t HeaderChecksum(const LogHeader& header);

struct RecordHeader {
  uint32_t checksum;  // CRC-32C, seeded with store and epoch, of the rest of header and payload
  uint32_t payload_bytes;
  Lsn start_lsn;    // where the record starts
  Lsn durable_lsn;  // what was known durable when it was written: no earlier byte may be invalid
};
static_assert(sizeof(RecordHeader) == 24);

inline constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return (sizeof(RecordHeader) + payload_bytes + 7) / 8 * 8;
}

uint32_t RecordSeed(uint64_t store_id, uint64_t epoch);
uint32_t RecordChecksum(uint32_t seed, const RecordHeader& header, std::string_view payload);

// Reads the records of one epoch in order. Reads in aligned blocks, as O_DIRECT wants it.
class LogReader {
 public:
  LogReader(File* file, const LogHeader& header);

  // Whether there is a valid record next; an error only if reading fails.
  Result<bool> Next();
  Lsn position() const { return position_; }  // the end of the last record that was valid
  const RecordHeader& record() const { return record_; }
  std::string_view payload() const { return {payload_.data(), payload_.size()}; }

  // Searches behind position() for a valid record that was written when position() was already
  // durable: proof that what is there now is damage and no torn tail. Searches 4 MiB from
  // position(), and from where the damaged record says that it ends.
  Result<bool> FindProofOfDamage();

 private:
  // Copies bytes of the file; how many there were.
  Result<size_t> Read(uint64_t offset, char* out, size_t bytes);
  Result<bool> ReadRecord(Lsn at);
  Result<bool> SearchFrom(Lsn start);

  File* const file_;
  const LogHeader header_;
  const uint32_t seed_;
  uint64_t file_bytes_ = 0;
  bool opened_ = false;
  Lsn position_;
  RecordHeader record_{};
  std::vector<char> payload_;
  AlignedBuffer block_;
  uint64_t block_offset_ = 0;
};

// Reads both header slots. A slot that is not valid has magic 0.
Status ReadLogHeaders(File* file, LogHeader headers[2]);

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_LOG_FORMAT_H_
