// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/hex_text.h"

namespace fencepost {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

std::string HexText(std::string_view bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

Result<std::string> BytesOfHex(std::string_view digits) {
  std::string bytes;
  if (digits.size() % 2 != 0) return Status::Corrupt("an odd number of hexadecimal digits");
  for (size_t i = 0; i < digits.size(); i += 2) {
    const size_t high = kDigits.find(digits[i]), low = kDigits.find(digits[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return Status::Corrupt("no hexadecimal digit");
    }
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

}  // namespace fencepost
