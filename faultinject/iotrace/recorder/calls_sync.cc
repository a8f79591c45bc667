// SPDX-License-Identifier: BSD-3-Clause
// Calls that make something durable. They are made without the lock, between the events of their
// begin and their end, so that what others do meanwhile lies between those.
#include <errno.h>
#include <sys/mman.h>

#include "faultinject/iotrace/recorder/calls.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

// msync of so many mappings at once is one call on each.
constexpr int kMappingsAtOnce = 16;

struct OpenSyncs {
  LogEvent events[kMappingsAtOnce];
  int count = 0;

  void Begin(LogEvent event) {
    event.kind = IoEvent::Kind::kSyncBegin;
    event.begin = Append(event);
    events[count++] = event;
  }

  void End(bool failed) {
    for (int i = 0; i < count; ++i) {
      events[i].kind = IoEvent::Kind::kSyncEnd;
      events[i].flags = failed ? kFailed : 0;
      Append(events[i]);
    }
  }
};

long PerformBetween(const Call& call, OpenSyncs* syncs) {
  const long result = PerformUnlocked(call);
  const LockHold hold;
  syncs->End(/*failed=*/result < 0);
  return result;
}

bool BeginFileSync(const Call& call, OpenSyncs* syncs) {
  const LockHold hold;
  const int fd = call.fd(0);
  struct stat status;
  const InodeId id = FindRecorded(fd, &status);
  if (id == kNoInode) return false;
  SampleMapped(Reading::kWhatIsNew);
  if (S_ISREG(status.st_mode)) Prove(FileAt(id, fd), Reading::kWhatIsNew);
  LogEvent event = {.kind = IoEvent::Kind::kSyncBegin, .inode = id};
  if (call.number == SYS_fdatasync) event.scope = IoEvent::Scope::kData;
  if (call.number == SYS_sync_file_range) {
    event.scope = IoEvent::Scope::kNone;
    event.offset = call.args[1];
    event.length = call.args[2];
  }
  syncs->Begin(event);
  return true;
}

void BeginMappingSync(const Call& call, const Mapping& mapping, OpenSyncs* syncs) {
  const uint64_t begin = call.args[0] > mapping.begin ? call.args[0] : mapping.begin;
  const uint64_t asked_end = call.args[0] + call.args[1];
  const uint64_t end = asked_end < mapping.end ? asked_end : mapping.end;
  const FileAt file(mapping.inode);
  if (file.ok()) Prove(file, Reading::kWhatIsNew);
  syncs->Begin(
      {.kind = IoEvent::Kind::kSyncBegin,
       .inode = mapping.inode,
       .offset = mapping.file_offset + (begin - mapping.begin),
       .length = end - begin,
       .scope = (call.flags(2) & MS_SYNC) != 0 ? IoEvent::Scope::kRange : IoEvent::Scope::kNone});
}

}  // namespace

long HandleFileSync(Call& call) {
  struct stat status;
  if (!IsCandidate(call.fd(0), &status)) return PassThrough(call);
  OpenSyncs syncs;
  if (!BeginFileSync(call, &syncs)) return PassThrough(call);
  return PerformBetween(call, &syncs);
}

long HandleSyncAll(Call& call) {
  struct stat status;
  if (call.number == SYS_syncfs &&
      (Raw(SYS_fstat, call.fd(0), &status) != 0 || status.st_dev != Shared().root_device)) {
    return PassThrough(call);
  }
  OpenSyncs syncs;
  {
    const LockHold hold;
    SampleMapped(Reading::kWhatIsNew);
    ProveAllChanged();
    syncs.Begin({.kind = IoEvent::Kind::kSyncBegin, .scope = IoEvent::Scope::kAll});
  }
  return PerformBetween(call, &syncs);
}

long HandleMsync(Call& call) {
  OpenSyncs syncs;
  {
    const LockHold hold;
    const uint64_t end = call.args[0] + call.args[1];
    uint64_t at = call.args[0];
    while (syncs.count < kMappingsAtOnce) {
      const Mapping* const mapping = FindMapping(at, end);
      if (mapping == nullptr) break;
      if (syncs.count == 0) SampleMapped(Reading::kWhatIsNew);
      at = mapping->end;
      BeginMappingSync(call, *mapping, &syncs);
    }
  }
  return syncs.count == 0 ? PassThrough(call) : PerformBetween(call, &syncs);
}

}  // namespace fencepost::iorecorder
