// SPDX-License-Identifier: BSD-3-Clause
#include "harness/oracle/history_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace fencepost {
namespace {

using Json = nlohmann::ordered_json;
using Kind = HistoryOp::Kind;
using Outcome = HistoryOp::Outcome;

constexpr std::array<std::pair<std::string_view, Kind>, 4> kKinds{{
    {"write", Kind::kWrite},
    {"read", Kind::kRead},
    {"read-all", Kind::kReadAll},
    {"sync", Kind::kSync},
}};
constexpr std::array<std::pair<std::string_view, Outcome>, 3> kOutcomes{{
    {"done", Outcome::kDone},
    {"refused", Outcome::kRefused},
    {"unknown", Outcome::kUnknown},
}};

template <typename T, size_t N>
std::string_view NameOf(const std::array<std::pair<std::string_view, T>, N>& table, T value) {
  for (const auto& [name, named] : table) {
    if (named == value) return name;
  }
  CHECK(false);
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    hex.push_back(kDigits[static_cast<uint8_t>(c) & 0xf]);
  }
  return hex;
}

Json MaybeHex(const std::optional<std::string>& bytes) {
  return bytes ? Json(Hex(*bytes)) : Json(nullptr);
}

Json Pairs(const StoreContents& contents) {
  Json pairs = Json::array();
  for (const auto& [key, value] : contents) {
    pairs.push_back({{"key", Hex(key)}, {"value", Hex(value)}});
  }
  return pairs;
}

// Reads lines into a history. A function that fails says what is wrong; the caller says where.
class LineReader {
 public:
  explicit LineReader(History* history) : history_(history) {}

  Status Take(std::string_view line) {
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return Status::Corrupt("not a JSON object");
    if (json.contains("initial")) return TakeInitial(json);
    if (json.contains("end")) return TakeEnd(json);
    return TakeBegin(json);
  }

  bool Answered(uint64_t id) const { return answered_.contains(id); }

 private:
  Status TakeInitial(const Json& json) {
    if (initial_seen_) return Status::Corrupt("a second \"initial\"");
    initial_seen_ = true;
    ASSIGN_OR_RETURN(history_->initial, ParsePairs(json, "initial"));
    return Status::Ok();
  }

  Status TakeBegin(const Json& json) {
    HistoryOp op;
    ASSIGN_OR_RETURN(op.id, Number(json, "id"));
    ASSIGN_OR_RETURN(const uint64_t thread, Number(json, "thread"));
    if (thread > std::numeric_limits<uint32_t>::max())
      return Status::Corrupt("\"thread\" too large");
    op.thread = static_cast<uint32_t>(thread);
    ASSIGN_OR_RETURN(op.kind, Named(json, "kind", kKinds));
    if (op.kind == Kind::kRead) {
      ASSIGN_OR_RETURN(op.key, Bytes(json, "key"));
    } else if (op.kind == Kind::kWrite) {
      ASSIGN_OR_RETURN(op.writes, ParseWrites(json));
      if (json.contains("replaces")) {
        ASSIGN_OR_RETURN(op.replaces, Bytes(json, "replaces"));
      }
    }
    if (!place_.emplace(op.id, history_->operations.size()).second) {
      return Status::Corrupt(fmt::format("a second operation {}", op.id));
    }
    history_->operations.push_back(std::move(op));
    return Status::Ok();
  }

  Status TakeEnd(const Json& json) {
    ASSIGN_OR_RETURN(const uint64_t id, Number(json, "end"));
    const auto place = place_.find(id);
    if (place == place_.end())
      return Status::Corrupt(fmt::format("operation {} did not begin", id));
    if (!answered_.insert(id).second) {
      return Status::Corrupt(fmt::format("operation {} ends twice", id));
    }
    HistoryOp& op = history_->operations[place->second];
    ASSIGN_OR_RETURN(op.outcome, Named(json, "outcome", kOutcomes));
    if (op.outcome != Outcome::kDone) return Status::Ok();
    if (op.kind == Kind::kRead) {
      ASSIGN_OR_RETURN(op.found, MaybeBytes(json, "found"));
    } else if (op.kind == Kind::kReadAll) {
      ASSIGN_OR_RETURN(op.contents, ParsePairs(json, "contents"));
    }
    return Status::Ok();
  }

