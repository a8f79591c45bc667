// SPDX-License-Identifier: BSD-3-Clause
#include "harness/suite/suite_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <span>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

// What a value may be, and what becomes of it.
enum class Shape : unsigned char {
  kWord,   // text or number: one word
  kWords,  // an array, or one: joined by commas
  kPath,   // as kWord, from the suite's folder
  kPaths,  // as kWords, each from the suite's folder
  kFlag,   // true: the option alone
  kEach,   // an array makes a step for each; a positional argument
};

struct Key {
  std::string_view name;
  Shape shape;
  bool required = false;
};

constexpr Key kBenchKeys[] = {
    {"engines", Shape::kWords, true},
    {"workloads", Shape::kPaths, true},
    {"threads", Shape::kWords},
    {"placements", Shape::kWords},
    {"repeats", Shape::kWord},
    {"seconds", Shape::kWord},
    {"seed", Shape::kWord},
    {"relaxed_load", Shape::kFlag},
    {"unequal_durability", Shape::kFlag},
};
constexpr Key kCrashKeys[] = {
    {"engines", Shape::kEach, true},
    {"workload", Shape::kPath, true},
    {"threads", Shape::kWord},
    {"schedules", Shape::kWord},
    {"depth", Shape::kWord},
    {"strategy", Shape::kWord},
    {"fs", Shape::kWord},
    {"fault", Shape::kWord},
    {"rounds", Shape::kWord},
    {"max_seconds", Shape::kWord},
    {"seed", Shape::kWord},
    {"creation", Shape::kFlag},
    {"mutate", Shape::kFlag},
};

struct CommandKeys {
  std::string_view command;
  std::span<const Key> keys;
};
constexpr CommandKeys kCommandKeys[] = {{"bench", kBenchKeys}, {"crash", kCrashKeys}};

// For the time left only, as means over the engines on a machine whose disk syncs in 0.1 ms: what a
// run takes beside loading and running, what one takes whose step does not say how long, and what a
// campaign takes.
constexpr double kBesideSeconds = 0.7;
constexpr double kLoadSeconds = 1;
constexpr double kRunSeconds = 3;
constexpr double kCrashSeconds = 20;
constexpr double kOperationSeconds = 1.2e-4;  // of a run, or of a load at the run's durability
constexpr double kRelaxedRecordSeconds = 1e-5;

// Choices of which each step takes one: a property or an engine, and the words it becomes.
struct Choice {
  std::string label;  // of the step's name; empty: the only one
  std::vector<std::string> words;
};

bool IsName(std::string_view text) {
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.front() != '.' && std::all_of(text.begin(), text.end(), fits);
}

std::string Named(std::string text) {
  for (char& c : text) {
    if (!IsName(std::string_view(&c, 1))) c = '-';
  }
  return text;
}

// The property's value among a command's words; nothing if it is no number, or not given.
std::optional<double> NumberOf(const std::vector<std::string>& words, std::string_view property) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string_view entry = words[i + 1];
    if (words[i] != "-p" || !entry.starts_with(property)) continue;
    if (entry.size() <= property.size() || entry[property.size()] != '=') continue;
    double number = 0;
    const std::string_view text = entry.substr(property.size() + 1);
    const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
    if (error == std::errc() && end == text.end()) return number;
  }
  return std::nullopt;
}

bool HasWord(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Of one run of a bench, whose step says that it runs for `seconds`.
double ExpectedRunSeconds(const std::vector<std::string>& words, std::optional<double> seconds) {
  double load_s = kLoadSeconds;
  if (const std::optional<double> records = NumberOf(words, "recordcount")) {
    const bool relaxed = HasWord(words, "--relaxed-load");
    load_s = *records * (relaxed ? kRelaxedRecordSeconds : kOperationSeconds);
  }
  double run_s = kRunSeconds;
  if (const std::optional<double> operations = NumberOf(words, "operationcount")) {
    run_s = *operations * kOperationSeconds;
  }
  return kBesideSeconds + load_s + seconds.value_or(run_s);
}

class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file) {}

  Result<Suite> Read();

 private:
  Status Error(const toml::node& node, const std::string& what) const {
    return Status::InvalidArgument(
        fmt::format("{}:{}: {}", file_.string(), node.source().begin.line, what));
  }

  Status ReadStep(const toml::node& node, Suite* suite);
  Status ReadKeys(const toml::table& table, const CommandKeys& command, SuiteStep* step);
  Status ReadKey(const Key& key, const toml::node& value, SuiteStep* step);
  Status ReadProperties(const std::string& prefix, const toml::table& table);
  Status AddSteps(const toml::table& table, const SuiteStep& step, Suite* suite);
  std::optional<double> Number(const std::string& name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? std::nullopt : std::optional(found->second);
  }
  // The value as a user would write it behind an option; a path is made one from here.
  Result<std::string> Word(const std::string& name, const toml::node& value, bool path) const;
  Result<std::vector<std::string>> Words(const std::string& name, const toml::node& value,
                                         bool path) const;

  const fs::path file_;
  std::vector<std::vector<Choice>> choices_;    // of the step that is read
  std::map<std::string, uint64_t> list_sizes_;  // of its kWords and kPaths
  std::map<std::string, double> numbers_;       // of its kWords that are
};

