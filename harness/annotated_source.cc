// SPDX-License-Identifier: BSD-3-Clause
#include "harness/annotated_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace fencepost {
namespace {

constexpr uint64_t kLinesAround = 2;

struct Counts {
  uint64_t stores = 0;
  uint64_t bytes = 0;
  uint64_t flushes = 0;
  uint64_t fences = 0;

  void Add(const Counts& other) {
    stores += other.stores;
    bytes += other.bytes;
    flushes += other.flushes;
    fences += other.fences;
  }
};

using Lines = std::map<uint64_t, Counts>;  // by line; 0: not known

std::string Columns(const Counts& counts) {
  const auto cell = [](uint64_t count) { return count == 0 ? "." : fmt::format("{}", count); };
  return fmt::format("{:>10} {:>12} {:>10} {:>10}", cell(counts.stores), cell(counts.bytes),
                     cell(counts.flushes), cell(counts.fences));
}

std::vector<std::string> ReadLines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string AnnotateFile(const std::string& path, const Lines& counted) {
  const std::vector<std::string> source = ReadLines(path);
  std::string out;
  uint64_t shown = 0;  // the last line that was
  for (const auto& [number, counts] : counted) {
    const uint64_t from = std::max(shown + 1, number - std::min(number - 1, kLinesAround));
    if (from > shown + 1) out += fmt::format("{:>45}  ...\n", "");
    // Up to the next line that has counts of its own.
    const auto next = counted.upper_bound(number);
    const uint64_t end = next == counted.end() ? number + kLinesAround
                                               : std::min(number + kLinesAround, next->first - 1);
    for (uint64_t line = from; line <= end; ++line) {
      if (line > source.size() && line != number) continue;
      const std::string columns = line == number ? Columns(counts) : std::string(45, ' ');
      const std::string text = line <= source.size() ? source[line - 1] : "(source not found)";
      out += fmt::format("{}  {:>5} {}\n", columns, line, text);
    }
    shown = end;
  }
  return out;
}

}  // namespace

std::string AnnotateSource(const nlohmann::json& report) {
  std::map<std::string, Lines> files;
  for (const nlohmann::json& site : report.at("sites")) {
    const Counts counts = {.stores = site.at("stores"),
                           .bytes = site.at("bytes"),
                           .flushes = site.at("flushes"),
                           .fences = site.at("fences")};
    const std::string file = site.value("file", site.value("object", std::string("(unknown)")));
    files[file][site.value("line", uint64_t{0})].Add(counts);
  }
  std::vector<std::pair<Counts, std::string>> order;
  for (const auto& [file, lines] : files) {
    Counts sum;
    for (const auto& [line, counts] : lines) sum.Add(counts);
    order.emplace_back(sum, file);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first.bytes > b.first.bytes; });
  std::string out =
      fmt::format("{:>10} {:>12} {:>10} {:>10}\n", "stores", "bytes", "flushes", "fences");
  for (const auto& [sum, file] : order) {
    out += fmt::format("{}  {}\n", Columns(sum), file);
    Lines lines = files.at(file);
    lines.erase(0);  // what has no line is in the file's sum
    out += AnnotateFile(file, lines);
  }
  return out;
}

}  // namespace fencepost
