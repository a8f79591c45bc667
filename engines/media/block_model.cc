// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/block_model.h"

namespace fencepost::media {
namespace {

constexpr BlockModel kModels[] = {
    {.name = "nand-ssd",
     .read_ns = 77'900,
     .write_ns = 20'000,
     .read_bytes_per_ns = 2.8,
     .write_bytes_per_ns = 2.0,
     .source = "Intel SSD DC P3700 800 GB. Read: mean of 4 KiB at random, queue depth 1, AnandTech "
               "11209 (2017). Write latency (typical, sequential) and bandwidths: Intel's product "
               "specification 330566"},
    {.name = "optane-ssd",
     .read_ns = 8'900,
     .write_ns = 10'000,
     .read_bytes_per_ns = 2.4,
     .write_bytes_per_ns = 2.0,
     .source =
         "Intel Optane SSD DC P4800X. Read: mean of 4 KiB at random, queue depth 1, AnandTech "
         "11209 (2017). Write latency (typical: under 10 us, taken as 10) and bandwidths: "
         "Intel's specification, as in AnandTech 11930 (2017)"},
};

}  // namespace

std::span<const BlockModel> BlockModels() { return kModels; }

const BlockModel* FindBlockModel(std::string_view name) {
  for (const BlockModel& model : kModels) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

}  // namespace fencepost::media
