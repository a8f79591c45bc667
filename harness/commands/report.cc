// SPDX-License-Identifier: BSD-3-Clause
// fencepost report RUN...: results as one HTML page, or as a table for a paper.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "harness/build_info.h"
#include "harness/commands/command.h"
#include "harness/report/page/latex_table.h"
#include "harness/report/page/load_results.h"
#include "harness/report/page/page_data.h"
#include "harness/report/page/report_page.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

struct ReportFlags {
  std::vector<std::string> folders;
  std::string out;
  std::string title;
  bool latex = false;
};

ExitCode Report(const ReportFlags& flags) {
  Result<page::LoadedResults> results = page::LoadResults(flags.folders);
  if (!results.ok()) return ReportError(results.status());
  const page::PageData data = page::PickFigures(*results);
  if (flags.latex) {
    if (data.groups.empty()) {
      return ReportError(Status::InvalidArgument("--latex: none of these results was timed"));
    }
    const std::string table = page::RenderLatex(data);
    if (flags.out.empty()) {
      fmt::print("{}", table);
      return ExitCode::kPass;
    }
    return WriteFileAtomically(flags.out, table).ok()
               ? ExitCode::kPass
               : ReportError(Status::IoError(flags.out + ": cannot be written"));
  }
  const std::filesystem::path path =
      flags.out.empty() ? std::filesystem::path(flags.folders.front()) / "report.html"
                        : std::filesystem::path(flags.out);
  const std::string made =
      fmt::format("Made {} by fencepost {}", UtcTimestamp(), GetBuildInfo().version);
  if (Status status = WriteFileAtomically(path, page::RenderPage(data, flags.title, made));
      !status.ok()) {
    return ReportError(status);
  }
  fmt::print("report: {}\n", path.string());
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareReport(CLI::App& app, const Arguments&) {
  auto flags = std::make_shared<ReportFlags>();
  app.add_option("runs", flags->folders, "folders of runs, benches, crash campaigns and suites")
      ->required();
  app.add_option("--out", flags->out,
                 "the file (default: report.html in the first folder; --latex: standard output)");
  app.add_option("--title", flags->title, "heading of the page (default: the engines)");
  app.add_flag("--latex", flags->latex, "a table for a paper (booktabs) in place of the page");
  return [flags] { return Report(*flags); };
}

}  // namespace fencepost
