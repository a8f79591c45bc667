// SPDX-License-Identifier: BSD-3-Clause
// Programs and random instructions, executed by the processor and by the emulator: the same must
// come of both.
#include "faultinject/watch/emulator.h"

#include <Zydis/Zydis.h>
#include <gtest/gtest.h>
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "faultinject/watch/sanitized.h"

namespace fencepost {
namespace {

// Sends nothing elsewhere.
class NoGuide : public MemoryGuide {
 public:
  uint64_t Reach(const MemoryAccess& access, bool /*may_write*/) override { return access.address; }
};

Emulator* emulator = nullptr;
MemoryGuide* guide = nullptr;
uint64_t executed = 0;
std::string stopped_at;  // the bytes of the instruction

std::string Hex(const uint8_t* bytes, size_t count) {
  std::string hex;
  for (size_t i = 0; i < count; ++i) {
    char text[4];
    snprintf(text, sizeof(text), "%02x ", bytes[i]);
    hex += text;
  }
  return hex;
}

void HandleBreakpoint(int /*number*/, siginfo_t* /*info*/, void* context) {
  constexpr uint64_t kForever = uint64_t{1} << 40;
  executed = emulator->Run(static_cast<ucontext_t*>(context), guide, kForever);
  const auto at = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  stopped_at = Hex(reinterpret_cast<const uint8_t*>(at), 8);
}

// Emulates what follows a breakpoint, up to the next system call or whatever else is native.
class EmulatorTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef FENCEPOST_SANITIZED
    GTEST_SKIP() << "what a sanitizer keeps of its own is not to be emulated";
#endif
    static Emulator* const made = Emulator::Make();
    static NoGuide no_guide;
    ASSERT_NE(made, nullptr);
    emulator = made;
    guide = &no_guide;
    static char stack[256 << 10];
    const stack_t alternative = {.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
    ASSERT_EQ(sigaltstack(&alternative, nullptr), 0);
    struct sigaction action {};
    action.sa_sigaction = HandleBreakpoint;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ASSERT_EQ(sigaction(SIGTRAP, &action, nullptr), 0);
  }
  void TearDown() override { signal(SIGTRAP, SIG_DFL); }

  // The program's result, and at least so many of its instructions emulated.
  template <typename Program>
  static auto Emulated(uint64_t at_least, const Program& program) {
    executed = 0;
    asm volatile("int3" ::: "memory");
    auto result = program();
    getppid();  // a system call: here it ends
    EXPECT_GE(executed, at_least) << "stopped at " << stopped_at;
    return result;
  }
  template <typename Program>
  static void ExpectSame(uint64_t at_least, const Program& program) {
    seed = 7;
    const auto native = program();
    seed = 7;
    EXPECT_EQ(Emulated(at_least, program), native);
  }

  static uint32_t Next() { return seed = seed * 1664525 + 1013904223; }
  static inline uint32_t seed = 0;
};

TEST_F(EmulatorTest, SortsHashesAndSearches) {
  ExpectSame(20'000, [] {
    std::vector<uint32_t> numbers(500);
    std::generate(numbers.begin(), numbers.end(), Next);
    std::sort(numbers.begin(), numbers.end());
    std::unordered_map<uint32_t, size_t> places;
    for (size_t i = 0; i < numbers.size(); ++i) places[numbers[i] % 97] += i;
    std::map<std::string, size_t> names;
    for (const auto& [number, place] : places) names[std::to_string(number)] = place;
    return std::accumulate(
        names.begin(), names.end(), std::string(), [](std::string all, const auto& entry) {
          return std::move(all) + entry.first + ':' + std::to_string(entry.second);
        });
  });
}

