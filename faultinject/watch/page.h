// SPDX-License-Identifier: BSD-3-Clause
// The unit of protection of x86-64, and what code may end at.
#ifndef FENCEPOST_FAULTINJECT_WATCH_PAGE_H_
#define FENCEPOST_FAULTINJECT_WATCH_PAGE_H_

#include <cstdint>

namespace fencepost {

inline constexpr uint64_t kPageBytes = 4096;

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_PAGE_H_
