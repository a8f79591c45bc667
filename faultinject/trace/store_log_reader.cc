// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/store_log_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "faultinject/trace/trace_writer.h"

namespace fencepost {
namespace {

constexpr uint32_t kThread = 1;
constexpr size_t kMaxRecordBytes = size_t{1} << 20;
constexpr uint64_t kMaxStoreBytes = 8;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

int WriteToFile(void* file, const void* bytes, size_t count) {
  const bool all = std::fwrite(bytes, 1, count, static_cast<std::FILE*>(file)) == count;
  return all ? 0 : errno != 0 ? errno : EIO;
}

// "0x1f"
std::optional<uint64_t> ParseHex(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + 2, end, value, 16);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

// What is before the next ';', which is taken off as well.
std::string_view TakeField(std::string_view* rest) {
  const size_t end = rest->find(';');
  const std::string_view field = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return field;
}

// What is behind the last ';', which is taken off as well.
std::string_view TakeLastField(std::string_view* rest) {
  const size_t begin = rest->rfind(';');
  if (begin == std::string_view::npos) return {};
  const std::string_view field = rest->substr(begin + 1);
  rest->remove_suffix(rest->size() - begin);
  return field;
}

struct FrameText {
  std::string function, source_file, object;
  uint32_t line = 0;
};

// "main (prog.c:12)", "main (in /bin/prog)", or anything else: a function's name.
FrameText ParseFrame(std::string_view text) {
  FrameText frame;
  const size_t open = text.rfind(" (");
  if (open == std::string_view::npos || !text.ends_with(')')) {
    frame.function = text;
    return frame;
  }
  const std::string_view place = text.substr(open + 2, text.size() - open - 3);
  const size_t colon = place.rfind(':');
  frame.function = text.substr(0, open);
  if (place.starts_with("in ")) {
    frame.object = place.substr(3);
    return frame;
  }
  const char* const end = place.data() + place.size();
  if (colon != std::string_view::npos &&
      std::from_chars(place.data() + colon + 1, end, frame.line).ptr == end) {
    frame.source_file = place.substr(0, colon);
  } else {
    frame.function = text;
    frame.line = 0;
  }
  return frame;
}

// Takes the log apart into records, which end with '|', and counts lines.
class RecordReader {
 public:
  explicit RecordReader(const std::string& path) : in_(path, std::ios::binary) {}

  bool is_open() const { return in_.is_open(); }
  uint64_t line() const { return line_; }

  // What Valgrind prints of itself comes first: lines that begin with == or --. Whether START
  // follows.
  bool SkipToStart() {
    std::string text;
    while (in_.peek() == '=' || in_.peek() == '-') {
      std::getline(in_, text);
      line_ = next_line_ += 1;
    }
    return Next(&text) && text == "START";
  }
  // False at the end, or where a record is longer than any can be.
  bool Next(std::string* record) {
    record->clear();
    line_ = next_line_;
    std::streambuf* const bytes = in_.rdbuf();
    for (int c = bytes->sbumpc(); c != std::char_traits<char>::eof(); c = bytes->sbumpc()) {
      if (c == '|') return true;
      if (c == '\n') ++next_line_;
      if (record->size() == kMaxRecordBytes) return false;
      record->push_back(static_cast<char>(c));
    }
    return !record->empty();
  }

 private:
  std::ifstream in_;
  uint64_t line_ = 1;  // where the record began
  uint64_t next_line_ = 1;
};

class Converter {
 public:
  explicit Converter(fpt_writer* writer) : writer_(writer) {}

  // False: no record is of this form. `why` then says what is wrong with it.
  bool Convert(std::string_view record);
  const std::string& why() const { return why_; }
  StoreLogSummary TakeSummary() {
    summary_.events = fpt_writer_events(writer_);
    return std::move(summary_);
  }

