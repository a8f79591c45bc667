// SPDX-License-Identifier: BSD-3-Clause
// fencepost media: the media models, how near they come to what was published, and what they make
// of the counted accesses of an engine.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "engines/media/block_model.h"
#include "engines/media/experiments.h"
#include "engines/media/memory_model.h"
#include "harness/commands/command.h"
#include "harness/engine_setup.h"
#include "harness/media/count_files.h"
#include "harness/media/count_memory.h"
#include "harness/placement.h"
#include "harness/run_request.h"
#include "harness/text_table.h"
#include "harness/valgrind_probe.h"
#include "harness/valgrind_tool.h"

namespace fencepost {
namespace {

using media::BlockModel;
using media::ComparedPoint;
using media::ComparedSeries;
using media::MemoryModel;
using Align = TextTable::Align;

struct MediaRequest {
  std::string engine;
  WorkloadFlags workload;
  std::string cache;  // empty: 1M
  bool loads = false;
  bool fit = false;
  bool points = false;
  bool json = false;
};

constexpr std::string_view kMemories[] = {"dram", "optane", "optane-remote"};
constexpr double kGoal = 0.1;

void PrintModels() {
  TextTable memories({{"memory"},
                      {"random read ns", Align::kRight},
                      {"near read ns", Align::kRight},
                      {"ntstore ns", Align::kRight},
                      {"clwb ns", Align::kRight},
                      {"block bytes", Align::kRight},
                      {"read GB/s", Align::kRight},
                      {"write GB/s", Align::kRight}});
  for (const std::string_view name : kMemories) {
    const MemoryModel& model = *media::FindMemoryModel(name);
    const auto bytes = static_cast<double>(model.modules * model.block_bytes);
    memories.AddRow({std::string(name), fmt::format("{:.1f}", model.read_random_ns),
                     fmt::format("{:.1f}", model.read_near_ns),
                     fmt::format("{:.1f}", model.ntstore_ns), fmt::format("{:.1f}", model.clwb_ns),
                     fmt::format("{}", model.block_bytes),
                     fmt::format("{:.1f}", bytes / model.read_block_ns),
                     fmt::format("{:.1f}", bytes / model.write_block_ns)});
  }
  TextTable devices({{"device"},
                     {"4 KiB read us", Align::kRight},
                     {"4 KiB write us", Align::kRight},
                     {"read GB/s", Align::kRight},
                     {"write GB/s", Align::kRight}});
  for (const BlockModel& model : media::BlockModels()) {
    devices.AddRow({std::string(model.name), fmt::format("{:.1f}", model.read_ns / 1e3),
                    fmt::format("{:.1f}", model.write_ns / 1e3),
                    fmt::format("{:.1f}", model.read_bytes_per_ns),
                    fmt::format("{:.1f}", model.write_bytes_per_ns)});
  }
  fmt::print("modelled, not measured; docs/media.md says how\n\n{}\n{}\n", memories.Render(),
             devices.Render());
  fmt::print(
      "memories: Yang et al., An Empirical Guide to the Behavior and Use of Scalable "
      "Persistent Memory, FAST 2020\n");
  for (const BlockModel& model : media::BlockModels()) {
    fmt::print("{}: {}\n", model.name, model.source);
  }
}

bool IsHeldOut(const ComparedSeries& series) {
  return series.published->role == media::Role::kHeldOut;
}

nlohmann::json FitJson(const std::vector<ComparedSeries>& all) {
  nlohmann::json series = nlohmann::json::array();
  for (const ComparedSeries& compared : all) {
    nlohmann::json points = nlohmann::json::array();
    for (const ComparedPoint& point : compared.points) {
      points.push_back(
          {{"x", point.x}, {"published", point.published}, {"modelled", point.modelled}});
    }
    series.push_back({{"table", compared.published->table},
                      {"series", compared.published->series},
                      {"held_out", IsHeldOut(compared)},
                      {"x_unit", compared.published->x_unit},
                      {"unit", compared.published->unit},
                      {"median_error", compared.median_error()},
                      {"largest_error", compared.largest_error()},
                      {"points", std::move(points)}});
  }
  return {{"schema", "fencepost.media_fit/1"},
          {"source", "Yang et al., FAST 2020 (NVSL/OptaneStudy)"},
          {"goal_error", kGoal},
          {"series", std::move(series)}};
}

void PrintFit(const std::vector<ComparedSeries>& all, bool points) {
  TextTable table({{"table"},
                   {"series"},
                   {"role"},
                   {"points", Align::kRight},
                   {"median error", Align::kRight},
                   {"largest", Align::kRight},
                   {"within 10 %", Align::kRight}});
  size_t held_out = 0, held_out_within = 0;
  for (const ComparedSeries& series : all) {
    size_t within = 0;
    for (const ComparedPoint& point : series.points) within += std::abs(point.error()) <= kGoal;
    if (IsHeldOut(series)) {
      held_out += series.points.size();
      held_out_within += within;
    }
    table.AddRow(
        {std::string(series.published->table), std::string(series.published->series),
         IsHeldOut(series) ? "held out" : "fitted", fmt::format("{}", series.points.size()),
         fmt::format("{:.1f} %", series.median_error() * 100),
         fmt::format("{:.1f} %", series.largest_error() * 100), fmt::format("{}", within)});
    if (!points) continue;
    for (const ComparedPoint& point : series.points) {
      table.AddRow({"", fmt::format("  {:.0f} {}", point.x, series.published->x_unit), "",
                    fmt::format("{:.3f}", point.published), fmt::format("{:.3f}", point.modelled),
                    fmt::format("{:+.1f} %", point.error() * 100), ""});
    }
  }
  fmt::print("model against published{}\n\n{}\n",
             points ? " (of a point: published, modelled, error)" : "", table.Render());
  fmt::print("held out: {} of {} points within the goal of 10 %\n", held_out_within, held_out);
}

// Where the counted run's data is, removed with everything in it.
class CountedPlace {
 public:
  explicit CountedPlace(std::filesystem::path path) : path_(std::move(path)) {}
  ~CountedPlace() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  CountedPlace(const CountedPlace&) = delete;
  CountedPlace& operator=(const CountedPlace&) = delete;

