// SPDX-License-Identifier: BSD-3-Clause
// The one list of engines. A new engine is two files, one row in engine_table.cc and one CMake
// line; the conformance tests, the command line, the crash campaigns and the plots take it from
// here.
#ifndef FENCEPOST_ENGINES_ENGINE_TABLE_H_
#define FENCEPOST_ENGINES_ENGINE_TABLE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engines/engine.h"
#include "engines/engine_options.h"

namespace fencepost {

// What an engine can do. Data, not stubs: what is not claimed here returns kUnsupported.
struct Capabilities {
  bool ordered = false;            // Scan in byte order of keys
  bool atomic_batch = false;       // Apply is all or nothing
  bool audit = false;              // Audit gives a view of leaks
  bool compare_and_put = false;    // compares_and_puts() is there
  bool defragment = false;         // defragments() is there
  bool exact_count = true;         // Stats().count is not an estimate
  bool counts_persists = true;     // Stats counts flushed lines, fences and syncs; else they are 0
  bool resumes_when_full = true;   // takes writes again after kFull without being opened anew
  bool checksums = false;          // notices that a medium gives back what was not written
  bool stores_data = true;         // false: blackhole, which measures the harness
  bool tells_reads = false;        // by engines/pmem/access.h: its memory can be modelled live
  bool delays_files = false;       // by engines/media/file_delays.h: its device can, too
  bool persistent_memory = false;  // wants a DAX or tmpfs path
  bool path_is_file = false;       // options.path is a file, not a directory
  uint64_t min_key_bytes = 0;
  uint64_t max_key_bytes = UINT64_MAX;
  uint64_t max_value_bytes = UINT64_MAX;
};

struct EngineRow {
  std::string_view name;
  std::string_view description;  // one line
  Result<std::unique_ptr<Engine>> (*open)(const EngineOptions& options);
  std::string (*version)();  // of the library underneath: "RocksDB 7.8.3"
  Capabilities capabilities;
  std::span<const Durability> durabilities;  // strongest first; never empty
  std::span<const OptionSpec> options;
  // Names, with * for any part, of files that hold nothing which a crash could take: what they hold
  // is made anew when the store is opened.
  std::span<const std::string_view> volatile_files = {};
};

std::span<const EngineRow> Engines();

// kInvalidArgument, naming the engines there are, if there is no such row.
Result<const EngineRow*> FindEngine(std::string_view name);

// kInvalidArgument, naming the classes that the engine has, if this is none of them.
Status CheckDurability(const EngineRow& row, Durability durability);

// Checks durability and tuning against the row, then opens.
Result<std::unique_ptr<Engine>> OpenEngine(const EngineRow& row, const EngineOptions& options);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ENGINE_TABLE_H_
