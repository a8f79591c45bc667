// SPDX-License-Identifier: BSD-3-Clause
#include "harness/valgrind_probe.h"

#include <cstdlib>
#include <string_view>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

namespace fencepost {

bool RunsUnderValgrind() {
#ifdef RUNNING_ON_VALGRIND
  if (RUNNING_ON_VALGRIND != 0) return true;
#endif
  // Valgrind preloads its core into every client, whatever the tool.
  const char* preload = std::getenv("LD_PRELOAD");
  return preload != nullptr &&
         std::string_view(preload).find("vgpreload_core") != std::string_view::npos;
}

}  // namespace fencepost
