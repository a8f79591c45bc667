// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/crash_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/crash/crash_report.h"
#include "harness/interrupt.h"
#include "harness/pinning.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// "2/8": the third of eight.
Status ParseShard(const std::string& text, uint64_t* shard, uint64_t* shards) {
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, *shard);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, *shards) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || *shards == 0 ||
      *shard >= *shards) {
    return Status::InvalidArgument(
        fmt::format("--shard={}: must be i/n with i from 0 to n-1", text));
  }
  return Status::Ok();
}

// What only crashes in memory have, and what only those in files have, is refused for the others.
Status CheckDomain(const CrashFlags& flags, CrashDomain domain) {
  if (domain == CrashDomain::kMemory) {
    if (flags.tear == "none") return Status::InvalidArgument("--tear=none is for files");
    if (!flags.file_system && !flags.sector_bytes) return Status::Ok();
    return Status::InvalidArgument(
        "--fs and --sector are for engines that keep their data in files");
  }
  if (flags.eadr || flags.mutate || flags.depth > 1) {
    return Status::InvalidArgument(
        "--eadr, --mutate and --depth=2 are for engines in persistent memory");
  }
  if (flags.tear && flags.tear != "none") {
    return Status::InvalidArgument(
        fmt::format("--tear={} is for persistent memory; files have --sector", *flags.tear));
  }
  return Status::Ok();
}

Status SetFileOptions(const CrashFlags& flags, FileExploreOptions* options) {
  ASSIGN_OR_RETURN(options->file_system,
                   FindFileSystem(flags.file_system.value_or("ext4-ordered")));
  ASSIGN_OR_RETURN(options->strategy, ParseFileStrategy(flags.strategy.value_or("standard")));
  ASSIGN_OR_RETURN(options->unwatched, ParseFileStrategy("standard"));
  const uint64_t sector = flags.sector_bytes.value_or(0);
  if (flags.sector_bytes && (sector < 8 || (sector & (sector - 1)) != 0 || sector > 1 << 20)) {
    return Status::InvalidArgument(
        fmt::format("--sector={}: must be a power of two from 8 to 1048576", sector));
  }
  options->model = {.sector_bytes = sector, .tearing = flags.tear != "none"};
  options->seed = flags.seed;
  return ParseShard(flags.shard, &options->shard, &options->shards);
}

}  // namespace

void DeclareCrashFlags(CLI::App& app, CrashFlags* flags) {
  app.add_option("--strategy", flags->strategy,
                 "which crash states are tried: reads (default: every one that recovery can tell "
                 "apart), prefix (default where recovery cannot be watched), suffix, one-missing, "
                 "one-only, sample:N, all, or an engine name of pmreorder; of files: standard "
                 "(default), prefix, torn, one-missing, one-only, sample:N, all");
  app.add_option("--seed", flags->seed, "of what is drawn (default 1)");
  app.add_option("--jobs", flags->jobs, "recoveries at a time (default: one a processor)")
      ->check(CLI::Range(0u, 1024u));
  app.add_option("--timeout", flags->timeout_s, "seconds that a recovery may take (default 10)");
  app.add_option("--max-states", flags->max_states, "recoveries to execute at most");
  app.add_option("--max-seconds", flags->max_seconds,
                 "time to explore for at most; with --mutate: without each flush or fence");
  app.add_option("--stop-after", flags->stop_after,
                 "end once so many violations were found, before they are merged by cause");
  app.add_option("--shard", flags->shard, "i/n: explore one part of n; `crash merge` joins them");
  app.add_option("--tear", flags->tear,
                 "memory: 8 (default), wider stores may tear, or line, none does; files: writes "
                 "tear between sectors, or none")
      ->check(CLI::IsMember({"8", "line", "none"}));
  app.add_option(
      "--fs", flags->file_system,
      "files: whose promises are taken: " + FileSystemNames() + " (default ext4-ordered)");
  app.add_option("--sector", flags->sector_bytes,
                 "files: bytes that are never torn (default: as --fs has it)");
  app.add_flag("--mutate", flags->mutate,
               "then leave out each flush, fence and msync in turn: is it needed?");
  app.add_flag("--eadr", flags->eadr, "the platform flushes the caches at a power loss");
  app.add_option("--results", flags->results, "where the report's folder goes (default results/)");
  app.add_flag("--json", flags->json, "print crash.json instead of the summary");
  app.add_flag("--quiet", flags->quiet, "no progress");
}

