// SPDX-License-Identifier: BSD-3-Clause
// The one lock of a recorded run and the log that it protects.
//
// Invariants:
//   1. A call that changes a traced file is made, and its event appended, under one hold of the
//      lock: the log has the order of the effects.
//   2. A record is complete before LogHeader::log_bytes counts it.
//   3. A lock whose holder has died is taken over; where that one was between a call and its event
//      (Control::is_in_effect) the run is refused.
// Threads: any of any process. REQUIRES: all signals are blocked, lest a handler of the program's
//   wants the lock that its thread holds.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_SHARED_LOG_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_SHARED_LOG_H_

#include <cstdint>

#include "faultinject/iotrace/log_format.h"
#include "faultinject/iotrace/recorder/control.h"

namespace fencepost::iorecorder {

inline Control& Shared() { return *reinterpret_cast<Control*>(kControlAddress); }
inline LogHeader& Log() { return *reinterpret_cast<LogHeader*>(kLogAddress); }

class LockHold {
 public:
  LockHold();
  LockHold(const LockHold&) = delete;
  LockHold& operator=(const LockHold&) = delete;
  ~LockHold() { Release(); }
  void Release();

 private:
  bool is_held_ = true;
};

// Of this thread. For what may have been left by a program that this process was before.
void ReleaseLockOfDeadProgram();

// The run is not to be judged, since `what` happened; the first reason stays.
void Refuse(const char* what, const char* detail = "");

// An IoEvent without strings.
struct LogEvent {
  IoEvent::Kind kind;
  InodeId inode = kNoInode;
  InodeType type = InodeType::kFile;
  InodeId directory = kNoInode;
  const char* name = "";
  InodeId to_directory = kNoInode;
  const char* to_name = "";
  InodeId replaced = kNoInode;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t data_bytes = 0;
  IoEvent::Scope scope = IoEvent::Scope::kFile;
  uint64_t begin = 0;
  uint8_t flags = 0;  // RecordFlag
  uint64_t id = 0;
};

// Between the two the caller fills in data_bytes of data. Of BeginRecord() nullptr: the log is
// full, which has refused the run, or closed.
char* BeginRecord(const LogEvent& event);
uint64_t EndRecord();  // the number of the event

uint64_t Append(const LogEvent& event, const char* data = nullptr);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_SHARED_LOG_H_
