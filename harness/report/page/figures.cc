// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

using nlohmann::json;

constexpr double kPanelWidth = 360;
constexpr double kRowHeight = 26;
constexpr double kValueWidth = 52;
constexpr size_t kLabelLetters = 17;

struct Look {
  std::string_view engine;
  std::string_view path;
};
// The shapes of plots/fencepost_plots/style.py; the colours are in page.css.
constexpr Look kLooks[] = {
    {"cmap", "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z"},
    {"filestore", "M-4.5,-4.5h9v9h-9z"},
    {"rocksdb", "M0,-5.5L5.5,4.5H-5.5z"},
    {"lmdb", "M0,-6L6,0L0,6L-6,0z"},
    {"pmemkv", "M0,5.5L5.5,-4.5H-5.5z"},
    {"blackhole", "M-5,-1.2h10v2.4h-10z"},
};
constexpr std::string_view kSpareShape = "M-5,-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z";

std::string Number(double value) { return fmt::format("{:.1f}", value); }

Markup Line(double x1, double y1, double x2, double y2, const char* style) {
  return Element("line", {{"x1", Number(x1)},
                          {"y1", Number(y1)},
                          {"x2", Number(x2)},
                          {"y2", Number(y2)},
                          {"class", style}});
}

Markup TextAt(double x, double y, const char* style, const std::string& text) {
  return Element("text", {{"x", Number(x)}, {"y", Number(y)}, {"class", style}}, text);
}

std::string Cut(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t end = most - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

std::string ThroughputTip(const SpeedRow& row) {
  const Spread& spread = *row.throughput_ops_per_s;
  std::string tip = fmt::format("{}\n{} operations/s", RowLabel(row, true), Grouped(spread.median));
  if (spread.low && spread.high) {
    tip +=
        fmt::format("\n{} to {}, {}", Grouped(*spread.low), Grouped(*spread.high), spread.method);
  } else {
    tip += "\n" + spread.method;
  }
  return tip;
}

// Interval, repeats and median on a horizontal axis; `x` gives the place of a value.
template <typename X>
Markup SpreadMarks(const SpeedRow& row, double y, const X& x) {
  const Spread& spread = *row.throughput_ops_per_s;
  Markup marks;
  if (spread.low && spread.high) {
    marks += Line(x(*spread.low), y, x(*spread.high), y, "interval");
  }
  if (row.repeats_ops_per_s.size() > 1) {
    for (double repeat : row.repeats_ops_per_s)
      marks += Line(x(repeat), y - 4, x(repeat), y + 4, "repeat");
  }
  marks += Element(
      "g", {{"transform", fmt::format("translate({},{})", Number(x(spread.median)), Number(y))}},
      EngineMark(row.engine));
  return marks;
}

std::string PanelTitle(const SpeedRow& row) {
  return fmt::format("{} · {} thread{}", row.workload, row.threads, row.threads == 1 ? "" : "s");
}

Markup Panel(const std::string& title, const std::string& subtitle, double height,
             const Markup& inside, const std::string& style) {
  const Markup svg = Element("svg",
                             {{"viewBox", fmt::format("0 0 {} {}", kPanelWidth, Number(height))},
                              {"class", style},
                              {"role", "group"},
                              {"aria-label", title + " " + subtitle}},
                             inside);
  return Element(
      "figure", {{"class", "panel"}},
      Element("figcaption", {}, Element("b", {}, title), " ", Element("span", {}, subtitle)), svg);
}

std::string AxisNumber(double value) { return Short(value); }

}  // namespace

LogScale::LogScale(double low, double high) {
  log_low_ = std::log10(low);
  log_high_ = std::log10(high);
  const double margin = std::max((log_high_ - log_low_) * 0.06, 0.05);
  log_low_ -= margin;
  log_high_ += margin;
}

double LogScale::At(double value) const {
  return (std::log10(value) - log_low_) / (log_high_ - log_low_);
}

