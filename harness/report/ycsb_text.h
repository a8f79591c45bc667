// SPDX-License-Identifier: BSD-3-Clause
// YCSB's text: the lines that its users' scripts parse, and its status line.
//
// Latencies are in microseconds with three decimals; YCSB's integers would print a hash map's get
// as 0. Source: YCSB's OneMeasurementHdrHistogram and StatusThread.
#ifndef FENCEPOST_HARNESS_REPORT_YCSB_TEXT_H_
#define FENCEPOST_HARNESS_REPORT_YCSB_TEXT_H_

#include <string>
#include <vector>

#include "engines/engine.h"
#include "harness/phase.h"
#include "workloads/workload.h"

namespace fencepost {

// All lines of a phase: [OVERALL], one block a kind, [VERIFY] where values were verified.
std::string YcsbLines(const PhaseResult& result, const WorkloadSpec& spec);

// What each kind of operation of an engine wrote back, in lines of the same form; nothing for an
// engine that does not count it.
std::string PersistLines(const std::vector<WriteBackCost>& costs);

// "2026-01-01 00:00:10:000 10 sec: 94 operations; ..." in local time.
std::string YcsbStatusLine(const PhaseProgress& progress);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_REPORT_YCSB_TEXT_H_
