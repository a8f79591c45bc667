// SPDX-License-Identifier: BSD-3-Clause
// canary-filelog: an append log in files, with all pairs in DRAM.
//
// A generation of the store is a chain of logs, log-G-0, log-G-1, ...: the first begins with all
// pairs as they were (the snapshot), behind them comes what changed since. CURRENT names the
// generation. A log that has become long enough is followed by the next one; when much was appended
// to a generation it is replaced by a new one: its snapshot is made durable, named by a new CURRENT
// that takes the old one's place by rename, and then the logs of the old one are removed.
//
// A record has its number in the generation and a checksum of itself, its number and generation.
// Recovery replays the chain up to the first record that is not the next one, or is not whole, and
// begins a new generation with what it found. So it never appends behind something torn, and never
// relies on what the system still remembers and the medium does not have.
//
// Invariants:
//   1. Of class power-fail all records are durable when their operation returns; of class prefix,
//      when Sync does.
//   2. The snapshot of the generation that the durable CURRENT names is durable.
//   3. The number of a generation is used once as long as any file has it.
// Threads: CanaryEngine's lock.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "engines/canaries/file_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kMaxPairs = 512;
constexpr uint64_t kLogBytes = 512;         // a log of this length is followed by the next
constexpr uint64_t kCompactAtBytes = 1024;  // appended to a generation with an empty snapshot
constexpr uint16_t kTombstone = 0xffff;     // in place of the value's length

enum class Bug : size_t {
  kNone,
  kNewLogUnnamed,
  kSnapshotUnnamed,
  kRenameUnsynced,
  kCurrentUnsynced,
  kSnapshotUnsynced,
  kLogRotatedUnsynced,
  kUnlinkFirst,
  kGarbageTail,
  kHoleInLog,
  kFsyncErrorIgnored,
  kSizeBeforeData,
  kNeverSyncs,
  kControlDsync,
  kCount
};