  static Result<std::vector<KeyWrite>> ParseWrites(const Json& json) {
    const auto writes = json.find("writes");
    if (writes == json.end() || !writes->is_array()) return Status::Corrupt("no array \"writes\"");
    std::vector<KeyWrite> parsed;
    std::set<std::string> keys;
    for (const Json& write : *writes) {
      KeyWrite& change = parsed.emplace_back();
      ASSIGN_OR_RETURN(change.key, Bytes(write, "key"));
      ASSIGN_OR_RETURN(change.value, MaybeBytes(write, "value"));
      if (!keys.insert(change.key).second) return Status::Corrupt("a key twice in one write");
    }
    return parsed;
  }

  static Result<StoreContents> ParsePairs(const Json& json, const char* name) {
    const auto pairs = json.find(name);
    if (pairs == json.end() || !pairs->is_array()) {
      return Status::Corrupt(fmt::format("no array \"{}\"", name));
    }
    StoreContents contents;
    for (const Json& pair : *pairs) {
      ASSIGN_OR_RETURN(std::string key, Bytes(pair, "key"));
      ASSIGN_OR_RETURN(std::string value, Bytes(pair, "value"));
      if (!contents.emplace(std::move(key), std::move(value)).second) {
        return Status::Corrupt(fmt::format("a key twice in \"{}\"", name));
      }
    }
    return contents;
  }

  static Result<uint64_t> Number(const Json& json, const char* name) {
    const auto number = json.find(name);
    if (number == json.end() || !number->is_number_unsigned()) {
      return Status::Corrupt(fmt::format("no number \"{}\"", name));
    }
    return number->get<uint64_t>();
  }

  template <typename T, size_t N>
  static Result<T> Named(const Json& json, const char* name,
                         const std::array<std::pair<std::string_view, T>, N>& table) {
    const auto text = json.find(name);
    if (text != json.end() && text->is_string()) {
      for (const auto& [known, value] : table) {
        if (text->get_ref<const std::string&>() == known) return value;
      }
    }
    return Status::Corrupt(fmt::format("no known \"{}\"", name));
  }

  static Result<std::string> Bytes(const Json& json, const char* name) {
    ASSIGN_OR_RETURN(std::optional<std::string> bytes, MaybeBytes(json, name));
    if (!bytes) return Status::Corrupt(fmt::format("\"{}\" is null", name));
    return *std::move(bytes);
  }

  static Result<std::optional<std::string>> MaybeBytes(const Json& json, const char* name) {
    const auto hex = json.is_object() ? json.find(name) : json.end();
    if (hex == json.end()) return Status::Corrupt(fmt::format("no \"{}\"", name));
    if (hex->is_null()) return std::optional<std::string>();
    const auto malformed = Status::Corrupt(fmt::format("\"{}\" is not hexadecimal", name));
    if (!hex->is_string()) return malformed;
    const std::string& digits = hex->get_ref<const std::string&>();
    if (digits.size() % 2 != 0) return malformed;
    std::string bytes;
    for (size_t i = 0; i < digits.size(); i += 2) {
      const int high = Digit(digits[i]);
      const int low = Digit(digits[i + 1]);
      if (high < 0 || low < 0) return malformed;
      bytes.push_back(static_cast<char>(high << 4 | low));
    }
    return std::optional<std::string>(std::move(bytes));
  }

  static int Digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  }

  History* history_;
  bool initial_seen_ = false;
  std::unordered_map<uint64_t, size_t> place_;  // by id
  std::set<uint64_t> answered_;
};

// Puts the operations where they were; leaves out those that were never called.
Status Place(const OpSpans& positions, const LineReader& reader, History* history) {
  std::vector<HistoryOp> placed;
  for (HistoryOp& op : history->operations) {
    const bool answered = reader.Answered(op.id);
    const auto span = positions.find(op.id);
    if (span == positions.end()) {
      if (!answered) continue;
      return Status::InvalidArgument(fmt::format("operation {} has no position", op.id));
    }
    if (span->second.begin >= span->second.end) {
      return Status::InvalidArgument(fmt::format("operation {} ends before it begins", op.id));
    }
    op.begin = span->second.begin;
    op.end = answered ? span->second.end : kNever;
    placed.push_back(std::move(op));
  }
  history->operations = std::move(placed);
  return Status::Ok();
}

}  // namespace

