// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include "harness/campaign/backend.h"

namespace fencepost {
namespace {

constexpr BackendRow kBackends[] = {
    {"local", "processes on this machine", MakeLocalBackend, /*shares_machine=*/true},
    {"slurm", "a job array of an existing Slurm", MakeSlurmBackend},
};

}  // namespace

std::span<const BackendRow> Backends() { return kBackends; }

const BackendRow* FindBackend(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kBackends), std::end(kBackends),
                                         [&](const BackendRow& row) { return row.name == name; });
  return found == std::end(kBackends) ? nullptr : found;
}

}  // namespace fencepost
