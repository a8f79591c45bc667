// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/image_guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "harness/interrupt.h"
#include "harness/vm/guest_images.h"

namespace fencepost {
namespace {

using nlohmann::json;

// Of a request beyond the time that a recovery may take.
constexpr double kImageRequestSeconds = 60;

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
    if (address == MAP_FAILED) {
      const int error = errno;
      if (fd >= 0) close(fd);
      return Status::IoError(fmt::format("mmap: {}, {}", std::strerror(error), path.string()));
    }
    return std::unique_ptr<DiskFile>(new DiskFile(fd, static_cast<char*>(address), bytes));
  }
  ~DiskFile() {
    munmap(address_, bytes_);
    close(fd_);
  }
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;

  void Put(const DiskContents& contents) {
    CHECK(contents.bytes.size() <= bytes_ && contents.bytes.size() % kPage == 0);
    for (const bool of_data : {true, false}) {
      // Where the file has holes only what is in use can differ.
      for (size_t at = 0; at < contents.bytes.size();) {
        const auto [begin, end] = NextData(at, contents.bytes.size());
        PutPages(contents, of_data ? begin : at, of_data ? end : begin, of_data);
        at = end;
      }
    }
  }

 private:
  static constexpr size_t kPage = DiskContents::kPageBytes;

  DiskFile(int fd, char* address, size_t bytes) : fd_(fd), address_(address), bytes_(bytes) {}

  // Where the first data of the file begin that are not before `at`, and where they end.
  std::pair<size_t, size_t> NextData(size_t at, size_t bytes) const {
    const off_t data = lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 || static_cast<size_t>(data) >= bytes) return {bytes, bytes};
    const off_t hole = lseek(fd_, data, SEEK_HOLE);
    const size_t end = hole < 0 ? bytes : (static_cast<size_t>(hole) + kPage - 1) / kPage * kPage;
    return {static_cast<size_t>(data) / kPage * kPage, std::min(end, bytes)};
  }

  void PutPages(const DiskContents& contents, size_t begin, size_t end, bool all) {
    for (size_t at = begin; at < end; at += kPage) {
      if (!all && !contents.in_use[at / kPage]) continue;
      const char* const wanted = contents.bytes.data() + at;
      if (std::memcmp(address_ + at, wanted, kPage) != 0) std::memcpy(address_ + at, wanted, kPage);
    }
  }

  const int fd_;
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
    return {
        {.kind = "file-system",
         .subject = file_system,
         .message = fmt::format("the file system is damaged: the kernel says: {}", image.kernel),
         .allowed = "a mount without complaint",
         .found = image.kernel}};
  }
  return {};
}

ImageGuest::ImageGuest(GuestHost* host, json prepare, double timeout_s)
    : host_(host), prepare_(std::move(prepare)), timeout_s_(timeout_s) {}

ImageGuest::~ImageGuest() = default;

Status ImageGuest::Start() {
  if (disk_ == nullptr) {
    ASSIGN_OR_RETURN(disk_, DiskFile::Open(host_->image()));
  }
  machine_.reset();
  ASSIGN_OR_RETURN(VirtualMachine booted, host_->Boot());
  machine_.emplace(std::move(booted));
  boot_s_.push_back(host_->last_boot_s());
  return AskGuest(*machine_, prepare_, kImageRequestSeconds).status();
}

Result<RecoveredImage> ImageGuest::Ask() {
  ASSIGN_OR_RETURN(const json answer,
                   AskGuest(*machine_, {{"do", "image"}}, timeout_s_ + kImageRequestSeconds));
  RecoveredImage image;
  ASSIGN_OR_RETURN(image.outcome, ParseGuestOutcome(answer));
  image.mount = answer.at("mount").get<std::string>();
  image.kernel = answer.at("kernel").get<std::string>();
  return image;
}

Result<RecoveredImage> ImageGuest::Recover(const DiskContents& contents) {
  RecoveredImage failed;
  constexpr int kTries = 2;
  for (int i = 0; i < kTries; ++i) {
    if (!machine_) {
      ++restarts_;
      RETURN_IF_ERROR(Start());
    }
    disk_->Put(contents);
    Result<RecoveredImage> image = Ask();
    if (image.ok() || Interrupted()) return image;
    machine_.reset();
    failed.failure = std::string(image.message());
  }
  return failed;
}

}  // namespace fencepost
