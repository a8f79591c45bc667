// SPDX-License-Identifier: BSD-3-Clause
// Emulator: goes on with the program from a signal handler, instruction by instruction, as long as
// it touches watched pages again and again.
//
// A fault costs a signal; changing a page's protection and back costs several more. A program that
// has touched a watched page most often does it again a few instructions later. So from the fault
// on its instructions are translated (translation.h) and executed here, where each access can be
// looked at, and sent to where the page is not protected. After some hundred instructions without
// such an access, or at one that is not translated, the processor takes over.
//
// Invariants: registers, flags, vectors and memory are at every moment what they would be if the
//   processor had gone on.
// Threads: one. Async-signal-safe.
// Not covered: debug registers, single steps and breakpoints of the program itself.
#ifndef FENCEPOST_FAULTINJECT_WATCH_EMULATOR_H_
#define FENCEPOST_FAULTINJECT_WATCH_EMULATOR_H_

#include <ucontext.h>

#include <cstddef>
#include <cstdint>

#include "faultinject/watch/memory_access.h"
#include "faultinject/watch/translation.h"

namespace fencepost {

// Asked for each access to memory before it is made.
class MemoryGuide {
 public:
  virtual ~MemoryGuide() = default;
  // Where the bytes are to be accessed; `address` itself, if there is nothing to say of it; null if
  // the processor must do it. `may_write`: even if access.writes is not certain.
  virtual uint64_t Reach(const MemoryAccess& access, bool may_write) = 0;
};

class Emulator {
 public:
  // Null if the system gives no memory that can be executed.
  static Emulator* Make();

  // How many instructions in a row may touch nothing that the guide sends elsewhere. About as many
  // as can be executed in the time of a signal.
  static constexpr uint64_t kPatience = 100;

  // Goes on from where the context stands, which then stands where it ended. Returns how many
  // instructions were executed: 0 if the first must be left to the processor.
  uint64_t Run(ucontext_t* context, MemoryGuide* guide, uint64_t patience = kPatience);

 private:
  static constexpr size_t kTranslations = 4096;  // a power of two

  Emulator() = default;
  const Translation& At(uint64_t address);
  bool Execute(const Translation& translation);
  bool ReachOperand(const Translation& translation);
  bool ReachStack(uint64_t address, bool writes, uint64_t* where);
  bool DoString(const Translation& translation);
  bool Target(const Translation& translation, uint64_t* target);
  bool Pop(uint64_t* value);
  bool Push(uint64_t value);
  uint64_t AddressOf(const Translation& translation) const;
  uint64_t& Register(int number) { return machine_->registers[static_cast<size_t>(number)]; }

  Machine* machine_ = nullptr;  // at the head of the code
  uint8_t* code_ = nullptr;
  Translation* translations_ = nullptr;
  // Of the run.
  MemoryGuide* guide_ = nullptr;
  uint64_t program_counter_ = 0, thread_base_ = 0;
  void* vectors_ = nullptr;  // as XSAVE has them; null: cannot be restored
  uint64_t vector_components_ = 0;
  uint64_t idle_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_EMULATOR_H_
