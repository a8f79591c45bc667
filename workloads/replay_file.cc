// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/replay_file.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "workloads/keys.h"
#include "workloads/rng.h"
#include "workloads/values.h"

namespace fencepost {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;
constexpr size_t kKeyChunkBytes = size_t{1} << 20;
// Three bytes for each of the key's, and the other fields.
constexpr size_t kMaxLineBytes = 3 * ReplayFile::kMaxKeyBytes + 64;
constexpr uint32_t kUnknownBytes = UINT32_MAX;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// As much of `text` as is good in a message, bytes that are not ASCII escaped.
std::string Quoted(std::string_view text) {
  constexpr size_t kMost = 32;
  return fmt::format("'{}{}'", EscapeKey(text.substr(0, kMost)), text.size() > kMost ? "..." : "");
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// A descriptor that is closed.
class File {
 public:
  explicit File(const std::filesystem::path& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

class ReplayFileReader {
 public:
  ReplayFileReader(const std::filesystem::path& path, const ReplayFile::Options& options)
      : path_(path), options_(options), file_(std::make_shared<ReplayFile>()) {
    XXH3_64bits_reset(&hash_);
    slots_.resize(size_t{1} << 10);
  }

  Result<std::shared_ptr<const ReplayFile>> Read();

 private:
  // What is known of a key while reading.
  struct KeyState {
    uint32_t load_bytes = kUnknownBytes;
    uint32_t largest_bytes = 0;
    uint32_t last_bytes = 0;
    bool loaded = false;
    bool present = false;
    bool ever_stored = false;
  };

  enum class Word : uint8_t { kGet, kTryGet, kPut, kDelete };

  Status ReadLines(int fd);
  Status TakeLine(std::string_view line);
  Status TakeOperation(Word word, std::string_view key, std::optional<uint32_t> bytes);
  OpKind KindOf(Word word, std::optional<uint32_t> bytes, KeyState* state) const;
  void Append(const ReplayFile::Operation& operation);
  Result<std::string_view> DecodeKey(std::string_view field);
  // The key's place in order of first appearance, and whether this is that first one.
  uint64_t FindOrAdd(std::string_view key, bool* is_new);
  const char* Keep(std::string_view key);
  void GrowSlots();
  Status CheckMemory() const;
  void Number();
  void Summarize();
  Status Error(std::string_view what) const {
    return Status::InvalidArgument(fmt::format("{}:{}: {}", path_.string(), line_number_, what));
  }
  Status CallError(std::string_view call, int error) const {
    return Status::InvalidArgument(
        fmt::format("{}: {}, {}", call, std::strerror(error), path_.string()));
  }

  const std::filesystem::path path_;
  const ReplayFile::Options options_;
  std::shared_ptr<ReplayFile> file_;
  XXH3_state_t hash_;
  uint64_t line_number_ = 0;
  bool any_line_ = false;  // that was not skipped
  bool full_ = false;      // as many operations as were wanted
  std::string decoded_;
  size_t key_chunk_left_ = 0;
  char* key_chunk_next_ = nullptr;
  std::vector<KeyState> states_;  // by order of first appearance, like file_->keys_ while reading
  std::vector<uint32_t> slots_;   // a hash table of places in that order, plus 1; 0: free
};

Result<std::shared_ptr<const ReplayFile>> ReplayFileReader::Read() {
  const File file(path_);
  if (file.fd() < 0) return CallError("open", errno);
  struct stat info;
  if (fstat(file.fd(), &info) == 0 && S_ISDIR(info.st_mode)) return CallError("read", EISDIR);
  file_->path_ = path_;
  RETURN_IF_ERROR(ReadLines(file.fd()));
  file_->file_xxh3_ = XXH3_64bits_digest(&hash_);
  if (file_->operation_count_ == 0) {
    return Status::InvalidArgument(fmt::format("{}: has no operation", path_.string()));
  }
  Summarize();
  Number();
  return std::shared_ptr<const ReplayFile>(std::move(file_));
}

Status ReplayFileReader::ReadLines(int fd) {
  std::vector<char> buffer(kReadBytes + kMaxLineBytes);
  size_t held = 0;  // bytes of a line that has begun
  for (;;) {
    const ssize_t got = read(fd, buffer.data() + held, kReadBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CallError("read", errno);
    XXH3_64bits_update(&hash_, buffer.data() + held, static_cast<size_t>(got));
    file_->file_bytes_ += static_cast<uint64_t>(got);
    std::string_view rest(buffer.data(), held + static_cast<size_t>(got));
    while (!full_) {
      const size_t end = rest.find('\n');
      // The last line may lack its end.
      if (end == std::string_view::npos && (got > 0 || rest.empty())) break;
      RETURN_IF_ERROR(TakeLine(rest.substr(0, end)));
      rest.remove_prefix(std::min(rest.size(), end == std::string_view::npos ? end : end + 1));
    }
    if (got == 0) return Status::Ok();
    held = full_ ? 0 : rest.size();
    if (held > kMaxLineBytes) {
      ++line_number_;
      return Error(fmt::format("a line of more than {} bytes: is this a trace?", kMaxLineBytes));
    }
    std::memmove(buffer.data(), rest.data(), held);
  }
}

Status ReplayFileReader::TakeLine(std::string_view line) {
  if (++line_number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty() || line.front() == '#') return Status::Ok();
  if (!std::exchange(any_line_, true) && line == "op,key,size") return Status::Ok();
  const size_t op_end = line.find(',');
  const std::string_view op = line.substr(0, op_end);
  constexpr std::pair<std::string_view, Word> kWords[] = {{"get", Word::kGet},
                                                          {"put", Word::kPut},
                                                          {"tryget", Word::kTryGet},
                                                          {"delete", Word::kDelete}};
  const auto word = std::find_if(std::begin(kWords), std::end(kWords),
                                 [&](const auto& known) { return known.first == op; });
  if (word == std::end(kWords)) {
    return Error(fmt::format("op {}: must be get, tryget, put or delete", Quoted(op)));
  }
  if (op_end == std::string_view::npos) return Error("no key: a line is op,key,size");
  line.remove_prefix(op_end + 1);
  const size_t key_end = std::min(line.find(','), line.size());
  const std::string_view size = line.substr(std::min(key_end + 1, line.size()));
  std::optional<uint32_t> bytes;
  if (!size.empty()) {
    uint32_t number = 0;
    const char* end = size.data() + size.size();
    const auto [rest, error] = std::from_chars(size.data(), end, number);
    if (error == std::errc::result_out_of_range || number > ReplayFile::kMaxValueBytes) {
      return Error(fmt::format("size {}: at most {}", Quoted(size), ReplayFile::kMaxValueBytes));
    }
    if (size.find(',') != std::string_view::npos) {
      return Error("more than op,key,size: a comma in a key is %2C");
    }
    if (error != std::errc() || rest != end) {
      return Error(fmt::format("size {}: must be a number of bytes", Quoted(size)));
    }
    bytes = number;
  }
  ASSIGN_OR_RETURN(const std::string_view key, DecodeKey(line.substr(0, key_end)));
  if (word->second == Word::kPut && !bytes) return Error("put needs a size");
  return TakeOperation(word->second, key, bytes);
}

Result<std::string_view> ReplayFileReader::DecodeKey(std::string_view field) {
  const auto control = std::find_if(field.begin(), field.end(), IsControl);
  if (control != field.end()) {
    const auto byte = static_cast<unsigned char>(*control);
    return Error(
        fmt::format("key {}: byte 0x{:02x} must be written %{:02X}", Quoted(field), byte, byte));
  }
  if (field.find('%') != std::string_view::npos) {
    decoded_.clear();
    for (size_t i = 0; i < field.size(); ++i) {
      if (field[i] != '%') {
        decoded_.push_back(field[i]);
        continue;
      }
      const int high = i + 2 < field.size() ? HexDigit(field[i + 1]) : -1;
      const int low = i + 2 < field.size() ? HexDigit(field[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Error(
            fmt::format("key {}: % must be followed by two hexadecimal digits; a percent "
                        "sign is %25",
                        Quoted(field)));
      }
      decoded_.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
    field = decoded_;
  }
  if (field.empty()) return Error("an empty key");
  if (field.size() > ReplayFile::kMaxKeyBytes) {
    return Error(
        fmt::format("a key of {} bytes: at most {}", field.size(), ReplayFile::kMaxKeyBytes));
  }
  return field;
}

Status ReplayFileReader::TakeOperation(Word word, std::string_view key,
                                       std::optional<uint32_t> bytes) {
  bool is_new = false;
  const uint64_t place = FindOrAdd(key, &is_new);
  KeyState& state = states_[place];
  if (is_new && word == Word::kGet && options_.load == TraceLoad::kGets) {
    state.loaded = state.present = state.ever_stored = true;
  }
  const OpKind kind = KindOf(word, bytes, &state);
  const bool writes = word == Word::kPut;
  Append({kind, place, writes ? *bytes : 0});
  full_ = options_.max_operations > 0 && file_->operation_count_ >= options_.max_operations;
  return is_new || file_->operation_count_ % ReplayFile::kChunk == 1 ? CheckMemory() : Status::Ok();
}

// Also takes down what the operation does to the key.
OpKind ReplayFileReader::KindOf(Word word, std::optional<uint32_t> bytes, KeyState* state) const {
  if (state->loaded && state->load_bytes == kUnknownBytes && bytes && word != Word::kDelete) {
    state->load_bytes = state->last_bytes = *bytes;
    state->largest_bytes = std::max(state->largest_bytes, *bytes);
  }
  switch (word) {
    case Word::kGet:
    case Word::kTryGet:
      return state->present ? OpKind::kRead : OpKind::kMiss;
    case Word::kPut:
      state->largest_bytes = std::max(state->largest_bytes, *bytes);
      state->last_bytes = *bytes;
      state->ever_stored = true;
      return std::exchange(state->present, true) ? OpKind::kUpdate : OpKind::kInsert;
    case Word::kDelete:
      state->present = false;
      return OpKind::kDelete;
  }
  CHECK(false);
}

void ReplayFileReader::Append(const ReplayFile::Operation& operation) {
  const uint64_t index = file_->operation_count_++;
  if (index % ReplayFile::kChunk == 0) {
    file_->operations_.push_back(std::make_unique_for_overwrite<uint64_t[]>(ReplayFile::kChunk));
  }
  file_->operations_.back()[index % ReplayFile::kChunk] = ReplayFile::Pack(operation);
  ++file_->counts_[static_cast<size_t>(operation.kind)];
}

uint64_t ReplayFileReader::FindOrAdd(std::string_view key, bool* is_new) {
  std::vector<ReplayFile::Key>& keys = file_->keys_;
  const uint32_t hash = KeyHash(key);
  const size_t mask = slots_.size() - 1;
  size_t slot = MixBits(hash) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const ReplayFile::Key& known = keys[slots_[slot] - 1];
    if (known.key_hash == hash && std::string_view(known.bytes, known.length) == key) {
      return slots_[slot] - 1;
    }
  }
  *is_new = true;
  keys.push_back({Keep(key), hash, static_cast<uint32_t>(key.size())});
  states_.emplace_back();
  slots_[slot] = static_cast<uint32_t>(keys.size());
  if (keys.size() * 2 > slots_.size()) GrowSlots();
  return keys.size() - 1;
}

const char* ReplayFileReader::Keep(std::string_view key) {
  if (key.size() > key_chunk_left_) {
    file_->key_bytes_.push_back(std::make_unique_for_overwrite<char[]>(kKeyChunkBytes));
    key_chunk_next_ = file_->key_bytes_.back().get();
    key_chunk_left_ = kKeyChunkBytes;
  }
  char* kept = key_chunk_next_;
  std::copy(key.begin(), key.end(), kept);
  key_chunk_next_ += key.size();
  key_chunk_left_ -= key.size();
  return kept;
}

void ReplayFileReader::GrowSlots() {
  const size_t mask = slots_.size() * 2 - 1;
  slots_.assign(mask + 1, 0);
  for (size_t place = 0; place < file_->keys_.size(); ++place) {
    size_t slot = MixBits(file_->keys_[place].key_hash) & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<uint32_t>(place + 1);
  }
}

Status ReplayFileReader::CheckMemory() const {
  // The tables that grow by doubling are there twice while they do.
  const uint64_t key_bytes = file_->keys_.capacity() * sizeof(ReplayFile::Key) +
                             states_.capacity() * sizeof(KeyState) +
                             slots_.size() * sizeof(uint32_t);
  const uint64_t bytes = file_->operations_.size() * ReplayFile::kChunk * sizeof(uint64_t) +
                         file_->key_bytes_.size() * kKeyChunkBytes + key_bytes;
  const bool numbers_left = file_->keys_.size() < (uint64_t{1} << ReplayFile::kNumberBits);
  if (bytes <= options_.max_bytes && numbers_left) return Status::Ok();
  return Error(
      fmt::format("{} operations on {} keys take {} MiB of memory, more than "
                  "fencepost.trace_memory_bytes; operationcount replays a part",
                  file_->operation_count_, file_->keys_.size(), bytes >> 20));
}

void ReplayFileReader::Summarize() {
  double key_bytes = 0, largest = 0, last = 0;
  uint64_t least = UINT64_MAX;
  ReplayFile& file = *file_;
  const auto see = [&](uint64_t bytes) {
    least = std::min(least, bytes);
    file.max_value_bytes_ = std::max(file.max_value_bytes_, bytes);
  };
  for (size_t place = 0; place < states_.size(); ++place) {
    KeyState& state = states_[place];
    file.max_key_bytes_ = std::max<uint64_t>(file.max_key_bytes_, file.keys_[place].length);
    if (state.loaded && state.load_bytes == kUnknownBytes) {
      const auto bytes = static_cast<uint32_t>(options_.default_value_bytes);
      state.load_bytes = state.last_bytes = bytes;
      state.largest_bytes = std::max(state.largest_bytes, bytes);
    }
    if (state.loaded) see(state.load_bytes);
    if (!state.ever_stored) continue;
    ++file.stored_keys_;
    key_bytes += file.keys_[place].length;
    largest += state.largest_bytes;
    last += state.last_bytes;
  }
  for (uint64_t i = 0; i < file.operation_count_; ++i) {
    const ReplayFile::Operation op = file.operation(i);
    if (op.kind == OpKind::kInsert || op.kind == OpKind::kUpdate) see(op.value_bytes);
  }
  if (file.stored_keys_ == 0) return;
  const auto stored = static_cast<double>(file.stored_keys_);
  file.min_value_bytes_ = least;
  file.key_bytes_mean_ = key_bytes / stored;
  file.largest_value_bytes_mean_ = largest / stored;
  file.last_value_bytes_mean_ = last / stored;
}

// From places in order of first appearance to numbers.
void ReplayFileReader::Number() {
  ReplayFile& file = *file_;
  std::vector<uint32_t>().swap(slots_);
  std::vector<uint32_t> numbers(states_.size());
  uint32_t next = 0;
  for (const bool loaded : {true, false}) {
    for (size_t place = 0; place < states_.size(); ++place) {
      if (states_[place].loaded != loaded) continue;
      numbers[place] = next++;
      if (loaded) file.load_bytes_.push_back(states_[place].load_bytes);
    }
  }
  std::vector<KeyState>().swap(states_);
  std::vector<ReplayFile::Key> keys(file.keys_.size());
  for (size_t place = 0; place < keys.size(); ++place) keys[numbers[place]] = file.keys_[place];
  file.keys_ = std::move(keys);
  for (uint64_t i = 0; i < file.operation_count_; ++i) {
    uint64_t& word = file.operations_[i / ReplayFile::kChunk][i % ReplayFile::kChunk];
    ReplayFile::Operation op = ReplayFile::Unpack(word);
    op.number = numbers[op.number];
    word = ReplayFile::Pack(op);
  }
}

Result<std::shared_ptr<const ReplayFile>> ReplayFile::Read(const std::filesystem::path& path,
                                                           const Options& options) {
  return ReplayFileReader(path, options).Read();
}

std::string ReplayFile::file_xxh3_text() const { return fmt::format("{:016x}", file_xxh3_); }

std::string EscapeKey(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (IsControl(c) || static_cast<unsigned char>(c) >= 0x80 || c == ',' || c == '%') {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string KeyOf(const WorkloadSpec& spec, uint64_t number) {
  if (spec.replay_file) return std::string(spec.replay_file->key(number));
  const KeyFormat format(spec.hashed_keys, spec.zero_padding);
  std::string key(format.buffer_bytes(), '\0');
  key.resize(format.Format(number, key.data()));
  return key;
}

}  // namespace fencepost
