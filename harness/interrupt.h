// SPDX-License-Identifier: BSD-3-Clause
// Ctrl-C and SIGTERM: the first asks the run to end and keep what it measured; the second ends the
// process at once. A second one within half a second is the first once more: a terminal sends
// Ctrl-C to a program and its children, and the program passes it on to them.
#ifndef FENCEPOST_HARNESS_INTERRUPT_H_
#define FENCEPOST_HARNESS_INTERRUPT_H_

namespace fencepost {

// Installs the handlers. Call once, from main.
void CatchInterrupts();

// Whether a signal has come.
bool Interrupted();

// A process that ChildProcess started is asked to end when its parent dies, of whatever. Call once,
// from main, after CatchInterrupts.
void EndWithParent();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_INTERRUPT_H_