TEST_F(EmulatorTest, CopiesAndComparesOfAnyLength) {
  ExpectSame(10'000, [] {
    std::vector<unsigned char> from(5000), to(5000);
    for (unsigned char& byte : from) byte = static_cast<unsigned char>(Next() >> 24);
    uint64_t sum = 0;
    for (size_t length = 0; length < 1000; length = length * 5 / 4 + 1) {
      for (const size_t offset : {0, 1, 7, 13, 31, 64}) {
        std::memmove(&to[offset], &from[offset * 3], length);
        std::memset(&to[offset + length], static_cast<int>(length), 40);
        sum = sum * 31 + static_cast<uint64_t>(std::memcmp(&to[0], &from[0], 2000) > 0);
        sum += std::accumulate(to.begin(), to.end(), uint64_t{0});
        const void* const found = std::memchr(&to[0], 77, to.size());
        sum += found == nullptr
                   ? 1
                   : static_cast<uint64_t>(static_cast<const unsigned char*>(found) - to.data());
      }
    }
    return sum;
  });
}

TEST_F(EmulatorTest, NumbersWithAFraction) {
  ExpectSame(2'000, [] {
    double sum = 0;
    float small = 1;
    for (int i = 1; i < 100; ++i) {
      sum += std::sqrt(static_cast<double>(Next())) / i;
      sum = std::fma(sum, 0.75, static_cast<double>(small));
      small = small * 1.25f - static_cast<float>(i % 7);
      if (sum > 1e6) sum = std::floor(sum / 3);
    }
    char text[64];
    snprintf(text, sizeof(text), "%.10g %.5g %lld", sum, static_cast<double>(small),
             std::llround(sum));
    return std::string(text) + std::to_string(std::strtod("1234.5678e-3", nullptr));
  });
}

TEST_F(EmulatorTest, BitsCarriesAndWideProducts) {
  ExpectSame(3'000, [] {
    __extension__ using Wide = unsigned __int128;
    uint64_t a = 0x123456789abcdef, b = 0xfedcba987654321;
    for (int i = 0; i < 200; ++i) {
      const uint64_t c = (uint64_t{Next()} << 32) | Next();
      const auto product = static_cast<Wide>(a) * c + b;
      a = static_cast<uint64_t>(product) ^ std::rotl(b, i % 64);
      b = static_cast<uint64_t>(product >> 64) + static_cast<uint64_t>(std::popcount(c)) +
          static_cast<uint64_t>(std::countl_zero(c | 1)) * 3 +
          static_cast<uint64_t>(std::countr_zero(a | 1));
      unsigned long long sum = 0;
      const unsigned char carry = _addcarry_u64(0, a, b, &sum);
      b ^= sum + carry;
      a += c % (b | 1);
      a -= static_cast<uint64_t>(static_cast<int64_t>(c) / static_cast<int64_t>((b >> 7) | 1));
    }
    return a ^ b;
  });
}

struct Shape {
  virtual ~Shape() = default;
  virtual uint64_t Area() const { return 1; }
};
struct Square : Shape {
  explicit Square(uint64_t width) : side(width) {}
  uint64_t Area() const override { return side * side; }
  uint64_t side;
};

// Back to here with the value.
__attribute__((noinline)) uint64_t JumpBack(int value) {
  jmp_buf back;
  const int came = setjmp(back);
  if (came == 0) longjmp(back, value);
  return static_cast<uint64_t>(came);
}

TEST_F(EmulatorTest, ExceptionsJumpsAndVirtualCalls) {
  ExpectSame(1'000, [] {
    uint64_t sum = 0;
    for (const uint64_t i : {0, 1, 2, 3, 4}) {
      const std::unique_ptr<Shape> shape =
          Next() % 2 == 0 ? std::make_unique<Shape>() : std::make_unique<Square>(i);
      sum = sum + shape->Area();
      sum = sum + JumpBack(5);
      try {
        std::vector<int>().at(i);
      } catch (const std::out_of_range&) {
        sum = sum * 3;
      }
      switch (Next() % 6) {
        case 0:
          sum = sum + 11;
          break;
        case 1:
          sum = sum ^ 13;
          break;
        case 2:
          sum = sum - 17;
          break;
        case 3:
          sum = sum * 19;
          break;
        case 4:
          sum = sum + 23;
          break;
        default:
          sum = ~sum;
          break;
      }
    }
    return sum;
  });
}

TEST_F(EmulatorTest, VariablesOfTheThreadAndErrno) {
  static thread_local uint64_t counter = 0;
  ExpectSame(50, [] {
    counter = 5;
    for (int i = 0; i < 20; ++i) counter += Next() % 10;
    errno = static_cast<int>(counter);
    return counter * 1000 + static_cast<uint64_t>(errno);
  });
}

