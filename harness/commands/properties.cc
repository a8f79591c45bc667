// SPDX-License-Identifier: BSD-3-Clause
// fencepost properties: every property with its type, default and meaning.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "harness/commands/command.h"
#include "harness/engine_setup.h"
#include "harness/run_settings.h"
#include "harness/text_table.h"
#include "workloads/workload.h"

namespace fencepost {
namespace {

ExitCode PrintProperties() {
  TextTable table({{"property"}, {"type"}, {"default"}, {"meaning"}});
  const auto add = [&](const PropertySpec& spec) {
    table.AddRow({std::string(spec.name), std::string(spec.type), std::string(spec.default_value),
                  std::string(spec.meaning)});
  };
  for (const PropertySpec& spec : KnownProperties()) add(spec);
  for (const PropertySpec& spec : HarnessProperties()) add(spec);
  for (const OptionSpec& spec : CommonEngineOptions()) {
    const std::string name = fmt::format("engine.{}", spec.name);
    add({name, spec.type, spec.default_value, spec.meaning});
  }
  add({"medium", "dram|optane|optane-remote|nand-ssd|optane-ssd", "",
       "make the data's medium as slow as a model says (docs/media.md)"});
  for (const OptionSpec& spec : MediumOptions()) {
    const std::string name = fmt::format("medium.{}", spec.name);
    add({name, spec.type, spec.default_value, spec.meaning});
  }
  fmt::print("{}\nAn engine's own: fencepost engines ENGINE\n", table.Render());
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareProperties(CLI::App&, const Arguments&) { return PrintProperties; }

}  // namespace fencepost
