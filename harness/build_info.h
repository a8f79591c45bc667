// SPDX-License-Identifier: BSD-3-Clause
// Which source this program was built from, and how. Written anew at each build by
// scripts/cmake/WriteBuildInfo.cmake.
#ifndef FENCEPOST_HARNESS_BUILD_INFO_H_
#define FENCEPOST_HARNESS_BUILD_INFO_H_

#include <string>

namespace fencepost {

struct BuildInfo {
  std::string version;     // of the project
  std::string commit;      // 40 hexadecimal digits, or "unknown"
  std::string dirty;       // "yes": tracked files differ from the commit; "no"; "unknown"
  std::string compiler;    // "GNU 12.2.0"
  std::string build_type;  // "Release"
  std::string flags;       // what the build type and the user added
};

BuildInfo GetBuildInfo();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BUILD_INFO_H_
