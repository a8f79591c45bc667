// SPDX-License-Identifier: BSD-3-Clause
// The report as a table of a paper: what can be compared stands under one heading, and what a
// reader must know is below it in print.
//
// Invariants:
//   1. Every row has as many cells as the table has columns.
//   2. Whatever the results hold is text: no character of it is LaTeX's.
//   3. A medium, a workload, a number of threads and a kind of operation make a heading; the
//   promise
//      of durability is a column wherever rows differ in it, else it is in the notes.
// Threads: any.
// Not covered: the floating table around it, its caption, tables that are longer than a page.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_LATEX_TABLE_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_LATEX_TABLE_H_

#include <string>
#include <string_view>

#include "harness/report/page/page_data.h"

namespace fencepost::page {

// Needs \usepackage{booktabs}. Groups without rows, and the harness's own, are left out.
std::string RenderLatex(const PageData& page);

std::string EscapeLatex(std::string_view text);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_LATEX_TABLE_H_