Result<CampaignSettings> MakeSettings(const CrashFlags& flags, CrashDomain domain) {
  CampaignSettings settings;
  RETURN_IF_ERROR(CheckDomain(flags, domain));
  if (domain == CrashDomain::kFiles) {
    RETURN_IF_ERROR(SetFileOptions(flags, &settings.files));
  } else {
    ASSIGN_OR_RETURN(settings.explore.strategy, ParseStrategy(flags.strategy.value_or("reads")));
    if (!flags.strategy) {
      ASSIGN_OR_RETURN(settings.fallback, ParseStrategy("prefix"));
    }
  }
  settings.explore.seed = flags.seed;
  settings.explore.model.eadr = flags.eadr;
  settings.explore.model.tearing = flags.tear == "line" ? Tearing::kLine : Tearing::kEightBytes;
  RETURN_IF_ERROR(ParseShard(flags.shard, &settings.explore.shard, &settings.explore.shards));
  if (flags.mutate && settings.explore.shards > 1) {
    return Status::InvalidArgument("--mutate and --shard exclude each other");
  }
  settings.mutate = flags.mutate;
  if (flags.max_states > 0) {
    settings.explore.max_states = settings.files.max_states = flags.max_states;
  }
  if (!(flags.max_seconds >= 0) || !std::isfinite(flags.max_seconds)) {
    return Status::InvalidArgument("--max-seconds: must be 0 or more");
  }
  settings.explore.max_seconds = settings.files.max_seconds = flags.max_seconds;
  settings.explore.stop_after = settings.files.stop_after = flags.stop_after;
  constexpr double kMaxTimeoutSeconds = 86400;
  if (!(flags.timeout_s > 0) || flags.timeout_s > kMaxTimeoutSeconds) {
    return Status::InvalidArgument(
        fmt::format("--timeout={}: must be above 0 and at most a day", flags.timeout_s));
  }
  settings.pool.timeout_s = flags.timeout_s;
  const Result<std::vector<int>> cpus = AllowedCpus();
  settings.pool.workers =
      flags.jobs > 0 ? flags.jobs : static_cast<unsigned>(cpus.ok() ? cpus->size() : 1);
  settings.operations_after = flags.after;
  const bool by_reads = domain == CrashDomain::kMemory && settings.explore.strategy.by_reads();
  if (flags.depth > 1 && !by_reads) {
    return Status::InvalidArgument(
        fmt::format("--depth={}: crashes in recovery need --strategy=reads", flags.depth));
  }
  settings.depth = flags.depth != 0 ? flags.depth : by_reads ? 2 : 1;
  settings.quiet = flags.quiet;
  return settings;
}

ExitCode PublishReport(const json& report, const fs::path& folder, const CrashFlags& flags) {
  const fs::path path = folder / "crash.json";
  // Keys of an engine need not be UTF-8.
  const std::string text = report.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  if (const Status status = WriteFileAtomically(path, text); !status.ok()) {
    return ReportError(status);
  }
  if (const json part = VerdictPart(report); !part.is_null()) {
    const Status status = WriteFileAtomically(
        folder / "verdict.json", part.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
    if (!status.ok()) return ReportError(status);
  }
  if (flags.json) {
    fmt::print("{}", text);
  } else {
    fmt::print("{}", CrashText(report, path.string()));
  }
  if (Interrupted()) return ExitCode::kInterrupted;
  const ExitCode code = ExitCodeOf(report);
  if (code == ExitCode::kHarness) {
    fmt::print(stderr, "fencepost: nothing was judged: this says nothing of the program\n");
  }
  return code;
}

}  // namespace fencepost
