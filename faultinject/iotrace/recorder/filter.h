// SPDX-License-Identifier: BSD-3-Clause
// The seccomp filter: traps the calls of CallRows() wherever they are made, but for the gate.
//
// It looks at a call's number first, so that the kernel can remember which numbers always pass.
// Threads and children inherit it, also through exec; it cannot be taken off.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_FILTER_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_FILTER_H_

namespace fencepost::iorecorder {

// This process has it already, from a program before.
bool HasFilter();
// 0 or a negative errno. REQUIRES: the gate is there, SIGSYS has its handler, one thread.
long InstallFilter();

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_FILTER_H_