constexpr std::string_view kName = "canary-filelog";
constexpr Planting kPlantings[] = {
    {kName, "new-log-unnamed", "missing directory sync", 'D',
     "the directory is not synced after a new log was made: its records are lost with its name"},
    {kName, "snapshot-unnamed", "missing directory sync", 'D',
     "CURRENT is replaced before the log that it names has a durable name: nothing can be opened"},
    {kName, "rename-unsynced", "missing directory sync", 'D',
     "the directory is not synced after CURRENT was replaced: the old one names removed logs"},
    {kName, "current-unsynced", "rename before data", 'O',
     "the new CURRENT is not synced before the rename: an empty one takes the old one's place"},
    {kName, "snapshot-unsynced", "rename before data", 'O',
     "the snapshot is not synced before CURRENT names it: all pairs are lost"},
    {kName, "log-rotated-unsynced", "log rotated unsynced", 'D',
     "a full log is not synced when the next one takes over: its last record is lost"},
    {kName, "unlink-first", "unlink before rename durable", 'O',
     "the old logs are removed before the new CURRENT is durable: the old one names nothing"},
    {kName, "garbage-tail", "garbage tail accepted", 'A',
     "recovery applies a record and only then looks at its checksum: a torn value is served"},
    {kName, "hole-in-log", "hole in the log", 'O',
     "recovery does not mind missing numbers: what follows a lost record survives it (prefix)"},
    {kName, "fsync-error-ignored", "fsync error ignored", 'D',
     "a sync that failed is tried again and then believed: the kernel has dropped the data"},
    {kName, "size-before-data", "size before data", 'A',
     "a record that ends where the file ends is taken for whole: the size can survive alone"},
    {kName, "never-syncs", "no sync at all", 'D',
     "nothing is ever synced: what the kernel has not written back by itself is lost"},
    {kName, "control-dsync", "synchronous writes in place of syncs", '-',
     "logs are opened with O_DSYNC and never synced"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

constexpr Durability kDurabilities[] = {Durability::kPowerFail, Durability::kPrefix};

constexpr const char* kCurrent = "CURRENT";
constexpr const char* kNewCurrent = "CURRENT.new";

std::string LogName(uint64_t generation, uint64_t index) {
  return fmt::format("log-{:06}-{:04}", generation, index);
}

// The generation of a log by its name; nothing for a file that is none of ours.
std::optional<uint64_t> GenerationOf(std::string_view name) {
  constexpr std::string_view kPrefix = "log-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const char* const end = name.data() + name.size();
  uint64_t generation = 0, index = 0;
  const auto first = std::from_chars(name.data() + kPrefix.size(), end, generation);
  if (first.ec != std::errc() || first.ptr == end) return std::nullopt;
  if (std::from_chars(first.ptr + 1, end, index).ec != std::errc()) return std::nullopt;
  if (generation > UINT32_MAX || name != LogName(generation, index)) return std::nullopt;
  return generation;
}

bool IsLeftover(std::string_view name) { return name == kNewCurrent || GenerationOf(name); }

constexpr StoreLayout kLayout = {"canary-filelog", kCurrent, IsLeftover};

// What CURRENT holds.
struct Current {
  uint64_t generation = 0;
  uint64_t snapshot_records = 0;

  std::string Text() const {
    const std::string text = fmt::format("{} {}", generation, snapshot_records);
    return fmt::format("{} {:016x}\n", text, HashOf(text));
  }
  static std::optional<Current> Parse(std::string_view text) {
    Current current;
    const char* const end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, current.generation);
    if (first.ec != std::errc() || first.ptr == end) return std::nullopt;
    (void)std::from_chars(first.ptr + 1, end, current.snapshot_records);
    if (text != current.Text()) return std::nullopt;
    return current;
  }
};

struct Header {
  uint64_t checksum = 0;
  uint32_t number = 0;
  uint16_t key_bytes = 0;
  uint16_t value_field = 0;
};
static_assert(sizeof(Header) == 16);

struct Record {
  Header header;
  std::string_view key;
  std::string_view value;

  uint64_t bytes() const { return sizeof(Header) + key.size() + value.size(); }
  bool is_tombstone() const { return header.value_field == kTombstone; }
  uint64_t Checksum(uint64_t generation) const {
    const uint64_t lengths = header.key_bytes | (uint64_t{header.value_field} << 16);
    const uint64_t place = generation << 32 | header.number;
    return HashOf(key) ^ (HashOf(value) + lengths + 1) * (2 * place + 1);
  }
};

std::string Encode(Record record, uint64_t generation) {
  record.header.checksum = record.Checksum(generation);
  std::string bytes(sizeof(Header), '\0');
  std::memcpy(bytes.data(), &record.header, sizeof(Header));
  return bytes.append(record.key).append(record.value);
}

// What may be a record at the beginning of `bytes`; nothing if it cannot be one.
std::optional<Record> Decode(std::string_view bytes) {
  Record record;
  if (bytes.size() < sizeof(Header)) return std::nullopt;
  std::memcpy(&record.header, bytes.data(), sizeof(Header));
  bytes.remove_prefix(sizeof(Header));
  const size_t key_bytes = record.header.key_bytes;
  const size_t value_bytes = record.is_tombstone() ? 0 : record.header.value_field;
  if (key_bytes == 0 || key_bytes > kMaxKeyBytes || value_bytes > kMaxValueBytes ||
      key_bytes + value_bytes > bytes.size()) {
    return std::nullopt;
  }
  record.key = bytes.substr(0, key_bytes);
  record.value = bytes.substr(key_bytes, value_bytes);
  return record;
}

class FileLog final : public FileCanary<Bug> {
 public:
  FileLog(std::unique_ptr<Files> files, const EngineOptions& options, Bug bug)
      : FileCanary(std::move(files), options, bug), durability_(options.durability) {}
  ~FileLog() override { (void)DoClose(); }

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return pairs_.size(); }
  Status DoSync() override;
  Status DoClose() override;

  Status Replay(const Current& current);
  uint64_t ReplayLog(std::string_view bytes, uint64_t next_number);
  bool IsWhole(const Record& record, bool ends_the_file) const;
  void ApplyRecord(const Record& record);
  Status Log(std::string_view key, std::string_view value, uint16_t value_field);
  Status Rotate();
  Status BeginGeneration();
  Status RemoveOthers();
  Result<std::unique_ptr<File>> CreateLog(uint64_t index);
  Status SyncLog(File* log);
  // Whether a sync is made that the bug `without` leaves out.
  bool Syncs(Bug without) const { return bug_ != without && bug_ != Bug::kNeverSyncs; }

  const Durability durability_;
  std::map<std::string, std::string, std::less<>> pairs_;
  uint64_t generation_ = 0;
  uint32_t next_number_ = 0;
  uint64_t snapshot_bytes_ = 0;
  uint64_t appended_bytes_ = 0;  // behind the snapshot
  std::unique_ptr<File> log_;    // the last one
  uint64_t log_index_ = 0;
  uint64_t log_bytes_ = 0;
  std::vector<std::unique_ptr<File>> unsynced_logs_;  // before the last one
  bool log_is_new_ = false;                           // its name is not durable yet
};

