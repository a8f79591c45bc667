// SPDX-License-Identifier: BSD-3-Clause
// fencepost trace dump|stat|to-log TRACE: what a trace of persistent-memory events says.
//
// A truncated trace counts up to its cut, with a remark on standard error. Of a damaged one dump
// and to-log print what came before the damage (the log without its STOP), stat nothing.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "faultinject/trace/store_log.h"
#include "faultinject/trace/trace_file.h"
#include "faultinject/trace/trace_stat.h"
#include "faultinject/trace/trace_text.h"
#include "harness/commands/command.h"
#include "harness/interrupt.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

struct TraceFlags {
  std::string path;
  bool json = false;
  size_t top = 20;
  bool stacks = false;
};

void WriteOut(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// Calls `visit` for every event, and `finish` where the trace ends as it should or is cut.
template <typename Visit, typename Finish>
ExitCode ReadTrace(TraceFile& trace, Visit&& visit, Finish&& finish) {
  while (const fpt_event* event = trace.Next()) {
    visit(*event);
    if (Interrupted()) return ExitCode::kInterrupted;
  }
  const Status status = trace.End();
  if (status.ok()) finish();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return ReportError(Status::IoError(fmt::format("write: {}: output", std::strerror(errno))));
  }
  if (!status.ok()) return ReportError(status);
  if (trace.truncated()) fmt::print(stderr, "fencepost: {}\n", trace.TruncationRemark());
  return ExitCode::kPass;
}

ExitCode Dump(TraceFile& trace, const TraceFlags& flags) {
  EventText text(trace);
  return ReadTrace(
      trace,
      [&](const fpt_event& event) {
        WriteOut((flags.json ? text.JsonLine(event) : text.Line(event)) + "\n");
      },
      [] {});
}

std::vector<std::string> Row(std::string name, const TraceCounts& counts) {
  return {std::move(name), fmt::format("{}", counts.stores), fmt::format("{}", counts.flushes),
          fmt::format("{}", counts.fences), fmt::format("{}", counts.bytes)};
}

TextTable CountsTable(const std::string& title) {
  constexpr auto kRight = TextTable::Align::kRight;
  return TextTable(
      {{title}, {"stores", kRight}, {"flushes", kRight}, {"fences", kRight}, {"bytes", kRight}});
}

std::string StatText(const TraceFile& trace, const TraceStat& stat, size_t top) {
  TextTable kinds({{"kind"}, {"events", TextTable::Align::kRight}});
  for (const auto& [kind, count] : stat.ByKind()) kinds.AddRow({kind, fmt::format("{}", count)});
  TextTable threads = CountsTable("thread");
  for (const auto& [thread, counts] : stat.by_thread()) {
    threads.AddRow(Row(fmt::format("{}", thread), counts));
  }
  TextTable lines = CountsTable("source line");
  for (const auto& [line, counts] : stat.ByLine(top)) lines.AddRow(Row(line, counts));
  return fmt::format(
      "process {}: {} events in {} bytes, {:.2f} bytes of the trace per store\n\n{}\n{}\n{}",
      trace.pid(), trace.events(), trace.bytes(), stat.disk_bytes_per_store(), kinds.Render(),
      threads.Render(), lines.Render());
}

// Source paths may be no UTF-8.
std::string JsonText(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

ExitCode Stat(TraceFile& trace, const TraceFlags& flags) {
  TraceStat stat(trace);
  return ReadTrace(
      trace, [&](const fpt_event& event) { stat.Add(event); },
      [&] {
        WriteOut(flags.json ? JsonText(stat.ToJson(flags.top)) : StatText(trace, stat, flags.top));
      });
}

ExitCode ToLog(TraceFile& trace, const TraceFlags& flags) {
  StoreLog log(trace, flags.stacks, WriteOut);
  const ExitCode code = ReadTrace(
      trace, [&](const fpt_event& event) { log.Append(event); }, [&] { log.Stop(); });
  if (code != ExitCode::kPass) log.Flush();
  return code;
}

using Run = ExitCode (*)(TraceFile& trace, const TraceFlags& flags);

CLI::App* Declare(CLI::App& app, const char* name, const char* summary, TraceFlags& flags) {
  CLI::App* sub = app.add_subcommand(name, summary);
  sub->add_option("trace", flags.path, "a trace, as the Valgrind tool writes it")->required();
  return sub;
}

}  // namespace

std::function<ExitCode()> DeclareTrace(CLI::App& app, const Arguments&) {
  auto flags = std::make_shared<TraceFlags>();
  auto run = std::make_shared<Run>(nullptr);
  app.require_subcommand(1);
  CLI::App* dump = Declare(app, "dump", "one line an event", *flags);
  dump->add_flag("--json", flags->json, "as JSON lines");
  dump->callback([run] { *run = Dump; });
  CLI::App* stat = Declare(app, "stat", "counts by kind, thread and source line", *flags);
  stat->add_flag("--json", flags->json, "as JSON");
  stat->add_option("--top", flags->top, "source lines to show, most bytes first (default 20)");
  stat->callback([run] { *run = Stat; });
  CLI::App* to_log = Declare(app, "to-log", "pmemcheck's store log, e.g. for pmreorder", *flags);
  to_log->add_flag("--stacks", flags->stacks, "the frames of each store");
  to_log->callback([run] { *run = ToLog; });
  return [flags, run] {
    Result<TraceFile> trace = TraceFile::Open(flags->path);
    return trace.ok() ? (*run)(*trace, *flags) : ReportError(trace.status());
  };
}

}  // namespace fencepost
