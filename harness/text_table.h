// SPDX-License-Identifier: BSD-3-Clause
// TextTable: aligned columns for a terminal.
#ifndef FENCEPOST_HARNESS_TEXT_TABLE_H_
#define FENCEPOST_HARNESS_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace fencepost {

class TextTable {
 public:
  enum class Align : unsigned char { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // REQUIRES: as many cells as columns.
  void AddRow(std::vector<std::string> cells);
  // Lines, each ended by a line break; no trailing blanks.
  std::string Render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// 1234567 as "1,234,567"; rounded.
std::string Grouped(double value);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_TEXT_TABLE_H_
