// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/latex_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

constexpr const char* kBadMark = "$^\\ast$";

std::string NumberOf(const std::optional<Spread>& spread, std::string (*text)(double)) {
  return spread ? text(spread->median) : "--";
}

std::string IntervalOf(const std::optional<Spread>& spread) {
  if (!spread || !spread->low || !spread->high) return "--";
  return Grouped(*spread->low) + "--" + Grouped(*spread->high);
}

// The verdicts on a row's engine, class and settings.
std::string VerdictsOn(const PageData& page, const SpeedRow& row) {
  std::set<std::string> words;
  for (const CrashRow& crash : page.crashes) {
    if (crash.is_engine && crash.engine == row.engine && crash.durability == row.durability &&
        crash.settings == row.settings) {
      words.insert(
          fmt::format("{} ({})", crash.word, crash.fault == "kill" ? "killed" : crash.model));
    }
  }
  return words.empty() ? "not tested" : EscapeLatex(fmt::format("{}", fmt::join(words, ", ")));
}

// What the rows have in common or not, and so where it stands.
struct Shape {
  std::set<std::string> durabilities, methods;
  bool has_bad = false;
  bool has_verdicts = false;

  explicit Shape(const PageData& page) : has_verdicts(!page.crashes.empty()) {
    for (const Group& group : page.groups) {
      if (group.medium == "none") continue;
      for (const SpeedRow& row : group.rows) {
        durabilities.insert(row.durability);
        has_bad |= row.bad;
        if (row.throughput_ops_per_s && row.throughput_ops_per_s->low)
          methods.insert(row.throughput_ops_per_s->method);
      }
    }
  }
  bool has_durability() const { return durabilities.size() > 1; }
  bool has_intervals() const { return !methods.empty(); }
};

// A column is a letter of tabular's and a heading; the cells of a row are in the same order.
std::vector<std::pair<char, std::string>> Columns(const Shape& shape) {
  std::vector<std::pair<char, std::string>> columns = {{'l', "engine"}};
  if (shape.has_durability()) columns.emplace_back('l', "promises");
  columns.emplace_back('r', "operations/s");
  if (shape.has_intervals()) columns.emplace_back('r', "interval");
  columns.emplace_back('r', "p50, $\\mu$s");
  columns.emplace_back('r', "p99, $\\mu$s");
  if (shape.has_verdicts) columns.emplace_back('l', "after crashes");
  return columns;
}

std::string Cells(const PageData& page, const Shape& shape, const SpeedRow& row) {
  const std::string name =
      row.settings.empty() ? row.engine : row.engine + " (" + row.settings + ")";
  std::vector<std::string> cells = {"\\quad " + EscapeLatex(name) + (row.bad ? kBadMark : "")};
  if (shape.has_durability()) cells.push_back(EscapeLatex(row.durability));
  cells.push_back(NumberOf(row.throughput_ops_per_s, Grouped));
  if (shape.has_intervals()) cells.push_back(IntervalOf(row.throughput_ops_per_s));
  cells.push_back(NumberOf(row.p50_ns, Microseconds));
  cells.push_back(NumberOf(row.p99_ns, Microseconds));
  if (shape.has_verdicts) cells.push_back(VerdictsOn(page, row));
  return fmt::format("{} \\\\\n", fmt::join(cells, " & "));
}

std::string HeadingOf(const SpeedRow& row) {
  return fmt::format("{}, {} thread{}{}{}", row.workload, row.threads, row.threads == 1 ? "" : "s",
                     row.latency_kind.empty() ? "" : "; p50 and p99 of ", row.latency_kind);
}

bool IsShown(const Group& group) { return group.medium != "none" && !group.rows.empty(); }

std::vector<std::string> PartsOf(const std::string& conditions) {
  constexpr std::string_view kBetween = " · ";
  std::vector<std::string> parts;
  for (size_t at = 0; at <= conditions.size();) {
    const size_t end = std::min(conditions.find(kBetween, at), conditions.size());
    parts.push_back(conditions.substr(at, end - at));
    at = end + kBetween.size();
  }
  return parts;
}

