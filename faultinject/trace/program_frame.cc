// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/program_frame.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <vector>

namespace fencepost {
namespace {

template <size_t kCount>
bool IsAmong(std::string_view text, const std::string_view (&list)[kCount]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

// The words of a name in lower case: "copy", "flush" for "CopyFlush" and for "copy_flush".
std::vector<std::string> WordsOf(std::string_view name) {
  std::vector<std::string> words;
  bool begins = true, was_lower = false;
  for (const char c : name) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) == 0) {
      begins = true;
      continue;
    }
    const bool upper = std::isupper(letter) != 0;
    if (begins || (upper && was_lower)) words.emplace_back();
    words.back() += static_cast<char>(std::tolower(letter));
    begins = false;
    was_lower = !upper;
  }
  return words;
}

}  // namespace

bool IsLibraryFrame(const TraceFrame& frame) {
  if (frame.source_file.starts_with("/usr/include/")) return true;
  if (frame.function.starts_with("pmem_") || frame.function.starts_with("pmemobj_")) return true;
  constexpr std::string_view kLibraries[] = {"libpmem",   "libc.so",   "libc-",
                                             "libstdc++", "vgpreload", "ld-linux"};
  const std::string_view object = frame.object.substr(frame.object.rfind('/') + 1);
  return std::any_of(std::begin(kLibraries), std::end(kLibraries),
                     [&](std::string_view name) { return object.starts_with(name); });
}

bool IsPersistHelper(const TraceFrame& frame) {
  if (frame.source_file.find("engines/pmem/") != std::string_view::npos) return true;
  constexpr std::string_view kMeans[] = {"flush",  "fence", "drain",   "persist",   "sfence",
                                         "mfence", "clwb",  "clflush", "clflushopt"};
  // What is flushed, how, or by what: says nothing of what for.
  constexpr std::string_view kAlso[] = {"copy", "memcpy", "memset", "memmove", "store", "word",
                                        "line", "lines",  "range",  "cache",   "mem",   "memory",
                                        "pmem", "nt",     "and",    "all",     "asm",   "mm"};
  const std::string name = ShortFunction(frame.function);
  const size_t scope = name.rfind("::");
  bool persists = false;
  for (const std::string& word : WordsOf(scope == std::string::npos ? name : name.substr(scope))) {
    const bool is_means = IsAmong(word, kMeans);
    if (!is_means && !IsAmong(word, kAlso)) return false;
    persists |= is_means;
  }
  return persists;
}

std::string ShortFunction(std::string_view function) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)::";
  std::string name(function);
  for (size_t at = name.find(kAnonymous); at != std::string::npos; at = name.find(kAnonymous)) {
    name.erase(at, kAnonymous.size());
  }
  return name.substr(0, name.find('('));
}

}  // namespace fencepost
