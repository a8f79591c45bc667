// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/disk_recording.h"

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "harness/crash/engine_recording.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

// Of requests that take seconds at most, and of a whole run.
constexpr double kDiskRequestSeconds = 120, kDiskRunSeconds = 600;

Status CopyFirst(const fs::path& from, uint64_t bytes, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (!error) fs::resize_file(to, bytes, error);
  return error ? Status::IoError(fmt::format("copy: {}, {}", error.message(), to.string()))
               : Status::Ok();
}

}  // namespace

Result<DiskRecording> DiskRecording::Record(GuestHost* host, const CrashSubject& subject,
                                            const std::string& mount_options, uint64_t disk_bytes,
                                            const fs::path& folder) {
  DiskRecording recording{.folder = folder,
                          .file_system = host->file_system(),
                          .mount_options = mount_options,
                          .disk_bytes = disk_bytes};
  RETURN_IF_ERROR(subject.Write(folder));
  const json subject_json = json::parse(std::ifstream(folder / "engine.json"));
  ASSIGN_OR_RETURN(VirtualMachine machine,
                   host->Boot({.history = folder / "history.jsonl", .recorded = true}));
  const json requests[] = {
      {{"do", "format-disk"}, {"fs", recording.file_system}, {"bytes", disk_bytes}},
      {{"do", "mount-disk"}, {"fs", recording.file_system}, {"options", mount_options}},
      {{"do", "load"}, {"subject", subject_json}}};
  for (const json& request : requests) {
    RETURN_IF_ERROR(AskGuest(machine, request, kDiskRequestSeconds).status());
  }
  const auto begin = Clock::now();
  ASSIGN_OR_RETURN(const json ended,
                   AskGuest(machine, {{"do", "client"}, {"marks", disk_bytes}}, kDiskRunSeconds));
  recording.run_s = std::chrono::duration<double>(Clock::now() - begin).count();
  if (ended.at("exit") != 0) {
    return Status::IoError(
        fmt::format("the run in the guest ended with exit code {}", ended.at("exit").get<int>()));
  }
  RETURN_IF_ERROR(
      AskGuest(machine, {{"do", "end-marks"}, {"marks", disk_bytes}}, kDiskRequestSeconds)
          .status());
  return recording;
}

Result<DiskRecording> DiskRecording::Read(const fs::path& folder) {
  const json all = json::parse(std::ifstream(folder / "disk.json"), nullptr, false);
  if (!all.is_object() || !all.value("file_system", json()).is_string() ||
      !all.value("mount_options", json()).is_string() ||
      !all.value("disk_bytes", json()).is_number_unsigned()) {
    return Status::Corrupt(fmt::format("{}: records no disk", folder.string()));
  }
  DiskRecording recording{.folder = folder,
                          .file_system = all["file_system"].get<std::string>(),
                          .mount_options = all["mount_options"].get<std::string>(),
                          .disk_bytes = all["disk_bytes"].get<uint64_t>()};
  constexpr uint64_t kMost = uint64_t{65536} << 20;
  if (recording.disk_bytes == 0 || recording.disk_bytes > kMost ||
      recording.disk_bytes % (1 << 20) != 0) {
    return Status::Corrupt(
        fmt::format("{}: a disk of {} bytes", folder.string(), recording.disk_bytes));
  }
  return recording;
}

Status DiskRecording::Keep(const fs::path& log, uint64_t log_bytes, const fs::path& to) const {
  RETURN_IF_ERROR(CopyStore(folder, to));
  std::ofstream out(to / "disk.json");
  out << json{{"file_system", file_system},
              {"mount_options", mount_options},
              {"disk_bytes", disk_bytes}}
             .dump(1)
      << "\n";
  out.close();
  if (!out) return Status::IoError(fmt::format("write: {}", (to / "disk.json").string()));
  return CopyFirst(log, log_bytes, to / "disk-log");
}

Result<DiskStates> StatesOf(const DiskRecording& recording, const fs::path& log,
                            const EndedRun& run, uint64_t sector_bytes) {
  ASSIGN_OR_RETURN(WriteLog writes, WriteLog::Open(log));
  if (sector_bytes == 0 || sector_bytes % writes.sector_bytes() != 0 ||
      recording.disk_bytes % writes.sector_bytes() != 0) {
    return Status::Corrupt(fmt::format("{}: has sectors of {} bytes, and the disk of {}",
                                       log.string(), writes.sector_bytes(), sector_bytes));
  }
  ASSIGN_OR_RETURN(DiskStates states,
                   DiskStates::Make(std::move(writes), recording.disk_bytes, sector_bytes));
  const uint64_t arrived = run.Point().event - 1;
  if (states.lines() != arrived) {
    return Status::Corrupt(
        fmt::format("{} lines of the history are marked in the disk's log, and "
                    "{} have arrived",
                    states.lines(), arrived));
  }
  return states;
}

}  // namespace fencepost
