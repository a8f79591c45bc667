// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/properties.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

namespace fencepost {
namespace {

constexpr std::string_view kBlanks = " \t\f";

bool IsBlank(char c) { return kBlanks.find(c) != std::string_view::npos; }

// One logical line: continuation lines joined, escapes still in it.
struct LogicalLine {
  std::string text;
  size_t line_number = 0;  // of its first line, from 1
};

// Splits a file into logical lines, leaving out comments and blank lines.
class LineReader {
 public:
  explicit LineReader(std::string_view file) : rest_(file) {}

  std::optional<LogicalLine> Next() {
    while (!rest_.empty()) {
      std::string_view line = NaturalLine();
      if (line.empty() || line[0] == '#' || line[0] == '!') continue;
      LogicalLine logical{"", line_number_};
      // A line continues when its last backslash is not itself escaped.
      while (EndsInEscape(line)) {
        logical.text += line.substr(0, line.size() - 1);
        if (rest_.empty()) return logical;
        line = NaturalLine();
      }
      logical.text += line;
      return logical;
    }
    return std::nullopt;
  }

 private:
  // Up to \n, \r or \r\n, without its leading blanks.
  std::string_view NaturalLine() {
    ++line_number_;
    const size_t end = std::min(rest_.find_first_of("\r\n"), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end);
    rest_.remove_prefix(rest_.starts_with("\r\n") ? 2 : rest_.empty() ? 0 : 1);
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    return line;
  }

  static bool EndsInEscape(std::string_view line) {
    const size_t last = line.find_last_not_of('\\');
    const size_t backslashes = line.size() - (last == std::string_view::npos ? 0 : last + 1);
    return backslashes % 2 == 1;
  }

  std::string_view rest_;
  size_t line_number_ = 0;
};

void AppendUtf8(uint32_t code, std::string* out) {
  const auto byte = [&](uint32_t bits) { out->push_back(static_cast<char>(bits)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | code >> 6), byte(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    byte(0xe0 | code >> 12), byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  } else {
    byte(0xf0 | code >> 18), byte(0x80 | (code >> 12 & 0x3f));
    byte(0x80 | (code >> 6 & 0x3f)), byte(0x80 | (code & 0x3f));
  }
}

// Four hexadecimal digits at the front of `text`.
std::optional<uint32_t> Hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, code, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return code;
}

// \uXXXX, or two of them that are a surrogate pair; `text` starts after "\u". Removes what it used.
std::optional<uint32_t> TakeUnicode(std::string_view* text) {
  const std::optional<uint32_t> first = Hex4(*text);
  if (!first) return std::nullopt;
  text->remove_prefix(4);
  const bool high = *first >= 0xd800 && *first < 0xdc00;
  if (!high || !text->starts_with("\\u")) return first;
  const std::optional<uint32_t> second = Hex4(text->substr(2));
  if (!second || *second < 0xdc00 || *second >= 0xe000) return first;
  text->remove_prefix(6);
  return 0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00);
}

// Resolves the escapes of a name or a value. Nothing when a \uXXXX is malformed.
std::optional<std::string> Unescape(std::string_view text) {
  constexpr std::string_view kNames = "tnrf";
  constexpr std::string_view kMeanings = "\t\n\r\f";
  std::string out;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\' || text.empty()) {
      if (c != '\\') out.push_back(c);
      continue;
    }
    const char escaped = text.front();
    text.remove_prefix(1);
    if (escaped == 'u') {
      const std::optional<uint32_t> code = TakeUnicode(&text);
      if (!code) return std::nullopt;
      AppendUtf8(*code, &out);
    } else {
      const size_t known = kNames.find(escaped);
      out.push_back(known == std::string_view::npos ? escaped : kMeanings[known]);
    }
  }
  return out;
}

// The name ends at the first '=', ':' or blank that is not escaped.
size_t NameEnd(std::string_view line) {
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '=' || line[i] == ':' || IsBlank(line[i])) {
      return i;
    }
  }
  return line.size();
}

std::string_view SkipSeparator(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  if (text.starts_with('=') || text.starts_with(':')) text.remove_prefix(1);
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

Result<std::string> ReadFile(const std::filesystem::path& path) {
  const auto failed = [&](const char* call) {
    return Status::InvalidArgument(
        fmt::format("{}: {}, {}", call, std::strerror(errno), path.string()));
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return Status::InvalidArgument(fmt::format("read: is a directory, {}", path.string()));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed("open");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return failed("read");
  if (text.find('\0') != std::string::npos) {
    return Status::InvalidArgument(fmt::format("{}: not a text file", path.string()));
  }
  return text;
}

}  // namespace

Status Properties::LoadFile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  std::vector<std::pair<std::string, Entry>> loaded;
  LineReader reader(text);
  while (const std::optional<LogicalLine> line = reader.Next()) {
    const std::string origin = fmt::format("{}:{}", path.string(), line->line_number);
    const std::string_view content = line->text;
    const size_t name_end = NameEnd(content);
    const std::optional<std::string> name = Unescape(content.substr(0, name_end));
    const std::optional<std::string> value = Unescape(SkipSeparator(content.substr(name_end)));
    if (!name || !value) {
      return Status::InvalidArgument(fmt::format("{}: malformed \\uXXXX escape", origin));
    }
    if (name->empty()) {
      return Status::InvalidArgument(fmt::format("{}: '{}' has no name", origin, content));
    }
    loaded.emplace_back(*name, Entry{*value, origin});
  }
  for (auto& [name, entry] : loaded) Put(std::move(name), std::move(entry), Layer::kFile);
  last_file_ = path;
  files_.push_back({path, std::move(text)});
  return Status::Ok();
}

