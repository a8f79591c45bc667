// SPDX-License-Identifier: BSD-3-Clause
#include "engines/rocksdb/background_threads.h"

#include <pthread.h>
#include <rocksdb/env.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace fencepost {
namespace {

std::mutex mutex;
int open_count = 0;  // guarded by mutex

// RocksDB names its threads "rocksdb:low0" and the like.
constexpr std::string_view kThreadPrefix = "rocksdb:";

bool AnyThreadLeft() {
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/task", error), end; !error && it != end;
       it.increment(error)) {
    std::string name;
    std::getline(std::ifstream(it->path() / "comm"), name);
    if (name.starts_with(kThreadPrefix)) return true;
  }
  return false;
}

}  // namespace

bool IsBackgroundThread() {
  char name[16] = {};  // the most that Linux keeps
  return pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 &&
         std::string_view(name).starts_with(kThreadPrefix);
}

BackgroundThreads::BackgroundThreads() {
  const std::lock_guard lock(mutex);
  ++open_count;
}

BackgroundThreads::~BackgroundThreads() {
  const std::lock_guard lock(mutex);
  if (--open_count > 0) return;
  for (auto priority : {rocksdb::Env::BOTTOM, rocksdb::Env::LOW, rocksdb::Env::HIGH}) {
    rocksdb::Env::Default()->SetBackgroundThreads(0, priority);
  }
  // They leave within microseconds of being woken; the limit is for a thread that cannot run.
  constexpr auto kLimit = std::chrono::seconds(2);
  const auto start = std::chrono::steady_clock::now();
  while (AnyThreadLeft() && std::chrono::steady_clock::now() - start < kLimit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace fencepost
