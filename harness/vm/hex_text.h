// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as hexadecimal digits, for messages that are text.
#ifndef FENCEPOST_HARNESS_VM_HEX_TEXT_H_
#define FENCEPOST_HARNESS_VM_HEX_TEXT_H_

#include <string>
#include <string_view>

#include "engines/status.h"

namespace fencepost {

std::string HexText(std::string_view bytes);
// kCorrupt if it is none.
Result<std::string> BytesOfHex(std::string_view digits);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_HEX_TEXT_H_
