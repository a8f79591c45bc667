// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/recovery_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "faultinject/trace/trace_file.h"

namespace fencepost {
namespace {

// Which bytes of a line are equal: bit i is byte i.
uint64_t EqualBytes(const LineBytes& a, const LineBytes& b) {
  uint64_t equal = 0;
  for (size_t i = 0; i < kLineBytes; ++i) equal |= uint64_t{a[i] == b[i]} << i;
  return equal;
}

uint64_t BytesOf(const PendingStore& store) {
  const uint64_t below =
      store.bytes == kLineBytes ? ~uint64_t{0} : (uint64_t{1} << store.bytes) - 1;
  return below << store.begin;
}

// A line above noise.
struct NoisyLine {
  LineBytes durable{};
  Px86Line pending;
};
struct NoisyPoint {
  CrashPoint point;
  std::map<LineId, NoisyLine> lines;
};

// Images of the trace's files, full of noise, or of its complement: no byte that is not stored to
// is the same in both.
Result<ImageSet> Noise(TraceFile* trace, const std::vector<TracedImage>& images, uint64_t seed,
                       bool complement, std::map<uint32_t, uint32_t>* names) {
  ImageSet noise;
  Status status;
  RETURN_IF_ERROR(trace->ForEach([&](const fpt_event& event) {
    if (event.kind != FPT_FILE || !status.ok()) return;
    const std::string path(View(event.text));
    const auto image = std::find_if(images.begin(), images.end(),
                                    [&](const TracedImage& known) { return known.path == path; });
    if (image == images.end()) {
      status = Status::Unsupported(fmt::format("the recovery maps {} besides its images", path));
      return;
    }
    (*names)[event.file] = image->file;
    status = noise.AddFile(event.file, path, {});
    noise.Resize(event.file, image->bytes);
    std::mt19937_64 random(seed * 1000 + event.file);
    std::vector<uint64_t> words(image->bytes / sizeof(uint64_t));
    for (uint64_t& word : words) word = complement ? ~random() : random();
    noise.WriteBytes(event.file, 0,
                     {reinterpret_cast<const uint8_t*>(words.data()), words.size() * 8});
  }));
  RETURN_IF_ERROR(status);
  return noise;
}

// The crash points of the recovery, with every line that it has changed by then.
Result<std::vector<NoisyPoint>> WalkAboveNoise(TraceFile* trace, const TraceSurvey& survey,
                                               const Px86Options& options, ImageSet noise,
                                               const std::map<uint32_t, uint32_t>& names) {
  std::map<uint32_t, uint64_t> sizes;
  for (const auto& [number, file] : noise.files()) sizes[number] = file.bytes.size();
  noise.Remember();
  std::vector<NoisyPoint> points;
  TraceWalk walk(trace, survey, options, &noise);
  const auto name = [&](LineId line) { return LineId{names.at(line.file), line.number}; };
  while (const std::optional<CrashPoint> point = walk.Next()) {
    NoisyPoint& here = points.emplace_back();
    here.point = *point;
    for (const auto& [id, before] : noise.remembered()) {
      noise.ReadLine(id, &here.lines[name(id)].durable);
    }
    for (const auto& [id, line] : walk.model().lines()) {
      here.lines[name(id)] = {.durable = line.durable(), .pending = line};
    }
  }
  RETURN_IF_ERROR(walk.status());
  for (const auto& [number, file] : noise.files()) {
    if (file.bytes.size() != sizes[number]) {
      return Status::Unsupported("the recovery changes the size of a file");
    }
  }
  return points;
}

// What is the same above both.
ScriptLine Common(const NoisyLine& a, const NoisyLine& b) {
  return {.durable = a.durable, .written = EqualBytes(a.durable, b.durable), .pending = a.pending};
}

bool SameWalk(const std::vector<NoisyPoint>& a, const std::vector<NoisyPoint>& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const NoisyPoint& one, const NoisyPoint& other) {
        return one.point.event == other.point.event &&
               std::equal(one.lines.begin(), one.lines.end(), other.lines.begin(),
                          other.lines.end(),
                          [](const auto& x, const auto& y) { return x.first == y.first; });
      });
}

}  // namespace

Px86Line ScriptLine::Above(const LineBytes& base) const {
  LineBytes beneath = base;
  for (size_t i = 0; i < kLineBytes; ++i) {
    if ((written >> i & 1) != 0) beneath[i] = durable[i];
  }
  return pending.Above(beneath);
}

bool RecoveryScript::NeverDrains(LineId line) const {
  const auto found = points.back().lines.find(line);
  return found != points.back().lines.end() && found->second.pending.undecided();
}

Result<RecoveryScript> ReadScript(const std::filesystem::path& path,
                                  const std::vector<TracedImage>& images,
                                  const Px86Options& options) {
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(path.string()));
  ASSIGN_OR_RETURN(const TraceSurvey survey, SurveyTrace(&trace));
  const auto recovery = survey.operations.find(1);
  if (trace.truncated() || recovery == survey.operations.end() ||
      recovery->second.end == OperationSpan::kOpen) {
    return Status::Internal("the trace of a recovery is not whole");
  }
  // Where stores happen to write what the noise has, the walks may differ: seldom.
  constexpr uint64_t kMostSeeds = 8;
  for (uint64_t seed = 1; seed < kMostSeeds; ++seed) {
    std::map<uint32_t, uint32_t> names;
    ASSIGN_OR_RETURN(ImageSet first, Noise(&trace, images, seed, /*complement=*/false, &names));
    ASSIGN_OR_RETURN(ImageSet second, Noise(&trace, images, seed, /*complement=*/true, &names));
    ASSIGN_OR_RETURN(const std::vector<NoisyPoint> above_first,
                     WalkAboveNoise(&trace, survey, options, std::move(first), names));
    ASSIGN_OR_RETURN(const std::vector<NoisyPoint> above_second,
                     WalkAboveNoise(&trace, survey, options, std::move(second), names));
    if (!SameWalk(above_first, above_second)) continue;
    RecoveryScript script;
    for (size_t i = 0; i < above_first.size(); ++i) {
      const CrashPoint& point = above_first[i].point;
      if (point.event <= recovery->second.begin) continue;
      ScriptPoint& here = script.points.emplace_back();
      here.before = point.before;
      here.ended = point.event > recovery->second.end;
      if (point.stack != 0) here.where = DescribeFrame(trace.InnermostLine(point.stack));
      for (const auto& [id, line] : above_first[i].lines) {
        const ScriptLine& common = here.lines[id] = Common(line, above_second[i].lines.at(id));
        uint64_t& stored = script.stored[id];
        stored |= common.written;
        for (const PendingStore& store : common.pending.pending()) stored |= BytesOf(store);
      }
    }
    if (script.points.empty() || !script.points.back().ended) {
      return Status::Internal("the trace of a recovery does not show its end");
    }
    return script;
  }
  return Status::Internal("the trace of a recovery depends on what it recovered from");
}

}  // namespace fencepost