TEST_F(EmulatorTest, ASystemCallIsLeftToTheProcessor) {
  executed = 0;
  asm volatile("int3" ::: "memory");
  const pid_t self = getpid();
  const uint64_t at_the_call = executed;
  EXPECT_EQ(self, getpid());
  EXPECT_GT(at_the_call, 0u);
}

// An access that the guide sends elsewhere.
TEST_F(EmulatorTest, TheGuideDecidesWhereMemoryIs) {
  static uint64_t here[4] = {1, 2, 3, 4}, there[4] = {10, 20, 30, 40};
  class Redirecting : public MemoryGuide {
   public:
    uint64_t Reach(const MemoryAccess& access, bool may_write) override {
      const auto begin = reinterpret_cast<uint64_t>(&here[0]);
      if (access.address < begin || access.address >= begin + sizeof(here)) return access.address;
      (may_write ? writes : reads) += access.bytes;
      return reinterpret_cast<uint64_t>(&there[0]) + access.address - begin;
    }
    uint64_t reads = 0, writes = 0;
  } redirecting;
  guide = &redirecting;
  volatile uint64_t* const at = here;
  const uint64_t sum = Emulated(10, [at] {
    at[1] = 7;
    at[2] = at[2] + 5;
    return at[0] + at[1] + at[2] + at[3];
  });
  EXPECT_EQ(sum, 10u + 7 + 35 + 40);
  EXPECT_EQ(there[1], 7u);
  EXPECT_EQ(here[1], 2u);
  EXPECT_EQ(here[2], 3u);
  EXPECT_EQ(redirecting.writes, 16u);
  EXPECT_GE(redirecting.reads, 40u);
}

// --- random instructions ------------------------------------------------------------------------

struct State {
  uint64_t registers[16];  // that of the stack pointer stays as it is
  uint64_t flags;
  alignas(64) uint8_t vectors[16][64];
  alignas(64) uint8_t memory[512];
  bool operator==(const State&) const = default;
};

// A routine void(State*): all registers from the state, one instruction, all back.
// The instruction's memory operand is [RBX + displacement], and RBX points into State::memory.
class Routine {
 public:
  explicit Routine(const std::vector<uint8_t>& instruction) {
    code_ = static_cast<uint8_t*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    at_ = code_;
    for (const int number : {3, 5, 12, 13, 14, 15}) Push(number);
    Emit({0x57});  // push rdi: the state
    for (unsigned i = 0; i < 16; ++i) Vector(0x6f, i);
    Emit({0xff, 0xb7});  // push [rdi + flags]
    Word(offsetof(State, flags));
    Emit({0x9d});  // popfq
    for (int i = 0; i < 16; ++i) {
      if (i != kStack && i != kState) General(0x8b, i);
    }
    General(0x8b, kState);
    breakpoint_ = at_;
    Emit({0x90});
    at_ = std::copy(instruction.begin(), instruction.end(), at_);
    // The state again, by way of the stack: all registers are taken.
    Emit({0x9c});                          // pushfq, where the emulator stops
    Emit({0x57});                          // push rdi
    Emit({0x48, 0x8b, 0x7c, 0x24, 0x10});  // mov rdi, [rsp + 16]
    Emit({0x8f, 0x87});                    // pop [rdi + register rdi]
    Word(offsetof(State, registers) + 8 * kState);
    Emit({0x8f, 0x87});  // pop [rdi + flags]
    Word(offsetof(State, flags));
    for (int i = 0; i < 16; ++i) {
      if (i != kStack && i != kState) General(0x89, i);
    }
    for (unsigned i = 0; i < 16; ++i) Vector(0x7f, i);
    Emit({0xfc, 0x5f});  // cld; pop rdi
    for (const int number : {15, 14, 13, 12, 5, 3}) Pop(number);
    Emit({0xc3});
  }
  ~Routine() { munmap(code_, kBytes); }
  Routine(const Routine&) = delete;
  Routine& operator=(const Routine&) = delete;

  void Run(State* state, bool emulated) {
    *breakpoint_ = emulated ? 0xcc : 0x90;
    reinterpret_cast<void (*)(State*)>(code_)(state);
  }

