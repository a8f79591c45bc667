// SPDX-License-Identifier: BSD-3-Clause
// fencepost rerun ID: a stored run, bench, paired bench or crash campaign, made again from what it
// left behind alone: arguments, properties, seed and the texts of its workload files. The program
// starts itself with words made of these, and says beforehand in what build and machine differ.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>

#include "faultinject/explore/scratch_folder.h"
#include "harness/child_process.h"
#include "harness/commands/command.h"
#include "harness/interrupt.h"
#include "harness/report/provenance.h"
#include "harness/report/stored_results.h"
#include "harness/run_files.h"
#include "harness/ycsb_flags.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

struct RerunFlags {
  std::string id;
  std::string results = "results";
  std::vector<std::string> properties;
};

// What is to be started, and what it was made of.
struct Rerun {
  Words words;           // without the program
  Json before;           // the document that has the environment
  std::string run_id;    // of a run: its new folder below --results
  fs::path made;         // the new folder, of a run or a bench
  fs::path old_summary;  // of a run
};

// `text` as a value of a property file: it must come out as it went in.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (c == ' ' && out.empty())
      out += "\\ ";
    else
      out.push_back(c);
  }
  return out;
}

// Writes a workload's text where it can be read again; its name is the workload's.
Result<std::string> Materialise(const fs::path& folder, size_t number, const std::string& path,
                                const std::string& text) {
  // Two files may have one name: each gets a folder.
  const fs::path file = folder / fmt::format("{}", number) / fs::path(path).filename();
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) return Status::IoError(fmt::format("write: {}", file.string()));
  return file.string();
}

Result<Words> MaterialiseAll(const fs::path& folder, const Json& files) {
  Words paths;
  for (const Json& file : files) {
    ASSIGN_OR_RETURN(
        std::string path,
        Materialise(folder, paths.size(), file.value("path", "workload"), file.value("text", "")));
    paths.push_back(std::move(path));
  }
  return paths;
}

// What a document of an earlier version lacks.
Status CheckFields(const Json& document, const fs::path& folder,
                   std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    if (!document.contains(field)) {
      return Status::InvalidArgument(
          fmt::format("{}: does not carry what a rerun needs ({})", folder.string(), field));
    }
  }
  return Status::Ok();
}

// The folder of what is to be run: made last, so that nothing is left of what cannot be.
Status MakeFolder(const RerunFlags& flags, const std::string& what, Rerun* rerun) {
  ASSIGN_OR_RETURN(const RunDirectory made,
                   CreateRunDirectory(flags.results, std::time(nullptr), "rerun-" + what));
  rerun->run_id = made.run_id;
  rerun->made = made.path;
  return Status::Ok();
}

// A run. All of its properties are given again, defaults included: a default that has changed since
// must not change the run.
Result<Rerun> PlanRun(const RerunFlags& flags, const fs::path& folder, const fs::path& scratch) {
  Rerun rerun;
  ASSIGN_OR_RETURN(rerun.before, ReadDocument(folder, "manifest.json", "fencepost.manifest/1"));
  const Json& manifest = rerun.before;
  RETURN_IF_ERROR(CheckFields(manifest, folder,
                              {"phases", "placement", "workload_files", "properties", "engine"}));
  std::map<std::string, std::string> properties =
      manifest["properties"].get<std::map<std::string, std::string>>();
  // A trace that has changed since is refused, unless -p names another.
  const bool other_trace = std::any_of(
      flags.properties.begin(), flags.properties.end(),
      [](const std::string& property) { return property.starts_with("fencepost.trace_file="); });
  if (other_trace) {
    properties.erase("fencepost.trace_xxh3");
  } else if (const Json trace = manifest.value("trace_file", Json()); trace.is_object()) {
    properties["fencepost.trace_xxh3"] = trace.at("xxh3").get<std::string>();
  }
  for (const std::string& property : flags.properties) {
    const size_t equals = property.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Status::InvalidArgument(fmt::format("-p {}: must be name=value", property));
    }
    properties[property.substr(0, equals)] = property.substr(equals + 1);
  }
  const auto phases = manifest["phases"].get<std::vector<std::string>>();
  const auto does = [&](const char* phase) {
    return std::find(phases.begin(), phases.end(), phase) != phases.end();
  };
  std::error_code error;
  const auto path = properties.find("engine.path");
  if (does("load") && path != properties.end() && fs::exists(path->second, error)) {
    return Status::InvalidArgument(fmt::format(
        "engine.path={}: is there already, and the run would load over it; give another "
        "one with -p",
        path->second));
  }
  ASSIGN_OR_RETURN(const Words files, MaterialiseAll(scratch, manifest["workload_files"]));
  const std::string engine = manifest["engine"].value("name", "");
  rerun.old_summary = folder;
  rerun.words = {does("run") ? "run" : "load",
                 engine,
                 "--results",
                 flags.results,
                 "--placement",
                 manifest["placement"].get<std::string>()};
  if (does("run") && does("load")) rerun.words.emplace_back("--load");
  for (const std::string& file : files) rerun.words.insert(rerun.words.end(), {"-P", file});
  for (const auto& [name, value] : properties) {
    rerun.words.insert(rerun.words.end(), {"-p", name + "=" + value});
  }
  RETURN_IF_ERROR(MakeFolder(flags, engine, &rerun));
  rerun.words.insert(rerun.words.end(), {"--run-id", rerun.run_id});
  // Data of its own, removed afterwards; without a load it is what an earlier one has left.
  if (does("load") && path == properties.end()) {
    rerun.words.insert(rerun.words.end(), {"--scratch", rerun.run_id});
  }
  return rerun;
}

