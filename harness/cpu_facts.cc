// SPDX-License-Identifier: BSD-3-Clause
#include "harness/cpu_facts.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fencepost {

#if defined(__x86_64__)
namespace {

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero where the CPU does not have this leaf.
Registers Cpuid(unsigned leaf) {
  Registers r;
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

// The leaves of a hypervisor are beyond the highest that __get_cpuid checks against.
Registers HypervisorCpuid() {
  Registers r;
  __cpuid(0x40000000u, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

bool Bit(unsigned value, unsigned bit) { return (value >> bit & 1u) != 0; }

void Append(unsigned value, std::string* out) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof value);
}

std::string BrandString() {
  std::string brand;
  for (const unsigned leaf : {0x80000002u, 0x80000003u, 0x80000004u}) {
    const Registers r = Cpuid(leaf);
    for (const unsigned value : {r.eax, r.ebx, r.ecx, r.edx}) Append(value, &brand);
  }
  brand.resize(std::strlen(brand.c_str()));
  const size_t first = brand.find_first_not_of(' ');
  if (first == std::string::npos) return "unknown";
  return brand.substr(first, brand.find_last_not_of(' ') - first + 1);
}

std::string HypervisorName() {
  const Registers r = HypervisorCpuid();
  std::string name;
  for (const unsigned value : {r.ebx, r.ecx, r.edx}) Append(value, &name);
  name.resize(std::strlen(name.c_str()));
  return name;
}

// XCR0: which register sets the operating system saves. REQUIRES: OSXSAVE.
uint64_t SavedRegisterSets() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

}  // namespace

CpuFacts ReadCpuFacts() {
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6;
  const Registers basic = Cpuid(1), extended = Cpuid(7);
  const uint64_t saved = Bit(basic.ecx, 27) ? SavedRegisterSets() : 0;
  CpuFacts facts;
  facts.model = BrandString();
  facts.clflush = Bit(basic.edx, 19);
  facts.clflushopt = Bit(extended.ebx, 23);
  facts.clwb = Bit(extended.ebx, 24);
  facts.movdir64b = Bit(extended.ecx, 28);
  facts.avx2 = Bit(extended.ebx, 5) && (saved & kYmm) == kYmm;
  facts.avx512f = Bit(extended.ebx, 16) && (saved & kZmm) == kZmm;
  facts.invariant_tsc = Bit(Cpuid(0x80000007u).edx, 8);
  facts.hypervisor = Bit(basic.ecx, 31);
  if (facts.hypervisor) facts.hypervisor_name = HypervisorName();
  facts.emulated = facts.hypervisor_name == "TCGTCGTCGTCG";
  return facts;
}

#else

CpuFacts ReadCpuFacts() { return {.model = "unknown"}; }

#endif

}  // namespace fencepost
