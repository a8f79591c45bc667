// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/latex_table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace fencepost::page {
namespace {

SpeedRow MakeRow(const std::string& engine, const std::string& workload,
                 const std::string& durability = "power-fail") {
  SpeedRow row;
  row.engine = engine;
  row.workload = workload;
  row.durability = durability;
  row.latency_kind = "READ";
  row.throughput_ops_per_s = Spread{1000, 900, 1100, "order statistics, 75 %"};
  row.p50_ns = Spread{1500, {}, {}, "single run"};
  return row;
}

PageData MakePage(std::vector<SpeedRow> rows) {
  PageData page;
  page.groups.push_back({.medium = "tmpfs", .conditions = {}, .rows = std::move(rows)});
  return page;
}

// The lines between the rules, without those that span all columns.
std::vector<std::string> Rows(const std::string& latex) {
  std::vector<std::string> rows;
  std::istringstream lines(latex.substr(latex.find("\\toprule")));
  for (std::string line; std::getline(lines, line) && line != "\\bottomrule";) {
    if (line.ends_with("\\\\") && !line.starts_with("\\multicolumn")) rows.push_back(line);
  }
  return rows;
}

// Separators of cells: an ampersand that is not escaped.
size_t Cells(const std::string& line) {
  size_t cells = 1;
  for (size_t i = 0; i < line.size(); ++i) {
    cells += line[i] == '&' && (i == 0 || line[i - 1] != '\\');
  }
  return cells;
}

// Of tabular's argument, "@{}lrrr@{}".
size_t ColumnsOf(const std::string& latex) {
  const std::string open = "\\begin{tabular}{@{}";
  const size_t begin = latex.find(open) + open.size();
  return latex.find("@{}}", begin) - begin;
}

int CountOf(const std::string& text, const std::string& what) {
  int count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(LatexTable, NoCharacterOfAResultIsLatexs) {
  EXPECT_EQ(EscapeLatex("a_b & 5 % of #1 {$x}"), "a\\_b \\& 5 \\% of \\#1 \\{\\$x\\}");
  EXPECT_EQ(EscapeLatex("\\input"), "\\textbackslash{}input");
  EXPECT_EQ(EscapeLatex("~^"), "\\textasciitilde{}\\textasciicircum{}");
  EXPECT_EQ(EscapeLatex("<|>\""), "\\textless{}\\textbar{}\\textgreater{}''");
  EXPECT_EQ(EscapeLatex("--latex---"), "-{}-latex-{}-{}-");
  EXPECT_EQ(EscapeLatex("a\nb\x7f"), "a b ");
  EXPECT_EQ(EscapeLatex("µ"), "µ");
}

TEST(LatexTable, GroupsOfOneMediumAreToldApartByTheirConditions) {
  PageData page;
  for (const char* bytes : {"100", "16384"}) {
    page.groups.push_back(
        {.medium = "tmpfs",
         .conditions = std::string("bench b · 2,000 records of ") + bytes + " B · verify full",
         .rows = {MakeRow("cmap", "workloada")}});
  }
  const std::string latex = RenderLatex(page);
  EXPECT_EQ(CountOf(latex, "; 2,000 records of 100 B"), 1);
  EXPECT_EQ(CountOf(latex, "; 2,000 records of 16384 B"), 1);
  EXPECT_EQ(CountOf(latex, "verify full"), 0);
  page.groups.pop_back();
  EXPECT_EQ(CountOf(RenderLatex(page), "records of"), 0);
}

TEST(LatexTable, NamesWithSpecialCharactersStayInTheirCell) {
  SpeedRow row = MakeRow("odd_engine", "work&load_%#1", "power-fail");
  row.settings = "a_b=50%&c#";
  PageData page = MakePage({row});
  page.notices.push_back({false, "50 %_&", "line\nbreak # and \\par"});
  const std::string latex = RenderLatex(page);
  ASSERT_EQ(Rows(latex).size(), 2U);
  for (const std::string& line : Rows(latex)) EXPECT_EQ(Cells(line), ColumnsOf(latex)) << line;
  EXPECT_NE(latex.find("odd\\_engine (a\\_b=50\\%\\&c\\#) & 1,000"), std::string::npos) << latex;
  EXPECT_NE(latex.find("\\emph{work\\&load\\_\\%\\#1, 1 thread"), std::string::npos) << latex;
  EXPECT_NE(latex.find("50 \\%\\_\\&: line break \\# and \\textbackslash{}par"), std::string::npos)
      << latex;
  // After the comments on top no percent sign may begin another.
  std::istringstream lines(latex);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("%") || line.ends_with("pt}%")) continue;
    for (size_t at = line.find('%'); at != std::string::npos; at = line.find('%', at + 1))
      EXPECT_TRUE(at > 0 && line[at - 1] == '\\') << line;
  }
}

