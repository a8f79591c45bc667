// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/markup.h"

#include <fmt/format.h>

namespace fencepost::page {
namespace {

// Controls, and characters of no width that reorder or join what is around them.
bool IsUnseen(unsigned code) {
  return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) ||
         code == 0xad || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x206f) || code == 0xfeff || code == 0xfffe || code == 0xffff;
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    const std::string_view whole = text.substr(i, length);
    i += whole.size();
    unsigned code = byte;
    if (length > 1) {
      code = byte & (0xffu >> (length + 1));
      for (char next : whole.substr(1)) code = code << 6 | (static_cast<unsigned>(next) & 0x3f);
    }
    if (IsUnseen(code)) {
      out += code < 0x100 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
    } else if (byte == '&') {
      out += "&amp;";
    } else if (byte == '<') {
      out += "&lt;";
    } else if (byte == '>') {
      out += "&gt;";
    } else if (byte == '"') {
      out += "&quot;";
    } else if (byte == '\'') {
      out += "&#39;";
    } else {
      out += whole;
    }
  }
  return out;
}

std::string OpenTag(std::string_view name, Attributes attributes) {
  std::string tag = fmt::format("<{}", name);
  for (const auto& [key, value] : attributes) {
    tag += fmt::format(" {}=\"{}\"", key, EscapeHtml(value));
  }
  return tag + ">";
}

}  // namespace fencepost::page
