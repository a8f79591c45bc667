// SPDX-License-Identifier: BSD-3-Clause
// Logs of writes that tests make up.
#ifndef FENCEPOST_FAULTINJECT_VM_WRITE_LOG_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_VM_WRITE_LOG_TEST_UTIL_H_

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "faultinject/vm/disk_states.h"
#include "faultinject/vm/write_log.h"

namespace fencepost {

inline constexpr uint64_t kTestSector = 512;

// A log as QEMU leaves it.
class LogText {
 public:
  explicit LogText(uint32_t sector_bytes = kTestSector) : sector_bytes_(sector_bytes) {}

  // `letters`: what each sector is filled with, one letter a sector.
  LogText& Write(uint64_t sector, const std::string& letters, uint64_t flags = 0) {
    std::string data;
    for (const char letter : letters) data += std::string(sector_bytes_, letter);
    return Add(sector, letters.size(), flags, 0, data);
  }
  LogText& Flush() { return Add(0, 0, kLogFlush, 0, ""); }
  LogText& Discard(uint64_t sector, uint64_t sectors) {
    return Add(sector, sectors, kLogDiscard, 0, "");
  }
  LogText& Remark(const std::string& text) {
    AddHeader(0, 0, kLogMark, text.size());
    body_ += text;
    return Pad();
  }
  // Of a line of the history, behind a disk of so many sectors.
  LogText& Line(uint64_t disk_sectors, uint64_t line) {
    std::string sector = DiskMark(line);
    sector.resize(sector_bytes_, '\0');
    return Add(disk_sectors, 1, 0, 0, sector);
  }
  LogText& Add(uint64_t sector, uint64_t sectors, uint64_t flags, uint64_t data_bytes,
               const std::string& data) {
    AddHeader(sector, sectors, flags, data_bytes);
    Pad();
    body_ += data;
    return Pad();
  }

  std::string Text(uint64_t magic = 0x6a736677736872, uint64_t version = 1) const {
    std::string super;
    for (const uint64_t number : {magic, version, entries_}) Append(&super, number);
    super.append(reinterpret_cast<const char*>(&sector_bytes_), sizeof sector_bytes_);
    super.resize(sector_bytes_, '\0');
    return super + body_;
  }

 private:
  static void Append(std::string* text, uint64_t number) {
    text->append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void AddHeader(uint64_t sector, uint64_t sectors, uint64_t flags, uint64_t data_bytes) {
    for (const uint64_t number : {sector, sectors, flags, data_bytes}) Append(&body_, number);
    ++entries_;
  }
  LogText& Pad() {
    body_.resize((body_.size() + sector_bytes_ - 1) / sector_bytes_ * sector_bytes_, '\0');
    return *this;
  }

  const uint32_t sector_bytes_;
  uint64_t entries_ = 0;
  std::string body_;
};

// Opens a log of this text. Its file is gone by then.
inline Result<WriteLog> OpenText(const std::string& text) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fencepost-log-" + std::to_string(getpid()));
  std::ofstream(path, std::ios::binary) << text;
  Result<WriteLog> log = WriteLog::Open(path);
  std::filesystem::remove(path);
  return log;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_WRITE_LOG_TEST_UTIL_H_
