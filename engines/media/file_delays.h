// SPDX-License-Identifier: BSD-3-Clause
// Makes files in this machine's DRAM (tmpfs) as slow as on a device: an engine's file layer tells
// of each call after it has made it, and comes back when the device would have been done.
//
// What is charged is in virtual time (page_cache.h); a thread waits for what it is charged with
// before the call returns, so locks are held and others wait for it as they would for a device.
// Long waits are slept, but for their end. What charging takes is measured each time, and is part
// of what is injected; what the call itself took in DRAM is not taken off.
//
// Invariants:
//   1. All threads share one page cache and one bucket of the device's bandwidth.
//   2. What is buffered waits for nothing until it is synced; what goes around the cache waits at
//      once.
// Threads: any.
// Not covered: reads and writes of mappings; what page_cache.h and block_model.h do not cover.
// Source: engines/media/block_model.h.
#ifndef FENCEPOST_ENGINES_MEDIA_FILE_DELAYS_H_
#define FENCEPOST_ENGINES_MEDIA_FILE_DELAYS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "engines/function_ref.h"
#include "engines/media/page_cache.h"

namespace fencepost::media {

struct FileInjection {
  uint64_t calls = 0;
  PageCacheTotals blocks;
  double asked_ns = 0;       // what the model charged
  double charging_ns = 0;    // what charging took: part of what was injected
  double waited_ns = 0;      // besides
  double background_ns = 0;  // of what was asked for: of threads that no operation waits for
  // Waits that the thread was late to come back from, since it was not on a CPU, and how late: in
  // none of the above.
  uint64_t interrupted = 0;
  double interrupted_ns = 0;

  double injected_ns() const { return charging_ns + waited_ns; }
  FileInjection operator-(const FileInjection& before) const;
};

class FileDelays {
 public:
  enum class Payer : unsigned char { kOperation, kBackground };
  enum class Path : unsigned char { kBuffered, kDirect };  // through the page cache, or around it
  using FileNumber = PageCache::FileNumber;

  // Takes 10 ms, to measure the clock.
  FileDelays(const BlockModel& model, uint64_t cache_bytes);
  FileDelays(const FileDelays&) = delete;
  FileDelays& operator=(const FileDelays&) = delete;

  // The file of that name, which has so many bytes if it was not known; the page cache may hold
  // some of it from before it was closed.
  FileNumber Opened(const std::string& name, uint64_t bytes);
  // A new, empty file, whatever was there.
  FileNumber Created(const std::string& name);
  void Renamed(const std::string& from, const std::string& to);
  void Removed(const std::string& name);
  // Its size, or its place on the device.
  void Changed(FileNumber file);

  void Read(FileNumber file, uint64_t offset, uint64_t bytes, Path path, Payer payer);
  void Write(FileNumber file, uint64_t offset, uint64_t bytes, Path path, Payer payer);
  void Synced(FileNumber file, Payer payer);
  void DirectorySynced(const std::string& name, Payer payer);
  // Begun, and not waited for.
  void ReadAhead(FileNumber file, uint64_t offset, uint64_t bytes);
  void WriteBack(FileNumber file, uint64_t offset, uint64_t bytes);

  uint64_t cache_bytes() const { return cache_bytes_; }
  // The sum over all threads, since the start.
  FileInjection Report() const;

 private:
  double NowNs() const;
  // `charge`, of the time it is: until when to wait.
  void Charge(Payer payer, FunctionRef<double(double now_ns)> charge);
  void NamesChanged(const std::string& name);
  FileNumber NumberOf(const std::string& name);

  const uint64_t cache_bytes_;
  const double ticks_per_ns_;
  mutable std::mutex mutex_;
  PageCache cache_;                          // these: guarded by mutex_
  std::map<std::string, FileNumber> files_;  // and directories
  FileNumber next_file_ = 0;
  FileInjection report_;
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_FILE_DELAYS_H_
