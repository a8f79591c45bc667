// SPDX-License-Identifier: BSD-3-Clause
// Plays the fault that the run was started with.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_FAULTS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_FAULTS_H_

#include "faultinject/iotrace/recorder/calls.h"

namespace fencepost::iorecorder {

// Whether this call is the one that fails. If so it is not to be made, and `*result` is its answer.
// One that is to be cut short is changed in `*call`, and is to be made.
bool IsFault(Call* call, long* result);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_FAULTS_H_