std::vector<double> LogScale::LabelledTicks() const {
  const bool is_short = log_high_ - log_low_ < 1.6;
  std::vector<double> ticks;
  for (int power = static_cast<int>(std::floor(log_low_)); power <= log_high_; ++power) {
    for (int digit : {1, 2, 5}) {
      const double tick = digit * std::pow(10, power);
      if ((digit == 1 || is_short) && At(tick) >= 0 && At(tick) <= 1) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::vector<double> LogScale::MinorTicks() const {
  std::vector<double> ticks;
  for (int power = static_cast<int>(std::floor(log_low_)); power <= log_high_; ++power) {
    for (int digit = 2; digit < 10; ++digit) {
      const double tick = digit * std::pow(10, power);
      if (At(tick) >= 0 && At(tick) <= 1) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string EngineClass(const std::string& engine) {
  for (const Look& look : kLooks) {
    if (look.engine == engine) return "e-" + engine;
  }
  unsigned sum = 0;
  for (char c : engine) sum = sum * 31 + static_cast<unsigned char>(c);
  return fmt::format("e-spare{}", sum % 3);
}

Markup EngineMark(const std::string& engine) {
  std::string_view path = kSpareShape;
  for (const Look& look : kLooks) {
    if (look.engine == engine) path = look.path;
  }
  return Element("path", {{"class", "mark " + EngineClass(engine)}, {"d", std::string(path)}});
}

std::string RowLabel(const SpeedRow& row, bool with_durability) {
  std::string label = row.engine;
  if (with_durability) label += " " + row.durability;
  if (!row.settings.empty()) label += " " + row.settings;
  return label;
}

LogScale ThroughputScale(const Group& group) {
  double low = 0, high = 0;
  const auto include = [&](double value) {
    if (value <= 0) return;
    low = low == 0 ? value : std::min(low, value);
    high = std::max(high, value);
  };
  for (const SpeedRow& row : group.rows) {
    if (!row.throughput_ops_per_s) continue;
    include(row.throughput_ops_per_s->median);
    include(row.throughput_ops_per_s->low.value_or(0));
    include(row.throughput_ops_per_s->high.value_or(0));
    for (double repeat : row.repeats_ops_per_s) include(repeat);
  }
  return low == 0 ? LogScale(1, 10) : LogScale(low, high);
}

Markup Strip(const SpeedRow& row, const LogScale& scale) {
  constexpr double kWidth = 110;
  if (!row.throughput_ops_per_s || row.throughput_ops_per_s->median <= 0) return {};
  const auto x = [&](double value) {
    return value > 0 ? 6 + std::clamp(scale.At(value), 0.0, 1.0) * (kWidth - 12) : 6;
  };
  return Element(
      "svg",
      {{"viewBox", fmt::format("0 0 {} 16", kWidth)}, {"class", "strip"}, {"aria-hidden", "true"}},
      Line(6, 8, kWidth - 6, 8, "base"), SpreadMarks(row, 8, x));
}

Markup ThroughputFigure(const Group& group, const std::vector<SpeedRow>& floors) {
  std::vector<std::vector<const SpeedRow*>> panels;
  for (const SpeedRow& row : group.rows) {
    if (!row.throughput_ops_per_s || row.throughput_ops_per_s->median <= 0) continue;
    if (panels.empty() || PanelTitle(*panels.back()[0]) != PanelTitle(row)) panels.emplace_back();
    panels.back().push_back(&row);
  }
  const LogScale own = ThroughputScale(group);
  size_t letters = 4;
  for (const auto& rows : panels) {
    for (const SpeedRow* row : rows) {
      letters =
          std::max(letters, std::min(RowLabel(*row, group.mixed_durability).size(), kLabelLetters));
    }
  }
  const double left = 22 + 7.4 * static_cast<double>(letters);
  const double right = kPanelWidth - kValueWidth;
  Markup all;
  for (const auto& rows : panels) {
    const auto x = [&](double value) { return left + own.At(value) * (right - left); };
    const double bottom = 8 + kRowHeight * static_cast<double>(rows.size());
    Markup inside;
    for (double tick : own.MinorTicks())
      inside += Line(x(tick), bottom, x(tick), bottom + 3, "axis");
    double last = -100;
    for (double tick : own.LabelledTicks()) {
      inside += Line(x(tick), 4, x(tick), bottom + 5, "grid");
      // Labels that would touch are left out.
      if (x(tick) - last < 30) continue;
      last = x(tick);
      inside += TextAt(x(tick), bottom + 17, "tick", AxisNumber(tick));
    }
    inside += Line(left, bottom, right, bottom, "axis");
    for (const SpeedRow& floor : floors) {
      if (floor.workload != rows[0]->workload || floor.threads != rows[0]->threads) continue;
      const double at = own.At(floor.throughput_ops_per_s->median);
      if (at > 1) break;
      inside +=
          Element("g",
                  {{"class", "datum"},
                   {"tabindex", "0"},
                   {"role", "img"},
                   {"aria-label", ThroughputTip(floor)},
                   {"data-tip", "The harness alone\n" + ThroughputTip(floor)}},
                  Line(left + at * (right - left), 4, left + at * (right - left), bottom, "floor"));
      break;
    }
    double y = 8 + kRowHeight / 2;
    for (const SpeedRow* row : rows) {
      const std::string label = RowLabel(*row, group.mixed_durability);
      inside += Element(
          "g",
          {{"class", "datum"},
           {"tabindex", "0"},
           {"role", "img"},
           {"aria-label", ThroughputTip(*row)},
           {"data-tip", ThroughputTip(*row)}},
          Element("rect", {{"x", "0"},
                           {"y", Number(y - kRowHeight / 2)},
                           {"width", Number(kPanelWidth)},
                           {"height", Number(kRowHeight)},
                           {"class", "hit"}}),
          Element("g", {{"transform", fmt::format("translate(8,{})", Number(y))}},
                  EngineMark(row->engine)),
          TextAt(20, y + 4, "label", Cut(label, kLabelLetters)), SpreadMarks(*row, y, x),
          TextAt(kPanelWidth - 2, y + 4, "value", Short(row->throughput_ops_per_s->median)));
      y += kRowHeight;
    }
    all +=
        Panel(PanelTitle(*rows[0]), "operations/s, right is faster", bottom + 24, inside, "dots");
  }
  return all;
}

namespace {

constexpr double kPlotTop = 8, kPlotBottom = 176, kPlotLeft = 52;

struct Curve {
  const SpeedRow* row;
  const json* points;
};

// Of percentiles: each nine takes as much room as the one before. 100 stands after the last.
double Nines(double percent, double last) {
  return percent >= 100 ? last + 0.3 : -std::log10(1 - percent / 100);
}

double LastNines(const std::vector<Curve>& curves) {
  double last = 1;
  for (const Curve& curve : curves) {
    for (const json& point : *curve.points) {
      if (point[0] < 100) last = std::max(last, Nines(point[0], 0));
    }
  }
  return last;
}

Markup LatencyPanel(const std::string& title, const std::string& kind,
                    const std::vector<Curve>& curves, const LogScale& scale, bool with_durability) {
  const double last = LastNines(curves);
  size_t letters = 4;
  for (const Curve& curve : curves) {
    letters =
        std::max(letters, std::min(RowLabel(*curve.row, with_durability).size(), kLabelLetters));
  }
  const double right = kPanelWidth - 27 - 7.2 * static_cast<double>(letters);
  const auto x = [&](double percent) {
    return kPlotLeft + Nines(percent, last) / (last + 0.3) * (right - kPlotLeft);
  };
  const auto y = [&](double ns) {
    return kPlotBottom -
           std::clamp(scale.At(std::max(ns, 1e-3)), 0.0, 1.0) * (kPlotBottom - kPlotTop);
  };
  Markup inside;
  for (double tick : scale.LabelledTicks()) {
    inside += Line(kPlotLeft, y(tick), right, y(tick), "grid");
    inside += TextAt(kPlotLeft - 6, y(tick) + 4, "value", Duration(tick));
  }
  double labelled = -100;
  for (const auto& [percent, text] :
       std::initializer_list<std::pair<double, const char*>>{{0, "min"},
                                                             {50, "50"},
                                                             {90, "90"},
                                                             {99, "99"},
                                                             {99.9, "99.9"},
                                                             {99.99, "99.99"},
                                                             {99.999, "99.999"}}) {
    if (Nines(percent, last) > last - 0.05 && percent > 90) continue;
    inside += Line(x(percent), kPlotBottom, x(percent), kPlotBottom + 4, "axis");
    // Labels that would touch are left out.
    if (x(percent) - labelled < 32 || x(100) - x(percent) < 34) continue;
    labelled = x(percent);
    inside += TextAt(x(percent), kPlotBottom + 17, "tick", text);
  }
  inside += TextAt(x(100), kPlotBottom + 17, "tick", "max");
  inside += Line(kPlotLeft, kPlotBottom, right, kPlotBottom, "axis");
  // Labels stand at the ends of their lines, pushed apart where lines end together.
  std::vector<std::pair<double, const Curve*>> ends;
  for (const Curve& curve : curves) ends.emplace_back(y(curve.points->back()[1]), &curve);
  std::stable_sort(ends.begin(), ends.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<double> places;
  for (const auto& [end, curve] : ends) {
    places.push_back(places.empty() ? std::max(end, kPlotTop + 4)
                                    : std::max(end, places.back() + 15));
  }
  for (size_t i = places.size(); i-- > 0;) {
    const double most = i + 1 == places.size() ? kPlotBottom - 2 : places[i + 1] - 15;
    places[i] = std::min(places[i], most);
  }
  for (size_t i = 0; i < ends.size(); ++i) {
    const Curve& curve = *ends[i].second;
    std::string path;
    json data = json::array();
    for (const json& point : *curve.points) {
      const double px = x(point[0]), py = y(point[1]);
      path += fmt::format("{}{},{}", path.empty() ? "M" : "L", Number(px), Number(py));
      data.push_back({std::round(px * 10) / 10, std::round(py * 10) / 10,
                      point[0] == 100 ? "max" : fmt::format("p{:.6g}", point[0].get<double>()),
                      Duration(point[1])});
    }
    const std::string label = RowLabel(*curve.row, with_durability);
    inside += Element("path", {{"class", "curve " + EngineClass(curve.row->engine)},
                               {"d", path},
                               {"data-name", label},
                               {"data-points", data.dump()}});
    inside += Line(right + 1, ends[i].first, right + 7, places[i], "leader");
    inside += Element(
        "g",
        {{"transform", fmt::format("translate({},{})", Number(right + 14), Number(places[i]))}},
        EngineMark(curve.row->engine));
    inside += TextAt(right + 23, places[i] + 4, "label", Cut(label, kLabelLetters));
  }
  return Panel(title, kind + ", by percentile", kPlotBottom + 26, inside, "curves");
}

}  // namespace

Markup LatencyFigure(const Group& group) {
  std::vector<std::pair<std::pair<std::string, std::string>, std::vector<Curve>>> panels;
  double low = 0, high = 0;
  for (const SpeedRow& row : group.rows) {
    if (row.summary.is_null()) continue;
    for (const auto& [kind, record] : row.summary["kinds"].items()) {
      const json& points = record["curve_ns"];
      if (record["count"] == 0 || points.size() < 2) continue;
      const std::pair<std::string, std::string> key(PanelTitle(row), kind);
      auto found = std::find_if(panels.begin(), panels.end(),
                                [&](const auto& panel) { return panel.first == key; });
      if (found == panels.end()) found = panels.insert(panels.end(), {key, {}});
      found->second.push_back({&row, &points});
      for (const json& point : points) {
        const double ns = std::max(point[1].get<double>(), 1.0);
        low = low == 0 ? ns : std::min(low, ns);
        high = std::max(high, ns);
      }
    }
  }
  Markup all;
  for (const auto& [key, curves] : panels) {
    all += LatencyPanel(key.first, key.second, curves, LogScale(low, high), group.mixed_durability);
  }
  return all;
}

}  // namespace fencepost::page
