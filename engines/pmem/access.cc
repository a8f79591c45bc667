// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/access.h"

namespace fencepost::pmem {

constinit AccessObserver* access_observer = nullptr;

std::string_view OperationKindName(OperationKind kind) {
  constexpr std::string_view kNames[kOperationKinds] = {"get", "put", "delete", "compare-and-put",
                                                        "batch"};
  return kNames[static_cast<size_t>(kind)];
}

void SetAccessObserver(AccessObserver* observer) { access_observer = observer; }

}  // namespace fencepost::pmem
