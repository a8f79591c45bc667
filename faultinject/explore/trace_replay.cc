// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/trace_replay.h"

namespace fencepost {
namespace {

void ReplayWrite(const fpt_event& event, ImageSet* images) {
  const auto found = images->files().find(event.file);
  if (found == images->files().end()) return;
  const uint64_t size = found->second.bytes.size(), end = event.file_offset + event.length;
  switch (event.how) {
    case FPT_WRITE_TRUNCATE:
      images->Resize(event.file, event.file_offset);
      break;
    case FPT_WRITE_ALLOCATE:
      if (end > size) images->Resize(event.file, end);
      break;
    case FPT_WRITE_PWRITE:
      if (end > size) images->Resize(event.file, end);
      images->WriteBytes(event.file, event.file_offset, {event.bytes, event.length});
      break;
    case FPT_WRITE_ZERO:
      images->WriteZeros(event.file, event.file_offset, event.length);
      break;
    default:
      break;
  }
}

}  // namespace

void GrowToMapping(const fpt_event& event, ImageSet* images) {
  const auto found = images->files().find(event.file);
  const uint64_t end = event.file_offset + event.length;
  if (event.kind == FPT_MAP && found != images->files().end() && found->second.created &&
      found->second.bytes.size() < end) {
    images->Resize(event.file, end);
  }
}

Status ReplayAll(TraceFile* trace, ImageSet* images) {
  TraceMappings mappings;
  return trace->ForEach([&](const fpt_event& event) {
    mappings.Apply(event);
    GrowToMapping(event, images);
    if (event.kind == FPT_STORE) {
      ForEachPart(mappings, event.address, event.length, [&](const FilePart& part) {
        images->WriteBytes(part.file, part.offset, {event.bytes + part.skipped, part.length});
      });
    } else if (event.kind == FPT_FILE_WRITE) {
      ReplayWrite(event, images);
    }
  });
}

}  // namespace fencepost
