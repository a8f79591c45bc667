// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/count_files.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "engines/durability.h"
#include "engines/media/block_model.h"
#include "faultinject/explore/trace_walk.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/file_recording.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

enum Payer : size_t { kWrites, kReads, kSyncs, kBackground, kPayers };
constexpr std::array<const char*, kPayers> kPayerNames = {"write", "read", "sync", "background"};

Payer PayerOf(HistoryOp::Kind kind) {
  switch (kind) {
    case HistoryOp::Kind::kWrite:
      return kWrites;
    case HistoryOp::Kind::kSync:
      return kSyncs;
    case HistoryOp::Kind::kRead:
    case HistoryOp::Kind::kReadAll:
      return kReads;
  }
  return kBackground;
}

}  // namespace

Result<FileCounts> CountFiles(const WorkloadFlags& flags, const std::string& engine) {
  ASSIGN_OR_RETURN(const CrashSubject subject, MakeCrashSubject(flags, engine));
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  ASSIGN_OR_RETURN(const FileEngineRecorder recorder,
                   FileEngineRecorder::Make(subject, "/var/tmp"));
  ASSIGN_OR_RETURN(const ScratchFolder folder, ScratchFolder::Make("/var/tmp"));
  RETURN_IF_ERROR(recorder.Record(folder.path()).status());
  ASSIGN_OR_RETURN(const FileRecording recording, FileRecording::Read(folder.path()));
  ASSIGN_OR_RETURN(const FileRun run, LoadFileRun(recording));
  const TraceSurvey operations = {.operations = run.survey.operations};
  ASSIGN_OR_RETURN(const History history, ReadEngineHistory(subject, folder.path(), operations));

  std::array<BlockCount, kPayers> counts;
  std::map<uint64_t, Payer> payer_of_operation;
  for (const HistoryOp& operation : history.operations) {
    payer_of_operation[operation.id] = PayerOf(operation.kind);
    ++counts[PayerOf(operation.kind)].operations;
  }
  BlockLedger ledger;
  std::map<uint32_t, Payer> payer_of_thread;
  for (const IoEvent& event : run.events) {
    if (event.kind == IoEvent::Kind::kOperationBegin) {
      const auto found = payer_of_operation.find(event.id);
      payer_of_thread[event.thread] =
          found != payer_of_operation.end() ? found->second : kBackground;
    } else if (event.kind == IoEvent::Kind::kOperationEnd) {
      payer_of_thread.erase(event.thread);
    }
    const auto payer = payer_of_thread.find(event.thread);
    ledger.Add(event, &counts[payer != payer_of_thread.end() ? payer->second : kBackground]);
  }

  FileCounts result{.engine = engine,
                    .workload = plan.spec->name,
                    .durability = std::string(DurabilityName(plan.options.durability)),
                    .record_count = plan.spec->record_count};
  for (size_t i = 0; i < kPayers; ++i) {
    counts[i].ns.resize(media::BlockModels().size());
    if (counts[i].operations + counts[i].writes + counts[i].syncs == 0) continue;
    result.kinds.push_back({kPayerNames[i], counts[i]});
  }
  return result;
}

std::string CountsText(const FileCounts& counts) {
  using Align = TextTable::Align;
  std::vector<TextTable::Column> columns = {{"operation"},
                                            {"count", Align::kRight},
                                            {"writes", Align::kRight},
                                            {"bytes", Align::kRight},
                                            {"4 KiB blocks", Align::kRight},
                                            {"syncs", Align::kRight}};
  for (const media::BlockModel& model : media::BlockModels()) {
    columns.push_back({fmt::format("{} us", model.name), Align::kRight});
  }
  TextTable table(std::move(columns));
  for (const FileCount& kind : counts.kinds) {
    const BlockCount& sum = kind.counts;
    // What is no operation's is shown as it is.
    const double n = sum.operations > 0 ? static_cast<double>(sum.operations) : 1;
    std::vector<std::string> cells = {
        kind.operation,
        fmt::format("{}", sum.operations),
        fmt::format("{:.2f}", static_cast<double>(sum.writes) / n),
        fmt::format("{:.0f}", static_cast<double>(sum.written_bytes) / n),
        fmt::format("{:.2f}", static_cast<double>(sum.blocks) / n),
        fmt::format("{:.2f}", static_cast<double>(sum.syncs) / n)};
    for (const double ns : sum.ns) cells.push_back(fmt::format("{:.1f}", ns / 1e3 / n));
    table.AddRow(std::move(cells));
  }
  return fmt::format(
      "{} {}, {}: {} records, counted, an operation; microseconds of the device are modelled, not "
      "measured\n(a page cache that holds everything in front: reads cost nothing; "
      "docs/media.md)\n\n{}",
      counts.engine, counts.workload, counts.durability, counts.record_count, table.Render());
}

nlohmann::json CountsJson(const FileCounts& counts) {
  nlohmann::json kinds = nlohmann::json::array();
  for (const FileCount& kind : counts.kinds) {
    nlohmann::json modelled = nlohmann::json::array();
    for (size_t i = 0; i < kind.counts.ns.size(); ++i) {
      modelled.push_back({{"medium", fmt::format("{}-modelled", media::BlockModels()[i].name)},
                          {"modelled_ns", kind.counts.ns[i]}});
    }
    kinds.push_back({{"operation", kind.operation},
                     {"operations", kind.counts.operations},
                     {"writes", kind.counts.writes},
                     {"written_bytes", kind.counts.written_bytes},
                     {"blocks", kind.counts.blocks},
                     {"syncs", kind.counts.syncs},
                     {"media", std::move(modelled)}});
  }
  return {{"schema", "fencepost.media_file_counts/1"},
          {"engine", counts.engine},
          {"workload", counts.workload},
          {"durability", counts.durability},
          {"record_count", counts.record_count},
          {"kinds", std::move(kinds)}};
}

}  // namespace fencepost