 private:
  static constexpr size_t kBytes = 4096;
  static constexpr int kStack = 4, kState = 7;

  void Emit(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) *at_++ = static_cast<uint8_t>(byte);
  }
  void Word(size_t value) {
    const auto word = static_cast<uint32_t>(value);
    std::memcpy(at_, &word, sizeof(word));
    at_ += sizeof(word);
  }
  void Push(int number) {
    if (number >= 8) Emit({0x41});
    Emit({0x50u | (static_cast<unsigned>(number) & 7)});
  }
  void Pop(int number) {
    if (number >= 8) Emit({0x41});
    Emit({0x58u | (static_cast<unsigned>(number) & 7)});
  }
  // MOV between a register and [rdi + ...].
  void General(unsigned opcode, int number) {
    const auto name = static_cast<unsigned>(number);
    Emit({0x48 | (name >> 3) << 2, opcode, 0x87 | (name & 7) << 3});
    Word(offsetof(State, registers) + 8 * name);
  }
  // VMOVDQU between YMM and [rdi + ...].
  void Vector(unsigned opcode, unsigned name) {
    Emit({0xc5, name < 8 ? 0xfeu : 0x7eu, opcode, 0x87 | (name & 7) << 3});
    Word(offsetof(State, vectors) + 64 * name);
  }

  uint8_t* code_ = nullptr;
  uint8_t* at_ = nullptr;
  uint8_t* breakpoint_ = nullptr;
};

sigjmp_buf escape;
void Escape(int /*number*/) { siglongjmp(escape, 1); }

// Random bytes that are one instruction with operands in registers or at [RBX + displacement], that
// the emulator translates.
class InstructionMaker {
 public:
  explicit InstructionMaker(uint64_t first) : random_(first) {}

  std::vector<uint8_t> Make() {
    for (;;) {
      std::vector<uint8_t> bytes = Draw();
      ZydisDecoder decoder;
      ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
      ZydisDecodedInstruction decoded;
      ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
      if (!ZYAN_SUCCESS(
              ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &decoded, operands))) {
        continue;
      }
      bytes.resize(decoded.length);
      if (IsUsable(decoded, operands)) return bytes;
    }
  }
  std::mt19937_64& random() { return random_; }

 private:
  uint8_t Byte() { return static_cast<uint8_t>(random_()); }

  std::vector<uint8_t> Draw() {
    std::vector<uint8_t> bytes;
    switch (random_() % 4) {
      case 0:  // VEX, two bytes or three
        if (random_() % 2 == 0) {
          bytes = {0xc5, Byte()};
        } else {
          bytes = {0xc4, static_cast<uint8_t>((Byte() & 0xe0) | (1 + random_() % 3)), Byte()};
        }
        break;
      default:
        if (random_() % 4 == 0) bytes.push_back(0x66);
        if (random_() % 6 == 0) bytes.push_back(random_() % 2 == 0 ? 0xf2 : 0xf3);
        if (random_() % 2 == 0) bytes.push_back(static_cast<uint8_t>(0x40 | (Byte() & 0xf)));
        if (random_() % 2 == 0) bytes.push_back(0x0f);
        break;
    }
    bytes.push_back(Byte());
    // A register, or [RBX + a byte or four].
    const unsigned form = static_cast<unsigned>(random_() % 3);
    const unsigned reg = Byte() & 0x38u;
    bytes.push_back(static_cast<uint8_t>(form == 0   ? 0xc0 | reg | (Byte() & 7u)
                                         : form == 1 ? 0x43 | reg
                                                     : 0x83 | reg));
    bytes.push_back(static_cast<uint8_t>(Byte() & 0x3f));
    for (int i = 0; i < 3; ++i) bytes.push_back(form == 2 ? 0 : Byte());
    for (int i = 0; i < 8; ++i) bytes.push_back(Byte());
    return bytes;
  }

  static bool IsUsable(const ZydisDecodedInstruction& decoded,
                       const ZydisDecodedOperand* operands) {
    for (size_t i = 0; i < decoded.operand_count; ++i) {
      const ZydisDecodedOperand& operand = operands[i];
      if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY &&
          (operand.mem.base != ZYDIS_REGISTER_RBX || operand.mem.index != ZYDIS_REGISTER_NONE ||
           operand.mem.segment == ZYDIS_REGISTER_FS || operand.mem.segment == ZYDIS_REGISTER_GS)) {
        return false;
      }
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      const ZydisRegister whole =
          ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value);
      const bool changes = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
      if (whole == ZYDIS_REGISTER_RSP && changes) return false;
      // A number of its own each time it is asked.
      if (operand.reg.value == ZYDIS_REGISTER_MXCSR && changes) return false;
    }
    switch (decoded.mnemonic) {
      // Of the processor that it happens to run on.
      case ZYDIS_MNEMONIC_CPUID:
      case ZYDIS_MNEMONIC_RDPID:
      case ZYDIS_MNEMONIC_RDTSC:
      case ZYDIS_MNEMONIC_RDTSCP:
      case ZYDIS_MNEMONIC_RDRAND:
      case ZYDIS_MNEMONIC_RDSEED:
      case ZYDIS_MNEMONIC_LDMXCSR:
      case ZYDIS_MNEMONIC_VLDMXCSR:
        return false;
      default:
        break;
    }
    return true;
  }

  std::mt19937_64 random_;
};