// The group's medium, and of its conditions what tells it from the others of that medium.
std::string GroupHeading(const PageData& page, const Group& group) {
  std::string heading = MediumWords(group.medium, group.modelled);
  std::vector<std::vector<std::string>> others;
  for (const Group& other : page.groups) {
    if (&other == &group || !IsShown(other)) continue;
    if (MediumWords(other.medium, other.modelled) == heading) {
      others.push_back(PartsOf(other.conditions));
    }
  }
  for (const std::string& part : PartsOf(group.conditions)) {
    const bool in_all = std::all_of(others.begin(), others.end(), [&](const auto& parts) {
      return std::find(parts.begin(), parts.end(), part) != parts.end();
    });
    if (!in_all) heading += "; " + part;
  }
  return heading;
}

// A line over all columns.
std::string Across(size_t columns, const std::string& latex) {
  return fmt::format("\\multicolumn{{{}}}{{@{{}}l}}{{{}}} \\\\\n", columns, latex);
}

std::string Notes(const PageData& page, const Shape& shape) {
  std::string text = shape.has_intervals() ? fmt::format("Medians of the repeats, with the {}.",
                                                         fmt::join(shape.methods, "; "))
                                           : "One run a row.";
  if (!shape.has_durability() && !shape.durabilities.empty())
    text += fmt::format(" Durability of every row: {}.", *shape.durabilities.begin());
  for (const Notice& notice : page.notices) {
    // Those of single rows are seen in the table.
    if (notice.title == "Single runs" || notice.title == "Not crash-safe") continue;
    text += fmt::format(" {}: {}", notice.title, notice.text);
  }
  std::string notes = EscapeLatex(text);
  if (shape.has_bad) notes += fmt::format(" {} failed, partial or unverified.", kBadMark);
  return notes;
}

}  // namespace

std::string EscapeLatex(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("&%$#_{}").find(c) != std::string_view::npos) {
      out += '\\';
      out += c;
    } else if (c == '\\') {
      out += "\\textbackslash{}";
    } else if (c == '~') {
      out += "\\textasciitilde{}";
    } else if (c == '^') {
      out += "\\textasciicircum{}";
    } else if (c == '<') {
      out += "\\textless{}";
    } else if (c == '>') {
      out += "\\textgreater{}";
    } else if (c == '|') {
      out += "\\textbar{}";
    } else if (c == '"') {
      out += "''";
    } else if (c == '-' && out.ends_with('-')) {
      out += "{}-";  // two would be a dash
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

std::string RenderLatex(const PageData& page) {
  const Shape shape(page);
  const auto columns = Columns(shape);
  std::string letters, headings;
  for (const auto& [letter, heading] : columns) {
    letters += letter;
    headings += (headings.empty() ? "" : " & ") + heading;
  }
  std::string out =
      "% Made by fencepost report --latex; needs \\usepackage{booktabs}. Stands in a table or "
      "table*\n"
      "% with a caption of its own. Narrower: \\footnotesize, a smaller \\tabcolsep.\n"
      "{\\small\\setlength{\\tabcolsep}{4.5pt}%\n";
  out += fmt::format("\\begin{{tabular}}{{@{{}}{}@{{}}}}\n\\toprule\n{} \\\\\n", letters, headings);
  for (const Group& group : page.groups) {
    if (!IsShown(group)) continue;
    out += "\\midrule\n" +
           Across(columns.size(), "\\textbf{" + EscapeLatex(GroupHeading(page, group)) + "}");
    std::string heading;
    for (const SpeedRow& row : group.rows) {
      if (HeadingOf(row) != heading) {
        heading = HeadingOf(row);
        out += "\\addlinespace[2pt]\n" +
               Across(columns.size(), "\\emph{" + EscapeLatex(heading) + "}");
      }
      out += Cells(page, shape, row);
    }
  }
  out += "\\bottomrule\n\\end{tabular}\\par}\n";
  return out + "\\smallskip\n{\\footnotesize\\raggedright " + Notes(page, shape) + "\\par}\n";
}

}  // namespace fencepost::page
