// SPDX-License-Identifier: BSD-3-Clause
// Ctrl-C and SIGTERM: the first asks the run to end and keep what it measured; the second ends the
// process at once.
#ifndef FENCEPOST_HARNESS_INTERRUPT_H_
#define FENCEPOST_HARNESS_INTERRUPT_H_

namespace fencepost {

// Installs the handlers. Call once, from main.
void CatchInterrupts();

// Whether a signal has come.
bool Interrupted();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_INTERRUPT_H_