Result<std::string> Reader::Word(const std::string& name, const toml::node& value,
                                 bool path) const {
  if (const auto* text = value.as_string()) {
    if (text->get().empty()) return Error(value, fmt::format("{}: an empty text", name));
    return path ? (file_.parent_path() / text->get()).lexically_normal().string() : text->get();
  }
  if (!path) {
    if (const auto* number = value.as_integer()) return fmt::format("{}", number->get());
    if (const auto* number = value.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = value.as_boolean()) return std::string(flag->get() ? "true" : "false");
  }
  return Error(value, fmt::format("{}: must be {}", name, path ? "text" : "text or a number"));
}

Result<std::vector<std::string>> Reader::Words(const std::string& name, const toml::node& value,
                                               bool path) const {
  std::vector<std::string> words;
  if (const toml::array* array = value.as_array()) {
    if (array->empty()) return Error(value, fmt::format("{}: an empty list", name));
    for (const toml::node& element : *array) {
      ASSIGN_OR_RETURN(words.emplace_back(), Word(name, element, path));
    }
    return words;
  }
  ASSIGN_OR_RETURN(words.emplace_back(), Word(name, value, path));
  return words;
}

Status Reader::ReadKey(const Key& key, const toml::node& value, SuiteStep* step) {
  const std::string name(key.name);
  std::string option = "--" + name;
  std::replace(option.begin(), option.end(), '_', '-');
  switch (key.shape) {
    case Shape::kFlag: {
      const auto* flag = value.as_boolean();
      if (flag == nullptr) return Error(value, fmt::format("{}: must be true or false", name));
      if (flag->get()) step->words.push_back(option);
      return Status::Ok();
    }
    case Shape::kWord:
    case Shape::kPath: {
      ASSIGN_OR_RETURN(std::string word, Word(name, value, key.shape == Shape::kPath));
      if (const auto number = value.value<double>()) numbers_[name] = *number;
      step->words.insert(step->words.end(), {option, std::move(word)});
      return Status::Ok();
    }
    case Shape::kWords:
    case Shape::kPaths: {
      ASSIGN_OR_RETURN(const std::vector<std::string> words,
                       Words(name, value, key.shape == Shape::kPaths));
      list_sizes_[name] = words.size();
      step->words.insert(step->words.end(), {option, fmt::format("{}", fmt::join(words, ","))});
      return Status::Ok();
    }
    case Shape::kEach: {
      ASSIGN_OR_RETURN(const std::vector<std::string> words, Words(name, value, false));
      std::vector<Choice> choices;
      for (const std::string& word : words) {
        choices.push_back({words.size() > 1 ? Named(word) : "", {word}});
      }
      choices_.push_back(std::move(choices));
      return Status::Ok();
    }
  }
  CHECK(false);
}

// Tables within the table are the dots of a property's name.
Status Reader::ReadProperties(const std::string& prefix, const toml::table& table) {
  for (const auto& [key, value] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* inner = value.as_table()) {
      RETURN_IF_ERROR(ReadProperties(name + ".", *inner));
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> words, Words(name, value, false));
    std::vector<Choice> choices;
    for (const std::string& word : words) {
      choices.push_back({words.size() > 1 ? Named(fmt::format("{}-{}", key.str(), word)) : "",
                         {"-p", fmt::format("{}={}", name, word)}});
    }
    choices_.push_back(std::move(choices));
  }
  return Status::Ok();
}

