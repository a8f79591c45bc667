// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>

namespace fencepost {
namespace {

using Json = nlohmann::ordered_json;

std::string Hex(uint64_t number) { return fmt::format("0x{:x}", number); }

std::string HexBytes(const uint8_t* bytes, uint64_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * count);
  for (uint64_t i = 0; i < count; ++i) {
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

// On one line whatever is in it.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return Escaped(out) + "\"";
}

std::string ShortValue(const uint8_t* bytes, uint64_t count) {
  if (count <= 8 && std::has_single_bit(count)) {
    uint64_t number = 0;
    std::memcpy(&number, bytes, count);
    return Hex(number);
  }
  const uint64_t shown = std::min(count, EventText::kShownBytes);
  return HexBytes(bytes, shown) + (shown < count ? "..." : "");
}

std::vector<std::string> FlagNames(uint32_t flags) {
  static constexpr const char* kNames[] = {"nt", "atomic", "rep", "syscall"};
  std::vector<std::string> names;
  for (unsigned bit = 0; bit < std::size(kNames); ++bit) {
    if ((flags >> bit & 1) != 0) names.emplace_back(kNames[bit]);
  }
  return names;
}

}  // namespace

void EventText::AddWhere(uint64_t address, Fields* fields) const {
  fields->push_back({"address", Hex(address), Hex(address)});
  const std::optional<TraceMapping> mapping = mappings_.Find(address);
  if (!mapping) return;
  const std::string path(trace_.Path(mapping->file));
  const uint64_t offset = mapping->file_offset + (address - mapping->base);
  fields->push_back({"file", path, fmt::format("{}:{}", Escaped(path), Hex(offset))});
  fields->push_back({"file_offset", offset, ""});
}

void EventText::AddSource(uint32_t stack, Fields* fields) const {
  if (stack == 0) return;
  fields->push_back({"stack", stack, ""});
  const TraceFrame frame = trace_.InnermostLine(stack);
  if (frame.address == 0) return;
  fields->push_back(
      {"function", std::string(frame.function), "at " + Escaped(DescribeFrame(frame))});
  if (frame.source_file.empty()) return;
  fields->push_back({"source", fmt::format("{}:{}", frame.source_file, frame.line), ""});
}

EventText::Fields EventText::FieldsOf(const fpt_event& event) const {
  Fields fields;
  const auto add_length = [&] {
    fields.push_back({"length_bytes", event.length, fmt::format("{}", event.length)});
  };
  const auto add_bytes = [&] {
    if (event.bytes == nullptr) return;
    fields.push_back({"bytes", nullptr, ShortValue(event.bytes, event.length)});
  };
  const auto add_id = [&](const char* name) {
    fields.push_back({name, event.id, fmt::format("{}", event.id)});
  };
  const auto add_text = [&](const char* name, const fpt_text& text) {
    fields.push_back({name, std::string(View(text)), Quoted(View(text))});
  };
  const auto add_file = [&] {
    const std::string path(trace_.Path(event.file));
    fields.push_back({"file", path, fmt::format("{}:{}", Escaped(path), Hex(event.file_offset))});
    fields.push_back({"file_offset", event.file_offset, ""});
  };
  switch (event.kind) {
    case FPT_STORE:
      AddWhere(event.address, &fields);
      add_length();
      add_bytes();
      if (event.flags != 0) {
        const std::vector<std::string> names = FlagNames(event.flags);
        fields.push_back({"flags", names, fmt::format("{}", fmt::join(names, ","))});
      }
      break;
    case FPT_FLUSH:
    case FPT_SYNC:
    case FPT_REMOVE_MAPPING:
    case FPT_UNMAP:
    case FPT_SET_CLEAN:
      AddWhere(event.address, &fields);
      add_length();
      break;
    case FPT_FILE:
      fields.push_back({"file_id", event.file, fmt::format("{}", event.file)});
      add_text("path", event.text);
      break;
    case FPT_MAP:
      fields.push_back({"address", Hex(event.address), Hex(event.address)});
      add_length();
      add_file();
      break;
    case FPT_FILE_WRITE:
      add_file();
      add_length();
      add_bytes();
      break;
    case FPT_TX_ADD:
    case FPT_TX_REMOVE:
      add_id("transaction");
      AddWhere(event.address, &fields);
      add_length();
      break;
    case FPT_TX_BEGIN:
    case FPT_TX_END:
    case FPT_TX_THREAD_ADD:
    case FPT_TX_THREAD_REMOVE:
      add_id("transaction");
      break;
    case FPT_OP_BEGIN:
    case FPT_OP_END:
      add_id("operation");
      break;
    case FPT_LOG:
    case FPT_NOTE:
      add_text("text", event.text);
      break;
    case FPT_STACK: {
      Json addresses = Json::array();
      std::string text;
      for (const uint64_t address : trace_.Stack(event.stack)) {
        addresses.push_back(Hex(address));
        text += (text.empty() ? "" : " ") + Hex(address);
      }
      fields.push_back({"stack", event.stack, fmt::format("{}", event.stack)});
      fields.push_back({"addresses", std::move(addresses), std::move(text)});
      break;
    }
    case FPT_FRAME: {
      fields.push_back({"address", Hex(event.address), Hex(event.address)});
      add_text("function", event.text);
      add_text("source_file", event.source_file);
      fields.push_back({"line", event.line, fmt::format("{}", event.line)});
      add_text("object", event.object);
      break;
    }
    default:
      break;
  }
  if (HasStack(event.kind)) AddSource(event.stack, &fields);
  return fields;
}

std::string EventText::Line(const fpt_event& event) {
  std::string out = fmt::format("{} ", event.number);
  out += HasThread(event.kind) ? fmt::format("t{}", event.thread) : "-";
  out += fmt::format(" {}", fpt_kind_name(event.kind));
  const std::string_view how = fpt_how_name(event.kind, event.how);
  if (!how.empty()) out += fmt::format(" {}", how);
  for (const Field& field : FieldsOf(event)) {
    if (!field.text.empty()) out += " " + field.text;
  }
  mappings_.Apply(event);
  return out;
}

std::string EventText::JsonLine(const fpt_event& event) {
  Json out = {{"event", event.number}};
  if (HasThread(event.kind)) out["thread"] = event.thread;
  out["kind"] = fpt_kind_name(event.kind);
  const std::string_view how = fpt_how_name(event.kind, event.how);
  if (!how.empty()) out["how"] = how;
  for (Field& field : FieldsOf(event)) out[field.name] = std::move(field.value);
  if (event.bytes != nullptr) out["bytes"] = HexBytes(event.bytes, event.length);
  mappings_.Apply(event);
  // A path or a logged string may be no UTF-8.
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fencepost
