// SPDX-License-Identifier: BSD-3-Clause
// For tests of the model: a durable image in memory.
#ifndef FENCEPOST_FAULTINJECT_MODEL_PX86_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_MODEL_PX86_TEST_UTIL_H_

#include <map>

#include "faultinject/model/px86.h"

namespace fencepost {

// Files without an end, all 0 at first.
class MemoryImage final : public DurableImage {
 public:
  void ReadLine(LineId line, LineBytes* bytes) const override {
    const auto found = lines_.find(line);
    *bytes = found == lines_.end() ? LineBytes{} : found->second;
  }
  void WriteLine(LineId line, const LineBytes& bytes) override {
    lines_[line] = bytes;
    ++writes_;
  }

  LineBytes Line(LineId line) const {
    LineBytes bytes;
    ReadLine(line, &bytes);
    return bytes;
  }
  size_t writes() const { return writes_; }

 private:
  std::map<LineId, LineBytes> lines_;
  size_t writes_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_PX86_TEST_UTIL_H_