Status FileLog::Recover() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->List());
  if (std::find(names.begin(), names.end(), kCurrent) != names.end()) {
    ASSIGN_OR_RETURN(const std::string text, files_->Read(kCurrent));
    const std::optional<Current> current = Current::Parse(text);
    if (!current) return Corrupt("CURRENT names no generation");
    RETURN_IF_ERROR(Replay(*current));
  }
  for (const std::string& name : names) {
    generation_ = std::max(generation_, GenerationOf(name).value_or(0));
  }
  // Not written over: half a rename would leave it and CURRENT names of one file.
  if (std::find(names.begin(), names.end(), kNewCurrent) != names.end()) {
    RETURN_IF_ERROR(files_->Unlink(kNewCurrent));
  }
  return BeginGeneration();
}

Status FileLog::Replay(const Current& current) {
  generation_ = current.generation;
  uint64_t next_number = 0;
  for (uint64_t index = 0;; ++index) {
    const Result<std::string> bytes = files_->Read(LogName(generation_, index));
    if (bytes.status().IsNotFound() && index > 0) return Status::Ok();
    if (bytes.status().IsNotFound()) return Corrupt("CURRENT names a log that is not there");
    RETURN_IF_ERROR(bytes.status());
    next_number = ReplayLog(*bytes, next_number);
    if (next_number < current.snapshot_records) return Corrupt("the snapshot is not whole");
  }
}

// The number of the record that has to come next.
uint64_t FileLog::ReplayLog(std::string_view bytes, uint64_t next_number) {
  while (const std::optional<Record> record = Decode(bytes)) {
    if (bug_ == Bug::kGarbageTail) ApplyRecord(*record);
    if (!IsWhole(*record, record->bytes() == bytes.size())) break;
    if (record->header.number != next_number && bug_ != Bug::kHoleInLog) break;
    ApplyRecord(*record);
    next_number = uint64_t{record->header.number} + 1;
    bytes.remove_prefix(record->bytes());
  }
  return next_number;
}

bool FileLog::IsWhole(const Record& record, bool ends_the_file) const {
  if (bug_ == Bug::kSizeBeforeData && ends_the_file) return true;
  return record.header.checksum == record.Checksum(generation_);
}

void FileLog::ApplyRecord(const Record& record) {
  const std::string key(record.key);
  if (record.is_tombstone()) {
    pairs_.erase(key);
  } else {
    pairs_[key] = record.value;
  }
}

// What is written here is new: an error leaves the old generation as it was.
Status FileLog::BeginGeneration() {
  ++generation_;
  next_number_ = 0;
  std::string snapshot;
  for (const auto& [key, value] : pairs_) {
    const Header header = {.number = next_number_++,
                           .key_bytes = static_cast<uint16_t>(key.size()),
                           .value_field = static_cast<uint16_t>(value.size())};
    snapshot += Encode({header, key, value}, generation_);
  }
  unsynced_logs_.clear();
  ASSIGN_OR_RETURN(log_, CreateLog(0));
  log_bytes_ = snapshot_bytes_ = snapshot.size();
  appended_bytes_ = 0;
  RETURN_IF_ERROR(log_->Write(0, snapshot));
  if (Syncs(Bug::kSnapshotUnsynced)) RETURN_IF_ERROR(SyncLog(log_.get()));

  ASSIGN_OR_RETURN(const auto current, files_->Create(kNewCurrent, WriteMode::kSync));
  RETURN_IF_ERROR(current->Write(0, Current{generation_, pairs_.size()}.Text()));
  if (Syncs(Bug::kCurrentUnsynced)) RETURN_IF_ERROR(current->Sync());
  // The log's name must be durable before CURRENT has it.
  if (Syncs(Bug::kSnapshotUnnamed)) RETURN_IF_ERROR(files_->SyncDirectory());
  log_is_new_ = false;
  RETURN_IF_ERROR(files_->Rename(kNewCurrent, kCurrent));
  if (bug_ == Bug::kUnlinkFirst) RETURN_IF_ERROR(RemoveOthers());
  // Until now a crash can bring back the old CURRENT, which needs its logs.
  if (Syncs(Bug::kRenameUnsynced)) RETURN_IF_ERROR(files_->SyncDirectory());
  return RemoveOthers();
}

