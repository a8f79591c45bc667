// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/log_format.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engines/filestore/crc32c.h"

namespace fencepost::filestore {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;
constexpr uint64_t kSearchBytes = uint64_t{4} << 20;

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

}  // namespace

uint32_t HeaderChecksum(const LogHeader& header) {
  return Crc32c(0, BytesOf(header).substr(0, offsetof(LogHeader, checksum)));
}

uint32_t RecordSeed(uint64_t store_id, uint64_t epoch) {
  return Crc32c(Crc32c(0, BytesOf(store_id)), BytesOf(epoch));
}

uint32_t RecordChecksum(uint32_t seed, const RecordHeader& header, std::string_view payload) {
  return Crc32c(Crc32c(seed, BytesOf(header).substr(sizeof(header.checksum))), payload);
}

LogReader::LogReader(File* file, const LogHeader& header)
    : file_(file),
      header_(header),
      seed_(RecordSeed(header.store_id, header.epoch)),
      position_(header.start_lsn) {}

Result<size_t> LogReader::Read(uint64_t offset, char* out, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const uint64_t at = offset + done;
    if (at < block_offset_ || at >= block_offset_ + block_.size()) {
      block_offset_ = at / kBlockBytes * kBlockBytes;
      block_.Clear(kBlockBytes);
      block_.Resize(kBlockBytes);
      ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(block_offset_, block_.data(), kBlockBytes));
      block_.Resize(got);
      if (at >= block_offset_ + got) break;  // past the end of the file
    }
    const size_t start = static_cast<size_t>(at - block_offset_);
    const size_t n = std::min(bytes - done, block_.size() - start);
    std::memcpy(out + done, block_.data() + start, n);
    done += n;
  }
  return done;
}

Result<bool> LogReader::ReadRecord(Lsn at) {
  if (!opened_) {
    ASSIGN_OR_RETURN(file_bytes_, file_->Size());
    opened_ = true;
  }
  const uint64_t offset = kLogBodyOffset + (at - header_.start_lsn);
  ASSIGN_OR_RETURN(const size_t header_bytes,
                   Read(offset, reinterpret_cast<char*>(&record_), sizeof(record_)));
  if (header_bytes < sizeof(record_) || record_.start_lsn != at) return false;
  // A length is believed only as far as the file goes, so that garbage allocates nothing.
  if (record_.payload_bytes == 0 || offset + RecordBytes(record_.payload_bytes) > file_bytes_) {
    return false;
  }
  payload_.resize(record_.payload_bytes);
  ASSIGN_OR_RETURN(const size_t payload_bytes,
                   Read(offset + sizeof(record_), payload_.data(), payload_.size()));
  return payload_bytes == payload_.size() &&
         record_.checksum == RecordChecksum(seed_, record_, payload());
}

Result<bool> LogReader::Next() {
  ASSIGN_OR_RETURN(const bool valid, ReadRecord(position_));
  if (valid) position_ += RecordBytes(record_.payload_bytes);
  return valid;
}

Result<bool> LogReader::FindProofOfDamage() {
  ASSIGN_OR_RETURN(const bool valid, ReadRecord(position_));
  CHECK(!valid);
  const bool has_length = record_.start_lsn == position_;
  const Lsn next = position_ + RecordBytes(record_.payload_bytes);
  ASSIGN_OR_RETURN(const bool found, SearchFrom(position_ + 8));
  return found || !has_length ? Result<bool>(found) : SearchFrom(next);
}

Result<bool> LogReader::SearchFrom(Lsn start) {
  const uint64_t body_bytes = file_bytes_ - std::min(file_bytes_, kLogBodyOffset);
  const Lsn end = std::min(header_.start_lsn + body_bytes, start + kSearchBytes);
  // The position that a record carries is a filter of 64 bits; the checksum then decides.
  std::vector<Lsn> words(kBlockBytes / sizeof(Lsn));
  constexpr Lsn kField = offsetof(RecordHeader, start_lsn);
  for (Lsn at = start; at + sizeof(RecordHeader) <= end; at += kBlockBytes) {
    const uint64_t offset = kLogBodyOffset + (at - header_.start_lsn) + kField;
    ASSIGN_OR_RETURN(const size_t got,
                     Read(offset, reinterpret_cast<char*>(words.data()), kBlockBytes));
    for (size_t i = 0; i < got / sizeof(Lsn); ++i) {
      const Lsn candidate = at + i * sizeof(Lsn);
      if (words[i] != candidate) continue;
      ASSIGN_OR_RETURN(const bool valid, ReadRecord(candidate));
      if (valid && record_.durable_lsn > position_) return true;
    }
  }
  return false;
}

Status ReadLogHeaders(File* file, LogHeader headers[2]) {
  const auto page = std::make_unique<Page>();
  for (uint64_t slot = 0; slot < 2; ++slot) {
    ASSIGN_OR_RETURN(const size_t got, file->ReadAt(slot * kPageBytes, page->bytes(), kPageBytes));
    std::memcpy(&headers[slot], page->bytes(), sizeof(LogHeader));
    const LogHeader& header = headers[slot];
    const bool valid = got == kPageBytes && header.magic == kLogMagic &&
                       header.version == kFormatVersion && header.epoch % 2 == slot &&
                       header.checksum == HeaderChecksum(header);
    if (!valid) headers[slot] = LogHeader{};
  }
  return Status::Ok();
}

}  // namespace fencepost::filestore