void Append(Words* words, const char* flag, const Json& values) {
  for (const Json& value : values) words->insert(words->end(), {flag, value.get<std::string>()});
}

// A bench, or a paired one.
Result<Rerun> PlanBench(const RerunFlags& flags, const fs::path& folder, const fs::path& scratch,
                        bool paired) {
  const std::string document = paired ? "comparison.json" : "bench.json";
  ASSIGN_OR_RETURN(
      const Json bench,
      ReadDocument(folder, document, paired ? "fencepost.comparison/1" : "fencepost.bench/1"));
  RETURN_IF_ERROR(CheckFields(bench, folder, {"settings"}));
  const Json& settings = bench["settings"];
  RETURN_IF_ERROR(CheckFields(settings, folder,
                              {"engines", "workload_files", "threads", "placements", "properties",
                               "repeats", "seconds", "records"}));
  Rerun rerun;
  // The environment is that of its runs; a bench of which none ended has none.
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!fs::exists(it->path() / "manifest.json", error)) continue;
    if (paired && !it->path().filename().string().ends_with("-test")) continue;
    ASSIGN_OR_RETURN(rerun.before,
                     ReadDocument(it->path(), "manifest.json", "fencepost.manifest/1"));
    break;
  }
  ASSIGN_OR_RETURN(const Words files, MaterialiseAll(scratch, settings["workload_files"]));
  const auto joined = [&](const char* field) {
    return fmt::format("{}", fmt::join(settings[field].get<Words>(), ","));
  };
  rerun.words = {"bench",
                 "--engines",
                 joined("engines"),
                 "--workloads",
                 fmt::format("{}", fmt::join(files, ",")),
                 "--threads",
                 joined("threads"),
                 "--placements",
                 joined("placements")};
  Words& words = rerun.words;
  Append(&words, "-p", settings["properties"]);
  for (const std::string& property : flags.properties) {
    words.insert(words.end(), {"-p", property});
  }
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  add("--seconds", settings["seconds"].get<std::string>());
  add("--records", settings["records"].get<std::string>());
  if (settings.value("relaxed_load", false)) words.emplace_back("--relaxed-load");
  if (settings.value("unequal_durability", false)) words.emplace_back("--unequal-durability");
  const auto into_folder = [&]() -> Result<Rerun> {
    RETURN_IF_ERROR(MakeFolder(flags, "bench", &rerun));
    words.insert(words.end(), {"--out", rerun.made.string()});
    return std::move(rerun);
  };
  if (!paired) {
    add("--repeats", settings["repeats"].dump());
    add("--seed", bench.value("seed", Json(1)).dump());
    return into_folder();
  }
  const Json& pairs = bench["paired_settings"];
  add("--against", settings.value("against", ""));
  Append(&words, "--this-property", settings.value("this_properties", Json::array()));
  Append(&words, "--against-property", settings.value("against_properties", Json::array()));
  add("--min-pairs", pairs.at("min_pairs").dump());
  add("--max-pairs", pairs.at("max_pairs").dump());
  add("--turn", pairs.value("turn_ms", Json(0)).dump());
  add("--threshold", pairs.at("threshold").dump());
  add("--alpha", pairs.at("alpha").dump());
  add("--seed", pairs.at("seed").dump());
  return into_folder();
}

