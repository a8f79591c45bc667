// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/shared_log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <time.h>

#include "faultinject/iotrace/content_hash.h"
#include "faultinject/iotrace/recorder/raw_calls.h"

namespace fencepost::iorecorder {
namespace {

constexpr uint32_t kHasWaiters = 0x80000000;
constexpr long kLookAgainNs = 20'000'000;

bool Exchange(uint32_t* word, uint32_t expected, uint32_t desired) {
  return __atomic_compare_exchange_n(word, &expected, desired, /*weak=*/false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED);
}

// A thread that has ended, or is a zombie: one that was killed stays there until it is waited for.
bool IsDead(uint32_t thread) {
  if (Raw(SYS_kill, thread, 0) == -ESRCH) return true;
  char text[kNameBytes];
  char* at = AppendText(text, text + sizeof text, "/proc/");
  at = AppendNumber(at, text + sizeof text, thread);
  AppendText(at, text + sizeof text, "/stat");
  const OwnDescriptor file(Raw(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0));
  if (!file.ok()) return file.get() == -ENOENT;
  const long got = Raw(SYS_read, file.get(), text, sizeof text);
  // "12 (name) Z ...": the name may have any characters, but is short.
  for (long i = got - 1; i >= 0; --i) {
    if (text[i] == ')') return i + 2 < got && (text[i + 2] == 'Z' || text[i + 2] == 'X');
  }
  return got == -ESRCH;
}

void TakeLock(Control& control) {
  const auto self = static_cast<uint32_t>(Raw(SYS_gettid));
  bool has_waited = false;
  for (;;) {
    if (Exchange(&control.lock, 0, has_waited ? self | kHasWaiters : self)) return;
    uint32_t seen = __atomic_load_n(&control.lock, __ATOMIC_RELAXED);
    if (seen == 0) continue;
    if ((seen & kHasWaiters) == 0) {
      if (!Exchange(&control.lock, seen, seen | kHasWaiters)) continue;
      seen |= kHasWaiters;
    }
    const timespec timeout = {0, kLookAgainNs};
    const long woken = Raw(SYS_futex, &control.lock, FUTEX_WAIT, seen, &timeout, nullptr, 0);
    has_waited = true;
    if (woken == -ETIMEDOUT && IsDead(seen & ~kHasWaiters) &&
        Exchange(&control.lock, seen, self | kHasWaiters)) {
      if (control.is_in_effect != 0) Refuse("a process died between a call and its event");
      return;
    }
  }
}

RecordHeader* OpenRecord() {
  return reinterpret_cast<RecordHeader*>(kLogAddress + Log().log_bytes);
}

}  // namespace

LockHold::LockHold() {
  Control& control = Shared();
  TakeLock(control);
  control.is_in_effect = 0;
  if (control.exiting_process != 0 && control.exiting_process == Raw(SYS_getpid)) {
    // Another thread ends the process: not to die here in the middle of something.
    Release();
    for (;;) Raw(SYS_pause);
  }
}

void LockHold::Release() {
  if (!is_held_) return;
  is_held_ = false;
  Control& control = Shared();
  control.is_in_effect = 0;
  if ((__atomic_exchange_n(&control.lock, 0, __ATOMIC_RELEASE) & kHasWaiters) != 0) {
    Raw(SYS_futex, &control.lock, FUTEX_WAKE, 1);
  }
}

void ReleaseLockOfDeadProgram() {
  Control& control = Shared();
  const uint32_t seen = __atomic_load_n(&control.lock, __ATOMIC_RELAXED);
  if ((seen & ~kHasWaiters) != Raw(SYS_gettid)) return;
  if (control.is_in_effect != 0) Refuse("a program was replaced between a call and its event");
  control.is_in_effect = 0;
  __atomic_store_n(&control.lock, 0, __ATOMIC_RELEASE);
  Raw(SYS_futex, &control.lock, FUTEX_WAKE, 1);
}

void Refuse(const char* what, const char* detail) {
  LogHeader& log = Log();
  if (Shared().is_closed != 0 || !Exchange(&log.is_refused, 0, 1)) return;
  const char* end = log.refusal + sizeof log.refusal;
  char* at = AppendText(log.refusal, end, what);
  if (*detail != 0) AppendText(AppendText(at, end, ": "), end, detail);
}

char* BeginRecord(const LogEvent& event) {
  Control& control = Shared();
  if (control.is_closed != 0) return nullptr;
  const uint64_t name_bytes = TextBytes(event.name);
  const uint64_t to_name_bytes = TextBytes(event.to_name);
  const uint64_t bytes =
      (sizeof(RecordHeader) + name_bytes + to_name_bytes + event.data_bytes + 7) / 8 * 8;
  if (control.is_log_full != 0 || bytes > control.log_capacity - Log().log_bytes) {
    control.is_log_full = 1;
    Refuse("the log is full");
    return nullptr;
  }
  RecordHeader* record = OpenRecord();
  record->bytes = static_cast<uint32_t>(bytes);
  record->kind = static_cast<uint8_t>(event.kind);
  record->type = static_cast<uint8_t>(event.type);
  record->scope = static_cast<uint8_t>(event.scope);
  record->flags = event.flags;
  record->thread = static_cast<uint32_t>(Raw(SYS_gettid));
  record->inode = event.inode;
  record->directory = event.directory;
  record->to_directory = event.to_directory;
  record->replaced = event.replaced;
  record->name_bytes = static_cast<uint16_t>(name_bytes);
  record->to_name_bytes = static_cast<uint16_t>(to_name_bytes);
  record->data_bytes = static_cast<uint32_t>(event.data_bytes);
  record->offset = event.offset;
  record->length = event.length;
  record->begin = event.begin;
  record->id = event.id;
  char* at = reinterpret_cast<char*>(record + 1);
  __builtin_memcpy(at, event.name, name_bytes);
  at += name_bytes;
  __builtin_memcpy(at, event.to_name, to_name_bytes);
  return at + to_name_bytes;
}

uint64_t EndRecord() {
  RecordHeader* record = OpenRecord();
  // Nothing was ever written beyond the end, but by a record that was begun and not ended.
  const uint64_t used =
      sizeof(RecordHeader) + record->name_bytes + record->to_name_bytes + record->data_bytes;
  __builtin_memset(reinterpret_cast<char*>(record) + used, 0, record->bytes - used);
  record->check = static_cast<uint32_t>(XXH3_64bits(
      reinterpret_cast<char*>(record) + kRecordCheckedFrom, record->bytes - kRecordCheckedFrom));
  LogHeader& log = Log();
  __atomic_store_n(&log.log_bytes, log.log_bytes + record->bytes, __ATOMIC_RELEASE);
  return log.events++;
}

uint64_t Append(const LogEvent& event, const char* data) {
  char* const at = BeginRecord(event);
  if (at == nullptr) return 0;
  if (event.data_bytes != 0) __builtin_memcpy(at, data, event.data_bytes);
  return EndRecord();
}

}  // namespace fencepost::iorecorder