Status Properties::Set(std::string_view key_equals_value) {
  const size_t equals = key_equals_value.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Status::InvalidArgument(fmt::format("-p {}: must be name=value", key_equals_value));
  }
  Put(std::string(key_equals_value.substr(0, equals)),
      Entry{std::string(key_equals_value.substr(equals + 1)), "-p"}, Layer::kOption);
  return Status::Ok();
}

void Properties::SetDefault(std::string name, std::string value) {
  if (entries_.contains(name)) return;
  Put(std::move(name), Entry{std::move(value), "default"}, Layer::kDefault);
}

void Properties::Put(std::string name, Entry entry, Layer layer) {
  const auto [known, is_new] = layers_.try_emplace(name, layer);
  if (!is_new && known->second > layer) return;
  known->second = layer;
  entries_.insert_or_assign(std::move(name), std::move(entry));
}

std::optional<std::string> Properties::Get(std::string_view name) const {
  read_.emplace(name);
  const auto found = entries_.find(std::string(name));
  if (found == entries_.end()) return std::nullopt;
  return found->second.value;
}

std::optional<std::string_view> Properties::Trimmed(std::string_view name) const {
  read_.emplace(name);
  const auto found = entries_.find(std::string(name));
  if (found == entries_.end()) return std::nullopt;
  std::string_view text = found->second.value;
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(kBlanks) + 1));
  return text;
}

Status Properties::Error(std::string_view name, std::string_view what) const {
  const auto found = entries_.find(std::string(name));
  if (found == entries_.end()) return Status::InvalidArgument(fmt::format("{}: {}", name, what));
  return Status::InvalidArgument(
      fmt::format("{}: {}={}: {}", found->second.origin, name, found->second.value, what));
}

Result<uint64_t> Properties::Uint64(std::string_view name, uint64_t default_value) const {
  const std::optional<std::string_view> text = Trimmed(name);
  if (!text) return default_value;
  uint64_t number = 0;
  const char* end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error == std::errc::result_out_of_range) return Error(name, "does not fit in 64 bits");
  if (text->starts_with('-')) return Error(name, "must not be negative");
  if (error != std::errc() || rest != end) return Error(name, "is not a whole number");
  return number;
}

Result<double> Properties::Double(std::string_view name, double default_value) const {
  const std::optional<std::string_view> text = Trimmed(name);
  if (!text) return default_value;
  double number = 0;
  const char* end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error == std::errc::result_out_of_range) return Error(name, "is out of range");
  if (error != std::errc() || rest != end || !std::isfinite(number)) {
    return Error(name, "is not a number");
  }
  return number;
}

Result<bool> Properties::Bool(std::string_view name, bool default_value) const {
  const std::optional<std::string_view> text = Trimmed(name);
  if (!text) return default_value;
  std::string lower(*text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "true") return true;
  if (lower == "false") return false;
  return Error(name, "must be true or false");
}

Result<std::string> Properties::String(std::string_view name,
                                       std::string_view default_value) const {
  return std::string(Trimmed(name).value_or(default_value));
}

Result<uint64_t> Properties::Bytes(std::string_view name, uint64_t default_value) const {
  const std::optional<std::string_view> text = Trimmed(name);
  if (!text) return default_value;
  uint64_t number = 0;
  const char* end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error == std::errc::result_out_of_range) return Error(name, "does not fit in 64 bits");
  const std::string_view suffix(rest, static_cast<size_t>(end - rest));
  const size_t power = suffix.size() == 1 ? std::string_view("KMGT").find(suffix[0]) : 0;
  if (error != std::errc() || suffix.size() > 1 || power == std::string_view::npos) {
    return Error(name, "is not a size (digits, then K, M, G or T if wanted)");
  }
  const unsigned shift = suffix.empty() ? 0 : 10 * (static_cast<unsigned>(power) + 1);
  if (shift != 0 && number > (UINT64_MAX >> shift)) return Error(name, "does not fit in 64 bits");
  return number << shift;
}

std::vector<std::pair<std::string, Properties::Entry>> Properties::Unread() const {
  std::vector<std::pair<std::string, Entry>> unread;
  for (const auto& [name, entry] : entries_) {
    if (layers_.at(name) != Layer::kDefault && !read_.contains(name)) {
      unread.emplace_back(name, entry);
    }
  }
  return unread;
}

}  // namespace fencepost
