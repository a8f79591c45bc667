// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/file_delays.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "engines/media/tick_clock.h"

namespace fencepost::media {
namespace {

// A wait is slept down to this, and the rest spun: a thread is woken so much too late at most, most
// of the time.
constexpr double kSpunNs = 100'000;
// Who comes back from a wait as late as that was not on a CPU.
constexpr double kInterruptionNs = 5000;

}  // namespace

FileInjection FileInjection::operator-(const FileInjection& before) const {
  FileInjection share = *this;
  share.calls -= before.calls;
  share.blocks.blocks_read -= before.blocks.blocks_read;
  share.blocks.blocks_missed -= before.blocks.blocks_missed;
  share.blocks.blocks_written -= before.blocks.blocks_written;
  share.blocks.syncs -= before.blocks.syncs;
  share.asked_ns -= before.asked_ns;
  share.charging_ns -= before.charging_ns;
  share.waited_ns -= before.waited_ns;
  share.background_ns -= before.background_ns;
  share.interrupted -= before.interrupted;
  share.interrupted_ns -= before.interrupted_ns;
  return share;
}

FileDelays::FileDelays(const BlockModel& model, uint64_t cache_bytes)
    : cache_bytes_(cache_bytes), ticks_per_ns_(MeasureTicksPerNs()), cache_(model, cache_bytes) {}

double FileDelays::NowNs() const { return static_cast<double>(NowTicks()) / ticks_per_ns_; }

FileDelays::FileNumber FileDelays::NumberOf(const std::string& name) {
  const auto [place, fresh] = files_.try_emplace(name, next_file_);
  if (fresh) cache_.Add(next_file_++, 0);
  return place->second;
}

void FileDelays::NamesChanged(const std::string& name) {
  cache_.Change(NumberOf(std::filesystem::path(name).parent_path().string()));
}

FileDelays::FileNumber FileDelays::Opened(const std::string& name, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto [place, fresh] = files_.try_emplace(name, next_file_);
  if (fresh) cache_.Add(next_file_++, bytes);
  return place->second;
}

FileDelays::FileNumber FileDelays::Created(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const FileNumber file = NumberOf(name);
  cache_.Add(file, 0);
  NamesChanged(name);
  return file;
}

void FileDelays::Renamed(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const FileNumber file = NumberOf(from);
  if (const auto replaced = files_.find(to); replaced != files_.end() && from != to) {
    cache_.Remove(replaced->second);
  }
  files_.erase(from);
  files_[to] = file;
  NamesChanged(from);
  NamesChanged(to);
}

void FileDelays::Removed(const std::string& name) {
  const std::lock_guard lock(mutex_);
  NamesChanged(name);
  const auto found = files_.find(name);
  if (found == files_.end()) return;
  cache_.Remove(found->second);
  files_.erase(found);
}

void FileDelays::Changed(FileNumber file) {
  const std::lock_guard lock(mutex_);
  cache_.Change(file);
}

void FileDelays::Read(FileNumber file, uint64_t offset, uint64_t bytes, Path path, Payer payer) {
  Charge(payer, [&](double now_ns) {
    return path == Path::kDirect ? cache_.ReadAround(now_ns, offset, bytes)
                                 : cache_.Read(now_ns, file, offset, bytes);
  });
}

void FileDelays::Write(FileNumber file, uint64_t offset, uint64_t bytes, Path path, Payer payer) {
  Charge(payer, [&](double now_ns) {
    return path == Path::kDirect ? cache_.WriteAround(now_ns, file, offset, bytes)
                                 : cache_.Write(now_ns, file, offset, bytes);
  });
}

void FileDelays::Synced(FileNumber file, Payer payer) {
  Charge(payer, [&](double now_ns) { return cache_.Sync(now_ns, file); });
}

void FileDelays::DirectorySynced(const std::string& name, Payer payer) {
  Charge(payer, [&](double now_ns) { return cache_.Sync(now_ns, NumberOf(name)); });
}

void FileDelays::ReadAhead(FileNumber file, uint64_t offset, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  cache_.Read(NowNs(), file, offset, bytes);
}

void FileDelays::WriteBack(FileNumber file, uint64_t offset, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  cache_.WriteBack(NowNs(), file, offset, bytes);
}

void FileDelays::Charge(Payer payer, FunctionRef<double(double now_ns)> charge) {
  const double begin_ns = NowNs();
  double until_ns, charged_ns;
  {
    const std::lock_guard lock(mutex_);
    until_ns = charge(begin_ns);
    charged_ns = NowNs();
    const double asked_ns = until_ns - begin_ns;
    ++report_.calls;
    report_.asked_ns += asked_ns;
    report_.charging_ns += charged_ns - begin_ns;
    if (payer == Payer::kBackground) report_.background_ns += asked_ns;
  }
  if (until_ns <= charged_ns) return;
  if (const double left_ns = until_ns - charged_ns; left_ns > 2 * kSpunNs) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::nano>(left_ns - kSpunNs));
  }
  double now_ns = NowNs();
  while (now_ns < until_ns) {
    __builtin_ia32_pause();
    now_ns = NowNs();
  }
  const double late_ns = now_ns - until_ns;
  const std::lock_guard lock(mutex_);
  report_.waited_ns += until_ns - charged_ns;
  if (late_ns > kInterruptionNs) {
    ++report_.interrupted;
    report_.interrupted_ns += late_ns;
  } else {
    report_.waited_ns += late_ns;
  }
}

FileInjection FileDelays::Report() const {
  const std::lock_guard lock(mutex_);
  FileInjection report = report_;
  report.blocks = cache_.totals();
  return report;
}

}  // namespace fencepost::media