 private:
  bool Refuse(std::string why) {
    why_ = std::move(why);
    return false;
  }
  bool Store(std::string_view fields);
  bool Range(std::string_view fields, uint64_t* address, uint64_t* length);
  bool RegisterFile(std::string_view fields);
  bool Text(std::string_view text);
  uint32_t StackOf(std::string_view frames);
  uint64_t FrameOf(std::string_view text);

  fpt_writer* const writer_;
  std::string why_;
  StoreLogSummary summary_;
  std::unordered_map<std::string, uint32_t> files_, stacks_;
  std::unordered_map<std::string, uint64_t> frames_;
  std::unordered_map<std::string, std::vector<uint64_t>> open_;  // operations, by name
};

bool Converter::Convert(std::string_view record) {
  uint64_t address = 0, length = 0;
  std::string_view fields = record;
  const std::string_view kind = TakeField(&fields);
  if (kind == "STORE") return Store(fields);
  if (kind == "FLUSH") {
    if (!Range(fields, &address, &length)) return false;
    fpt_flush(writer_, kThread, address, length, FPT_FLUSH_CLWB, 0);
    return true;
  }
  if (kind == "FENCE") {
    if (record != kind) return Refuse("a FENCE has no fields");
    fpt_fence(writer_, kThread, FPT_FENCE_SFENCE, 0);
    return true;
  }
  if (kind == "DEEP_SYNC") {
    if (!Range(fields, &address, &length)) return false;
    fpt_sync(writer_, kThread, address, length, FPT_SYNC_DEEP, 0);
    return true;
  }
  if (kind == "REGISTER_FILE") return RegisterFile(fields);
  return Text(record);
}

bool Converter::Store(std::string_view fields) {
  const auto address = ParseHex(TakeField(&fields));
  const auto value = ParseHex(TakeField(&fields));
  const auto size = ParseHex(TakeField(&fields));
  if (!address || !value || !size) return Refuse("a STORE is 0xADDRESS;0xVALUE;0xSIZE");
  if (*size == 0 || *size > kMaxStoreBytes) return Refuse("a STORE's size is from 1 to 8");
  if (*size < kMaxStoreBytes && *value >> 8 * *size != 0) {
    return Refuse("the value of a STORE is wider than its size");
  }
  if (*address > UINT64_MAX - *size) return Refuse("a STORE runs past the last address");
  const uint32_t stack = StackOf(fields);
  if (!why_.empty()) return false;
  fpt_store(writer_, kThread, *address, &*value, *size, 0, stack);
  ++summary_.stores;
  return true;
}

bool Converter::Range(std::string_view fields, uint64_t* address, uint64_t* length) {
  const auto first = ParseHex(TakeField(&fields));
  const auto second = ParseHex(fields);
  if (!first || !second) return Refuse("a range is 0xADDRESS;0xSIZE");
  *address = *first;
  *length = *second;
  return true;
}

// The path may have a ';' in it.
bool Converter::RegisterFile(std::string_view fields) {
  const auto offset = ParseHex(TakeLastField(&fields));
  const auto size = ParseHex(TakeLastField(&fields));
  const auto base = ParseHex(TakeLastField(&fields));
  if (!offset || !size || !base || fields.empty()) {
    return Refuse("a REGISTER_FILE is PATH;0xBASE;0xSIZE;0xOFFSET");
  }
  if (*offset > UINT64_MAX - *size || *base > UINT64_MAX - *size) {
    return Refuse("a REGISTER_FILE runs past the last address");
  }
  const std::string path(fields);
  const auto [file, is_new] = files_.try_emplace(path, static_cast<uint32_t>(files_.size() + 1));
  if (is_new) {
    fpt_file(writer_, file->second, path.c_str());
    summary_.files.push_back({.path = path});
  }
  uint64_t& mapped = summary_.files[file->second - 1].mapped_bytes;
  mapped = std::max(mapped, *offset + *size);
  fpt_map(writer_, kThread, file->second, *base, *size, *offset, FPT_MAP_REQUEST);
  return true;
}

bool Converter::Text(std::string_view text) {
  constexpr std::string_view kBegin = ".BEGIN", kEnd = ".END";
  if (text.ends_with(kBegin)) {
    const std::string name(text.substr(0, text.size() - kBegin.size()));
    open_[name].push_back(++summary_.operations);
    fpt_op_begin(writer_, kThread, summary_.operations);
  } else if (text.ends_with(kEnd)) {
    const std::string name(text.substr(0, text.size() - kEnd.size()));
    const auto found = open_.find(name);
    if (found == open_.end()) return Refuse(fmt::format("{}.END comes without a BEGIN", name));
    fpt_op_end(writer_, kThread, found->second.back());
    found->second.pop_back();
    if (found->second.empty()) open_.erase(found);
  } else {
    fpt_log(writer_, kThread, text.data(), text.size());
  }
  return true;
}

uint32_t Converter::StackOf(std::string_view frames) {
  if (frames.empty()) return 0;
  const auto [found, is_new] =
      stacks_.try_emplace(std::string(frames), static_cast<uint32_t>(stacks_.size() + 1));
  if (!is_new) return found->second;
  std::vector<uint64_t> addresses;
  while (!frames.empty()) addresses.push_back(FrameOf(TakeField(&frames)));
  if (addresses.size() > FPT_MAX_STACK_FRAMES) {
    Refuse(fmt::format("a stack has more than {} frames", FPT_MAX_STACK_FRAMES));
    return 0;
  }
  fpt_stack(writer_, found->second, addresses.data(), static_cast<uint32_t>(addresses.size()));
  return found->second;
}

// The log has no code addresses: frames are numbered.
uint64_t Converter::FrameOf(std::string_view text) {
  const auto [found, is_new] = frames_.try_emplace(std::string(text), frames_.size() + 1);
  if (is_new) {
    const FrameText frame = ParseFrame(text);
    fpt_frame(writer_, found->second, frame.function.c_str(), frame.source_file.c_str(), frame.line,
              frame.object.c_str());
  }
  return found->second;
}

Status ConvertAll(RecordReader* records, const std::string& log_path, Converter* converter) {
  const auto corrupt = [&](std::string_view why) {
    return Status::Corrupt(fmt::format("{}:{}: {}", log_path, records->line(), why));
  };
  if (!records->SkipToStart()) return corrupt("is no store log: it does not begin with START");
  std::string record;
  while (records->Next(&record)) {
    // Valgrind's own lines may follow.
    if (record == "STOP" || record.starts_with("STOP\n")) return Status::Ok();
    if (converter->Convert(record)) continue;
    constexpr size_t kShown = 80;
    return corrupt(fmt::format("'{}': {}", record.substr(0, kShown), converter->why()));
  }
  return corrupt(record.size() == kMaxRecordBytes ? "a record does not end"
                                                  : "the log is cut: there is no STOP");
}

}  // namespace

Result<StoreLogSummary> ConvertStoreLog(const std::string& log_path,
                                        const std::string& trace_path) {
  RecordReader records(log_path);
  if (!records.is_open()) {
    return Status::IoError(fmt::format("open: {}: {}", log_path, std::strerror(errno)));
  }
  const std::unique_ptr<std::FILE, CloseFile> out(std::fopen(trace_path.c_str(), "wb"));
  if (out == nullptr) {
    return Status::IoError(fmt::format("open: {}: {}", trace_path, std::strerror(errno)));
  }
  std::vector<uint8_t> buffer(4 * FPT_MIN_BUFFER_BYTES);
  fpt_writer writer;
  fpt_writer_init(&writer, WriteToFile, out.get(), buffer.data(), buffer.size(), 0);
  Converter converter(&writer);
  RETURN_IF_ERROR(ConvertAll(&records, log_path, &converter));
  fpt_writer_finish(&writer);
  int error = fpt_writer_error(&writer);
  if (error == 0 && std::fflush(out.get()) != 0) error = errno;
  if (error != 0) {
    return Status::IoError(fmt::format("write: {}: {}", trace_path, std::strerror(error)));
  }
  return converter.TakeSummary();
}

}  // namespace fencepost
