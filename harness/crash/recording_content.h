// SPDX-License-Identifier: BSD-3-Clause
// What a recording says, as one number: recordings with the same one have the same crash states at
// the same crash points, and the same answers to judge them by.
#ifndef FENCEPOST_HARNESS_CRASH_RECORDING_CONTENT_H_
#define FENCEPOST_HARNESS_CRASH_RECORDING_CONTENT_H_

#include <cstdint>
#include <filesystem>
#include <string>

#include "faultinject/trace/trace_file.h"
#include "harness/oracle/history.h"

namespace fencepost {

// Of recordings that begin with equal images. Left out is what no crash shows: where files are
// mapped and how they are named, call stacks, transactions, and fences that have nothing to drain,
// such as those of a thread that waits for a lock. Equal by chance: one in 2^64.
// kCorrupt if the trace is damaged.
Result<uint64_t> ContentOf(TraceFile* trace, const History& history);

// Of the trace of a recording in `folder`, byte for byte: 32 hexadecimal digits.
Result<std::string> TraceHash(const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_RECORDING_CONTENT_H_
