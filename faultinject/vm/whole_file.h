// SPDX-License-Identifier: BSD-3-Clause
// ReadWholeFile: of files that fit into memory many times over.
#ifndef FENCEPOST_FAULTINJECT_VM_WHOLE_FILE_H_
#define FENCEPOST_FAULTINJECT_VM_WHOLE_FILE_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace fencepost {

// Empty where it cannot be read.
inline std::string ReadWholeFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_WHOLE_FILE_H_