// Logs of other generations. What a crash brings back is removed when it is opened again.
Status FileLog::RemoveOthers() {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->List());
  for (const std::string& name : names) {
    const std::optional<uint64_t> generation = GenerationOf(name);
    if (generation && *generation != generation_) RETURN_IF_ERROR(files_->Unlink(name));
  }
  return Status::Ok();
}

Result<std::unique_ptr<File>> FileLog::CreateLog(uint64_t index) {
  const WriteMode mode = bug_ == Bug::kControlDsync ? WriteMode::kSynchronous : WriteMode::kSync;
  log_index_ = index;
  return files_->Create(LogName(generation_, index), mode);
}

Status FileLog::SyncLog(File* log) {
  if (!Syncs(Bug::kControlDsync)) return Status::Ok();
  const Status status = log->Sync();
  if (bug_ == Bug::kFsyncErrorIgnored && !status.ok()) return log->Sync();
  return status;
}

Status FileLog::Rotate() {
  if (bug_ != Bug::kLogRotatedUnsynced) unsynced_logs_.push_back(std::move(log_));
  ASSIGN_OR_RETURN(log_, CreateLog(log_index_ + 1));
  log_bytes_ = 0;
  log_is_new_ = true;
  return Status::Ok();
}

Status FileLog::DoSync() {
  for (const auto& log : unsynced_logs_) RETURN_IF_ERROR(SyncLog(log.get()));
  unsynced_logs_.clear();
  RETURN_IF_ERROR(SyncLog(log_.get()));
  if (log_is_new_ && Syncs(Bug::kNewLogUnnamed)) RETURN_IF_ERROR(files_->SyncDirectory());
  log_is_new_ = false;
  return Status::Ok();
}

Status FileLog::Log(std::string_view key, std::string_view value, uint16_t value_field) {
  const Record record = {{.number = next_number_,
                          .key_bytes = static_cast<uint16_t>(key.size()),
                          .value_field = value_field},
                         key,
                         value};
  RETURN_IF_ERROR(log_->Write(log_bytes_, Encode(record, generation_)));
  ++next_number_;
  log_bytes_ += record.bytes();
  appended_bytes_ += record.bytes();
  if (log_bytes_ >= kLogBytes) RETURN_IF_ERROR(Rotate());
  if (durability_ == Durability::kPowerFail) RETURN_IF_ERROR(DoSync());
  ApplyRecord(record);
  if (appended_bytes_ < kCompactAtBytes + snapshot_bytes_ / 2) return Status::Ok();
  return BeginGeneration();
}

Status FileLog::DoPut(std::string_view key, std::string_view value) {
  if (pairs_.size() == kMaxPairs && pairs_.find(key) == pairs_.end()) return Full();
  return Change([&] { return Log(key, value, static_cast<uint16_t>(value.size())); });
}

Status FileLog::DoDelete(std::string_view key) {
  if (pairs_.find(key) == pairs_.end()) return Status::NotFound();
  return Change([&] { return Log(key, {}, kTombstone); });
}

Result<std::string_view> FileLog::DoGet(std::string_view key) {
  const auto found = pairs_.find(key);
  if (found == pairs_.end()) return Status::NotFound();
  return std::string_view(found->second);
}

void FileLog::DoForEach(PairVisitor visit) {
  for (const auto& [key, value] : pairs_) {
    if (!visit(key, value)) return;
  }
}

Status FileLog::DoClose() {
  if (files_ == nullptr) return Status::Ok();
  // There is no log where recovery has failed.
  const bool owes_sync = durability_ == Durability::kPrefix && log_ != nullptr;
  const Status status = owes_sync ? Change([&] { return DoSync(); }) : Status::Ok();
  unsynced_logs_.clear();
  log_.reset();
  files_.reset();
  return status;
}

Result<std::unique_ptr<Engine>> OpenFilelog(const EngineOptions& options) {
  return OpenFileCanary<FileLog>(options, kLayout, kPlantings);
}

Result<std::unique_ptr<Engine>> OpenFilelogOn(std::unique_ptr<Files> files,
                                              const EngineOptions& options) {
  return OpenFileCanaryOn<FileLog>(std::move(files), options, kPlantings);
}

}  // namespace

constinit const Structure kFilelogStructure = {
    .name = kName,
    .description = "append log in files: rotation, CURRENT by rename, compaction",
    .open = OpenFilelog,
    .plantings = kPlantings,
    .open_on = OpenFilelogOn,
    .durabilities = kDurabilities};

}  // namespace fencepost::canary
