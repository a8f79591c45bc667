// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/log_record.h"

#include <xxhash.h>

#include <cstring>

namespace fencepost {
namespace {

uint32_t CheckOfRecord(std::string_view record) {
  record.remove_prefix(kRecordCheckedFrom);
  return static_cast<uint32_t>(XXH3_64bits(record.data(), record.size()));
}

uint8_t FlagsOf(const IoEvent& event) {
  return static_cast<uint8_t>((event.failed ? kFailed : 0) | (event.appended ? kAppended : 0) |
                              (event.mapped ? kMapped : 0) | (event.direct ? kDirect : 0));
}

bool IsKnown(const RecordHeader& header) {
  return header.kind <= static_cast<uint8_t>(IoEvent::Kind::kContent) &&
         header.type <= static_cast<uint8_t>(InodeType::kSymlink) &&
         header.scope <= static_cast<uint8_t>(IoEvent::Scope::kNone);
}

}  // namespace

uint64_t CheckOf(const LogHeader& header) {
  LogHeader without = header;
  without.check = 0;
  return XXH3_64bits(&without, sizeof without);
}

std::string EncodeRecord(const IoEvent& event, uint32_t thread) {
  RecordHeader header = {};
  const size_t used = sizeof header + event.name.size() + event.to_name.size() + event.data.size();
  header.bytes = static_cast<uint32_t>((used + 7) / 8 * 8);
  header.kind = static_cast<uint8_t>(event.kind);
  header.type = static_cast<uint8_t>(event.type);
  header.scope = static_cast<uint8_t>(event.scope);
  header.flags = FlagsOf(event);
  header.thread = thread;
  header.inode = event.inode;
  header.directory = event.directory;
  header.to_directory = event.to_directory;
  header.replaced = event.replaced;
  header.name_bytes = static_cast<uint16_t>(event.name.size());
  header.to_name_bytes = static_cast<uint16_t>(event.to_name.size());
  header.data_bytes = static_cast<uint32_t>(event.data.size());
  header.offset = event.offset;
  header.length = event.length;
  header.begin = event.begin;
  header.id = event.id;
  std::string record(reinterpret_cast<const char*>(&header), sizeof header);
  record += event.name;
  record += event.to_name;
  record += event.data;
  record.resize(header.bytes);
  header.check = CheckOfRecord(record);
  std::memcpy(record.data(), &header, sizeof header);
  return record;
}

bool DecodeRecord(std::string_view log, IoEvent* event, uint32_t* thread, uint64_t* record_bytes) {
  RecordHeader header;
  if (log.size() < sizeof header) return false;
  std::memcpy(&header, log.data(), sizeof header);
  const uint64_t used = sizeof header + header.name_bytes + header.to_name_bytes +
                        static_cast<uint64_t>(header.data_bytes);
  if (header.bytes > log.size() || header.bytes != (used + 7) / 8 * 8) return false;
  if (header.check != CheckOfRecord(log.substr(0, header.bytes)) || !IsKnown(header)) return false;
  std::string_view rest = log.substr(sizeof header);
  const auto take = [&rest](size_t bytes) {
    const std::string_view taken = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    return std::string(taken);
  };
  *event = IoEvent();
  event->kind = static_cast<IoEvent::Kind>(header.kind);
  event->type = static_cast<InodeType>(header.type);
  event->scope = static_cast<IoEvent::Scope>(header.scope);
  event->inode = header.inode;
  event->directory = header.directory;
  event->to_directory = header.to_directory;
  event->replaced = header.replaced;
  event->name = take(header.name_bytes);
  event->to_name = take(header.to_name_bytes);
  event->data = take(header.data_bytes);
  event->offset = header.offset;
  event->length = header.length;
  event->begin = header.begin;
  event->id = header.id;
  event->failed = (header.flags & kFailed) != 0;
  event->appended = (header.flags & kAppended) != 0;
  event->mapped = (header.flags & kMapped) != 0;
  event->direct = (header.flags & kDirect) != 0;
  *thread = header.thread;
  *record_bytes = header.bytes;
  return true;
}

}  // namespace fencepost
