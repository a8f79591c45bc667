// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/pmemkv_api/key_locks.h"

#include <algorithm>
#include <functional>

namespace fencepost::pmemkv_api {
namespace {

Status WouldWaitForItself() {
  return Status::InvalidArgument(
      "an iterator of this thread is on that key: end it or let it seek elsewhere first");
}

}  // namespace

KeyLocks::Access KeyLocks::Ask(const Stripe& stripe, std::string_view key, bool exclusive) {
  Access access = Access::kFree;
  for (const Held& held : stripe.held) {
    if (held.key != key || (!exclusive && !held.exclusive)) continue;
    if (held.holder == std::this_thread::get_id()) return Access::kOwn;
    access = Access::kWait;
  }
  return access;
}

Status KeyLocks::Change(std::string_view key, FunctionRef<Status()> change) {
  Stripe& stripe = stripes_[StripeOf(key)];
  std::unique_lock lock(stripe.mutex);
  for (;;) {
    switch (Ask(stripe, key, /*exclusive=*/true)) {
      case Access::kFree:
        return change();
      case Access::kOwn:
        return WouldWaitForItself();
      case Access::kWait:
        stripe.released.wait(lock);
    }
  }
}

Status KeyLocks::Change(std::span<const std::string_view> keys, FunctionRef<Status()> change) {
  // In ascending order and once each, so that two batches cannot wait for each other.
  std::vector<size_t> stripes;
  for (const std::string_view key : keys) stripes.push_back(StripeOf(key));
  std::sort(stripes.begin(), stripes.end());
  stripes.erase(std::unique(stripes.begin(), stripes.end()), stripes.end());
  std::vector<std::unique_lock<std::mutex>> locks;
  RETURN_IF_ERROR(LockAll(keys, stripes, &locks));
  return change();
}

Status KeyLocks::LockAll(std::span<const std::string_view> keys, const std::vector<size_t>& stripes,
                         std::vector<std::unique_lock<std::mutex>>* locks) {
  for (;;) {
    for (const size_t stripe : stripes) locks->emplace_back(stripes_[stripe].mutex);
    std::string_view busy_key;
    bool busy = false;
    for (const std::string_view key : keys) {
      const Access access = Ask(stripes_[StripeOf(key)], key, /*exclusive=*/true);
      if (access == Access::kOwn) return WouldWaitForItself();
      if (access == Access::kWait) {
        busy = true;
        busy_key = key;
      }
    }
    if (!busy) return Status::Ok();
    locks->clear();
    // Only that one is locked while it waits; then all are asked again.
    Stripe& stripe = stripes_[StripeOf(busy_key)];
    std::unique_lock lock(stripe.mutex);
    stripe.released.wait(lock, [&] { return Ask(stripe, busy_key, true) != Access::kWait; });
  }
}

Status KeyLocks::Hold(std::string_view key, bool exclusive) {
  Stripe& stripe = stripes_[StripeOf(key)];
  std::unique_lock lock(stripe.mutex);
  for (;;) {
    switch (Ask(stripe, key, exclusive)) {
      case Access::kFree:
        stripe.held.push_back({std::string(key), exclusive, std::this_thread::get_id()});
        return Status::Ok();
      case Access::kOwn:
        return WouldWaitForItself();
      case Access::kWait:
        stripe.released.wait(lock);
    }
  }
}

void KeyLocks::Release(std::string_view key, bool exclusive, std::thread::id holder) {
  Stripe& stripe = stripes_[StripeOf(key)];
  {
    const std::lock_guard lock(stripe.mutex);
    const auto found = std::find_if(stripe.held.begin(), stripe.held.end(), [&](const Held& held) {
      return held.key == key && held.exclusive == exclusive && held.holder == holder;
    });
    CHECK(found != stripe.held.end());
    stripe.held.erase(found);
  }
  stripe.released.notify_all();
}

}  // namespace fencepost::pmemkv_api
