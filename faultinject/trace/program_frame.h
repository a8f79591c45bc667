// SPDX-License-Identifier: BSD-3-Clause
// Which frames of a stack are the program's own, and what its functions are called.
#ifndef FENCEPOST_FAULTINJECT_TRACE_PROGRAM_FRAME_H_
#define FENCEPOST_FAULTINJECT_TRACE_PROGRAM_FRAME_H_

#include <string>
#include <string_view>

#include "faultinject/trace/trace_file.h"

namespace fencepost {

// Of libpmem, libpmemobj, the C and C++ libraries, Valgrind, or a header of the system, which is
// compiled into the program; also what the program puts in front of libpmem, to count calls: it
// has libpmem's names.
bool IsLibraryFrame(const TraceFrame& frame);

// A program's own small wrapper of flush and fence, told by its name, which is made of nothing but
// words for that: "Persist", "Pool::CopyFlush", "flush_range", "FlushWord", "clwb"; or by its
// folder, engines/pmem/, which wraps libpmemobj for engines.
bool IsPersistHelper(const TraceFrame& frame);

// "store::Log::Append" for "store::(anonymous namespace)::Log::Append(std::string const&)".
std::string ShortFunction(std::string_view function);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_PROGRAM_FRAME_H_
