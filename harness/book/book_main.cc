// SPDX-License-Identifier: BSD-3-Clause
// fencepost_book: what scripts/reproduce_book.sh measures beside `fencepost bench`.
//
//     fencepost_book pyramid --out pyramid.csv
//     fencepost_book cold --out cold.csv --value-bytes 64,1024
//
// Exit codes are those of fencepost. The file appears whole, at the end, or not at all.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "harness/book/book_folder.h"
#include "harness/book/cold_gets.h"
#include "harness/book/program.h"
#include "harness/book/pyramid.h"
#include "harness/clock.h"
#include "harness/interrupt.h"
#include "harness/pinning.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

struct BookFlags {
  std::string out;
  double seconds_per_point = 0.5;
  uint64_t memory_bytes_max = UINT64_MAX;
  std::vector<std::string> engines = {"filestore", "rocksdb", "lmdb", "cmap"};
  std::vector<uint64_t> value_bytes = {64, 1024, 16384};
  uint64_t pairs = 1000;
  size_t samples = 25;
};

Status RunPyramid(const BookFlags& flags) {
  ASSIGN_OR_RETURN(const std::vector<int> cpus, AllowedCpus());
  RETURN_IF_ERROR(PinThisThread(cpus, cpus.size() - 1));
  ASSIGN_OR_RETURN(const ScratchFolder disk, BookFolder("filestore"));
  const Result<ScratchFolder> pmem = BookFolder("cmap");
  PyramidOptions options;
  options.disk = disk.path();
  if (pmem.ok()) options.pmem = pmem->path();
  options.seconds_per_point = flags.seconds_per_point;
  options.memory_bytes_max = flags.memory_bytes_max;
  ASSIGN_OR_RETURN(const Pyramid pyramid,
                   MeasurePyramid(options, ReadMachineFacts(), [](const std::string& what) {
                     fmt::print(stderr, "  {}\n", what);
                   }));
  for (const std::string& line : pyramid.absent) fmt::print("{}\n", line);
  for (const PyramidPoint& point : pyramid.points) {
    fmt::print("{:<44} {:>12.4g} ns  [{:.4g}, {:.4g}]  {}\n", point.label, point.ns.value,
               point.ns.low, point.ns.high, point.note);
  }
  if (Interrupted()) return Status::Ok();
  return WriteFileAtomically(flags.out, PyramidCsv(pyramid));
}

Status RunCold(const BookFlags& flags) {
  CsvTable table({"engine", "medium", "value_bytes", "pairs", "samples", "evicted",
                  "resident_share", "cold_ns", "cold_low_ns", "cold_high_ns", "reopened_ns",
                  "reopened_low_ns", "reopened_high_ns", "confidence", "device_bytes_read"});
  for (const std::string& name : flags.engines) {
    for (const uint64_t value_bytes : flags.value_bytes) {
      if (Interrupted()) return Status::Ok();
      ASSIGN_OR_RETURN(const EngineRow* row, FindEngine(name));
      ASSIGN_OR_RETURN(const ScratchFolder folder, BookFolder(name));
      ColdGetsOptions options;
      options.engine.path = folder.path() / name;
      options.engine.size_hint = {flags.pairs, BookKey(0).size(), value_bytes};
      options.pairs = flags.pairs;
      options.value_bytes = value_bytes;
      options.samples = flags.samples;
      fmt::print(stderr, "  {}, values of {} bytes\n", name, value_bytes);
      ASSIGN_OR_RETURN(const ColdGets found, MeasureColdGets(*row, options));
      const auto number = [](double value) { return fmt::format("{:.5g}", value); };
      table.AddRow({name, std::string(MediumName(found.medium)), fmt::format("{}", value_bytes),
                    fmt::format("{}", flags.pairs), fmt::format("{}", found.cold_ns.count),
                    found.evicted ? "yes" : "no", number(found.resident_share),
                    number(found.cold_ns.value), number(found.cold_ns.low),
                    number(found.cold_ns.high), number(found.reopened_ns.value),
                    number(found.reopened_ns.low), number(found.reopened_ns.high),
                    number(found.cold_ns.confidence), number(found.device_bytes_read)});
    }
  }
  return WriteFileAtomically(flags.out, table.text());
}

int Main(int argc, char** argv) {
  CLI::App app("What the book's figures need beside fencepost bench", "fencepost_book");
  app.require_subcommand(1);
  BookFlags flags;
  CLI::App* pyramid = app.add_subcommand("pyramid", "latencies from a register to a sync");
  CLI::App* cold = app.add_subcommand("cold", "the first get after opening, page cache cold");
  for (CLI::App* command : {pyramid, cold}) {
    command->add_option("--out", flags.out, "the CSV file")->required();
  }
  pyramid->add_option("--seconds-per-point", flags.seconds_per_point)
      ->check(CLI::Range(0.001, 60.0));
  pyramid->add_option("--memory-bytes-max", flags.memory_bytes_max, "of the largest set")
      ->check(CLI::PositiveNumber);
  cold->add_option("--engines", flags.engines)->delimiter(',');
  cold->add_option("--value-bytes", flags.value_bytes)->delimiter(',')->check(CLI::PositiveNumber);
  cold->add_option("--pairs", flags.pairs)->check(CLI::PositiveNumber);
  cold->add_option("--samples", flags.samples)->check(CLI::PositiveNumber);
  return RunProgram(app, argc, argv, [&] {
    Clock::Calibrate();
    return pyramid->parsed() ? RunPyramid(flags) : RunCold(flags);
  });
}

}  // namespace
}  // namespace fencepost

int main(int argc, char** argv) { return fencepost::Main(argc, argv); }
