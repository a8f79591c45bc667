// SPDX-License-Identifier: BSD-3-Clause
// What compilers call without being asked: the library is linked with nothing, not even libc.
// exports.map keeps these to the library, or the traced program would get them in place of libc's.
#include <cstddef>

extern "C" {

void* memcpy(void* to, const void* from, size_t bytes) {
  void* const result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
  return result;
}

void* memset(void* to, int byte, size_t bytes) {
  void* const result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
  return result;
}

void* memmove(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<char*>(to);
  const auto* in = static_cast<const char*>(from);
  if (out <= in || out >= in + bytes) return memcpy(to, from, bytes);
  while (bytes-- > 0) out[bytes] = in[bytes];
  return to;
}

int memcmp(const void* a, const void* b, size_t bytes) {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < bytes; ++i) {
    if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return 0;
}

}  // extern "C"
