// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/image_guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

  void Put(std::span<const char> contents) {
    CHECK(contents.size() <= bytes_ && contents.size() % kPage == 0);
    static constexpr std::array<char, kPage> kZeros{};
    size_t data_end = 0;  // up to there, what the file has is not known
    for (size_t at = 0; at < contents.size(); at += kPage) {
      if (at >= data_end) data_end = NextData(at, contents, kZeros.data(), &at);
      if (at >= contents.size()) return;
      if (std::memcmp(address_ + at, contents.data() + at, kPage) != 0) {
        std::memcpy(address_ + at, contents.data() + at, kPage);
      }
    }
  }

 private:
  static constexpr size_t kPage = 4096;

  DiskFile(int fd, char* address, size_t bytes) : fd_(fd), address_(address), bytes_(bytes) {}

  // Fills the hole of the file that `*at` may be in, without reading it; `*at` is then where it
  // ends. Returns where the data behind it ends.
  size_t NextData(size_t at, std::span<const char> contents, const char* zeros, size_t* end) {
    const off_t data = lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
    const size_t begin = data < 0 ? contents.size()
                                  : std::min(static_cast<size_t>(data) / kPage * kPage,
                                             contents.size());
    for (*end = at; *end < begin; *end += kPage) {
      if (std::memcmp(contents.data() + *end, zeros, kPage) == 0) continue;
      std::memcpy(address_ + *end, contents.data() + *end, kPage);
    }
    if (begin >= contents.size()) return contents.size();
    const off_t hole = lseek(fd_, static_cast<off_t>(begin), SEEK_HOLE);
    return hole < 0 ? contents.size()
                    : (static_cast<size_t>(hole) + kPage - 1) / kPage * kPage;
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

Result<RecoveredImage> ImageGuest::Recover(std::span<const char> contents) {
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
