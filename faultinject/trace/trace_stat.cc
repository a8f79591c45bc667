// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_stat.h"

#include <fmt/format.h>

#include <algorithm>

namespace fencepost {
namespace {

using Json = nlohmann::ordered_json;

void Count(const fpt_event& event, TraceCounts* counts) {
  counts->stores += event.kind == FPT_STORE;
  counts->flushes += event.kind == FPT_FLUSH;
  counts->fences += event.kind == FPT_FENCE;
  if (event.kind == FPT_STORE) counts->bytes += event.length;
}

Json CountsJson(Json out, const TraceCounts& counts) {
  out["stores"] = counts.stores;
  out["flushes"] = counts.flushes;
  out["fences"] = counts.fences;
  out["bytes"] = counts.bytes;
  return out;
}

}  // namespace

std::string TraceStat::LineOf(uint32_t stack) const {
  const TraceFrame frame = trace_.InnermostLine(stack);
  if (frame.address == 0) return "unknown";
  if (frame.source_file.empty()) return DescribeFrame(frame);
  return fmt::format("{}:{}", frame.source_file, frame.line);
}

void TraceStat::Add(const fpt_event& event) {
  ++by_kind_[event.kind][event.how];
  if (HasThread(event.kind)) Count(event, &by_thread_[event.thread]);
  if (event.kind == FPT_STACK) line_of_stack_.erase(event.stack);
  if (event.kind != FPT_STORE && event.kind != FPT_FLUSH && event.kind != FPT_FENCE) return;
  TraceCounts*& line = line_of_stack_[event.stack];
  if (line == nullptr) line = &by_line_[LineOf(event.stack)];
  Count(event, line);
  if (event.kind != FPT_STORE) return;
  ++stores_;
  store_disk_bytes_ += event.encoded_bytes;
}

std::vector<std::pair<std::string, TraceCounts>> TraceStat::ByLine(size_t top) const {
  std::vector<std::pair<std::string, TraceCounts>> rows(by_line_.begin(), by_line_.end());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    if (a.second.bytes != b.second.bytes) return a.second.bytes > b.second.bytes;
    return a.first < b.first;
  });
  rows.resize(std::min(rows.size(), top));
  return rows;
}

std::map<std::string, uint64_t> TraceStat::ByKind() const {
  std::map<std::string, uint64_t> out;
  for (uint32_t kind = 0; kind < by_kind_.size(); ++kind) {
    for (uint32_t how = 0; how < by_kind_[kind].size(); ++how) {
      if (by_kind_[kind][how] == 0) continue;
      const auto of = static_cast<fpt_kind>(kind);
      const std::string_view name = fpt_how_name(of, how);
      out[fmt::format("{}{}{}", fpt_kind_name(of), name.empty() ? "" : " ", name)] =
          by_kind_[kind][how];
    }
  }
  return out;
}

double TraceStat::disk_bytes_per_store() const {
  return stores_ == 0 ? 0 : static_cast<double>(store_disk_bytes_) / static_cast<double>(stores_);
}

Json TraceStat::ToJson(size_t top) const {
  Json threads = Json::array(), lines = Json::array();
  for (const auto& [thread, counts] : by_thread_) {
    threads.push_back(CountsJson({{"thread", thread}}, counts));
  }
  for (const auto& [line, counts] : ByLine(top)) {
    lines.push_back(CountsJson({{"line", line}}, counts));
  }
  return {{"schema", "fencepost.trace-stat/1"},
          {"pid", trace_.pid()},
          {"trace_bytes", trace_.bytes()},
          {"events", trace_.events()},
          {"truncated", trace_.truncated()},
          {"disk_bytes_per_store", disk_bytes_per_store()},
          {"by_kind", ByKind()},
          {"by_thread", std::move(threads)},
          {"by_line", std::move(lines)}};
}

}  // namespace fencepost