class HistoryWriter::File {
 public:
  File(int fd, std::filesystem::path path, AfterLine after_line)
      : fd_(fd), path_(std::move(path)), after_line_(std::move(after_line)) {}
  ~File() { close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  Status Append(const Json& json) {
    const std::string line = json.dump() + "\n";
    const std::lock_guard lock(mutex_);
    std::string_view left = line;
    while (!left.empty()) {
      const ssize_t written = write(fd_, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        return Status(errno == ENOSPC || errno == EDQUOT ? StatusCode::kFull : StatusCode::kIoError,
                      fmt::format("write: {}, {}", std::strerror(errno), path_.string()));
      }
      left.remove_prefix(static_cast<size_t>(written));
    }
    ++lines_;
    return after_line_ ? after_line_(lines_) : Status::Ok();
  }

 private:
  std::mutex mutex_;
  int fd_;
  std::filesystem::path path_;
  const AfterLine after_line_;
  uint64_t lines_ = 0;
};

HistoryWriter::HistoryWriter(std::unique_ptr<File> file) : file_(std::move(file)) {}
HistoryWriter::HistoryWriter(HistoryWriter&&) noexcept = default;
HistoryWriter& HistoryWriter::operator=(HistoryWriter&&) noexcept = default;
HistoryWriter::~HistoryWriter() = default;

Result<HistoryWriter> HistoryWriter::Create(const std::filesystem::path& path,
                                            AfterLine after_line) {
  constexpr mode_t kMode = 0644;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, kMode);
  if (fd < 0) {
    return Status::IoError(fmt::format("open: {}, {}", std::strerror(errno), path.string()));
  }
  return HistoryWriter(std::make_unique<File>(fd, path, std::move(after_line)));
}

Status HistoryWriter::Initial(const StoreContents& contents) {
  return file_->Append({{"initial", Pairs(contents)}});
}

Status HistoryWriter::Begin(const HistoryOp& op) {
  Json json = {{"id", op.id}, {"thread", op.thread}, {"kind", NameOf(kKinds, op.kind)}};
  if (op.kind == Kind::kRead) json["key"] = Hex(op.key);
  if (op.kind == Kind::kWrite) {
    Json& writes = json["writes"] = Json::array();
    for (const KeyWrite& write : op.writes) {
      writes.push_back({{"key", Hex(write.key)}, {"value", MaybeHex(write.value)}});
    }
    if (op.replaces) json["replaces"] = Hex(*op.replaces);
  }
  return file_->Append(json);
}

Status HistoryWriter::End(uint64_t id, Outcome outcome, const std::optional<std::string>& found) {
  return file_->Append(
      {{"end", id}, {"outcome", NameOf(kOutcomes, outcome)}, {"found", MaybeHex(found)}});
}

Status HistoryWriter::EndReadAll(uint64_t id, Outcome outcome, const StoreContents& contents) {
  return file_->Append(
      {{"end", id}, {"outcome", NameOf(kOutcomes, outcome)}, {"contents", Pairs(contents)}});
}

Result<History> ReadHistory(const std::filesystem::path& path, const OpSpans& positions,
                            bool* cut) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return Status::IoError(fmt::format("open: {}, {}", std::strerror(errno), path.string()));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return Status::IoError(fmt::format("read: {}", path.string()));
  History history;
  LineReader reader(&history);
  std::string_view left = text;
  for (size_t number = 1;; ++number) {
    const size_t length = left.find('\n');
    if (length == std::string_view::npos) break;
    if (const Status status = reader.Take(left.substr(0, length)); !status.ok()) {
      return Status::Corrupt(fmt::format("{}:{}: {}", path.string(), number, status.message()));
    }
    left.remove_prefix(length + 1);
  }
  if (cut) *cut = !left.empty();
  if (Status status = Place(positions, reader, &history); !status.ok()) {
    return Status(status.code(), fmt::format("{}: {}", path.string(), status.message()));
  }
  return history;
}

}  // namespace fencepost
