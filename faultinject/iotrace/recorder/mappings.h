// SPDX-License-Identifier: BSD-3-Clause
// The table of shared mappings of traced files, of all processes.
//
// Addresses in the window (control.h) are given out once, to one process and the children that it
// forks; a mapping at an address of the program's own choice stays in the table until its process
// is gone, since nothing tells of its end. A child's copies are not in the table: its stores are
// seen while its parent has the mapping, when the file itself is synced, truncated or removed, and
// at the end.
// Threads: REQUIRES: the lock is held.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_MAPPINGS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_MAPPINGS_H_

#include <cstdint>

#include "faultinject/iotrace/recorder/contents.h"

namespace fencepost::iorecorder {

// Room for a mapping in the window; 0 if there is none.
uint64_t TakeAddresses(uint64_t bytes);
void AddMapping(uint64_t address, uint64_t bytes, const FileAt& file, uint64_t file_offset,
                bool is_writable);
// The mapping that holds `address`, or the first one behind it that begins before `end`; of this
// process if there are several.
Mapping* FindMapping(uint64_t address, uint64_t end);
// Takes [begin, end) out of all mappings in the window.
void CutMappings(uint64_t begin, uint64_t end);
// This process's mappings in [begin, end) become writable ones.
void MakeWritableWithin(uint64_t begin, uint64_t end);
void ForgetMappingsOf(uint32_t process);
void ForgetMappingsOfDead();

// Makes a hole in a shared file mapping of the recorder's.
bool DropPages(char* begin, uint64_t bytes);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_MAPPINGS_H_
