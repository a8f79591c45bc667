// SPDX-License-Identifier: BSD-3-Clause
// fencepost_paths: counts what a get and a put take, by engine and value size, into a CSV file.
//
//     fencepost_paths --out paths.csv --value-bytes 64,4096
//
// A program of its own, since it replaces malloc and memcpy: nothing is timed in it.
// Exit codes are those of fencepost; where ptrace is not permitted it says so, writes no file, and
// ends with 2.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "harness/book/book_folder.h"
#include "harness/book/cold_gets.h"
#include "harness/book/path_costs.h"
#include "harness/book/program.h"
#include "harness/interrupt.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

struct PathFlags {
  std::string out;
  std::vector<std::string> engines = {"filestore", "rocksdb", "lmdb", "cmap"};
  std::vector<uint64_t> value_bytes = {64};
  uint64_t operations = 100;
};

Status Run(const PathFlags& flags) {
  CsvTable table({"engine",
                  "medium",
                  "value_bytes",
                  "phase",
                  "operations",
                  "system_calls",
                  "read_calls",
                  "read_call_bytes",
                  "write_calls",
                  "write_call_bytes",
                  "blocks_written",
                  "sync_calls",
                  "page_faults",
                  "allocations",
                  "allocated_bytes",
                  "copies",
                  "copied_bytes",
                  "device_bytes_read",
                  "device_bytes_written",
                  "lines_flushed",
                  "fences",
                  "lines_read",
                  "lines_written",
                  "instructions",
                  "unknown_instructions",
                  "calls"});
  for (const std::string& name : flags.engines) {
    for (const uint64_t value_bytes : flags.value_bytes) {
      if (Interrupted()) return Status::Ok();
      ASSIGN_OR_RETURN(const EngineRow* row, FindEngine(name));
      ASSIGN_OR_RETURN(const ScratchFolder folder, BookFolder(name));
      ASSIGN_OR_RETURN(const Medium medium, MediumOf(folder.path()));
      PathCostsOptions options;
      options.engine.path = folder.path() / "store";
      // Enough for several blocks of each store, and quickly loaded.
      options.pairs = value_bytes <= 4096 ? 1000 : 200;
      options.engine.size_hint = {2 * options.pairs, BookKey(0).size(), value_bytes};
      options.counts_file = folder.path() / "counts";
      options.value_bytes = value_bytes;
      options.operations = flags.operations;
      fmt::print(stderr, "  {}, values of {} bytes\n", name, value_bytes);
      ASSIGN_OR_RETURN(const std::vector<PathCosts> found, MeasurePathCosts(*row, options));
      const auto number = [](double value) { return fmt::format("{:.6g}", value); };
      for (const PathCosts& costs : found) {
        table.AddRow({name,
                      std::string(MediumName(medium)),
                      fmt::format("{}", value_bytes),
                      costs.phase,
                      fmt::format("{}", costs.operations),
                      number(costs.system_calls),
                      number(costs.read_calls),
                      number(costs.read_call_bytes),
                      number(costs.write_calls),
                      number(costs.write_call_bytes),
                      number(costs.blocks_written),
                      number(costs.sync_calls),
                      number(costs.page_faults),
                      number(costs.allocations),
                      number(costs.allocated_bytes),
                      number(costs.copies),
                      number(costs.copied_bytes),
                      number(costs.device_bytes_read),
                      number(costs.device_bytes_written),
                      number(costs.lines_flushed),
                      number(costs.fences),
                      number(costs.lines_read),
                      number(costs.lines_written),
                      number(costs.instructions),
                      number(costs.unknown_instructions),
                      costs.calls});
      }
    }
  }
  return WriteFileAtomically(flags.out, table.text());
}

int Main(int argc, char** argv) {
  CLI::App app("Counts what a get and a put take on their way", "fencepost_paths");
  PathFlags flags;
  app.add_option("--out", flags.out, "the CSV file")->required();
  app.add_option("--engines", flags.engines)->delimiter(',');
  app.add_option("--value-bytes", flags.value_bytes)->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--operations", flags.operations)->check(CLI::PositiveNumber);
  return RunProgram(app, argc, argv, [&] { return Run(flags); });
}

}  // namespace
}  // namespace fencepost

int main(int argc, char** argv) { return fencepost::Main(argc, argv); }
