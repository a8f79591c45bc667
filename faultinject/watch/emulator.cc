// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/emulator.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "faultinject/watch/instruction.h"
#include "faultinject/watch/page.h"

namespace fencepost {
namespace {

using Kind = Translation::Kind;

constexpr uint64_t kLow32 = 0xffffffff;

// In the order of Machine::registers.
constexpr int kContextRegisters[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                     REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                     REG_R12, REG_R13, REG_R14, REG_R15};

// Where a signal's frame says which of its vectors are saved (Linux, asm/sigcontext.h).
constexpr size_t kSoftwareBytes = 464;
constexpr uint32_t kSavedByXsave = 0x46505853;  // FP_XSTATE_MAGIC1

constexpr uint64_t kCarry = 1, kParity = 1 << 2, kZero = 1 << 6, kSign = 1 << 7,
                   kOverflow = 1 << 11;

// Conditions as instructions number them: the odd ones are the even ones negated.
bool Holds(unsigned condition, uint64_t flags) {
  const bool less = ((flags & kSign) != 0) != ((flags & kOverflow) != 0);
  bool holds = false;
  switch (condition >> 1) {
    case 0:
      holds = (flags & kOverflow) != 0;
      break;
    case 1:
      holds = (flags & kCarry) != 0;
      break;
    case 2:
      holds = (flags & kZero) != 0;
      break;
    case 3:
      holds = (flags & (kCarry | kZero)) != 0;
      break;
    case 4:
      holds = (flags & kSign) != 0;
      break;
    case 5:
      holds = (flags & kParity) != 0;
      break;
    case 6:
      holds = less;
      break;
    case 7:
      holds = less || (flags & kZero) != 0;
      break;
  }
  return holds != ((condition & 1) != 0);
}

}  // namespace

// Calls translated code, which may change every register but the stack pointer. The second sets
// the vectors before it and saves them after it.
extern "C" void fencepost_run_translated(const void* code);
extern "C" void fencepost_run_translated_vectors(const void* code, void* vectors,
                                                 uint64_t components);
asm(R"(
  .pushsection .text
  .type fencepost_run_translated, @function
fencepost_run_translated:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  call *%rdi
  cld
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size fencepost_run_translated, . - fencepost_run_translated

  .type fencepost_run_translated_vectors, @function
fencepost_run_translated_vectors:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  push %rsi
  push %rdx
  mov %edx, %eax
  shr $32, %rdx
  xrstor64 (%rsi)
  call *%rdi
  cld
  pop %rdx
  pop %rsi
  mov %edx, %eax
  shr $32, %rdx
  xsave64 (%rsi)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .size fencepost_run_translated_vectors, . - fencepost_run_translated_vectors
  .popsection
)");

Emulator* Emulator::Make() {
  constexpr size_t kBytes = kPageBytes + kTranslations * kTranslatedBytes;
  void* const memory =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* const emulator = new Emulator;
  emulator->machine_ = new (memory) Machine;
  emulator->code_ = static_cast<uint8_t*>(memory) + kPageBytes;
  emulator->translations_ = new Translation[kTranslations];
  return emulator;
}

const Translation& Emulator::At(uint64_t address) {
  const size_t slot = (address ^ address >> 12) % kTranslations;
  Translation& translation = translations_[slot];
  if (translation.at != address || !translation.IsStillAt(address))
    translation = Translate(address, code_ + slot * kTranslatedBytes, machine_);
  return translation;
}

uint64_t Emulator::Run(ucontext_t* context, MemoryGuide* guide, uint64_t patience) {
  auto& registers = context->uc_mcontext.gregs;
  for (size_t i = 0; i < machine_->registers.size(); ++i) {
    machine_->registers[i] = static_cast<uint64_t>(registers[kContextRegisters[i]]);
  }
  machine_->flags = static_cast<uint64_t>(registers[REG_EFL]);
  program_counter_ = static_cast<uint64_t>(registers[REG_RIP]);
  guide_ = guide;
  asm volatile("mov %%fs:0, %0" : "=r"(thread_base_));
  auto* const vectors = reinterpret_cast<uint8_t*>(context->uc_mcontext.fpregs);
  uint32_t magic = 0;
  if (vectors != nullptr) std::memcpy(&magic, vectors + kSoftwareBytes, sizeof(magic));
  vectors_ = magic == kSavedByXsave ? vectors : nullptr;
  if (vectors_ != nullptr) {
    std::memcpy(&vector_components_, vectors + kSoftwareBytes + 8, sizeof(vector_components_));
  }

  uint64_t executed = 0;
  for (idle_ = 0; idle_ < patience; ++idle_) {
    if (!Execute(At(program_counter_))) break;
    ++executed;
  }

  for (size_t i = 0; i < machine_->registers.size(); ++i) {
    registers[kContextRegisters[i]] = static_cast<greg_t>(machine_->registers[i]);
  }
  registers[REG_EFL] = static_cast<greg_t>(machine_->flags);
  registers[REG_RIP] = static_cast<greg_t>(program_counter_);
  return executed;
}

uint64_t Emulator::AddressOf(const Translation& translation) const {
  const Translation::Address& parts = translation.address;
  auto address = static_cast<uint64_t>(parts.displacement);
  if (parts.base >= 0) address += machine_->registers[static_cast<size_t>(parts.base)];
  if (parts.index >= 0) {
    address += machine_->registers[static_cast<size_t>(parts.index)] * parts.scale;
  }
  return parts.of_thread ? address + thread_base_ : address;
}

// Sets where the operand in memory is; false if only the processor can tell.
bool Emulator::ReachOperand(const Translation& translation) {
  const uint64_t address = AddressOf(translation);
  machine_->operand = guide_->Reach({.address = address,
                                     .bytes = translation.operand_bytes,
                                     .reads = translation.reads,
                                     .writes = translation.writes},
                                    translation.may_write);
  if (machine_->operand != address) idle_ = 0;
  return machine_->operand != 0 || address == 0;
}

bool Emulator::ReachStack(uint64_t address, bool writes, uint64_t* where) {
  *where = guide_->Reach(
      {.address = address, .bytes = sizeof(uint64_t), .reads = !writes, .writes = writes}, writes);
  return *where != 0;
}

bool Emulator::Push(uint64_t value) {
  uint64_t where = 0;
  if (!ReachStack(Register(Machine::kStackPointer) - sizeof(value), /*writes=*/true, &where)) {
    return false;
  }
  std::memcpy(reinterpret_cast<void*>(where), &value, sizeof(value));
  Register(Machine::kStackPointer) -= sizeof(value);
  return true;
}

bool Emulator::Pop(uint64_t* value) {
  uint64_t where = 0;
  if (!ReachStack(Register(Machine::kStackPointer), /*writes=*/false, &where)) return false;
  std::memcpy(value, reinterpret_cast<const void*>(where), sizeof(*value));
  Register(Machine::kStackPointer) += sizeof(*value);
  return true;
}

// The operand of what pushes, calls or jumps.
bool Emulator::Target(const Translation& translation, uint64_t* target) {
  if (translation.register_number >= 0) {
    *target = Register(translation.register_number);
  } else if (translation.in_memory) {
    if (!ReachOperand(translation)) return false;
    std::memcpy(target, reinterpret_cast<const void*>(machine_->operand), sizeof(*target));
  } else {
    *target = translation.immediate;
  }
  return true;
}

// All elements, one after the other as the processor does it.
bool Emulator::DoString(const Translation& translation) {
  const uint64_t element = translation.operand_bytes, count = Register(Machine::kCount);
  const uint64_t bytes = element * count;
  if ((machine_->flags & kDirectionFlag) != 0 || bytes / element != count) return false;
  if (count == 0) return true;
  const uint64_t source = Register(Machine::kSource), target = Register(Machine::kDestination);
  uint64_t from = reinterpret_cast<uint64_t>(&Register(Machine::kResult));
  if (translation.reads) {
    from = guide_->Reach({.address = source, .bytes = bytes, .reads = true, .writes = false},
                         /*may_write=*/false);
    if (from == 0) return false;
  }
  const uint64_t to = guide_->Reach(
      {.address = target, .bytes = bytes, .reads = false, .writes = true}, /*may_write=*/true);
  if (to == 0) return false;
  if (to != target || (translation.reads && from != source)) idle_ = 0;
  const uint64_t step = translation.reads ? element : 0;
  for (uint64_t i = 0; i < count; ++i) {
    std::memcpy(reinterpret_cast<void*>(to + i * element),
                reinterpret_cast<const void*>(from + i * step), element);
  }
  Register(Machine::kDestination) += bytes;
  if (translation.reads) Register(Machine::kSource) += bytes;
  Register(Machine::kCount) = 0;
  return true;
}

// False, and nothing has changed, if the processor must do it.
bool Emulator::Execute(const Translation& translation) {
  const uint64_t next = program_counter_ + translation.bytes;
  uint64_t value = next;
  switch (translation.kind) {
    case Kind::kNative:
      return false;
    case Kind::kSkip:
      break;
    case Kind::kRun: {
      if (translation.uses_vectors && vectors_ == nullptr) return false;
      if (translation.in_memory && !ReachOperand(translation)) return false;
      const auto slot = static_cast<size_t>(&translation - translations_);
      const uint8_t* const code = code_ + slot * kTranslatedBytes;
      if (translation.uses_vectors) {
        fencepost_run_translated_vectors(code, vectors_, vector_components_);
      } else {
        fencepost_run_translated(code);
      }
      break;
    }
    case Kind::kAddress: {
      const uint64_t address = AddressOf(translation);
      Register(translation.register_number) =
          translation.operand_bytes == sizeof(uint64_t) ? address : address & kLow32;
      break;
    }
    case Kind::kPush: {
      uint64_t pushed = 0;
      if (!Target(translation, &pushed) || !Push(pushed)) return false;
      break;
    }
    case Kind::kPop:
      if (!Pop(&value)) return false;
      Register(translation.register_number) = value;
      value = next;
      break;
    case Kind::kCall:
      if (!Target(translation, &value) || !Push(next)) return false;
      break;
    case Kind::kReturn:
      if (!Pop(&value)) return false;
      Register(Machine::kStackPointer) += translation.immediate;
      break;
    case Kind::kJump:
      if (!Target(translation, &value)) return false;
      break;
    case Kind::kBranch:
      if (Holds(translation.condition, machine_->flags)) value = translation.immediate;
      break;
    case Kind::kString:
      if (!DoString(translation)) return false;
      break;
    case Kind::kLeave: {
      const uint64_t frame = Register(Machine::kFramePointer);
      uint64_t where = 0;
      if (!ReachStack(frame, /*writes=*/false, &where)) return false;
      std::memcpy(&Register(Machine::kFramePointer), reinterpret_cast<const void*>(where),
                  sizeof(uint64_t));
      Register(Machine::kStackPointer) = frame + sizeof(uint64_t);
      break;
    }
  }
  program_counter_ = value;
  return true;
}

}  // namespace fencepost
