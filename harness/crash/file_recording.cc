// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/file_recording.h"

namespace fencepost {}
