// SPDX-License-Identifier: BSD-3-Clause
// CRC-32C (Castagnoli) by the SSE4.2 instruction, which x86-64-v2 has.
// Source: RFC 3720, appendix B.4 (polynomial and test vectors).
#ifndef FENCEPOST_ENGINES_FILESTORE_CRC32C_H_
#define FENCEPOST_ENGINES_FILESTORE_CRC32C_H_

#include <nmmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fencepost::filestore {

// Continues `crc`, the result of an earlier call over the bytes before; 0 to start.
inline uint32_t Crc32c(uint32_t crc, std::string_view bytes) {
  uint64_t state = static_cast<uint32_t>(~crc);
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= sizeof(uint64_t); at += sizeof(uint64_t), left -= sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    state = _mm_crc32_u64(state, word);
  }
  auto tail = static_cast<uint32_t>(state);
  for (; left != 0; ++at, --left) tail = _mm_crc32_u8(tail, static_cast<unsigned char>(*at));
  return ~tail;
}

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_CRC32C_H_