// Whether these words crash an engine of ours, here or in a virtual machine.
bool CrashesEngine(const Words& command) {
  if (command.size() < 3) return false;
  if (command[1] == "vm") {
    return command.size() > 3 && (command[2] == "crash" || command[2] == "images");
  }
  return command[1] == "crash" && command[2] != "merge" && command[2] != "replay";
}

// A campaign of crashes: its own words, its workload files in place of those that were named.
Result<Rerun> PlanCrash(const RerunFlags& flags, const fs::path& folder, const fs::path& scratch) {
  Rerun rerun;
  ASSIGN_OR_RETURN(rerun.before, ReadDocument(folder, "crash.json", "fencepost.crash/1"));
  const Json& report = rerun.before;
  RETURN_IF_ERROR(CheckFields(report, folder, {"command", "subject"}));
  ASSIGN_OR_RETURN(const Words command, RewriteYcsbFlags(report["command"].get<Words>()));
  if (!CrashesEngine(command) || !report["subject"].contains("properties")) {
    return Status::InvalidArgument(
        fmt::format("{}: is no campaign on an engine of ours; its command was: {}", folder.string(),
                    fmt::join(command, " ")));
  }
  // Flags that are left out: the workload's files, which the properties hold, and the place.
  const Words dropped = {"--workload", "--property", "--results"};
  for (size_t i = 1; i < command.size(); ++i) {
    const std::string name = command[i].substr(0, command[i].find('='));
    const bool attached = name.starts_with("-P") || name.starts_with("-p");  // "-Pfile"
    if (attached) continue;
    if (std::find(dropped.begin(), dropped.end(), name) == dropped.end()) {
      rerun.words.push_back(command[i]);
    } else if (name == command[i]) {
      ++i;  // its value is the next word
    }
  }
  std::string text;
  for (const auto& [name, value] : report["subject"]["properties"].items()) {
    text += fmt::format("{}={}\n", name, Escaped(value.get<std::string>()));
  }
  ASSIGN_OR_RETURN(const std::string file,
                   Materialise(scratch, 0, report["subject"].value("workload", "workload"), text));
  // One that explores what an earlier one recorded takes its workload from there.
  const bool recorded = std::any_of(command.begin(), command.end(), [](const std::string& word) {
    return word.starts_with("--from") || word.starts_with("--resume");
  });
  if (!recorded) rerun.words.insert(rerun.words.end(), {"-P", file});
  rerun.words.insert(rerun.words.end(), {"--results", flags.results});
  for (const std::string& property : flags.properties) {
    rerun.words.insert(rerun.words.end(), {"-p", property});
  }
  return rerun;
}

Result<Rerun> Plan(const RerunFlags& flags, const fs::path& folder, const fs::path& scratch) {
  std::error_code error;
  if (fs::exists(folder / "bench.json", error)) return PlanBench(flags, folder, scratch, false);
  if (fs::exists(folder / "comparison.json", error)) return PlanBench(flags, folder, scratch, true);
  if (fs::exists(folder / "crash.json", error)) return PlanCrash(flags, folder, scratch);
  if (fs::exists(folder / "manifest.json", error)) return PlanRun(flags, folder, scratch);
  return Status::InvalidArgument(fmt::format(
      "{}: has no manifest.json, bench.json, comparison.json or crash.json", folder.string()));
}

Result<Rerun> PlanOf(const RerunFlags& flags, const fs::path& folder, const fs::path& scratch) {
  try {
    return Plan(flags, folder, scratch);
  } catch (const Json::exception& damaged) {
    return Status::InvalidArgument(
        fmt::format("{}: a field is of another kind than it should be: {}", folder.string(),
                    std::string_view(damaged.what())));
  }
}

