// SPDX-License-Identifier: BSD-3-Clause
// Published measurements of memory and storage, as data: what the models are made of, and what they
// are compared with.
//
// Invariants:
//   1. A series is a copy of the published one; nothing is rounded, smoothed or left out, but for
//      series that no model here speaks of (plain stores without a flush).
// Threads: any.
// Source: Yang, Kim, Hoseinzadeh, Izraelevitz, Swanson. An Empirical Guide to the Behavior and Use
//   of Scalable Persistent Memory. FAST 2020, the numbers behind its figures (NVSL/OptaneStudy):
//   two Xeon Platinum 8260, 6 DDR4-2666 DIMMs and 6 first-generation 256 GB Optane modules a
//   socket. In its table 04 of the interleaved modules the headings of clwb and ntstore are
//   exchanged (compare 05); that table is not used here.
#ifndef FENCEPOST_ENGINES_MEDIA_PUBLISHED_H_
#define FENCEPOST_ENGINES_MEDIA_PUBLISHED_H_

#include <span>
#include <string_view>

namespace fencepost::media {

enum class Role : unsigned char {
  kFitted,   // parameters are computed from it
  kHeldOut,  // no parameter has seen it
};

struct PublishedPoint {
  double x;
  double value;
};

struct PublishedSeries {
  std::string_view table;   // "05_ni"
  std::string_view series;  // "ntstore"
  Role role;
  std::string_view x_unit;  // "threads", "bytes"
  std::string_view unit;    // "GB/s", "ns", "ratio"
  std::span<const PublishedPoint> points;
};

// 02: the best-case latency of one 64-byte access on an idle machine.
struct BestCaseLatency {
  double sequential_read_ns, random_read_ns, ntstore_ns, clwb_ns;
};
inline constexpr BestCaseLatency kDramLatency = {81.4, 101.5, 86.9, 57.3};
inline constexpr BestCaseLatency kOptaneLatency = {169.4, 305.0, 90.4, 62.3};

// 17: one thread and four threads against the other socket's modules, as a share of local ones.
struct RemoteShare {
  double write_1, read_4, write_4;
};
inline constexpr RemoteShare kRemoteShare = {2.135058594 / 5.225195313, 13.30830078 / 14.61962891,
                                             5.901269531 / 13.50947266};
// 06: idle latency of DRAM on the other socket less that on this one (M80000).
inline constexpr double kRemoteHopNs = 133.1 - 87.93;

// All series that the models are fitted to or compared with, in the order of their tables.
std::span<const PublishedSeries> Published();

// REQUIRES: there is one.
const PublishedSeries& FindPublished(std::string_view table, std::string_view series);

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_PUBLISHED_H_