Status Reader::ReadKeys(const toml::table& table, const CommandKeys& command, SuiteStep* step) {
  for (const auto& [toml_key, value] : table) {
    const std::string_view name = toml_key.str();
    if (name == "name" || name == "run") continue;
    if (name == "properties") {
      const toml::table* properties = value.as_table();
      if (properties == nullptr) return Error(value, "properties: must be a table");
      RETURN_IF_ERROR(ReadProperties("", *properties));
      continue;
    }
    const auto key = std::find_if(command.keys.begin(), command.keys.end(),
                                  [&](const Key& k) { return k.name == name; });
    if (key == command.keys.end()) {
      return Error(value, fmt::format("'{}' is no key of a {} (name, run, properties, {})", name,
                                      command.command,
                                      fmt::join(
                                          [&] {
                                            std::vector<std::string_view> names;
                                            for (const Key& k : command.keys)
                                              names.push_back(k.name);
                                            return names;
                                          }(),
                                          ", ")));
    }
    RETURN_IF_ERROR(ReadKey(*key, value, step));
  }
  for (const Key& key : command.keys) {
    if (key.required && !table.contains(key.name)) {
      return Error(table,
                   fmt::format("step '{}': a {} needs {}", step->name, command.command, key.name));
    }
  }
  return Status::Ok();
}

// One step for each combination of what has several values.
Status Reader::AddSteps(const toml::table& table, const SuiteStep& step, Suite* suite) {
  std::vector<SuiteStep> steps = {step};
  for (const std::vector<Choice>& choices : choices_) {
    std::vector<SuiteStep> next;
    for (const SuiteStep& before : steps) {
      for (const Choice& choice : choices) {
        SuiteStep& with = next.emplace_back(before);
        if (!choice.label.empty()) with.name += "-" + choice.label;
        with.words.insert(with.words.end(), choice.words.begin(), choice.words.end());
      }
    }
    steps = std::move(next);
  }
  for (SuiteStep& made : steps) {
    const bool taken = std::any_of(suite->steps.begin(), suite->steps.end(),
                                   [&](const SuiteStep& s) { return s.name == made.name; });
    if (taken) return Error(table, fmt::format("there are two steps '{}'", made.name));
    made.expected_s =
        made.command == "bench"
            ? static_cast<double>(made.runs) * ExpectedRunSeconds(made.words, Number("seconds"))
            : Number("max_seconds").value_or(kCrashSeconds);
    suite->steps.push_back(std::move(made));
  }
  return Status::Ok();
}

Status Reader::ReadStep(const toml::node& node, Suite* suite) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return Error(node, "a step must be a table: [[step]]");
  SuiteStep step;
  step.line = node.source().begin.line;
  step.name = (*table)["name"].value_or<std::string>("");
  if (!IsName(step.name)) {
    return Error(node, "a step needs a name, of letters, digits, '-', '_' and '.'");
  }
  step.command = (*table)["run"].value_or<std::string>("");
  const auto* command =
      std::find_if(std::begin(kCommandKeys), std::end(kCommandKeys),
                   [&](const CommandKeys& keys) { return keys.command == step.command; });
  if (command == std::end(kCommandKeys)) {
    return Error(node, fmt::format("step '{}': run must be bench or crash", step.name));
  }
  choices_.clear();
  list_sizes_.clear();
  numbers_.clear();
  RETURN_IF_ERROR(ReadKeys(*table, *command, &step));
  if (step.command == "bench") {
    step.runs = static_cast<uint64_t>(std::max(Number("repeats").value_or(3), 1.0));
    for (const auto& [name, size] : list_sizes_) step.runs *= size;
  }
  return AddSteps(*table, step, suite);
}

Result<Suite> Reader::Read() {
  std::error_code error;
  if (!fs::is_regular_file(file_, error)) {
    return Status::InvalidArgument(fmt::format("{}: there is no such file", file_.string()));
  }
  std::ifstream stream(file_);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  if (!stream.is_open() || stream.bad()) {
    return Status::IoError(fmt::format("{}: cannot be read", file_.string()));
  }
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& failure) {
    return Status::InvalidArgument(fmt::format("{}:{}: {}", file_.string(),
                                               failure.source().begin.line, failure.description()));
  }
  Suite suite;
  suite.name = Named(file_.stem().string());
  for (const auto& [key, value] : table) {
    if (key != "title" && key != "step") {
      return Error(value, fmt::format("'{}' is no key of a suite (title, step)", key.str()));
    }
  }
  suite.title = table["title"].value_or<std::string>("");
  const toml::array* steps = table["step"].as_array();
  if (suite.title.empty() || steps == nullptr || steps->empty()) {
    return Status::InvalidArgument(
        fmt::format("{}: a suite needs a title and at least one [[step]]", file_.string()));
  }
  for (const toml::node& step : *steps) RETURN_IF_ERROR(ReadStep(step, &suite));
  return suite;
}

}  // namespace

Result<Suite> ReadSuite(const std::filesystem::path& file) { return Reader(file).Read(); }

}  // namespace fencepost
