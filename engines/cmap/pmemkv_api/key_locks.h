// SPDX-License-Identifier: BSD-3-Clause
// KeyLocks: keeps the pair under an iterator from being changed by others.
//
// An iterator holds its key from one seek to the next: shared for reading, exclusive for writing. A
// change of a key waits until nobody holds it. The engine's own locks last for one call only.
// Invariants:
//   1. A change of a key runs with the key's stripe locked and the key held by nobody.
//   2. No thread waits for itself: what would is refused.
// Threads: any number.
// Not covered: a hold that is passed to another thread counts as the first one's; two threads that
// each wait for a key that the other one holds wait for ever, as with any two locks.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_KEY_LOCKS_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_KEY_LOCKS_H_

#include <array>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engines/function_ref.h"
#include "engines/status.h"

namespace fencepost::pmemkv_api {

class KeyLocks {
 public:
  // Runs `change` as invariant 1 says. kInvalidArgument if this thread holds the key.
  Status Change(std::string_view key, FunctionRef<Status()> change);
  // The same for all of `keys` at once.
  Status Change(std::span<const std::string_view> keys, FunctionRef<Status()> change);

  // kInvalidArgument if this thread would wait for itself.
  Status Hold(std::string_view key, bool exclusive);
  // REQUIRES: a Hold of the same arguments, by whichever thread `holder` was.
  void Release(std::string_view key, bool exclusive, std::thread::id holder);

 private:
  struct Held {
    std::string key;
    bool exclusive;
    std::thread::id holder;
  };
  struct Stripe {
    std::mutex mutex;
    std::condition_variable released;
    std::vector<Held> held;
  };
  enum class Access { kFree, kWait, kOwn };
  static constexpr size_t kStripes = 64;

  static size_t StripeOf(std::string_view key) {
    return std::hash<std::string_view>()(key) % kStripes;
  }
  static Access Ask(const Stripe& stripe, std::string_view key, bool exclusive);
  // Returns with all of `stripes` locked (in `locks`) and all keys free.
  Status LockAll(std::span<const std::string_view> keys, const std::vector<size_t>& stripes,
                 std::vector<std::unique_lock<std::mutex>>* locks);

  std::array<Stripe, kStripes> stripes_;
};

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_KEY_LOCKS_H_