TEST(LatexTable, EveryRowHasACellForEachColumn) {
  SpeedRow failed;
  failed.engine = "lmdb";
  failed.workload = "workloada";
  failed.durability = "power-fail";
  failed.latency_kind = "READ";
  failed.bad = true;
  PageData page =
      MakePage({MakeRow("cmap", "workloada"), failed, MakeRow("rocksdb", "workloadc", "prefix")});
  page.crashes.push_back({.engine = "cmap",
                          .durability = "power-fail",
                          .settings = {},
                          .workload = {},
                          .fault = "power-loss",
                          .model = "Px86",
                          .word = "proved",
                          .style = "good",
                          .limits = {},
                          .report = {}});
  const std::string latex = RenderLatex(page);
  EXPECT_EQ(ColumnsOf(latex), 7U);
  ASSERT_EQ(Rows(latex).size(), 4U);
  for (const std::string& line : Rows(latex)) EXPECT_EQ(Cells(line), 7U) << line;
  EXPECT_EQ(CountOf(latex, "\\multicolumn{7}"), 3) << latex;
  EXPECT_EQ(CountOf(latex, "{"), CountOf(latex, "}"));
  EXPECT_NE(latex.find("cmap & power-fail & 1,000 & 900--1,100 & 1.50 & -- & proved (Px86) \\\\"),
            std::string::npos)
      << latex;
  EXPECT_NE(latex.find("lmdb$^\\ast$ & power-fail & -- & -- & -- & -- & not tested \\\\"),
            std::string::npos)
      << latex;
}

TEST(LatexTable, WhatAllRowsShareIsNoColumn) {
  PageData page = MakePage({MakeRow("cmap", "workloada"), MakeRow("lmdb", "workloada")});
  EXPECT_EQ(ColumnsOf(RenderLatex(page)), 5U);
  EXPECT_NE(RenderLatex(page).find("Durability of every row: power-fail."), std::string::npos);
  for (SpeedRow& row : page.groups[0].rows)
    row.throughput_ops_per_s = Spread{1000, {}, {}, "single run"};
  EXPECT_EQ(ColumnsOf(RenderLatex(page)), 4U);
  EXPECT_NE(RenderLatex(page).find("One run a row."), std::string::npos);
}

TEST(LatexTable, WhatAReaderMustKnowIsPrinted) {
  PageData page = MakePage({MakeRow("cmap", "workloada")});
  page.notices.push_back({true, "Modelled media", "optane: nobody has measured them here."});
  const std::string latex = RenderLatex(page);
  EXPECT_GT(latex.find("Modelled media: optane"), latex.find("\\end{tabular}"));
  EXPECT_NE(latex.find("Medians of the repeats, with the order statistics, 75 \\%."),
            std::string::npos);
}

TEST(LatexTable, TheHarnessItselfIsNoRow) {
  PageData page = MakePage({MakeRow("cmap", "workloada")});
  page.groups.push_back(
      {.medium = "none", .conditions = {}, .rows = {MakeRow("blackhole", "workloada")}});
  EXPECT_EQ(RenderLatex(page).find("blackhole"), std::string::npos);
}

}  // namespace
}  // namespace fencepost::page