 private:
  std::filesystem::path path_;
};

constexpr const char* kPoolAddress = "PMEM_MMAP_HINT";

// The pool at one address each time: libpmem asks the environment when it is loaded, so this
// process begins again with it. Comes back with Ok where it is set.
Status FixPoolAddress(const Arguments& arguments) {
  if (getenv(kPoolAddress) != nullptr) return Status::Ok();
  setenv(kPoolAddress, "0x100000000000", /*overwrite=*/1);
  std::vector<std::string> words = arguments;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execv("/proc/self/exe", pointers.data());
  return Status::IoError(fmt::format("execv: {}", std::strerror(errno)));
}

// This process again under the tool, which counts loads. Comes back with Ok where it does. Valgrind
// gives every run the same addresses, and has no room for the one that is asked for elsewhere.
Status RunUnderTool(const Arguments& arguments, uint64_t cache_bytes) {
  if (ToolCountsLoads()) return Status::Ok();
  if (RunsUnderValgrind()) {
    return Status::Unsupported("--loads: runs under another Valgrind, and so cannot count");
  }
  ASSIGN_OR_RETURN(const ValgrindTool tool, FindPmemcheck(/*launcher=*/""));
  setenv(kPoolAddress, "0", /*overwrite=*/1);
  std::vector<std::string> program = arguments;
  program.front() = std::filesystem::read_symlink("/proc/self/exe").string();
  return ExecUnder(tool,
                   {"--loads=yes", fmt::format("--loads-cache={}", cache_bytes), "--quiet",
                    "--print-summary=no", "--error-summary=no"},
                   program);
}

template <typename Counts>
ExitCode PrintCounts(const Result<Counts>& counts, bool as_json) {
  if (!counts.ok()) return ReportError(counts.status());
  fmt::print("{}\n", as_json ? CountsJson(*counts).dump(1) : CountsText(*counts));
  return ExitCode::kPass;
}

ExitCode CountEngine(const MediaRequest& request, const Arguments& arguments) {
  const Result<const EngineRow*> row = FindEngineOrCanary(request.engine);
  if (!row.ok()) return ReportError(row.status());
  if (!(*row)->capabilities.stores_data) {
    return ReportError(Status::InvalidArgument(
        fmt::format("{} stores nothing: there is nothing to count", request.engine)));
  }
  if (request.workload.files.empty()) {
    return ReportError(
        Status::InvalidArgument("media ENGINE needs a workload: -P workloads/crash-mixed"));
  }
  if (!(*row)->capabilities.persistent_memory) {
    if (!request.cache.empty() || request.loads) {
      return ReportError(Status::InvalidArgument(
          fmt::format("{}: {} is counted by its system calls",
                      request.loads ? "--loads" : "--cache=" + request.cache, request.engine)));
    }
    return PrintCounts(CountFiles(request.workload, request.engine), request.json);
  }
  const Result<uint64_t> cache_bytes = ParseBytes(request.cache.empty() ? "1M" : request.cache);
  if (!cache_bytes.ok() || *cache_bytes < media::kLineBytes) {
    return ReportError(Status::InvalidArgument(
        fmt::format("--cache={}: must be a size of at least a line, e.g. 1M", request.cache)));
  }
  const std::string leaf = fmt::format("media-{}", getpid());
  const Result<RunPlan> plan =
      MakeRunPlan(request.workload, request.engine, Placement::kTmpfs, leaf);
  if (!plan.ok()) return ReportError(plan.status());
  for (const std::string_view name : {"engine.path", "medium"}) {
    if (plan->properties->entries().contains(std::string(name))) {
      return ReportError(Status::InvalidArgument(
          fmt::format("{}: counts are of a store of their own, for all media", name)));
    }
  }
  const Status ready =
      request.loads ? RunUnderTool(arguments, *cache_bytes) : FixPoolAddress(arguments);
  if (!ready.ok()) return ReportError(ready);
  WarnOfUnread(*plan->properties);
  // <place>/<leaf>/cmap/pool
  const CountedPlace place(plan->options.path.parent_path().parent_path());
  return PrintCounts(CountMemory(*plan, *cache_bytes, request.loads), request.json);
}

ExitCode Media(const MediaRequest& request, const Arguments& arguments) {
  if (!request.engine.empty()) return CountEngine(request, arguments);
  if (!request.fit) {
    if (request.json) {
      return ReportError(Status::InvalidArgument("media: --json goes with --fit or an engine"));
    }
    PrintModels();
    return ExitCode::kPass;
  }
  const std::vector<ComparedSeries> all = media::RunExperiments();
  if (request.json) {
    fmt::print("{}\n", FitJson(all).dump(1));
  } else {
    PrintFit(all, request.points);
  }
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareMedia(CLI::App& app, const Arguments& arguments) {
  auto request = std::make_shared<MediaRequest>();
  CLI::Option* const engine =
      app.add_option("engine", request->engine,
                     "count what this engine does to its medium, operation by operation");
  AddRepeatable(app, "-P,--workload", &request->workload.files, "with an engine: workload file")
      ->needs(engine);
  AddRepeatable(app, "-p,--property", &request->workload.properties, "with an engine: key=value")
      ->needs(engine);
  app.add_option("--cache", request->cache,
                 "with an engine on persistent memory: the CPU's cache in front (default 1M)")
      ->needs(engine);
  app.add_flag("--loads", request->loads,
               "with such an engine: count its instructions' loads too, under Valgrind")
      ->needs(engine);
  CLI::Option* const fit =
      app.add_flag("--fit", request->fit,
                   "run the published experiments on the models: model against published")
          ->excludes(engine);
  app.add_flag("--points", request->points, "with --fit: each point")->needs(fit);
  app.add_flag("--json", request->json, "as JSON; of --fit, for plots/media_fit.py");
  return [request, &arguments] { return Media(*request, arguments); };
}

}  // namespace fencepost