TEST_F(EmulatorTest, AnyInstructionDoesWhatTheProcessorDoes) {
  if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "the routine saves AVX's registers";
  constexpr uint64_t kSeed = 20261125;
  constexpr int kWanted = 4000;
  InstructionMaker maker(kSeed);
  auto* const region = static_cast<uint8_t*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  auto* const machine = new (region) Machine;
  int in_memory = 0, vectors = 0;
  for (int tried = 0; tried < kWanted;) {
    const std::vector<uint8_t> instruction = maker.Make();
    std::vector<uint8_t> padded = instruction;
    padded.resize(32, 0x90);
    const Translation translation =
        Translate(reinterpret_cast<uint64_t>(padded.data()), region + 4096, machine);
    if (translation.kind != Translation::Kind::kRun &&
        translation.kind != Translation::Kind::kAddress) {
      continue;
    }
    static State before;
    for (uint64_t& word : before.registers) word = maker.random()();
    for (auto& vector : before.vectors) {
      std::fill(std::begin(vector), std::end(vector), uint8_t{0});
      for (int i = 0; i < 32; ++i) vector[i] = static_cast<uint8_t>(maker.random()());
    }
    for (uint8_t& byte : before.memory) byte = static_cast<uint8_t>(maker.random()());
    before.flags = 0x202 | (maker.random()() & 0x8d5);
    static State native, ours;
    for (State* const state : {&native, &ours}) {
      *state = before;
    }
    // Both run at one address, so that addresses are the same.
    static State state;
    Routine routine(instruction);
    const auto run = [&](bool emulated) {
      state = before;
      state.registers[3] = reinterpret_cast<uint64_t>(&state.memory[128]);
      state.registers[4] = 0;
      routine.Run(&state, emulated);
    };
    for (const int number : {SIGILL, SIGFPE, SIGSEGV, SIGBUS}) signal(number, Escape);
    const bool faults = sigsetjmp(escape, 1) != 0;
    if (!faults) {
      run(/*emulated=*/false);
      native = state;
    }
    for (const int number : {SIGILL, SIGFPE, SIGSEGV, SIGBUS}) signal(number, SIG_DFL);
    if (faults) continue;
    executed = 0;
    run(/*emulated=*/true);
    ours = state;
    ++tried;
    in_memory += translation.in_memory ? 1 : 0;
    vectors += translation.uses_vectors ? 1 : 0;
    const std::string hex = Hex(instruction.data(), instruction.size());
    ASSERT_EQ(executed, 1u) << hex;
    ASSERT_EQ(std::memcmp(&ours, &native, sizeof(State)), 0) << hex << " of seed " << kSeed;
  }
  // Of each kind there were some.
  EXPECT_GT(in_memory, kWanted / 10);
  EXPECT_GT(vectors, kWanted / 10);
  EXPECT_LT(vectors, kWanted * 9 / 10);
}

}  // namespace
}  // namespace fencepost
