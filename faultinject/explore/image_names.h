// SPDX-License-Identifier: BSD-3-Clause
// Where a worker keeps its images is no part of what a recovery found.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_NAMES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_NAMES_H_

#include <string>
#include <vector>

namespace fencepost {

// `text` with the path of each image shown as "{image}", so that the same message from two workers
// is the same outcome.
inline std::string WithImageNames(std::string text, const std::vector<std::string>& paths) {
  constexpr char kName[] = "{image}";
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    for (size_t at = 0; (at = text.find(path, at)) != std::string::npos; at += sizeof(kName) - 1) {
      text.replace(at, path.size(), kName);
    }
  }
  return text;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_IMAGE_NAMES_H_
