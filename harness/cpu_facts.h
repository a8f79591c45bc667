// SPDX-License-Identifier: BSD-3-Clause
// What this CPU can do, by CPUID: the flush and store instructions for persistent memory, and the
// vector extensions that are chosen among at run time.
//
// Invariants: avx2 and avx512f mean usable: the operating system saves their registers too.
// Threads: any.
// Not covered: other architectures than x86-64, where all is false.
// Source: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
#ifndef FENCEPOST_HARNESS_CPU_FACTS_H_
#define FENCEPOST_HARNESS_CPU_FACTS_H_

#include <string>

namespace fencepost {

struct CpuFacts {
  std::string model;  // the brand string
  bool clflush = false;
  bool clflushopt = false;
  bool clwb = false;
  bool movdir64b = false;
  bool avx2 = false;
  bool avx512f = false;
  bool invariant_tsc = false;
  bool hypervisor = false;      // this is a virtual machine
  std::string hypervisor_name;  // "KVMKVMKVM", "VMwareVMware", ...; empty for none
  // Executed in software, as QEMU does without KVM: how long things take says nothing.
  bool emulated = false;
};

CpuFacts ReadCpuFacts();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CPU_FACTS_H_
