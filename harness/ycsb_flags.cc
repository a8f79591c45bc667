// SPDX-License-Identifier: BSD-3-Clause
#include "harness/ycsb_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace fencepost {
namespace {

struct Flag {
  std::string_view ycsb;
  std::string_view ours;
  bool takes_value;
};

constexpr Flag kFlags[] = {
    {"-P", "--workload", true},    {"-p", "--property", true}, {"-threads", "--threads", true},
    {"-target", "--target", true}, {"-s", "--status", false},  {"-load", "--load", false},
    {"-run", "--run", false},      {"-t", "--run", false},     {"-l", "--label", true},
};

}  // namespace

Result<std::vector<std::string>> RewriteYcsbFlags(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") {
      out.insert(out.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
      break;
    }
    const auto flag = std::find_if(std::begin(kFlags), std::end(kFlags),
                                   [&](const Flag& f) { return f.ycsb == arguments[i]; });
    if (flag == std::end(kFlags)) {
      out.push_back(arguments[i]);
    } else if (!flag->takes_value) {
      out.emplace_back(flag->ours);
    } else if (i + 1 == arguments.size()) {
      return Status::InvalidArgument(fmt::format("{} needs a value", arguments[i]));
    } else {
      out.push_back(fmt::format("{}={}", flag->ours, arguments[++i]));
    }
  }
  return out;
}

}  // namespace fencepost
