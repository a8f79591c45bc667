// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/guest_images.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "faultinject/explore/image_names.h"
#include "faultinject/vm/disk_states.h"
#include "faultinject/vm/guest_system.h"
#include "harness/vm/hex_text.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kSectorBytes = 512;

}  // namespace

Result<DiskMarker> DiskMarker::Open(uint64_t offset) {
  const int fd = open(kGuestDiskDevice, O_WRONLY | O_DIRECT | O_CLOEXEC);
  if (fd >= 0) return DiskMarker(fd, offset);
  return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), kGuestDiskDevice));
}

DiskMarker::DiskMarker(DiskMarker&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), offset_(other.offset_) {}

DiskMarker::~DiskMarker() {
  if (fd_ >= 0) close(fd_);
}

Status DiskMarker::Put(uint64_t line) {
  alignas(4096) std::array<char, kSectorBytes> sector{};
  const std::string mark = DiskMark(line);
  std::memcpy(sector.data(), mark.data(), mark.size());
  const ssize_t written = pwrite(fd_, sector.data(), sector.size(), static_cast<off_t>(offset_));
  if (written == static_cast<ssize_t>(sector.size())) return Status::Ok();
  return Status::IoError(fmt::format("pwrite: {}: a mark on {}",
                                     written < 0 ? std::strerror(errno) : "short write",
                                     kGuestDiskDevice));
}

json GuestOutcomeJson(const Outcome& outcome, const fs::path& store) {
  return {{"end", static_cast<int>(outcome.end)},
          {"code", outcome.code},
          {"answer", HexText(outcome.answer)},
          {"complaint", HexText(WithImageNames(outcome.complaint, {store.string()}))}};
}

Result<Outcome> ParseGuestOutcome(const json& answer) {
  Outcome outcome;
  outcome.end = static_cast<Outcome::End>(answer.at("end").get<int>());
  outcome.code = answer.at("code").get<int>();
  ASSIGN_OR_RETURN(outcome.answer, BytesOfHex(answer.at("answer").get<std::string>()));
  ASSIGN_OR_RETURN(outcome.complaint, BytesOfHex(answer.at("complaint").get<std::string>()));
  return outcome;
}

std::string KernelComplaint(const std::string& record) {
  // "priority,number,time,flags;text", and lines of facts behind it.
  int priority = 0;
  const auto [end, error] = std::from_chars(record.data(), record.data() + record.size(), priority);
  const size_t text = record.find(';');
  if (error != std::errc() || *end != ',' || text == std::string::npos) return {};
  const std::string said = record.substr(text + 1, record.find('\n') - text - 1);
  constexpr int kLevels = 8, kError = 3, kWarning = 4;
  const int level = priority % kLevels;
  const bool of_damage = said.find("fsck") != std::string::npos ||
                         said.find("orrupt") != std::string::npos ||
                         said.find("error") != std::string::npos;
  return level <= kError || (level == kWarning && of_damage) ? said : std::string();
}

GuestImages::GuestImages(RunPlan plan, Settings settings, int kernel_log)
    : plan_(std::move(plan)),
      settings_(std::move(settings)),
      kernel_log_(kernel_log),
      recovery_(*plan_.row, plan_.options, settings_.afterwards) {}

Result<std::unique_ptr<GuestImages>> GuestImages::Make(const CrashSubject& subject,
                                                       Settings settings) {
  ASSIGN_OR_RETURN(RunPlan plan, subject.Plan());
  const int kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (kernel_log < 0 || lseek(kernel_log, 0, SEEK_END) < 0) {
    return Status::IoError(fmt::format("open: {}: /dev/kmsg", std::strerror(errno)));
  }
  BecomeOwnerOfWorkers();
  return std::unique_ptr<GuestImages>(
      new GuestImages(std::move(plan), std::move(settings), kernel_log));
}

std::string GuestImages::Complaint() const {
  std::string complaint;
  std::array<char, 8192> record;
  for (;;) {
    const ssize_t got = read(kernel_log_, record.data(), record.size());
    if (got < 0 && errno == EPIPE) continue;  // some were overwritten before they were read
    if (got <= 0) return complaint;
    if (complaint.empty()) {
      complaint = KernelComplaint(std::string(record.data(), static_cast<size_t>(got)));
    }
  }
}

Status GuestImages::Unmount() {
  Status status = UnmountDevice(kGuestPmemDevice);
  if (status.ok()) return status;
  // A recovery that failed may have left files open.
  worker_.Kill();
  ReapStrays({});
  constexpr int kTries = 100;
  for (int i = 0; i < kTries && !status.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    status = UnmountDevice(kGuestPmemDevice);
  }
  return status;
}

Result<json> GuestImages::Recover() {
  const Status mounted =
      MountDevice(kGuestPmemDevice, settings_.file_system, settings_.mount_options);
  if (!mounted.ok()) {
    json answer = GuestOutcomeJson({}, settings_.store);
    answer.update({{"mount", mounted.message()}, {"kernel", Complaint()}});
    return answer;
  }
  if (!worker_.Alive()) {
    RETURN_IF_ERROR(worker_.Start(
        [this](const std::string& context) {
          return recovery_.Recover({settings_.store.string()}, context);
        },
        [] {}, [] {}));
  }
  RETURN_IF_ERROR(worker_.Request("", settings_.timeout_s));
  json answer = GuestOutcomeJson(worker_.Collect(), settings_.store);
  RETURN_IF_ERROR(Unmount());
  answer.update({{"mount", ""}, {"kernel", Complaint()}});
  return answer;
}

}  // namespace fencepost
