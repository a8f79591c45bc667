// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/recording.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "faultinject/explore/trace_replay.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;

Result<std::vector<uint8_t>> ReadWhole(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::IoError(fmt::format("open: {}", path.string()));
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return Status::IoError(fmt::format("read: {}", path.string()));
  return bytes;
}

uint64_t HashOf(std::span<const uint8_t> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

Status Recording::AddFile(const fs::path& path) {
  std::error_code error;
  // As the tracer names it: without symbolic links.
  const fs::path canonical = fs::weakly_canonical(path, error);
  RecordedFile file{.path = (error ? fs::absolute(path) : canonical).string()};
  for (const RecordedFile& other : files) {
    if (other.path == file.path) return Status::Ok();
  }
  if (fs::exists(path, error)) {
    if (!fs::is_regular_file(path, error)) {
      return Status::InvalidArgument(fmt::format("{}: is no regular file", path.string()));
    }
    file.initial = fmt::format("image-{}", files.size());
    fs::copy_file(path, folder / file.initial, fs::copy_options::overwrite_existing, error);
    if (error) {
      return Status::IoError(fmt::format("copy: {}: {}", path.string(), error.message()));
    }
  }
  files.push_back(std::move(file));
  return Status::Ok();
}

Status Recording::Finish() {
  for (RecordedFile& file : files) {
    std::error_code error;
    if (!fs::exists(file.path, error)) {
      return Status::Unsupported(
          fmt::format("{}: is gone after the run; a file that is removed or renamed cannot be "
                      "recorded",
                      file.path));
    }
    ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadWhole(file.path));
    file.final_bytes = bytes.size();
    file.final_hash = HashOf(bytes);
  }
  finished = true;
  return Status::Ok();
}

Status Recording::Write() const {
  json list = json::array();
  for (const RecordedFile& file : files) {
    list.push_back({{"path", file.path},
                    {"initial", file.initial},
                    {"final_bytes", file.final_bytes},
                    {"final_hash", fmt::format("{:016x}", file.final_hash)}});
  }
  const json all = {{"version", kVersion},
                    {"command", command},
                    {"finished", finished},
                    {"log", log},
                    {"files", list}};
  std::ofstream out(folder / "recording.json", std::ios::trunc);
  // A path need not be UTF-8.
  out << all.dump(1, ' ', false, json::error_handler_t::replace) << "\n";
  out.close();
  if (!out) {
    return Status::IoError(fmt::format("write: {}", (folder / "recording.json").string()));
  }
  return Status::Ok();
}

Result<Recording> Recording::Read(const fs::path& folder) {
  const fs::path path = folder / "recording.json";
  std::ifstream in(path);
  if (!in) {
    return Status::InvalidArgument(
        fmt::format("{}: is no recording (no recording.json in it)", folder.string()));
  }
  const json all = json::parse(in, nullptr, /*allow_exceptions=*/false);
  Recording recording{.folder = folder};
  try {
    if (all.at("version").get<int>() != kVersion) {
      return Status::Corrupt(fmt::format("{}: version {}, this program reads {}", path.string(),
                                         all.at("version").dump(), kVersion));
    }
    recording.command = all.at("command").get<std::vector<std::string>>();
    recording.finished = all.at("finished").get<bool>();
    recording.log = all.value("log", "");
    for (const json& file : all.at("files")) {
      recording.files.push_back(
          {.path = file.at("path").get<std::string>(),
           .initial = file.at("initial").get<std::string>(),
           .final_bytes = file.at("final_bytes").get<uint64_t>(),
           .final_hash = std::stoull(file.at("final_hash").get<std::string>(), nullptr, 16)});
    }
  } catch (const std::exception& error) {
    return Status::Corrupt(fmt::format("{}: {}", path.string(), error.what()));
  }
  return recording;
}

Result<ImageSet> InitialImages(const Recording& recording, TraceFile* trace) {
  ImageSet images;
  Status status;
  RETURN_IF_ERROR(trace->ForEach([&](const fpt_event& event) {
    if (event.kind != FPT_FILE || !status.ok()) return;
    const std::string path(View(event.text));
    for (const RecordedFile& file : recording.files) {
      if (file.path != path) continue;
      status = images.AddFile(event.file, path,
                              file.initial.empty() ? fs::path() : recording.folder / file.initial);
      return;
    }
    status = Status::InvalidArgument(fmt::format(
        "{}: was mapped in the run, and what it held before was not recorded (--image)", path));
  }));
  RETURN_IF_ERROR(status);
  if (images.files().empty()) {
    return Status::InvalidArgument(
        fmt::format("{}: maps no persistent file", recording.trace_path().string()));
  }
  return images;
}

Status VerifyReplay(const Recording& recording, TraceFile* trace) {
  ASSIGN_OR_RETURN(ImageSet images, InitialImages(recording, trace));
  RETURN_IF_ERROR(ReplayAll(trace, &images));
  if (!recording.finished) return Status::Ok();
  for (const auto& [number, image] : images.files()) {
    for (const RecordedFile& file : recording.files) {
      if (file.path != image.path) continue;
      if (image.bytes.size() == file.final_bytes && HashOf(image.bytes) == file.final_hash)
        continue;
      return Status::Corrupt(fmt::format(
          "{}: the trace does not give what the run left ({} bytes, not {}, or other contents): "
          "the recording is incomplete, nothing can be said of its crashes",
          file.path, image.bytes.size(), file.final_bytes));
    }
  }
  return Status::Ok();
}

}  // namespace fencepost
