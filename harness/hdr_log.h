// SPDX-License-Identifier: BSD-3-Clause
// HdrHistogram's log format, version 1.3, so that its plotters and analysers read our results.
//
// A log is text. `#` begins a comment, of which `#[StartTime: s ...` and `#[BaseTime: s ...` have
// meaning; a line that begins with `"StartTimestamp"` is the legend; every other line is one
// interval: [Tag=name,]start_s,length_s,max,histogram. Starts are relative to the base time; max
// is in milliseconds and for human readers. The histogram is base64 of
//     0x1c849304 | 0x10, length, zlib stream of
//       0x1c849303 | 0x10, payload length, normalizing offset, significant digits   (each 4 bytes)
//       lowest value, highest value, conversion ratio as a double              (each 8 bytes)
//       payload: for each bucket up to the last in use its count, or minus the length of a run of
//         at least two empty buckets, as ZigZag LEB128 of at most 9 bytes
// with integers big-endian.
//
// Invariants: what is read back equals what was written (Histogram::operator==), but for
//   saturated_count, which the format has no place for.
// Threads: none.
// Not covered: histograms of other than 3 significant digits or another unit than 1, shifted or
//   double-valued ones, and the V0 and V1 encodings: each is kUnsupported on reading.
// Source: HdrHistogram (public domain): HistogramLogWriter, HistogramLogReader, AbstractHistogram
//   (V2 encoding), ZigZagLEB128 codec.
#ifndef FENCEPOST_HARNESS_HDR_LOG_H_
#define FENCEPOST_HARNESS_HDR_LOG_H_

#include <iosfwd>
#include <string>
#include <string_view>

#include "engines/function_ref.h"
#include "engines/status.h"
#include "harness/histogram.h"

namespace fencepost {

// The V2 encoding before compression.
std::string EncodeHistogram(const Histogram& histogram);
// kCorrupt: not such an encoding, or cut off. kUnsupported: see above.
Result<Histogram> DecodeHistogram(std::string_view encoded);

// The V2 encoding, compressed, in base64: the last field of an interval's line.
std::string EncodeHistogramBase64(const Histogram& histogram);
Result<Histogram> DecodeHistogramBase64(std::string_view base64);

// One line of a log.
struct HdrInterval {
  std::string tag;     // "" for none
  double start_s = 0;  // since the base time of the log
  double length_s = 0;
  Histogram histogram;
};

// Writes a log to `out`, which must outlive it. Look at the state of `out` at the end.
class HdrLogWriter {
 public:
  // Writes the head: comments (one line each), version, times and legend. Starts of intervals are
  // relative to `start_time_s`, in seconds since the epoch.
  HdrLogWriter(std::ostream& out, double start_time_s, std::string_view comment);

  // kInvalidArgument: a tag with a comma, a blank or a line break in it.
  Status Write(std::string_view tag, double start_s, double length_s, const Histogram& histogram);

 private:
  std::ostream& out_;
};

// Calls `visit` for each interval in the order of the log; ends early if it returns an error.
// kCorrupt with the number of the line: a line that is none of the above.
Status ReadHdrLog(std::istream& in, FunctionRef<Status(const HdrInterval&)> visit);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_HDR_LOG_H_
