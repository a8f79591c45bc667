// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/image_guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "harness/interrupt.h"
#include "harness/vm/guest_images.h"

namespace fencepost {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

// Of a request beyond the time that a recovery may take.
constexpr double kImageRequestSeconds = 60;

double SecondsFrom(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

// The file behind the guest's device. Its space was taken when it was made.
class ImageGuest::DiskFile {
 public:
  static Result<std::unique_ptr<DiskFile>> Open(const std::filesystem::path& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat facts;
    void* address = MAP_FAILED;
    size_t bytes = 0;
    if (fd >= 0 && fstat(fd, &facts) == 0) {
      bytes = static_cast<size_t>(facts.st_size);
      address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    const int error = errno;
    if (fd >= 0) close(fd);
    if (address == MAP_FAILED) {
      return Status::IoError(fmt::format("mmap: {}, {}", std::strerror(error), path.string()));
    }
    return std::unique_ptr<DiskFile>(new DiskFile(static_cast<char*>(address), bytes));
  }
  ~DiskFile() { munmap(address_, bytes_); }
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;

  void Put(std::span<const char> contents) {
    CHECK(contents.size() <= bytes_);
    constexpr size_t kStep = 4096;
    for (size_t at = 0; at < contents.size(); at += kStep) {
      const size_t step = std::min(kStep, contents.size() - at);
      if (std::memcmp(address_ + at, contents.data() + at, step) != 0) {
        std::memcpy(address_ + at, contents.data() + at, step);
      }
    }
  }

 private:
  DiskFile(char* address, size_t bytes) : address_(address), bytes_(bytes) {}

  char* const address_;
  const size_t bytes_;
};

std::vector<Finding> JudgeMount(const RecoveredImage& image, const std::string& file_system) {
  if (!image.failure.empty()) {
    return {{.kind = "guest",
             .subject = file_system,
             .message = fmt::format("the guest failed with this image, twice: {}", image.failure),
             .allowed = "a recovery",
             .found = image.failure}};
  }
  if (!image.mount.empty()) {
    return {{.kind = "mount",
             .subject = file_system,
             .message = fmt::format(
                 "the file system cannot be mounted: {}{}", image.mount,
                 image.kernel.empty() ? "" : fmt::format("; the kernel says: {}", image.kernel)),
             .allowed = "a mount, after the journal was played back",
             .found = image.mount}};
  }
  if (!image.kernel.empty()) {
    return {{.kind = "file-system",
             .subject = file_system,
             .message = fmt::format("the file system is damaged: the kernel says: {}",
                                    image.kernel),
             .allowed = "a mount without complaint",
             .found = image.kernel}};
  }
  return {};
}

ImageGuest::ImageGuest(GuestHost* host, json prepare, double timeout_s)
    : host_(host), prepare_(std::move(prepare)), timeout_s_(timeout_s) {}

ImageGuest::~ImageGuest() = default;

Status ImageGuest::Start() {
  machine_.reset();
  ASSIGN_OR_RETURN(VirtualMachine booted, host_->Boot());
  machine_.emplace(std::move(booted));
  boot_s_.push_back(host_->last_boot_s());
  return AskGuest(*machine_, prepare_, kImageRequestSeconds).status();
}

Result<RecoveredImage> ImageGuest::Ask() {
  ASSIGN_OR_RETURN(const json answer,
                   AskGuest(*machine_, {{"do", "image"}}, timeout_s_ + kImageRequestSeconds));
  if(getenv("FP_T")) {static auto l=Clock::now(); fmt::print(stderr,"{} total {:.1f} put {:.1f}\n",answer.value("t",json()).dump(),SecondsFrom(l)*1e3,put_s_*1e3); l=Clock::now();}
  RecoveredImage image;
  ASSIGN_OR_RETURN(image.outcome, ParseGuestOutcome(answer));
  image.mount = answer.at("mount").get<std::string>();
  image.kernel = answer.at("kernel").get<std::string>();
  return image;
}

Result<RecoveredImage> ImageGuest::Recover(std::span<const char> contents) {
  if (disk_ == nullptr) {
    ASSIGN_OR_RETURN(disk_, DiskFile::Open(host_->image()));
  }
  RecoveredImage failed;
  constexpr int kTries = 2;
  for (int i = 0; i < kTries; ++i) {
    if (!machine_) {
      restarts_ += boot_s_.empty() ? 0 : 1;
      RETURN_IF_ERROR(Start());
    }
    const auto begin = Clock::now();
    disk_->Put(contents);
    put_s_ += SecondsFrom(begin);
    Result<RecoveredImage> image = Ask();
    if (image.ok() || Interrupted()) return image;
    machine_.reset();
    failed.failure = std::string(image.message());
  }
  return failed;
}

}  // namespace fencepost
