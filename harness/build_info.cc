// SPDX-License-Identifier: BSD-3-Clause
#include "harness/build_info.h"

#include "build_info_values.h"

namespace fencepost {

BuildInfo GetBuildInfo() {
  return {.version = FENCEPOST_BUILD_VERSION,
          .commit = FENCEPOST_BUILD_COMMIT,
          .dirty = FENCEPOST_BUILD_DIRTY,
          .compiler = FENCEPOST_BUILD_COMPILER,
          .build_type = FENCEPOST_BUILD_BUILD_TYPE,
          .flags = FENCEPOST_BUILD_FLAGS};
}

}  // namespace fencepost
