// SPDX-License-Identifier: BSD-3-Clause
// Shared<T>: a counted pointer to a T that is changed by its only owner, and copied before that if
// there are others.
//
// Threads: copies may live in several threads; each copy belongs to one at a time. (With
//   std::shared_ptr, use_count() == 1 would not order the change after the others' last read.)
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_COPY_ON_WRITE_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_COPY_ON_WRITE_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace fencepost {

template <typename T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(T value) : held_(new Held{std::move(value)}) {}
  Shared(const Shared& other) : held_(other.held_) {
    if (held_ != nullptr) held_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Shared(Shared&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Shared() {
    if (held_ != nullptr && held_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      delete held_;
    }
  }

  explicit operator bool() const { return held_ != nullptr; }
  const T& operator*() const { return held_->value; }
  const T* operator->() const { return &held_->value; }
  // The same T, not an equal one.
  bool operator==(const Shared& other) const { return held_ == other.held_; }

  // A T of one's own, new if there was none.
  T& Mutable() {
    if (held_ == nullptr) {
      held_ = new Held{T{}};
    } else if (held_->owners.load(std::memory_order_acquire) != 1) {
      *this = Shared(held_->value);
    }
    return held_->value;
  }

 private:
  struct Held {
    T value;
    std::atomic<uint32_t> owners{1};
  };
  Held* held_ = nullptr;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_COPY_ON_WRITE_H_