// What came out, beside what had: the same operations, and how fast.
void SayOutcome(const RerunFlags& flags, const Rerun& rerun) {
  if (rerun.old_summary.empty()) return;
  const std::string schema = "fencepost.summary/1";
  const Result<Json> before = ReadDocument(rerun.old_summary, "summary.json", schema);
  if (!before.ok()) return;
  const bool load = before->value("phase", "") == "load" && rerun.words.front() == "run";
  const Result<Json> now =
      ReadDocument(fs::path(flags.results) / (load ? rerun.run_id + "-load" : rerun.run_id),
                   "summary.json", schema);
  if (!now.ok()) return;
  const auto text = [](const Json& summary, const char* field) {
    return summary.contains(field) ? summary[field].dump() : "unknown";
  };
  if (text(*before, "trace_hash") == text(*now, "trace_hash")) {
    fmt::print(stderr, "operations: the same (trace {})\n", text(*now, "trace_hash"));
  } else {
    fmt::print(stderr, "operations: {} before, {} now; trace {} before, {} now\n",
               text(*before, "operations"), text(*now, "operations"), text(*before, "trace_hash"),
               text(*now, "trace_hash"));
  }
  const double was = before->value("throughput_ops_per_s", 0.0);
  const double is = now->value("throughput_ops_per_s", 0.0);
  if (was > 0) {
    fmt::print(stderr,
               "throughput: {:.0f} before, {:.0f} now: {:.3f} (unpaired: guarantees nothing)\n",
               was, is, is / was);
  }
}

ExitCode RunRerun(const RerunFlags& flags) {
  const Result<fs::path> folder = FindResult(flags.id, flags.results);
  if (!folder.ok()) return ReportError(folder.status());
  const Result<ScratchFolder> scratch = ScratchFolder::Make(fs::temp_directory_path());
  if (!scratch.ok()) return ReportError(scratch.status());
  const Result<Rerun> rerun = PlanOf(flags, *folder, scratch->path());
  if (!rerun.ok()) return ReportError(rerun.status());
  const std::vector<std::string> differences =
      EnvironmentDifferences(rerun->before, ProvenanceJson(), "before", "now");
  fmt::print(stderr, "rerun of {}: {} {}\n", folder->filename().string(), rerun->words[0],
             rerun->words[0] == "bench" ? rerun->words[2] : rerun->words[1]);
  fmt::print(stderr, "then: {}\n", BuildText(rerun->before));
  for (const std::string& difference : differences) fmt::print(stderr, "differs: {}\n", difference);
  if (differences.empty()) {
    fmt::print(stderr, "environment: the same{}\n",
               rerun->before.contains("machine") ? "" : " build; the machine was not written down");
  }
  for (const std::string& property : flags.properties) {
    fmt::print(stderr, "differs: -p {}, as asked\n", property);
  }
  Words words = {"/proc/self/exe"};
  words.insert(words.end(), rerun->words.begin(), rerun->words.end());
  Result<ChildProcess> child = ChildProcess::Start(words, {}, ChildProcess::Streams::kAllShared);
  if (!child.ok()) return ReportError(child.status());
  bool passed_on = false;
  while (!child->WaitFor(1000)) {
    if (Interrupted() && !std::exchange(passed_on, true)) child->Interrupt();
  }
  std::error_code not_empty;
  if (!rerun->made.empty()) fs::remove(rerun->made, not_empty);  // where nothing was run
  SayOutcome(flags, *rerun);
  return static_cast<ExitCode>(child->exit_code());
}

}  // namespace

std::function<ExitCode()> DeclareRerun(CLI::App& app, const Arguments&) {
  auto flags = std::make_shared<RerunFlags>();
  app.add_option("id", flags->id, "a run, bench or campaign: its folder, or its id below --results")
      ->required();
  app.add_option("--results", flags->results,
                 "where ids are looked for, and where the new results go (default results/)");
  AddRepeatable(app, "-p,--property", &flags->properties,
                "key=value, to differ on purpose (repeatable)");
  return [flags] { return RunRerun(*flags); };
}

}  // namespace fencepost
