// SPDX-License-Identifier: BSD-3-Clause
// The figures as SVG: throughput as dots with intervals, latency by percentile.
//
// A figure is a set of small panels of one width, so that text has the size that it was given both
// on a desk and on a phone. Axes are logarithmic, and the panels of a group share them. Every mark
// carries its values in `data-tip`, which the page's script shows, and which is its name for those
// who do not see it. Threads: any.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_FIGURES_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_FIGURES_H_

#include <string>
#include <vector>

#include "harness/report/page/markup.h"
#include "harness/report/page/page_data.h"

namespace fencepost::page {

// A logarithmic axis over [low, high], widened a little.
class LogScale {
 public:
  // REQUIRES: 0 < low <= high.
  LogScale(double low, double high);
  double At(double value) const;              // 0 at the low end, 1 at the high end
  std::vector<double> LabelledTicks() const;  // decades, or 1, 2 and 5 of a short axis
  std::vector<double> MinorTicks() const;

 private:
  double log_low_, log_high_;
};

// "e-cmap": the class that colours an engine; engines that we do not know share three colours.
std::string EngineClass(const std::string& engine);
// A mark of a shape of its own at (0, 0).
Markup EngineMark(const std::string& engine);
// An engine's name with what else tells rows apart.
std::string RowLabel(const SpeedRow& row, bool with_durability);

// A panel for each workload and number of threads. `floors`: the rows of the harness itself.
Markup ThroughputFigure(const Group& group, const std::vector<SpeedRow>& floors);
// A panel for each workload, number of threads and kind of operation.
Markup LatencyFigure(const Group& group);
// The interval of one row as a strip for a cell of a table.
Markup Strip(const SpeedRow& row, const LogScale& scale);
// Over all rows of the group that have a throughput; of none, [1, 10].
LogScale ThroughputScale(const Group& group);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_FIGURES_H_
